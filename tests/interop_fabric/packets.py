#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Counts the work requests that one message costs, by the counters of the emulated devices.

    packets.py --side "NAME|BIN[|VARIABLE=VALUE]..." --reference FILE [--accept]

The same program runs with few and with more messages between two hosts; the difference is what the messages
cost, without start and end. FILE has what upstream's provider takes (--accept writes it). Fails where this
side takes more. The last line is 'N passed, N failed'.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import cells
from sides import Pair, Side

FEW, MORE = 20, 60
SIZES = (0, 8, 4096, 8192, 16384, 65536, 131072, 524288, 1048576)
COUNTERS = ("send_wrs", "rdma_read_wrs", "rdma_write_wrs", "tx_bytes")
# Flow of credits and acknowledgements may take its packets a message earlier or later.
SLACK = 1.02


def rows():
    """Programs that send one message each way an iteration."""
    for size in SIZES:
        yield f"tagged, {size} B", f"fi_rdm_tagged_pingpong -S {size}", cells.DEVICE
        # With shared memory off upstream offers to inject up to 8760 bytes, ours 4096 as with it on; and what
        # fabtests inject has no receipt.
        if size != 8192:
            yield f"tagged, delivery complete, {size} B", f"fi_rdm_tagged_pingpong -U -S {size}", cells.DEVICE
    for size in (65536, 1048576):
        yield f"tagged, {size} B, no device RDMA", f"fi_rdm_tagged_pingpong -S {size}", cells.EMULATED
    for size in (8, 8192, 1048576):
        for how, environment in (("", cells.DEVICE), (", emulated", cells.EMULATED)):
            yield f"write with data{how}, {size} B", f"fi_rma_pingpong -e rdm -o writedata -S {size}", environment


def totals(statistics):
    """Of both hosts: counter to value."""
    with open(statistics, encoding="utf-8") as text:
        devices = json.load(text)["devices"]
    return {name: sum(device[name] for device in devices) for name in COUNTERS}


def measure(side, command, environment, iterations, folder):
    """The counters after this program has run between two emulated hosts of an emulator of their own."""
    statistics = os.path.join(folder, "statistics.json")
    inner = [sys.executable, "-B", os.path.abspath(__file__), "--inner", folder, f"{command} -I {iterations}",
             json.dumps(environment), "--side", side]
    subprocess.run(["efa-emu", "run", "--hosts", "2", "--stats=json", "--stats-file", statistics, "--", *inner],
                   check=True)
    return totals(statistics)


def run_inner(arguments):
    """Below the emulator: one pair."""
    folder, command, environment = arguments.inner
    side = Side(arguments.side)
    pair = Pair(cells.Row("", command, json.loads(environment), True), side, side, f"{folder}/output", 120)
    if not pair.run():
        pair.explain()
        sys.exit(f"packets: '{command}' ended with {pair.statuses}")


def cost(side, command, environment, folder):
    """What one message costs: counter to number."""
    few, more = (measure(side, command, environment, n, folder) for n in (FEW, MORE))
    return {name: round((more[name] - few[name]) / (2 * (MORE - FEW)), 2) for name in COUNTERS}


def excess(found, wanted):
    """Counters of which this message needs more than the reference."""
    return [f"{name} {found[name]} instead of {wanted[name]}" for name in COUNTERS
            if found[name] > wanted[name] * SLACK + 0.05]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", required=True)
    parser.add_argument("--reference")
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--inner", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if arguments.inner:
        run_inner(arguments)
        return
    found = {}
    failed = 0
    reference = None
    if not arguments.accept:
        with open(arguments.reference, encoding="utf-8") as text:
            reference = json.load(text)
    with tempfile.TemporaryDirectory() as folder:
        for name, command, environment in rows():
            try:
                found[name] = cost(arguments.side, command, environment, folder)
                more = excess(found[name], reference[name]) if reference else []
            except subprocess.CalledProcessError:
                more = ["did not run"]
            failed += bool(more)
            print(f"{name}: {found.get(name)} {'FAILED: ' + ', '.join(more) if more else 'ok'}", flush=True)
    if arguments.accept:
        with open(arguments.reference, "w", encoding="utf-8") as text:
            json.dump(found, text, indent=1)
            text.write("\n")
    print(f"{len(list(rows())) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
