#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Usage: kunit-results.py LOG SOURCES

Reads a kernel log with KUnit results (KTAP lines, whatever stands before them) and prints failures and
'N passed, N failed'. A case with parameters counts as its parameters. Also failures: a suite of the
folder SOURCES that did not end, one that says less than its plan promised, and any report of the kernel.
"""

import re
import sys
from pathlib import Path

PREFIX = re.compile(r"^(?:<\d>)?(?:\[[^\]]*\] ?)?")
RESULT = re.compile(r"^( *)(not )?ok (\d+) (?:- )?([^#]*?)\s*(#.*)?$")
PLAN = re.compile(r"^ *1\.\.(\d+)$")
SUBTEST = re.compile(r"^ *# Subtest: (\S+)")
REPORT = re.compile(r"BUG:|WARNING:|Oops|KASAN:|UBSAN:|general protection fault|unreferenced object|"
                    r"DEBUG_LOCKS_WARN|INFO: task .* blocked|Kernel panic|init: could not load")
# lockdep's view of user-mode Linux itself (6.1), while programs start.
HARMLESS = re.compile(r"WARNING: suspicious RCU usage")
SUSPICIOUS = re.compile(r"suspicious rcu_dereference_check\(\) usage")
SUITE_NAME = re.compile(r'^\t\.name = "(\w+)",$', re.MULTILINE)


class Case:
    """A line with a result; parameters of it come first, deeper."""

    def __init__(self, name, passed, skipped):
        self.name, self.passed, self.skipped = name, passed, skipped


class Tally:
    def __init__(self):
        self.passed, self.failures = 0, []

    def count(self, suite, case):
        if case.passed and not case.skipped:
            self.passed += 1
        else:
            self.failures.append(f"{suite}: {case.name}" + (" was skipped" if case.skipped else ""))


def close_suite(tally, suite, planned, cases, line_passed):
    """The result line of a suite: it must have kept its plan, and agree with its cases."""
    if planned is None or len(cases) != planned:
        tally.failures.append(f"{suite}: {planned} cases planned, {len(cases)} reported")
    elif not line_passed and all(case.passed for case in cases):
        tally.failures.append(f"{suite}: the suite itself failed")


def reports(line):
    """Is it a complaint of the kernel? Of suspicious RCU usage the second line tells whose it is."""
    if SUSPICIOUS.search(line):
        return not line.startswith("lib/maple_tree.c:")
    return REPORT.search(line) and not HARMLESS.search(line)


def read(lines, tally):
    """Returns the suites that ended."""
    ended, suite, planned, cases, parameters = set(), None, None, [], []
    for raw in lines:
        line = PREFIX.sub("", raw.rstrip("\n"), count=1)
        if reports(line):
            tally.failures.append(f"kernel: {line.strip()}")
        elif found := SUBTEST.match(line):
            if line.startswith("    # ") and found[1].startswith("efa_"):
                suite, planned, cases, parameters = found[1], None, [], []
        elif found := PLAN.match(line):
            if planned is None:
                planned = int(found[1])
        elif found := RESULT.match(line):
            case = Case(found[4], not found[2], "SKIP" in (found[5] or ""))
            depth = len(found[1]) // 4
            if depth == 0:
                close_suite(tally, found[4], planned, cases, case.passed)
                ended.add(found[4])
            elif depth == 1:
                for one in parameters:
                    one.name = f"{case.name}: {one.name}"
                for one in parameters or [case]:
                    tally.count(suite, one)
                if parameters and not case.passed and all(one.passed for one in parameters):
                    tally.count(suite, case)
                cases.append(case)
                parameters = []
            else:
                parameters.append(case)
    return ended


def suites_in(sources):
    text = "".join(file.read_text() for file in Path(sources).glob("*_test.c"))
    return set(SUITE_NAME.findall(text))


def main():
    log, sources = sys.argv[1:]
    tally = Tally()
    with open(log, encoding="utf-8", errors="replace") as lines:
        ended = read(lines, tally)
    expected = suites_in(sources)
    for name in sorted(expected - ended):
        tally.failures.append(f"{name}: the suite did not end")
    for failure in tally.failures:
        print(f"FAILED: {failure}")
    print(f"{len(ended)} suites of {len(expected)}")
    print(f"{tally.passed} passed, {len(tally.failures)} failed")
    return 1 if tally.failures or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
