#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""efa-emu on kernels and in containers that lack something: one sentence with the cure, exit status
2, the command not started; or the way around it.

Usage: test_kernels.py [PATH-OF-EFA-EMU [UNITTEST-ARGUMENTS]], or the path in the environment as
EFA_EMU. older_kernel.py makes system calls fail.
"""
import os
import platform
import subprocess
import sys
import unittest

EFA_EMU = os.environ.get("EFA_EMU", "efa-emu")
OLDER_KERNEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "older_kernel.py")
LIMIT = 120
NEEDED = "native mode needs Linux 5.14 or newer with CONFIG_SECCOMP_FILTER"
PROFILE = "allow it in the container's seccomp profile"

SET_MODE_FILTER, GET_ACTION_AVAIL = 1, 2
WAIT_KILLABLE = 1 << 5
ADD_FD = 0x40182103  # SECCOMP_IOCTL_NOTIF_ADDFD
NO_NEW_PRIVS = 38


def on_kernel(*rules, words=("--",), command=("echo", "started")):
    return subprocess.run([sys.executable, OLDER_KERNEL, *rules, "--", EFA_EMU, "run", *words,
                           *command], capture_output=True, text=True, timeout=LIMIT, cwd="/",
                          stdin=subprocess.DEVNULL)


class Refusals(unittest.TestCase):
    def refused(self, *rules, says, cure, words=("--",)):
        done = on_kernel(*rules, words=words)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(says, done.stderr)
        self.assertIn(cure, done.stderr)

    def lacks(self, rule, feature):
        self.refused(rule, says=f"this kernel ({platform.release()}) lacks {feature}", cure=NEEDED)

    def test_no_seccomp(self):
        self.lacks("seccomp=ENOSYS", "the seccomp() system call")

    def test_no_user_notification(self):
        self.lacks(f"seccomp:0={GET_ACTION_AVAIL}=EOPNOTSUPP", "seccomp user notification")

    def test_no_descriptors_with_the_answer(self):
        self.lacks(f"ioctl:1={ADD_FD}=EINVAL", "SECCOMP_ADDFD_FLAG_SEND")

    def test_no_promise_of_no_new_privileges(self):
        self.lacks(f"prctl:0={NO_NEW_PRIVS}=EINVAL", "PR_SET_NO_NEW_PRIVS")

    def test_no_access_to_other_processes(self):
        self.lacks("process_vm_readv=ENOSYS",
                   "process_vm_readv() (CONFIG_CROSS_MEMORY_ATTACH)")

    def test_no_process_descriptors(self):
        self.lacks("pidfd_open=ENOSYS", "pidfd_open()")

    def test_no_memory_files(self):
        self.lacks("memfd_create=ENOSYS", "memfd_create() (CONFIG_MEMFD_CREATE)")

    def test_no_fine_waiting(self):
        self.lacks("epoll_pwait2=ENOSYS", "epoll_pwait2()")

    def test_calls_that_a_container_denies(self):
        for call in ("process_vm_readv", "pidfd_open", "memfd_create", "epoll_pwait2"):
            with self.subTest(call):
                self.refused(f"{call}=EPERM", says=f"{call}() is denied here", cure=PROFILE)
        self.refused(f"seccomp:0={SET_MODE_FILTER}=EPERM", says="seccomp() is denied here",
                     cure=PROFILE)

    def test_another_supervisor(self):
        self.refused(f"seccomp:0={SET_MODE_FILTER}=EBUSY",
                     says="a supervisor with a system-call listener surrounds this process",
                     cure="emulators cannot be nested")

    def test_a_filter_refused_for_an_unknown_reason(self):
        self.refused(f"seccomp:0={SET_MODE_FILTER}=ENOMEM", says="seccomp() refused the filter",
                     cure="report this with the output of uname -r")

    def test_one_trap_mode_where_mounts_are_denied(self):
        self.refused("mount=EPERM", says="one-trap mode", cure="--mode path",
                     words=("--mode", "one-trap", "--"))


class WaysAround(unittest.TestCase):
    def works(self, *rules):
        done = on_kernel(*rules, command=("sh", "-c", "exec 3<>/dev/infiniband/uverbs0"))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_nothing_fails_without_rules(self):
        self.works()

    def test_older_than_5_19(self):
        self.works(f"seccomp:0={SET_MODE_FILTER}:1&{WAIT_KILLABLE}=EINVAL")

    def test_mounts_denied(self):
        self.works("mount=EPERM")

    def test_namespaces_denied(self):
        self.works("unshare=EPERM")


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        EFA_EMU = os.path.abspath(sys.argv.pop(1))
    unittest.main()
