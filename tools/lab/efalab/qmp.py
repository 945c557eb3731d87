# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""QEMU's control connection."""

import json
import socket
import time

from .failure import LabError
from .lines import Lines


class Qmp:
    def __init__(self, path, patience=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience)
        self.socket.connect(str(path))
        self.lines, self.received = Lines(self.socket), []
        self._next("QMP")
        self.execute("qmp_capabilities")

    def close(self):
        self.socket.close()

    def _next(self, *keys):
        """The next message that has one of these keys; events in between are dropped."""
        while True:
            while self.received:
                message = json.loads(self.received.pop(0))
                if any(key in message for key in keys):
                    return message
            received = self.lines.receive()
            if received is None:
                raise LabError("QEMU ended while it was being set up")
            self.received = received

    def execute(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        answer = self._next("return", "error")
        if "error" in answer:
            raise LabError(f"QEMU refuses {command}: {answer['error']['desc']}")
        return answer["return"]

    def await_migration(self, limit):
        """Until a snapshot is written or read."""
        deadline = time.monotonic() + limit
        while (status := self.execute("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled") or time.monotonic() > deadline:
                raise LabError(f"the snapshot is not written or read: {status}")
            time.sleep(0.02)
