# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Lines of text over a socket, JSON or plain."""

import json


class Lines:
    """The receiving side of a stream socket: complete lines, as they come."""

    def __init__(self, sock):
        self.socket, self.rest = sock, b""

    def receive(self):
        """The new complete lines, or None at the end of the stream. Blocks as the socket does."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return None
        if not data:
            return None
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def send(sock, message):
    """One JSON line; a peer that is gone is noticed when reading."""
    try:
        sock.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        pass
