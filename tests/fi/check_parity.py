#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Keeps the provider's table in docs/parity.md true: each of its 46 rows (spec libfabric-api 12) is
there once, and names tests that exist, or says "no test".

A name in backticks is a unit test, a ctest, a case of a Python test of this folder, a case of
fabtests, a row of the interop table, a check of the MPI script, or a file; the page says how they
look.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
PAGE = TOP / 'docs' / 'parity.md'
ROWS = range(1, 47)
sys.path.insert(0, str(TOP / 'tests' / 'interop_fabric'))
import cells  # noqa: E402  # pylint: disable=wrong-import-position


def sources(pattern):
    return '\n'.join(path.read_text() for path in sorted(TOP.glob(pattern)))


class Known:
    """What there is to be named."""

    def __init__(self):
        self.units = {'.'.join(name) for name in re.findall(
            r'^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)', sources('tests/**/*.cpp'), flags=re.M)}
        listings = sources('tests/**/CMakeLists.txt')
        names = re.findall(r'add_test\(\s*NAME\s+(\S+)', listings)
        names += ['native.' + name for name in re.findall(r'\bnative_(?:test|script)\((\S+)', listings)]
        self.ctests = [re.compile(re.sub(r'\\\$\\\{[^}]*\\\}', r'[\\w.-]+', re.escape(name)) + r'\Z')
                       for name in names]
        self.cases = set(re.findall(r'def (test_\w+)', sources('tests/fi/*.py')))
        lines = (TOP / 'tests/fabtests/upstream-2.1.txt').read_text().splitlines()
        self.fabtests = {re.split(r'[\[\t]', line)[0] for line in lines if '::' in line}
        self.fabtests |= {re.split(r'[\[\t]', line)[0] for line in
                          (TOP / 'tests/fabtests/quick.txt').read_text().splitlines() if '::' in line}
        self.interop = {row.name for row in cells.rows()}
        self.mpi = set(re.findall(r'check "([^"]+)"', sources('scripts/test-fabric-mpi.sh')))

    def has(self, name):
        if name.startswith('interop: '):
            return name[len('interop: '):] in self.interop
        if name.startswith('mpi: '):
            return name[len('mpi: '):] in self.mpi
        if name.startswith('make '):
            return re.search(rf'^{name[5:]}:', (TOP / 'Makefile').read_text(), flags=re.M) is not None
        if '/' in name and '::' not in name:
            return (TOP / name).exists()
        return name in self.units | self.cases | self.fabtests or \
            any(ctest.match(name) for ctest in self.ctests)


def faults_of(row, tests, known):
    names = re.findall(r'`([^`]+)`', tests)
    if not names and 'no test' not in tests:
        yield f'P{row}: names no test, and does not say "no test"'
    for name in names:
        if not known.has(name):
            yield f'P{row}: there is no test {name}'


def main():
    rows = re.findall(r'^\| P(\d+) \| (.+?) \| (.+) \|$', PAGE.read_text(), flags=re.M)
    known = Known()
    faults = [fault for row, _, tests in rows for fault in faults_of(row, tests, known)]
    numbers = [int(row) for row, _, _ in rows]
    faults += [f'P{row}: is there {numbers.count(row)} times' for row in ROWS if numbers.count(row) != 1]
    faults += [f'P{row}: is not in the checklist' for row in numbers if row not in ROWS]
    for fault in faults:
        print(f'check_parity: {fault}', file=sys.stderr)
    print(f'{len(rows)} rows, {sum(tests.count("`") // 2 for _, _, tests in rows)} names, {len(faults)} faults')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
