#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Times of the verbs operations whose instructions are counted, over the stock libefa and over ours.

Usage: verbs_times.py --program VERBS_INSTRUCTIONS --emulator EFA_EMU --ours FOLDER [--rounds N]

The program runs in turns over one library and the other. It reads the time stamp counter around 160
operations at a time, during which it waits for nobody; the loop around them is included, queues are in
memory as native mode has them. The stock libefa 44 offers no single-threaded way, so that of ours is
compared with the stock library's only way.
"""
import argparse
import os
import re
import subprocess
import sys

from ratio import FEWEST, Ratio
from table import Table


def parse_arguments():
    parser = argparse.ArgumentParser(description="Times of the verbs operations, ours / stock, in turns.")
    parser.add_argument("--program", required=True, help="the built verbs_instructions")
    parser.add_argument("--emulator", required=True, help="the built efa-emu")
    parser.add_argument("--ours", required=True, metavar="FOLDER", help="has our libefa.so.1")
    parser.add_argument("--rounds", type=int, default=11, help=f"at least {FEWEST} (11)")
    return parser.parse_args()


def run(options, mode, folder):
    """({row: ticks of one operation}, {row: title})"""
    environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    if folder:
        environment["LD_LIBRARY_PATH"] = os.path.abspath(folder)
    done = subprocess.run([options.emulator, "run", "--", options.program, mode], env=environment,
                          capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        sys.exit(f"verbs_times: {options.program} {mode} ended with {done.returncode}: {done.stderr[-1000:]}")
    library = re.search(r"^library (\S+)$", done.stdout, re.MULTILINE).group(1)
    if folder and os.path.dirname(os.path.realpath(library)) != os.path.realpath(folder):
        sys.exit(f"verbs_times: {library} was loaded, which is not in {folder}")
    ticks = re.findall(r"^ticks (\S+) (-?[\d.]+)$", done.stdout, re.MULTILINE)
    titles = re.findall(r"^title (\S+) (.+)$", done.stdout, re.MULTILINE)
    return {key: float(value) for key, value in ticks}, dict(titles)


def main():
    options = parse_arguments()
    if options.rounds < FEWEST:
        sys.exit(f"verbs_times: --rounds: {FEWEST} are the fewest that a ratio can be judged by")
    sides = {"stock": ("locked", None), "locked": ("locked", options.ours),
             "single-threaded": ("single-threaded", options.ours)}
    samples, titles = {side: {} for side in sides}, {}
    for turn in range(options.rounds):
        # Each side is first in every third round.
        for side in sorted(sides, key=lambda name: (sorted(sides).index(name) + turn) % len(sides)):
            ticks, titles = run(options, *sides[side])
            for key, value in ticks.items():
                samples[side].setdefault(key, []).append(value)
    for mode in ("locked", "single-threaded"):
        print(f"\nTicks of one operation, ours {mode} / stock")
        table = Table()
        for key, stock in samples["stock"].items():
            ratio = Ratio(samples[mode][key], stock)
            table.row(titles[key], str(ratio), "<= 1", ratio.at_most(1))
        table.print()


if __name__ == "__main__":
    main()
