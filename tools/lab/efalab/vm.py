# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""One virtual machine: its folder, its QEMU, its agent."""

import json
import os
import select
import shlex
import shutil
import socket
from pathlib import Path

from . import initramfs, network, qemu
from .failure import LabError
from .process import Process

GUEST = Path(__file__).resolve().parent.parent / "guest"
SOCKET_PATH_LIMIT = 107  # sun_path
START_LIMIT = 20  # seconds

# loglevel 5 shows warnings and what is worse; the serial line is slow (spec lab 2).
KERNEL_ARGUMENTS = ("console=ttyS0", "loglevel=5", "panic=-1", "nokaslr", "log_buf_len=4M",
                    "initcall_blacklist=crypto_algapi_init,crypto_kdf108_init,init_kprobe_trace,"
                    "load_system_certificate_list")


class Vm:
    def __init__(self, plan, index, folder, out):
        self.plan, self.index, self.name = plan, index, plan.names[index]
        self.lab, self.folder, self.out = folder, folder / self.name, out
        self.console, self.dmesg = self.folder / "console", self.folder / "dmesg"
        self.process = self.agent = self.pidfd = None
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
                "LAB_DEVICES": str(plan.devices_per_host),
                "LAB_KERNEL": kernel.version, "LAB_KERNEL_MODULES": str(kernel.modules),
                "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

    def command(self, devices, control):
        plan = self.plan
        return [*qemu.command(), *self._machine(), *self._kernel(), *self._consoles(), *self._shares(),
                *self._ports(control), *self._network(), *_pci_devices(devices), *plan.qemu_arguments]

    def _machine(self):
        plan = self.plan
        kvm = plan.accelerator == "kvm"
        # Guest memory is shared with the emulator (spec lab 3).
        words = ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                 "-name", self.name, "-accel", "kvm" if kvm else "tcg,thread=multi",
                 "-cpu", "host" if kvm else "qemu64",
                 "-object", f"memory-backend-memfd,id=ram,size={plan.memory}M,share=on",
                 "-machine", "q35,memory-backend=ram" + (",kernel-irqchip=split" if kvm else ""),
                 "-m", f"{plan.memory}M", "-smp", str(plan.smp),
                 "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        return words + (["-device", "intel-iommu,caching-mode=on"] if plan.iommu else [])

    def _kernel(self):
        arguments = [*KERNEL_ARGUMENTS, *(["intel_iommu=on"] if self.plan.iommu else []),
                     *self.plan.kernel_arguments]
        return ["-kernel", str(self.plan.kernel.image), "-initrd", str(initramfs.build(self.plan.kernel)),
                "-append", " ".join(arguments)]

    def _consoles(self):
        """The kernel's goes to a file; on the second one a shell waits for 'lab console'."""
        return ["-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console",
                "-chardev", f"socket,id=shell,path={self.folder}/shell,server=on,wait=off",
                "-serial", "chardev:shell",
                "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"]

    def _shares(self):
        words = []
        for tag, path, more in (("root", "/", ",readonly=on"), ("vm", self.folder, ""), ("out", self.out, "")):
            words += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap{more}",
                      "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        return words

    def _ports(self, control):
        words = ["-device", "virtio-serial-pci",
                 "-chardev", f"socket,id=agent,path={self.agent_path}",
                 "-device", "virtserialport,chardev=agent,name=efa.agent"]
        if control:
            words += ["-chardev", f"socket,id=control,path={control}",
                      "-device", "virtserialport,chardev=control,name=efa.control"]
        return words

    def _network(self):
        if not self.plan.networked:
            return []
        return ["-netdev", network.backend(self.lab, self.index, self.plan.hosts),
                "-device", f"virtio-net-pci,netdev=net,mac={network.mac(self.index)}"]

    @property
    def agent_path(self):
        return self.folder / "agent"

    def start(self, devices=(), control=None):
        """Starts QEMU and returns once its agent's port is connected (the guest has not booted yet)."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.agent_path))
            listener.listen(1)
            command = self.command(devices, control)
            (self.folder / "command").write_text(shlex.join(command) + "\n")
            self.process = Process(self.name, command, self.folder / "qemu.log")
            pidfd = os.pidfd_open(self.process.pid)
            try:
                readable, _, _ = select.select([listener, pidfd], [], [], START_LIMIT)
            finally:
                os.close(pidfd)
            if listener not in readable:
                log = (self.folder / "qemu.log").read_text(errors="replace").strip()
                raise LabError(f"QEMU of {self.name} does not start: {log or 'it says nothing'}")
            self.agent, _ = listener.accept()

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


def _pci_devices(sockets):
    """Every emulated device behind a root port of its own, so that it can be unplugged."""
    words = []
    for number, path in enumerate(sockets, 1):
        device = {"driver": "vfio-user-pci", "id": f"efa{number}", "bus": f"port{number}",
                  "socket": {"type": "unix", "path": os.fspath(path)}}
        words += ["-device", f"pcie-root-port,id=port{number},chassis={number},slot={number}",
                  "-device", json.dumps(device)]
    return words
