#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Keeps docs/parity.md true: every row of the parity list has a test that exists.

Usage: check_parity.py [--write]

A row is `| V69 | what | own tests | other tests |`. The own tests are those whose name has the row's
id (V69_...): they are found in the sources, and --write puts them into the table. Other tests are
written by hand: the name of a ctest, with the cases that matter in brackets:
`native.pyverbs (test_cqex.test_ud_traffic_cq_ex)`. Fails if a row is missing, has no test at all, or
names a test that does not exist.
"""

import gzip
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
PAGE = TOP / "docs" / "parity.md"
# Tests of rdma-core itself, where this machine has them.
PACKAGED = pathlib.Path("/usr/share/doc/rdma-core/tests")

# The ids of spec verbs B7.
ROWS = [*range(1, 15), *range(20, 27), *range(30, 39), *range(40, 44), *range(50, 86),
        *range(90, 122), *range(130, 155), *range(160, 168), *range(180, 189)]

ROW = re.compile(r"^\| V(\d+) \| (.*?) \| (.*?) \| (.*?) \|$")
OWN = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)")
ID = re.compile(r"(?:^|_)V(\d+)(?=_)")


def own_tests():
    """Names of tests by the ids of rows in them."""
    found = {}
    for source in sorted(TOP.glob("tests/**/*.cpp")):
        for suite, name in OWN.findall(source.read_text()):
            for row in ID.findall(name):
                found.setdefault(int(row), []).append(f"{suite}.{name}")
    return {row: list(dict.fromkeys(names)) for row, names in found.items()}


def known_ctests():
    """Patterns of the names that CMake files register; a variable stands for any word."""
    patterns = []
    for listing in TOP.glob("tests/**/CMakeLists.txt"):
        text = listing.read_text()
        names = re.findall(r"add_test\(\s*NAME\s+(\S+)", text)
        names += ["native." + name for name in
                  re.findall(r"\bnative_(?:test|script)\((\S+)", text)]
        patterns += [re.sub(r"\\\$\\\{[^}]*\\\}", r"[\\w.-]+", re.escape(name)) for name in names]
    return [re.compile(pattern + r"\Z") for pattern in patterns]


def case_exists(case):
    """Whether rdma-core's tests have `module.test`; true where they are not installed."""
    module, _, test = case.partition(".")
    for path in (PACKAGED / f"{module}.py", PACKAGED / f"{module}.py.gz",
                 TOP / "build/peers/rdma-core/tests" / f"{module}.py"):
        if path.exists():
            text = gzip.open(path, "rt").read() if path.suffix == ".gz" else path.read_text()
            if f"def {test}(" in text:
                return True
    return not PACKAGED.exists()


def faults_of_others(row, others, ctests):
    for name, cases in re.findall(r"`([\w.-]+)`(?: \(([^)]*)\))?", others):
        if not any(pattern.match(name) for pattern in ctests):
            yield f"V{row}: there is no ctest {name}"
        for case in re.findall(r"test_\w+\.test_\w+", cases):
            if not case_exists(case):
                yield f"V{row}: rdma-core has no test {case}"


def main():
    own, ctests, faults, rows, lines = own_tests(), known_ctests(), [], [], []
    for line in PAGE.read_text().splitlines():
        match = ROW.match(line)
        if not match:
            lines.append(line)
            continue
        row, what, listed, others = int(match[1]), match[2], match[3], match[4]
        rows.append(row)
        tests = "<br>".join(f"`{name}`" for name in own.get(row, [])) or "-"
        lines.append(f"| V{row} | {what} | {tests} | {others} |")
        # Tests that the page does not list yet are no fault: they are of whoever wrote them.
        gone = set(re.findall(r"`([^`]+)`", listed)) - set(own.get(row, []))
        if gone and "--write" not in sys.argv:
            faults.append(f"V{row}: there is no test {', '.join(sorted(gone))}; "
                          "run tests/provider/check_parity.py --write")
        if tests == "-" and "`" not in others:
            faults.append(f"V{row}: no test")
        faults += faults_of_others(row, others, ctests)
    faults += [f"V{row}: missing in the page" for row in ROWS if row not in rows]
    faults += [f"V{row}: not in the list" for row in sorted({*rows, *own} - set(ROWS))]
    if "--write" in sys.argv:
        PAGE.write_text("\n".join(lines) + "\n")
    for fault in faults:
        print(f"check_parity: {fault}", file=sys.stderr)
    print(f"{len(rows)} rows, {sum(len(tests) for tests in own.values())} references to own tests, "
          f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
