# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What it takes to build modules: kernel headers in the cache, and a build root for kernels of a newer Debian."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import cache, kernels
from .archive import NEWEST_VIEW, Archive
from .failure import LabError

# For kernels whose compiler and tools are those of the next release (spec lab 4).
BUILD_ROOT_PACKAGES = ("usr-is-merged", "base-files", "dash", "bash", "coreutils", "sed", "grep", "mawk",
                       "findutils", "make", "gcc", "gcc-14", "binutils", "libc6-dev", "kmod", "diffutils",
                       "tar", "gzip", "xz-utils", "perl-base", "pahole", "libelf1t64", "libssl3t64",
                       "zlib1g")
# Folders at the top that a build root has of its own; all others are the host's.
OWN_FOLDERS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc")


def needs_build_root(version):
    """The host is Debian 12; what was built for 13 wants its libc and compiler."""
    return "+deb13" in version


def setup(name):
    """(version, KDIR) for --kernel NAME; KDIR is what 'make -C' gets."""
    if name == "debug" or os.sep in name:
        return _of_folder(name)
    version = kernels.resolve(name)
    place = cache.root() / "headers" / version
    with cache.building(place) as new:
        if new is not None:
            _fetch(name, version, new, place)
    if needs_build_root(version):
        setup_build_root()
    return version, kernels.headers(version)


def _of_folder(name):
    folder = kernels.debug_folder() if name == "debug" else Path(name).resolve()
    kernel = kernels.find(str(folder) if folder.exists() else name)
    for tree in (folder / "kdir", kernel.modules / "build"):
        if (tree / "Makefile").exists():
            return kernel.version, tree.resolve()
    raise LabError(f"{folder} has nothing to build modules with: neither kdir nor lib/modules/{kernel.version}/build")


def _fetch(name, version, new, place):
    flavour = re.search(r"-((cloud-)?amd64)$", version).group()
    stem = version.removesuffix(flavour)
    archive = kernels.archive_of(version)
    # 6.1 has one kbuild package for its whole life, later series one for each version.
    kbuild = archive.names(rf"linux-kbuild-({re.escape(stem)}|{re.escape('.'.join(version.split('.')[:2]))})")
    archive.unpack(f"headers of kernel {name} ({version})",
                   [f"linux-headers-{version}", f"linux-headers-{stem}-common", max(kbuild, key=len)], new)
    tree = new / "usr" / "src" / f"linux-headers-{version}"
    # The only absolute paths: here the flavour's Makefile finds the common one (and itself).
    makefile = tree / "Makefile"
    makefile.write_text(re.sub("(?<![^ =])/usr/src", f"{place}/usr/src", makefile.read_text()))
    # Type information for BPF, which would want pahole at every build of a module.
    (tree / "vmlinux").unlink(missing_ok=True)
    _complete(tree / "scripts")


# Asked for by the 7.3 Makefile when C=1 or C=2, and missing in Debian's package. Says 1 if the checker
# copes with these headers, which sparse 0.6.4 of Debian 13 does not; the Makefile then warns and goes on.
CHECKER_VALID = """#!/bin/sh
probe=$(mktemp --suffix=.c) || exit
echo 'static const int a; static __typeof_unqual__(a) b;' >"$probe"
[ -z "$("$@" "$probe" 2>&1)" ] && echo 1
rm -f "$probe"
"""


def _complete(scripts):
    script = scripts.resolve() / "checker-valid.sh"
    if not script.exists():
        script.write_text(CHECKER_VALID)
        script.chmod(0o755)


def build_root():
    identity = hashlib.sha256(" ".join(BUILD_ROOT_PACKAGES).encode()).hexdigest()[:8]
    return cache.root() / "build-root" / f"{NEWEST_VIEW[0]}-{identity}"


def setup_build_root():
    with cache.building(build_root()) as new:
        if new is None:
            return
        for name in ("bin", "sbin", "lib", "lib64"):
            (new / "usr" / name).mkdir(parents=True, exist_ok=True)
            (new / name).symlink_to(f"usr/{name}")
        Archive(NEWEST_VIEW).unpack_closure("build root", BUILD_ROOT_PACKAGES, new)
        # Nothing is configured in this root, so there are no alternatives (spec lab 1).
        (new / "usr" / "bin" / "awk").symlink_to("mawk")


ENTER = """set -e
root=$1 folder=$2
shift 2
for top in /*; do
	[ -d "$top" ] && [ ! -L "$top" ] || continue
	case " $OWN " in *" ${top#/} "*) continue ;; esac
	mkdir -p "$root$top"
	mount --rbind "$top" "$root$top"
done
exec chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
"""


def inside(version, command):
    """COMMAND (words), changed so that it runs where modules for this kernel can be built."""
    if not needs_build_root(version):
        return list(command)
    # A mount namespace of its own: the binds end with the command. objtool reads /proc (spec lab 4).
    rootless = [] if os.getuid() == 0 else ["--map-root-user"]
    return ["unshare", *rootless, "--mount", "--propagation", "private", "env", f"OWN={' '.join(OWN_FOLDERS)}",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", ENTER, "enter", str(build_root()), os.getcwd(),
            *command]


def make_command(name, source, arguments=()):
    """The words that build the module in folder SOURCE for a kernel."""
    source = Path(source).resolve()
    if not any((source / file).exists() for file in ("Kbuild", "Makefile")):
        raise LabError(f"{source} has neither Kbuild nor Makefile: no module to build")
    if not shutil.which("make"):
        raise LabError("no make; scripts/install-deps.sh build installs it")
    version, tree = setup(name)
    return inside(version, ["make", "-C", str(tree), f"M={source}", *arguments])


def make(name, source, arguments=()):
    return subprocess.run(make_command(name, source, arguments), check=False).returncode
