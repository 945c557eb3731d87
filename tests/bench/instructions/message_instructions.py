#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Counts the instructions of tagged messages in libfabric providers, and compares ours with upstream's.

The program message_instructions runs below the emulator and below callgrind, once for each side, mode and
flow. What is counted is what libfabric and all below it (libefa too) execute from the call to its return;
the program's own share is counted with functions that do nothing, and taken off. With --step it is the
processor that counts, step by step: registration caches do not work below valgrind. For completions it is
all calls of fi_cq_read() from which the program gets them, when the device has done its part before.

A side is NAME|PROGRAM|VARIABLE=VALUE|...; NAME is ours-RELEASE or upstream-RELEASE, and the provider must
be that one. The result of a flow is compared between the two of a release.

Exit status: 0; 1 if --gate found a count above its ceiling; 2 if nothing could be measured.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

from callgrind_dump import Dump, lines_of, read_dumps

GOALS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "message_goals.json")
MODES = ("single-threaded", "locked")
PARTS = {"receive": "fi_trecv", "send": "fi_tsend", "receiver-reads": "fi_cq_read, receiver",
         "sender-reads": "fi_cq_read, sender"}
# A copy is counted by its instructions, not by the bytes of one that repeats.
STEADY_MEMCPY = {"GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=0x7fffffff"}
OURS = 100  # the minor number of our provider's version; upstream's is 0


class Failure(Exception):
    """Nothing could be measured; the text says why and what to do."""


@dataclass
class Side:
    name: str
    program: str
    environment: dict

    @property
    def kind(self):
        return self.name.split("-")[0]

    @property
    def release(self):
        return self.name.partition("-")[2]


@dataclass
class Result:
    """Of one side in one mode: instructions per message by 'FLOW/PART'."""
    counts: dict = field(default_factory=dict)
    guilty: dict = field(default_factory=dict)  # allocations and system calls by the same key
    failed: dict = field(default_factory=dict)  # why a flow has no counts

    def total(self, flow):
        parts = [self.counts.get(f"{flow}/{part}") for part in PARTS]
        return None if None in parts else sum(parts)


def parse_side(text):
    name, program, *variables = text.split("|")
    if not name.startswith(("ours-", "upstream-")) or not program:
        raise argparse.ArgumentTypeError(f"'{text}' is not ours-RELEASE|PROGRAM|VARIABLE=VALUE...")
    return Side(name, program, dict(variable.split("=", 1) for variable in variables))


def parse_arguments(flows):
    parser = argparse.ArgumentParser(
        description="Instructions of tagged messages: our provider and upstream's, against the goals.")
    parser.add_argument("--emulator", required=True, help="the built efa-emu")
    parser.add_argument("--side", action="append", required=True, type=parse_side,
                        metavar="NAME|PROGRAM|VARIABLE=VALUE|...")
    parser.add_argument("--mode", action="append", choices=MODES, help="may be given twice (default: both)")
    parser.add_argument("--flow", action="append", choices=flows, help="only these")
    parser.add_argument("--generation", default="efa2", help="of the emulated device (efa2)")
    parser.add_argument("--gate", action="store_true",
                        help="fail if ours exceeds its ceilings in message_goals.json")
    parser.add_argument("--record", action="store_true", help="write ours there as ceilings")
    parser.add_argument("--step", action="store_true",
                        help="count by single steps, without callgrind (no --gate, --record, --lines)")
    parser.add_argument("--lines", metavar="FLOW/PART", action="append", default=[],
                        help="print the instructions of each source line, e.g. 64/send")
    options = parser.parse_args()
    if options.step and (options.gate or options.record or options.lines):
        parser.error("--step goes with none of --gate, --record, --lines: they are about callgrind's counts")
    return options


def run_program(options, side, mode, flow):
    """What the program printed, and its dumps."""
    with tempfile.TemporaryDirectory(prefix="message-instructions.") as dumps:
        callgrind = ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--collect-systime=yes",
                     f"--callgrind-out-file={dumps}/callgrind.out"]
        command = [options.emulator, "run", "--generation", options.generation, "--",
                   *([] if options.step else callgrind), side.program, mode,
                   *(["step"] if options.step else []), flow]
        try:
            done = subprocess.run(command, env={**os.environ, **STEADY_MEMCPY, **side.environment}, capture_output=True,
                                  text=True, timeout=900, check=False)
        except FileNotFoundError as error:
            raise Failure(f"{error.filename} is missing; make bench builds it") from error
        except subprocess.TimeoutExpired:
            return None, "no end after 900 s"
        if done.returncode != 0:
            return None, f"ended with {done.returncode}: {done.stderr.strip()[-300:]}"
        return done.stdout, read_counts(done.stdout) if options.step else read_dumps(dumps)


def read_counts(output):
    """{label: Dump} of the lines 'count LABEL NUMBER'."""
    lines = (line.split() for line in output.splitlines() if line.startswith("count "))
    return {label: Dump(int(number), [], "") for _, label, number in lines}


def print_lines(title, text, messages):
    print(f"\n{title}: instructions of each line, per message")
    for (path, number), count in sorted(lines_of(text).items()):
        if count < messages / 2:
            continue
        source = ""
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                source = file.read().splitlines()[number - 1].strip()
        print(f"{count / messages:9.1f}  {os.path.basename(path)}:{number}  {source[:90]}".rstrip())


def check_provider(side, text):
    minor = int(text.rpartition(".")[2])
    if not text.startswith("efa ") or (side.kind == "ours") != (minor == OURS):
        raise Failure(f"side {side.name}: the provider is '{text}'; is FI_PROVIDER_PATH right?")


