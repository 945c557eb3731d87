# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The files that callgrind writes, one for each CALLGRIND_DUMP_STATS_AT; labels are ROW/real, ROW/null."""
import os
import re
import shutil
from dataclasses import dataclass

ALLOCATOR = re.compile(
    r"(malloc|calloc|realloc|free|aligned_alloc|posix_memalign|mmap|operator (new|delete))\b")


@dataclass(frozen=True)
class Dump:
    instructions: int
    deeds: list  # what a data path must not do


def functions_of(text):
    """{function: (instructions, system calls)} without what it calls; the format is callgrind's manual's."""
    names, functions, current, lines = {}, {}, None, iter(text.splitlines())
    for line in lines:
        if match := re.match(r"(c?fn)=(\(\d+\))(?: (.+))?", line):
            kind, number, name = match.groups()
            names[number] = name or names[number]
            current = names[number] if kind == "fn" else current
        elif line.startswith("calls="):
            next(lines)  # the cost of what is called
        elif match := re.match(r"(?:[+-]?\d+|\*) (\d+)(?: (\d+))?", line):
            before = functions.get(current, (0, 0))
            functions[current] = (before[0] + int(match.group(1)), before[1] + int(match.group(2) or 0))
    return functions


def deeds_of(functions):
    """Callgrind counts system calls at all times: those of a function that executed nothing while
    collecting was on were made between the counted calls (waiting for the device)."""
    counted = {name: calls for name, (instructions, calls) in functions.items() if instructions}
    calls = sum(counted.values())
    return ([f"{calls} system calls"] if calls else []) + sorted(filter(ALLOCATOR.match, counted))


def read_dumps(folder, keep):
    """{label: Dump}. The files of real objects are copied to `keep` + ROW, if that is given."""
    dumps = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            text = file.read()
        label = re.search(r"^desc: Trigger: Client Request: (\S+)$", text, re.MULTILINE)
        total = re.search(r"^summary: (\d+)", text, re.MULTILINE)
        if label and total:
            dumps[label.group(1)] = Dump(int(total.group(1)), deeds_of(functions_of(text)))
            key, _, kind = label.group(1).partition("/")
            if keep and kind == "real":
                shutil.copyfile(os.path.join(folder, name), keep + key)
    return dumps
