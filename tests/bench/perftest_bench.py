#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""perftest between two emulated hosts, over the stock libefa and over ours, in turns.

Usage: perftest_bench.py --emulator EFA_EMU --ours FOLDER [--newer-ours FOLDER] [--peers FOLDER]
                         [--rounds N] [--only TOOL]

Debian's perftest 4.5 runs over Debian's libibverbs; it knows SRD sends and reads, and the device ids of
the first two generations. SRD writes need perftest 25.01 over the libibverbs of rdma-core 56.1
(scripts/build-peers.sh), and a libefa that was built for that libibverbs: --newer-ours.

Times say little on a shared machine; what is printed is the ratio of the two medians, and the interval
in which the median of such ratios is with 95 % confidence: a goal inside of it is undecided. The
emulator's share of each message is the same on both sides and much larger than a library's, so a faster
library shows as a small difference.
"""
import argparse
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass

from ratio import FEWEST, Ratio
from table import Table

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@dataclass(frozen=True)
class Tool:
    name: str
    title: str
    arguments: str
    generation: str
    column: int  # of the line of numbers that the client prints
    unit: str
    lower_is_better: bool
    newer: bool  # perftest 25.01


TOOLS = (
    Tool("ib_send_lat", "8 B inline, half round trip", "-s 8 -I 32 -n 2000", "efa1", 4, "us", True, False),
    Tool("ib_send_bw", "64 B, messages", "-s 64 -n 20000", "efa1", 4, "M/s", False, False),
    Tool("ib_write_bw", "1 MiB", "-s 1048576 -n 300", "efa2", 3, "MB/s", False, True),
)


def parse_arguments():
    parser = argparse.ArgumentParser(description="perftest over the stock libefa and over ours, in turns.")
    parser.add_argument("--emulator", required=True, help="the built efa-emu")
    parser.add_argument("--ours", required=True, metavar="FOLDER", help="has our libefa.so.1")
    parser.add_argument("--newer-ours", metavar="FOLDER",
                        help="has our libefa.so.1 for rdma-core 56.1; without it no ib_write_bw")
    parser.add_argument("--peers", default=f"{ROOT}/build/peers", help="made by build-peers.sh (build/peers)")
    parser.add_argument("--rounds", type=int, default=21, help=f"at least {FEWEST} (21)")
    parser.add_argument("--only", metavar="TOOL", help="one of " + ", ".join(t.name for t in TOOLS))
    return parser.parse_args()


def free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def library_of(program, environment):
    """Which libefa the dynamic linker gives the program."""
    listing = subprocess.run(["ldd", program], env=environment, check=True, capture_output=True,
                             text=True).stdout
    return os.path.realpath(re.search(r"libefa\.so\.1 => (\S+)", listing).group(1))


def environment_of(folder, emulator):
    environment = dict(os.environ)
    environment["PATH"] = os.path.dirname(os.path.abspath(emulator)) + ":" + environment["PATH"]
    environment.pop("LD_LIBRARY_PATH", None)
    if folder:
        environment["LD_LIBRARY_PATH"] = os.path.abspath(folder)
    return environment


def run_once(tool, program, environment):
    port = free_port()
    command = f"{program} -c SRD -x 0 -F -p {port} {tool.arguments}"
    done = subprocess.run(
        ["efa-emu", "run", "--hosts", "2", "--generation", tool.generation, "--",
         f"{ROOT}/scripts/pair.sh", str(port), command, f"{command} host1"],
        env=environment, capture_output=True, text=True, timeout=300, check=False)
    numbers = re.findall(r"^ \d+ +\d+ +[\d.].*$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not numbers:
        sys.exit(f"perftest_bench: '{command}' gave no number:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return float(numbers[-1].split()[tool.column])


def compare(tool, options):
    """The samples of both sides."""
    folder = options.newer_ours if tool.newer else options.ours
    program = f"{options.peers}/perftest/{tool.name}" if tool.newer else f"/usr/bin/{tool.name}"
    sides = {"stock": environment_of(None, options.emulator),
             "ours": environment_of(folder, options.emulator)}
    for side, environment in sides.items():
        library = library_of(program, environment)
        print(f"{tool.name}, {side}: {library}")
        if (os.path.dirname(library) == os.path.realpath(folder)) != (side == "ours"):
            sys.exit(f"perftest_bench: {library} is not what was meant by '{side}' ({folder})")
    samples = {side: [] for side in sides}
    for turn in range(options.rounds):
        # Each side goes first in every other round.
        for side in sorted(sides, reverse=turn % 2 == 0):
            samples[side].append(run_once(tool, program, sides[side]))
    for side, values in samples.items():
        print(f"{tool.name}, {side}: {min(values):g} .. {max(values):g} {tool.unit}")
    return samples


def add_row(table, tool, samples):
    ratio = Ratio(samples["ours"], samples["stock"])
    table.row(f"{tool.name}, {tool.title}: ours / stock", f"{ratio} {tool.unit}",
              "<= 1" if tool.lower_is_better else ">= 1",
              ratio.at_most(1) if tool.lower_is_better else ratio.at_least(1))


def main():
    options = parse_arguments()
    if options.rounds < FEWEST:
        sys.exit(f"perftest_bench: --rounds: {FEWEST} are the fewest that a ratio can be judged by")
    table = Table()
    for tool in TOOLS:
        if options.only not in (None, tool.name):
            continue
        if tool.newer and not options.newer_ours:
            print(f"{tool.name}: left out, needs --newer-ours")
            continue
        add_row(table, tool, compare(tool, options))
    print()
    table.print()


if __name__ == "__main__":
    main()
