#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Counts the instructions of each verbs operation in one or more libraries, and compares them.

The program verbs_instructions runs below the emulator and below callgrind, once for each library and
mode. What is counted is what the library executes, with all that it calls (spin locks, memcpy), from the
first instruction of its function to the return; the loop around it is counted with functions that do
nothing, and taken off. The counts repeat exactly, so a gate can use them.

A library is 'stock' (the one that the dynamic linker finds by itself) or NAME=FOLDER (LD_LIBRARY_PATH).
The program tells which file of libefa it had mapped; a wrong one is an error.

Exit status: 0; 1 if --gate found a count above its ceiling; 2 if nothing could be measured.
"""
import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from callgrind_dump import lines_of, read_dumps

GOALS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instruction_goals.json")
MODES = ("locked", "single-threaded")
OPERATIONS = 20000  # verbs_instructions.cpp
KNOWN = 100  # nulls.hpp


class Failure(Exception):
    """Nothing could be measured; the text says why and what to do."""


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Instructions of each verbs operation: libraries side by side, against the goals.")
    parser.add_argument("--program", required=True, help="the built verbs_instructions")
    parser.add_argument("--emulator", required=True, help="the built efa-emu")
    parser.add_argument("--library", action="append", metavar="NAME[=FOLDER]",
                        help="may be given several times; 'stock' needs no folder (default: stock)")
    parser.add_argument("--generation", default="efa2", help="of the emulated device (efa2)")
    parser.add_argument("--json", metavar="FILE", help="write all counts there")
    parser.add_argument("--gate", metavar="FILE", nargs="?",
                        const=GOALS,
                        help="fail if 'ours' exceeds the ceilings of FILE (instruction_goals.json)")
    parser.add_argument("--record", metavar="FILE", nargs="?", const=GOALS,
                        help="write the counts of 'ours' that miss a goal, or have none, to FILE as ceilings")
    parser.add_argument("--lines", metavar="ROW", action="append", default=[],
                        help="print also the instructions of each source line for this row, e.g. post_send")
    return parser.parse_args()


def parse_library(text):
    name, _, folder = text.partition("=")
    if name != "stock" and not folder:
        raise Failure(f"--library {text}: only 'stock' needs no folder; write {text}=FOLDER")
    return name, os.path.realpath(folder) if folder else None


def check_library(name, folder, files):
    """The one libefa that was mapped must be the one that was meant."""
    if len(files) != 1:
        raise Failure(f"library '{name}': {len(files)} files of libefa were loaded, not 1: {files}")
    home = os.path.dirname(os.path.realpath(files[0]))
    if folder and home != folder:
        raise Failure(f"library '{name}': {files[0]} was loaded, which is not in {folder}; "
                      f"is there a libefa.so.1?")
    if not folder and not home.startswith(("/usr/lib/", "/lib/")):
        raise Failure(f"library '{name}': {files[0]} was loaded, which is not the distribution's; "
                      f"unset LD_LIBRARY_PATH")
    return os.path.realpath(files[0])


def run_program(options, folder, mode):
    """What the program printed, and its dumps."""
    environment = dict(os.environ)
    if folder:
        environment["LD_LIBRARY_PATH"] = folder
    with tempfile.TemporaryDirectory(prefix="verbs-instructions.") as dumps:
        command = [options.emulator, "run", "--generation", options.generation, "--", "valgrind",
                   "--tool=callgrind", "--collect-atstart=no", "--collect-systime=yes",
                   f"--callgrind-out-file={dumps}/callgrind.out", options.program, mode]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True,
                                  timeout=900, check=False)
        except FileNotFoundError as error:
            raise Failure(f"{error.filename} is missing; make bench builds it") from error
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout, read_dumps(dumps)


@dataclass
class Result:
    """Of one library in one mode, by key of the row."""
    files: list
    counts: dict
    refused: dict
    titles: dict
    guilty: dict  # what a hot path must not do


def result_of(output, dumps):
    null, result = 0, Result([], {}, {}, {}, {})
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word == "null":
            null = int(rest)
        elif word == "library":
            result.files.append(rest)
        elif word in ("refused", "title"):
            key, _, text = rest.partition(" ")
            (result.refused if word == "refused" else result.titles)[key] = text
        elif word == "row":
            key, operations, calls = rest.split(" ")
            real, loop = dumps[key + "/real"], dumps[key + "/null"]
            own = loop.instructions - null * int(calls)
            # To a tenth: a ring that wraps once in 256 operations is no reason to miss a goal.
            result.counts[key] = round((real.instructions - own) / int(operations), 1)
            if real.deeds:
                result.guilty[key] = ", ".join(real.deeds)
    return result


def check_controls(result):
    """Functions of which everything is known must have been counted right."""
    for key in ("known", "guilty"):
        result.titles.pop(key)
    if result.counts.pop("known") != KNOWN or "known" in result.guilty:
        raise Failure(f"a function of {KNOWN} instructions was not counted as {KNOWN}: "
                      f"the counts of this valgrind are not to be trusted")
    result.counts.pop("guilty")
    deeds = result.guilty.pop("guilty", "")
    # Callgrind may add that of the call before the first counted one.
    if not re.fullmatch("2000[01] system calls, free, malloc", deeds):
        raise Failure(f"a function with malloc, free and a system call was only seen to do: '{deeds}'")


def print_lines(title, text):
    """Instructions per operation of each source line; the program's own are among them."""
    print(f"\n{title}: instructions of each line")
    for (path, number), count in sorted(lines_of(text).items()):
        if count < OPERATIONS / 20:
            continue
        source = ""
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                source = file.read().splitlines()[number - 1].strip()
        print(f"{count / OPERATIONS:7.1f}  {os.path.basename(path)}:{number}  {source[:90]}".rstrip())


