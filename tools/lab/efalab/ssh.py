# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Passwordless ssh between the guests of a lab, with keys that live and die with it."""

import shutil
import subprocess

from .failure import LabError

SSHD = "/usr/sbin/sshd"
# PAM, reverse look-ups and the default key exchange cost seconds on an emulated CPU, and give nothing here.
SERVER = """HostKey /run/host_key
PermitRootLogin yes
PasswordAuthentication no
UsePAM no
UseDNS no
StrictModes no
PidFile /run/sshd.pid
PermitUserEnvironment yes
KexAlgorithms ecdh-sha2-nistp256
"""
CLIENT = """Host *
    IdentityFile /root/.ssh/id_ecdsa
    IdentitiesOnly yes
    PreferredAuthentications publickey
    KexAlgorithms ecdh-sha2-nistp256
    HostKeyAlgorithms ecdsa-sha2-nistp256
    GSSAPIAuthentication no
    CheckHostIP no
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
    Ciphers aes128-ctr
"""


def _keys(folder):
    """One key for all guests of a lab, made with its first."""
    folder.mkdir()
    for name in ("id_ecdsa", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-C", "lab", "-f", str(folder / name)],
                       check=True, timeout=60, stdin=subprocess.DEVNULL)
    shutil.copy(folder / "id_ecdsa.pub", folder / "authorized_keys")
    (folder / "sshd_config").write_text(SERVER)
    (folder / "config").write_text(CLIENT)


def prepare(lab, vm):
    """Puts keys and configuration into the folder of a guest."""
    if not shutil.which("ssh-keygen") or not shutil.which(SSHD):
        raise LabError("no ssh-keygen or no sshd; scripts/install-deps.sh lab installs openssh-server")
    if not (lab / "ssh").exists():
        _keys(lab / "ssh")
    shutil.copytree(lab / "ssh", vm / "ssh")
