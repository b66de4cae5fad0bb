"""All of one book into another that is still empty: how a book moves to PostgreSQL, or back."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine, Table, func, insert, select

from pricebook.errors import ConfigError
from pricebook.schema import reading
from pricebook.tables import METADATA

_AT_ONCE = 5000


def copy_book(source: Engine, target: Engine, tell: Callable[[str, int], None]) -> int:
    """Copy one state of `source`, all of it or nothing; gives the number of rows.

    `tell` gets the name and the number of rows of each table that has some. ConfigError when
    `target` holds anything.
    """
    copied = 0
    with reading(source) as old, target.begin() as new:
        _check_empty(new)
        for table in METADATA.sorted_tables:
            rows = _copy(table, old, new)
            copied += rows
            if rows:
                tell(table.name, rows)
    return copied


def _check_empty(new: Connection) -> None:
    for table in METADATA.sorted_tables:
        if new.execute(select(table).limit(1)).first():
            raise ConfigError(
                f"{new.engine.url.render_as_string()} is a book already: its table {table.name} has"
                " rows; let [database] url name an empty database"
            )


def _copy(table: Table, old: Connection, new: Connection) -> int:
    copied = 0
    streamed = old.execution_options(yield_per=_AT_ONCE)
    for part in streamed.execute(select(table)).mappings().partitions():
        new.execute(insert(table), [dict(row) for row in part])
        copied += len(part)
    if copied and new.dialect.name == "postgresql" and "id" in table.c:
        _go_on_counting(table, new)
    return copied


def _go_on_counting(table: Table, new: Connection) -> None:
    """Let PostgreSQL give new rows the numbers that come after those that were brought."""
    sequence = new.execute(select(func.pg_get_serial_sequence(table.name, "id"))).scalar()
    if sequence:
        last = select(func.max(table.c.id)).scalar_subquery()
        new.execute(select(func.setval(sequence, last)))
