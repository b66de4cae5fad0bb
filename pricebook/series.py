"""Between a `Series` and its row: which columns hold it, how it is found, how questions filter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, TypeAlias

from pricebook.question import Asked, Question, is_postgres
from pricebook.quote import Series, canonical

Found: TypeAlias = Any
"""A row of a query, read by the names of its columns."""

COLUMNS = (
    *("seller", "product", "meter", "unit", "currency"),
    *("service_tier", "region", "term", "more"),
)
"""What names a series, as `series_from` takes it; all but the product is its tariff's."""

TARIFF = tuple(name for name in COLUMNS if name != "product")
"""The columns of table `tariff` beside its number."""

JOIN_NAMES = (
    "JOIN product_name ON product_name.id = series.product_id"
    " JOIN tariff ON tariff.id = series.tariff_id"
)
"""Brings these columns to table `series`."""

NAMED_SERIES = f"series {JOIN_NAMES}"
"""The tables that hold them."""


def column(name: str) -> str:
    """Where one of `COLUMNS` stands, in the words of a question."""
    return f"product_name.{name}" if name == "product" else f"tariff.{name}"


SELECTED = ", ".join(map(column, COLUMNS))

IS_SERIES = " AND ".join(f"{column(name)} = :{name}" for name in COLUMNS)
"""The row of the series whose `series_key` is given."""

