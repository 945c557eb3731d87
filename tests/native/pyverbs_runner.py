#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Usage: pyverbs_runner.py DIRECTORY MODULE...

Runs modules of rdma-core's test package DIRECTORY/tests and counts what passed, failed and was
skipped, and why. Exit status 1 if anything failed, nothing passed, or libefa came from elsewhere.
"""

import collections
import importlib
import os
import random
import sys
import types
import unittest


class Tally(unittest.TextTestResult):
    """Remembers what passed, too."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.passed = []

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed.append(test)


class Absent(types.ModuleType):
    """Stands for a module of another device: any name in it is an empty class."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def do_without_mlx5():
    """The shared parts of the tests import mlx5 modules, which EFA's tests never use."""
    try:
        importlib.import_module("pyverbs.providers.mlx5.mlx5dv")
    except ImportError:
        for name in ("pyverbs.providers.mlx5", "pyverbs.providers.mlx5.mlx5dv", "tests.mlx5_base"):
            sys.modules[name] = Absent(name)


def foreign_libefas():
    """What is loaded of libefa although $EFA_LIBEFA_DIRECTORY names where it must come from."""
    wanted = os.environ.get("EFA_LIBEFA_DIRECTORY")
    if not wanted:
        return []
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        paths = {line.split()[-1] for line in maps if "/libefa" in line}
    own = {path for path in paths if os.path.dirname(path) == os.path.realpath(wanted)}
    return sorted(paths - own) if own else ["nothing from " + wanted]


def main():
    directory, *modules = sys.argv[1:]
    sys.argv[1:] = []  # the tests have options of their own
    sys.path[:0] = [directory, os.path.join(directory, "tests")]
    from args_parser import parser  # pylint: disable=import-error,import-outside-toplevel
    parser.parse_args()
    do_without_mlx5()
    random.seed(1)  # the tests draw their parameters
    suite = unittest.defaultTestLoader.loadTestsFromNames("tests." + m for m in modules)
    result = unittest.TextTestRunner(resultclass=Tally, verbosity=2, stream=sys.stdout).run(suite)
    reasons = collections.Counter(" ".join(str(reason).split()) for _, reason in result.skipped)
    for reason, count in sorted(reasons.items()):
        print(f"skipped {count:3}: {reason}")
    bad = result.failures + result.errors
    for test, _ in bad:
        print(f"failed: {test}")
    foreign = foreign_libefas()
    for path in foreign:
        print(f"failed: libefa: {path} is loaded")
    print(f"passed {len(result.passed)}, failed {len(bad)}, skipped {len(result.skipped)}")
    return 0 if result.passed and not bad and not foreign else 1


if __name__ == "__main__":
    sys.exit(main())
