#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Parts of the lab that need no guest."""

import lzma
import socket
import struct
import subprocess
import unittest

from guests import LabTest, lab

from efalab import console, initramfs, network, session, vmlinux
from efalab.failure import LabError
from efalab.kernels import Kernel
from efalab.plan import Plan

COMPLAINTS = """\
[    1.5] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    1.5] WARNING: CPU: 0 PID: 1 at drivers/x.c:12 f+0x1/0x2 [efa]
[    1.5] Oops: 0002 [#1] PREEMPT SMP
[    1.5][   T12] BUG: KASAN: slab-out-of-bounds in f+0x1/0x2
[    1.5] UBSAN: array-index-out-of-bounds in a.c:1:2
[    1.5] general protection fault, probably for non-canonical address
[    1.5] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
[    1.5] WARNING: possible circular locking dependency detected
[    1.5] INFO: task sh:12 blocked for more than 60 seconds.
[    1.5] Kernel panic - not syncing: sysrq triggered crash
[    1.5] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:12]
[    1.5] rcu: INFO: rcu_preempt self-detected stall on CPU
[    1.5] DMA-API: efa 0000:01:00.0: device driver frees DMA memory with different size
""".splitlines()
HEALTHY = """\
[    0.1] kmemleak: Kernel memory leak detector initialized (mem pool available: 15000)
[    0.1] KASAN: KernelAddressSanitizer initialized
[    0.1] hello: loading out-of-tree module taints kernel.
[    0.1] efa 0000:01:00.0: warning: the admin queue is slow
[    0.1] sysrq: Show Blocked State
[    0.1] Debug info: nothing
""".splitlines()


class Console(unittest.TestCase):
    def test_every_known_complaint_is_found(self):
        for line in COMPLAINTS:
            self.assertEqual(len(console.complaints(line)), 1, line)

    def test_lines_of_healthy_kernels_are_no_complaints(self):
        self.assertEqual(console.complaints("\n".join(HEALTHY)), [])

    def test_a_line_in_console_and_dmesg_counts_once(self):
        self.assertEqual(console.complaints("[    1.50] BUG: x\r\n<1>[    1.50] BUG: x\n"), ["BUG: x"])

    def test_an_allowed_pattern_hides_its_line_only(self):
        self.assertEqual(console.complaints("WARNING: a\nWARNING: b", ["WARNING: a"]), ["WARNING: b"])


class Vmlinux(LabTest):
    def image(self, payload):
        header = bytearray(2 * 512)
        header[0x1F1] = 1
        header[0x202:0x206] = b"HdrS"
        struct.pack_into("<II", header, 0x248, 64, len(payload))
        path = self.folder / "bzImage"
        path.write_bytes(bytes(header) + bytes(64) + payload + b"more")
        return path

    def test_an_xz_payload_is_cut_out(self):
        kernel = b"\x7fELF" + bytes(range(256)) * 40
        self.assertEqual(vmlinux.cut_out(self.image(lzma.compress(kernel) + b"size")), kernel)

    def test_a_zstd_payload_is_cut_out(self):
        kernel = b"\x7fELF" + bytes(range(256)) * 40
        packed = subprocess.run(["zstd", "-cq"], input=kernel, stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(vmlinux.cut_out(self.image(packed + b"size")), kernel)

    def test_other_files_are_refused_by_name(self):
        with self.assertRaisesRegex(LabError, "unknown compression"):
            vmlinux.cut_out(self.image(b"something else"))
        path = self.folder / "text"
        path.write_bytes(bytes(2048))
        with self.assertRaisesRegex(LabError, "text is no bzImage"):
            vmlinux.cut_out(path)


class Initramfs(LabTest):
    def kernel(self, dependencies, builtin=""):
        (self.folder / "modules.dep").write_text(dependencies)
        (self.folder / "modules.builtin").write_text(builtin)
        return Kernel("1.2.3", self.folder / "vmlinux", self.folder)

    def test_modules_come_after_what_they_need_and_once(self):
        kernel = self.kernel("k/9p.ko.xz: k/9pnet.ko.xz k/netfs.ko.xz\nk/9pnet.ko.xz:\nk/netfs.ko.xz:\n"
                             "k/9pnet_virtio.ko.xz: k/9pnet.ko.xz\n", "k/overlay.ko\n")
        self.assertEqual(initramfs.module_files(kernel, ("9pnet_virtio", "9p", "overlay")),
                         ["k/9pnet.ko.xz", "k/9pnet_virtio.ko.xz", "k/netfs.ko.xz", "k/9p.ko.xz"])

    def test_a_kernel_without_9p_is_refused(self):
        with self.assertRaisesRegex(LabError, "1.2.3 has no module 9p"):
            initramfs.module_files(self.kernel(""), ("9p",))

    def test_cpio_reads_what_we_write(self):
        archive = initramfs.Cpio()
        archive.add("d", archive.DIRECTORY | 0o755)
        archive.add("d/f", archive.FILE | 0o600, b"content")
        subprocess.run(["busybox", "cpio", "-id"], input=archive.finish(), cwd=self.folder,
                       stderr=subprocess.DEVNULL, check=True)
        self.assertEqual((self.folder / "d" / "f").read_bytes(), b"content")


class Network(LabTest):
    def test_the_hub_floods_then_learns(self):
        hub = network.Hub(self.folder, 3)
        ports = []
        for n in range(3):
            port = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(port.close)
            port.bind(str(network.port(self.folder, n)))
            port.setblocking(False)
            ports.append(port)
        self.addCleanup(hub.socket.close)

        def send(source, to, text):
            mac = [bytes([2, 0, 0, 0, 0, n]) for n in range(4)]
            ports[source].sendto(mac[to] + mac[source] + text, str(network.hub_port(self.folder)))
            hub.forward()

        send(0, 1, b"first")
        self.assertEqual(ports[1].recv(100)[12:], b"first")
        self.assertEqual(ports[2].recv(100)[12:], b"first")
        send(1, 0, b"second")
        self.assertEqual(ports[0].recv(100)[12:], b"second")
        with self.assertRaises(BlockingIOError):
            ports[2].recv(100)

    def test_addresses_and_macs_are_different(self):
        self.assertEqual(len({network.address(n) for n in range(600)}), 600)
        self.assertEqual(len({network.mac(n) for n in range(600)}), 600)


class Words(unittest.TestCase):
    def test_limits_are_named(self):
        with self.assertRaisesRegex(LabError, "65 hosts asked for; a lab has 1 to 64"):
            Plan(kernel=None, hosts=65)

    def test_a_command_keeps_its_words(self):
        words = ["printf", "%s|", "two words", "$HOME", "it's", ""]
        done = subprocess.run(["bash"], input=session.script(words, [("A", "b c")]), text=True,
                              capture_output=True, check=True)
        self.assertEqual(done.stdout, "two words|$HOME|it's||")

    def test_qemu_status_holds_seven_bits(self):
        self.assertEqual([session.qemu_status_of(n) for n in (0, 7, 127, 128, 137)], [1, 15, 255, 1, 19])

    def test_an_unknown_kernel_is_refused_with_the_names(self):
        done = lab("run", "--no-device", "--kernel", "nonsense", "--", "true", check=125)
        self.assertIn("kernel 'nonsense': say a series (6.1, 6.12, 7.3)", done.stderr)


if __name__ == "__main__":
    unittest.main()
