#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""efa-emu serve: options, errors, sockets, signals, clients that come and go, the control socket.

Usage: test_serve.py [UNITTEST-ARGUMENTS], with the path of efa-emu in the environment as EFA_EMU.
Needs nothing but Python: clients speak vfio-user by hand.
"""
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

EFA_EMU = os.environ.get("EFA_EMU", "efa-emu")
LIMIT = 30  # seconds; a hang is a failure

VERSION, GET_INFO, REGION_READ, REGION_WRITE = 1, 4, 9, 10
CONFIG = 7  # region
ERROR = 1 << 5


class Client:
    """A vfio-user client at a device's socket."""

    def __init__(self, path, greet=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(LIMIT)
        self.socket.connect(path)
        if greet:
            self.ask(VERSION, struct.pack("<HH", 0, 0))

    def send(self, command, payload=b""):
        self.socket.sendall(struct.pack("<HHIII", 1, command, 16 + len(payload), 0, 0) + payload)

    def ask(self, command, payload=b""):
        self.send(command, payload)
        header = self.receive(16)
        _, _, size, flags, error = struct.unpack("<HHIII", header)
        if flags & ERROR:
            raise OSError(error, "vfio-user error")
        return self.receive(size - 16)

    def receive(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def config(self, offset, count):
        return self.ask(REGION_READ, struct.pack("<QII", offset, CONFIG, count))[16:]

    def write(self, region, offset, data):
        self.ask(REGION_WRITE, struct.pack("<QII", offset, region, len(data)) + data)

    def at_end(self):
        """Whether the server closed the connection (waits for it)."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


class Server:
    def __init__(self, *options, folder=None):
        self.parent = tempfile.TemporaryDirectory(prefix="efa-serve-")
        self.folder = folder or os.path.join(self.parent.name, "emu")
        self.process = subprocess.Popen([EFA_EMU, "serve", "--dir", self.folder, *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT)
        self.greeting = self.process.stdout.readline() if ready else ""

    def path(self, name):
        return os.path.join(self.folder, name + ".sock")

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(LIMIT)
            control.connect(self.path("control"))
            control.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(control.makefile().readline())

    def switches(self):
        """How often the emulator went to sleep so far."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read(), re.M)[1])

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, out, err

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.parent.cleanup()


class Case(unittest.TestCase):
    def client(self, server, name, **options):
        client = Client(server.path(name), **options)
        self.addCleanup(client.close)
        return client


class Errors(Case):
    """One sentence with the cure, exit status 2."""

    CASES = [
        ((), "name one: efa-emu serve --dir DIR"),
        (("--dir",), "--dir has no value"),
        (("--dir", "/tmp/x", "--hosts", "0"), "--hosts: '0' is no number from 1 to"),
        (("--dir", "/tmp/x", "--doorbells", "loud"), "choose trapped or mapped"),
        (("--dir", "/tmp/x", "--api-version", "0.4"), "choose 0.1, 0.2 or 0.3"),
        (("--dir", "/tmp/x", "--generation", "efa9"), "choose one of efa0"),
        (("--dir", "/tmp/x", "--loss", "2"), "--loss"),
        (("--dir", "/tmp/x", "--mode", "path"), "there is no option '--mode'"),
        (("--dir", "/tmp/x", "extra"), "there is no option 'extra'"),
        (("--dir", "/tmp/x", "--dir", "/tmp/y"), "give it once"),
        (("--dir", "/tmp/x", "--stats=xml"), "--stats=json"),
        (("--dir", "/nowhere/at/all"), "name a directory in a place that you can write to"),
        (("--dir", "/tmp/" + "x" * 100), "choose a shorter directory"),
    ]

    def test_name_the_thing_and_the_cure(self):
        for words, part in self.CASES:
            with self.subTest(words=words):
                done = subprocess.run([EFA_EMU, "serve", *words], capture_output=True, text=True,
                                      timeout=LIMIT, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"\Aefa-emu: .*\n\Z")
                self.assertIn(part, done.stderr)
        os.rmdir("/tmp/" + "x" * 100)

    def test_help_says_how_qemu_is_started(self):
        done = subprocess.run([EFA_EMU, "serve", "--help"], capture_output=True, text=True,
                              timeout=LIMIT, check=True)
        for part in ("--dir", "--doorbells", "vfio-user-pci", "memory-backend-memfd"):
            self.assertIn(part, done.stdout)

    def test_a_directory_in_use_is_refused(self):
        with Server() as server:
            done = subprocess.run([EFA_EMU, "serve", "--dir", server.folder], capture_output=True,
                                  text=True, timeout=LIMIT, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("another emulator serves", done.stderr)
            self.client(server, "host1-0").close()  # unharmed


class Life(Case):
    def test_it_says_when_it_is_ready_and_cleans_up(self):
        with Server("--hosts", "2", "--devices-per-host", "2") as server:
            self.assertEqual(server.greeting, f"ready {server.folder}\n")
            self.assertEqual(sorted(os.listdir(server.folder)),
                             ["control.sock", "host1-0.sock", "host1-1.sock", "host2-0.sock",
                              "host2-1.sock"])
            code, out, err = server.stop()
            self.assertEqual((code, out, err), (0, "", ""))
            self.assertEqual(os.listdir(server.folder), [])

    def test_sigint_ends_it_with_statistics(self):
        with Server("--stats=json") as server:
            code, _, err = server.stop(signal.SIGINT)
            self.assertEqual(code, 0)
            self.assertEqual(json.loads(err)["devices"][0]["host"], "host1")

    def test_sockets_of_a_killed_emulator_are_taken_over(self):
        with Server() as first:
            first.process.kill()
            first.process.wait()
            self.assertTrue(os.path.exists(first.path("host1-0")))
            with Server(folder=first.folder) as second:
                self.assertTrue(second.greeting.startswith("ready"))
                self.client(second, "host1-0").close()

    def test_it_sleeps_for_good_without_work(self):
        for options in ((), ("--doorbells", "mapped")):
            with self.subTest(options=options), Server("--hosts", "4", *options) as server:
                client = self.client(server, "host1-0")
                client.config(0, 4)
                before = server.switches()
                time.sleep(1)  # the measurement: nothing may happen in it
                self.assertLessEqual(server.switches() - before, 1)


class Clients(Case):
    def setUp(self):
        self.server = Server("--hosts", "2", "--generation", "efa1")
        self.addCleanup(self.server.__exit__)

    def test_each_socket_is_a_device(self):
        for name in ("host1-0", "host2-0"):
            client = self.client(self.server, name)
            self.assertEqual(client.config(0, 4), bytes.fromhex("0f1da1ef"))
            client.close()

    def test_the_next_client_finds_a_fresh_device(self):
        for number in range(20):
            client = self.client(self.server, "host1-0")
            self.assertEqual(client.config(4, 2), b"\0\0", number)
            client.write(CONFIG, 4, b"\x06\0")
            self.assertEqual(client.config(4, 2), b"\x06\0")
            client.close()

    def test_a_second_client_is_sent_away(self):
        first = self.client(self.server, "host1-0")
        second = self.client(self.server, "host1-0", greet=False)
        self.assertTrue(second.at_end())
        first.config(0, 4)
        _, _, err = self.server.stop()
        self.assertIn("host1-0 has a client", err)

    def test_a_bad_client_harms_only_itself(self):
        good = self.client(self.server, "host2-0")
        bad = self.client(self.server, "host1-0")
        bad.socket.sendall(b"\xff" * 64)
        self.assertTrue(bad.at_end())
        good.config(0, 4)
        self.client(self.server, "host1-0").config(0, 4)
        _, _, err = self.server.stop()
        self.assertRegex(err, r"host1-0: connection closed: ")

    def test_half_a_message_blocks_nobody(self):
        slow = self.client(self.server, "host1-0")
        slow.socket.sendall(b"\x01\0\x04")
        self.client(self.server, "host2-0").config(0, 4)
        self.assertTrue(self.server.ask(op="ping")["ok"])

    def test_descriptors_do_not_pile_up(self):
        folder = f"/proc/{self.server.process.pid}/fd"
        before = len(os.listdir(folder))
        for _ in range(50):
            client = self.client(self.server, "host1-0")
            memory = os.memfd_create("ram")
            os.ftruncate(memory, 1 << 20)
            payload = struct.pack("<IIQQQ", 32, 3, 0, 0, 1 << 20)
            message = struct.pack("<HHIII", 1, 2, 16 + len(payload), 0, 0) + payload
            socket.send_fds(client.socket, [message], [memory])
            client.receive(16)
            os.close(memory)
            client.close()
        last = self.client(self.server, "host1-0")  # the one before is gone once this is served
        last.close()
        self.assertTrue(self.server.ask(op="ping")["ok"])
        self.assertLessEqual(len(os.listdir(folder)), before + 2)


class Control(Case):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.__exit__)

    def test_several_connections_at_once(self):
        lines = []
        for _ in range(5):
            control = socket.socket(socket.AF_UNIX)
            self.addCleanup(control.close)
            control.settimeout(LIMIT)
            control.connect(self.server.path("control"))
            lines.append((control, control.makefile()))
        for control, _ in lines:
            control.sendall(b'{"op":"ping"}\nnonsense\n')
        for _, replies in lines:
            self.assertTrue(json.loads(replies.readline())["ok"])
            self.assertFalse(json.loads(replies.readline())["ok"])

    def test_stats_follow_the_client(self):
        self.assertFalse(self.server.ask(op="stats", device="host1-0")["connected"])
        client = self.client(self.server, "host1-0")
        client.write(0, 0x10, b"\0\x10\0\0")
        stats = self.server.ask(op="stats", device="host1-0")
        self.assertTrue(stats["connected"])
        self.assertEqual(stats["register_writes"], 1)

    def test_vanish_closes_the_connection(self):
        client = self.client(self.server, "host1-0")
        self.assertTrue(self.server.ask(op="vanish", device="host1-0")["ok"])
        self.assertTrue(client.at_end())
        self.client(self.server, "host1-0").config(0, 4)

    def test_vanish_can_wait(self):
        client = self.client(self.server, "host1-0")
        begin = time.monotonic()
        self.server.ask(op="vanish", device="host1-0", after_ms=300)
        client.config(0, 4)
        self.assertTrue(client.at_end())
        self.assertGreaterEqual(time.monotonic() - begin, 0.3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
