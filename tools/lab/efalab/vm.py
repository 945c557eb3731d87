# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""One virtual machine: its folder, its QEMU, its agent."""

import os
import select
import shlex
import shutil
import socket
from pathlib import Path

from . import machine, network, snapshot
from .failure import LabError
from .process import Process

GUEST = Path(__file__).resolve().parent.parent / "guest"
SOCKET_PATH_LIMIT = 107  # sun_path
START_LIMIT = 20  # seconds


class Vm:
    def __init__(self, plan, index, folder, out):
        self.plan, self.index, self.name = plan, index, plan.names[index]
        self.lab, self.folder, self.out = folder, folder / self.name, out
        self.console, self.dmesg = self.folder / "console", self.folder / "dmesg"
        self.process = self.agent = self.pidfd = self.qmp = self.line = None
        self.hello = False
        self._make_folder()

    def _make_folder(self):
        (self.folder / "commands").mkdir(parents=True)
        if len(str(self.folder / "commands")) > SOCKET_PATH_LIMIT - 10:
            raise LabError(f"the path {self.folder} is too long for sockets; choose a shorter --dir")
        (self.folder / "environment").write_text(
            "".join(f"export {key}={shlex.quote(value)}\n" for key, value in self.environment().items()))
        (self.folder / "modules").write_text("".join(f"{module}\n" for module in self.plan.modules))
        (self.folder / "hosts").write_text(network.hosts_file(self.plan.names))

    def environment(self):
        """What commands in the guest find in their environment."""
        plan, kernel = self.plan, self.plan.kernel
        return {"LAB_HOST": self.name, "LAB_HOSTS": " ".join(plan.names),
                "LAB_HOSTFILE": str(self.lab / "hostfile"), "LAB_OUT": str(self.out),
                "LAB_VM": str(self.folder), "LAB_GUEST": str(GUEST),
                "LAB_ADDRESS": network.address(self.index) if plan.networked else "",
                "LAB_MAC": network.mac(self.index),
                "LAB_LAYER": plan.layer,
                "LAB_DEVICES": str(plan.devices_per_host),
                "LAB_KERNEL": kernel.version, "LAB_KERNEL_MODULES": str(kernel.modules),
                "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

    def _wiring(self, control):
        plan = self.plan
        network_card = ((network.backend(self.lab, self.index, plan.hosts), network.mac(self.index))
                        if plan.networked else ())
        return machine.Wiring(self.name, self.folder, self.out, *network_card, control=control)

    def start(self, devices=(), control=None, state=None):
        """Starts QEMU and returns once its agent's port is connected (the guest has not booted yet).

        state: a snapshot to resume from; resume() must follow.
        """
        self.wiring, self.devices = self._wiring(control), devices
        command = machine.command(self.plan, self.wiring, () if state else devices, waiting=bool(state),
                                  resuming=bool(state))
        (self.folder / "command").write_text(shlex.join(command) + "\n")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.wiring.agent))
            listener.listen(1)
            self.process = Process(self.name, command, self.folder / "qemu.log")
            self._await_agent(listener)
        self.qmp = snapshot.begin(self.wiring, state) if state else None

    def _await_agent(self, listener):
        pidfd = os.pidfd_open(self.process.pid)
        try:
            readable, _, _ = select.select([listener, pidfd], [], [], START_LIMIT)
        finally:
            os.close(pidfd)
        if listener not in readable:
            log = (self.folder / "qemu.log").read_text(errors="replace").strip()
            raise LabError(f"QEMU of {self.name} does not start: {log or 'it says nothing'}")
        self.agent, _ = listener.accept()

    def resume(self):
        """The second half of starting from a snapshot; nothing to do for a guest that boots."""
        if self.qmp:
            self.line = snapshot.resume(self.plan, self.wiring, self.qmp, self.devices)
            self.qmp = None

    def is_up(self):
        """The guest's agent has said so."""
        self.hello = True
        if self.line:
            self.line.close()  # free for 'lab console'
            self.line = None

    def tell(self, line):
        """A line for the agent; a guest that is no more is noticed elsewhere."""
        try:
            self.agent.sendall(f"{line}\n".encode())
        except OSError:
            pass

    def place_job(self, job, script, stdin):
        path = self.folder / "commands" / job
        if stdin:
            shutil.copyfile(stdin, f"{path}.in")
        path.write_text(script)
        return path

