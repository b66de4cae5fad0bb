"""How sure a figure is: p10, p50 and p90 of a cost or a ratio from the ranges of its assumptions.

The low, point and high of an assumption are its p10, p50 and p90: its logarithm spreads as two half
normal curves, one to each side of the point. What sums and products of such figures spread over
is drawn, with the same draws every time, so that a figure moves only when an input does. Prices
are exact. Quantities of one cause move together.
"""

from __future__ import annotations

import random
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import exp, inf, log
from operator import add, mul, truediv
from statistics import NormalDist
from typing import Any, Final, TypeAlias

from comparator.comparison import Comparison, Cost, Quantity, Term
from comparator.interval import Interval
from pricebook.quote import digits

_STEPS: Final = 5000
"""Draws are stratified: each cause has one value in every 5000th of its distribution, its p10, p50
and p90 among them, so that a single range is given back as it is. The figures of 200,000 plain
draws come out within 3 % (tests/test_spread.py), far less than anybody knows of an assumption."""

_DRAWS: Final = _STEPS + 1
_NOTHING: Final = Decimal(0)
_ONE: Final = Decimal(1)
_NORMAL: Final = NormalDist()
_TENTH: Final = -_NORMAL.inv_cdf(0.1)
"""1.2816: how many standard deviations p10 and p90 lie from p50."""

Powers: TypeAlias = tuple[tuple[str, int], ...]
"""Names of unsure quantities, each with how often it multiplies (below 0: divides)."""

Parts: TypeAlias = dict[Powers, Decimal]
"""A cost at its point, as the sum of parts that are multiplied by different unsure quantities."""

_Side: TypeAlias = tuple[tuple[float, Powers], ...]
"""The same as shares of the cost."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Where a figure lies: 1 in 10 below `p10`, half below `p50`, 1 in 10 above `p90`.

    `point` is the figure with every assumption at its point; `below_one` the chance that the
    figure is below 1.
    """

    point: Decimal
    p10: Decimal
    p50: Decimal
    p90: Decimal
    below_one: Decimal

    @property
    def range(self) -> Interval:
        """P10 to p90, stretched to the point where a skewed sum leaves it outside."""
        return Interval(min(self.p10, self.point), self.point, max(self.p90, self.point))

    def as_dict(self) -> dict[str, Any]:
        """`spread` in `explain --json`."""
        names = ("p10", "p50", "p90", "below_one")
        return {name: digits(getattr(self, name)) for name in names}


def spread(cost: Cost, over: Cost | None = None) -> Spread:
    """Of a cost, or of its quotient by another cost, which must not be zero at its point."""
    shape = Shape.of(cost, *([over] if over else []))
    return shape.spread(shape.parts(cost), shape.parts(over) if over else {})


@dataclass(frozen=True, slots=True)
class Shape:
    """What is unsure about costs, whatever their prices are: made once for a history of prices."""

    widths: tuple[_Width, ...]

    @classmethod
    def of(cls, *costs: Cost) -> Shape:
        """Of costs that are to be set against each other."""
        every = (q for cost in costs for term in cost.terms for q in term.times + term.per)
        unsure = {q.name: q for q in every if not q.value.certain and q.value.point}
        return cls(tuple(_Width.of(quantity) for quantity in unsure.values()))

    def powers(self, term: Term) -> Powers:
        """The unsure factors of a term, each with how often it multiplies."""
        powers = ((width.name, term.power(width.name)) for width in self.widths)
        return tuple((name, power) for name, power in powers if power)

    def parts(self, cost: Cost) -> Parts:
        """A cost at its point, by unsure factors."""
        parts: Parts = {}
        for term in cost.terms:
            powers = self.powers(term)
            parts[powers] = parts.get(powers, Decimal(0)) + term.point
        return parts

    def spread(self, over: Parts, under: Parts) -> Spread:
        """Of a cost by parts, or of its quotient by another that isn't empty."""
        point, drawn = self._drawn(over, under)
        if not (drawn and point):
            return Spread(point, point, point, point, Decimal(point < 1))
        return drawn.around(point)

    def range(self, over: Parts, under: Parts) -> Interval:
        """`spread(over, under).range`, in half the time."""
        point, drawn = self._drawn(over, under)
        if not (drawn and point):
            return Interval(point, point, point)
        low, high = point * drawn.p10, point * drawn.p90
        return Interval(min(low, point), point, max(high, point))

    def _drawn(self, over: Parts, under: Parts) -> tuple[Decimal, _Drawn | None]:
        whole, part = _total(over), _total(under) if under else _ONE
        if not self.widths:
            return whole / part, None
        return whole / part, _relative(_weights(over, whole), _weights(under, part), self.widths)


