#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs programs of fabtests between two libfabric providers on two emulated hosts, and prints a table.

Below `efa-emu run --hosts 2 --`; scripts/test-fabric-interop.sh sets it up. A side is described by

    --side "NAME|BIN[|VARIABLE=VALUE]..."     BIN: folder of its fabtests

and --pair SERVER,CLIENT names who runs with whom. Fails when a cell fails. The last line is 'N passed, N
failed'.
"""
import argparse
import os
import random
import shlex
import socket
import subprocess
import sys
import time

import cells

LISTENING = "0A"
WORDS = {True: "ok", False: "**failed**", None: "-"}


class Side:
    """One provider in one libfabric: where its programs are, and their environment."""

    def __init__(self, text):
        self.name, self.bin, *variables = text.split("|")
        self.old = self.name.endswith("1.17")
        self.environment = dict(variable.split("=", 1) for variable in variables)

    def command(self, program, host, seconds, environment):
        variables = {**self.environment, **environment}
        words = [f"{name}={value}" for name, value in variables.items()]
        return ["efa-emu", "on", host, "env", *words, "timeout", str(seconds), f"{self.bin}/{program[0]}",
                *program[1:]]


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
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(path, encoding="ascii") as table:
            for line in table.readlines()[1:]:
                words = line.split()
                if words[3] == LISTENING and int(words[1].rsplit(":", 1)[1], 16) == port:
                    return True
    return False


class Attempt:
    """One cell: a server on host1, a client on host0, their outputs in a file each."""

    def __init__(self, row, server, client, folder, seconds):
        self.row, self.server, self.client, self.seconds = row, server, client, seconds
        name = "".join(c if c.isalnum() else "_" for c in row.name)
        self.log = os.path.join(folder, f"{name}.{server.name}.{client.name}")
        self.statuses = []

    def start(self, side, host, role, port, last):
        # libfabric 1.17 has one fabric, of another name; without this, that of 2.1 takes efa-direct if it can.
        fabric = [] if side.old else ["-f", self.row.fabric]
        program = shlex.split(self.row.command) + [*fabric, "-p", "efa", f"-E={port}", *last]
        command = side.command(program, host, self.seconds, self.row.environment)
        output = open(f"{self.log}.{role}", "w", encoding="utf-8")
        with output:
            output.write(f"$ {shlex.join(command)}\n")
            output.flush()
            return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def run(self):
        """Whether both programs ended well."""
        port = free_port()
        server = self.start(self.server, "host1", "server", port, [])
        while server.poll() is None and not listens(port):
            time.sleep(0.01)
        client = self.start(self.client, "host0", "client", port, ["host1"])
        self.statuses = [server.wait(), client.wait()] if client.wait() == 0 else [self.stop(server), client.wait()]
        return self.statuses == [0, 0]

    @staticmethod
    def stop(server):
        """The client failed: its server gets some seconds to end by itself."""
        try:
            return server.wait(5)
        except subprocess.TimeoutExpired:
            server.terminate()
            return server.wait()

    def explain(self):
        """The ends of both outputs, for a cell that failed."""
        for role in ("server", "client"):
            with open(f"{self.log}.{role}", encoding="utf-8", errors="replace") as output:
                command, *lines = output.readlines()
            print(f"    {role}: " + "    ".join([command, *lines[-6:]]).rstrip())


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", action="append", required=True)
    parser.add_argument("--pair", action="append", required=True)
    parser.add_argument("--folder", required=True, help="for outputs of programs")
    parser.add_argument("--only", help="rows whose name contains this")
    parser.add_argument("--quick", action="store_true", help="the rows of the quick selection")
    parser.add_argument("--seconds", type=int, default=60, help="for each program (60)")
    parser.add_argument("--page", help="file with the table, in Markdown")
    return parser.parse_args()


def chosen_rows(arguments):
    rows = [row for row in cells.rows() if (row.quick or not arguments.quick)
            and (not arguments.only or arguments.only in row.name)]
    if not rows:
        sys.exit(f"run_pairs: no row's name contains '{arguments.only}'")
    return rows


def table(rows, pairs, results):
    """The table in Markdown: a row for each protocol and size, a column for each pair."""
    lines = ["| Sender and receiver | " + " | ".join(f"{client} to {server}" for server, client in pairs) + " |",
             "|---" * (len(pairs) + 1) + "|"]
    for row in rows:
        words = [WORDS[results.get((row.name, pair))] for pair in pairs]
        lines.append(f"| {row.name} | " + " | ".join(words) + " |")
    return "\n".join(lines) + "\n"


def main():
    arguments = parse_arguments()
    sides = {side.name: side for side in map(Side, arguments.side)}
    pairs = [tuple(pair.split(",")) for pair in arguments.pair]
    rows = chosen_rows(arguments)
    os.makedirs(arguments.folder, exist_ok=True)
    results = {}
    for row in rows:
        for pair in pairs:
            if row.fabric == "efa-direct" and any(sides[name].old for name in pair):
                continue
            start = time.monotonic()
            attempt = Attempt(row, sides[pair[0]], sides[pair[1]], arguments.folder, arguments.seconds)
            results[row.name, pair] = attempt.run()
            word = "ok" if results[row.name, pair] else f"FAILED (server, client: {attempt.statuses})"
            print(f"{row.name}: {pair[1]} to {pair[0]}: {word}, {time.monotonic() - start:.1f} s", flush=True)
            if not results[row.name, pair]:
                attempt.explain()
    text = table(rows, pairs, results)
    print(text)
    if arguments.page:
        with open(arguments.page, "w", encoding="utf-8") as page:
            page.write(text)
    passed = sum(results.values())
    print(f"{passed} passed, {len(results) - passed} failed")
    sys.exit(passed != len(results))


if __name__ == "__main__":
    main()
