#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Benchmarks of the kernel driver in virtual machines of the lab: values, goals, verdicts.

Usage: driver_bench.py PROGRAM OURS.ko THEIRS.ko PERFTEST [--rounds N] [--only PART]...

PROGRAM is driver_bench, THEIRS.ko the distribution's driver, PERFTEST the folder of a perftest that
knows SRD writes. Parts:
  instructions  in one VM, the drivers in turns: what a load, a creation and destruction take, in
            instructions of the guest and in time of the CPU that emulates it; hardly depends on
            what else the machine does
  objects   the same by the clock: time to load, creations and destructions per second
  traffic   between two VMs: SRD over emulated EFA and RC over rdma_rxe in turns
  exits     does traffic leave the guest? Accesses that the emulator has trapped
What is compared runs in turns in the same VMs; medians are judged. "best" compares the best round of
each side, which other work on the machine disturbs least. Of instructions, the best is judged: timers
and tasks that happen to run add to it. As with bench.py, no number fails this.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from table import Table

ROOT = Path(__file__).resolve().parents[2]
LAB = str(ROOT / "tools/lab/lab")
PAIR = str(ROOT / "scripts/pair.sh")
KERNEL = "6.1"
PORT = 18515
LIMIT = 900  # seconds for one command, on a busy machine
HUGE_PAGES = 512  # 1 GiB
OBJECTS_MEMORY = "2900"  # MiB: 1 GiB of small pages, 1 GiB of huge ones, and a system


def load_average():
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


class Failed(Exception):
    """A command ended with a status that is not 0."""


def run(*words):
    """Standard output of a command that must succeed."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          stdin=subprocess.DEVNULL, cwd=ROOT)
    if done.returncode != 0:
        raise Failed(f"{done.stdout}{done.stderr}'{' '.join(words)}' ended with status {done.returncode}")
    return done.stdout


class Guests:
    """A lab that is up: a context manager, with commands in it."""

    def __init__(self, hosts, doorbells, module):
        self.name = f"bench-{os.getpid()}"
        self.options = ["--hosts", str(hosts), "--doorbells", doorbells, "--module", module]

    def __enter__(self):
        run(LAB, "up", "--kernel", KERNEL, "--name", self.name, *self.options)
        return self

    def __exit__(self, *_):
        run(LAB, "down", "--name", self.name)

    def execute(self, host, *command):
        return run(LAB, "exec", "--name", self.name, "--timeout", str(LIMIT), host, "--", *command)

    def pair(self, program):
        """The program on two hosts; what the client said."""
        return self.execute("host1", PAIR, str(PORT), program, f"{program} host1")

    def stats(self, host):
        request = json.dumps({"op": "stats", "device": f"{host}-0"})
        return json.loads(self.execute("host1", "lab-control", request))


def samples_by_name(output):
    """{name: {driver: [value, ...]}} of lines 'DRIVER NAME VALUE'."""
    samples = {}
    for line in output.splitlines():
        driver, name, value = line.split()
        samples.setdefault(name, {}).setdefault(driver, []).append(float(value))
    return samples


def in_guest(args, what, *lab_options):
    """What driver_bench says in a guest."""
    script = f"""echo {HUGE_PAGES} >/proc/sys/vm/nr_hugepages
        cp {args.ours} /tmp/own.ko
        cp {args.theirs} /tmp/stock.ko
        modprobe -a $(modinfo -F depends /tmp/own.ko /tmp/stock.ko | tr , ' ')
        exec {args.program} {what} {args.rounds} {args.loads} /tmp/own.ko /tmp/stock.ko"""
    return run(LAB, "run", "--kernel", KERNEL, "--memory", OBJECTS_MEMORY, "--timeout", str(LIMIT), *lab_options,
               "--", "sh", "-ec", script)


def counted(args):
    """{name: {driver: [(instructions, nanoseconds), ...]}}"""
    counter = Path(args.program).with_name("instruction_counter.so")
    with tempfile.NamedTemporaryFile(mode="r", prefix="driver-bench-") as results:
        names = in_guest(args, "instructions", "--qemu-arg=-plugin", f"--qemu-arg={counter},out={results.name}")
        values = [tuple(map(int, line.split())) for line in results]
    names = [line.split() for line in names.splitlines()]
    if len(names) != len(values):
        raise Failed(f"{len(names)} measurements, {len(values)} results; does {counter} fit the lab's QEMU?")
    samples = {}
    for (driver, name), value in zip(names, values):
        samples.setdefault(name, {}).setdefault(driver, []).append(value)
    return samples


def instructions(args, table):
    for name, samples in counted(args).items():
        own, stock = (min(count for count, _ in samples[driver]) for driver in ("own", "stock"))
        median_own, median_stock = (statistics.median(time for _, time in samples[driver])
                                    for driver in ("own", "stock"))
        title = "insmod" if name == "load" else f"{name.replace('-', ' ')} created and destroyed"
        table.row(f"{title}: instructions, ours / distribution's; CPU time",
                  f"{own / 1000:.1f} / {stock / 1000:.1f} k = {own / stock:.3f}; {median_own / median_stock:.2f}",
                  "<= 1.0", own <= stock)


def objects(args, table):
    for name, samples in samples_by_name(in_guest(args, "times")).items():
        own, stock = (statistics.median(samples[driver]) for driver in ("own", "stock"))
        if name == "load":
            best = min(samples["own"]) / min(samples["stock"])
            table.row("insmod to registered device, ours / distribution's",
                      f"{own / 1000:.1f} / {stock / 1000:.1f} ms = {own / stock:.2f} (best: {best:.2f})", "<= 1.0",
                      own <= stock)
        else:
            best = max(samples["own"]) / max(samples["stock"])
            table.row(f"{name.replace('-', ' ')} created and destroyed per s, ours / distribution's",
                      f"{own:.4g} / {stock:.4g} = {own / stock:.2f} (best: {best:.2f})", ">= 1.0", own >= stock)


def last_result(output):
    """Numbers of perftest's last line of results."""
    lines = [line.split() for line in output.splitlines() if re.match(r"^ \d+ +\d+ +[\d.]+ ", line)]
    if not lines:
        raise Failed(f"{output}\nthere is no result in the above")
    return [float(word) for word in lines[-1]]


