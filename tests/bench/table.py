# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The table in which benchmarks print what they measured, the goal and the verdict."""


class Table:
    def __init__(self):
        self.rows = []

    def row(self, what, value, goal, good):
        """good: whether the goal is reached, or None if the measurement does not tell."""
        verdict = "undecided" if good is None else "met" if good else "missed"
        self.rows.append((what, value, goal, verdict))

    def print(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(4)]
        for row in self.rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
