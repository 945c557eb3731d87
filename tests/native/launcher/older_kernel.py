#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs a command on what looks like an older or stricter kernel: chosen system calls fail.

Usage: older_kernel.py RULE... -- COMMAND [ARGUMENT...]

RULE is CALL[:ARGUMENT=VALUE][:ARGUMENT&BITS]=ERRNO, for example
    seccomp=ENOSYS                      the call does not exist
    seccomp:0=2=EOPNOTSUPP              it fails when argument 0 is 2
    seccomp:0=1:1&32=EINVAL             ... when argument 0 is 1 and bit 5 of argument 1 is set
Arguments are compared in their low 32 bits. A seccomp filter does it, so it lasts for everything that
the command starts.
"""
import ctypes
import errno
import os
import platform
import re
import struct
import sys

NUMBERS = {
    "x86_64": {"seccomp": 317, "ioctl": 16, "prctl": 157, "process_vm_readv": 310, "mount": 165,
               "pidfd_open": 434, "memfd_create": 319, "epoll_pwait2": 441, "unshare": 272},
    "aarch64": {"seccomp": 277, "ioctl": 29, "prctl": 167, "process_vm_readv": 270, "mount": 40,
                "pidfd_open": 434, "memfd_create": 279, "epoll_pwait2": 441, "unshare": 97},
}[platform.machine()]

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x45, 0x06
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000
OFFSET_OF_NUMBER, OFFSET_OF_ARGUMENTS = 0, 16


def instruction(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def rule_code(text):
    """One rule: tests that jump past its end where they fail, then the return."""
    what, name = text.rsplit("=", 1)
    call, *conditions = what.split(":")
    tests = [(OFFSET_OF_NUMBER, JUMP_EQUAL, NUMBERS[call])]
    for condition in conditions:
        argument, kind, value = re.fullmatch(r"(\d)([=&])(\w+)", condition).groups()
        tests.append((OFFSET_OF_ARGUMENTS + 8 * int(argument),
                      JUMP_EQUAL if kind == "=" else JUMP_SET, int(value, 0)))
    code = b""
    for index, (offset, test, value) in enumerate(tests):
        past_the_end = 2 * (len(tests) - index - 1) + 1
        code += instruction(LOAD, offset) + instruction(test, value, 0, past_the_end)
    return code + instruction(RETURN, RET_ERRNO | getattr(errno, name))


def install(rules):
    code = b"".join(rule_code(rule) for rule in rules) + instruction(RETURN, RET_ALLOW)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) != 0:
        sys.exit(f"older_kernel.py: prctl: {os.strerror(ctypes.get_errno())}")


def main():
    split = sys.argv.index("--")
    install(sys.argv[1:split])
    os.execvp(sys.argv[split + 1], sys.argv[split + 1:])


if __name__ == "__main__":
    main()
