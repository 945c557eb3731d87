#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""libefa works with the libibverbs that it is built for, and with no other one (spec verbs F3, B5).

Environment: EFA_EMU, EFA_DEVICE_LIST (device_list.c, built), EFA_LIBEFA44, EFA_LIBEFA56 (folders of our
library, built for these releases), EFA_IBVERBS56 (folder of libibverbs 56)."""

import glob
import os
import subprocess
import tempfile
import unittest

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))


def libibverbs_without_drivers(source, folder):
    """A copy of libibverbs 56 in `folder` that finds no driver files, so that no other provider comes in."""
    [path] = glob.glob(os.path.join(source, "libibverbs.so.1.*.56.*"))
    with open(path, "rb") as file:
        image = file.read()
    assert b"/libibverbs.d\0" in image
    copy = os.path.join(folder, os.path.basename(path))
    with open(copy, "wb") as file:  # the other name is as long
        file.write(image.replace(b"/libibverbs.d\0", b"/no-drivers.d\0"))
    os.symlink(os.path.basename(path), os.path.join(folder, "libibverbs.so.1"))


class GuardTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        libibverbs_without_drivers(os.environ["EFA_IBVERBS56"], self.folder)

    def devices(self, libefa):
        command = ["env", f"LD_LIBRARY_PATH={libefa}:{self.folder}", f"LD_PRELOAD={libefa}/libefa.so.1"]
        return subprocess.run([os.environ["EFA_EMU"], "run", "--", *command, os.environ["EFA_DEVICE_LIST"]],
                              capture_output=True, text=True, timeout=120)

    def test_the_build_for_56_offers_devices_with_56(self):
        result = self.devices(os.environ["EFA_LIBEFA56"])
        self.assertEqual(result.stdout, "1 devices\n", result.stderr)
        self.assertNotIn("libefa:", result.stderr)

    def test_the_build_for_44_refuses_56_with_a_sentence(self):
        result = self.devices(os.environ["EFA_LIBEFA44"])
        self.assertEqual(result.stdout, "0 devices\n", result.stderr)
        self.assertIn("libefa: this build is for libibverbs of rdma-core 44, but the process has ",
                      result.stderr)
        self.assertIn(".56.", result.stderr)
        self.assertIn("Install the libefa that belongs to it", result.stderr)


class UnknownReleaseTest(unittest.TestCase):
    def test_configuring_stops_with_a_sentence(self):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(
                ["cmake", "-S", TOP, "-B", folder, "-DEFA_IBVERBS_RELEASE=57", "-DEFA_IBVERBS_ROOT=/nowhere",
                 "-DEFA_EMULATOR=OFF", "-DBUILD_TESTING=OFF"], capture_output=True, text=True, timeout=300)
        self.assertNotEqual(result.returncode, 0)
        text = " ".join(result.stderr.split())
        self.assertIn("libibverbs of rdma-core '57' is unknown; builds are for 44, 56 and 65", text)
        self.assertIn("userspace/src/ibverbs_abi.hpp", text)

    def compile(self, *options):
        return subprocess.run(
            ["c++", "-std=c++20", "-fsyntax-only", "-x", "c++", *options,
             os.path.join(TOP, "userspace/src/ibverbs_abi.hpp")], capture_output=True, text=True, timeout=300)

    def test_compiling_stops_with_a_sentence(self):
        result = self.compile("-DEFA_IBVERBS_RELEASE=57")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("unknown rdma-core release: the private interface is described for 44, 56 and 65",
                      result.stderr)
        result = self.compile()
        self.assertIn("EFA_IBVERBS_RELEASE must say which rdma-core this is built for", result.stderr)

    def test_compiling_for_another_release_than_the_headers_stops(self):
        result = self.compile("-DEFA_IBVERBS_RELEASE=65")  # the machine's headers are those of 44
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("static assertion failed", result.stderr)


if __name__ == "__main__":
    unittest.main()
