#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Where the distribution's driver differs from ours, as Markdown; fails if a reason is missing.

Usage: report.py --tap FILE --tap-reasons FILE --answers STOCK OWN --answer-reasons FILE
"""

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "conformance"))
import compare  # noqa: E402  (it is in the folder beside)

HEAD = """<!-- SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause -->
# Where efa.ko differs from the kernel's own driver

Written by `scripts/test-interop.sh`, which runs the efa driver of Debian's linux-source-6.1 and ours
on the same emulated device. Whatever is not listed here is equal.
"""


class Reasons:
    """Patterns with reasons; knows which were of use."""

    def __init__(self, path):
        self.known = compare.load_expected(path)
        self.used = set()

    def of(self, text):
        for pattern, reason, _ in self.known:
            if pattern.search(text):
                self.used.add(pattern.pattern)
                return reason
        return None

    def stale(self):
        return [p.pattern for p, _, optional in self.known
                if not optional and p.pattern not in self.used]


def failed_tests(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            found = re.match(r"not ok \d+ - (.*)", line)
            if found:
                yield found.group(1)


def grouped(rows):
    """Rows with the same values and reason become one, with the number of steps."""
    groups = {}
    for step, field, values, reason in rows:
        groups.setdefault((field, values, reason), []).append(step)
    for (field, values, reason), steps in groups.items():
        more = f" and {len(steps) - 1} more" if len(steps) > 1 else ""
        yield steps[0] + more, field, values, reason


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tap", required=True)
    parser.add_argument("--tap-reasons", required=True)
    parser.add_argument("--answers", nargs=2, required=True)
    parser.add_argument("--answer-reasons", required=True)
    args = parser.parse_args()
    tests, answers = Reasons(args.tap_reasons), Reasons(args.answer_reasons)
    missing = []

    print(HEAD)
    print("## Tests that the kernel's driver fails and ours passes\n\n| Test | Why |\n|---|---|")
    for sentence in failed_tests(args.tap):
        reason = tests.of(sentence)
        if reason is None:
            missing.append(sentence)
        print(f"| {sentence} | {reason or '?'} |")

    print("\n## Answers\n\n| Command | Field | The kernel's driver | Ours | Why |\n|---|---|---|---|---|")
    rows = []
    for text in compare.differences(*(compare.normalised(path) for path in args.answers)):
        reason = answers.of(text)
        if reason is None:
            missing.append(text)
        step, field, values = text.split(": ", 2)
        rows.append((step, field, values, reason or "?"))
    for step, field, values, reason in grouped(rows):
        a, _, b = values.partition(" / ")
        print(f"| {step} | {field} | {a} | {b} | {reason} |")

    for text in missing:
        print(f"no reason for: {text}", file=sys.stderr)
    for pattern in tests.stale() + answers.stale():
        print(f"reason without a difference: {pattern}", file=sys.stderr)
    return 1 if missing or tests.stale() or answers.stale() else 0


if __name__ == "__main__":
    sys.exit(main())
