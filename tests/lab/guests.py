# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Starts the lab for tests; what they all need."""

import os
import select
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = REPOSITORY / "tools" / "lab" / "lab"
sys.path.insert(0, str(REPOSITORY / "tools" / "lab"))
KERNEL = os.environ.get("LAB_TEST_KERNEL", "6.1")
# The lab keeps consoles and logs of what fails, and here much fails on purpose.
KEPT = tempfile.TemporaryDirectory(prefix="labtest-")
os.environ["TMPDIR"] = KEPT.name
LIMIT = 600  # seconds for one call of the lab on a loaded machine


def lab(*words, check=None):
    """Runs 'lab WORDS...'; check is the status that it must have."""
    done = subprocess.run([str(LAB), *words], capture_output=True, text=True, timeout=LIMIT, check=False,
                          stdin=subprocess.DEVNULL)
    if check is not None and done.returncode != check:
        raise AssertionError(f"lab {' '.join(words)}: status {done.returncode}, not {check}\n"
                             f"{done.stdout}\n{done.stderr}")
    return done


def run(*words, check=None):
    """'lab run' without devices."""
    return lab("run", "--no-device", "--kernel", KERNEL, *words, check=check)


def processes_with(marker):
    """pids of all processes that have MARKER on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def await_end(pids, seconds):
    """Those of the processes that are still there after that time."""
    deadline = time.monotonic() + seconds
    left = []
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
        os.close(descriptor)
        if not ended:
            left.append(pid)
    return left


class LabTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="labtest-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
