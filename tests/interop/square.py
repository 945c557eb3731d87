#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The square of drivers and libraries: each runs over each.

Usage: square.py --folder FOLDER --build FOLDER --driver NAME=FILE.ko... --library NAME=FOLDER...
                 [--newer-library NAME=FOLDER...] [--peers FOLDER] [--pyverbs FOLDER] [--short]
                 [--kernel K] [--only WORD] [--page FILE]

A driver is 'ours', 'distribution' (a module each) or 'native' (no module: native mode). A library is
the folder of a libefa.so.1 for Debian 12's libibverbs, the empty one the distribution's; --newer-library
is the same for the libibverbs of rdma-core 56.1, over which perftest 25.01 in PEERS runs. Each test is
run below LD_DEBUG=files, and fails unless the one libefa that came into its processes is the one meant.
--page writes the table as Markdown. The last line is 'N passed, N failed'.
"""

import argparse
import glob
import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from places import ROOT, Failed, Guests, Native


@dataclass(frozen=True)
class Test:
    title: str
    command: str  # {build}, {peers}, {pyverbs} are folders
    pair: bool = True  # a server on one host and a client on another
    newer: bool = False  # over libibverbs 56.1
    generation: str = "efa1"  # the newest that perftest 4.5 knows
    short: bool = False
    writes: bool = False  # needs a driver that lets memory be registered for remote writes
    limit: int = 300
    drivers: tuple = ("native", "ours", "distribution")
    # What a guest has not: kernel 6.1 has no udmabuf, so there are no DMA buffers (native mode takes files in
    # memory); MrTest and MemoryUnmapped are about memory that native mode does not pin, 8 GiB of it;
    # drivers of 6.1 set no node GUID (verbs A1.1).
    not_in_guests: str = ""
    # What the kernel's driver of 6.1 has not: later capabilities, the MR query of 6.12.
    not_over_theirs: str = ""


SRD = "-c SRD -x 0 -F"
UD = "-c UD -x 0 -F"
NEWER = "{peers}/perftest/"
TESTS = (
    # Spec verbs B9, PT1 to PT6.
    Test("PT1 ib_send_bw -a, SRD", f"ib_send_bw {SRD} -a -n 300"),
    Test("PT1 ib_send_lat -a, SRD", f"ib_send_lat {SRD} -a -n 100"),
    Test("PT1 ib_send_lat inline, SRD", f"ib_send_lat {SRD} -s 32 -I 32 -n 200", short=True),
    Test("PT2 ib_read_bw 1 MiB", f"ib_read_bw {SRD} -s 1048576 -n 100", short=True),
    Test("PT2 ib_read_lat 1 MiB", f"ib_read_lat {SRD} -s 1048576 -n 100"),
    Test("PT4 ib_send_bw -a, UD", f"ib_send_bw {UD} -Q 1 -a -n 300"),
    Test("PT4 ib_send_lat, UD 4096 B", f"ib_send_lat {UD} -s 4096 -n 200"),
    Test("PT5 ib_send_bw -q 8 -b, SRD", f"ib_send_bw {SRD} -q 8 -b -n 300", short=True),
    Test("provider_conformance", "{build}/tests/provider/provider_conformance", pair=False, short=True,
         not_in_guests="*V34_can_lie_in_a_DMA_buffer:*V60_can_lie_in_memory*:*V60_without_address*",
         not_over_theirs="*V11_efadv_query_device_knows_the_capabilities_of_its_release:*V36_tells_its_interconnects"),
    Test("native_verbs", "{build}/tests/native/native_verbs", pair=False,
         not_in_guests="MrTest.*:DeviceTest.HasTheNodeGuid*:DeviceTest.DiffersFromItsSibling*:"
         "ErrorTest.MemoryUnmapped*"),
    Test("pyverbs 44", "/usr/bin/python3 -B tests/native/pyverbs_runner.py {pyverbs} $(cat {pyverbs}/modules)",
         pair=False, limit=900),
    # The kernel's driver waits, on removal, until programs end; native mode has nothing to remove.
    Test("device removed under traffic", "{build}/tests/interop/interop_removal", pair=False, drivers=("ours",),
         short=True),
    Test("PT3 ib_write_bw, SRD", NEWER + f"ib_write_bw {SRD} -n 200", newer=True, generation="efa2", writes=True),
    # Generation efa2 takes no inline data in writes, which is the default of this one.
    Test("PT3 ib_write_lat, SRD", NEWER + f"ib_write_lat {SRD} -I 0 -n 200", newer=True, generation="efa2",
         writes=True),
    # ib_send_lat -e posts without looking for room, and so gives up after an event that came early, over either
    # library: now and then a device may send one (device-io I7).
    Test("PT6 ib_send_bw -e, SRD", NEWER + f"ib_send_bw {SRD} -e -n 200", newer=True, generation="efa2"),
    Test("PT6 ib_write_bw --write_with_imm", NEWER + f"ib_write_bw {SRD} --write_with_imm -n 200", newer=True,
         generation="efa2", writes=True),
)
# The kernel's driver of 6.1 has no RDMA write; what such a program is told instead (perftest 25.01).
NO_WRITES = {"distribution"}
REFUSAL = re.compile(r"Couldn't allocate MR|not support|Unable to create QP", re.IGNORECASE)


@dataclass(frozen=True)
class Result:
    driver: str
    library: str
    test: Test
    good: bool
    text: str


class Square:
    """Runs tests and remembers results."""

    def __init__(self, args):
        self.args = args
        self.libraries = dict(args.library)
        self.newer = dict(args.newer_library)
        self.results = []

    def tests(self, driver, generation):
        return [t for t in TESTS if t.generation == generation and driver in t.drivers and
                (t.short or not self.args.short) and
                (self.args.only is None or self.args.only in t.title)]

    def run_driver(self, driver, module):
        folder = self.args.folder / driver
        folder.mkdir(parents=True, exist_ok=True)
        for generation in dict.fromkeys(t.generation for t in TESTS):
            tests = self.tests(driver, generation)
            if not tests:
                continue
            place = Guests(module, self.args.kernel, generation, folder) if module else \
                Native(self.args.build / "tools/emulator/efa-emu", generation)
            try:
                with place:
                    for test in tests:
                        for library in self.libraries:
                            self.run_test(place, driver, folder, library, test)
            except Failed as failure:
                print(failure)
                self.results += [Result(driver, library, test, False, "no lab") for test in tests
                                 for library in self.libraries]

    def run_test(self, place, driver, folder, library, test):
        name = f"{library}-{re.sub(r'[^A-Za-z0-9]+', '-', test.title)}"
        seen = folder / f"{name}.loaded"
        for stale in glob.glob(f"{seen}.*"):
            os.unlink(stale)
        start = time.monotonic()
        command = self.command(place, driver, library, test, seen)
        status = place.execute(command, folder / f"{name}.log", test.limit)
        good, text = self.judge(driver, library, test, status, folder / f"{name}.log", seen)
        took = f"{time.monotonic() - start:.0f} s"
        print(f"{'ok' if good else 'FAILED'}: driver {driver}, library {library}: {test.title}: {text} ({took})",
              flush=True)
        self.results.append(Result(driver, library, test, good, text))

    def folder_of(self, library, test):
        """Where the libefa.so.1 is that must be used."""
        if test.newer:
            return self.newer[library] or f"{self.args.peers}/rdma-core/build/lib"
        return self.libraries[library] or "/usr/lib/x86_64-linux-gnu"

    def command(self, place, driver, library, test, seen):
        program = test.command.format(build=self.args.build, peers=self.args.peers, pyverbs=self.args.pyverbs)
        chosen = (self.newer if test.newer else self.libraries)[library]
        name = "ours" if chosen else "stock44"
        words = [f"LD_DEBUG=files LD_DEBUG_OUTPUT={seen} EFA_TEST_GENERATION={test.generation}",
                 f"VERBS_LOG_LEVEL=1 VERBS_LOG_FILE={seen}-messages",
                 f"EFA_TEST_LIBRARY={name} EFA_TEST_LIBRARY_DIRECTORY={self.folder_of(library, test)}"]
        if chosen:
            words.append(f"LD_LIBRARY_PATH={chosen} RDMAV_DRIVERS={chosen}/libefa")
        left_out = [test.not_in_guests] if isinstance(place, Guests) else []
        if driver == "distribution":
            left_out.append(test.not_over_theirs)
        if any(left_out):
            words.append(f"GTEST_FILTER='-{':'.join(filter(None, left_out))}'")
        program = f"env {' '.join(words)} {program}"
        if not test.pair:
            return program
        port = place.free_port()
        program += f" -p {port}"
        return f"PAIR_LIMIT={test.limit // 2} scripts/pair.sh {port} '{program}' '{program} host1'"

    def judge(self, driver, library, test, status, log, seen):
        """(whether it is as it must be, what to say about it)"""
        loaded = loaded_libraries(seen)
        meant = os.path.realpath(self.folder_of(library, test) + "/libefa.so.1")
        if loaded != {meant}:
            return False, f"loaded {', '.join(sorted(loaded)) or 'no libefa'} instead of {meant}"
        output = log.read_text(encoding="utf-8", errors="replace")
        if test.writes and driver in NO_WRITES:
            refused = status != 0 and REFUSAL.search(output) is not None
            return refused, "refused" if refused else f"neither refused nor expected, status {status}"
        return status == 0, ("passed" if status == 0 else f"status {status}") + counts(output)


def loaded_libraries(seen):
    """The files called libefa.so.1* that a program initialised, from the dynamic linker's own account."""
    found = set()
    for path in glob.glob(f"{seen}.*"):
        text = Path(path).read_text(encoding="utf-8", errors="replace")
        found |= set(re.findall(r"calling init: (\S*/libefa(?:\.so|-rdmav)\S*)", text))
    return {os.path.realpath(path) for path in found}


