#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs the efa part of fabtests 2.1 on two emulated hosts and records the result of each case.

scripts/fabtests.sh builds what is needed, sets the environment and starts this. By hand:

    run_suite.py --fabtests DIR --folder DIR [--cases FILE] [-k EXPRESSION] [--resume]

Below the folder: results.txt (case, result, seconds, reason) and outputs/ of what failed. The last line that
is printed is 'N passed, N failed, N skipped'.
"""
import argparse
import collections
import os
import random
import shutil
import signal
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FIRST_PORT = 9228  # conftest.py of fabtests
HOST_MEMORY = "not cuda_memory and not neuron_memory"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fabtests", required=True, help="where fabtests 2.1 is installed")
    parser.add_argument("--folder", required=True, help="for results")
    parser.add_argument("--cases", help="file with the names of the cases to run (default: all of host memory)")
    parser.add_argument("-k", dest="expression", help="only cases whose name matches, as in pytest")
    parser.add_argument("--resume", action="store_true", help="without the cases that have a result already")
    parser.add_argument("--once", action="store_true", help="the same commands run once, not for each case")
    parser.add_argument("--case-timeout", type=int, default=120, help="seconds for each program (120)")
    parser.add_argument("--generation", default="efa2", help="device generation (efa2)")
    parser.add_argument("--emulator-option", action="append", default=[], help="for efa-emu run, such as --loss=1%%")
    return parser.parse_args()


def worker_with_free_port():
    """fabtests takes its TCP port from the number of a pytest worker: one whose port nobody uses."""
    while True:
        number = random.randrange(1, 20000)
        with socket.socket() as probe:
            try:
                probe.bind(("", FIRST_PORT + number))
                return f"gw{number}"
            except OSError:
                pass


def pytest_command(arguments, record, outputs):
    command = [
        "/usr/bin/python3", "-B", "-m", "pytest", "efa", "-p", "case_results", "-p", "no:cacheprovider", "-q",
        "-m", HOST_MEMORY, "--tb=no", "--provider=efa", "--server-id=host0", "--client-id=host1",
        "--oob-address-exchange", f"--timeout={arguments.case_timeout}",
        f"--binpath={arguments.fabtests}/bin",
        f"--exclusion-file={arguments.fabtests}/share/fabtests/test_configs/efa/efa.exclude",
        f"--record={record}", f"--outputs={outputs}",
    ]
    if arguments.cases:
        command.append(f"--cases={os.path.abspath(arguments.cases)}")
    if arguments.expression:
        command += ["-k", arguments.expression]
    if arguments.once:
        command.append("--once")
    if arguments.resume:
        command.append(f"--skip={record}")
    return command


def end_session(leader):
    """Ends what is left of a session: programs below timeout(1) are in process groups of their own."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(name)) == leader:
                os.kill(int(name), signal.SIGKILL)
        except ProcessLookupError:
            pass


def run(arguments, record, outputs):
    environment = dict(os.environ)
    environment["PATH"] = f"{HERE}/bin:{environment['PATH']}"
    environment["PYTHONPATH"] = HERE
    environment["PYTEST_XDIST_WORKER"] = worker_with_free_port()
    emulator = ["efa-emu", "run", "--hosts", "2", "--generation", arguments.generation,
                *arguments.emulator_option, "--"]
    log = os.path.join(arguments.folder, "pytest.log")
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(emulator + pytest_command(arguments, record, outputs), stdout=output,
                                   stderr=subprocess.STDOUT, env=environment, start_new_session=True,
                                   cwd=os.path.join(arguments.fabtests, "share/fabtests/pytest"))
        try:
            status = process.wait()
        finally:
            end_session(process.pid)
    # 1: some cases failed. Others: pytest or the emulator did.
    if status not in (0, 1):
        with open(log, encoding="utf-8") as output:
            sys.exit(f"{''.join(output.readlines()[-30:])}\nrun_suite: pytest ended with status {status}: {log}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    arguments = parse_arguments()
    arguments.folder = os.path.abspath(arguments.folder)
    record = os.path.join(arguments.folder, "results.txt")
    outputs = os.path.join(arguments.folder, "outputs")
    if not arguments.resume:
        shutil.rmtree(arguments.folder, ignore_errors=True)
    os.makedirs(outputs, exist_ok=True)
    run(arguments, record, outputs)
    with open(record, encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    for name, result, seconds, reason in rows:
        if result == "failed":
            print(f"FAILED {name} ({seconds} s): {reason}")
    counts = collections.Counter(row[1] for row in rows)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    sys.exit(counts["failed"] > 0)


if __name__ == "__main__":
    main()
