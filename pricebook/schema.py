"""Opening the price book: the right settings for each database, and the schema at its head."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

from pricebook import errors
from pricebook.revisions import SCRIPTS, head, known

_MIGRATION_LOCK = 0x62726B65
"""Any number of ours: PostgreSQL's advisory lock that lets one process migrate at a time."""

_LET_WRITE = "let this user write to its folder, where SQLite keeps a log even to answer a question"


def open_book(url: str) -> Engine:
    """An engine on the book at `url`, made or upgraded to the newest schema where needed.

    Raises DatabaseError (unreachable, not a database, somebody else's) or DatabaseTooNew.
    """
    engine = connect(url)
    try:
        with _explained(engine):
            if revision(engine) != head():
                _upgrade(engine)
    except errors.BreakevenError:
        engine.dispose()
        raise
    return engine


def connect(url: str) -> Engine:
    """An engine with our settings; opens nothing yet."""
    try:
        parsed = _with_driver(make_url(url))
        engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    except (ArgumentError, NoSuchModuleError):
        raise errors.ConfigError(
            "[database]: url is not a database address; write sqlite:///FILE or postgresql://..."
        ) from None
    except ModuleNotFoundError as error:
        raise errors.ConfigError(
            f"[database]: url needs the package {error.name}; install breakeven[postgres]"
        ) from None
    (_settle_sqlite if engine.dialect.name == "sqlite" else _settle_postgres)(engine)
    return engine


def _with_driver(url: URL) -> URL:
    """The address with the driver that we use; ArgumentError for other kinds of databases."""
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise ArgumentError(f"breakeven doesn't know {kind}")
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for questions: it never waits for a writer and never blocks one."""
    with engine.connect().execution_options(reading=True) as connection:
        yield connection


@contextmanager
def loading(engine: Engine) -> Iterator[Connection]:
    """A transaction for a whole price list, in which SQLite doesn't look up what each of a million
    rows refers to: whoever writes in it names only what was made or found in this transaction."""
    with engine.connect() as connection, _unchecked(connection), connection.begin():
        yield connection


def compact(engine: Engine) -> None:
    """Give space that is free in the database back: VACUUM, which takes as long as a copy of it."""
    if engine.dialect.name == "sqlite":
        # Past SQLAlchemy, which would begin a transaction.
        with closing(engine.raw_connection()) as raw:
            raw.cursor().execute("VACUUM")
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM")


def revision(engine: Engine) -> str | None:
    """The schema revision of the database, None when it is empty."""
    with reading(engine) as connection:
        return _revision(connection)


def opened_revision(engine: Engine) -> str | None:
    """The same of a book that was opened, at the cost of one question."""
    with reading(engine) as connection:
        return _noted_revision(connection)


def _noted_revision(connection: Connection) -> str | None:
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _revision(connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        return _noted_revision(connection)
    if tables:
        raise errors.DatabaseError(
            f"{_shown(connection.engine)} is a database of another program (table {tables[0]});"
            " give breakeven one of its own in [database] url"
        )
    return None


def _upgrade(engine: Engine) -> None:
    from alembic import command  # slow to import, and hardly ever needed
    from alembic.config import Config

    if engine.dialect.name == "sqlite":
        _write_ahead(engine)

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with _rebuilding(engine) as connection:
        found = _revision(connection)
        if found is not None and found not in known():
            raise errors.DatabaseTooNew(
                f"{_shown(engine)} was written by a newer breakeven (schema {found}, this program"
                f" knows up to {head()}); upgrade breakeven, nothing was changed"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _rebuilding(engine: Engine) -> Iterator[Connection]:
    """A transaction in which one process at a time may write tables anew."""
    with engine.connect() as connection:
        is_sqlite = engine.dialect.name == "sqlite"
        # SQLite writes no table anew that others name, as long as it looks at foreign keys.
        with _unchecked(connection), connection.begin():
            if not is_sqlite:
                lock = text("SELECT pg_advisory_xact_lock(:key)")
                connection.execute(lock, {"key": _MIGRATION_LOCK})
            yield connection
            if is_sqlite:
                _check_keys(connection)


@contextmanager
def _unchecked(connection: Connection) -> Iterator[None]:
    """Where SQLite doesn't look at foreign keys. To be entered before a transaction begins."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


def _check_keys(connection: Connection) -> None:
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if lost:
        book, table, of = _shown(connection.engine), lost[0], lost[2]
        raise errors.DatabaseError(
            f"{book} has a row of table {table} that belongs to none of table {of}; nothing was"
            " changed, restore the file from a copy"
        )


def _write_ahead(engine: Engine) -> None:
    # Kept in the file itself, so it is set once, and never on somebody else's database. Where
    # another process is at it in this moment, its doing serves as well.
    with closing(engine.raw_connection()) as connection, suppress(sqlite3.OperationalError):
        connection.cursor().execute("PRAGMA journal_mode = WAL")


def _settle_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: it would begin them deferred, and a
        # deferred one that turns to writing fails at once instead of waiting.
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout = 30000")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # 16 MB: pages that several days change are copied from the log once, not every day.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        # The log of a whole price list gives its space back.
        connection.execute("PRAGMA journal_size_limit = 16384000")
        # Of 16 MB, not 2: a day's changes lie all over a region's prices (docs/scale.md).
        connection.execute("PRAGMA cache_size = -16000")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        asks_only = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if asks_only else "BEGIN IMMEDIATE")


def _settle_postgres(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # What looks dear to the planner is answered in milliseconds; to compile it takes a second.
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
        connection.autocommit = False


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        what = "can't be reached" if isinstance(error, OperationalError) else "is not a database"
        reason = str(error.orig).strip().splitlines()[0]
        mend = _LET_WRITE if reason.endswith("readonly database") else "check [database] url"
        raise errors.DatabaseError(f"{_shown(engine)} {what} ({reason}); {mend}") from None


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
