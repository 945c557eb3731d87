#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Prints "PASSED FAILED SKIPPED NAMES-OF-FAILED" of a ctest result file.

Usage: count-junit.py FILE LABEL
"""
import sys
import xml.etree.ElementTree as xml


def main():
    path, label = sys.argv[1:]
    try:
        cases = list(xml.parse(path).getroot().iter("testcase"))
    except (OSError, xml.ParseError) as error:
        sys.exit(f"count-junit: {error}")
    status = [case.get("status") for case in cases]
    failed = [f"{label}: {case.get('name')}" for case in cases if case.get("status") == "fail"]
    skipped = sum(s in ("notrun", "disabled") for s in status)
    print(len(cases) - len(failed) - skipped, len(failed), skipped, ", ".join(failed))


if __name__ == "__main__":
    main()
