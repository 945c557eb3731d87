# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Processes of a lab: each dies with its parent, and with its whole group when the lab ends."""

import ctypes
import os
import signal
import subprocess

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent, by=signal.SIGKILL):
    """For a new process: the kernel sends it a signal when PARENT (a pid) ends, however it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(by), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


class Process:
    """A child in a process group of its own, its output in a file."""

    def __init__(self, name, command, log, pass_fds=(), stdout=None, cwd=None):
        self.name, parent = name, os.getpid()
        with open(log, "ab") as output:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout or output, stderr=output, pass_fds=pass_fds,
                cwd=cwd, start_new_session=True, preexec_fn=lambda: die_with_parent(parent))

    @property
    def pid(self):
        return self.child.pid

    def status(self):
        """The exit status, or None while it runs."""
        return self.child.poll()

    def wait(self, seconds):
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self, by=signal.SIGKILL):
        """Ends the group; safe to call at any time."""
        if self.child.poll() is None:
            os.killpg(self.child.pid, by)
        return self.child.wait()