def own_share(function_of_part, rows, dumps):
    """Instructions of the program itself for a call of each function."""
    null, shares = int(rows["null"]), {}
    for part in function_of_part:
        key = "null/" + part
        calls = int(rows[key][1])
        shares[part] = dumps[key].instructions / calls - null
    return shares


def add_counts(result, output, dumps, options, title):
    rows, provider = {}, ""
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word == "null":
            rows["null"] = rest
        elif word == "provider":
            provider = rest
        elif word == "row":
            key, messages, calls = rest.split(" ")
            rows[key] = (int(messages), int(calls))
    shares = own_share(("send", "inject", "receive", "read"), rows, dumps)
    for key, value in rows.items():
        flow, _, part = key.partition("/")
        if flow in ("null", ""):
            continue
        kind = "read" if "read" in part else "inject" if "inject" in flow and part == "send" else part
        messages, calls = value
        count = dumps[key].instructions - shares[kind] * calls
        result.counts[key] = round(count / messages, 1)
        if dumps[key].deeds:
            result.guilty[key] = ", ".join(dumps[key].deeds)
        if key in options.lines:
            print_lines(f"{title}, {key}", dumps[key].text, messages)
    return provider


def measure(options, side, mode, flows):
    result = Result()
    for flow in flows:
        output, dumps = run_program(options, side, mode, flow)
        if output is None:
            result.failed[flow] = dumps
            continue
        provider = add_counts(result, output, dumps, options, f"{side.name}, {mode}")
        check_provider(side, provider)
    if not result.counts:
        raise Failure(f"side {side.name}: {next(iter(result.failed.values()))}")
    return result


def print_cells(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0])] +
                        [text.rjust(width) for text, width in zip(row[1:], widths[1:])]).rstrip())


def compared(title, ours, upstream, goal=None):
    ratio = ours / upstream if ours is not None and upstream else None
    verdict = "" if ratio is None or goal is None else "met" if ratio <= goal else "missed"
    return [title] + [f"{value:g}" if value is not None else "-" for value in (ours, upstream)] + [
        f"{ratio:.2f}" if ratio is not None else "-", f"{goal:g}" if goal else "", verdict]


def print_release(release, mode, results, document, flows):
    sides = {kind: results.get((f"{kind}-{release}", mode), Result()) for kind in ("ours", "upstream")}
    ours, upstream = sides["ours"], sides["upstream"]
    rows = [[f"libfabric {release}, {mode}", "ours", "upstream", "ratio", "goal", ""]]
    for flow in flows:
        about = document["flows"][flow]
        rows.append(compared(about["title"], ours.total(flow), upstream.total(flow), about.get("goal")))
        for part, name in PARTS.items():
            key = f"{flow}/{part}"
            rows.append(compared("  " + name, ours.counts.get(key), upstream.counts.get(key)))
    rows.append(compared("fi_cq_read, nothing there", ours.counts.get("empty/read"),
                         upstream.counts.get("empty/read")))
    print()
    print_cells(rows)
    for kind, result in sides.items():
        for key, deeds in result.guilty.items():
            print(f"- {kind}, {key}: not only computation: {deeds}")
        for flow, reason in result.failed.items():
            print(f"- {kind}, {flow}: {reason}")


def judged(results):
    """(release and mode as in the file, Result) of ours."""
    for (name, mode), result in results.items():
        if name.startswith("ours-"):
            yield f"{name.partition('-')[2]} {mode}", result


def above_ceilings(document, results, flows):
    failures = []
    for place, result in judged(results):
        ceilings = document["ceilings"].get(place, {})
        for flow in flows:
            count, ceiling = result.total(flow), ceilings.get(flow)
            if count is None:
                failures.append(f"{place}, {flow}: no count ({result.failed.get(flow)})")
            elif ceiling is not None and count > ceiling:
                failures.append(f"{place}, {flow}: {count:g} instructions, ceiling {ceiling}")
            if not document["flows"][flow].get("steady"):
                continue
            failures += [f"{place}, {key}: {deeds} on the data path" for key, deeds in
                         result.guilty.items() if key.startswith(flow + "/")]
    return failures


def record(document, results, flows):
    # What the device does in time moves a few packets from one poll to another, and a compiler's mood is
    # no regression: 3 % for both.
    for place, result in judged(results):
        ceilings = document["ceilings"].setdefault(place, {})
        for flow in flows:
            if result.total(flow) is not None:
                ceilings[flow] = math.ceil(result.total(flow) * 1.03)
    with open(GOALS, "w", encoding="ascii") as file:
        json.dump(document, file, indent=2)
        file.write("\n")


def main():
    with open(GOALS, encoding="ascii") as file:
        document = json.load(file)
    options = parse_arguments(list(document["flows"]))
    flows = options.flow or list(document["flows"])
    results, releases = {}, []
    for side in options.side:
        for mode in options.mode or MODES:
            results[side.name, mode] = measure(options, side, mode, flows)
        if side.release not in releases:
            releases.append(side.release)
    for release in releases:
        for mode in options.mode or MODES:
            print_release(release, mode, results, document, flows)
    if options.record:
        record(document, results, flows)
    if not options.gate:
        return 0
    failures = above_ceilings(document, results, flows)
    print()
    for line in failures:
        print(f"gate: {line}")
    if not failures:
        print("gate: every count is within its ceiling; no allocation, no system call on steady paths")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"message_instructions: {failure}", file=sys.stderr)
        sys.exit(2)
