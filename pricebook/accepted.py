"""What a look is compared with: the last accepted readings, and the prices announced for later."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, literal_column, select

from pricebook.entries import chunks
from pricebook.quote import ANNOUNCED, Price, Series
from pricebook.series import Found, series_ids, series_of
from pricebook.tables import NAMED_SERIES, SERIES, Current, Partition, PriceRow, Run, SeriesRow

IS_ANNOUNCED = PriceRow.basis == literal_column(f"'{ANNOUNCED}'")
"""Written out, so that the index of the announced prices serves."""


def latest(
    connection: Connection, partition: str, read: Iterable[Series] = ()
) -> dict[Series, Price]:
    """The last accepted price of every series of a partition: what the gate compares with.

    Of the series that were `read` it is also given where another partition saw them last: a page
    that moves takes its prices along.
    """
    query = _current_with_source()
    prices = _accepted(connection.execute(query.where(Partition.name == partition)))
    elsewhere = series_ids(connection, set(read) - prices.keys()).values()
    for chunk in chunks(elsewhere):
        prices |= _accepted(connection.execute(query.where(Current.series_id.in_(chunk))))
    return prices


def latest_elsewhere(
    connection: Connection, products: Iterable[str], partitions: Collection[str]
) -> dict[Series, Price]:
    """The last accepted prices of these products that none of these partitions has."""
    elsewhere = _current_with_source().where(Partition.name.not_in(partitions))
    prices: dict[Series, Price] = {}
    for chunk in chunks(products):
        prices |= _accepted(connection.execute(elsewhere.where(SeriesRow.product.in_(chunk))))
    return prices


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


def current_rows() -> Any:
    """A query of the last accepted readings with `SERIES`."""
    rest = (column for column in Current.__table__.c if column.name != "series_id")
    named = NAMED_SERIES.join(Current.__table__, Current.series_id == SeriesRow.id)
    return select(*SERIES, *rest).select_from(named)


def _current_with_source() -> Any:
    query = current_rows().join(Partition, Partition.id == Current.partition_id)
    return query.add_columns(Partition.name.label("source"))


def _accepted(rows: Iterable[Found]) -> dict[Series, Price]:
    prices = (
        Price(series_of(row), row.amount, row.valid_from, row.basis, row.recorded_at, row.source)
        for row in rows
    )
    return {price.series: price for price in prices}
