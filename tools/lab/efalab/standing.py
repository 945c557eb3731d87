# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Labs that keep running in the background: 'lab up', 'lab exec', 'lab console', 'lab down'."""

import os
import re
import select
import shutil
import signal
import socket
import sys
import termios
import time
import tty
from pathlib import Path

from . import console, run, session
from .failure import KERNEL_COMPLAINED, LabError

LEAVE_CONSOLE = b"\x1d"  # Ctrl-]


def base():
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/efa-lab-{os.getuid()}") / "efa-lab"


def folder(name):
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", name) or name in (".", ".."):
        raise LabError(f"'{name}' is no name for a lab; use up to 32 letters, digits, dots, dashes")
    return base() / name


def _alive(place):
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(place / "lab"))
        return True
    except OSError:
        return False


def up(plan, name):
    place = folder(name)
    if _alive(place):
        raise LabError(f"lab '{name}' is running already; 'lab down --name {name}' ends it")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, mode=0o700)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    supervisor = session.start(plan, place, attached=False)
    try:
        session.Session(place).wait()
    except BaseException:
        run.end(supervisor)
        raise
    print(f"lab '{name}' is up: {' '.join(plan.names)}, kernel {plan.kernel.version}; its folder is {place}")
    return 0


def attach(name):
    place = folder(name)
    if not (place / "lab.json").exists():
        running = [path.name for path in sorted(base().glob("*")) if _alive(path)]
        raise LabError(f"there is no lab '{name}'; running: {' '.join(running) or 'none, start one with lab up'}")
    return session.Session(place)


def execute(name, host, command, limit, stdin=None, allowed=()):
    """In one guest, or in each if HOST is 'all'. A new complaint on a console fails the command."""
    lab = attach(name)
    targets = lab.hosts if host == "all" else [host]
    before = {target: len(console.read(lab.folder / target / "console")) for target in targets}
    statuses = run.run_on(lab, targets, command, limit, stdin)
    said = [(target, line) for target in targets
            for line in console.complaints(console.read(lab.folder / target / "console")[before[target]:], allowed)]
    if run.report(said):
        return KERNEL_COMPLAINED
    return next((status for status in statuses.values() if status), 0)


def down(name, allowed=()):
    lab = attach(name)
    lab.down()
    deadline = time.monotonic() + 10
    while _alive(lab.folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    if run.report(lab.complaints(allowed)):
        print(f"lab: consoles and logs are in {lab.folder}", file=sys.stderr)
        return KERNEL_COMPLAINED
    shutil.rmtree(lab.folder, ignore_errors=True)
    return 0


def show_console(name, host):
    """The terminal becomes the guest's second serial line, where a root shell is, until Ctrl-]."""
    lab = attach(name)
    if host not in lab.hosts:
        raise LabError(f"lab '{name}' has no {host}; hosts are {' '.join(lab.hosts)}")
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(lab.folder / host / "shell"))
        print(f"console of {host}; leave with Ctrl-]", file=sys.stderr)
        terminal = sys.stdin.isatty() and termios.tcgetattr(sys.stdin)
        try:
            if terminal:
                tty.setraw(sys.stdin)
            line.sendall(b"\n")
            _relay(line)
        finally:
            if terminal:
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, terminal)
                print()
    return 0


def _relay(line):
    sources = [line, sys.stdin]
    while line in sources:
        readable, _, _ = select.select(sources, [], [])
        if line in readable:
            data = line.recv(4096)
            if not data:
                return
            os.write(1, data)
        if sys.stdin in readable:
            data = os.read(0, 4096)
            if not data or LEAVE_CONSOLE in data:
                return
            line.sendall(data)
