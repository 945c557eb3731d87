# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Tests that run below an emulator of their own, and the peers that they drive.

$EFA_EMU and $EFA_PEER name the emulator and the peer program.
"""

import functools
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time

PATIENCE = 240  # seconds until something that must happen counts as missing
EMULATOR = os.environ["EFA_EMU"]
PEER = os.environ["EFA_PEER"]
INSIDE = "EFA_TEST_INSIDE"
# That of the system rather than one in somebody's home: other users must be able to run it.
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable


class Failed(Exception):
    """A peer's verb or work request failed; the text says how."""


def emulated(*options, before=(), status=0, statistics=None):
    """The test's body runs below `efa-emu run OPTIONS`, itself started by the words `before`.

    `statistics`, if given, is called with the test case and the emulator's statistics at the end.
    """

    def wrap(body):
        @functools.wraps(body)
        def test(self):
            if os.environ.get(INSIDE):
                return body(self)
            name = ".".join(self.id().split(".")[-2:])
            counted = tempfile.NamedTemporaryFile("r") if statistics else None
            counting = ("--stats=json", "--stats-file", counted.name) if statistics else ()
            command = [*before, EMULATOR, "run", *options, *counting, "--", PYTHON,
                       "-B", os.path.abspath(sys.argv[0]), name]
            done = subprocess.run(command, env={**os.environ, INSIDE: "1"}, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=4 * PATIENCE, check=False)
            self.assertEqual(done.returncode, status, "\n" + done.stdout)
            if statistics:
                with counted:
                    statistics(self, json.load(counted))

        return test

    return wrap


def wait_until(condition, what):
    """Looks at `condition` until it holds. For what nobody announces, such as a release."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("never: " + what)
        time.sleep(0.005)


def emulator_pid():
    """The emulator above this process."""
    pid = os.getppid()
    while os.path.basename(os.readlink(f"/proc/{pid}/exe")) != os.path.basename(EMULATOR):
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            pid = int(stat.read().rpartition(")")[2].split()[1])
    return pid


class Peer:
    """A native_peer on an emulated host."""

    def __init__(self, host, device=None):
        self.process = subprocess.Popen([EMULATOR, "on", host, PEER], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, bufsize=0)
        self.buffer = b""
        self.expect("ready")
        if device is not None:
            self.open(device)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.stdout.close()

    def tell(self, *words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())

    def line(self):
        """The next line that the peer writes, None at its end."""
        deadline = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                if not selector.select(deadline - time.monotonic()):
                    raise AssertionError(f"peer {self.process.pid} does not answer")
                more = os.read(self.process.stdout.fileno(), 65536)
                if not more:
                    return None
                self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def answer(self):
        """What an answer says: its key=value words as a dictionary."""
        line = self.line()
        if line is None:
            raise AssertionError(f"peer ended with {self.process.wait(PATIENCE)}")
        word, _, rest = line.partition(" ")
        if word == "failed":
            raise Failed(rest)
        if word != "ok":
            raise AssertionError("unexpected: " + line)
        return dict(w.split("=", 1) for w in rest.split() if "=" in w)

    def ask(self, *words):
        self.tell(*words)
        return self.answer()

    def expect(self, line):
        got = self.line()
        if got != line:
            raise AssertionError(f"expected {line!r}, got {got!r}")

    def open(self, device=0):
        self.known = self.ask("open", device)
        return self

    def __getattr__(self, name):
        """What the peer told about itself: gid, guid, qpn, addr, rkey, host, pid."""
        if name != "known" and name in self.known:
            return self.known[name]
        raise AttributeError(name)

    def connect(self, other):
        self.ask("connect", other.gid)
        return self


def transfer(sender, receiver, count=1000, size=1024):
    """Every one of `count` messages arrives once and unchanged. Size 0: all sizes."""
    sender.connect(receiver)
    start_transfer(sender, receiver, count, size)
    finish_transfer(sender, receiver)


def start_transfer(sender, receiver, count, size):
    receiver.tell("collect", count, size)
    receiver.expect("listening")
    sender.tell("send", receiver.qpn, count, size)


def finish_transfer(sender, receiver):
    sender.answer()
    receiver.answer()
