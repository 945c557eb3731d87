# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The ratio of two medians whose samples were taken in turns, and how sure it is."""
import math
import statistics

FEWEST = 6  # samples of each side: with fewer no interval has 95 % confidence


def interval(values):
    """Where the median is with 95 % confidence, whatever the distribution: by order statistics."""
    count, tail, cut = len(values), 0.0, 0
    while (tail := tail + math.comb(count, cut) / 2 ** count) <= 0.025:
        cut += 1
    values = sorted(values)
    return values[cut - 1], values[count - cut]


class Ratio:
    """Of a to b: the value is that of the medians, low and high are of the turns' own ratios."""

    def __init__(self, a, b):
        if len(a) != len(b) or len(a) < FEWEST:
            raise ValueError(f"{len(a)} and {len(b)} samples; both need the same number, {FEWEST} or more")
        self.medians = statistics.median(a), statistics.median(b)
        self.value = self.medians[0] / self.medians[1]
        self.low, self.high = interval([left / right for left, right in zip(a, b)])

    def __str__(self):
        return (f"{self.medians[0]:.4g} / {self.medians[1]:.4g} = "
                f"{self.value:.2f} ({self.low:.2f} - {self.high:.2f})")

    def at_most(self, limit):
        """None if the samples do not tell."""
        return self.value <= limit if self.high <= limit or self.low > limit else None

    def at_least(self, limit):
        return self.value >= limit if self.low >= limit or self.high < limit else None
