#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Usage: abi_check.py BUILD RELEASE:INCLUDE...

Compares the private interface of libibverbs as libefa declares it with the real headers, below INCLUDE, of
each rdma-core RELEASE (56, 65). Programs are built in BUILD. The sources of release 44 are out of reach: what
is declared for it is asserted in ibverbs_abi.hpp, and proven by all tests that run over it."""

import os
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
OUR_FOLDERS = ["-I" + os.path.join(TOP, folder) for folder in ("userspace/src", "kernel/hw", "kernel/uapi")]


def output_of(build, name, command):
    """What the program says that `command` and the name of its output build."""
    program = os.path.join(build, name)
    result = subprocess.run(command + ["-o", program], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{result.stderr}\nabi_check: {shlex.join(command)} failed; see the assertion above")
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()


def real(build, release, include):
    return output_of(build, f"abi_real_{release}", [
        os.environ.get("CC", "cc"), "-std=gnu11", "-isystem", include, f"-DEFA_IBVERBS_RELEASE={release}",
        os.path.join(HERE, "real.c")])


def ours(build, release, include):
    return output_of(build, f"abi_ours_{release}", [
        os.environ.get("CXX", "c++"), "-std=c++20", "-Wno-invalid-offsetof", "-isystem", include, *OUR_FOLDERS,
        f"-DEFA_IBVERBS_RELEASE={release}", os.path.join(HERE, "ours.cpp")])


def differences(theirs, own):
    theirs, own = set(theirs), set(own)
    return [f"  rdma-core: {line}" for line in sorted(theirs - own)] + \
           [f"  libefa:    {line}" for line in sorted(own - theirs)]


def main(build, pairs):
    os.makedirs(build, exist_ok=True)
    found = {}
    failed = False
    for release, include in pairs:
        if not os.path.exists(os.path.join(include, "infiniband/driver.h")):
            sys.exit(f"abi_check: {include} has no private headers; scripts/test-provider-releases.sh build "
                     "gets them")
        found[release] = real(build, release, include)
        wrong = differences(found[release], ours(build, release, include))
        failed |= bool(wrong)
        print(f"rdma-core {release}: {len(found[release])} facts and signatures, {len(wrong)} differences")
        print(*wrong, sep="\n", end="\n" if wrong else "")
    # Releases differ, and this has to see it.
    if len(found) > 1 and not differences(*list(found.values())[:2]):
        sys.exit("abi_check: two releases look the same, so the comparison sees nothing")
    print("rdma-core 44: no source in reach; asserted at compile time, proven by running over it")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], [argument.split(":", 1) for argument in sys.argv[2:]]))
