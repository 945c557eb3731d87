#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Datagrams between our provider and the one inside libfabric, and among ours, by fi_pingpong on two
emulated hosts: every message is checked.

Environment: EFA_EMU the emulator, EFA_FI_PATH the folder of libefa-fi.so.

    test_datagram.py pair SERVER_PATH CLIENT_PATH     on an emulated host: what the tests run
"""
import os
import subprocess
import sys
import time
import unittest

OURS = os.environ.get('EFA_FI_PATH', '')
PORT = 47592  # of fi_pingpong's control connection


def provider(path):
    """The environment of a program with that search path; '-': the provider inside libfabric."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith('FI_')}
    if path != '-':
        environment['FI_PROVIDER_PATH'] = path
    return environment


def listening():
    with open('/proc/net/tcp', encoding='ascii') as table:
        return any(line.split()[1].endswith(f':{PORT:04X}') and line.split()[3] == '0A'
                   for line in list(table)[1:])


def pair(server_path, client_path):
    command = ['fi_pingpong', '-p', 'efa', '-e', 'dgram', '-c', '-I', '50', '-B', str(PORT)]
    with subprocess.Popen(command, env=provider(server_path)) as server:
        while not listening() and server.poll() is None:
            time.sleep(0.05)
        client = ['efa-emu', 'on', 'host1', 'fi_pingpong', '-p', 'efa', '-e', 'dgram', '-c', '-I', '50',
                  '-P', str(PORT), '127.0.0.1']
        done = subprocess.run(client, env=provider(client_path), check=False)
        return done.returncode or server.wait(30)


class Datagrams(unittest.TestCase):
    def exchange(self, server, client):
        emulator = os.environ['EFA_EMU']
        environment = dict(os.environ, PATH=os.path.dirname(emulator) + ':' + os.environ['PATH'])
        done = subprocess.run([emulator, 'run', '--hosts', '2', '--', sys.executable, '-B', __file__, 'pair', server,
                               client], env=environment, capture_output=True, text=True, timeout=240, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        # Messages of 64 B to 4 KiB, checked on both sides.
        self.assertEqual(done.stdout.count('=50'), 8, done.stdout)

    def test_among_ours(self):
        self.exchange(OURS, OURS)

    def test_ours_serves_the_one_in_libfabric(self):
        self.exchange(OURS, '-')

    def test_the_one_in_libfabric_serves_ours(self):
        self.exchange('-', OURS)


if __name__ == '__main__':
    if sys.argv[1:2] == ['pair']:
        sys.exit(pair(*sys.argv[2:4]))
    unittest.main(verbosity=2)
