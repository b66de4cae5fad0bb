"""A book of an older schema is brought to the newest one with all that it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, insert, text

from pricebook import schema
from pricebook.book import as_of, history
from pricebook.errors import DatabaseError
from pricebook.quote import Series
from pricebook.revisions import SCRIPTS, head
from pricebook.runs import reviews
from pricebook.series import COLUMNS, Filter, series_ids, series_key
from pricebook.tables import Current, Partition, PriceRow, Review, Run

AT = datetime(2026, 9, 1, tzinfo=UTC)


def machine(name: str) -> Series:
    return Series.of("aws", name, "instance", "hour", region="us-east-1", os="Linux")


A100, H100 = machine("p4d.24xlarge"), machine("p5.48xlarge")
MODEL = Series.of("openai", "gpt-4o", "input", "mtok")
PRICES = {A100: Decimal("32.7726"), H100: Decimal("98.32"), MODEL: Decimal("2.5")}
NUMBERS = {A100: 10, H100: 20, MODEL: 30}


def old_book(url: str, last: str = "0002") -> Engine:
    """A book of an older schema with a price of each series, and one in doubt."""
    engine = schema.connect(url)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with schema.loading(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        fill(connection)
        command.upgrade(config, last)
    return engine


def fill(connection: Connection) -> None:
    connection.execute(insert(Partition).values(id=1, name="made"))
    connection.execute(insert(Run).values(id=1, partition_id=1, at=AT, outcome="complete"))
    columns, places = ", ".join(COLUMNS), ", ".join(f":{name}" for name in COLUMNS)
    series = text(f"INSERT INTO series (id, {columns}) VALUES (:id, {places})")
    for one, number in NUMBERS.items():
        connection.execute(series, {"id": number, **series_key(one)})
        price = {"series_id": number, "valid_from": AT, "recorded_at": AT, "amount": PRICES[one]}
        connection.execute(insert(PriceRow).values(**price, run_id=1, basis="observed"))
        connection.execute(insert(Current).values(**price, partition_id=1, basis="observed"))
    doubt = {"opened_at": AT, "seen_at": AT, "reason": "jump", "location": "row 2", "text": "$980"}
    of = {"partition_id": 1, "run_id": 1, "series_id": NUMBERS[H100]}
    connection.execute(insert(Review).values(**of, **doubt, amount=Decimal(980)))


@pytest.mark.parametrize("last", ["0002", "0003"])
def test_every_price_is_found_after_the_migration(book_url: str, last: str) -> None:
    """Under its series and its number, with its history and what waits for review."""
    old_book(book_url, last).dispose()
    engine = schema.open_book(book_url)
    with schema.reading(engine) as connection:
        assert schema.revision(engine) == head()
        assert {one.series: one.amount for one in as_of(connection, AT)} == PRICES
        assert series_ids(connection, PRICES) == NUMBERS
        (past,) = history(connection, Filter(product="gpt-4o"))
        assert (past.amount, past.valid_from) == (PRICES[MODEL], AT)
        (doubt,) = reviews(connection)
        assert H100.as_dict().items() <= doubt.items()
    engine.dispose()


def test_what_machines_share_is_kept_once(book_url: str) -> None:
    """Two machines on the same conditions have one tariff, a model has another."""
    old_book(book_url).dispose()
    engine = schema.open_book(book_url)
    with schema.reading(engine) as connection:
        rows = connection.execute(text("SELECT meter, region, more FROM tariff ORDER BY meter"))
        assert list(rows) == [("input", "", ""), ("instance", "us-east-1", '{"os":"Linux"}')]
    engine.dispose()


def test_a_name_is_kept_once(book_url: str) -> None:
    """Of two series of one machine each has the number of its name."""
    old_book(book_url, "0003").dispose()
    engine = schema.open_book(book_url)
    with schema.reading(engine) as connection:
        rows = connection.execute(text("SELECT product FROM product_name ORDER BY id"))
        assert list(rows.scalars()) == ["gpt-4o", "p4d.24xlarge", "p5.48xlarge"]
    engine.dispose()


def test_foreign_keys_are_looked_at_again_after_a_migration(tmp_path: Path) -> None:
    """On SQLite they are off while tables are written anew, and on for whoever comes then."""
    url = f"sqlite:///{tmp_path}/book.db"
    old_book(url).dispose()
    engine = schema.open_book(url)
    with schema.reading(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    engine.dispose()


def test_a_damaged_book_is_left_as_it_is(tmp_path: Path) -> None:
    """A price of a series that the book doesn't have: one sentence, and the schema stays."""
    url = f"sqlite:///{tmp_path}/book.db"
    engine = old_book(url)
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys = OFF")
        driver.execute("DELETE FROM series WHERE id = 20")
        connection.invalidate()

    with pytest.raises(DatabaseError, match=r"book\.db has a row of table \w+ that belongs"):
        schema.open_book(url)
    assert schema.revision(engine) == "0002"
    engine.dispose()