def measure(options, name, folder, mode):
    output, dumps = run_program(options, folder, mode)
    result = result_of(output, dumps)
    check_controls(result)
    for key in options.lines:
        if key in result.counts:
            print_lines(f"{name}, {mode}, {key}", dumps[key + "/real"].text)
    result.files = [check_library(name, folder, result.files)]
    return result


def measure_all(options):
    """{library: {mode: Result}}"""
    results = {}
    for text in options.library or ["stock"]:
        name, folder = parse_library(text)
        results[name] = {mode: measure(options, name, folder, mode) for mode in MODES}
        print(f"{name}: {results[name][MODES[0]].files[0]}")
    return results


def cell(value):
    if value is None:
        return "-"
    return f"{value:g}"


def verdict(value, goal):
    if value is None or goal is None:
        return ""
    return "met" if value <= goal else "missed"


def titles_of(results):
    titles = {}
    for modes in results.values():
        for mode in MODES:
            titles.update(modes[mode].titles)
    return titles


def print_cells(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def print_mode(results, goals, mode):
    names = list(results)
    rows = [[mode] + names + ["ours/stock", "goal", "", "early"]]
    for key, title in titles_of(results).items():
        counts = {name: results[name][mode].counts.get(key) for name in names}
        if not any(counts.values()):
            continue
        ours, stock = counts.get("ours"), counts.get("stock")
        goal, early = (goals.get(key, {}).get(kind, {}).get(mode) for kind in ("goal", "early"))
        rows.append([title] + [cell(counts[name]) for name in names] +
                    [f"{ours / stock:.2f}" if ours and stock else "-",
                     cell(goal), verdict(ours, goal), cell(early)])
    print()
    if len(rows) > 1:
        print_cells(rows)
    print_notes(results, mode)


def print_notes(results, mode):
    for name, modes in results.items():
        reasons = {}
        for key, reason in modes[mode].refused.items():
            reasons.setdefault(reason, []).append(key)
        for reason, keys in reasons.items():
            what = "all rows" if not modes[mode].counts else ", ".join(keys)
            print(f"- {name}, {mode}, {what}: {reason}")
        for key, deeds in modes[mode].guilty.items():
            print(f"- {name}, {mode}, {key}: not only computation: {deeds}")


def above_ceilings(results, goals):
    """Lines about what exceeds its ceiling (the recorded one, or else the goal), allocates, or enters the
    kernel."""
    failures = []
    for mode in MODES:
        counts, guilty = results["ours"][mode].counts, results["ours"][mode].guilty
        failures += [f"{key}, {mode}: {deeds} on the data path" for key, deeds in guilty.items()]
        for key, entry in goals.items():
            ceiling = entry.get("ceiling", {}).get(mode, entry.get("goal", {}).get(mode))
            if ceiling is None:
                continue
            if key not in counts:
                reason = results["ours"][mode].refused.get(key, "not measured")
                failures.append(f"{key}, {mode}: no count ({reason}), ceiling {ceiling}")
            elif counts[key] > ceiling:
                failures.append(f"{key}, {mode}: {counts[key]:g} instructions, ceiling {ceiling}")
    return failures


def record(path, document, ours):
    """Makes the counts the ceilings, except where the goal is met and judges by itself."""
    for key, entry in document["rows"].items():
        ceilings = {mode: math.ceil(ours[mode].counts[key]) for mode in MODES if key in ours[mode].counts}
        goal = entry.get("goal", {})
        entry["ceiling"] = {mode: value for mode, value in ceilings.items()
                            if mode not in goal or value > goal[mode]}
        if not entry["ceiling"]:
            del entry["ceiling"]
    # A row is a few short lines, a number's change is a line of a diff.
    with open(path, "w", encoding="ascii") as file:
        json.dump(document, file, indent=2)
        file.write("\n")


def write_json(path, results):
    document = {"operations": OPERATIONS, "libraries": {
        name: {"file": modes[MODES[0]].files[0],
               **{mode: modes[mode].counts for mode in MODES},
               "refused": {mode: modes[mode].refused for mode in MODES}}
        for name, modes in results.items()}}
    with open(path, "w", encoding="ascii") as file:
        json.dump(document, file, indent=2)
        file.write("\n")


def main():
    options = parse_arguments()
    with open(options.gate or options.record or GOALS, encoding="ascii") as file:
        document = json.load(file)
    goals = document["rows"]
    results = measure_all(options)
    for mode in MODES:
        print_mode(results, goals, mode)
    if "ours" not in results and (options.gate or options.record):
        raise Failure("--gate and --record are about the library 'ours'; give --library ours=FOLDER")
    if options.record:
        record(options.record, document, results["ours"])
    if options.json:
        write_json(options.json, results)
    if not options.gate:
        return 0
    failures = above_ceilings(results, goals)
    print()
    for line in failures:
        print(f"gate: {line}")
    if not failures:
        print("gate: every count is within its ceiling; no allocation, no system call")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"verbs_instructions: {failure}", file=sys.stderr)
        sys.exit(2)
