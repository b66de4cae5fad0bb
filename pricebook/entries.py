"""What a look writes into the book, collected first, so that few statements write any number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, delete, insert, update

from pricebook.quote import Quote, Series, Withdrawal
from pricebook.series import series_ids
from pricebook.tables import Current, PriceRow, Quoted, SeriesRow
from pricebook.tariffs import key_of, made_products, made_tariffs

Key: TypeAlias = tuple[int, datetime]
"""A series' number, and from when on the price holds."""

_KEY = ("series_id", "valid_from", "recorded_at")


@dataclass(frozen=True, slots=True)
class Entries:
    """The rows of one look at one partition, learnt of at `at`; `write` writes what was added."""

    connection: Connection
    partition: int
    run_id: int
    at: datetime
    _prices: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _printed: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _current: dict[int, dict[str, Any]] = field(default_factory=dict)

    def price(self, number: int, since: datetime, amount: Decimal | None, basis: str) -> None:
        """A change of a series; of two for one time the later one is what we know."""
        self._prices[number, since] = {
            **self._key(number, since),
            "amount": amount,
            "basis": basis,
            "run_id": self.run_id,
        }

    def printed(
        self, number: int, since: datetime, quote: Quote | Withdrawal, fetch: int | None
    ) -> None:
        """What the page printed of it."""
        self._printed[number, since] = {
            **self._key(number, since),
            "text": quote.quoted,
            "printed_unit": quote.printed_unit,
            "location": quote.where,
            "fetch_id": fetch,
        }

    def in_force(self, number: int, since: datetime, amount: Decimal | None, basis: str) -> None:
        """What is the last accepted reading from now on."""
        self._current[number] = {
            "series_id": number,
            "partition_id": self.partition,
            "amount": amount,
            "valid_from": since,
            "recorded_at": self.at,
            "basis": basis,
            "unseen_since": None,
            "missing_since": None,
        }

    def write(self, new: Iterable[int] = ()) -> None:
        """Write and forget all that was added; `new` are the series that have no current row."""
        keys = [{f"of_{name}": row[name] for name in _KEY} for row in self._prices.values()]
        # Two changes of mind within one second: the later one is what we know.
        for table in (Quoted, PriceRow):
            same = (getattr(table, name) == bindparam(f"of_{name}") for name in _KEY)
            _execute(self.connection, delete(table).where(*same), keys)
        _execute(self.connection, insert(PriceRow), [*self._prices.values()])
        _execute(self.connection, insert(Quoted), [*self._printed.values()])
        first = set(new)
        made = [row for number, row in self._current.items() if number in first]
        _execute(self.connection, insert(Current), made)
        renewed = [row for number, row in self._current.items() if number not in first]
        renew_each(self.connection, renewed)
        for written in (self._prices, self._printed, self._current):
            written.clear()

    def _key(self, number: int, since: datetime) -> dict[str, Any]:
        return {"series_id": number, "valid_from": since, "recorded_at": self.at}


def made_ids(connection: Connection, wanted: Iterable[Series]) -> dict[Series, int]:
    """The numbers of series; the unknown ones are made."""
    distinct = list(dict.fromkeys(wanted))
    known = series_ids(connection, distinct)
    new = [series for series in distinct if series not in known]
    if new:
        keys = [key_of(series) for series in new]
        products = made_products(connection, (product for product, _ in keys))
        tariffs = made_tariffs(connection, (tariff for _, tariff in keys))
        rows = [{"product_id": products[one], "tariff_id": tariffs[other]} for one, other in keys]
        connection.execute(insert(SeriesRow), rows)
        # Looked up afterwards: SQLite gives back the ids of new rows one row at a time only.
        known |= series_ids(connection, new)
    return {series: known[series] for series in distinct}


def renew_each(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Give the current rows of these series new values, each its own; all name the same columns."""
    if rows:
        names = [name for name in rows[0] if name != "series_id"]
        statement = update(Current).where(Current.series_id == bindparam("of_series"))
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
        given = [
            {"of_series": row["series_id"], **{f"new_{name}": row[name] for name in names}}
            for row in rows
        ]
        connection.execute(statement.values(values), given)


def renew(connection: Connection, numbers: Iterable[int], **values: Any) -> None:
    """Give the current rows of these series the same new values."""
    for chunk in chunks(numbers):
        connection.execute(update(Current).where(Current.series_id.in_(chunk)).values(**values))


def chunks(keys: Iterable[int]) -> Iterator[list[int]]:
    """Few enough at a time for one statement's parameters."""
    wanted = sorted(keys)
    return (wanted[start : start + 500] for start in range(0, len(wanted), 500))


def _execute(connection: Connection, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)
