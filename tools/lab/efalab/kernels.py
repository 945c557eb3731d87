# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Kernels: found in Debian's archive by pattern, unpacked into the cache, never installed."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import cache, vmlinux
from .archive import NEWEST_VIEW, STABLE_VIEW, Archive
from .failure import LabError

DEFAULT = "6.1"
NEWEST = "newest"
KNOWN = ("6.1", "6.12", NEWEST)


@dataclass(frozen=True)
class Kernel:
    """A kernel that can be booted: an ELF image and its modules."""

    version: str
    image: Path
    modules: Path  # lib/modules/VERSION

    @property
    def slow(self):
        """Kernels with sanitizers need about seven times the time (spec lab 5)."""
        return (self.modules / "debug").exists() or "debug" in self.version


def folder():
    return cache.root() / "kernels"


def _newest(versions):
    return max(versions, key=lambda v: [int(n) for n in re.findall(r"\d+", v)], default=None)


def split(name):
    """(series, flavour) of a name such as 6.1, newest or 6.12-cloud; the flavour ends package names."""
    series, _, flavour = name.partition("-")
    if not re.fullmatch(r"\d+\.\d+|newest", series) or flavour not in ("", "cloud"):
        raise LabError(f"kernel '{name}': say a series (6.1, 6.12, 7.3), newest, these with -cloud for builds, "
                       "debug, or a folder with vmlinux and lib/modules/VERSION")
    return series, f"{flavour}-amd64" if flavour else "amd64"


def search(name):
    """The version (6.1.0-56-amd64) of the newest kernel that NAME (6.1, 6.12-cloud, newest) stands for.

    Only kernels with header packages count: others cannot have modules built for them.
    """
    series, flavour = split(name)
    stem = r"\d+\.\d+" if series == NEWEST else re.escape(series)
    pattern = rf"linux-headers-({stem}\.\d+[-+][a-z0-9]+)-{flavour}"
    for view in (NEWEST_VIEW,) if series == NEWEST else (STABLE_VIEW, NEWEST_VIEW):
        found = [re.fullmatch(pattern, package).group(1) for package in Archive(view).names(pattern)]
        if found:
            return f"{_newest(found)}-{flavour}"
    raise LabError(f"Debian's archive has no kernel {name} with headers; "
                   f"names are {', '.join(KNOWN)} or a series such as 7.3, "
                   "and older series of backports go away: try 'newest'")


def pin(name):
    """Remembers which version NAME stands for, until 'lab setup --update'."""
    return folder() / f"{name}.version"


def resolve(name, update=False):
    """The version (6.1.0-56-amd64) that NAME stands for."""
    file = pin(name)
    if file.exists() and not update:
        return file.read_text().strip()
    version = search(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(version + "\n")
    return version


def archive_of(version):
    """Where a version comes from is written in it: +deb13 is built for the newer release."""
    return Archive(NEWEST_VIEW if "+deb13" in version else STABLE_VIEW)


def bootable(name):
    """Debian's cloud flavours have no 9p, so they are for builds only (spec lab 2)."""
    return split(name)[1] == "amd64"


def setup(name):
    """A kernel of Debian's, downloaded if need be."""
    version = resolve(name)
    place = folder() / version
    with cache.building(place) as new:
        if new is not None:
            _fetch(name, version, new)
    modules = place / "lib" / "modules" / version
    _link_headers(version, modules)
    return Kernel(version, place / "vmlinux", modules)


def headers(version):
    """Where headers.py puts what modules are built with."""
    return cache.root() / "headers" / version / "usr" / "src" / f"linux-headers-{version}"


def _link_headers(version, modules):
    """lib/modules/VERSION/build, for DKMS in guests; leads nowhere until the headers are fetched."""
    link, target = modules / "build", str(headers(version))
    if link.is_symlink() and os.readlink(link) == target:
        return
    with cache.locked(link):
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _fetch(name, version, new):
    archive = archive_of(version)
    # From 7.2 on the image package is empty and depends on these three (spec lab 4).
    packages = archive.names(rf"linux-(base|binary|modules)-{re.escape(version)}")
    tree = new / "tree"
    tree.mkdir()
    archive.unpack(f"kernel {name} ({version})", packages if len(packages) == 3 else [f"linux-image-{version}"],
                   tree)
    image = next(tree.rglob("vmlinuz*"), None)
    if image is None:
        raise LabError(f"the packages of kernel {version} hold no vmlinuz")
    (new / "vmlinux").write_bytes(vmlinux.cut_out(image))
    # Packages have them in /lib, in /usr/lib, or spread over several.
    modules = new / "lib" / "modules" / version
    for part in list(tree.rglob(f"lib/modules/{version}")):
        shutil.copytree(part, modules, symlinks=True, dirs_exist_ok=True)
    if not (modules / "modules.builtin").exists():
        raise LabError(f"the packages of kernel {version} hold no modules")
    for config in tree.rglob(f"config-{version}"):
        config.rename(new / "config")
    shutil.rmtree(tree)
    depmod(new, version)


def depmod(base, version):
    done = subprocess.run(["depmod", "-b", str(base), version], capture_output=True, text=True, timeout=300,
                          check=False)
    if done.returncode != 0:
        raise LabError(f"depmod of {version} failed: {done.stderr.strip()}")


def debug_folder():
    """Where scripts that build the debug kernel put it: vmlinux and lib/modules/VERSION."""
    return cache.root() / "debug-kernel" / "current"


def of_folder(path):
    """A kernel that somebody built: a folder with vmlinux and lib/modules/VERSION."""
    path = Path(path).resolve()
    modules = sorted((path / "lib" / "modules").glob("*/modules.dep"))
    if not (path / "vmlinux").exists() or len(modules) != 1:
        raise LabError(f"{path} is no kernel: it needs the file vmlinux and exactly one lib/modules/VERSION "
                       "with modules.dep (make INSTALL_MOD_PATH=... modules_install; depmod)")
    return Kernel(modules[0].parent.name, path / "vmlinux", modules[0].parent)


def find(name):
    """The kernel that '--kernel NAME' means: a series, newest, debug, or a folder."""
    if name == "debug":
        if not debug_folder().exists():
            raise LabError(f"the debug kernel is not built; tools/lab/build-kernel.sh debug builds it")
        return of_folder(debug_folder())
    if os.sep in name:
        return of_folder(name)
    if not bootable(name):
        raise LabError(f"kernel {name} is for builds only: Debian's cloud flavours have no 9p")
    return setup(name)


def listing():
    """(name, version, state) of every kernel known here."""
    rows = []
    for file in sorted(folder().glob("*.version")):
        version = file.read_text().strip()
        rows.append((file.name.removesuffix(".version"), version,
                     "ready" if (folder() / version).exists() else "not downloaded"))
    names = [row[0] for row in rows]
    rows += [(name, "-", "not downloaded") for name in KNOWN if name not in names]
    debug = debug_folder()
    rows.append(("debug", of_folder(debug).version if debug.exists() else "-",
                 "ready" if debug.exists() else "not built"))
    return rows
