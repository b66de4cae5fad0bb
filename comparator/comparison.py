"""Two costs set against each other, each a sum of terms and each term a product of quantities.

In that form one written formula gives the figure, its range, the break-evens, what a change of
each quantity does to it, and the printed working.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce
from math import prod
from operator import add
from typing import Any

from comparator.interval import Interval
from pricebook.quote import Price, Series

_ONE = Interval.exactly(1)
_ZERO = Interval.exactly(0)
_WHOLE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure with a name, a unit and a source; `price` is set when the price book gave it.

    `kind`: price, assumption, or definition (what the work is, how units convert). Two quantities
    of one comparison with the same name are the same quantity. Those with the same `cause` rise
    and fall together; one whose cause begins with "-" goes the other way. `most`: the greatest
    value that is possible, where the name alone doesn't say it.
    """

    name: str
    unit: str
    value: Interval
    source: str
    kind: str = "assumption"
    price: Price | None = None
    cause: str = ""
    most: Decimal | None = None

    @classmethod
    def defined(cls, name: str, unit: str, value: Decimal | int, source: str) -> Quantity:
        """A sure figure that nobody needs to estimate."""
        return cls(name, unit, Interval.exactly(value), source, "definition")

    def left(self, name: str, value: Interval, cause: str = "") -> Quantity:
        """What a share like this one leaves of the whole; it falls when the share rises."""
        return replace(self, name=name, value=value, cause=f"-{cause or self.name}", most=_WHOLE)


@dataclass(frozen=True, slots=True)
class Term:
    """One addend of a cost: the product of `times` / the product of `per`."""

    name: str
    times: tuple[Quantity, ...]
    per: tuple[Quantity, ...] = ()

    @property
    def value(self) -> Interval:
        """The term's share of the cost, in the unit of the cost."""
        return _product(self.times) / _product(self.per)

    @property
    def point(self) -> Decimal:
        """That of `value`, in a third of the time."""
        return _at_points(self.times) / _at_points(self.per)

    def power(self, name: str) -> int:
        """How often the quantity is a factor, less how often it divides."""
        times = sum(quantity.name == name for quantity in self.times)
        return times - sum(quantity.name == name for quantity in self.per)

    def with_value(self, name: str, value: Interval) -> Term:
        """The same term with another figure for one quantity."""
        if name not in {quantity.name for quantity in self.times + self.per}:
            return self
        return replace(
            self,
            times=tuple(_with_value(quantity, name, value) for quantity in self.times),
            per=tuple(_with_value(quantity, name, value) for quantity in self.per),
        )

    def as_dict(self) -> dict[str, Any]:
        """Names only, for snapshots."""
        return {
            "name": self.name,
            "times": [quantity.name for quantity in self.times],
            "per": [quantity.name for quantity in self.per],
        }


@dataclass(frozen=True, slots=True)
class Cost:
    """The sum of its terms, in `unit`."""

    unit: str
    terms: tuple[Term, ...]

    @property
    def value(self) -> Interval:
        """Low, point and high of the sum."""
        return reduce(add, (term.value for term in self.terms), _ZERO)

    @property
    def point(self) -> Decimal:
        """That of `value`, in a third of the time."""
        return sum((term.point for term in self.terms), Decimal(0))

    @property
    def may_be_free(self) -> bool:
        """Whether the low of its `value` is nothing: each term has a factor that may be."""
        return all(any(not q.value.low for q in term.times) for term in self.terms)

    def with_value(self, name: str, value: Interval) -> Cost:
        """The same cost with another figure for one quantity."""
        return replace(self, terms=tuple(term.with_value(name, value) for term in self.terms))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two ways to do the same work; ratio = self-hosting / API, above 1 the API is cheaper."""

    self_host: Cost
    api: Cost

    @property
    def terms(self) -> tuple[Term, ...]:
        """Of both sides, self-hosting first."""
        return self.self_host.terms + self.api.terms

    @property
    def ratio(self) -> Interval:
        """At the corners: no choice of values within the ranges gives less or more.

        A quantity on both sides makes it wider than need be. `spread` says what is likely.
        """
        return self.self_host.value / self.api.value

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Every quantity once, in the order of the formulas."""
        every = {q.name: q for term in self.terms for q in term.times + term.per}
        return tuple(every.values())

    def price(self, series: Series) -> Quantity:
        """The quantity that the book's price of a series became; KeyError when it is not in."""
        return {q.price.series: q for q in self.quantities if q.price}[series]

    def with_value(self, name: str, value: Interval) -> Comparison:
        """The same comparison with another figure for one quantity."""
        return Comparison(self.self_host.with_value(name, value), self.api.with_value(name, value))

    def elasticity(self, name: str) -> Decimal:
        """d ln ratio / d ln quantity at the point: percent of ratio for one percent of it."""
        return _weighted_power(self.self_host, name) - _weighted_power(self.api, name)

    def solvable(self, name: str) -> bool:
        """Whether `break_even` can be asked: the quantity multiplies, or divides, never both."""
        return {term.power(name) for term in self.terms} - {0} in ({1}, {-1})

    def break_even(self, name: str, at_most: Decimal | None = None) -> Decimal | None:
        """The value of one quantity, all others at their points, at which both ways cost the same.

        With y the quantity (or its reciprocal, when it divides), A + B y = C + D y gives
        y = (C - A) / (B - D). None: there is no such value, or it is above `at_most`: never.
        """
        if not self.solvable(name):
            raise ValueError(f"{name} is no plain factor or divisor of this comparison")
        rest, slope = _line(self.self_host, name)
        api_rest, api_slope = _line(self.api, name)
        if slope == api_slope:
            return None
        y = (api_rest - rest) / (slope - api_slope)
        if y <= 0:
            return None
        divides = any(term.power(name) < 0 for term in self.terms)
        value = 1 / y if divides else y
        return None if at_most is not None and value > at_most else value


def _product(quantities: tuple[Quantity, ...]) -> Interval:
    values = [quantity.value for quantity in quantities]
    return Interval(
        prod((value.low for value in values), start=_WHOLE),
        prod((value.point for value in values), start=_WHOLE),
        prod((value.high for value in values), start=_WHOLE),
    )


def _at_points(quantities: tuple[Quantity, ...]) -> Decimal:
    return prod((quantity.value.point for quantity in quantities), start=_WHOLE)


def _with_value(quantity: Quantity, name: str, value: Interval) -> Quantity:
    return replace(quantity, value=value) if quantity.name == name else quantity


def _weighted_power(cost: Cost, name: str) -> Decimal:
    weighted = sum((term.point * term.power(name) for term in cost.terms), Decimal(0))
    return weighted / cost.point


def _line(cost: Cost, name: str) -> tuple[Decimal, Decimal]:
    at_one = cost.with_value(name, _ONE)
    slope = sum((t.point for t in at_one.terms if t.power(name)), Decimal(0))
    return at_one.point - slope, slope
