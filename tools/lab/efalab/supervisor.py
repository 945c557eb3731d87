# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The process that owns a lab: starts emulator, network and guests, passes commands on, ends them all."""

import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import lines, snapshot, ssh
from .emulator import Emulator
from .failure import LabError
from .process import Process
from .vm import Vm

LAB_SCRIPT = Path(__file__).resolve().parent.parent / "lab"
SHUTDOWN_LIMIT = 20  # seconds that a guest has to write its dmesg and power off
JOB_GRACE = 15  # seconds after a job's limit before its guest counts as stuck


@dataclass
class Job:
    client: socket.socket
    vm: Vm
    deadline: float


class Supervisor:
    """One thread around one selector. Clients talk JSON lines over the socket FOLDER/lab."""

    def __init__(self, plan, folder):
        self.plan, self.folder = plan, folder
        self.selector = selectors.DefaultSelector()
        self.vms, self.helpers, self.jobs, self.waiting = {}, [], {}, []
        self.next_job, self.error, self.leaving = 1, None, False
        self.boot_deadline = self.end = self.down_client = None

    # The life of a lab.

    def run(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))
        try:
            self._listen()
            try:
                self._start()
            except (LabError, OSError) as error:
                self._fail(str(error))
            self._loop()
        finally:
            self._end_all()

    def _listen(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / "lab"))
        self.listener.listen(64)
        self._watch(self.listener, self._accept)

    def _start(self):
        plan = self.plan
        self.end = time.monotonic() + plan.lifetime
        out = Path(plan.out) if plan.out else self.folder / "out"
        out.mkdir(exist_ok=True)
        (self.folder / "hostfile").write_text("".join(f"{name} slots={plan.smp}\n" for name in plan.names))
        emulator = None
        if plan.devices_per_host:
            emulator = Emulator(plan, self.folder)
            self.helpers.append(emulator.process)
        if plan.hosts > 2:
            self.helpers.append(Process("hub", [str(LAB_SCRIPT), "hub", str(self.folder), str(plan.hosts)],
                                        self.folder / "hub.log"))
        state = snapshot.ensure(plan) if snapshot.usable(plan) else None
        for index, name in enumerate(plan.names):
            vm = self.vms[name] = Vm(plan, index, self.folder, out)
            if plan.networked or plan.ssh:
                ssh.prepare(self.folder, vm.folder)
            vm.start(emulator.devices(name) if emulator else (), emulator and emulator.control, state)
            agent = lines.Lines(vm.agent)
            self._watch(vm.agent, lambda vm=vm, agent=agent: self._hear(vm, agent))
            vm.pidfd = os.pidfd_open(vm.process.pid)
            self._watch(vm.pidfd, lambda vm=vm: self._vm_ended(vm))
        for vm in self.vms.values():
            vm.resume()
        self.boot_deadline = time.monotonic() + plan.time(plan.boot_limit)

    def _loop(self):
        while not self.leaving:
            for key, _ in self.selector.select(max(0.0, self._next_deadline() - time.monotonic())):
                if self.selector.get_map().get(key.fd) == key:  # an earlier event may have closed it
                    key.data()
            self._check_deadlines(time.monotonic())

    def _end_all(self):
        for vm in self.vms.values():
            if vm.process:
                vm.process.end()
        for process in self.helpers:
            process.end()

    def _watch(self, file, react):
        self.selector.register(file, selectors.EVENT_READ, react)

    # Time limits.

    def _next_deadline(self):
        deadlines = [job.deadline for job in self.jobs.values()]
        return min([d for d in (self.boot_deadline, self.end) if d] + deadlines, default=time.monotonic() + 60)

    def _check_deadlines(self, now):
        if self.boot_deadline and now >= self.boot_deadline:
            late = [vm.name for vm in self.vms.values() if not vm.hello]
            self._fail(f"{', '.join(late)} did not boot within {self.plan.time(self.plan.boot_limit):.0f} s")
        for number, job in list(self.jobs.items()):
            if now >= job.deadline:
                self._finish(number, {"error": f"{job.vm.name} is stuck: its command did not end at its time "
                                               "limit", "timeout": True})
        if self.end and now >= self.end:
            self.leaving = True

    # Guests.

    def _hear(self, vm, agent):
        received = agent.receive()
        if received is None:
            self.selector.unregister(vm.agent)
            return
        for line in received:
            verb, *words = line.split() or [""]
            if verb == "hello":
                vm.is_up()
                self._announce_ready()
            elif verb == "done" and len(words) == 2 and words[0] in self.jobs:
                self._finish(words[0], {"status": int(words[1])})

    def _vm_ended(self, vm):
        self.selector.unregister(vm.pidfd)
        os.close(vm.pidfd)
        status = vm.process.wait(1)
        (vm.folder / "qemu-status").write_text(f"{status}\n")
        for number, job in list(self.jobs.items()):
            if job.vm is vm:
                self._finish(number, {"error": f"{vm.name} ended (QEMU's status {status}) during its command"})
        if not vm.hello:
            self._fail(f"{vm.name} ended (QEMU's status {status}) before it was up")
        if self.down_client:
            self._leave_when_down()

    # Clients.

    def _accept(self):
        client, _ = self.listener.accept()
        stream = lines.Lines(client)
        self._watch(client, lambda: self._serve(client, stream))

    def _serve(self, client, stream):
        received = stream.receive()
        if received is None:
            self._forget(client)
            return
        for line in received:
            request = json.loads(line)
            {"wait": self._wait, "exec": self._exec, "down": self._down}[request["op"]](client, request)

    def _forget(self, client):
        """A client that goes away takes its commands with it."""
        self.selector.unregister(client)
        client.close()
        for number, job in list(self.jobs.items()):
            if job.client is client:
                job.vm.tell(f"kill {number}")
                del self.jobs[number]
        if client in self.waiting:
            self.waiting.remove(client)

    def _wait(self, client, _request):
        self.waiting.append(client)
        self._announce_ready()

    def _announce_ready(self):
        if self.error is None and (not self.vms or not all(vm.hello for vm in self.vms.values())):
            return
        self.boot_deadline = None
        for client in self.waiting:
            lines.send(client, {"error": self.error} if self.error else {"ready": True})
        self.waiting = []

    def _fail(self, message):
        """The lab cannot be used; clients are told, and 'down' ends it."""
        self.error = self.error or message
        self.boot_deadline = None
        self._announce_ready()

    def _exec(self, client, request):
        vm = self.vms.get(request["host"])
        if vm is None or vm.process.status() is not None:
            lines.send(client, {"error": f"{request['host']} is not running; hosts are {' '.join(self.vms)}"})
            return
        number, limit = str(self.next_job), request["limit"]
        self.next_job += 1
        path = vm.place_job(number, request["script"], request.get("stdin"))
        self.jobs[number] = Job(client, vm, time.monotonic() + limit + self.plan.time(JOB_GRACE))
        lines.send(client, {"job": str(path)})
        vm.tell(f"run {number} {limit}")

    def _finish(self, number, answer):
        lines.send(self.jobs.pop(number).client, answer)

    def _down(self, client, _request):
        self.down_client = client
        self.end = time.monotonic() + self.plan.time(SHUTDOWN_LIMIT)
        for vm in self.vms.values():
            if vm.hello:
                vm.tell("exit")
            elif vm.process:
                vm.process.end()
        self._leave_when_down()

    def _leave_when_down(self):
        self.leaving = all(vm.process is None or vm.process.status() is not None for vm in self.vms.values())