_IN_COLUMNS = ("service_tier", "region", "term")
"""The qualifiers that have a column of their own."""


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

    def conditions(self, asked: Asked) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The filter as conditions on `NAMED_SERIES`, and the values of their parameters."""
        wanted = {field.name: getattr(self, field.name) for field in fields(self)}
        values = {name: value for name, value in wanted.items() if value and name != "pattern"}
        conditions = tuple(f"{column(name)} = :{name}" for name in values)
        if not self.pattern:
            return conditions, values
        # Looked up first: databases would rather go through all prices than through all names.
        literal = re.sub(r"([%_/])", r"/\1", self.pattern)
        alike = [number for (number,) in _ALIKE.rows(asked, pattern=f"%{literal}%")]
        return (*conditions, "series.product_id = ANY(:alike)"), {**values, "alike": alike}


def series_ids(asked: Asked, wanted: Iterable[Series]) -> dict[Series, int]:
    """The numbers of series; those that the book has never heard of are left out."""
    distinct = list(dict.fromkeys(wanted))
    if len(distinct) < 2:
        alone = ((series, series_id(asked, series)) for series in distinct)
        return {series: number for series, number in alone if number is not None}
    keys = [series_key(series) for series in distinct]
    if is_postgres(asked):
        lists: dict[str, Any] = {name: [key[name] for key in keys] for name in COLUMNS}
        return {distinct[place]: number for number, place in _NUMBERS.rows(asked, **lists)}
    return {distinct[place]: number for number, place in _by_tariff(asked, keys)}


def _by_tariff(asked: Asked, keys: Sequence[dict[str, str]]) -> list[tuple[Any, ...]]:
    """On SQLite: numbers of series, and their places among the keys. Products and tariffs are
    looked up first, as thousands of series share a few of each."""
    products = [key["product"] for key in keys]
    tariffs = [tuple(key[name] for name in TARIFF) for key in keys]
    named = product_ids(asked, products)
    numbers = {tariff: tariff_id(asked, tariff) for tariff in dict.fromkeys(tariffs)}
    pairs = zip(products, tariffs, strict=True)
    return _OF_PAIRS.rows(asked, pairs=[[named.get(one), numbers[other]] for one, other in pairs])


def product_ids(asked: Asked, products: Iterable[str]) -> dict[str, int]:
    """The numbers of products by name; those that the book has never heard of are left out."""
    return dict(_PRODUCT_NUMBERS.rows(asked, products=[*dict.fromkeys(products)]))


def used_qualifiers(asked: Asked) -> set[str]:
    """The names of all qualifiers that series of the book have."""
    tariffs = (_any_of(*row) for row in _TARIFFS.rows(asked))
    return {name for tariff in tariffs for name, _ in tariff.qualifiers}


def tariff_id(asked: Asked, tariff: Sequence[str]) -> int | None:
    """The number of the tariff with these values of `TARIFF`, None when the book has no such."""
    rows = _TARIFF_NUMBER.rows(asked, **dict(zip(TARIFF, tariff, strict=True)))
    return int(rows[0][0]) if rows else None


def series_id(asked: Asked, series: Series) -> int | None:
    """The number of one series, None when the book has never heard of it."""
    rows = _NUMBER.rows(asked, **series_key(series))
    return int(rows[0][0]) if rows else None


def series_of(row: Found) -> Series:
    """The series of a row that has the columns `COLUMNS` by name."""
    return series_from(*(getattr(row, name) for name in COLUMNS))


@lru_cache(maxsize=4096)
def series_from(seller: str, product: str, *rest: str) -> Series:
    """The series with these values of the columns `COLUMNS`."""
    like = _any_of(seller, *rest)
    return Series(like.seller, product, like.meter, like.unit, like.currency, like.qualifiers)


@lru_cache(maxsize=4096)
def _any_of(seller: str, meter: str, unit: str, currency: str, *qualifiers: str) -> Series:
    """The series of whatever is sold on these conditions: they are few, and products are many."""
    *in_columns, more = qualifiers
    known = dict(zip(_IN_COLUMNS, in_columns, strict=True))
    if more:
        known |= json.loads(more)
    return Series.of(seller, "*", meter, unit, currency=currency, **known)


def series_key(series: Series) -> dict[str, str]:
    """The values of the columns `COLUMNS` that no other series has."""
    return {
        "seller": series.seller,
        "product": series.product,
        "meter": series.meter,
        "unit": series.unit,
        "currency": series.currency,
        **_columns_of(series.qualifiers),
    }


@lru_cache(maxsize=4096)
def _columns_of(qualifiers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    # Thousands of products are sold on a few dozen conditions.
    rest = dict(qualifiers)
    columns = {name: rest.pop(name, "") for name in _IN_COLUMNS}
    return {**columns, "more": canonical(rest) if rest else ""}


_NUMBER = Question(f"SELECT series.id FROM {NAMED_SERIES} WHERE {IS_SERIES}")  # noqa: S608
_LISTS = ", ".join(f"CAST(:{name} AS text[])" for name in COLUMNS)
_SAME = " AND ".join(f"{column(name)} = given.{name}" for name in COLUMNS)
_NUMBERS = Question(
    f"SELECT series.id, given.place - 1 FROM unnest({_LISTS})"  # noqa: S608
    f" WITH ORDINALITY AS given ({', '.join(COLUMNS)}, place) CROSS JOIN {NAMED_SERIES}"
    f" WHERE {_SAME}"
)
"""On PostgreSQL: the numbers of many, and their places in the lists."""
_SAME_TARIFF = " AND ".join(f"{name} = :{name}" for name in TARIFF)
_TARIFF_NUMBER = Question(f"SELECT id FROM tariff WHERE {_SAME_TARIFF}")  # noqa: S608
_TARIFFS = Question(f"SELECT {', '.join(TARIFF)} FROM tariff")  # noqa: S608
_ALIKE = Question(
    "SELECT id FROM product_name WHERE lower(product) LIKE lower(:pattern) ESCAPE '/'"
)
_PRODUCT_NUMBERS = Question("SELECT product, id FROM product_name WHERE product = ANY(:products)")
_OF_PAIRS = Question(
    "SELECT series.id, given.key FROM json_each(:pairs) AS given CROSS JOIN series"
    " WHERE series.product_id = json_extract(given.value, '$[0]')"
    " AND series.tariff_id = json_extract(given.value, '$[1]')"
)
"""On SQLite: the numbers of products with their tariffs, and their places in the list."""
