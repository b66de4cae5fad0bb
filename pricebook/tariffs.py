"""A series as it is kept: the numbers of its product and of its tariff, each of which is kept once
for all series that share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

from sqlalchemy import Connection, TextClause, text

from pricebook.quote import Series
from pricebook.series import COLUMNS, TARIFF, product_ids, series_from, series_key, tariff_id

Tariff: TypeAlias = tuple[str, ...]
"""Values of the columns `TARIFF`."""

Key: TypeAlias = tuple[str, Tariff]
"""A series: product and tariff. A bare tuple, as a list has a million of them."""

Kept = TypeVar("Kept", str, Tariff)


def key_of(series: Series) -> Key:
    """By what a series is found."""
    row = series_key(series)
    return series.product, tuple(row[name] for name in TARIFF)


def series_of_key(key: Key) -> Series:
    """The series of that key."""
    product, tariff = key
    values = {"product": product, **_named(tariff)}
    return series_from(*(values[name] for name in COLUMNS))


def made_products(connection: Connection, wanted: Iterable[str]) -> dict[str, int]:
    """The numbers of products by name; the unknown ones are made."""
    return _made(
        connection, wanted, product_ids, _MAKE_PRODUCT, lambda product: {"product": product}
    )


def made_tariffs(connection: Connection, wanted: Iterable[Tariff]) -> dict[Tariff, int]:
    """The numbers of tariffs; the unknown ones are made."""
    return _made(connection, wanted, _tariff_ids, _MAKE_TARIFF, _named)


def _made(
    connection: Connection,
    wanted: Iterable[Kept],
    find: Callable[[Connection, Sequence[Kept]], dict[Kept, int]],
    make: TextClause,
    row: Callable[[Kept], dict[str, str]],
) -> dict[Kept, int]:
    # Always in one order: two that make the same ones never wait for each other.
    distinct = sorted(set(wanted))
    found = find(connection, distinct)
    new = [one for one in distinct if one not in found]
    if new:
        connection.execute(make, [row(one) for one in new])
        found |= find(connection, new)
    return found


def _tariff_ids(connection: Connection, wanted: Iterable[Tariff]) -> dict[Tariff, int]:
    numbers = ((tariff, tariff_id(connection, tariff)) for tariff in wanted)
    return {tariff: number for tariff, number in numbers if number is not None}


def _named(tariff: Tariff) -> dict[str, str]:
    return dict(zip(TARIFF, tariff, strict=True))


_MAKE_PRODUCT = text("INSERT INTO product_name (product) VALUES (:product) ON CONFLICT DO NOTHING")
_MAKE_TARIFF = text(
    f"INSERT INTO tariff ({', '.join(TARIFF)}) VALUES (:{', :'.join(TARIFF)})"  # noqa: S608 - names
    " ON CONFLICT DO NOTHING"
)
"""Another process may make the same one in this moment."""
