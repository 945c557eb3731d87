#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Emulated devices in guests of the lab, without a driver."""

import json
import time
import unittest

from guests import KERNEL, lab

LSPCI = "lspci -Dn -d 1d0f: | cut -d' ' -f1,3"


def run(script, *options, check=0):
    return lab("run", "--kernel", KERNEL, *options, "--", "sh", "-ec", script, check=check)


class Devices(unittest.TestCase):
    def test_every_guest_has_its_devices_of_the_generation_asked_for(self):
        done = run(LSPCI, "--hosts", "2", "--on-all", "--devices-per-host", "2", "--generation", "efa1")
        self.assertEqual(sorted(done.stdout.splitlines()),
                         [f"host{h}: 0000:0{d}:00.0 1d0f:efa1" for h in (1, 2) for d in (1, 2)])

    def test_the_emulator_answers_and_refuses_over_the_control_port(self):
        done = run("""lab-control '{"op":"ping"}'; ! lab-control '{"op":"nonsense"}'""")
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([answer["ok"] for answer in answers], [True, False])

    def test_an_emulator_that_does_not_start_is_a_failure_with_its_message(self):
        done = run("true", "--emu-args=--no-such-option", check=125)
        self.assertIn("--no-such-option", done.stderr)

    def test_removed_devices_come_back_with_a_rescan(self):
        done = run(f"""cd /sys/bus/pci; echo 1 >devices/0000:01:00.0/remove; {LSPCI}; echo removed
                       echo 1 >rescan; {LSPCI}""")
        self.assertEqual(done.stdout, "removed\n0000:01:00.0 1d0f:efa2\n")

    def test_large_bars_get_addresses_after_a_rescan_and_after_a_snapshot(self):
        script = """cd /sys/bus/pci; for d in 1 2; do echo 1 >devices/0000:0$d:00.0/remove; done
                    echo 1 >rescan; for d in 1 2; do sed -n 3p devices/0000:0$d:00.0/resource; done"""
        for options in ((), ("--snapshot",)):
            done = run(script, "--generation", "efa4", "--devices-per-host", "2", *options)
            ranges = [[int(word, 16) for word in line.split()] for line in done.stdout.splitlines()]
            self.assertEqual([end - start + 1 for start, end, _ in ranges], [512 << 20] * 2, done.stdout)

    def test_a_device_that_vanishes_reads_as_ones_and_the_guest_lives(self):
        done = run("""lab-control '{"op":"vanish","device":"host1-0"}' >/dev/null
                      od -An -tx1 -N4 /sys/bus/pci/devices/0000:01:00.0/config""")
        self.assertEqual(done.stdout.split(), ["ff"] * 4)

    def test_behind_an_iommu_devices_are_in_a_translated_domain(self):
        done = run("cat /sys/bus/pci/devices/0000:01:00.0/iommu_group/type; nproc", "--iommu", "--smp", "2")
        self.assertEqual(done.stdout, "DMA\n2\n")

    def test_guests_from_a_snapshot_have_devices_time_and_identities_of_their_own(self):
        before = time.time()
        done = run(f"""{LSPCI}; date +%s; cat /sys/class/net/eth0/address; ping -q -c 1 -W 10 host2 >/dev/null
                       head -c 16 /dev/urandom | od -An -tx1""", "--snapshot", "--hosts", "2", "--on-all")
        lines = [[line.split(": ", 1)[1] for line in done.stdout.splitlines() if line.startswith(name)]
                 for name in ("host1", "host2")]
        for device, clock, mac, number in lines:
            self.assertEqual(device, "0000:01:00.0 1d0f:efa2")
            self.assertLess(abs(int(clock) - before), 300)
        self.assertNotEqual(lines[0][2], lines[1][2], "MAC")
        self.assertNotEqual(lines[0][3], lines[1][3], "random numbers")


if __name__ == "__main__":
    lab("setup", "--kernel", KERNEL, check=0)
    unittest.main()
