"""Questions to the price book: SQL that both databases understand, run by their own drivers.

They are written out, not built by SQLAlchemy: its import takes as long as twenty starts of Python,
which somebody at a prompt waits for (benchmarks/prompt.py), and on a small answer its own way takes
longer than the search does. What writes to the book uses SQLAlchemy.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from pricebook.quote import from_ticks

if TYPE_CHECKING:
    from sqlalchemy import Connection

Asked: TypeAlias = "Connection | sqlite3.Connection"
"""What questions are put to: a connection of SQLAlchemy's, or a plain one to a SQLite file."""

INSTANT = timedelta(seconds=1)
"""The book keeps whole seconds."""

_AT_ONCE = 5000
"""Rows that PostgreSQL sends at a time, of those that are streamed."""
_PARAMETER = re.compile(r"(?<!:):(\w+)")
_ONE_OF = re.compile(r"= ANY\(:(\w+)\)")


class Question:
    """A SELECT with parameters such as `:at`; a list is compared with by `= ANY(:list)`.

    It sees what was committed when it was asked, or the caller's transaction.
    """

    def __init__(self, sql: str) -> None:
        self._sqlite = _ONE_OF.sub(r"IN (SELECT value FROM json_each(:\1))", sql)
        self._postgres = _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))

    def rows(self, asked: Asked, **values: Any) -> list[tuple[Any, ...]]:
        """The answer as the driver gives it: money in ticks, times for `instant`.

        Errors are sqlite3's, or SQLAlchemy's DBAPIError where its connection was asked.
        """
        return list(self.each(asked, **values))

    def each(self, asked: Asked, **values: Any) -> Iterator[tuple[Any, ...]]:
        """The same row by row; PostgreSQL's driver holds them all, though without their objects."""
        if isinstance(asked, sqlite3.Connection):
            yield from asked.execute(self._sqlite, _for_sqlite(values))
            return
        if is_postgres(asked):
            sql, given = self._postgres, _for_postgres(values)
        else:
            sql, given = self._sqlite, _for_sqlite(values)
        driver: Any = asked.connection.driver_connection
        with _as_sqlalchemy(asked, sql, given):
            yield from driver.execute(sql, given)

    def stream(self, asked: Asked, **values: Any) -> Iterator[tuple[Any, ...]]:
        """The same row by row, of which nobody holds all: for the answer that is the whole book."""
        if isinstance(asked, sqlite3.Connection) or not is_postgres(asked):
            yield from self.each(asked, **values)
            return
        driver: Any = asked.connection.driver_connection
        sql, given = self._postgres, _for_postgres(values)
        # A cursor with a name is one of the server's.
        with _as_sqlalchemy(asked, sql, given), driver.cursor("stream") as cursor:
            cursor.itersize = _AT_ONCE
            yield from cursor.execute(sql, given)


@contextmanager
def _as_sqlalchemy(asked: Connection, sql: str, given: dict[str, Any]) -> Iterator[None]:
    """Errors of the driver as SQLAlchemy would raise them."""
    try:
        yield
    except asked.dialect.loaded_dbapi.Error as error:
        from sqlalchemy.exc import DBAPIError

        raise DBAPIError(sql, given, error) from error


def is_postgres(asked: Asked) -> bool:
    """Whether the book is on PostgreSQL."""
    return not isinstance(asked, sqlite3.Connection) and asked.dialect.name == "postgresql"


def amount(ticks: int | None) -> Decimal | None:
    """An amount of money as the book keeps it; None: withdrawn."""
    return None if ticks is None else from_ticks(ticks)


@lru_cache(maxsize=4096)
def instant(at: int | datetime) -> datetime:
    """A time as either database keeps it, in UTC."""
    # A million prices have some thousand times between them.
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int) else at.astimezone(UTC)


def seconds(at: int | datetime) -> int:
    """The same in whole seconds since 1970."""
    return at if isinstance(at, int) else int(at.timestamp())


def _for_sqlite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """What a SQLite file keeps, or takes for a list."""
    if isinstance(value, datetime):
        return int(_zoned(value).timestamp())
    return json.dumps(value) if isinstance(value, list) else value


def _for_postgres(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _zoned(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _zoned(at: datetime) -> datetime:
    """The time; ValueError when it has no zone: it would be read in some machine's own."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return at
