#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""fabtests between two emulated hosts, over our libfabric provider and upstream's, in turns.

Latency (fi_rdm_tagged_pingpong), messages (fi_rdm_tagged_bw) and writes (fi_rma_bw) at each size. Times say
little on a shared machine; what is printed is the ratio of the two medians and the interval in which the
median of such ratios is with 95 % confidence: a goal inside of it is undecided. A side is
NAME|FOLDER|VARIABLE=VALUE|... as scripts/fabric-peers.sh prints it; the first is compared with the second.
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
SIZES = (1, 64, 1024, 4096, 8192, 16384, 65536, 262144, 1048576, 4194304)


@dataclass(frozen=True)
class Tool:
    name: str
    title: str
    arguments: str


# All print microseconds per transfer. Their MB/s are 0.00 for a byte.
COLUMN = 5
TOOLS = (
    Tool("fi_rdm_tagged_pingpong", "latency", ""),
    Tool("fi_rdm_tagged_bw", "stream of messages", ""),
    Tool("fi_rma_bw", "stream of writes", "-e rdm -o write"),
)


def parse_arguments():
    parser = argparse.ArgumentParser(description="fabtests over our provider and upstream's, in turns.")
    parser.add_argument("--emulator", required=True, help="the built efa-emu")
    parser.add_argument("--side", action="append", required=True, metavar="NAME|FOLDER|VARIABLE=VALUE|...",
                        help="twice")
    parser.add_argument("--rounds", type=int, default=11, help=f"at least {FEWEST} (11)")
    parser.add_argument("--iterations", type=int, default=300, help="messages of each size (300)")
    parser.add_argument("--generation", default="efa2", help="of the emulated devices (efa2)")
    parser.add_argument("--only", metavar="TOOL", help="one of " + ", ".join(t.name for t in TOOLS))
    parser.add_argument("--size", type=int, action="append", help=f"bytes (default: {SIZES})")
    return parser.parse_args()


def free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


class Side:
    def __init__(self, text, emulator):
        self.name, self.folder, *variables = text.split("|")
        self.environment = {**os.environ, **dict(item.split("=", 1) for item in variables)}
        if "FI_PROVIDER_PATH" not in dict(item.split("=", 1) for item in variables):
            self.environment.pop("FI_PROVIDER_PATH", None)
        self.environment["PATH"] = os.path.dirname(os.path.abspath(emulator)) + ":" + os.environ["PATH"]

    def run(self, tool, options):
        """{bytes: value}"""
        sizes, found = options.size or SIZES, {}
        # This one posts receives of the size before: over both providers a larger message does not fit.
        alone = tool.name == "fi_rdm_tagged_bw"
        for some in [[size] for size in sizes] if alone else [sizes]:
            found.update(self.run_sizes(tool, options, ",".join(map(str, some))))
        return found

    def run_sizes(self, tool, options, sizes):
        port = free_port()
        # The oob port: fabtests exchange addresses there, as the fabric has no names.
        command = (f"{self.folder}/{tool.name} -p efa {tool.arguments} -b={port} -I {options.iterations} "
                   f"-w 20 -S l:{sizes}")
        done = subprocess.run(
            ["efa-emu", "run", "--hosts", "2", "--generation", options.generation, "--",
             f"{ROOT}/scripts/pair.sh", str(port), command, f"{command} host1"],
            env=self.environment, capture_output=True, text=True, timeout=600, check=False)
        found = {}
        for line in done.stdout.splitlines():
            if re.match(r"^\d+[kmg]? +\d+[kmg]? +", line):
                fields = line.split()
                found[parse_size(fields[0])] = float(fields[COLUMN])
        if done.returncode != 0 or not found:
            sys.exit(f"fabtests_bench: {self.name}: '{command}' gave no number:\n"
                     f"{done.stdout[-1000:]}{done.stderr[-1000:]}")
        return found


def parse_size(text):
    scale = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(text[-1])
    return int(text[:-1]) * scale if scale else int(text)


def compare(tool, sides, options, table):
    samples = {side.name: {} for side in sides}
    for turn in range(options.rounds):
        # Each side goes first in every other round.
        for side in sides if turn % 2 else reversed(sides):
            for size, value in side.run(tool, options).items():
                samples[side.name].setdefault(size, []).append(value)
    ours, other = (samples[side.name] for side in sides)
    for size in sorted(ours):
        ratio = Ratio(ours[size], other[size])
        table.row(f"{tool.title}, {size} B: {sides[0].name} / {sides[1].name}", f"{ratio} us", "<= 1",
                  ratio.at_most(1))


def main():
    options = parse_arguments()
    if options.rounds < FEWEST or len(options.side) != 2:
        sys.exit(f"fabtests_bench: two sides, and --rounds of {FEWEST} or more, are what a ratio needs")
    sides = [Side(text, options.emulator) for text in options.side]
    for tool in TOOLS:
        if options.only in (None, tool.name):
            table = Table()
            compare(tool, sides, options, table)
            table.print()


if __name__ == "__main__":
    main()