def counts(output):
    """What the program's own count says, if it has one."""
    gtest = re.findall(r"^\[  (PASSED|FAILED)  \] (\d+) tests?[.,]", output, re.MULTILINE)
    if gtest:
        return ", " + ", ".join(f"{number} tests {word.lower()}" for word, number in gtest)
    pyverbs = re.findall(r"^passed (\d+), failed (\d+), skipped (\d+)$", output, re.MULTILINE)
    if pyverbs:
        return ", {} passed, {} failed, {} not for EFA".format(*pyverbs[-1])
    return ""


def table(results, libraries):
    """Rows of cells: a test, and a column for each driver with each library."""
    columns = list(dict.fromkeys((r.driver, r.library) for r in results))
    cells = {(r.driver, r.library, r.test.title): ("" if r.good else "FAILED: ") + r.text for r in results}
    yield ["Test"] + [f"{driver}, {library}" for driver, library in columns]
    for title in dict.fromkeys(r.test.title for r in results):
        yield [title] + [cells.get((*column, title), "-") for column in columns]


def aligned(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


HEAD = """<!-- SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause -->
# Drivers and libraries, each over each

Written by `make test-square` (`scripts/test-square.sh --accept`). Two virtual machines with kernel 6.1 and
emulated devices have our efa.ko, then the efa driver of Debian's linux-source-6.1; "native" is native mode,
with no driver. Programs run over Debian's libefa and over ours, and the dynamic linker's own account shows
that no other one came into any of their processes. Columns are named driver, library.

perftest 4.5, provider_conformance (the list of what libefa must do), native_verbs and pyverbs 44 (rdma-core's
own tests; "not for EFA" are those that ask for InfiniBand) run over Debian 12's libibverbs 44 on devices of
generation efa1, the newest that perftest 4.5 knows. PT3 and PT6 are by perftest 25.01, over rdma-core 56.1
and a libefa of ours for that, on efa2. "refused" is the right answer: the kernel's driver of 6.1 has no RDMA
write, and the program says so and ends. "-" is where there is nothing to test: on removal of a device the
kernel's driver waits until its programs have ended, and native mode has no device to remove.

Numbers of tests differ where some are left out by name: in guests those of DMA buffers (kernel 6.1 has no
udmabuf), of memory that is not pinned and of node GUIDs, which only native mode has; over the kernel's driver
those of later capabilities and of the MR query. `tests/interop/square.py` has the list.
"""


def page(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return HEAD + "\n" + "\n".join(lines) + "\n"


def pair_of(text):
    name, _, path = text.partition("=")
    return name, os.path.abspath(path) if path else ""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="for logs")
    parser.add_argument("--build", type=Path, required=True, help="build/default")
    for name in ("driver", "library", "newer-library"):
        parser.add_argument(f"--{name}", action="append", type=pair_of, default=[], metavar="NAME=PATH")
    parser.add_argument("--peers", type=Path, default=ROOT / "build/peers")
    parser.add_argument("--pyverbs", type=Path)
    parser.add_argument("--short", action="store_true", help="a few tests")
    parser.add_argument("--kernel", default="6.1", help="of the guests (6.1)")
    parser.add_argument("--only", metavar="WORD", help="tests with this in their name")
    parser.add_argument("--page", type=Path, help="the table as Markdown")
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # labs end with their context
    args = parse_arguments()
    args.folder, args.build, args.peers = (path.absolute() for path in (args.folder, args.build, args.peers))
    square = Square(args)
    for driver, module in args.driver:
        square.run_driver(driver, module)
    rows = list(table(square.results, square.libraries))
    if args.page:
        args.page.write_text(page(rows), encoding="utf-8")
    print("\n" + aligned(rows) + "\n")
    passed = sum(r.good for r in square.results)
    print(f"{passed} passed, {len(square.results) - passed} failed")
    return 0 if square.results and passed == len(square.results) else 1


if __name__ == "__main__":
    sys.exit(main())