@dataclass(frozen=True, slots=True)
class Outlook:
    """How sure both costs and their ratio are."""

    self_host: Spread
    api: Spread
    ratio: Spread

    @classmethod
    def of(cls, comparison: Comparison) -> Outlook:
        """Neither cost may be zero at its point."""
        ours, api = comparison.self_host, comparison.api
        return cls(spread(ours), spread(api), spread(ours, api))


@dataclass(frozen=True, slots=True)
class _Width:
    """How a quantity spreads about its point; `straight` when it may be 0, which has no logarithm.

    A `cause` that begins with "-" moves the quantity the other way.
    """

    name: str
    cause: str
    down: float
    up: float
    straight: bool

    @classmethod
    def of(cls, quantity: Quantity) -> _Width:
        value, cause = quantity.value, quantity.cause or quantity.name
        high = float(value.high / value.point)
        if not value.low:
            return cls(quantity.name, cause, 1 / _TENTH, (high - 1) / _TENTH, straight=True)
        down, up = log(value.point / value.low) / _TENTH, log(high) / _TENTH
        return cls(quantity.name, cause, down, up, straight=False)


class _Drawn:
    """A figure over its point, in every draw."""

    def __init__(self, values: Iterable[float]) -> None:
        self._values = array("d", sorted(values))
        tenths = (_six(self._values[_STEPS // 10 * tenth]) for tenth in (1, 5, 9))
        self.p10, self.p50, self.p90 = tenths

    def around(self, point: Decimal) -> Spread:
        """The figure itself, when its point is this."""
        below = _six(bisect_left(self._values, 1 / float(point)) / _DRAWS)
        return Spread(point, point * self.p10, point * self.p50, point * self.p90, below)


@lru_cache(maxsize=512)
def _relative(over: _Side, under: _Side, widths: tuple[_Width, ...]) -> _Drawn:
    """Cached, as it is the same for every point: a history of prices draws once."""
    factors = {width.name: _factors(width) for width in widths}
    numbers = _sums(over, factors)
    if under:
        numbers = [a / b if b else inf for a, b in zip(numbers, _sums(under, factors), strict=True)]
    return _Drawn(numbers)


def _sums(side: _Side, factors: Mapping[str, Sequence[float]]) -> list[float]:
    totals = [0.0] * _DRAWS
    for weight, powers in side:
        part = [weight] * _DRAWS
        for name, power in powers:
            by = factors[name]
            part = list(map(mul if power > 0 else truediv, part, by))
        totals = list(map(add, totals, part))
    return totals


@lru_cache(maxsize=256)
def _factors(width: _Width) -> Sequence[float]:
    """The quantity over its point, in every draw."""
    sign = -1 if width.cause.startswith("-") else 1
    draws = (z * sign for z in _draws(width.cause.removeprefix("-")))
    steps = array("d", (z * (width.up if z > 0 else width.down) for z in draws))
    return array("d", (max(0.0, 1 + z) for z in steps) if width.straight else map(exp, steps))


@lru_cache(maxsize=64)
def _draws(cause: str) -> tuple[float, ...]:
    """Standard normal, in an order of the cause's own."""
    inner = [_NORMAL.inv_cdf(i / _STEPS) for i in range(1, _STEPS)]
    outermost = _NORMAL.inv_cdf(0.25 / _STEPS)
    values = [outermost, *inner, -outermost]
    random.Random(cause).shuffle(values)  # noqa: S311, as nothing here is secret
    return tuple(values)


def _total(parts: Parts) -> Decimal:
    return sum(parts.values(), _NOTHING)


def _weights(parts: Parts, whole: Decimal) -> _Side:
    """Shares of the whole, rounded, so that they compare."""
    if len(parts) < 2:
        return tuple([(1.0, powers) for powers in parts])
    return tuple([(float(f"{part / whole:.9g}"), powers) for powers, part in parts.items()])


def _six(value: float) -> Decimal:
    """Six digits: what the draws are good for, and what any machine's logarithms agree on."""
    return Decimal(f"{value:.6g}")
