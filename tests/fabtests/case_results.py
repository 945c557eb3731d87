# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A pytest plugin beside fabtests' own suite: which cases run, in which order, and what became of each.

Options: --cases FILE    only the cases that are named in it, one a line
         --skip FILE     without those named in it
         --record FILE   a line for each case: name, result, seconds, reason; separated by tabs
         --outputs DIR   the whole output of each case that did not pass
         --once          a case takes over the success of an earlier one with the very same commands: several
                         hundred cases differ by a parameter only that their fabric does not use

fabtests starts a client one second after its server. Here it is started when the server listens.
"""
import os
import re
import time

import common

# What programs say when a call fails; the first such line is the reason of a case.
COMPLAINT = re.compile(r"(?i)\berror\b|ret=-|\bfail|abort|assert|mismatch|Traceback|not supported")
LISTENING = "0A"
options = None


def pytest_addoption(parser):
    for name in ("--cases", "--skip", "--record", "--outputs"):
        parser.addoption(name)
    parser.addoption("--once", action="store_true")


def pytest_configure(config):
    global options
    options = config.option
    if options.once:
        Earlier.load()
        common.ClientServerTest.run = run_once


def names_in(path):
    """The case names of a file: the first word of each line that is no comment."""
    with open(path, encoding="utf-8") as lines:
        return {line.split("\t")[0].strip() for line in lines if line.strip() and line[0] != "#"}


def pytest_collection_modifyitems(config, items):
    wanted = names_in(options.cases) if options.cases else None
    unwanted = names_in(options.skip) if options.skip and os.path.exists(options.skip) else set()
    known = {item.nodeid for item in items}
    if wanted and wanted - known:
        raise ValueError(f"fabtests has no case {sorted(wanted - known)[0]}")
    kept = [item for item in items
            if (wanted is None or item.nodeid in wanted) and item.nodeid not in unwanted]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = sorted(kept, key=turn)


def turn(item):
    """Short cases first. The one that uses up all registrations is the last one, as fabtests means it."""
    return ("mr_exhaustion" in item.name, item.get_closest_marker("standard") is not None,
            "1024,1048576" in item.name)


def listens(port):
    """Whether some process listens on this TCP port."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(path, encoding="ascii") as table:
            for line in table.readlines()[1:]:
                words = line.split()
                if words[3] == LISTENING and int(words[1].rsplit(":", 1)[1], 16) == port:
                    return True
    return False


def oob_port():
    """The port over which client and server of a case find each other (conftest.py)."""
    return 9228 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").replace("gw", ""))


class Server:
    """The process that was started last, to see whether it is alive."""

    process = None

    @classmethod
    def start(cls, *arguments, **named):
        cls.process = start_process(*arguments, **named)
        return cls.process


def wait_for_server(_seconds):
    """Returns when the server listens or has ended."""
    end = time.monotonic() + 20
    while Server.process.poll() is None and not listens(oob_port()) and time.monotonic() < end:
        time.sleep(0.02)


start_process = common.Popen
common.Popen = Server.start
common.sleep = wait_for_server


class Earlier:
    """The commands of client and server that have passed, for --once. They outlive this process beside the
    record."""

    passed = set()
    taken_over = False

    @classmethod
    def path(cls):
        return options.record + ".commands"

    @classmethod
    def load(cls):
        if os.path.exists(cls.path()):
            with open(cls.path(), encoding="utf-8") as lines:
                cls.passed = set(lines.read().splitlines())

    @classmethod
    def add(cls, commands):
        cls.passed.add(commands)
        with open(cls.path(), "a", encoding="utf-8") as lines:
            lines.write(commands + "\n")


def run_once(test):
    commands = f"{test._server_command} {test._client_command}"  # pylint: disable=protected-access
    commands = commands.replace(f"-E={oob_port()}", "-E")
    Earlier.taken_over = commands in Earlier.passed
    if not Earlier.taken_over:
        run_test(test)
        Earlier.add(commands)


run_test = common.ClientServerTest.run


def reason_of(report):
    """One line: why a case did not pass."""
    if report.skipped:
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message.splitlines()[0] if crash else str(report.longrepr).splitlines()[-1]
    for line in report.capstdout.splitlines():
        if COMPLAINT.search(line) and "command:" not in line and "warning" not in line.lower():
            return f"{text}; {line.strip()}"
    return text


def pytest_runtest_logreport(report):
    if report.when != "call" and report.passed:
        return
    result = "passed" if report.passed else "skipped" if report.skipped else "failed"
    reason = "" if report.passed else " ".join(reason_of(report).split())[:240]
    if report.passed and Earlier.taken_over:
        reason = "the same commands as an earlier case"
    Earlier.taken_over = False
    if options.record:
        with open(options.record, "a", encoding="utf-8") as record:
            record.write(f"{report.nodeid}\t{result}\t{report.duration:.1f}\t{reason}\n")
    if options.outputs and result == "failed":
        path = os.path.join(options.outputs, re.sub(r"[^\w.-]+", "_", report.nodeid) + ".log")
        with open(path, "w", encoding="utf-8") as output:
            output.write(f"{report.longreprtext}\n{report.capstdout}\n{report.capstderr}\n")
