# ruff: noqa: S608 - statements are put together of our own words; what is asked for is bound
"""What the book knows of the past of series: for each time the price that held, as known today."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import groupby
from operator import itemgetter
from sys import intern
from typing import Any, TypeAlias, overload

from pricebook.question import Asked, Question, amount, instant, seconds
from pricebook.quote import CANCELLED, TICKS_PER_UNIT, Price, Series
from pricebook.series import NAMED_SERIES, SELECTED, series_from, series_ids

Past: TypeAlias = Mapping[Series, Sequence[Price]]
"""The prices of each series by the time from which they held, oldest first."""

Ticks: TypeAlias = int | Decimal | None
"""Whole in the book; less a discount, maybe not."""

_NUMBER, _SINCE, _BASIS = range(3)
"""Columns of `_ROWS`."""


class History(Sequence[Price]):
    """The prices of a series, each of which is made when it is asked for, and once: of thousands
    hardly any is looked at. What is gone through are columns.

    `begins`: from when they held, in seconds since 1970, no two alike. `ticks`: their amounts, in
    10^-10 of the currency; None where the series is withdrawn. `price` gives one by its number.
    """

    __slots__ = ("begins", "price", "ticks")

    def __init__(
        self, begins: Sequence[int], ticks: Sequence[Ticks], price: Callable[[int], Price]
    ) -> None:
        self.begins, self.ticks, self.price = begins, ticks, price

    @classmethod
    def of(cls, prices: Sequence[Price]) -> History:
        """The same, with columns; of two from one time the later counts."""
        if isinstance(prices, cls):
            return prices
        held = {seconds(one.valid_from): one for one in prices}
        ticks = [one.amount and one.amount * TICKS_PER_UNIT for one in held.values()]
        return cls([*held], ticks, [*held.values()].__getitem__)

    def held_at(self, at: datetime) -> Price | None:
        """The price that held then."""
        number = bisect_right(self.begins, seconds(at))
        return self[number - 1] if number else None

    def __len__(self) -> int:
        return len(self.begins)

    @overload
    def __getitem__(self, place: int) -> Price: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Price]: ...

    def __getitem__(self, place: int | slice) -> Price | Sequence[Price]:
        if isinstance(place, slice):
            return [self.price(one) for one in range(len(self))[place]]
        return self.price(place)


def known_series(asked: Asked, sellers: Iterable[str] | None = None) -> Iterator[Series]:
    """Every series that the book has heard of, or those of these sellers."""
    rows = _ALL.each(asked) if sellers is None else _OF_SELLERS.each(asked, sellers=[*sellers])
    return (series_from(*row) for row in rows)


def past(asked: Asked, wanted: Iterable[Series], until: datetime) -> Past:
    """The prices of these series that held at any time up to `until`; an unknown series has none.

    Of two that are valid from one time the one recorded last counts; a cancelled one never held.
    What pages printed is left out.
    """
    series = {number: one for one, number in series_ids(asked, wanted).items()}
    rows = _ROWS.each(asked, numbers=sorted(series), until=until)
    return {
        series[number]: _history(series[number], changes)
        for number, changes in groupby(rows, key=itemgetter(_NUMBER))
    }


def _history(series: Series, changes: Iterable[tuple[Any, ...]]) -> History:
    last_words = {row[_SINCE]: row for row in changes}.values()
    held = [row for row in last_words if row[_BASIS] != CANCELLED]
    if not held:
        return History.of(())
    _, since, basis, ticks, recorded_at, source = zip(*held, strict=True)
    begins = tuple(map(seconds, since))
    # The driver makes each word anew.
    bases, sources = tuple(map(intern, basis)), tuple(map(intern, source))

    @cache
    def price(place: int) -> Price:
        return Price(
            series,
            amount(ticks[place]),
            instant(begins[place]),
            bases[place],
            instant(recorded_at[place]),
            sources[place],
        )

    return History(begins, ticks, price)


_ALL = Question(f"SELECT {SELECTED} FROM {NAMED_SERIES}")
_OF_SELLERS = Question(f"SELECT {SELECTED} FROM {NAMED_SERIES} WHERE tariff.seller = ANY(:sellers)")
_ROWS = Question("""
    SELECT price.series_id, price.valid_from, price.basis, price.amount, price.recorded_at,
           partition.name
    FROM price
    JOIN run ON run.id = price.run_id
    JOIN partition ON partition.id = run.partition_id
    WHERE price.series_id = ANY(:numbers) AND price.valid_from <= :until
    ORDER BY price.series_id, price.valid_from, price.recorded_at
""")
