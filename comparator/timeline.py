"""A workload's ratio through time: at every change of a price, or of a measurement, behind it.

The formulas are worked out once, as sums of products of prices; each change then costs a few
multiplications. What comes out is what `evaluate` says of that time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from comparator.comparison import Term
from comparator.interval import Interval
from comparator.ratio import FREE, in_force, priced
from comparator.spread import Parts, Shape
from comparator.way import Unknown
from comparator.workload import Workload
from pricebook.offers import NOTHING_ELSE, Offers
from pricebook.past import Past
from pricebook.quote import Price, Series

_Held: TypeAlias = Mapping[Series, Price]
_Chosen: TypeAlias = list[Price | None]
"""For each price that a workload needs, in that order, the one that holds."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The ratio from `at` on; None: unknown, and `reason` says why.

    `moved`: the prices that began to hold then; none when a measurement or an offer changed.
    """

    at: datetime
    ratio: Interval | None
    reason: str
    moved: tuple[Price, ...]


def timeline(
    workload: Workload, past: Past, until: datetime, offers: Offers = NOTHING_ELSE
) -> Iterator[Moment]:
    """The ratio at each time up to `until` at which something that it rests on changed.

    `past` holds what `Workload.may_need` names. A measurement that isn't the one to go by is no
    change.
    """
    changes: dict[datetime, list[Price]] = defaultdict(list, {turn: [] for turn in workload.turns})
    for series in workload.may_need(offers):
        for price in past.get(series, ()):
            changes[price.valid_from].append(price)
    formulas, held = _Formulas(workload, offers), dict[Series, Price]()
    last: Moment | None = None
    for at in sorted(at for at in changes if at <= until):
        for price in changes[at]:
            held[price.series] = price
        now = _moment(formulas, at, held, tuple(changes[at]))
        if now.moved or last is None or (now.ratio, now.reason) != (last.ratio, last.reason):
            yield now
        last = now


def _moment(formulas: _Formulas, at: datetime, held: _Held, moved: tuple[Price, ...]) -> Moment:
    try:
        return Moment(at, formulas.ratio(at, held, moved), "", moved)
    except Unknown as error:
        return Moment(at, None, str(error), moved)


class _Formulas:
    """A workload's formulas, worked out anew only when their form changes."""

    def __init__(self, workload: Workload, offers: Offers) -> None:
        self._workload, self._offers = workload, offers
        self._turns, self._epoch = sorted(workload.turns), -1
        self._known: _Known | Unknown

    def ratio(self, at: datetime, held: _Held, moved: Iterable[Price]) -> Interval:
        """With these prices in force, some of them new; Unknown when there is none."""
        epoch = bisect_right(self._turns, at)
        if epoch != self._epoch:
            self._epoch, self._known, moved = epoch, self._known_at(at), held.values()
        if isinstance(self._known, Unknown):
            raise Unknown(*self._known.args)
        return self._known.ratio(held, moved)

    def _known_at(self, at: datetime) -> _Known | Unknown:
        try:
            return _Known(self._workload.as_of(at), self._offers)
        except Unknown as error:
            return error


class _Known:
    """A workload by what was measured at some time, whatever its prices are."""

    def __init__(self, workload: Workload, offers: Offers) -> None:
        self._workload, self._offers = workload, offers
        self._needs = workload.needs()
        self._slots = {need: slot for slot, need in enumerate(self._needs)}
        self._alone = set(workload.may_need(offers)) == set(self._needs)
        self._bends = workload.bends
        self._chosen: _Chosen = [None] * len(self._needs)
        self._form: list[Series] = []
        self._formula: _Formula | None = None

    def ratio(self, held: _Held, moved: Iterable[Price]) -> Interval:
        """With these prices in force, some of them new; Unknown when there is none."""
        self._choose(held, moved)
        amounts = [price.amount if price else None for price in self._chosen]
        if None in amounts:
            slot = amounts.index(None)
            in_force(self._needs[slot], self._chosen[slot])
        return self._formula_now().ratio([amount for amount in amounts if amount is not None])

    def _formula_now(self) -> _Formula:
        """Anew when another price stands in for one that is needed, or when prices bend it."""
        if self._formula and self._alone and not self._bends:
            return self._formula
        form = [price.series for price in self._chosen if price]
        if self._formula is None or self._bends or form != self._form:
            self._form, self._formula = form, _Formula(self._workload, self._chosen)
        return self._formula

    def _choose(self, held: _Held, moved: Iterable[Price]) -> None:
        if not self._alone:
            choice = (self._workload.price(one, held.get, self._offers) for one in self._needs)
            self._chosen = list(choice)
            return
        for price in moved:
            slot = self._slots.get(price.series)
            if slot is not None:
                self._chosen[slot] = price


class _Formula:
    """Both costs as sums of products of prices."""

    def __init__(self, workload: Workload, chosen: _Chosen) -> None:
        quantities = [priced(price) for price in chosen if price]
        by_need = dict(zip(workload.needs(), quantities, strict=True))
        comparison = workload.compare(by_need.__getitem__)
        self._shape = Shape.of(comparison.self_host, comparison.api)
        slots = {quantity.name: slot for slot, quantity in enumerate(quantities)}
        self._over, self._under = (
            _Sum(way.title, [_Product(term, self._shape, slots) for term in side.terms])
            for way, side in (
                (workload.self_host, comparison.self_host),
                (workload.api, comparison.api),
            )
        )

    def ratio(self, amounts: Sequence[Decimal]) -> Interval:
        """P10, point and p90, at these prices in the order of the needs."""
        return self._shape.range(self._over.parts(amounts), self._under.parts(amounts))


class _Product:
    """A term: what doesn't depend on prices, worked out, and the prices that it is multiplied by.

    `sure`: whether the rest of it can't be nothing.
    """

    def __init__(self, term: Term, shape: Shape, slots: Mapping[str, int]) -> None:
        rest = term
        for name in slots:
            rest = rest.with_value(name, Interval.exactly(1))
        self.unsure = shape.powers(term)
        self.sure = bool(rest.value.low)
        self._rest = rest.value.point
        self._times = [slots[each.name] for each in term.times if each.name in slots]

    def value(self, amounts: Sequence[Decimal]) -> Decimal:
        """At the points of everything."""
        value = self._rest
        for slot in self._times:
            value *= amounts[slot]
        return value


class _Sum:
    """The terms of one way's cost."""

    def __init__(self, title: str, products: Sequence[_Product]) -> None:
        self._title, self._products = title, products

    def parts(self, amounts: Sequence[Decimal]) -> Parts:
        """By what is unsure in them; Unknown when the way may cost nothing."""
        parts, sure = Parts(), False
        for each in self._products:
            value = each.value(amounts)
            parts[each.unsure] = parts[each.unsure] + value if each.unsure in parts else value
            sure = sure or bool(each.sure and value)
        if not sure:
            raise Unknown(FREE.format(self._title))
        return parts
