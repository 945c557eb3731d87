# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""One boot, one command: 'lab run'."""

import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from . import session
from .failure import KERNEL_COMPLAINED, LAB_FAILED, LabError, say
from .process import die_with_parent


class Interrupted(Exception):
    """A signal asks this process to end."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


def _end_on_signals():
    def stop(number, _frame):
        raise Interrupted(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    # A caller that is killed takes the lab with it.
    die_with_parent(os.getppid(), signal.SIGTERM)


def run(plan, command, limit, on_all=False, allowed=(), keep=False, stdin=None, folder=None):
    """Returns the status for the shell; everything has ended by then."""
    _end_on_signals()
    place = Path(folder) if folder else Path(tempfile.mkdtemp(prefix="lab-"))
    place.mkdir(exist_ok=True)
    status, supervisor = LAB_FAILED, None
    try:
        supervisor = session.start(plan, place, attached=True)
        status = _boot_and_run(place, command, limit, on_all, stdin, allowed)
    except LabError as error:
        say(str(error))
        status = error.status
        if report(session.Session(place).complaints(allowed)):
            status = KERNEL_COMPLAINED
    except Interrupted as signal_:
        say(f"ended by {signal_}")
        status = signal_.status
    finally:
        if supervisor:
            end(supervisor)
        if status == 0 and not keep and not folder:
            shutil.rmtree(place, ignore_errors=True)
        else:
            say(f"consoles and logs are in {place}")
    return status


def end(supervisor):
    """Ends a lab that is a child of this process, and what belongs to it."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        os.kill(supervisor, signal.SIGTERM)
    except ProcessLookupError:
        pass
    os.waitpid(supervisor, 0)


def _boot_and_run(place, command, limit, on_all, stdin, allowed):
    lab = session.Session(place)
    lab.wait()
    targets = lab.hosts if on_all else lab.hosts[:1]
    statuses = run_on(lab, targets, command, limit, stdin)
    ended = lab.down()
    if report(lab.complaints(allowed)):
        return KERNEL_COMPLAINED
    for name in lab.hosts:
        expected = session.qemu_status_of(statuses.get(name, 0))
        if ended[name] != expected:
            raise LabError(f"{name} powered off with QEMU's status {ended[name]}, not {expected} as its "
                           f"command's status {statuses.get(name, 0)} asks for" + lab.evidence())
    return next((status for status in statuses.values() if status), 0)


def run_on(lab, targets, command, limit, stdin=None):
    """Runs a command in several guests at once; {host: status}."""
    if len(targets) == 1:
        return {targets[0]: lab.execute(targets[0], command, limit, stdin)}
    statuses, errors = {}, []

    def one(name):
        try:
            statuses[name] = lab.execute(name, command, limit, stdin, output=f"{name}: ".encode())
        except LabError as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(name,), daemon=True) for name in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return {name: statuses[name] for name in targets}


def report(complaints):
    """Says what the kernels said; whether there was anything."""
    for name, line in complaints:
        print(f"lab: the kernel of {name} complains: {line}", file=sys.stderr)
    return bool(complaints)
