"""What the book knows of the past of series: for each time the price that held, as known today."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, select

from pricebook.prepared import Among, PreparedList
from pricebook.quote import CANCELLED, Price, Series
from pricebook.series import series_ids
from pricebook.tables import Partition, PriceRow, Run
from pricebook.types import Instant

Past: TypeAlias = Mapping[Series, tuple[Price, ...]]
"""The prices of each series by the time from which they held, oldest first."""

_NUMBER, _VALID_FROM = itemgetter(0), itemgetter(2)


def past(connection: Connection, wanted: Iterable[Series], until: datetime) -> Past:
    """The prices of these series that held at any time up to `until`; an unknown series has none.

    Of two that are valid from one time the one recorded last counts; a cancelled one never held.
    What pages printed is left out.
    """
    series = {number: one for one, number in series_ids(connection, wanted, create=False).items()}
    rows = _ROWS.rows(connection, series, until=until)
    return {
        series[number]: tuple(_held(series[number], changes))
        for number, changes in groupby(rows, key=_NUMBER)
    }


def _held(series: Series, changes: Iterable[tuple[Any, ...]]) -> Iterator[Price]:
    for _, versions in groupby(changes, key=_VALID_FROM):
        *_, last = versions
        price = Price(series, *last[1:])
        if price.basis != CANCELLED:
            yield price


def _rows(among: Among) -> Any:
    columns = (
        PriceRow.series_id,
        PriceRow.amount,
        PriceRow.valid_from,
        PriceRow.basis,
        PriceRow.recorded_at,
        Partition.name,
    )
    return (
        select(*columns)
        .join(Run, Run.id == PriceRow.run_id)
        .join(Partition, Partition.id == Run.partition_id)
        .where(among(PriceRow.series_id), PriceRow.valid_from <= bindparam("until", type_=Instant))
        .order_by(PriceRow.series_id, PriceRow.valid_from, PriceRow.recorded_at)
    )


_ROWS = PreparedList(_rows)
