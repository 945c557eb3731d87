# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Guests stopped just before they mount anything; resuming one is faster than booting (spec lab 2)."""

import hashlib
import secrets
import shlex
import shutil
import socket
import tempfile
import time
from pathlib import Path

from . import cache, console, machine, network, qemu
from .failure import LabError, say
from .process import Process
from .qmp import Qmp

KEEP = 8  # of about 75 MB each
WAITING = "lab-init: waiting"


def usable(plan):
    """Not with hardware whose state QEMU would not bring back, nor for one-off kernels' command lines."""
    return (plan.snapshots and plan.accelerator == "tcg" and not plan.iommu and not plan.kernel_arguments
            and not plan.qemu_arguments)


def path(plan):
    """Where the snapshot for this hardware is, or is to be."""
    wiring = machine.Wiring("x", Path("/x"), Path("/x"), *(("x", "x") if plan.networked else ()))
    words = machine.command(plan, wiring, waiting=True)
    identity = [*words, qemu.version(), str(plan.kernel.image.stat().st_mtime_ns)]
    return cache.root() / "snapshots" / hashlib.sha256(shlex.join(identity).encode()).hexdigest()[:16]


def ensure(plan):
    """The file with the state of a guest, made if need be."""
    place = path(plan)
    with cache.building(place) as new:
        if new is not None:
            _prune(place.parent)
            _make(plan, new / "state")
    place.touch()
    return place / "state"


def _prune(folder):
    old = sorted((entry for entry in folder.iterdir() if not entry.name.startswith(".")),
                 key=lambda entry: entry.stat().st_mtime)
    for entry in old[:max(0, len(old) - KEEP + 1)]:
        shutil.rmtree(entry, ignore_errors=True)


def _make(plan, state):
    say(f"snapshot of kernel {plan.kernel.version} with {plan.smp} CPUs and {plan.memory} MiB")
    with tempfile.TemporaryDirectory(prefix="lab-snapshot-") as name:
        folder = Path(name)
        netdev = ("dgram,id=net,local.type=unix,local.path={0}/net,remote.type=unix,remote.path={0}/none"
                  .format(folder) if plan.networked else "")
        wiring = machine.Wiring("template", folder, folder, netdev, network.mac(0))
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(str(wiring.agent))
            agent.listen(1)
            process = Process("template", machine.command(plan, wiring, waiting=True), folder / "log")
            try:
                _await_waiting(plan, wiring, process)
                qmp = Qmp(wiring.qmp)
                qmp.execute("stop")
                qmp.execute("migrate", uri=f"file:{state}")
                qmp.await_migration(60)
                qmp.close()
            finally:
                process.end()


def _await_waiting(plan, wiring, process):
    deadline = time.monotonic() + plan.time(plan.boot_limit)
    while WAITING not in console.read(wiring.console):
        if process.status() is not None or time.monotonic() > deadline:
            raise LabError(f"the guest for a snapshot does not boot:\n{console.tail(wiring.console)}"
                           f"\n{console.tail(wiring.folder / 'log')}")
        time.sleep(0.05)


def begin(wiring, state):
    """Lets a QEMU that was started for resuming read the state; returns the connection to go on with."""
    qmp = Qmp(wiring.qmp)
    qmp.execute("migrate-incoming", uri=f"file:{state}")
    return qmp


def resume(plan, wiring, qmp, devices):
    """Plugs the devices in and lets the guest go on; returns the serial line, to be kept open until it is up."""
    qmp.await_migration(plan.time(60))
    for number, path_ in enumerate(devices, 1):
        qmp.execute("device_add", **machine.device(number, path_))
    qmp.execute("cont")
    qmp.close()
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(wiring.shell))
    # The guest's clock stands since the snapshot, and its random numbers are those of its siblings.
    line.sendall(f"go {time.time():.0f} {secrets.token_hex(32)}\n".encode())
    return line
