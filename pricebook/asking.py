"""Opening the price book for questions: a SQLite file without SQLAlchemy, other books with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pricebook.question import Asked
from pricebook.revisions import head

_PATIENCE_SECONDS = 30


@contextmanager
def asking(url: str) -> Iterator[Asked]:
    """A connection to the book at `url` that sees one state of it; it waits for no writer.

    A book of an older schema is upgraded first. Raises as `pricebook.schema.open_book` does.
    """
    connection = _file_of_today(url)
    if connection:
        with closing(connection):
            yield connection
        return
    from pricebook.schema import open_book, reading

    engine = open_book(url)
    try:
        with reading(engine) as ordinary:
            yield ordinary
    finally:
        engine.dispose()


def sqlite_file(url: str) -> Path | None:
    """The file that an address names, whether it exists or not; None: it names none."""
    name = url.partition("sqlite:///")[2]
    return None if not name or name.startswith((":memory:", "file:")) else Path(name)


def _file_of_today(url: str) -> sqlite3.Connection | None:
    """The file, if it is a book of the newest schema; what else it may be is for others to say."""
    file = sqlite_file(url)
    if file is None or not file.is_file():
        return None
    # Not only for reading, as far as the user may write: else the last to leave couldn't take the
    # log along, and the book would no longer be one file.
    connection = sqlite3.connect(
        f"{file.resolve().as_uri()}?mode=rw",
        uri=True,
        timeout=_PATIENCE_SECONDS,
        isolation_level=None,
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        revisions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        revisions = []
    if revisions == [(head(),)]:
        return connection
    connection.close()
    return None
