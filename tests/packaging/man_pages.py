#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Checks the man pages of libefa.

    man_pages.py MAN_FOLDER INCLUDE_FOLDER [RDMA_CORE_SOURCES]

 - groff formats them without a warning;
 - every function and constant of efadv.h and efa_diag.h is in a page, functions in a NAME section;
 - references to pages of ours lead to one;
 - the examples compile, without a warning. Those with completion counters need libibverbs 65: they are
   compiled against RDMA_CORE_SOURCES where given, or against an installed one that is new enough.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile

PROLOGUE = """\
#include <errno.h>
#include <infiniband/efa_diag.h>
#include <infiniband/efadv.h>
#include <stdio.h>
#include <string.h>
"""
# Examples are pieces of programs: what they define need not be used.
OPTIONS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
NEEDS_65 = "struct ibv_comp_cntr_init_attr"


def read(path):
    with open(path, encoding="utf-8") as page:
        return page.read()


def pages(folder):
    found = glob.glob(os.path.join(folder, "efa*.3")) + glob.glob(os.path.join(folder, "*efa*.7"))
    return {os.path.basename(path): read(path) for path in sorted(found)}


def section(text, name):
    found = re.search(rf"^\.Sh {name}\n(.*?)(?=^\.Sh |\Z)", text, flags=re.M | re.S)
    return found[1] if found else ""


def formatting(folder, names):
    """As lintian calls man."""
    for name in names:
        command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", os.path.join(folder, name)]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"}
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, check=False)
        if done.returncode or done.stderr:
            yield f"{name}: {done.stderr.strip() or 'man failed'}"


def coverage(texts, include):
    """Names of the headers that no page has."""
    headers = read(os.path.join(include, "infiniband/efadv.h")) + read(os.path.join(include, "infiniband/efa_diag.h"))
    code = re.sub(r"/\*.*?\*/", "", headers, flags=re.S)
    everything = "".join(texts.values())
    named = {name for text in texts.values() for name in re.findall(r"^\.Nm (\S+)", section(text, "NAME"), flags=re.M)}
    functions = set(re.findall(r"\b(efa(?:dv)?_\w+)\((?!\*)", code))
    for function in sorted(functions - named):
        yield f"no page has {function}() in its NAME"
    for constant in sorted(set(re.findall(r"\bEFADV_[A-Z0-9_]+\b", code))):
        if constant not in everything:
            yield f"no page has {constant}"
    if len(functions) < 17:
        yield f"only {len(functions)} functions found in the headers"


def references(folder, texts):
    named = {name for text in texts.values() for name in re.findall(r"^\.Nm (\S+)", section(text, "NAME"), flags=re.M)}
    others = {os.path.basename(path).rsplit(".", 1)[0] for path in glob.glob(os.path.join(folder, "*.[0-9]"))}
    for name, text in texts.items():
        for target in re.findall(r"^\.Xr (efa\S*) \d", text, flags=re.M):
            if target not in named | others:
                yield f"{name}: refers to {target}, of which there is no page"


def examples(text):
    """C sources: the literal displays of EXAMPLES."""
    for block in re.findall(r"^\.Bd -literal\n(.*?)^\.Ed", section(text, "EXAMPLES"), flags=re.M | re.S):
        yield block.replace(r"\e", "\\")


def knows_counters(include):
    source = f"#include <infiniband/verbs.h>\nsize_t known = sizeof({NEEDS_65});\n"
    return compile_source(source, include) == ""


def compile_source(source, include):
    """Messages of the compiler; none if it is content."""
    folders = [option for folder in include for option in ("-I", folder)]
    done = subprocess.run([os.environ.get("CC", "cc"), *OPTIONS, *folders, "-fsyntax-only", "-x", "c", "-"],
                          input=source, text=True, capture_output=True, check=False)
    return done.stderr if done.returncode else ""


def compilation(texts, include):
    compiled, left_out = 0, 0
    have_65 = knows_counters(include)
    for name, text in texts.items():
        blocks = list(examples(text))
        if not blocks:
            yield f"{name}: has no example"
        for block in blocks:
            if NEEDS_65 in block and not have_65:
                left_out += 1
                continue
            compiled += 1
            messages = compile_source(PROLOGUE + f'#line 1 "{name}"\n' + block, include)
            if messages:
                yield f"{name}: an example does not compile:\n{messages}"
    print(f"{compiled} examples compiled, {left_out} need libibverbs 65")


def main(arguments):
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    folder, include = arguments[0], [arguments[1]]
    texts = pages(folder)
    with tempfile.TemporaryDirectory() as place:
        if len(arguments) == 3:
            os.mkdir(os.path.join(place, "infiniband"))
            for pattern in ("libibverbs/*.h", "kernel-headers/rdma/*.h"):
                for header in glob.glob(os.path.join(os.path.abspath(arguments[2]), pattern)):
                    os.symlink(header, os.path.join(place, "infiniband", os.path.basename(header)))
            include.append(place)
            if not knows_counters(include):
                sys.exit(f"man_pages: {arguments[2]} has no {NEEDS_65}; it should be rdma-core 65 or newer")
        problems = [*formatting(folder, texts), *coverage(texts, arguments[1]), *references(folder, texts),
                    *compilation(texts, include)]
    for problem in problems:
        print(problem)
    print(f"{len(texts)} pages: {len(problems)} problems")
    return 1 if problems or len(texts) < 14 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
