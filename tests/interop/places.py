# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Where a driver's programs run: two guests of the lab with efa.ko, or two hosts of native mode."""

import os
import socket
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAB = str(ROOT / "tools/lab/lab")
DEVICES = 2  # of each host: the conformance programs send from one to the other


class Failed(Exception):
    """A place cannot be had."""


def run(command, log, limit):
    """Status of the command, whose output goes to the file `log`; 124 when its time was over."""
    with open(log, "w", encoding="utf-8") as output:
        try:
            return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                  cwd=ROOT, timeout=limit, check=False).returncode
        except subprocess.TimeoutExpired:
            output.write(f"ended after {limit} s\n")
            return 124


class Guests:
    """Two virtual machines, the module loaded in each. A context manager."""

    def __init__(self, module, kernel, generation, folder):
        self.module, self.generation, self.folder, self.kernel = module, generation, folder, kernel
        self.name = f"square-{os.getpid()}"

    def __enter__(self):
        log = self.folder / f"up-{self.generation}.log"
        options = ["--kernel", self.kernel, "--hosts", "2", "--smp", "2", "--devices-per-host", str(DEVICES),
                   "--generation", self.generation, "--doorbells", "mapped", "--module", self.module,
                   "--emu-args=--timeout", "--emu-args=300ms"]
        status = run([LAB, "up", "--name", self.name, "--out", str(self.folder), "--lifetime", "5400", *options],
                     log, 600)
        if status != 0:
            raise Failed(f"no lab with {self.module}: status {status}\n{log.read_text()}")
        return self

    def __exit__(self, *_):
        # A kernel's complaints count; each command has already failed by its own.
        run([LAB, "down", "--name", self.name], self.folder / f"down-{self.generation}.log", 120)

    def free_port(self):
        return 18515  # the guests have a network of their own

    def execute(self, command, log, limit):
        """Status of a command of the shell, in host1."""
        return run([LAB, "exec", "--name", self.name, "--timeout", str(limit), "host1", "--",
                    "bash", "-c", command], log, limit + 60)


class Native:
    """efa-emu run: no kernel driver. An emulator for each command. A context manager."""

    def __init__(self, emulator, generation):
        self.command = [str(emulator), "run", "--hosts", "2", "--devices-per-host", str(DEVICES),
                        "--generation", generation, "--timeout", "300ms", "--"]
        os.environ["PATH"] = f"{Path(emulator).parent}:{os.environ['PATH']}"  # for pair.sh

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def free_port(self):
        """All hosts are this machine."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return probe.getsockname()[1]

    def execute(self, command, log, limit):
        return run([*self.command, "bash", "-c", command], log, limit)
