"""A series as it is kept: its product, and its tariff, which is kept once for all that share it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from sqlalchemy import Connection, text

from pricebook.quote import Series
from pricebook.series import COLUMNS, TARIFF, series_from, series_key, tariff_id

Tariff: TypeAlias = tuple[str, ...]
"""Values of the columns `TARIFF`."""

Key: TypeAlias = tuple[str, Tariff]
"""A series: product and tariff. A bare tuple, as a list has a million of them."""


def key_of(series: Series) -> Key:
    """By what a series is found."""
    row = series_key(series)
    return series.product, tuple(row[name] for name in TARIFF)


def series_of_key(key: Key) -> Series:
    """The series of that key."""
    product, tariff = key
    values = {"product": product, **_named(tariff)}
    return series_from(*(values[name] for name in COLUMNS))


def tariff_ids(connection: Connection, wanted: Iterable[Tariff]) -> dict[Tariff, int]:
    """The numbers of tariffs; the unknown ones are made."""
    # Always in one order: two that make the same ones never wait for each other.
    distinct = sorted(set(wanted))
    found = _found(connection, distinct)
    new = [tariff for tariff in distinct if tariff not in found]
    if new:
        connection.execute(_MAKE, [_named(tariff) for tariff in new])
        found |= _found(connection, new)
    return found


def _found(connection: Connection, wanted: Iterable[Tariff]) -> dict[Tariff, int]:
    numbers = ((tariff, tariff_id(connection, tariff)) for tariff in wanted)
    return {tariff: number for tariff, number in numbers if number is not None}


def _named(tariff: Tariff) -> dict[str, str]:
    return dict(zip(TARIFF, tariff, strict=True))


_MAKE = text(
    f"INSERT INTO tariff ({', '.join(TARIFF)}) VALUES (:{', :'.join(TARIFF)})"  # noqa: S608 - names
    " ON CONFLICT DO NOTHING"
)
"""Another process may make the same one in this moment."""
