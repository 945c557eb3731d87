#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Two result lists of fabtests side by side.

    compare.py [--page FILE] OURS [UPSTREAM]       default UPSTREAM: upstream-2.1.txt beside this script
    compare.py --accept RESULTS                    RESULTS becomes upstream-2.1.txt

A list has a line for each case: name, result, seconds, reason, separated by tabs (run_suite.py). Prints, for each
test function, how many cases passed, failed, were skipped in each list, then every case that does not pass in ours,
with its reason and upstream's result. Fails when a case fails that passes with upstream's.
"""
import argparse
import collections
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = os.path.join(HERE, "upstream-2.1.txt")
HEAD = ("# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause\n"
        "# fabtests 2.1, efa, host memory, over libfabric 2.1's own provider on emulated efa2 devices:\n"
        "# case, result, reason\n")

PAGE_HEAD = """<!-- SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause -->
# fabtests 2.1 over our provider and over upstream's

Written by `tests/fabtests/compare.py --page docs/fabtests-results.md RESULTS`; docs/fabtests.md says how the lists
come about.

"""


def read(path):
    """Case to (result, reason). A case that was repeated counts as it ended last."""
    cases = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#") or not line.strip():
                continue
            words = line.rstrip("\n").split("\t")
            cases[words[0]] = words[1], words[-1] if len(words) > 2 else ""
    return cases


def accept(path):
    with open(REFERENCE, "w", encoding="utf-8") as text:
        text.write(HEAD)
        for name, (result, reason) in sorted(read(path).items()):
            reason = "" if result == "passed" else reason
            text.write(f"{name}\t{result}\t{reason}\n")


def counts(cases):
    """Test function to how many of its cases have each result."""
    table = collections.defaultdict(collections.Counter)
    for name, (result, _) in cases.items():
        table[name.split("[")[0].removeprefix("efa/")][result] += 1
    return table


def words(counter):
    parts = [f"{counter[result]} {result}" for result in ("passed", "failed", "skipped") if counter[result]]
    return ", ".join(parts) or "not run"


def report(ours, theirs):
    """The page's lines."""
    lines = ["| Test | ours | upstream's |", "|---|---|---|"]
    our_counts, their_counts = counts(ours), counts(theirs)
    for test in sorted(set(our_counts) | set(their_counts)):
        lines.append(f"| {test} | {words(our_counts[test])} | {words(their_counts[test])} |")
    total = [collections.Counter(result for result, _ in cases.values()) for cases in (ours, theirs)]
    lines += [f"| **all** | {words(total[0])} | {words(total[1])} |", ""]
    failed = [(name, reason) for name, (result, reason) in sorted(ours.items()) if result == "failed"]
    if failed:
        lines += ["| Case that fails with ours | Reason | Upstream's |", "|---|---|---|"]
        lines += [f"| {name.removeprefix('efa/')} | {reason} | {theirs.get(name, ['not run'])[0]} |"
                  for name, reason in failed] + [""]
    skipped = collections.Counter((name.split("[")[0].removeprefix("efa/"), reason)
                                  for name, (result, reason) in ours.items() if result == "skipped")
    if skipped:
        lines += ["| Skipped by the suite itself | Cases | Reason |", "|---|---|---|"]
        lines += [f"| {test} | {number} | {reason} |" for (test, reason), number in sorted(skipped.items())]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--page")
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("lists", nargs="+")
    arguments = parser.parse_args()
    if arguments.accept:
        accept(arguments.lists[0])
        return
    ours, theirs = read(arguments.lists[0]), read((arguments.lists + [REFERENCE])[1])
    text = "\n".join(report(ours, theirs)) + "\n"
    print(text)
    if arguments.page:
        with open(arguments.page, "w", encoding="utf-8") as page:
            page.write(PAGE_HEAD + text)
    worse = [name for name, (result, _) in ours.items()
             if result == "failed" and theirs.get(name, ["passed"])[0] == "passed"]
    print(f"{len(worse)} cases fail that pass with upstream's")
    sys.exit(bool(worse))


if __name__ == "__main__":
    main()
