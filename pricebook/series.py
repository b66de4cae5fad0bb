"""Between a `Series` and its row: which columns hold it, how it is found, how questions filter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    func,
    insert,
    select,
)

from pricebook.prepared import Prepared
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
_KEY = ("product", "seller", "meter", "unit", "currency", *_COLUMNS, "more")
"""The columns that make a row the only one of its kind."""


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
    found = _known(connection, distinct)
    if create:
        found |= _made(connection, [series for series in distinct if series not in found])
    return {series: found[series] for series in distinct if series in found}


def series_id(connection: Connection, series: Series) -> int | None:
    """The id of one series, None when the book has never heard of it."""
    rows = _ID.rows(connection, **series_key(series))
    return int(rows[0][0]) if rows else None


def series_of(row: Found) -> Series:
    """The series of a row that has the columns `SERIES`."""
    qualifiers = {name: getattr(row, name) for name in _COLUMNS}
    if row.more:
        qualifiers |= json.loads(row.more)
    return Series.of(
        row.seller, row.product, row.meter, row.unit, currency=row.currency, **qualifiers
    )


def series_key(series: Series) -> dict[str, str]:
    """The values of the columns that make a series' row the only one of its kind."""
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


IS_SERIES = and_(*(getattr(SeriesRow, name) == bindparam(name) for name in _KEY))
"""The row of the series whose `series_key` is given."""

_ID = Prepared(select(SeriesRow.id).where(IS_SERIES))


def _known(connection: Connection, wanted: Sequence[Series]) -> dict[Series, int]:
    if connection.dialect.name == "postgresql" and len(wanted) > 1:
        keys = [series_key(series) for series in wanted]
        lists = {name: [key[name] for key in keys] for name in _KEY}
        return {wanted[place - 1]: number for number, place in _IDS.rows(connection, **lists)}
    # SQLite has no way to its host that a list would save.
    ids = ((series, series_id(connection, series)) for series in wanted)
    return {series: number for series, number in ids if number is not None}


def _ids_of_lists() -> Any:
    lists = (bindparam(name, type_=ARRAY(Text)) for name in _KEY)
    given = func.unnest(*lists).table_valued(*_KEY, with_ordinality="place").render_derived()
    same = (getattr(SeriesRow, name) == given.c[name] for name in _KEY)
    return select(SeriesRow.id, given.c.place).join(given, and_(*same))


_IDS = Prepared(_ids_of_lists())
"""On PostgreSQL: the ids of many, and their places in the lists."""


def _made(connection: Connection, new: Sequence[Series]) -> dict[Series, int]:
    # Looked up afterwards: SQLite gives back the ids of new rows one row at a time only.
    if new:
        connection.execute(insert(SeriesRow), [series_key(series) for series in new])
    return _known(connection, new)
