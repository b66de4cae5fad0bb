"""Questions that are asked often: compiled once for each kind of database, run by its driver.

On a small answer SQLAlchemy's own way takes ten times what the search takes (docs/scale.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    Select,
    any_,
    bindparam,
)
from sqlalchemy.exc import DBAPIError

Convert: TypeAlias = Callable[[Any], Any]
Among: TypeAlias = Callable[[Any], ColumnElement[bool]]
"""Makes of a column the condition that it is one of the ids that are asked for."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    names: tuple[str, ...] | None
    """Of the parameters in their order; None: the driver takes them by name."""
    fixed: dict[str, Any]
    to_driver: dict[str, Convert]
    from_driver: tuple[Convert | None, ...]


class Prepared:
    """A `select` with named parameters; what goes in and comes out is what SQLAlchemy would give.

    A question sees what was committed when it was asked, or the caller's transaction.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement

    def rows(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """The answer, row by row; DBAPIError as from SQLAlchemy."""
        return _converted(*self.raw(connection, values))

    def raw(
        self, connection: Connection, values: dict[str, Any]
    ) -> tuple[list[tuple[Any, ...]], tuple[Convert | None, ...]]:
        """The rows as the driver gave them, and what converts each of their columns."""
        compiled = _compiled(self, connection.dialect)
        given = compiled.fixed | values
        for name, convert in compiled.to_driver.items():
            given[name] = convert(given[name])
        names = compiled.names
        parameters = given if names is None else [given[name] for name in names]
        cursor = connection.connection.cursor()
        try:
            cursor.execute(compiled.sql, parameters)
            return list(cursor.fetchall()), compiled.from_driver
        except connection.dialect.loaded_dbapi.Error as error:
            raise DBAPIError(compiled.sql, parameters, error) from error
        finally:
            cursor.close()

    def compiled(self, dialect: Dialect) -> _Compiled:
        """For one kind of database."""
        made = self._statement.compile(dialect=dialect)
        names = made.positiontup if made.positional else None
        asked: dict[str, Convert] = {
            name: convert
            for name, bind in made.binds.items()
            if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect))
        }
        return _Compiled(
            str(made),
            tuple(names) if names is not None else None,
            {name: value for name, value in made.params.items() if value is not None},
            asked,
            tuple(
                _from_driver(column.type, dialect) for column in self._statement.selected_columns
            ),
        )


def _converted(
    rows: list[tuple[Any, ...]], converts: tuple[Convert | None, ...]
) -> list[tuple[Any, ...]]:
    # Column by column: a loop in C for each instead of one in Python for each row.
    columns = zip(converts, zip(*rows, strict=True), strict=True) if rows else ()
    return [*zip(*[map(convert, one) if convert else one for convert, one in columns], strict=True)]


def _in_array(column: Any) -> ColumnElement[bool]:
    return column == any_(bindparam("ids", type_=ARRAY(Integer)))  # type: ignore[no-any-return]


def _in_list(names: Sequence[str], column: Any) -> ColumnElement[bool]:
    return column.in_([bindparam(name) for name in names])  # type: ignore[no-any-return]


def _from_driver(kind: Any, dialect: Dialect) -> Convert | None:
    convert: Convert | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return convert


@lru_cache(maxsize=256)
def _compiled(prepared: Prepared, dialect: Dialect) -> _Compiled:
    return prepared.compiled(dialect)


class PreparedList:
    """A `select` about rows of given ids, of which there may be any number.

    `about` makes it of the condition on their column.
    """

    LENGTHS = (1, 10, 100, 500)
    """On SQLite, which has no arrays: lists are padded to one of these, and a longer list is asked
    in parts. It takes 32,766 parameters at most, but with more than 500 it is no quicker."""

    def __init__(self, about: Callable[[Among], Select[Any]]) -> None:
        self._names = names = [f"id_{number}" for number in range(self.LENGTHS[-1])]
        self._array = Prepared(about(_in_array))
        self._padded = {
            length: Prepared(about(partial(_in_list, names[:length]))) for length in self.LENGTHS
        }

    def rows(
        self, connection: Connection, ids: Iterable[int], **values: Any
    ) -> Iterator[tuple[Any, ...]]:
        """The answer, one stretch of the sorted ids after another."""
        for found, converts in self._parts(connection, ids, values):
            yield from _converted(found, converts)

    def raw(
        self, connection: Connection, ids: Iterable[int], **values: Any
    ) -> Iterator[tuple[Any, ...]]:
        """The same as the driver gives it."""
        for found, _ in self._parts(connection, ids, values):
            yield from found

    def _parts(
        self, connection: Connection, ids: Iterable[int], values: dict[str, Any]
    ) -> Iterator[tuple[list[tuple[Any, ...]], tuple[Convert | None, ...]]]:
        wanted, longest = sorted(ids), self.LENGTHS[-1]
        if connection.dialect.name == "postgresql":
            yield self._array.raw(connection, {"ids": wanted, **values})
            return
        for start in range(0, len(wanted), longest):
            part = wanted[start : start + longest]
            length = next(one for one in self.LENGTHS if len(part) <= one)
            padded = part + part[-1:] * (length - len(part))
            given = dict(zip(self._names, padded, strict=False))
            yield self._padded[length].raw(connection, given | values)
