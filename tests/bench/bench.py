#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs the benchmarks of the emulator and prints one table: measured value, goal, verdict.

Usage: bench.py BUILD_DIRECTORY [--job]

--job adds the 128-rank MPI job on 64 emulated hosts (a minute or two). Nothing here fails because a
number is bad: benchmarks inform, tests judge.
"""
import json
import os
import re
import subprocess
import sys
import time

from table import Table

TABLE = Table()
row = TABLE.row


def status_field(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    raise KeyError(name)


def engine(build):
    out = subprocess.run(
        [f"{build}/tests/bench/engine_bench", "--benchmark_format=json", "--benchmark_min_time=0.5"],
        check=True, capture_output=True, text=True).stdout
    times = {b["name"]: b["real_time"] for b in json.loads(out)["benchmarks"]}
    row("engine pass over 128 idle QPs", f"{times['idle_pass/128']:.2f} us", "< 10 us",
        times["idle_pass/128"] < 10)
    row("engine, one 8 B send, both CQEs (no processes)", f"{times['send_one/8']:.2f} us", "-", True)


def native(emu, build):
    out = subprocess.run([emu, "run", "--", f"{build}/tests/bench/native_bench"], check=True,
                         capture_output=True, text=True).stdout
    print(out)
    srd, tcp = (float(re.search(p + r"\s+([\d.]+) us", out).group(1))
                for p in ("half round trip", "TCP loopback, the same"))
    row("SRD 8 B half round trip / TCP loopback", f"{srd:.1f} / {tcp:.1f} us = {srd / tcp:.2f}",
        "<= 1", srd <= tcp)


def bulk(emu, build):
    out = subprocess.run([emu, "run", "--", f"{build}/tests/bench/bulk_bench"], check=True,
                         capture_output=True, text=True).stdout
    print(out)
    for op, kind, count, ratio in re.findall(
            r"RDMA (\w+) +1 MiB, ([\w ]+), (\d+) outstanding.* bandwidth ratio = ([\d.]+)", out):
        row(f"RDMA {op} 1 MiB, {kind}, {count} outstanding / process_vm_{op}v", ratio, ">= 0.9",
            float(ratio) >= 0.9)


def wakeups(emu, build, client, label, goal):
    command = [emu, "run", "--"] + client
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().strip() == b"ready"
        time.sleep(12)  # beyond the last step of the engine's patience
        before = status_field(process.pid, "voluntary_ctxt_switches")
        start = time.monotonic()
        time.sleep(5)
        rate = (status_field(process.pid, "voluntary_ctxt_switches") - before) / (
            time.monotonic() - start)
        process.stdin.close()
        process.wait()
    row(label, f"{rate:.0f} per second", "0", rate < 0.5)


def job(emu, root):
    start = time.monotonic()
    with subprocess.Popen([f"{root}/scripts/run-job.sh"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, env={**os.environ, "EFA_EMU": emu}) as process:
        peak = 0
        while process.poll() is None:
            time.sleep(0.25)
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if os.readlink(f"/proc/{pid}/exe") != os.path.realpath(emu):
                        continue
                    # Anonymous pages only: queue pages are shared memory.
                    peak = max(peak, status_field(pid, "RssAnon"))
                except (OSError, KeyError):
                    continue
        took = time.monotonic() - start
    row("128 ranks on 64 hosts, wall time", f"{took:.0f} s, exit {process.returncode}", "< 300 s",
        took < 300 and process.returncode == 0)
    row("emulator memory for 128 ranks, queues aside", f"{peak / 1024:.1f} MB", "< 100 MB",
        peak < 100 * 1024)


def main():
    build = os.path.abspath(sys.argv[1])
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    emu = f"{build}/tools/emulator/efa-emu"
    engine(build)
    native(emu, build)
    bulk(emu, build)
    wakeups(emu, build, ["sh", "-c", "echo ready; cat"], "wake-ups, no queue exists", "0")
    wakeups(emu, build, [f"{build}/tests/bench/idle_client"], "wake-ups, one idle queue pair", "0")
    if "--job" in sys.argv[2:]:
        job(emu, root)
    TABLE.print()


if __name__ == "__main__":
    main()
