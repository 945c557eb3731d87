# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The first file system of a guest: a static busybox, the modules that reach the real root, one script."""

import hashlib
import lzma
import shutil
import subprocess
from pathlib import Path

from . import cache
from .failure import LabError

# What the guest needs before its root file system and its agent's port are there.
WANTED = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console", "virtio_net")
INIT = Path(__file__).resolve().parent.parent / "guest" / "init"


def _by_name(kernel, file):
    """module name -> (path, paths of what it needs), from modules.dep or modules.builtin."""
    table = {}
    for line in (kernel.modules / file).read_text().splitlines():
        path, _, needs = line.partition(":")
        name = Path(path).name.split(".ko")[0].replace("-", "_")
        table[name] = (path, needs.split())
    return table


def module_files(kernel, wanted=WANTED):
    """The files to load, in an order that satisfies their dependencies; what is built in needs none."""
    loadable, builtin = _by_name(kernel, "modules.dep"), _by_name(kernel, "modules.builtin")
    files = []
    for name in wanted:
        if name in builtin:
            continue
        if name not in loadable:
            raise LabError(f"kernel {kernel.version} has no module {name}; the lab needs {', '.join(WANTED)} "
                           "(Debian's cloud flavours have no 9p and cannot be booted here)")
        path, needs = loadable[name]
        files += [file for file in [*reversed(needs), path] if file not in files]
    return files


def _unpacked(file):
    """busybox loads plain modules only."""
    if file.suffix == ".xz":
        return lzma.decompress(file.read_bytes())
    if file.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", str(file)], stdout=subprocess.PIPE, check=True,
                              timeout=60).stdout
    return file.read_bytes()


class Cpio:
    """An archive in the format that the kernel unpacks ("newc"); needs neither cpio(1) nor root."""

    DIRECTORY, FILE, DEVICE = 0o040000, 0o100000, 0o020000

    def __init__(self):
        self.data, self.count = bytearray(), 0

    def add(self, name, mode, content=b"", device=(0, 0)):
        self.count += 1
        fields = (self.count, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
        self.data += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        self._pad()
        self.data += content
        self._pad()

    def _pad(self):
        self.data += bytes(-len(self.data) % 4)

    def finish(self):
        self.add("TRAILER!!!", 0)
        return bytes(self.data)


def _busybox():
    path = shutil.which("busybox")
    if path is None:
        raise LabError("no busybox; scripts/install-deps.sh lab installs busybox-static")
    data = Path(path).read_bytes()
    if b"/ld-linux" in data[:4096]:
        raise LabError(f"{path} is dynamically linked; scripts/install-deps.sh lab installs busybox-static")
    return data


def build(kernel):
    """The path of the initramfs for a kernel, made if need be."""
    files = [kernel.modules / file for file in module_files(kernel)]
    identity = hashlib.sha256(INIT.read_bytes() + str((kernel.version, kernel.modules)).encode())
    for file in files:
        identity.update(f"{file} {file.stat().st_mtime_ns}".encode())
    place = cache.root() / "initramfs" / f"{kernel.version}-{identity.hexdigest()[:12]}.cpio"
    if place.exists():
        return place
    content = _content(files)
    with cache.locked(place):
        new = place.with_suffix(".new")
        new.write_bytes(content)
        new.rename(place)
    return place


def _content(files):
    archive = Cpio()
    for folder in ("bin", "dev", "proc", "sys", "modules", "vm", "lower", "overlay", "root"):
        archive.add(folder, Cpio.DIRECTORY | 0o755)
    archive.add("dev/console", Cpio.DEVICE | 0o600, device=(5, 1))
    archive.add("bin/busybox", Cpio.FILE | 0o755, _busybox())
    archive.add("init", Cpio.FILE | 0o755, INIT.read_bytes())
    names = []
    for file in files:
        names.append(file.name.split(".ko")[0] + ".ko")
        archive.add(f"modules/{names[-1]}", Cpio.FILE | 0o644, _unpacked(file))
    archive.add("modules/order", Cpio.FILE | 0o644, "".join(f"{name}\n" for name in names).encode())
    return archive.finish()
