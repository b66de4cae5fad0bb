"""A workload's ratio through time: at every change of a price, or of a measurement, behind it.

The formulas are worked out once, as sums of products of prices; each change then costs a few
multiplications. What comes out is what `evaluate` says of that time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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

_Chosen: TypeAlias = Mapping[Series, Price]
"""For each price that a workload needs, the one that holds."""


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

    `past` holds what `Workload.may_need` names.
    """
    changes: dict[datetime, list[Price]] = {turn: [] for turn in workload.turns}
    for series in workload.may_need(offers):
        for price in past.get(series, ()):
            changes.setdefault(price.valid_from, []).append(price)
    formulas, held = _Formulas(workload, offers), dict[Series, Price]()
    for at in sorted(at for at in changes if at <= until):
        held |= {price.series: price for price in changes[at]}
        yield _moment(formulas, at, held, tuple(changes[at]))


def _moment(
    formulas: _Formulas, at: datetime, held: Mapping[Series, Price], moved: tuple[Price, ...]
) -> Moment:
    try:
        return Moment(at, formulas.ratio(at, held), "", moved)
    except Unknown as error:
        return Moment(at, None, str(error), moved)


class _Formulas:
    """A workload's formulas, worked out anew only when their form changes."""

    def __init__(self, workload: Workload, offers: Offers) -> None:
        self._workload, self._offers = workload, offers
        self._form: object = None
        self._formula: _Formula

    def ratio(self, at: datetime, held: Mapping[Series, Price]) -> Interval:
        """With these prices in force; Unknown when there is none."""
        known = self._workload.as_of(at)
        chosen = {need: self._choice(known, need, held) for need in known.needs()}
        form = known, [price.series for price in chosen.values()]
        if known.bends or form != self._form:
            self._form, self._formula = form, _Formula(known, chosen)
        return self._formula.ratio(chosen)

    def _choice(self, known: Workload, need: Series, held: Mapping[Series, Price]) -> Price:
        return in_force(need, known.price(need, held.get, self._offers))


class _Formula:
    """Both costs as sums of products of prices."""

    def __init__(self, workload: Workload, chosen: _Chosen) -> None:
        quantities = {need: priced(price) for need, price in chosen.items()}
        comparison = workload.compare(quantities.__getitem__)
        self._shape = Shape.of(comparison.self_host, comparison.api)
        names = {quantity.name: need for need, quantity in quantities.items()}
        self._over, self._under = (
            _Sum(way.title, [_Product(term, self._shape, names) for term in side.terms])
            for way, side in (
                (workload.self_host, comparison.self_host),
                (workload.api, comparison.api),
            )
        )

    def ratio(self, chosen: _Chosen) -> Interval:
        """P10, point and p90."""
        return self._shape.spread(self._over.parts(chosen), self._under.parts(chosen)).range


class _Product:
    """A term: what doesn't depend on prices, worked out, and the prices that it is multiplied by.

    `sure`: whether the rest of it can't be nothing.
    """

    def __init__(self, term: Term, shape: Shape, names: Mapping[str, Series]) -> None:
        rest = term
        for name in names:
            rest = rest.with_value(name, Interval.exactly(1))
        self.unsure = shape.powers(term)
        self.sure = bool(rest.value.low)
        self._rest = rest.value.point
        self._times = [names[each.name] for each in term.times if each.name in names]

    def value(self, chosen: _Chosen) -> Decimal:
        """At the points of everything."""
        value = self._rest
        for need in self._times:
            value *= chosen[need].amount or 0
        return value


class _Sum:
    """The terms of one way's cost."""

    def __init__(self, title: str, products: Sequence[_Product]) -> None:
        self._title, self._products = title, products

    def parts(self, chosen: _Chosen) -> Parts:
        """By what is unsure in them; Unknown when the way may cost nothing."""
        parts, sure = Parts(), Decimal(0)
        for each in self._products:
            value = each.value(chosen)
            parts[each.unsure] = parts.get(each.unsure, 0) + value
            sure += value if each.sure else 0
        if not sure:
            raise Unknown(FREE.format(self._title))
        return parts
