#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Compares two recordings of the conformance script, field by field.

Usage: compare.py NAME=FILE NAME=FILE [--expected FILE] [--table FILE]

--expected  differences that are known, one a line: a regular expression for 'STEP: FIELD: A / B', a
            tab, the reason. One that does not occur any more is an error, too, unless it begins
            with '? ': then it depends on the device's generation.
--table     writes the differences as a Markdown table.
"""

import argparse
import difflib
import json
import re
import sys

# Numbers that each side chooses for itself: equal if they are equal to the same earlier ones.
CHOSEN = ("handle", "pdn", "ah_handle", "ah", "cq_handle", "gid")


def normalised(path):
    """The lines of a recording with chosen numbers replaced by the order of their appearance."""
    seen, lines = {}, []
    with open(path, encoding="utf-8") as file:
        for text in file:
            if not text.startswith("{"):
                continue  # what a lab says around it
            line = json.loads(text)
            if line["errno"] != "0":
                line = {key: line[key] for key in ("step", "errno")}
            for key in CHOSEN:
                if key in line:
                    numbers = seen.setdefault(key, {})
                    line[key] = "#%d" % numbers.setdefault(line[key], len(numbers) + 1)
            lines.append(line)
    return lines


def aligned(first, second):
    """Pairs of answers to the same step; None where one side has none. What one side did only because
    the step before succeeded there ('>') is left out: that it succeeded is told."""
    matcher = difflib.SequenceMatcher(None, [line["step"] for line in first],
                                      [line["step"] for line in second], autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        if kind == "equal":
            yield from zip(first[i:i_end], second[j:j_end])
            continue
        yield from ((a, None) for a in first[i:i_end] if not a["step"].startswith(">"))
        yield from ((None, b) for b in second[j:j_end] if not b["step"].startswith(">"))


def differences(first, second):
    """Texts 'STEP: FIELD: A / B'."""
    for a, b in aligned(first, second):
        if a is None or b is None:
            yield f"{(a or b)['step']}: step: {'done' if a else '-'} / {'done' if b else '-'}"
        elif a["errno"] != b["errno"]:
            yield f"{a['step']}: errno: {a['errno']} / {b['errno']}"
        else:
            for key in sorted(set(a) | set(b)):
                if a.get(key) != b.get(key):
                    yield f"{a['step']}: {key}: {a.get(key)} / {b.get(key)}"


def load_expected(path):
    expected = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            optional = line.startswith("? ")
            pattern, tab, reason = line.removeprefix("? ").partition("\t")
            if not tab or not reason.strip():
                sys.exit(f"{path}:{number}: write PATTERN, a tab, the reason")
            expected.append((re.compile(pattern), reason.strip(), optional))
    return expected


def write_table(path, names, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"| Command | Field | {names[0]} | {names[1]} | Why |\n|---|---|---|---|---|\n")
        for text, reason in rows:
            step, field, values = text.split(": ", 2)
            a, b = values.split(" / ", 1)
            file.write(f"| {step} | {field} | {a} | {b} | {reason} |\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs=2, metavar="NAME=FILE")
    parser.add_argument("--expected", metavar="FILE")
    parser.add_argument("--table", metavar="FILE")
    args = parser.parse_args()
    names, files = zip(*(text.split("=", 1) for text in args.recordings))
    first, second = (normalised(file) for file in files)
    if not first or not second:
        sys.exit(f"no answers in {files[0] if not first else files[1]}")
    expected = load_expected(args.expected) if args.expected else []
    used, rows, unknown = set(), [], []
    for text in differences(first, second):
        found = next(((p, why) for p, why, _ in expected if p.search(text)), None)
        if found:
            used.add(found[0].pattern)
            rows.append((text, found[1]))
        else:
            unknown.append(text)
    stale = [p.pattern for p, _, optional in expected if not optional and p.pattern not in used]
    for text in unknown:
        print(f"differs: {text}")
    for pattern in stale:
        print(f"expected, but equal: {pattern}")
    if args.table:
        write_table(args.table, names, rows)
    print(f"{len(first)} answers of {names[0]} and {names[1]} compared: {len(rows)} known differences, "
          f"{len(unknown)} unknown, {len(stale)} that have gone")
    return 1 if unknown or stale else 0


if __name__ == "__main__":
    sys.exit(main())
