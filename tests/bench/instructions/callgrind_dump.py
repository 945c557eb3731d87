# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The files that callgrind writes, one for each CALLGRIND_DUMP_STATS_AT; labels are ROW/real, ROW/null."""
import os
import re
from dataclasses import dataclass

ALLOCATOR = re.compile(
    r"(malloc|calloc|realloc|free|aligned_alloc|posix_memalign|mmap|operator (new|delete))\b")


@dataclass(frozen=True)
class Dump:
    instructions: int
    deeds: list  # what a data path must not do
    text: str


class _Position:
    """Where the lines of a dump are: names are written once and then by number, lines relative."""

    def __init__(self):
        self.names = {}  # files and functions are numbered apart
        self.function = self.file = None
        self.line = 0

    def name(self, kind, number, name):
        space = "function" if kind in ("fn", "cfn") else "object" if kind in ("ob", "cob") else "file"
        name = self.names[space, number] = name or self.names[space, number]
        if kind == "fn":
            self.function = name
        elif kind in ("fl", "fi", "fe"):
            self.file = name

    def move(self, text):
        if text[0] in "+-":
            self.line += int(text)
        elif text != "*":
            self.line = int(text)


def costs_of(text):
    """(function, file, line, instructions, system calls) without what is called; the format is that of
    callgrind's manual."""
    place, lines = _Position(), iter(text.splitlines())
    for line in lines:
        if match := re.match(r"(c?fn|f[lie]|cf[il]|c?ob)=(\(\d+\))(?: (.+))?", line):
            place.name(*match.groups())
        elif line.startswith("calls="):
            place.move(next(lines).split()[0])  # its cost is that of what is called
        elif match := re.match(r"([+-]?\d+|\*) (\d+)(?: (\d+))?", line):
            place.move(match.group(1))
            yield place.function, place.file, place.line, int(match.group(2)), int(match.group(3) or 0)


def functions_of(text):
    """{function: (instructions, system calls)}"""
    functions = {}
    for function, _, _, instructions, calls in costs_of(text):
        before = functions.get(function, (0, 0))
        functions[function] = (before[0] + instructions, before[1] + calls)
    return functions


def lines_of(text):
    """{(file, line): instructions}"""
    lines = {}
    for _, file, line, instructions, _ in costs_of(text):
        lines[file, line] = lines.get((file, line), 0) + instructions
    return lines


def deeds_of(functions):
    """Callgrind counts system calls at all times: those of a function that executed nothing while
    collecting was on were made between the counted calls (waiting for the device). A read in vain may
    offer the processor to others (provider/objects/patience.hpp)."""
    counted = {name: calls for name, (instructions, calls) in functions.items()
               if instructions and name != "sched_yield"}
    calls = sum(counted.values())
    return ([f"{calls} system calls"] if calls else []) + sorted(filter(ALLOCATOR.match, counted))


def read_dumps(folder):
    """{label: Dump}"""
    dumps = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            text = file.read()
        label = re.search(r"^desc: Trigger: Client Request: (\S+)$", text, re.MULTILINE)
        total = re.search(r"^summary: (\d+)", text, re.MULTILINE)
        if label and total:
            dumps[label.group(1)] = Dump(int(total.group(1)), deeds_of(functions_of(text)), text)
    return dumps
