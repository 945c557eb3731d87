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
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODES = ("locked", "single-threaded")
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
                        const=os.path.join(HERE, "instruction_goals.json"),
                        help="fail if 'ours' exceeds the ceilings of FILE (instruction_goals.json)")
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


def dumped_totals(folder):
    """Instructions by label of the dump."""
    totals = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as dump:
            text = dump.read()
        label = re.search(r"^desc: Trigger: Client Request: (\S+)$", text, re.MULTILINE)
        total = re.search(r"^(?:summary|totals): (\d+)$", text, re.MULTILINE)
        if label and total:
            totals[label.group(1)] = int(total.group(1))
    return totals


def run_program(options, folder, mode):
    """What the program printed, and the totals of its dumps."""
    environment = dict(os.environ)
    if folder:
        environment["LD_LIBRARY_PATH"] = folder
    with tempfile.TemporaryDirectory(prefix="verbs-instructions.") as dumps:
        command = [options.emulator, "run", "--generation", options.generation, "--", "valgrind",
                   "--tool=callgrind", "--collect-atstart=no",
                   f"--callgrind-out-file={dumps}/callgrind.out", options.program, mode]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True,
                                  timeout=900, check=False)
        except FileNotFoundError as error:
            raise Failure(f"{error.filename} is missing; make bench builds it") from error
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout, dumped_totals(dumps)


def counts_of(output, totals):
    """(file list, counts per operation by row, refusals by row, titles by row)"""
    null, files, counts, refused, titles = 0, [], {}, {}, {}
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word == "null":
            null = int(rest)
        elif word == "library":
            files.append(rest)
        elif word == "refused":
            key, _, reason = rest.partition(" ")
            refused[key] = reason
        elif word == "title":
            key, _, titles[key] = rest.partition(" ")
        elif word == "row":
            key, operations, calls = rest.split(" ")
            loop = totals[key + "/null"] - null * int(calls)
            counts[key] = (totals[key + "/real"] - loop) / int(operations)
    return files, counts, refused, titles


def measure(options, name, folder, mode):
    files, counts, refused, titles = counts_of(*run_program(options, folder, mode))
    titles.pop("known")
    if counts.pop("known") != KNOWN:
        raise Failure(f"a function of {KNOWN} instructions was not counted as {KNOWN}: "
                      f"the counts of this valgrind are not to be trusted")
    return {"file": check_library(name, folder, files), "counts": counts, "refused": refused,
            "titles": titles}


def measure_all(options):
    """{library: {mode: result}}"""
    results = {}
    for text in options.library or ["stock"]:
        name, folder = parse_library(text)
        results[name] = {mode: measure(options, name, folder, mode) for mode in MODES}
        print(f"{name}: {results[name][MODES[0]]['file']}")
    return results


def cell(value):
    if value is None:
        return "-"
    return f"{value:.1f}" if value % 1 > 0.05 and value % 1 < 0.95 else f"{value:.0f}"


def verdict(value, goal):
    if value is None or goal is None:
        return ""
    return "met" if value <= goal else "missed"


def titles_of(results):
    titles = {}
    for modes in results.values():
        for mode in MODES:
            titles.update(modes[mode]["titles"])
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
        counts = {name: results[name][mode]["counts"].get(key) for name in names}
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
    print_refusals(results, mode)


def print_refusals(results, mode):
    for name, modes in results.items():
        reasons = {}
        for key, reason in modes[mode]["refused"].items():
            reasons.setdefault(reason, []).append(key)
        for reason, keys in reasons.items():
            what = "all rows" if not modes[mode]["counts"] else ", ".join(keys)
            print(f"- {name}, {mode}, {what}: {reason}")


def above_ceilings(results, goals):
    """Lines about what exceeds its ceiling: the recorded one, or else the goal."""
    failures = []
    for mode in MODES:
        counts = results["ours"][mode]["counts"]
        for key, entry in goals.items():
            ceiling = entry.get("ceiling", {}).get(mode, entry.get("goal", {}).get(mode))
            if ceiling is None:
                continue
            if key not in counts:
                reason = results["ours"][mode]["refused"].get(key, "not measured")
                failures.append(f"{key}, {mode}: no count ({reason}), ceiling {ceiling}")
            elif counts[key] > ceiling:
                failures.append(f"{key}, {mode}: {counts[key]:.2f} instructions, ceiling {ceiling}")
    return failures


def write_json(path, results):
    document = {"operations": 20000, "libraries": {
        name: {"file": modes[MODES[0]]["file"],
               **{mode: {key: round(value, 3) for key, value in modes[mode]["counts"].items()}
                  for mode in MODES},
               "refused": {mode: modes[mode]["refused"] for mode in MODES}}
        for name, modes in results.items()}}
    with open(path, "w", encoding="ascii") as file:
        json.dump(document, file, indent=2)
        file.write("\n")


def main():
    options = parse_arguments()
    with open(options.gate or os.path.join(HERE, "instruction_goals.json"), encoding="ascii") as file:
        goals = json.load(file)["rows"]
    results = measure_all(options)
    for mode in MODES:
        print_mode(results, goals, mode)
    if options.json:
        write_json(options.json, results)
    if not options.gate:
        return 0
    if "ours" not in results:
        raise Failure("--gate judges the library 'ours'; give --library ours=FOLDER")
    failures = above_ceilings(results, goals)
    print()
    for line in failures:
        print(f"above the ceiling: {line}")
    if not failures:
        print("gate: every count is within its ceiling")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"verbs_instructions: {failure}", file=sys.stderr)
        sys.exit(2)
