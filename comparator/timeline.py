"""A workload's ratio through time: at every change of a price, or of a measurement, behind it.

The formulas are worked out once, as sums of products of prices; each change then costs a few
multiplications. What comes out is what `evaluate` says of that time. For who looks for few of many
times there are estimates of all of them, in a tenth of the time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, cached_property
from itertools import accumulate, chain, pairwise
from typing import TypeAlias

from comparator.comparison import Term
from comparator.estimate import Column, Estimates, column, product, quotients, total
from comparator.interval import Interval
from comparator.ratio import FREE, in_force, priced
from comparator.spread import Parts, Shape
from comparator.way import Unknown
from comparator.workload import Workload
from pricebook.offers import NOTHING_ELSE, Offers
from pricebook.past import History, Past
from pricebook.question import instant, seconds
from pricebook.quote import Price, Series


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
    course = Course(workload, past, until, offers)
    return (course.moment(number) for number in range(len(course.times)))


class Course:
    """The same to pick from: its moments are at `times`, in seconds since 1970. Each is worked out
    when it is asked for, and once, as p10 and p90 may have to be drawn."""

    def __init__(self, workload: Workload, past: Past, until: datetime, offers: Offers) -> None:
        held = {series: History.of(past.get(series, ())) for series in workload.may_need(offers)}
        end, turns = seconds(until), sorted({*map(seconds, workload.turns)})
        # What is sorted already is merged sooner than a set is sorted.
        times = sorted(chain(turns, *(history.begins for history in held.values())))
        self._all = [*dict.fromkeys(times[: bisect_right(times, end)])]
        self._turns = turns[: bisect_right(turns, end)]
        columns = {series: _Column(history, self._all) for series, history in held.items()}
        self._columns = list(columns.values())
        self._formulas = _Formulas(workload, offers, columns)
        self._at = cache(self._moment)
        turned = (bisect_left(self._all, turn) for turn in self._turns)
        idle = {place for place in turned if not self._differs(place)}
        places = range(len(self._all))
        self._places = [place for place in places if place not in idle] if idle else places
        self.times = [self._all[place] for place in self._places]

    def moment(self, number: int) -> Moment:
        """What `evaluate` says of the time of that number."""
        return self._at(self._places[number])

    @cached_property
    def estimates(self) -> Estimates:
        """Of the ratio at all `times`."""
        found, turns = Estimates(), (bisect_left(self.times, turn) for turn in self._turns)
        for begin, end in pairwise(sorted({0, *turns, len(self.times)})):
            self._estimate(found, self._places[begin:end])
        return found

    def _differs(self, place: int) -> bool:
        """Whether a measurement is another there, and the ratio with it."""
        now, before = self._at(place), self._at(place - 1) if place else None
        same = before and (now.ratio, now.reason) == (before.ratio, before.reason)
        return bool(now.moved) or not same

    def _moment(self, place: int) -> Moment:
        since = self._all[place]
        came = [one.moved(place) for one in self._columns]
        moved = tuple([price for price in came if price])
        at = moved[0].valid_from if moved else instant(since)
        try:
            return Moment(at, self._formulas.at(since).ratio(place), "", moved)
        except Unknown as error:
            return Moment(at, None, str(error), moved)

    def _estimate(self, found: Estimates, places: Sequence[int]) -> None:
        """Of places with the same measurements."""
        sample = next((one for one in map(self._at, places) if one.ratio), None)
        known = self._formulas.at(seconds(sample.at)).estimates(places) if sample else None
        if sample and sample.ratio and known:
            found.extend(known, like=sample.ratio)
        else:
            found.extend_unknown(len(places))


class _Column:
    """The prices of a series, and how many of them have begun before and at each place."""

    def __init__(self, history: History, times: Sequence[int]) -> None:
        begins = set(history.begins)
        self._begun = list(accumulate((at in begins for at in times), initial=0))
        self._ticks, self._price = history.ticks, history.price

    def held(self, place: int) -> Price | None:
        """The price that holds."""
        begun = self._begun[place + 1]
        return self._price(begun - 1) if begun else None

    def moved(self, place: int) -> Price | None:
        """The price that begins to hold there."""
        before = self._begun[place]
        return self._price(before) if before < self._begun[place + 1] else None

    def amounts(self, places: Sequence[int]) -> Column:
        """At these places; nan where there is none."""
        known = column([None, *self._ticks])
        return [known[self._begun[place + 1]] for place in places]


_Columns: TypeAlias = Mapping[Series, _Column]


class _Formulas:
    """A workload's formulas, worked out anew only when their form changes."""

    def __init__(self, workload: Workload, offers: Offers, columns: _Columns) -> None:
        self._workload, self._offers, self._columns = workload, offers, columns
        self._turns = sorted(map(seconds, workload.turns))
        self._made: dict[int, _Known | Unknown] = {}

    def at(self, at: int) -> _Known:
        """Those of a time, in seconds since 1970; Unknown when there are none."""
        # The same number for times with the same measurements.
        epoch = bisect_right(self._turns, at)
        if epoch not in self._made:
            self._made[epoch] = self._known_at(instant(at))
        known = self._made[epoch]
        if isinstance(known, Unknown):
            raise Unknown(*known.args)
        return known

    def _known_at(self, at: datetime) -> _Known | Unknown:
        try:
            return _Known(self._workload.as_of(at), self._offers, self._columns)
        except Unknown as error:
            return error


