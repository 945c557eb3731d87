#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Labs in the background, and what their guests have of each other."""

import os
import subprocess
import threading
import unittest

from guests import KERNEL, LAB, LIMIT, await_end, lab, processes_with

NAME = f"test-{os.getpid()}"
HOSTS = 3


class Standing(unittest.TestCase):
    """One lab for all: booting is the expensive part."""

    @classmethod
    def setUpClass(cls):
        lab("setup", "--kernel", KERNEL, check=0)
        lab("up", "--no-device", "--kernel", KERNEL, "--hosts", str(HOSTS), "--name", NAME, check=0)

    @classmethod
    def tearDownClass(cls):
        pids = processes_with(f"/{NAME}/")
        assert len(pids) >= HOSTS, pids
        lab("down", "--name", NAME, "--allow", "also made up", check=0)
        left = await_end(pids, 30)
        assert not left, f"still running after 'lab down': {left}"

    def execute(self, host, *command, check=0, options=()):
        return lab("exec", "--name", NAME, *options, host, "--", *command, check=check)

    def test_commands_have_their_own_output_and_status(self):
        self.assertEqual(self.execute("host2", "hostname").stdout, "host2\n")
        self.execute("host2", "sh", "-c", "exit 3", check=3)

    def test_all_hosts_at_once(self):
        lines = sorted(self.execute("all", "hostname").stdout.splitlines())
        self.assertEqual(lines, [f"host{n}: host{n}" for n in range(1, HOSTS + 1)])

    def test_two_commands_run_in_one_guest_at_once(self):
        """The first ends only when the second has run."""
        fifo = f"/run/fifo-{os.getpid()}"
        self.execute("host1", "mkfifo", fifo)
        answers = []
        first = threading.Thread(target=lambda: answers.append(self.execute("host1", "cat", fifo).stdout))
        first.start()
        self.execute("host1", "sh", "-c", f"echo through >{fifo}")
        first.join(LIMIT)
        self.assertEqual(answers, ["through\n"])

    def test_hosts_reach_each_other_by_name(self):
        for one, other in (("host1", "host2"), ("host3", "host1")):
            self.execute(one, "ping", "-c", "2", "-W", "10", other)

    def test_ssh_needs_no_password_and_brings_the_labs_variables(self):
        done = self.execute("host1", "ssh", "host3", "echo $LAB_HOST; hostname")
        self.assertEqual(done.stdout, "host3\nhost3\n")

    def test_all_write_to_one_folder(self):
        self.execute("all", "sh", "-c", "echo x >$LAB_OUT/$LAB_HOST")
        self.assertEqual(self.execute("host2", "sh", "-c", "cd $LAB_OUT && echo host*").stdout,
                         "host1 host2 host3\n")

    def test_mpirun_starts_ranks_on_every_host(self):
        done = self.execute("host1", "sh", "-c",
                            f"mpirun --hostfile $LAB_HOSTFILE --map-by node -np {HOSTS} hostname")
        self.assertEqual(sorted(done.stdout.split()), [f"host{n}" for n in range(1, HOSTS + 1)])

    def test_a_command_ends_when_its_caller_does(self):
        child = subprocess.Popen([LAB, "exec", "--name", NAME, "host1", "--", "sh", "-c",
                                  "echo running; exec sleep 12345"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(child.stdout.close)
        self.assertEqual(child.stdout.readline(), "running\n")
        child.kill()
        child.wait(60)
        self.execute("host1", "sh", "-c", "for n in $(seq 100); do pgrep -x sleep >/dev/null || exit 0; "
                                          "sleep 0.1; done; exit 1")

    def test_time_limits_hold(self):
        self.execute("host1", "sleep", "1000", check=124, options=("--timeout", "2"))

    def test_a_new_complaint_fails_the_command_but_not_the_next(self):
        self.execute("host3", "sh", "-c", "echo '<4>WARNING: also made up' >/dev/kmsg", check=123)
        self.execute("host3", "true")

    def test_there_is_a_shell_on_the_console(self):
        child = subprocess.Popen([LAB, "console", "--name", NAME, "host2"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
        self.addCleanup(child.stdout.close)
        child.stdin.write("echo $((6*7))from-$LAB_HOST\n")
        child.stdin.flush()
        for line in child.stdout:
            if "42from-host2" in line:
                break
        else:
            self.fail("no answer from the console")
        child.stdin.close()
        self.assertEqual(child.wait(60), 0)

    def test_an_unknown_host_is_refused_with_the_names(self):
        done = self.execute("host9", "true", check=125)
        self.assertIn("host9 is not running; hosts are host1 host2 host3", done.stderr)


if __name__ == "__main__":
    unittest.main()
