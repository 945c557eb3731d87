#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Proves that a job's traffic crossed the emulated devices.

Usage: check_counters.py EXPECTED.json STATS.json

EXPECTED.json is written by checked_job: by host, the payload bytes that left it for other hosts and
came from them, a lower bound. STATS.json is that of `efa-emu run --stats=json --stats-file`. For each
host the device counters must be at least as large, and what all devices sent must have arrived.
"""
import json
import sys


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"check_counters: {path}: {error}")


def counted(stats):
    """Bytes sent and received, by host, over all its devices."""
    hosts = {}
    for device in stats["devices"]:
        host = hosts.setdefault(device["host"], {"tx": 0, "rx": 0})
        host["tx"] += device["tx_bytes"]
        host["rx"] += device["rx_bytes"]
    return hosts


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    expected, actual = read(sys.argv[1]), counted(read(sys.argv[2]))
    failures = 0
    if len(expected) < 2 or not all(host["tx"] for host in expected.values()):
        print("check_counters: the job sent nothing between hosts, so nothing is proven")
        failures += 1
    if set(expected) - set(actual):
        print(f"check_counters: no device on {sorted(set(expected) - set(actual))}")
        failures += 1
    short = [name for name in expected if name in actual and any(
        actual[name][way] < expected[name][way] for way in ("tx", "rx"))]
    shown = short + [name for name in sorted(expected) if name in actual and name not in short]
    print(f"{'host':<10}{'job sent >=':>14}{'device tx':>14}{'job recv >=':>14}{'device rx':>14}")
    for name in shown[:8]:
        print(f"{name:<10}{expected[name]['tx']:>14}{actual[name]['tx']:>14}"
              f"{expected[name]['rx']:>14}{actual[name]['rx']:>14}"
              f"{'   TOO FEW' if name in short else ''}")
    if len(shown) > 8:
        print(f"... and {len(shown) - 8} more hosts")
    sent, received = (sum(host[way] for host in actual.values()) for way in ("tx", "rx"))
    print(f"all devices: {sent} bytes sent, {received} received")
    failures += len(short)
    print("counters: " + ("FAILED" if failures else
                          "OK: the devices carried every inter-host byte that the job sent"))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
