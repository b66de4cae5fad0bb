"""Between a `Series` and its row: which columns hold it, how it is found, how questions filter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, insert, select

from pricebook.quote import Series, canonical
from pricebook.tables import SeriesRow

Found: TypeAlias = Any
"""A row of a query, read by the names of its columns."""

SERIES = (
    SeriesRow.id.label("series_id"),
    SeriesRow.seller,
    SeriesRow.product,
    SeriesRow.meter,
    SeriesRow.unit,
    SeriesRow.currency,
    SeriesRow.service_tier,
    SeriesRow.region,
    SeriesRow.term,
    SeriesRow.more,
)
"""The columns that `series_of` needs."""

_COLUMNS = ("service_tier", "region", "term")
_CHUNK = 500
"""SQLite takes at most 32,766 parameters a statement; a chunk is far below and no slower."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which series a question is about; an empty field matches all.

    `pattern` is looked for in the product's name, ignoring case; `product` is the exact name.
    """

    pattern: str = ""
    product: str = ""
    seller: str = ""
    meter: str = ""
    service_tier: str = ""
    region: str = ""
    term: str = ""

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as conditions on table `series`."""
        wanted = {field.name: getattr(self, field.name) for field in fields(self)}
        pattern = wanted.pop("pattern")
        found = [getattr(SeriesRow, name) == value for name, value in wanted.items() if value]
        if pattern:
            found.append(SeriesRow.product.icontains(pattern, autoescape=True))
        return found


def series_ids(
    connection: Connection, wanted: Iterable[Series], *, create: bool = True
) -> dict[Series, int]:
    """The ids of series; unknown ones are made, or left out when `create` is false."""
    distinct = list(dict.fromkeys(wanted))
    found: dict[Series, int] = {}
    for start in range(0, len(distinct), _CHUNK):
        products = {series.product for series in distinct[start : start + _CHUNK]}
        rows = connection.execute(select(*SERIES).where(SeriesRow.product.in_(products)))
        found |= {series_of(row): row.series_id for row in rows}
    if create:
        found |= {series: _made(connection, series) for series in distinct if series not in found}
    return {series: found[series] for series in distinct if series in found}


def series_id(connection: Connection, series: Series) -> int | None:
    """The id of one series, None when the book has never heard of it."""
    query = select(SeriesRow.id).filter_by(**row_of(series))
    return connection.execute(query).scalar()


def series_of(row: Found) -> Series:
    """The series of a row that has the columns `SERIES`."""
    qualifiers = {name: getattr(row, name) for name in _COLUMNS}
    if row.more:
        qualifiers |= json.loads(row.more)
    return Series.of(
        row.seller, row.product, row.meter, row.unit, currency=row.currency, **qualifiers
    )


def _made(connection: Connection, series: Series) -> int:
    made = insert(SeriesRow).values(**row_of(series)).returning(SeriesRow.id)
    return int(connection.execute(made).scalar_one())


def row_of(series: Series) -> dict[str, str]:
    """The columns of table `series` that hold it: the inverse of `series_of`."""
    qualifiers = dict(series.qualifiers)
    columns = {name: qualifiers.pop(name, "") for name in _COLUMNS}
    return {
        "seller": series.seller,
        "product": series.product,
        "meter": series.meter,
        "unit": series.unit,
        "currency": series.currency,
        **columns,
        "more": canonical(qualifiers) if qualifiers else "",
    }
