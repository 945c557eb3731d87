# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The network between the guests of a lab: addresses, names, and what carries the frames."""

import os
import socket

# An Ethernet frame of the largest MTU that we offer, with room to spare.
FRAME = 65536 + 64


def address(index):
    """The address of host INDEX (from 0)."""
    return f"10.77.{index // 250}.{index % 250 + 1}"


def mac(index):
    return f"52:54:00:77:{index >> 8:02x}:{index & 0xff:02x}"


def hosts_file(names):
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    return "\n".join(lines + [f"{address(n)} {name}" for n, name in enumerate(names)]) + "\n"


def port(folder, index):
    """The datagram socket of host INDEX's network card."""
    return folder / f"net{index}"


def hub_port(folder):
    return folder / "hub"


def backend(folder, index, count):
    """QEMU's -netdev: two guests talk directly, more of them through the hub."""
    peer = port(folder, 1 - index) if count == 2 else hub_port(folder)
    return (f"dgram,id=net,local.type=unix,local.path={port(folder, index)},"
            f"remote.type=unix,remote.path={peer}")


class Hub:
    """A learning switch over datagram sockets."""

    def __init__(self, folder, count):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(hub_port(folder)))
        self.ports = [str(port(folder, n)) for n in range(count)]
        self.where = {}  # MAC -> port

    def forward(self):
        frame, source = self.socket.recvfrom(FRAME)
        self.where[frame[6:12]] = source
        known = self.where.get(frame[0:6])
        for target in [known] if known else self.ports:
            if target != source:
                self._send(frame, target)

    def _send(self, frame, target):
        try:
            self.socket.sendto(frame, target)
        except OSError:
            pass  # a guest that is not there yet, or no more: a switch drops the frame

    def run(self):
        while True:
            self.forward()


def main(arguments):
    """The hub's process: FOLDER COUNT."""
    Hub(_path(arguments[0]), int(arguments[1])).run()


def _path(text):
    from pathlib import Path

    return Path(os.path.abspath(text))