def start_rxe(guests):
    """Index of the GID by which hosts reach each other over rdma_rxe."""
    script = ("modprobe rdma_rxe && rdma link add rxe0 type rxe netdev eth0 && "
              "grep -l ffff: /sys/class/infiniband/rxe0/ports/1/gids/*")
    found = [guests.execute(host, "sh", "-ec", script) for host in ("host1", "host2")]
    return os.path.basename(found[0].splitlines()[-1])


def measured(guests, program, column):
    """That column of the result. rdma_rxe of 6.1 fails now and then under load, hence three tries."""
    for _ in range(2):
        try:
            return last_result(guests.pair(program))[column]
        except Failed as failure:
            print(f"once more, because this failed: {program}\n{failure}", file=sys.stderr)
    return last_result(guests.pair(program))[column]


TYPICAL = 4  # columns of perftest: size, iterations, minimum, maximum, typical
AVERAGE = 3  # size, iterations, peak, average


def traffic(args, table):
    """Writes have a depth that rxe bears too, and Debian 12's perftest knows none for SRD."""
    few = max(args.messages // 5, 1)
    programs = {
        ("latency", "efa"): (f"ib_send_lat -d efa_0 -c SRD -x 0 -n {args.messages}", TYPICAL),
        ("latency", "rxe"): (f"ib_send_lat -d rxe0 -c RC -x GID -n {few}", TYPICAL),
        ("bandwidth", "efa"): (f"{args.perftest}/ib_write_bw -d efa_0 -c SRD -x 0 -t 8 -n {args.messages}", AVERAGE),
        ("bandwidth", "rxe"): (f"ib_write_bw -d rxe0 -c RC -x GID -t 8 -n {few}", AVERAGE),
    }
    samples = {key: [] for key in programs}
    with Guests(2, "mapped", args.ours) as guests:
        gid = start_rxe(guests)
        for _ in range(min(args.rounds, 5)):
            for key, (program, column) in programs.items():
                samples[key].append(measured(guests, program.replace("GID", gid), column))
    for key, values in samples.items():
        print(*key, *values)
    medians = {key: statistics.median(values) for key, values in samples.items()}
    efa, rxe = medians["latency", "efa"], medians["latency", "rxe"]
    table.row("ib_send_lat between VMs, SRD over EFA / RC over rxe", f"{efa:.0f} / {rxe:.0f} us = {efa / rxe:.3f}",
              "<= 0.5", efa <= rxe / 2)
    efa, rxe = medians["bandwidth", "efa"], medians["bandwidth", "rxe"]
    table.row("ib_write_bw 64 KiB between VMs, SRD over EFA / RC over rxe",
              f"{efa:.1f} / {rxe:.1f} MB/s = {efa / rxe:.0f}", ">= 3", efa >= 3 * rxe)


ACCESSES = ("register_reads", "register_writes", "doorbells")


def ping_pongs(guests, count):
    """What they add to the counters of both devices."""
    def total():
        stats = [guests.stats(host) for host in ("host1", "host2")]
        return {key: sum(s[key] for s in stats) for key in (*ACCESSES, "admin_commands", "tx_pkts")}

    before = total()
    guests.pair(f"ib_send_lat -d efa_0 -c SRD -x 0 -n {count}")
    return {key: value - before[key] for key, value in total().items()}


def exits(args, table):
    """Opening the device and its objects takes admin commands, the same in every run; messages may add nothing."""
    for doorbells, goal in (("mapped", "0"), ("trapped", "all, as comparison")):
        with Guests(2, doorbells, args.ours) as guests:
            ping_pongs(guests, args.messages)  # what is done once is done
            few, many = ping_pongs(guests, args.messages), ping_pongs(guests, 3 * args.messages)
        print(f"doorbells {doorbells}, {few['tx_pkts']} messages: {few}\n"
              f"doorbells {doorbells}, {many['tx_pkts']} messages: {many}")
        more = {key: many[key] - few[key] for key in many}
        # A keep-alive of the device is acknowledged now and then.
        good = more["doorbells"] == 0 and abs(more["register_writes"]) < more["tx_pkts"] / 100
        table.row(f"{more['tx_pkts']} more messages, doorbells {doorbells}: more trapped doorbells, register accesses",
                  f"{more['doorbells']}, {more['register_reads'] + more['register_writes']}", goal,
                  good == (doorbells == "mapped"))


PARTS = {"instructions": instructions, "objects": objects, "traffic": traffic, "exits": exits}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("program", "ours", "theirs", "perftest"):
        parser.add_argument(name, type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=9, help="median of so many (9)")
    parser.add_argument("--loads", type=int, default=3, help="insmods of each driver in a round (3)")
    parser.add_argument("--messages", type=int, default=1000, help="iterations of perftest (1000)")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part (repeat)")
    args = parser.parse_args()
    table = Table()
    before = load_average()
    try:
        for name in args.only or PARTS:
            PARTS[name](args, table)
    except Failed as failure:
        sys.exit(f"driver_bench: {failure}")
    table.print()
    print(f"load average of this machine ({os.cpu_count()} CPUs): {before} before, {load_average()} after")


if __name__ == "__main__":
    main()
