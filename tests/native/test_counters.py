#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""hw_counters in sysfs: live, of each host's own device, free of cost when nothing happens."""

import os
import subprocess
import unittest

from emulation import EMULATOR, Peer, emulated, emulator_pid, transfer, wait_until

MESSAGES, SIZE = 1000, 1024


def folder(host, port=True):
    return (f"{os.environ['EFA_EMU_DIR']}/hosts/{host}/sys/class/infiniband/efa_0/"
            f"{'ports/1/' if port else ''}hw_counters")


def counter(host, name, port=True):
    with open(f"{folder(host, port)}/{name}", encoding="ascii") as file:
        return int(file.read())


def wakeups():
    with open(f"/proc/{emulator_pid()}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status
                    if line.startswith("voluntary_ctxt_switches"))


class HwCounters(unittest.TestCase):
    @emulated("--hosts", "2")
    def test_follow_the_traffic(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            before = counter("host0", "send_wrs"), counter("host1", "recv_bytes")
            self.assertEqual(before, (0, 0))
            transfer(sender, receiver, MESSAGES, SIZE)
            wait_until(lambda: counter("host0", "send_wrs") >= MESSAGES, "sends are counted")
            wait_until(lambda: counter("host1", "recv_wrs") >= MESSAGES, "receives are counted")
            self.assertEqual(counter("host0", "send_bytes"),
                             counter("host0", "send_wrs") * SIZE)
            self.assertGreaterEqual(counter("host0", "tx_pkts"), MESSAGES)
            self.assertGreaterEqual(counter("host0", "tx_bytes"), MESSAGES * SIZE)
            self.assertEqual(counter("host1", "rx_pkts"), counter("host0", "tx_pkts"))
            self.assertEqual(counter("host0", "rdma_write_wrs"), 0)

    @emulated("--hosts", "2")
    def test_are_seen_where_programs_look_for_them(self):
        with Peer("host1", 0):
            wait_until(lambda: counter("host1", "submitted_cmds", False) > 5, "commands count")
        name = "class/infiniband/efa_0/hw_counters/submitted_cmds"
        seen = [int(subprocess.run([EMULATOR, "on", host, "sh", "-c", f"cat $SYSFS_PATH/{name}"],
                                   check=True, capture_output=True, text=True).stdout)
                for host in ("host0", "host1")]
        self.assertGreater(seen[1], seen[0], "host1's device worked, host0's did not")

    @emulated("--hosts", "2", "--loss", "20%")
    def test_count_retransmissions(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver, 200, 64)
        wait_until(lambda: counter("host0", "retrans_pkts") > 0, "retransmissions are counted")
        self.assertGreater(counter("host0", "retrans_bytes"), 0)

    @emulated("--hosts", "4", "--devices-per-host", "4")
    def test_cost_no_wake_ups(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver, 10, 64)
        # The peers have ended: no queue is left.
        last = []

        def quiet():
            last.append((wakeups(), counter("host0", "completed_cmds", False)))
            return len(last) > 20 and len(set(last[-20:])) == 1

        wait_until(quiet, "the emulator sleeps")
        self.assertEqual(counter("host0", "submitted_cmds", False), last[-1][1])


if __name__ == "__main__":
    unittest.main()
