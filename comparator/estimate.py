"""Figures at many times at once, as floats: to find those that must be worked out exactly.

What is estimated are sums of products without a minus, so that no more than a few roundings of
1e-16 lie between an estimate and its figure. Nobody is told an estimate, and none is stored.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from math import inf, nan
from operator import add, mul
from typing import TypeAlias

from comparator.interval import Interval
from pricebook.past import Ticks
from pricebook.quote import TICKS_PER_UNIT

OFF = 1e-9
"""More than an estimate is off, as a part of its figure."""

Column: TypeAlias = list[float]
"""One for each of the times; nan where there is none."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """Of a range at many times: its lows, points and highs."""

    lows: array[float] = field(default_factory=lambda: array("d"))
    points: array[float] = field(default_factory=lambda: array("d"))
    highs: array[float] = field(default_factory=lambda: array("d"))

    def extend(self, points: Column, like: Interval) -> None:
        """Further times, at which the range has the same proportion to its point as `like`."""
        low, high = float(like.low / like.point), float(like.high / like.point)
        self.lows.extend([point * low for point in points])
        self.points.extend(points)
        self.highs.extend([point * high for point in points])

    def extend_unknown(self, count: int) -> None:
        """So many times at which nothing is estimated."""
        for column in (self.lows, self.points, self.highs):
            column.extend([nan] * count)


def column(ticks: Iterable[Ticks]) -> Column:
    """Of the amounts of prices; None is none."""
    return [nan if each is None else float(each / TICKS_PER_UNIT) for each in ticks]


def product(factor: Decimal, columns: Iterable[Sequence[float]], count: int) -> Column:
    """A factor times one figure of each column, at each of `count` times."""
    return reduce(_times, columns, [float(factor)] * count)


def total(columns: Iterable[Column]) -> Column:
    """The sums of one figure of each column."""
    return reduce(_plus, columns)


def quotients(over: Column, under: Column) -> Column:
    """Those of two costs; none where either is nothing."""
    pairs = zip(over, under, strict=True)
    return [cost / other if cost and other else nan for cost, other in pairs]


def surely(above: Decimal | None, below: Decimal | None) -> tuple[float, float]:
    """Two levels such that what is estimated above the first, and below the second, is above and
    below these; None: any figure is."""
    least = -inf if above is None else float(above) * (1 + 2 * OFF)
    return least, inf if below is None else float(below) * (1 - 2 * OFF)


def extremes(points: Sequence[float], known: Iterable[Decimal]) -> list[int]:
    """The places of those of which one may be lower, or higher, than all others and all `known`."""
    levels = [*points, *map(float, known)]
    if not levels:
        return []
    lowest, highest = min(levels) * (1 + 2 * OFF), max(levels) * (1 - 2 * OFF)
    return [place for place, one in enumerate(points) if one <= lowest or one >= highest]


def _times(one: Iterable[float], other: Iterable[float]) -> Column:
    return list(map(mul, one, other))


def _plus(one: Column, other: Column) -> Column:
    return list(map(add, one, other))
