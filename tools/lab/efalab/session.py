# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A client of a running lab: waits for it, runs commands in its guests, takes it down, judges it."""

import json
import os
import shlex
import signal
import socket
import sys
import time

from . import console, lines
from .failure import TIMED_OUT, LabError
from .process import die_with_parent
from .supervisor import Supervisor

STREAM_EVERY = 0.05  # seconds between looks at what a command has written


def start(plan, folder, attached):
    """Forks the lab's supervisor. Attached labs end with this process, however it ends."""
    (folder / "lab.json").write_text(json.dumps(
        {"hosts": plan.names, "kernel": plan.kernel.version, "devices": plan.devices_per_host}) + "\n")
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _become_supervisor(plan, folder, parent if attached else None)
    (folder / "pid").write_text(f"{pid}\n")
    return pid


def _become_supervisor(plan, folder, parent):
    """Never returns: this process must not run its parent's clean-up."""
    status = 1
    try:
        os.setsid()
        if parent:
            die_with_parent(parent, signal.SIGTERM)
        log = os.open(folder / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.closerange(3, 1024)  # a caller's lock or pipe must not live as long as the lab
        Supervisor(plan, folder).run()
        status = 0
    except SystemExit:
        pass
    except BaseException:  # noqa: BLE001  whatever it is belongs into the log
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


class Session:
    def __init__(self, folder):
        self.folder = folder
        self.description = json.loads((folder / "lab.json").read_text())
        self.hosts = self.description["hosts"]

    # Talking to the supervisor.

    def _connect(self, patience=5):
        deadline = time.monotonic() + patience
        while True:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(str(self.folder / "lab"))
                return sock
            except OSError:
                sock.close()
                if time.monotonic() > deadline:
                    raise LabError(f"the lab in {self.folder} is not running: "
                                   + (console.tail(self.folder / "supervisor.log") or "it has ended")) from None
                time.sleep(0.02)

    def _answers(self, sock):
        stream = lines.Lines(sock)
        while (received := stream.receive()) is not None:
            yield from map(json.loads, received)

    def wait(self):
        """Returns when all guests are up."""
        with self._connect() as sock:
            lines.send(sock, {"op": "wait"})
            answer = next(self._answers(sock), {"error": "the lab ended while it started: "
                                                + console.tail(self.folder / "supervisor.log")})
        if "error" in answer:
            raise LabError(answer["error"] + self.evidence())

    def evidence(self):
        """The ends of the consoles, for messages about guests that died."""
        parts = [(name, console.tail(self.folder / name / "console")) for name in self.hosts]
        return "".join(f"\n--- end of the console of {name} ---\n{text}" for name, text in parts if text)

    def execute(self, host, command, limit, stdin=None, environment=(), output=None):
        """Runs COMMAND (words) in a guest, streams what it writes, returns its status.

        output: None for this process's stdout and stderr, or a prefix for each line.
        """
        with self._connect() as sock:
            lines.send(sock, {"op": "exec", "host": host, "limit": max(1, int(limit)), "stdin": stdin,
                              "script": script(command, environment)})
            return self._follow(host, sock, output)

    def _follow(self, host, sock, prefix):
        stream, files = lines.Lines(sock), []
        sock.settimeout(STREAM_EVERY)
        while True:
            try:
                received = stream.receive()
                if received is None:
                    raise LabError("the lab ended during the command" + self.evidence())
            except TimeoutError:
                received = []
            for answer in map(json.loads, received):
                if "job" in answer:
                    files = [Follower(answer["job"] + ".out", sys.stdout.buffer, prefix),
                             Follower(answer["job"] + ".err", sys.stderr.buffer, prefix)]
                    job = answer["job"]
                    continue
                for file in files:
                    file.drain(last=True)
                return self._status(host, answer, job if files else None)
            for file in files:
                file.drain()

    def _status(self, host, answer, job):
        """The status that the agent reported, which the status file must confirm."""
        if "error" in answer:
            raise LabError(answer["error"] + self.evidence(), *([TIMED_OUT] if answer.get("timeout") else []))
        with open(job + ".status") as file:
            written = int(file.read())
        if written != answer["status"]:
            raise LabError(f"{host}: the agent says status {answer['status']}, its status file says {written}")
        return written

    def down(self):
        """Takes the lab down; returns {host: exit status of QEMU}."""
        try:
            with self._connect(patience=0) as sock:
                lines.send(sock, {"op": "down"})
                for _ in self._answers(sock):
                    pass
        except LabError:
            pass  # it is down already
        return {name: self._qemu_status(name) for name in self.hosts}

    def _qemu_status(self, name):
        text = console.read(self.folder / name / "qemu-status")
        return int(text) if text else None

    def complaints(self, allowed=()):
        """[(host, line)]: what the guests' kernels complained about."""
        found = []
        for name in self.hosts:
            text = console.read(self.folder / name / "console") + "\n" + console.read(self.folder / name / "dmesg")
            found += [(name, line) for line in console.complaints(text, allowed)]
        return found


class Follower:
    """Copies what is added to a file, whole lines with a prefix if there is one."""

    def __init__(self, path, target, prefix):
        self.path, self.target, self.prefix = path, target, prefix
        self.file, self.rest = None, b""

    def drain(self, last=False):
        if self.file is None:
            try:
                self.file = open(self.path, "rb")
            except FileNotFoundError:
                return
        data = self.rest + self.file.read()
        self.rest = b""
        if self.prefix:
            *whole, self.rest = data.split(b"\n")
            if last and self.rest:
                whole, self.rest = [*whole, self.rest], b""
            data = b"".join(self.prefix + line + b"\n" for line in whole)
        if data:
            self.target.write(data)
            self.target.flush()


def script(command, environment=()):
    """The file that a guest's bash runs: same working folder, given variables, the command."""
    words = [f"cd {shlex.quote(os.getcwd())} 2>/dev/null || cd /"]
    words += [f"export {shlex.quote(name)}={shlex.quote(value)}" for name, value in environment]
    return "\n".join([*words, f"exec {shlex.join(command)}"]) + "\n"


def qemu_status_of(status):
    """What QEMU exits with when a guest powers off with this status (seven bits fit)."""
    return (status & 127) * 2 + 1
