# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The folder outside git for what is downloaded or expensive to build."""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path


def root():
    return Path(os.environ.get("EFA_CACHE") or Path.home() / ".cache" / "efa-stack")


@contextlib.contextmanager
def locked(path):
    """Only one process at a time works on PATH."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.parent / f".{path.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def building(path):
    """Yields an empty folder that becomes PATH when the block succeeds, or None if PATH is there."""
    if path.exists():
        yield None
        return
    with locked(path):
        if path.exists():  # another process made it while this one waited
            yield None
            return
        new = path.parent / f".{path.name}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        try:
            yield new
            new.rename(path)
        finally:
            shutil.rmtree(new, ignore_errors=True)
