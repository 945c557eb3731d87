#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs programs of fabtests between two libfabric providers on two emulated hosts, and prints a table.

Below `efa-emu run --hosts 2 --`; scripts/test-fabric-interop.sh sets it up. A side is described by

    --side "NAME|BIN[|VARIABLE=VALUE]..."     BIN: folder of its fabtests

and --pair SERVER,CLIENT names who runs with whom. Fails when a cell fails. The last line is 'N passed, N
failed'.
"""
import argparse
import os
import sys
import time

import cells
from sides import Pair, Side

HEAD = """<!-- SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause -->
# libfabric providers with each other

Written by `scripts/test-fabric-interop.sh --page docs/interop-fabric.md`: programs of fabtests between two emulated
hosts, the client over one provider, the server over another, data checked. "ours" is `libefa-fi.so` of this
repository, "upstream" the provider inside libfabric, 2.1 and 1.17 the release of libfabric. What each row runs is
in `tests/interop_fabric/cells.py`.

"""
WORDS = {True: "ok", False: "**failed**", None: "-"}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", action="append", required=True)
    parser.add_argument("--pair", action="append", required=True)
    parser.add_argument("--folder", required=True, help="for outputs of programs")
    parser.add_argument("--only", help="rows whose name contains this")
    parser.add_argument("--quick", action="store_true", help="the rows of the quick selection")
    parser.add_argument("--seconds", type=int, default=60, help="for each program (60)")
    parser.add_argument("--page", help="file with the table, in Markdown")
    return parser.parse_args()


def chosen_rows(arguments):
    rows = [row for row in cells.rows() if (row.quick or not arguments.quick)
            and (not arguments.only or arguments.only in row.name)]
    if not rows:
        sys.exit(f"run_pairs: no row's name contains '{arguments.only}'")
    return rows


def run_cell(row, server, client, arguments):
    """Whether the programs of the row passed between these two."""
    start = time.monotonic()
    name = "".join(c if c.isalnum() else "_" for c in row.name)
    pair = Pair(row, server, client, f"{arguments.folder}/{name}.{server.name}.{client.name}", arguments.seconds)
    passed = pair.run()
    word = "ok" if passed else f"FAILED (status of server, client: {pair.statuses})"
    print(f"{row.name}: {client.name} to {server.name}: {word}, {time.monotonic() - start:.1f} s", flush=True)
    if not passed:
        pair.explain()
    return passed


def table(rows, pairs, results):
    """The table in Markdown: a row for each protocol and size, a column for each pair."""
    lines = ["| Sender and receiver | " + " | ".join(f"{client} to {server}" for server, client in pairs) + " |",
             "|---" * (len(pairs) + 1) + "|"]
    for row in rows:
        words = [WORDS[results.get((row.name, pair))] for pair in pairs]
        lines.append(f"| {row.name} | " + " | ".join(words) + " |")
    return "\n".join(lines) + "\n"


def main():
    arguments = parse_arguments()
    sides = {side.name: side for side in map(Side, arguments.side)}
    pairs = [tuple(pair.split(",")) for pair in arguments.pair]
    rows = chosen_rows(arguments)
    os.makedirs(arguments.folder, exist_ok=True)
    results = {(row.name, pair): run_cell(row, sides[pair[0]], sides[pair[1]], arguments)
               for row in rows for pair in pairs
               if row.fabric == "efa" or not any(sides[name].old for name in pair)}
    text = table(rows, pairs, results)
    print(text)
    if arguments.page:
        with open(arguments.page, "w", encoding="utf-8") as page:
            page.write(HEAD + text)
    passed = sum(results.values())
    print(f"{passed} passed, {len(results) - passed} failed")
    sys.exit(passed != len(results))


if __name__ == "__main__":
    main()
