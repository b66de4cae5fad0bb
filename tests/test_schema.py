"""Opening a price book: migrations, foreign files, newer programs."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from pricebook import revisions, schema
from pricebook.errors import ConfigError, DatabaseError, DatabaseTooNew
from pricebook.tables import METADATA


def test_an_empty_database_is_brought_to_the_newest_schema(book: Engine) -> None:
    """Opening an empty database leaves it at the newest revision."""
    assert schema.revision(book) == revisions.head()


def test_the_migrations_make_what_the_tables_say(book: Engine) -> None:
    """After all migrations nothing distinguishes the database from the classes."""
    with book.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, METADATA) == []


def test_price_rows_have_no_row_id_on_sqlite(sqlite_book: Engine) -> None:
    """The price table is stored by its key alone, which halves it."""
    with sqlite_book.connect() as connection:
        made = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = 'price'"))

        assert "WITHOUT ROWID" in made.scalar_one()


def test_opening_twice_changes_nothing(book_url: str) -> None:
    """A book at the newest schema is opened as it is."""
    schema.open_book(book_url).dispose()
    again = schema.open_book(book_url)

    assert schema.revision(again) == revisions.head()
    again.dispose()


def test_a_newer_database_is_refused(book: Engine, book_url: str) -> None:
    """A schema that this program doesn't know is refused in words and left alone."""
    with book.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(DatabaseTooNew, match="newer breakeven .*9999.*upgrade breakeven"):
        schema.open_book(book_url)
    assert schema.revision(book) == "9999"


def test_somebody_elses_database_is_refused(book_url: str) -> None:
    """A database with other tables is not ours to migrate."""
    other = schema.connect(book_url)
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE invoices (id integer)"))
    other.dispose()

    with pytest.raises(DatabaseError, match="another program .table invoices."):
        schema.open_book(book_url)


def test_somebody_elses_file_keeps_every_byte(tmp_path: Path) -> None:
    """A foreign SQLite file isn't even switched to a write-ahead log."""
    file = tmp_path / "invoices.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE invoices (id integer)")
    before = file.read_bytes()

    with pytest.raises(DatabaseError, match="another program"):
        schema.open_book(f"sqlite:///{file}")
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    """A file of another kind gives one sentence and stays as it was."""
    file = tmp_path / "notes.db"
    file.write_text("these are my notes, long enough to be no SQLite header\n" * 40)
    before = file.read_bytes()

    with pytest.raises(DatabaseError, match=r"notes\.db is not a database .*check \[database\]"):
        schema.open_book(f"sqlite:///{file}")
    assert file.read_bytes() == before


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """A database in a folder that doesn't exist gives one sentence."""
    with pytest.raises(DatabaseError, match="unable to open database file"):
        schema.open_book(f"sqlite:///{tmp_path}/missing/book.db")


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    """An unreachable server gives one sentence that keeps the password to itself."""
    with pytest.raises(DatabaseError, match="can't be reached") as caught:
        schema.open_book("postgresql://me:hush@127.0.0.1:1/book")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["breakeven.db", "nosuch://x", "mysql://me@host/book"])
def test_an_address_that_is_none_is_a_setting_to_mend(url: str) -> None:
    """A database address that can't be understood is a configuration error."""
    with pytest.raises(ConfigError, match=r"\[database\]: url is not a database address"):
        schema.open_book(url)


def test_alembic_is_the_library_and_not_our_folder() -> None:
    """The folder of migrations never shadows the library: it has no __init__.py."""
    import alembic

    assert "site-packages" in str(alembic.__file__)
    assert not (revisions.SCRIPTS / "__init__.py").exists()


def test_sqlite_writes_survive_a_crash_and_wait_their_turn(sqlite_book: Engine) -> None:
    """Write-ahead log, full synchronisation and a waiting time are set on every connection."""
    with schema.reading(sqlite_book) as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }

    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 30000,
        "foreign_keys": 1,
    }


def test_a_list_is_loaded_without_a_look_at_each_key(sqlite_book: Engine) -> None:
    """While a whole list is written SQLite doesn't check foreign keys; afterwards it does again."""
    question = "PRAGMA foreign_keys"
    with schema.loading(sqlite_book) as connection:
        assert 0 == connection.exec_driver_sql(question).scalar()

    with sqlite_book.connect() as connection:
        assert 1 == connection.exec_driver_sql(question).scalar()


def test_a_load_that_fails_leaves_nothing(book: Engine) -> None:
    """An error on the way undoes all of it."""
    with suppress(RuntimeError), schema.loading(book) as connection:
        connection.exec_driver_sql("INSERT INTO partition (name) VALUES ('openai')")
        raise RuntimeError

    with book.connect() as connection:
        assert 0 == connection.exec_driver_sql("SELECT count(*) FROM partition").scalar()


def test_foreign_keys_are_checked_after_a_load_that_failed(sqlite_book: Engine) -> None:
    """The connection that it had goes back to the pool as it was."""
    with suppress(RuntimeError), schema.loading(sqlite_book):
        raise RuntimeError

    with sqlite_book.connect() as connection:
        assert 1 == connection.exec_driver_sql("PRAGMA foreign_keys").scalar()


def test_the_log_of_a_large_write_gives_its_space_back(sqlite_book: Engine) -> None:
    """It is as long as the largest transaction; the next ones cut it to 16 MB."""
    log = Path(f"{sqlite_book.url.database}-wal")
    with sqlite_book.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE large AS SELECT zeroblob(20000000)")
    assert log.stat().st_size > 20_000_000
    for _ in range(2):
        with sqlite_book.begin() as connection:
            connection.exec_driver_sql("INSERT INTO large VALUES (1)")
    assert log.stat().st_size <= 16_384_000


def test_postgresql_compiles_no_question(postgres_url: str) -> None:
    """Its compiler takes a second for what is answered in milliseconds; a rollback keeps it off."""
    engine = schema.open_book(postgres_url)
    with engine.connect() as connection:
        connection.rollback()
        found = connection.execute(text("SHOW jit")).scalar_one()
    engine.dispose()

    assert "off" == found
