# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Debian's archive, seen with an apt configuration of our own; the machine's stays as it is."""

import re
import shutil
import subprocess
import time
from pathlib import Path

from . import cache
from .failure import LabError, say

# What the lab takes from where. The newest release brings QEMU and the newest kernels.
STABLE_VIEW = ("bookworm", ("bookworm", "bookworm-security"))
NEWEST_VIEW = ("trixie", ("trixie", "trixie-backports"))
LISTS_GOOD_FOR = 12 * 3600  # seconds


def _mirrors():
    """The mirrors that this machine uses for its own release also carry the others."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True, text=True, timeout=60, check=False).stdout
    main = [line.split()[0].rstrip("/") for line in listing.splitlines() if line.endswith(" main")]
    debian = next((uri for uri in main if uri.endswith("/debian")), None)
    if debian is None:
        raise LabError("no Debian mirror in the apt sources; add one and run apt-get update")
    security = next((uri for uri in main if uri.endswith("/debian-security")), f"{debian}-security")
    return debian, security


class Archive:
    """Some suites of the archive, as if nothing were installed."""

    def __init__(self, view):
        self.name, self.suites = view
        self.folder = cache.root() / "apt" / f"lab-{self.name}"

    def _options(self):
        folder = self.folder
        return ["-o", f"Dir::Etc::sourcelist={folder}/sources.list",
                "-o", "Dir::Etc::sourceparts=/dev/null",
                "-o", "Dir::Etc::preferencesparts=/dev/null",
                "-o", f"Dir::State::lists={folder}/lists",
                "-o", f"Dir::Cache={folder}/cache",
                "-o", "Dir::State::status=/dev/null",
                "-o", "Acquire::Languages=none",
                "-o", "Acquire::Retries=3",
                "-o", "APT::Install-Recommends=0",
                "-o", "APT::Sandbox::User=root"]

    def _run(self, program, *arguments, cwd=None, limit=1800):
        done = subprocess.run([program, *self._options(), *arguments], cwd=cwd, text=True,
                              capture_output=True, timeout=limit, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise LabError(f"{program} {' '.join(arguments)} ({self.name}): {done.stderr.strip()}")
        return done.stdout

    def refresh(self, force=False):
        """Brings the package lists unless they are of today."""
        stamp = self.folder / "updated"
        if not force and stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_GOOD_FOR:
            return
        with cache.locked(self.folder):
            (self.folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
            (self.folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
            debian, security = _mirrors()
            lines = [f"deb {security if suite.endswith('-security') else debian} {suite} main"
                     for suite in self.suites]
            (self.folder / "sources.list").write_text("\n".join(lines) + "\n")
            say(f"package lists of {', '.join(self.suites)} (about 10 MB)")
            self._run("apt-get", "-qq", "update")
            stamp.touch()

    def names(self, pattern):
        """The packages whose whole name matches the regular expression."""
        self.refresh()
        prefix = re.match(r"[a-z0-9-]*", pattern).group()
        return [name for name in self._run("apt-cache", "pkgnames", prefix).split()
                if re.fullmatch(pattern, name)]

    def _announce(self, what, uris):
        size = sum(int(line.split()[2]) for line in uris.splitlines() if line.startswith("'"))
        say(f"{what}: downloading {size / 1e6:.0f} MB from Debian")

    def unpack(self, what, packages, into):
        """Downloads exactly these packages and unpacks them into a folder."""
        self.refresh()
        with cache.locked(self.folder):
            self._announce(what, self._run("apt-get", "-qq", "--print-uris", "download", *packages))
            store = Path(into) / ".debs"
            store.mkdir()
            self._run("apt-get", "-qq", "download", *packages, cwd=store)
        _unpack_all(store, into)

    def unpack_closure(self, what, packages, into):
        """The same with everything that the packages depend on."""
        self.refresh()
        with cache.locked(self.folder):
            select = ["-qq", "-t", self.suites[-1], "--yes", "install", *packages]
            self._announce(what, self._run("apt-get", "--print-uris", *select))
            store = Path(into) / ".debs"
            (store / "partial").mkdir(parents=True)
            self._run("apt-get", "-o", f"Dir::Cache::archives={store}/", "--download-only", *select)
        _unpack_all(store, into)


def _unpack_all(store, into):
    for package in sorted(store.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(into)], check=True, timeout=600)
    shutil.rmtree(store)
