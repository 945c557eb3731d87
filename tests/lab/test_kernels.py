#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Modules are built for every kernel that the lab knows, and load where it boots."""

import os
import unittest

from guests import LabTest, lab

from efalab import kernels

BOOTED = ("6.1", "6.12", kernels.NEWEST)
BUILT = (*BOOTED, *(f"{name}-cloud" for name in BOOTED))
SOURCE = """// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <linux/module.h>
#include <linux/utsname.h>
#include <rdma/ib_verbs.h>

static int __init probe_init(void)
{
	pr_info("labtest on %s: %s\\n", utsname()->release, ib_event_msg(IB_EVENT_CQ_ERR));
	return 0;
}

static void __exit probe_exit(void)
{
}

module_init(probe_init);
module_exit(probe_exit);
MODULE_DESCRIPTION("Test of the lab");
MODULE_LICENSE("Dual BSD/GPL");
"""


class Kernels(LabTest):
    def build(self, name):
        (self.folder / "labtest.c").write_text(SOURCE)
        (self.folder / "Kbuild").write_text("obj-m := labtest.o\n")
        done = lab("build-module", "--kernel", name, str(self.folder), "W=1", check=0)
        self.assertNotIn("warning", (done.stdout + done.stderr).lower())
        return self.folder / "labtest.ko"

    def test_modules_are_built_without_warnings(self):
        for name in BUILT:
            with self.subTest(name):
                module = self.build(name)
                self.assertIn(f"vermagic={kernels.resolve(name)} ".encode(), module.read_bytes())
                module.unlink()

    def test_they_load_with_what_they_need(self):
        for name in BOOTED:
            with self.subTest(name):
                module = self.build(name)
                done = lab("run", "--no-device", "--kernel", name, "--module", str(module), "--",
                           "sh", "-c", "dmesg | grep labtest", check=0)
                self.assertIn(f"labtest on {kernels.resolve(name)}: CQ error", done.stdout)

    def test_the_tree_for_make_is_printed(self):
        tree = lab("kernel-build-dir", "6.1", check=0).stdout.strip()
        self.assertTrue(tree.endswith(f"linux-headers-{kernels.resolve('6.1')}"), tree)

    def test_the_build_environment_names_tree_and_version(self):
        for name in ("6.1", kernels.NEWEST):
            done = lab("build-env", "--kernel", name, "--", "sh", "-c",
                       'echo "$KDIR" "$KVERSION"; test -e "$KDIR/Makefile"', check=0)
            version = kernels.resolve(name)
            self.assertEqual(done.stdout.split(), [str(kernels.headers(version)), version])

    def test_a_layer_has_what_was_installed_and_the_host_does_not(self):
        module, layer = self.build("6.1"), str(self.folder / "layer")
        lab("install", "--into", layer, "--", "sh", "-ec",
            f"cp {module} /usr/lib/modules/$KVERSION/; depmod $KVERSION; echo 1 >/usr/labtest-one", check=0)
        lab("install", "--into", layer, "--", "cp", "/usr/labtest-one", "/etc/labtest-two", check=0)
        self.assertFalse(os.path.exists("/usr/labtest-one"))
        done = lab("run", "--no-device", "--layer", layer, "--", "sh", "-ec",
                   "modprobe labtest; cat /usr/labtest-one /etc/labtest-two", check=0)
        self.assertEqual(done.stdout, "1\n1\n")

    def test_the_status_of_an_installation_comes_back(self):
        lab("install", "--into", str(self.folder / "layer"), "--", "sh", "-c", "exit 9", check=9)

    def test_kernels_without_9p_are_refused_for_guests(self):
        done = lab("run", "--no-device", "--kernel", "6.1-cloud", "--", "true", check=125)
        self.assertIn("6.1-cloud is for builds only", done.stderr)


if __name__ == "__main__":
    unittest.main()
