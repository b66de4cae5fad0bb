"""What the book knows of a series besides its price: its twins by length of prompt, its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from pricebook.answers import history
from pricebook.question import Asked, Question
from pricebook.quote import CANCELLED, Series
from pricebook.series import NAMED_SERIES, SELECTED, Filter, series_from


@dataclass(frozen=True, slots=True)
class Offers:
    """`by_length`: the series that differ from one in `context` alone, whatever it says itself.

    `ends`: from when on a series is announced to have no price, None when nobody said so.
    """

    by_length: Callable[[Series], Iterable[Series]]
    ends: Callable[[Series], datetime | None]


NOTHING_ELSE = Offers(lambda _: (), lambda _: None)
"""Of an empty book."""


def offers(asked: Asked, at: datetime) -> Offers:
    """What the book knew of other series and of ends at `at`; each is looked up once."""
    return Offers(cache(lambda one: by_length(asked, one)), cache(lambda one: end(asked, one, at)))


def by_length(asked: Asked, series: Series) -> tuple[Series, ...]:
    """The series of the book that differ from this one in `context` alone, and name one."""
    rows = _OF_METER.rows(asked, seller=series.seller, product=series.product, meter=series.meter)
    wanted = bare(series)
    twins = (series_from(*row) for row in rows)
    return tuple(twin for twin in twins if twin.get("context") and bare(twin) == wanted)


def end(asked: Asked, series: Series, at: datetime) -> datetime | None:
    """The first day after `at` from which, as was known then, the series has no price."""
    where = Filter(product=series.product, seller=series.seller, meter=series.meter)
    ahead = {
        row.valid_from: row
        for row in history(asked, where, since=at)
        if row.series == series and row.recorded_at <= at < row.valid_from
    }
    ends = (day for day, row in ahead.items() if row.amount is None and row.basis != CANCELLED)
    return min(ends, default=None)


def bare(series: Series) -> Series:
    """The series without its `context`."""
    kept = {name: value for name, value in series.qualifiers if name != "context"}
    return Series.of(
        series.seller, series.product, series.meter, series.unit, currency=series.currency, **kept
    )


_OF_METER = Question(
    f"SELECT {SELECTED} FROM {NAMED_SERIES}"  # noqa: S608 - names of columns
    " WHERE seller = :seller AND product = :product AND meter = :meter"
)
