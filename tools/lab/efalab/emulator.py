# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The emulated devices: efa-emu serve, one process for all hosts of a lab."""

import os
import select
import shutil
import subprocess
import time
from pathlib import Path

from .failure import LabError
from .process import Process

REPOSITORY = Path(__file__).resolve().parents[3]
READY_LIMIT = 20  # seconds


def program():
    built = REPOSITORY / "build" / "default" / "tools" / "emulator" / "efa-emu"
    for candidate in (os.environ.get("EFA_EMU"), built, shutil.which("efa-emu")):
        if candidate and Path(candidate).exists():
            return str(candidate)
    raise LabError(f"no efa-emu: not built ({built}), not installed, EFA_EMU not set; "
                   "run make, or say --no-device")


class Emulator:
    """Listens on one socket for each device and one for control."""

    def __init__(self, plan, folder):
        self.folder = folder / "emu"
        self.folder.mkdir()
        self.log = folder / "emulator.log"
        command = [program(), "serve", "--dir", str(self.folder), "--hosts", str(plan.hosts),
                   "--devices-per-host", str(plan.devices_per_host), *plan.emulator_arguments]
        self.process = Process("efa-emu", command, self.log, stdout=subprocess.PIPE)
        self._await_ready(command)

    def _await_ready(self, command):
        output, text, deadline = self.process.child.stdout, b"", time.monotonic() + READY_LIMIT
        while b"ready " not in text or not text.endswith(b"\n"):
            readable, _, _ = select.select([output], [], [], max(0, deadline - time.monotonic()))
            more = os.read(output.fileno(), 4096) if readable else b""
            if not more:
                raise LabError(f"'{' '.join(command)}' did not get ready: "
                               f"{self.log.read_text(errors='replace').strip() or 'it says nothing'}")
            text += more

    def devices(self, host):
        """The sockets of a host's devices."""
        return sorted(self.folder.glob(f"{host}-*.sock"))

    @property
    def control(self):
        return self.folder / "control.sock"
