# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What the lab says when it cannot do what it was asked for."""

# Exit statuses of the lab itself; those of commands in guests are passed on.
KERNEL_COMPLAINED = 123
TIMED_OUT = 124  # as timeout(1)
LAB_FAILED = 125  # as env(1), timeout(1)


class LabError(Exception):
    """Names the thing, its value and the cure; becomes one line on stderr."""

    def __init__(self, message, status=LAB_FAILED):
        super().__init__(message)
        self.status = status


def say(message):
    """A line of progress; stdout belongs to the commands in the guests."""
    import sys

    print(f"lab: {message}", file=sys.stderr, flush=True)
