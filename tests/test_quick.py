"""The history of a product at the prompt: what it says is what the book's own question says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from pricebook import answers, quick
from pricebook.quote import Price, Quote, Series
from pricebook.runs import Fetched, note_fetch, note_run
from pricebook.series import Filter
from pricebook.writer import Look, record

DAY = timedelta(days=1)
INPUT = Series.of("openai", "gpt-4o", "input", "mtok", service_tier="standard")
BATCH = Series.of("openai", "gpt-4o", "input", "mtok", service_tier="batch", context="<=272000")
AZURE = Series.of("azure", "gpt-4o", "output", "mtok", region="eastus", currency="EUR")
OTHER = Series.of("openai", "gpt-4o-mini", "input", "mtok")


@pytest.fixture
def filled(sqlite_book: Engine, noon: datetime) -> Engine:
    """A book with changes, a withdrawal, an announcement, and what pages printed."""
    announced = Quote(
        INPUT, Decimal(3), "$3 from May", "Note", "", noon + 9 * DAY, None, "announced"
    )
    looks = (
        ("openai", noon, (_quote(INPUT, "2.5"), _quote(BATCH, "1.25"), _quote(OTHER, "0.15"))),
        ("azure", noon + DAY, (_quote(AZURE, "0.0000000001"),)),
        ("openai", noon + 2 * DAY, (_quote(INPUT, "2"), announced)),
        ("openai", noon + 4 * DAY, (_quote(INPUT, "2"), announced)),
        ("azure", noon + 5 * DAY, (_quote(AZURE, "0"),)),
    )
    with sqlite_book.begin() as connection:
        for name, at, quotes in looks:
            run = note_run(connection, name, at, "complete")
            page = Fetched(f"https://{name}.example/pricing", "html", at, "0" * 64, 9)
            fetch = note_fetch(connection, run, page)
            record(connection, Look(name, run, at, [(one, fetch) for one in quotes]))
    return sqlite_book


def _quote(series: Series, amount: str) -> Quote:
    return Quote(series, Decimal(amount), f"${amount}", "Table › row", "per 1M tokens")


def _file(engine: Engine) -> Path:
    return Path(engine.url.database or "")


def _all(prices: list[Price]) -> list[str]:
    """With what doesn't count when prices are compared; those of one moment in one order."""
    return sorted(repr(asdict(price)) for price in prices)


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"seller": "openai"},
        {"meter": "output", "region": "eastus"},
        {"service_tier": "batch"},
        {"term": "reserved"},
    ],
)
@pytest.mark.parametrize(("since", "until"), [(None, None), (1, None), (None, 2), (1, 9)])
def test_the_same_answer(
    filled: Engine, noon: datetime, where: Mapping[str, str], since: int | None, until: int | None
) -> None:
    """Whatever is asked of one product, both ways give the same rows, oldest first."""
    begin, end = (None if days is None else noon + days * DAY for days in (since, until))
    with filled.connect() as connection:
        expected = answers.history(connection, Filter(product="gpt-4o", **where), begin, end)

    found = quick.history(_file(filled), "gpt-4o", where, begin, end)
    assert _all(expected) == _all(found)
    assert sorted(price.valid_from for price in found) == [price.valid_from for price in found]


def test_it_holds_every_kind_of_row(filled: Engine) -> None:
    """The book that both ways are asked has withdrawn, free, announced and quoted prices."""
    found = quick.history(_file(filled), "gpt-4o", {})

    assert {None, Decimal(0), Decimal(3)} <= {price.amount for price in found}
    assert {"observed", "announced"} <= {price.basis for price in found}
    assert "https://azure.example/pricing" in {price.url for price in found}


def test_a_part_of_a_name_is_no_name(filled: Engine) -> None:
    """It knows the exact name alone; parts of names are the book's own question."""
    assert [] == quick.history(_file(filled), "gpt-4", {})


def test_what_it_does_not_know_it_leaves_alone(filled: Engine, tmp_path: Path) -> None:
    """A file of another schema, one that isn't a database, and none at all: no answer."""
    with filled.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    (tmp_path / "notes.db").write_text("no database", encoding="utf-8")

    files = (_file(filled), tmp_path / "notes.db", tmp_path / "none.db")
    assert [[], [], []] == [quick.history(file, "gpt-4o", {}) for file in files]
    assert not (tmp_path / "none.db").exists()
