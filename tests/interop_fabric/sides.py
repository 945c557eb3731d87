# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A server on host1 and a client on host0, below `efa-emu run --hosts 2`, each over a libfabric of its own."""
import glob
import os
import random
import re
import shlex
import socket
import subprocess
import time

LISTENING = "0A"


class Side:
    """One provider in one libfabric: where its programs are, and their environment."""

    def __init__(self, text):
        """text: "NAME|BIN[|VARIABLE=VALUE]...", BIN being the folder of the fabtests for that libfabric."""
        self.name, self.bin, *variables = text.split("|")
        self.environment = dict(variable.split("=", 1) for variable in variables)
        self.old = self.name.endswith("1.17")

    def command(self, host, words, seconds, environment):
        variables = [f"{name}={value}" for name, value in {**self.environment, **environment}.items()]
        return ["efa-emu", "on", host, "env", *variables, "timeout", str(seconds), f"{self.bin}/{words[0]}",
                *words[1:]]


def free_port():
    while True:
        number = random.randrange(30000, 60000)
        with socket.socket() as probe:
            try:
                probe.bind(("", number))
                return number
            except OSError:
                pass


def listens(port):
    """Whether some process listens on this TCP port."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(path, encoding="ascii") as table:
            for line in table.readlines()[1:]:
                words = line.split()
                if words[3] == LISTENING and int(words[1].rsplit(":", 1)[1], 16) == port:
                    return True
    return False


class Pair:
    """One run of a row (cells.py) between two sides; the outputs of both are in files."""

    def __init__(self, row, server, client, log, seconds):
        self.row, self.server, self.client, self.log, self.seconds = row, server, client, log, seconds
        self.statuses = []

    def start(self, side, host, role, last):
        # libfabric 1.17 has one fabric; without a name, that of 2.1 takes efa-direct if it can.
        fabric = [] if side.old else ["-f", self.row.fabric]
        words = shlex.split(self.row.command) + [*fabric, "-p", "efa", *last]
        linker = {"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": f"{self.log}.{role}.linker"}
        command = side.command(host, words, self.seconds, {**self.row.environment, **linker})
        with open(f"{self.log}.{role}", "w", encoding="utf-8") as output:
            output.write(f"$ {shlex.join(command)}\n")
            output.flush()
            return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def run(self):
        """Whether both programs ended well."""
        port = free_port()
        server = self.start(self.server, "host1", "server", [f"-E={port}"])
        while server.poll() is None and not listens(port):
            time.sleep(0.01)
        client = self.start(self.client, "host0", "client", [f"-E={port}", "host1"])
        status = client.wait()
        self.statuses = [server.wait() if status == 0 else self.stop(server), status]
        loaded = [self.loaded(side, role) for side, role in ((self.server, "server"), (self.client, "client"))]
        return self.statuses == [0, 0] and all(loaded)

    def loaded(self, side, role):
        """Whether this side had our provider, or had not, as the dynamic linker wrote it down."""
        files = glob.glob(f"{self.log}.{role}.linker.*")
        text = "".join(open(file, encoding="utf-8", errors="replace").read() for file in files)
        for file in files:
            os.unlink(file)
        folder = side.environment.get("FI_PROVIDER_PATH")
        found = f"calling init: {folder}/libefa-fi.so" if folder else "calling init: [^\n]*/libefa-fi.so"
        if bool(re.search(found, text)) == bool(folder):
            return True
        print(f"    {role} of {side.name} has {'not ' if folder else ''}loaded a libefa-fi.so")
        return False

    @staticmethod
    def stop(server):
        """The client failed: its server gets some seconds to end by itself."""
        try:
            return server.wait(5)
        except subprocess.TimeoutExpired:
            server.terminate()
            return server.wait()

    def explain(self):
        """The ends of both outputs, of a run that failed."""
        for role in ("server", "client"):
            if not os.path.exists(f"{self.log}.{role}"):
                continue
            with open(f"{self.log}.{role}", encoding="utf-8", errors="replace") as output:
                command, *lines = output.readlines()
            print(f"    {role}: " + "    ".join([command, *lines[-6:]]).rstrip())
