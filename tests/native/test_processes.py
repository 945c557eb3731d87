#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Processes that die, fork, exec, or use the device in unusual ways, and the others around them."""

import os
import shutil
import signal
import subprocess
import unittest

from emulation import EMULATOR, PEER, PYTHON, Failed, Peer, emulated, emulator_pid
from emulation import finish_transfer, start_transfer, transfer, wait_until

FOREVER = 10**12
UNPRIVILEGED = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env",
                "HOME=/nonexistent")
BAD_LOCAL_KEY, BAD_REMOTE_ADDRESS, BAD_QPN, BAD_STATUS = "5", "7", "9", "12"


def descriptors():
    return len(os.listdir(f"/proc/{emulator_pid()}/fd"))


def mappings(of=""):
    with open(f"/proc/{emulator_pid()}/maps", encoding="utf-8") as maps:
        return sum(of in line for line in maps)


class Death(unittest.TestCase):
    def check_newcomers(self, *hosts):
        """Fresh peers find everything in order."""
        with Peer(hosts[0], 0) as sender, Peer(hosts[1], 0) as receiver:
            transfer(sender, receiver)

    @emulated("--hosts", "4")
    def test_of_a_receiver_ends_its_partner_s_traffic_and_no_other(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as victim, \
             Peer("host2", 0) as other, Peer("host3", 0) as partner:
            other.connect(partner)
            start_transfer(other, partner, 20000, 512)
            sender.connect(victim)
            victim.tell("collect", FOREVER // 10**6, 512)
            victim.expect("listening")
            sender.tell("stream", victim.qpn, 512)
            sender.expect("streaming")
            os.kill(int(victim.pid), signal.SIGKILL)
            # The memory of a dying process goes before its queue pair does.
            self.assertIn(sender.answer()["vendor"], (BAD_QPN, BAD_STATUS))
            finish_transfer(other, partner)
        self.check_newcomers("host0", "host1")

    @emulated("--hosts", "2")
    def test_of_a_sender_leaves_the_receiver_usable(self):
        with Peer("host0", 0) as victim, Peer("host1", 0) as receiver:
            victim.connect(receiver)
            receiver.ask("receive", 200)
            victim.tell("stream", receiver.qpn, 512)
            victim.expect("streaming")
            os.kill(int(victim.pid), signal.SIGKILL)
            self.assertEqual(receiver.ask("received")["status"], "0")
            self.assertEqual(victim.process.wait(), -signal.SIGKILL)
        self.check_newcomers("host0", "host1")

    @emulated("--hosts", "2")
    def test_of_a_process_that_is_read_from_is_an_error_of_the_reader(self):
        with Peer("host0", 0) as reader, Peer("host1", 0) as victim:
            reader.connect(victim)
            victim.connect(reader)
            reader.ask("read", victim.qpn, victim.rkey, victim.addr, 4096)
            self.assertEqual(reader.ask("sent")["status"], "0")
            os.kill(int(victim.pid), signal.SIGKILL)
            victim.process.wait()
            reader.ask("read", victim.qpn, victim.rkey, victim.addr, 4096)
            self.assertIn(reader.ask("sent")["vendor"], (BAD_QPN, BAD_REMOTE_ADDRESS))

    @emulated("--hosts", "2")
    def test_without_destroying_anything_releases_everything(self):
        before = descriptors()
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            sender.connect(receiver)
            receiver.tell("exit", 3)
            self.assertEqual(receiver.process.wait(), 3)
            sender.ask("post", receiver.qpn, 64)
            self.assertEqual(sender.ask("sent")["vendor"], BAD_QPN)
        wait_until(lambda: descriptors() == before, "the descriptors of both are closed")
        self.check_newcomers("host1", "host0")

    @emulated("--hosts", "2")
    def test_in_the_middle_of_opening_and_closing_leaves_nothing_behind(self):
        before = descriptors()
        with Peer("host1") as pace:
            for round_ in range(40):
                with Peer("host0") as victim:
                    victim.tell("cycle", 10**6)
                    pace.ask("cycle", round_ % 7)  # so that it dies at another point each time
                    victim.process.kill()
                    self.assertEqual(victim.process.wait(), -signal.SIGKILL)
            pace.ask("open")
            self.assertGreater(mappings("efa-queues"), 0)
        wait_until(lambda: descriptors() == before, "all descriptors are closed")
        wait_until(lambda: mappings("efa-queues") == 0, "no queue memory is mapped")
        self.check_newcomers("host0", "host1")

    @emulated("--hosts", "1")
    def test_in_many_forms_leaves_nothing_behind(self):
        def live_and_die(how):
            with Peer("host0", 0) as peer:
                peer.connect(peer)
                peer.ask("receive", 16)
                if how == "kill":
                    peer.tell("stream", peer.qpn, 64)
                    peer.expect("streaming")
                    os.kill(int(peer.pid), signal.SIGKILL)
                elif how == "exit":
                    peer.tell("exit", 0)
                else:
                    peer.ask("close")

        for how in ("kill", "exit", "close"):
            live_and_die(how)
        with Peer("host0") as peer:
            peer.ask("cycle", 20)
        wait_until(lambda: mappings("efa-queues") == 0, "all contexts are released")
        settled = descriptors(), mappings()
        with Peer("host0") as peer:
            peer.ask("cycle", 200)
        for _ in range(10):
            for how in ("kill", "exit", "close"):
                live_and_die(how)
        wait_until(lambda: descriptors() <= settled[0], "all descriptors are closed")
        wait_until(lambda: mappings("efa-queues") == 0, "no queue memory is mapped")
        # The heap may grow; something left of each of 230 contexts would show.
        wait_until(lambda: mappings() <= settled[1] + 100, "all mappings are gone")


class Fork(unittest.TestCase):
    @emulated("--hosts", "2")
    def test_and_end_of_the_child_do_not_touch_the_parent(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver)
            for _ in range(5):
                sender.ask("fork-child-ends")
                receiver.ask("fork-child-ends")
                transfer(sender, receiver)

    @emulated("--hosts", "2")
    def test_leaves_the_child_a_device_when_the_parent_ends(self):
        before = descriptors()
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver)
            child = sender.ask("fork-parent-ends")
            self.assertNotEqual(child["pid"], sender.pid)
            self.assertEqual(sender.ask("query-port")["max_msg"], "8928")
            # The parent's memory is gone with it ...
            receiver.ask("receive", 1)
            sender.ask("post", receiver.qpn, 64)
            self.assertEqual(sender.ask("sent")["vendor"], BAD_LOCAL_KEY)
            # ... but the queues are shared, and what the child registers is its own.
            sender.ask("register")
            sender.ask("post", receiver.qpn, 64)
            self.assertEqual(sender.ask("sent")["status"], "0")
            self.assertEqual(receiver.ask("received")["status"], "0")
            self.assertGreater(descriptors(), before)
        wait_until(lambda: descriptors() == before, "the last user is gone")


class Descriptor(unittest.TestCase):
    @emulated("--hosts", "2")
    def test_works_under_any_number(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            self.assertEqual(sender.ask("dup")["max_msg"], "8928")
            transfer(sender, receiver)

    @emulated("--hosts", "2")
    def test_is_opened_anew_after_exec(self):
        before = descriptors()
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            for _ in range(3):
                transfer(sender, receiver)
                sender.tell("exec")
                sender.expect("ready")
                sender.open()
                transfer(sender, receiver)
        wait_until(lambda: descriptors() == before, "all contexts are released")

    @emulated("--hosts", "2")
    def test_may_be_closed_under_a_thread_that_polls(self):
        for _ in range(5):
            with Peer("host0", 0) as peer:
                peer.tell("close-while-polling")
                peer.expect("closing")
                # The thread reads freed memory: what becomes of the process is its own affair.
                peer.process.wait()
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver)


class Memory(unittest.TestCase):
    @emulated("--hosts", "2")
    def test_that_is_unmapped_is_an_error_completion(self):
        with Peer("host0", 0) as left, Peer("host1", 0) as right:
            left.connect(right)
            right.connect(left)
            right.ask("receive", 1)
            right.ask("unmap")
            left.ask("post", right.qpn, 64)
            self.assertEqual(left.ask("sent")["vendor"], BAD_STATUS)
            self.assertEqual(right.ask("received")["vendor"], BAD_LOCAL_KEY)
            left.ask("read", right.qpn, right.rkey, right.addr, 64)
            self.assertEqual(left.ask("sent")["vendor"], BAD_REMOTE_ADDRESS)
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            transfer(sender, receiver)


class Hosts(unittest.TestCase):
    @emulated("--hosts", "3")
    def test_differ_in_name_gid_and_guid(self):
        with Peer("host0", 0) as one, Peer("host1", 0) as two, Peer("host2", 0) as three:
            peers = (one, two, three)
            self.assertEqual([p.host for p in peers], ["host0", "host1", "host2"])
            self.assertEqual(len({p.gid for p in peers}), 3)
            self.assertEqual(len({p.guid for p in peers}), 3)
            for sender in peers:
                for receiver in peers:
                    if sender is not receiver:
                        transfer(sender, receiver, 50)

    @emulated("--hosts", "2")
    def test_show_all_processes_the_same_device(self):
        with Peer("host0", 0) as one, Peer("host0", 0) as two:
            self.assertEqual((one.gid, one.guid), (two.gid, two.guid))
            self.assertNotEqual(one.qpn, two.qpn)
            transfer(one, two)

    @emulated("--hosts", "2", "--devices-per-host", "2")
    def test_may_have_two_devices(self):
        with Peer("host0", 0) as a, Peer("host0", 1) as b, Peer("host1", 0) as c, \
             Peer("host1", 1) as d:
            self.assertEqual(len({p.gid for p in (a, b, c, d)}), 4)
            self.assertEqual(len({p.guid for p in (a, b, c, d)}), 4)
            with Peer("host0") as more:
                with self.assertRaises(Failed):
                    more.ask("open", 2)
            transfer(a, d, 100)
            transfer(c, b, 100)
            transfer(a, b, 100)


def accessible_to_nobody():
    """True if an unprivileged user can run the programs of this test."""
    command = [*UNPRIVILEGED, "test", "-x", EMULATOR, "-a", "-x", PEER, "-a", "-x", PYTHON, "-a", "-r",
               os.path.abspath(__file__)]
    return subprocess.run(command, check=False).returncode == 0


class Ways(unittest.TestCase):
    """Every way to lead programs to the devices."""

    def pairs_work(self):
        with Peer("host0", 0) as sender, Peer("host1", 0) as receiver:
            self.assertNotEqual(sender.gid, receiver.gid)
            transfer(sender, receiver)
            os.kill(int(receiver.pid), signal.SIGKILL)
            receiver.process.wait()
            sender.ask("post", receiver.qpn, 64)
            self.assertEqual(sender.ask("sent")["vendor"], BAD_QPN)

    @emulated("--hosts", "2", "--mode", "one-trap")
    def test_one_trap(self):
        self.pairs_work()

    @emulated("--hosts", "2", "--mode", "path")
    def test_path(self):
        self.pairs_work()

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv") and accessible_to_nobody(),
                         "needs root, setpriv, and a build that other users may read")
    @emulated("--hosts", "2", before=UNPRIVILEGED)
    def test_without_privileges(self):
        self.assertEqual(os.environ["HOME"], "/nonexistent")
        self.pairs_work()

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv") and accessible_to_nobody(),
                         "needs root, setpriv, and a build that other users may read")
    @emulated("--hosts", "2", "--mode", "path", before=UNPRIVILEGED)
    def test_path_without_privileges(self):
        self.assertEqual(os.geteuid(), 65534)
        self.pairs_work()

    @emulated("--hosts", "1")
    def test_not_nested(self):
        inner = subprocess.run([EMULATOR, "run", "--", "true"], stderr=subprocess.PIPE, text=True,
                               check=False)
        self.assertEqual(inner.returncode, 2)
        self.assertRegex(inner.stderr, r"^efa-emu: .*emulator")

    @emulated("--hosts", "1", status=1)
    def test_status_of_the_command_is_passed_on(self):
        self.fail("so that the command ends with status 1")


if __name__ == "__main__":
    unittest.main()
