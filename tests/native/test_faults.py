#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Traffic over a fabric that loses, reorders, duplicates, delays or refuses packets."""

import os
import tempfile
import time
import unittest

from emulation import Peer, emulated, finish_transfer, start_transfer, transfer

UNRESPONSIVE, UNREACHABLE = "13", "15"
EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "examples")


def topology(text):
    """A topology file with `text`, there as long as the script runs."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as file:
        file.write(text)
    TOPOLOGIES.append(file.name)
    return file.name


TOPOLOGIES = []


def tearDownModule():
    for name in TOPOLOGIES:
        os.unlink(name)


def total(statistics, counter):
    return sum(device[counter] for device in statistics["devices"])


def retries(statistics, counter):
    return sum(qp[counter] for device in statistics["devices"] for qp in device["queue_pairs"])


class Losses(unittest.TestCase):
    MESSAGES = 20000

    def packets_were_lost(self, statistics):
        self.assertGreater(statistics["fabric"]["packets_lost"], self.MESSAGES // 100)
        self.assertGreater(total(statistics, "retrans_pkts"), 0)
        self.assertGreater(retries(statistics, "retransmissions"), 0)

    def everything_went_wrong(self, statistics):
        self.packets_were_lost(statistics)
        self.assertGreater(statistics["fabric"]["packets_duplicated"], 0)
        drops = sum(device["drops"]["duplicates"] for device in statistics["devices"])
        self.assertGreater(drops, 0)

    @emulated("--hosts", "2", "--loss", "5%", "--reorder", "10%", "--duplicate", "2%",
              "--seed", "7", statistics=everything_went_wrong)
    def test_do_not_show_in_messages_of_all_lengths(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver, self.MESSAGES, 0)

    @emulated("--hosts", "2", "--loss", "5%", "--reorder", "10%", "--duplicate", "2%",
              "--seed", "11", statistics=everything_went_wrong)
    def test_do_not_show_in_a_million_messages(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver, 1000000, 256)

    @emulated("--hosts", "2", "--loss", "5%", "--reorder", "10%", "--duplicate", "2%",
              "--seed", "8", statistics=everything_went_wrong)
    def test_do_not_show_in_both_directions_at_once(self):
        with Peer("host0", 0) as a, Peer("host1", 0) as b, Peer("host0", 0) as c, \
             Peer("host1", 0) as d:
            a.connect(b)
            d.connect(c)
            start_transfer(a, b, self.MESSAGES // 2, 512)
            start_transfer(d, c, self.MESSAGES // 2, 512)
            finish_transfer(a, b)
            finish_transfer(d, c)

    @emulated("--hosts", "2", "--loss", "30%", "--seed", "9", "--timeout", "20s",
              statistics=packets_were_lost)
    def test_of_every_third_packet_do_not_show_either(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver, 3000, 1024)

    def reads_lost_packets(self, statistics):
        self.assertGreater(statistics["fabric"]["packets_lost"], 100)
        self.assertGreater(total(statistics, "rdma_read_bytes"), 30 << 20)

    @emulated("--hosts", "2", "--loss", "5%", "--reorder", "10%", "--duplicate", "2%",
              "--seed", "10", statistics=reads_lost_packets)
    def test_do_not_show_in_long_reads(self):
        with Peer("host0", 0) as reader, Peer("host1", 0) as other:
            reader.connect(other)
            other.connect(reader)
            other.ask("fill", 1 << 20)
            reader.ask("read-filled", other.qpn, other.rkey, other.addr, 30, 1 << 20)
            other.ask("fill", 100)
            reader.ask("read-filled", other.qpn, other.rkey, other.addr, 500, 100)

    def nothing_arrived(self, statistics):
        self.assertEqual(total(statistics, "recv_wrs"), 0)
        self.assertGreaterEqual(total(statistics, "unresponsive_remote_events"), 64)

    @emulated("--hosts", "2", "--loss", "100%", "--timeout", "200ms", statistics=nothing_arrived)
    def test_of_everything_end_every_request_in_time(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            sender.connect(receiver)
            receiver.ask("receive", 64)
            started = time.monotonic()
            for _ in range(64):
                sender.ask("post", receiver.qpn, 64)
            for _ in range(64):
                self.assertEqual(sender.ask("sent")["vendor"], UNREACHABLE)
            took = time.monotonic() - started
            self.assertGreaterEqual(took, 0.2)
            self.assertLess(took, 5)  # the machine may be slow; without a limit it would be forever


class SilentHosts(unittest.TestCase):
    @emulated("--topology", topology("""
        transport_timeout = "300ms"
        [[hosts]]
        name = "talker"
        [[hosts]]
        name = "mute"
        faults = { unresponsive_after = "0s" }
        """))
    def test_that_never_answered_are_unreachable(self):
        with Peer("talker", 0) as sender, Peer("mute", 0) as mute:
            sender.connect(mute)
            mute.ask("receive", 1)
            sender.ask("post", mute.qpn, 64)
            self.assertEqual(sender.ask("sent")["vendor"], UNREACHABLE)

    @emulated("--topology", topology("""
        transport_timeout = "300ms"
        [[hosts]]
        name = "talker"
        [[hosts]]
        name = "falls-silent"
        faults = { unresponsive_after = "4s" }
        """))
    def test_that_fall_silent_are_unresponsive(self):
        with Peer("talker", 0) as sender, Peer("falls-silent", 0) as other:
            sender.connect(other)
            other.tell("collect", 10**6, 64)
            other.expect("listening")
            sender.tell("stream", other.qpn, 64)
            sender.expect("streaming")
            self.assertEqual(sender.answer()["vendor"], UNRESPONSIVE)
            os.kill(int(other.pid), 9)

    @emulated("--hosts", "3", "--timeout", "300ms")
    def test_that_do_not_exist_are_unreachable_and_others_go_on(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as a, Peer("host2", 0) as b:
            sender.ask("connect", "fe80::dead:beef")
            sender.ask("post", 1, 64)
            transfer(a, b, 500, 64)
            self.assertEqual(sender.ask("sent")["vendor"], UNREACHABLE)


class SecurityGroups(unittest.TestCase):
    def denied(self, statistics):
        self.assertGreater(statistics["fabric"]["packets_denied"], 0)

    @emulated("--topology", os.path.join(EXAMPLES, "security-groups.toml"), statistics=denied)
    def test_pass_what_both_sides_allow_and_nothing_else(self):
        with Peer("compute0", 0) as compute, Peer("compute3", 0) as other, \
             Peer("storage", 0) as storage, Peer("lost0", 0) as lost, Peer("lost1", 0) as forgotten:
            transfer(compute, other, 100)
            transfer(compute, storage, 100)
            transfer(storage, compute, 100)
            for sender, receiver in ((compute, lost), (lost, compute), (lost, forgotten),
                                     (storage, lost)):
                sender.connect(receiver)
                receiver.ask("receive", 1)
                sender.ask("post", receiver.qpn, 64)
                self.assertIn(sender.ask("sent")["vendor"], (UNREACHABLE, UNRESPONSIVE))


class Receivers(unittest.TestCase):
    def were_not_ready(self, statistics):
        self.assertGreaterEqual(retries(statistics, "rnr_retries"), 5)

    @emulated("--hosts", "2", "--rnr-at", "host1:10:5", statistics=were_not_ready)
    def test_that_are_not_ready_for_a_while_get_everything(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver, 1000, 64)

    def lost_packets(self, statistics):
        # A sender that retransmits before it hears "not ready" counts a loss, not a retry.
        self.assertGreater(statistics["fabric"]["packets_lost"], 0)

    @emulated("--hosts", "2", "--rnr-at", "host1:10:5", "--loss", "5%", "--seed", "3",
              statistics=lost_packets)
    def test_that_are_not_ready_while_packets_are_lost_get_everything(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver, 1000, 64)


class Paths(unittest.TestCase):
    @emulated("--hosts", "2", "--delay", "20ms")
    def test_take_their_time(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            sender.connect(receiver)
            receiver.ask("receive", 1)
            started = time.monotonic()
            sender.ask("post", receiver.qpn, 64)
            self.assertEqual(sender.ask("sent")["status"], "0")
            self.assertGreaterEqual(time.monotonic() - started, 0.04)

    @emulated("--hosts", "2", "--bandwidth", "0.1Gbit")
    def test_have_a_bandwidth(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            started = time.monotonic()
            transfer(sender, receiver, 1000, 8192)
            self.assertGreaterEqual(time.monotonic() - started, 1000 * 8192 * 8 / 0.1e9)

    @emulated("--hosts", "2", "--delay", "100us", "--jitter", "2ms", "--seed", "5")
    def test_may_jitter(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver, 3000, 0)


if __name__ == "__main__":
    unittest.main()
