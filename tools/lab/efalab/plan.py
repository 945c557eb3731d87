# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What a lab is to look like: everything that 'lab run' and 'lab up' were asked for."""

from dataclasses import dataclass, field

from .failure import LabError
from .kernels import Kernel

MAX_HOSTS = 64


@dataclass(frozen=True)
class Plan:
    kernel: Kernel
    hosts: int = 1
    devices_per_host: int = 1  # 0: no emulator at all
    emulator_arguments: tuple = ()
    smp: int = 1
    memory: int = 1024  # MiB for each guest
    iommu: bool = False
    accelerator: str = "tcg"
    modules: tuple = ()  # files to load before the first command
    kernel_arguments: tuple = ()
    qemu_arguments: tuple = ()
    ssh: bool = False
    snapshots: bool = False  # resume where that is possible, instead of booting
    layer: str = ""  # a folder of 'lab install'
    out: str = ""  # the folder that guests may write to; empty: one below the lab's own
    boot_limit: float = 60  # seconds
    lifetime: float = 3600  # seconds
    names: tuple = field(init=False, default=())

    def __post_init__(self):
        if not 1 <= self.hosts <= MAX_HOSTS:
            raise LabError(f"{self.hosts} hosts asked for; a lab has 1 to {MAX_HOSTS}")
        if self.memory < 256:
            raise LabError(f"{self.memory} MiB for a guest; it needs at least 256")
        object.__setattr__(self, "names", tuple(f"host{n + 1}" for n in range(self.hosts)))

    @property
    def networked(self):
        return self.hosts > 1

    def time(self, seconds):
        """A time limit of the lab's own, stretched for kernels that are slow."""
        return seconds * (7 if self.kernel.slow else 1)
