# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What a kernel says when something is wrong with it; such a line fails a run whatever its status."""

import re

COMPLAINTS = re.compile(
    r"""\bBUG:|\bkernel\ BUG\b|\bWARNING:|\bOops\b|Kernel\ panic|\bKASAN\b|\bKFENCE\b|\bKCSAN\b
    |\bUBSAN\b|kmemleak:\ \d+\ new|general\ protection|blocked\ for\ more\ than
    |possible\ (circular|recursive)\ locking|inconsistent\ lock\ state|suspicious\ RCU\ usage
    |\bINFO:\ (task|rcu|possible|trying|inconsistent|suspicious)|DEBUG_LOCKS_WARN_ON
    |unregister_netdevice:\ waiting|refcount_t:|DMA-API:.*(error|leak|device\ driver)|rcu:\ .*self-detected\ stall
    |Unable\ to\ handle\ kernel|divide\ error:|invalid\ opcode:|ODEBUG:""", re.VERBOSE)

# Said by healthy kernels while they start.
HARMLESS = re.compile(r"kmemleak: Kernel memory leak detector (initialized|disabled)|KASAN: Kernel|kasan: Kernel"
                      r"|KernelAddressSanitizer initialized|kfence: initialized")
STAMP = re.compile(r"^(<\d+>)?\[\s*\d+\.\d+\](\[[^]]*\])?\s?")


def complaints(text, allowed=()):
    """The offending lines of a console or dmesg, without time stamps, each once."""
    allowed = [re.compile(pattern) for pattern in allowed]
    found = {}
    for line in text.splitlines():
        line = STAMP.sub("", line.rstrip("\r"))
        if COMPLAINTS.search(line) and not HARMLESS.search(line) and not any(p.search(line) for p in allowed):
            found[line] = None
    return list(found)


def read(path):
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def tail(path, lines=25):
    return "\n".join(read(path).replace("\r", "").splitlines()[-lines:])
