# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""QEMU of the newest Debian, extracted into the cache and run with its own libraries (spec lab 1)."""

import subprocess

from . import cache
from .archive import NEWEST_VIEW, Archive
from .failure import LabError


def folder():
    return cache.root() / "qemu" / "root"


def setup():
    with cache.building(folder()) as new:
        if new is None:
            return
        # Packages of a merged-/usr release expect these links to be there.
        for name in ("bin", "sbin", "lib", "lib64"):
            (new / "usr" / name).mkdir(parents=True, exist_ok=True)
            (new / name).symlink_to(f"usr/{name}")
        Archive(NEWEST_VIEW).unpack_closure("QEMU", ["qemu-system-x86"], new)
        version = subprocess.run([*command(new), "--version"], capture_output=True, text=True, timeout=60,
                                 check=False)
        if version.returncode != 0:
            raise LabError(f"the extracted QEMU does not run: {version.stderr.strip()}")
        (new / "version").write_text(version.stdout.splitlines()[0] + "\n")


def command(root=None):
    """The words that start QEMU; the caller adds the machine."""
    root = root or folder()
    libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
    return [str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries),
            str(root / "usr" / "bin" / "qemu-system-x86_64"),
            "-L", str(root / "usr" / "share" / "qemu"), "-L", str(root / "usr" / "share" / "seabios")]


def version():
    return (folder() / "version").read_text().strip()
