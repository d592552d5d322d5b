# SPDX-License-Identifier: Apache-2.0
"""The true statistics of a list of samples, by exact arithmetic on the raw list and nothing of hourfold's."""
import math
from fractions import Fraction


def root_of_fraction(numerator, denominator):
    """The square root of a non-negative fraction, correctly rounded to a double. An integer root of at least 100 bits is made
    odd where it is not exact, so that the one rounding, by division, goes the right way."""
    if numerator == 0:
        return 0.0
    shift = max(0, 200 - numerator.bit_length() + denominator.bit_length())
    shift += shift & 1
    scaled, rest = divmod(numerator << shift, denominator)
    root = math.isqrt(scaled)
    inexact = rest != 0 or root * root != scaled
    return (2 * root + inexact) / (1 << (shift // 2 + 1))


class Truth:
    def __init__(self, values):
        self.values = sorted(float(v) for v in values)
        self.count = len(self.values)
        # All samples as integers over one power of two.
        pairs = [v.as_integer_ratio() for v in self.values]
        self.denominator = max((d for _, d in pairs), default=1)
        scaled = [n * (self.denominator // d) for n, d in pairs]
        self.total = sum(scaled)
        self.squares = sum(n * n for n in scaled)

    def order(self, rank):
        """The rank-th smallest, from 1."""
        return self.values[rank - 1]

    def statistic(self, name, seconds=3600):
        """The statistic as the double that is nearest to it."""
        n = self.count
        if name == "count":
            return n
        if name == "throughput":
            return n / seconds
        if name == "min":
            return self.values[0]
        if name == "max":
            return self.values[-1]
        if name == "sum":
            return self.total / self.denominator
        if name in ("average", "mean", "avg"):
            return self.total / (self.denominator * n)
        if name == "stddev":
            return root_of_fraction(n * self.squares - self.total * self.total, (n * self.denominator) ** 2)
        if name == "median":
            middle = Fraction(self.order((n + 1) // 2)) + Fraction(self.order(n // 2 + 1))
            return middle.numerator / (middle.denominator * 2)
        if name.startswith("p"):
            percent = Fraction(name[1:])
            return self.order(max(1, math.ceil(percent * n / 100)))
        raise KeyError(name)
