# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The hardware of a guest, as QEMU's command line. Snapshots resume only on exactly the same hardware."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from . import initramfs, qemu

# loglevel 5 shows warnings and what is worse; the serial line is slow (spec lab 2). A busy host makes an
# emulated CPU wait: the timer check at boot panics then, and stalls of seconds are no stalls. Large BARs
# land near the end of the 40 bits of address, which QEMU reserves for AMD's sake; without no_e820 a rescan
# would find no room for them.
KERNEL_ARGUMENTS = ("console=ttyS0", "loglevel=5", "panic=-1", "nokaslr", "log_buf_len=4M", "no_timer_check",
                    "rcupdate.rcu_cpu_stall_timeout=60", "pci=no_e820",
                    "initcall_blacklist=crypto_algapi_init,crypto_kdf108_init,init_kprobe_trace,"
                    "load_system_certificate_list")


@dataclass(frozen=True)
class Wiring:
    """Where the outer ends of a guest's hardware are."""

    name: str
    folder: Path  # consoles and sockets
    out: Path  # the shared folder
    netdev: str = ""  # -netdev's value; no network card without
    mac: str = ""
    control: Path | None = None  # the emulator's control socket

    @property
    def agent(self):
        return self.folder / "agent"

    @property
    def shell(self):
        return self.folder / "shell"

    @property
    def qmp(self):
        return self.folder / "qmp"

    @property
    def console(self):
        return self.folder / "console"


def command(plan, wiring, devices=(), waiting=False, resuming=False):
    """The words that start QEMU.

    devices: sockets of devices that are there from the start. waiting: the guest's init waits for a word
    on the second serial line, which is where snapshots are taken. resuming: from a snapshot.
    """
    return [*qemu.command(), *_machine(plan, wiring.name), *_kernel(plan, waiting), *_consoles(wiring),
            *_shares(wiring), *_ports(wiring), *_network(wiring), *_pci(plan.devices_per_host, devices),
            *(["-incoming", "defer"] if resuming else []), *plan.qemu_arguments]


def _machine(plan, name):
    kvm = plan.accelerator == "kvm"
    # Guest memory is shared with the emulator (spec lab 3).
    words = ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-name", name, "-accel", "kvm" if kvm else "tcg,thread=multi",
             "-cpu", "host" if kvm else "qemu64,+rdrand",  # else programs wait long for random numbers
             "-object", f"memory-backend-memfd,id=ram,size={plan.memory}M,share=on",
             "-machine", "q35,memory-backend=ram" + (",kernel-irqchip=split" if kvm else ""),
             "-m", f"{plan.memory}M", "-smp", str(plan.smp),
             "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    return words + (["-device", "intel-iommu,caching-mode=on"] if plan.iommu else [])


def _kernel(plan, waiting):
    arguments = [*KERNEL_ARGUMENTS, *(["intel_iommu=on"] if plan.iommu else []),
                 *(["lab.wait"] if waiting else []), *plan.kernel_arguments]
    return ["-kernel", str(plan.kernel.image), "-initrd", str(initramfs.build(plan.kernel)),
            "-append", " ".join(arguments)]


def _consoles(wiring):
    """The kernel's goes to a file; on the second one a shell waits for 'lab console'."""
    return ["-chardev", f"file,id=console,path={wiring.console}", "-serial", "chardev:console",
            "-chardev", f"socket,id=shell,path={wiring.shell},server=on,wait=off",
            "-serial", "chardev:shell",
            "-qmp", f"unix:{wiring.qmp},server=on,wait=off"]


def _shares(wiring):
    words = []
    for tag, path, more in (("root", "/", ",readonly=on"), ("vm", wiring.folder, ""), ("out", wiring.out, "")):
        escaped = str(path).replace(",", ",,")
        words += ["-fsdev", f"local,id={tag},path={escaped},security_model=none,multidevs=remap{more}",
                  "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    return words


def _ports(wiring):
    control = f"socket,id=control,path={wiring.control}" if wiring.control else "null,id=control"
    return ["-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={wiring.agent}",
            "-device", "virtserialport,chardev=agent,name=efa.agent",
            "-chardev", control,
            "-device", "virtserialport,chardev=control,name=efa.control"]


def _network(wiring):
    if not wiring.netdev:
        return []
    return ["-netdev", wiring.netdev, "-device", f"virtio-net-pci,netdev=net,mac={wiring.mac}"]


def _pci(count, sockets):
    """A root port for every emulated device, so that it can be unplugged, or plugged in later."""
    words = []
    for number in range(1, count + 1):
        # Room for the device's BARs also when it comes after the firmware has handed out addresses. efa4's
        # largest has 512 MiB; the window for it starts anywhere, so only twice the size surely holds it.
        words += ["-device", f"pcie-root-port,id=port{number},chassis={number},slot={number},"
                             "mem-reserve=16M,pref64-reserve=1G"]
    for number, path in enumerate(sockets, 1):
        words += ["-device", json.dumps(device(number, path))]
    return words


def device(number, path):
    """The emulated device whose socket is PATH, behind root port NUMBER."""
    return {"driver": "vfio-user-pci", "id": f"efa{number}", "bus": f"port{number}",
            "socket": {"type": "unix", "path": os.fspath(path)}}