class _Known:
    """A workload by what was measured at some time, whatever its prices are."""

    def __init__(self, workload: Workload, offers: Offers, columns: _Columns) -> None:
        self._workload, self._offers, self._columns = workload, offers, columns
        self._needs = workload.needs()
        self._needed = [columns[need] for need in self._needs]
        self._alone = set(workload.may_need(offers)) == set(self._needs)
        self._bends = workload.bends
        self._form: list[Series] = []
        self._formula: _Formula | None = None

    def ratio(self, place: int) -> Interval:
        """With the prices in force there; Unknown when there is none."""
        chosen = self._chosen(place)
        amounts = [price.amount for price in chosen if price and price.amount is not None]
        if len(amounts) < len(chosen):
            for need, price in zip(self._needs, chosen, strict=True):
                in_force(need, price)
        return self._formula_of(chosen).ratio(amounts)

    def estimates(self, places: Sequence[int]) -> Column | None:
        """The points; None where `ratio` has made no formula that holds whatever prices are."""
        if self._formula is None or self._bends or not self._alone:
            return None
        return self._formula.estimates([one.amounts(places) for one in self._needed])

    def _formula_of(self, chosen: Sequence[Price | None]) -> _Formula:
        """Anew when another price stands in for one that is needed, or when prices bend it."""
        if self._formula and self._alone and not self._bends:
            return self._formula
        form = [price.series for price in chosen if price]
        if self._formula is None or self._bends or form != self._form:
            self._form, self._formula = form, _Formula(self._workload, chosen)
        return self._formula

    def _chosen(self, place: int) -> list[Price | None]:
        if self._alone:
            return [one.held(place) for one in self._needed]

        def held(series: Series) -> Price | None:
            return self._columns[series].held(place)

        return [self._workload.price(need, held, self._offers) for need in self._needs]


class _Formula:
    """Both costs as sums of products of prices."""

    def __init__(self, workload: Workload, chosen: Sequence[Price | None]) -> None:
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

    def estimates(self, amounts: Sequence[Column]) -> Column | None:
        """The points at many prices; None where p10 and p90 depend on prices."""
        if not (self._over.is_even and self._under.is_even):
            return None
        return quotients(self._over.estimates(amounts), self._under.estimates(amounts))


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

    def estimates(self, amounts: Sequence[Column]) -> Column:
        """The same at many prices."""
        return product(self._rest, [amounts[slot] for slot in self._times], len(amounts[0]))


class _Sum:
    """The terms of one way's cost."""

    def __init__(self, title: str, products: Sequence[_Product]) -> None:
        self._title, self._products = title, products

    @property
    def is_even(self) -> bool:
        """Whether all of it spreads alike, and none of it may be nothing but by its prices."""
        alike = len({each.unsure for each in self._products}) == 1
        return alike and all(each.sure for each in self._products)

    def estimates(self, amounts: Sequence[Column]) -> Column:
        """The sum at many prices."""
        return total(each.estimates(amounts) for each in self._products)

    def parts(self, amounts: Sequence[Decimal]) -> Parts:
        """By what is unsure in them; Unknown when the way may cost nothing."""
        parts, sure = Parts(), False
        for each in self._products:
            value = each.value(amounts)
            known = parts.get(each.unsure)
            parts[each.unsure] = value if known is None else known + value
            sure = sure or bool(each.sure and value)
        if not sure:
            raise Unknown(FREE.format(self._title))
        return parts
