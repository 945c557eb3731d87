# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Software that is installed for guests without touching the host: at the host's speed, in a layer of files.

A command (apt, dpkg, dkms, make install) runs on a copy-on-write view of the host's root in which the
kernel of the guests is installed. What it changes is kept in a folder, and guests start with it.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import headers
from .failure import LabError
from .kernels import find

# Changes below these are the layer's; all other folders at the top are the host's own.
LAYERED = (*headers.OWN_FOLDERS, "var", "opt", "boot", "srv")

# Layers of one overlay may not lie in each other, hence the tmpfs. $1 its mount point, $2 the kernel's
# modules, $3 its version, $4 the working folder, $5 where the changes go; then the command.
ENTER = """set -e
space=$1 modules=$2 version=$3 folder=$4 layer=$5
shift 5
mount -t tmpfs -o mode=755 layer "$space"
cd "$space"
mkdir upper work root modules-upper modules-work
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
[ ! -e "$layer/root" ] || cp -a "$layer/root/." root
mkdir -p "root/usr/lib/modules/$version"
mount -t overlay -o "lowerdir=$modules,upperdir=modules-upper,workdir=modules-work" \\
	overlay "root/usr/lib/modules/$version"
[ ! -e "$layer/modules" ] || cp -a "$layer/modules/." "root/usr/lib/modules/$version"
for top in /*; do
	[ -d "$top" ] && [ ! -L "$top" ] || continue
	case " $LAYERED " in *" ${top#/} "*) continue ;; esac
	mount --rbind "$top" "root$top"
done
status=0
chroot root /bin/sh -c 'cd "$0" && exec "$@"' "$folder" "$@" || status=$?
# A deleted file is a device 0:0 here; guests only get what is new or changed.
find upper modules-upper -type c -delete
rm -rf "$layer/root" "$layer/modules"
mkdir -p "$layer"
cp -a upper "$layer/root"
cp -a modules-upper "$layer/modules"
exit $status
"""


def install(name, folder, command):
    """Runs COMMAND as if the kernel were installed; its changes go to FOLDER. Returns its status."""
    if os.getuid() != 0:
        raise LabError("'lab install' mounts file systems: only root can do that")
    version, _ = headers.setup(name)
    if headers.needs_build_root(version):
        raise LabError(f"modules of kernel {name} are not built with this machine's compiler: use "
                       "'lab build-module' and 'lab run --module'")
    kernel = find(name)
    folder = Path(folder).resolve()
    if folder.parts[1] in LAYERED:
        raise LabError(f"{folder} lies in a folder that is layered itself; choose one below /tmp or /home")
    space = tempfile.mkdtemp(prefix="lab-layer-")
    try:
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "env", f"LAYERED={' '.join(LAYERED)}",
             f"KVERSION={kernel.version}", "sh", "-c", ENTER, "enter", space, str(kernel.modules),
             kernel.version, os.getcwd(), str(folder), *command], check=False).returncode
    finally:
        shutil.rmtree(space, ignore_errors=True)
