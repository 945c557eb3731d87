#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""'lab run' with real guests: statuses, time limits, complaints, nothing left behind."""

import os
import signal
import subprocess
import unittest

from guests import KERNEL, LAB, LIMIT, LabTest, await_end, lab, processes_with, run


class Status(LabTest):
    def test_output_errors_and_status_of_the_command_come_back(self):
        done = run("--", "sh", "-c", "echo to stdout; echo to stderr >&2; exit 7", check=7)
        self.assertEqual(done.stdout, "to stdout\n")
        self.assertIn("to stderr\n", done.stderr)

    def test_a_command_killed_by_a_signal_has_the_shells_status(self):
        run("--", "sh", "-c", "kill -9 $$", check=137)

    def test_the_guest_runs_the_kernel_and_writes_only_to_the_shared_folder(self):
        done = run("--out", str(self.folder), "--", "sh", "-ec",
                   "uname -r; test $LAB_HOST = host1; echo kept >$LAB_OUT/file; echo lost >/labtest-lost",
                   check=0)
        self.assertTrue(done.stdout.startswith(KERNEL.split("-")[0]), done.stdout)
        self.assertEqual((self.folder / "file").read_text(), "kept\n")
        self.assertFalse(os.path.exists("/labtest-lost"))

    def test_standard_input_is_passed_on_request(self):
        done = subprocess.run([LAB, "run", "--no-device", "--kernel", KERNEL, "--stdin", "--", "wc", "-c"],
                              input=b"x" * 100000, stdout=subprocess.PIPE, timeout=LIMIT, check=True)
        self.assertEqual(done.stdout, b"100000\n")

    def test_modules_are_there_for_automatic_loading(self):
        run("--", "sh", "-ec", "modprobe ib_uverbs; grep -q ^ib_core /proc/modules", check=0)


class Limits(LabTest):
    def test_a_command_over_its_time_is_ended(self):
        done = run("--timeout", "3", "--", "sh", "-c", "echo started; sleep 1000", check=124)
        self.assertEqual(done.stdout, "started\n")

    def test_a_guest_whose_agent_hangs_is_ended(self):
        """One CPU, taken for good by a real-time task: nothing else runs in the guest any more."""
        done = run("--timeout", "2", "--", "sh", "-c",
                   "echo -1 >/proc/sys/kernel/sched_rt_runtime_us; exec chrt -f 99 sh -c 'while :; do :; done'",
                   check=124)
        self.assertIn("host1 is stuck", done.stderr)

    def test_a_guest_that_does_not_boot_is_ended(self):
        done = run("--boot-timeout", "5", "--append", "rdinit=/bin/nothing", "--append", "panic=0", "--", "true")
        self.assertIn(done.returncode, (123, 125))
        self.assertIn("host1", done.stderr)


class Complaints(LabTest):
    def test_a_warning_fails_a_command_that_succeeds(self):
        done = run("--", "sh", "-c", "echo '<4>WARNING: made up' >/dev/kmsg", check=123)
        self.assertIn("the kernel of host1 complains: WARNING: made up", done.stderr)

    def test_a_leak_that_is_only_in_dmesg_fails_too(self):
        done = run("--", "sh", "-c", "echo '<6>kmemleak: 1 new suspected memory leaks' >/dev/kmsg", check=123)
        self.assertIn("kmemleak: 1 new", done.stderr)

    def test_an_expected_warning_is_allowed(self):
        run("--allow", "made up", "--", "sh", "-c", "echo '<4>WARNING: made up' >/dev/kmsg", check=0)

    def test_a_crash_shows_the_console(self):
        done = run("--", "sh", "-c", "echo before; echo c >/proc/sysrq-trigger", check=123)
        self.assertIn("before\n", done.stdout)
        self.assertIn("end of the console of host1", done.stderr)
        self.assertIn("Kernel panic", done.stderr)

    def test_a_guest_that_powers_off_by_itself_fails(self):
        run("--", "sh", "-c", "poweroff -f", check=125)

    def test_a_guest_that_lies_about_its_status_is_found_out(self):
        done = run("--", "sh", "-ec", "echo 5 >/run/five; mount --bind /run/five /run/lab-status; "
                                      "mount -o remount,bind,ro /run/lab-status", check=125)
        self.assertIn("powered off with QEMU's status 11, not 1", done.stderr)


class NothingStays(LabTest):
    """However the lab ends, its processes end with it."""

    def start(self, *before):
        """Starts a lab and waits until its command runs; the marker is on every command line."""
        words = [*before, str(LAB), "run", "--no-device", "--kernel", KERNEL, "--out", str(self.folder),
                 "--timeout", "500", "--", "sh", "-c", "echo running; sleep 1000"]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                 start_new_session=True)
        self.addCleanup(child.stdout.close)
        self.assertEqual(child.stdout.readline(), "running\n")
        pids = processes_with(str(self.folder))
        self.assertGreaterEqual(len(pids), 3)  # the lab, its supervisor, QEMU
        return child, pids

    def check(self, pids):
        self.assertEqual(await_end(pids, 30), [])
        self.assertEqual(processes_with(str(self.folder)), [])

    def test_after_an_interrupt_from_the_terminal(self):
        child, pids = self.start()
        os.killpg(child.pid, signal.SIGINT)
        self.assertEqual(child.wait(60), 130)
        self.check(pids)

    def test_after_a_request_to_end(self):
        child, pids = self.start()
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(60), 143)
        self.check(pids)

    def test_after_the_lab_was_killed(self):
        child, pids = self.start()
        child.kill()
        child.wait(60)
        self.check(pids)

    def test_after_the_labs_parent_was_killed(self):
        child, pids = self.start("sh", "-c", '"$@"; true', "sh")
        child.kill()
        child.wait(60)
        self.check(pids)


if __name__ == "__main__":
    lab("setup", "--kernel", KERNEL, check=0)
    unittest.main()
