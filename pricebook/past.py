"""What the book knows of the past of series: for each time the price that held, as known today."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from pricebook.question import Asked, Question, amount, instant
from pricebook.quote import CANCELLED, Price, Series
from pricebook.series import series_ids

Past: TypeAlias = Mapping[Series, tuple[Price, ...]]
"""The prices of each series by the time from which they held, oldest first."""

_NUMBER, _VALID_FROM = itemgetter(0), itemgetter(2)


def past(asked: Asked, wanted: Iterable[Series], until: datetime) -> Past:
    """The prices of these series that held at any time up to `until`; an unknown series has none.

    Of two that are valid from one time the one recorded last counts; a cancelled one never held.
    What pages printed is left out.
    """
    series = {number: one for one, number in series_ids(asked, wanted).items()}
    rows = _ROWS.rows(asked, numbers=sorted(series), until=until)
    return {
        series[number]: tuple(_held(series[number], changes))
        for number, changes in groupby(rows, key=_NUMBER)
    }


def _held(series: Series, changes: Iterable[tuple[Any, ...]]) -> Iterator[Price]:
    for _, versions in groupby(changes, key=_VALID_FROM):
        *_, (_, ticks, since, basis, recorded_at, source) = versions
        if basis != CANCELLED:
            yield Price(
                series,
                amount(ticks),
                instant(since),
                basis,
                instant(recorded_at),
                source,
            )


_ROWS = Question("""
    SELECT price.series_id, price.amount, price.valid_from, price.basis, price.recorded_at,
           partition.name
    FROM price
    JOIN run ON run.id = price.run_id
    JOIN partition ON partition.id = run.partition_id
    WHERE price.series_id = ANY(:numbers) AND price.valid_from <= :until
    ORDER BY price.series_id, price.valid_from, price.recorded_at
""")
