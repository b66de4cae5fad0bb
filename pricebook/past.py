"""What the book knows of the past of series: for each time the price that held, as known today."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from pricebook.book import CANCELLED
from pricebook.quote import Price, Series
from pricebook.series import Found, series_ids
from pricebook.tables import Partition, PriceRow, Run

Past: TypeAlias = Mapping[Series, tuple[Price, ...]]
"""The prices of each series by the time from which they held, oldest first."""

_CHUNK = 500
"""SQLite takes at most 32,766 parameters a statement; a chunk is far below and no slower."""


def past(connection: Connection, wanted: Iterable[Series], until: datetime) -> Past:
    """The prices of these series that held at any time up to `until`; an unknown series has none.

    Of two that are valid from one time the one recorded last counts; a cancelled one never held.
    What pages printed is left out.
    """
    series = {number: one for one, number in series_ids(connection, wanted, create=False).items()}
    found: dict[Series, tuple[Price, ...]] = {}
    numbers = list(series)
    for start in range(0, len(numbers), _CHUNK):
        rows = connection.execute(_rows(numbers[start : start + _CHUNK], until))
        for number, changes in groupby(rows, key=lambda row: row.series_id):
            found[series[number]] = tuple(_held(series[number], changes))
    return found


def _held(series: Series, changes: Iterable[Found]) -> Iterator[Price]:
    for _, versions in groupby(changes, key=lambda row: row.valid_from):
        *_, row = versions
        if row.basis != CANCELLED:
            yield Price(series, row.amount, row.valid_from, row.basis, row.recorded_at, row.name)


def _rows(numbers: list[int], until: datetime) -> Any:
    columns = (
        PriceRow.series_id,
        PriceRow.valid_from,
        PriceRow.recorded_at,
        PriceRow.amount,
        PriceRow.basis,
        Partition.name,
    )
    return (
        select(*columns)
        .join(Run, Run.id == PriceRow.run_id)
        .join(Partition, Partition.id == Run.partition_id)
        .where(PriceRow.series_id.in_(numbers), PriceRow.valid_from <= until)
        .order_by(PriceRow.series_id, PriceRow.valid_from, PriceRow.recorded_at)
    )
