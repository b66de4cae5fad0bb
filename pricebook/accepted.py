"""What a look is compared with: the last accepted readings, and the prices announced for later."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, literal_column, select

from pricebook.entries import chunks
from pricebook.quote import ANNOUNCED, Series
from pricebook.series import Found, product_ids, series_from, series_ids, series_key, series_of
from pricebook.tables import (
    NAMED_SERIES,
    SERIES,
    Current,
    Partition,
    PriceRow,
    Run,
    SeriesRow,
)

IS_ANNOUNCED = PriceRow.basis == literal_column(f"'{ANNOUNCED}'")
"""Written out, so that the index of the announced prices serves."""


class Accepted(NamedTuple):
    """The last accepted reading of a series: what table `current` has of it.

    `amount` None: withdrawn.
    """

    number: int
    partition_id: int
    amount: Decimal | None
    valid_from: datetime
    unseen_since: datetime | None
    missing_since: datetime | None


def latest(
    connection: Connection, partition: str, read: Iterable[Series] = ()
) -> dict[Series, Accepted]:
    """The last accepted reading of every series of a partition: what a look is compared with.

    Of the series that were `read` it is also given where another partition saw them last: a page
    that moves takes its prices along.
    """
    looked = set(read)
    query = _current_with_partition().where(Partition.name == partition)
    found = _accepted(connection.execute(query), looked)
    return found | latest_of_series(connection, looked - found.keys())


def latest_of_series(connection: Connection, wanted: Iterable[Series]) -> dict[Series, Accepted]:
    """The last accepted readings of these series, whichever partition saw them."""
    named = {number: series for series, number in series_ids(connection, wanted).items()}
    found: dict[Series, Accepted] = {}
    for chunk in chunks(named):
        query = select(*_READING).where(Current.series_id.in_(chunk))
        found |= {named[row[0]]: Accepted(*row) for row in connection.execute(query)}
    return found


def latest_elsewhere(
    connection: Connection, products: Iterable[str], partitions: Collection[str]
) -> dict[Series, Accepted]:
    """The last accepted readings of these products that none of these partitions has."""
    elsewhere = _current_with_partition().where(Partition.name.not_in(partitions))
    found: dict[Series, Accepted] = {}
    for chunk in chunks(product_ids(connection, products).values()):
        found |= _accepted(connection.execute(elsewhere.where(SeriesRow.product_id.in_(chunk))))
    return found


def announced(
    connection: Connection, partition: str, at: datetime
) -> set[tuple[Series, datetime, Decimal]]:
    """The prices of a partition that are known to begin later, each with its day."""
    rows = announced_rows(connection, partition, at)
    return {
        (series_of(row), since, row.amount)
        for (_, since), row in rows.items()
        if row.amount is not None
    }


def announced_rows(
    connection: Connection, partition: str, at: datetime
) -> dict[tuple[int, datetime], Found]:
    """The rows of `announced`, with `SERIES` and `amount`, by series number and day."""
    later = PriceRow.__table__.alias()
    superseded = select(later.c.series_id).where(
        later.c.series_id == PriceRow.series_id,
        later.c.valid_from == PriceRow.valid_from,
        later.c.recorded_at > PriceRow.recorded_at,
    )
    query = (
        select(*SERIES, PriceRow.valid_from, PriceRow.amount)
        .select_from(NAMED_SERIES)
        .join(PriceRow, PriceRow.series_id == SeriesRow.id)
        .join(Run, Run.id == PriceRow.run_id)
        .join(Partition, Partition.id == Run.partition_id)
        .where(
            Partition.name == partition,
            IS_ANNOUNCED,
            PriceRow.valid_from > at,
            ~superseded.exists(),
        )
    )
    return {(row.series_id, row.valid_from): row for row in connection.execute(query)}


_READING = (Current.series_id, *(getattr(Current, name) for name in Accepted._fields[1:]))
"""The columns of an `Accepted`."""


def _current_with_partition() -> Any:
    """A query of `SERIES` and `_READING`, to be narrowed by `Partition`."""
    query = select(*SERIES, *_READING).select_from(NAMED_SERIES)
    read = query.join(Current.__table__, Current.series_id == SeriesRow.id)
    return read.join(Partition, Partition.id == Current.partition_id)


def _accepted(rows: Iterable[Found], expected: Iterable[Series] = ()) -> dict[Series, Accepted]:
    """The readings by series; a series that is `expected` isn't put together from its columns."""
    known = {tuple(series_key(series).values()): series for series in expected}
    found = {}
    for row in rows:
        columns = row[1 : len(SERIES)]
        series = known.get(columns) or series_from(*columns)
        found[series] = Accepted(*row[len(SERIES) :])
    return found
