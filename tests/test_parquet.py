"""The book as Parquet: partitioned, exact, and each row once however often it is exported."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from breakeven.cli import cli
from pricebook.book import Look, record
from pricebook.quote import Quote, Series
from pricebook.runs import note_changes, note_run
from pricebook.schema import open_book

dataset: Any = pytest.importorskip(
    "pyarrow.dataset", reason="pyarrow is not installed (breakeven[parquet])"
)
YEAR = timedelta(days=365)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noon: datetime) -> Engine:
    """A book with two prices of each of two sellers, a year apart."""
    monkeypatch.chdir(tmp_path)
    engine = open_book("sqlite:///breakeven.db")
    for seller in ("openai", "mistral"):
        look(engine, seller, noon - YEAR, "1.0000000001")
        look(engine, seller, noon, "2")
    return engine


def look(engine: Engine, seller: str, at: datetime, *amounts: str) -> None:
    """A look that found a series for each amount."""
    with engine.begin() as connection:
        run = note_run(connection, seller, at, "complete")
        quotes = [
            (Quote(Series.of(seller, f"m{n}", "input", "mtok"), Decimal(amount), "", ""), None)
            for n, amount in enumerate(amounts)
        ]
        note_changes(connection, run, len(record(connection, Look(seller, run, at, quotes))))


def exported() -> str:
    """What `export --parquet lake` says."""
    done = CliRunner().invoke(cli, ["export", "--parquet", "lake"])
    assert done.exit_code == 0, done.output
    return done.stderr


def rows(folder: Path) -> list[dict[str, Any]]:
    """What a reader of the folder finds, oldest first."""
    found = dataset.dataset(folder / "lake", format="parquet", partitioning="hive")
    names = ["valid_from", "seller", "product"]
    read: list[dict[str, Any]] = found.to_table().to_pylist()
    return sorted(read, key=lambda row: tuple(row[name] for name in names))


def test_rows_are_partitioned_and_exact(engine: Engine, tmp_path: Path, noon: datetime) -> None:
    """A folder for each seller and year; ten decimals, aware times."""
    assert "4 rows of 4 runs" in exported()

    folders = {str(file.parent.relative_to("lake")) for file in Path("lake").rglob("*.parquet")}
    assert {f"seller={s}/year={y}" for s in ("mistral", "openai") for y in (2025, 2026)} == folders
    first, *_, last = rows(tmp_path)
    assert Decimal("1.0000000001") == first["amount"]
    assert ("openai", "m0", noon, "observed", "openai") == tuple(
        last[name] for name in ("seller", "product", "valid_from", "basis", "source")
    )


def test_a_second_export_adds_what_is_new(engine: Engine, tmp_path: Path, noon: datetime) -> None:
    """Only what was recorded since; files that stand are not touched."""
    exported()
    before = {file: file.stat().st_mtime_ns for file in Path("lake").rglob("*.parquet")}
    look(engine, "openai", noon + YEAR, "3")

    assert "1 rows of 1 runs" in exported()
    assert "0 rows of 0 runs" in exported()
    assert 5 == len(rows(tmp_path))
    assert before == {file: file.stat().st_mtime_ns for file in before}


def test_runs_that_end_out_of_order_are_not_lost(
    engine: Engine, tmp_path: Path, noon: datetime
) -> None:
    """A long import of the past that is committed late comes with the next export."""
    exported()
    look(engine, "archive", noon - 3 * YEAR, "0.5")
    exported()

    assert Decimal("0.5") == rows(tmp_path)[0]["amount"]


def test_an_export_that_was_broken_off_counts_as_none(engine: Engine, tmp_path: Path) -> None:
    """Its files are removed by the next one, so that no row comes twice."""
    exported()
    (tmp_path / "lake" / "_exported.json").unlink()

    assert "4 rows of 4 runs" in exported()
    assert 4 == len(rows(tmp_path))


def test_a_damaged_note_is_refused(engine: Engine, tmp_path: Path) -> None:
    """Without knowing what is there, rows would come twice."""
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "_exported.json").write_text("{")

    done = CliRunner().invoke(cli, ["export", "--parquet", "lake"])
    assert (2, True) == (done.exit_code, "is damaged; export into a new folder" in done.stderr)


def test_a_folder_that_cannot_be_made(engine: Engine, tmp_path: Path) -> None:
    """A file stands where its parent would be: one sentence, and the file stays as it is."""
    place = tmp_path / "occupied"
    place.write_text("mine")

    done = CliRunner().invoke(cli, ["export", "--parquet", "occupied/lake"])

    assert (2, "mine") == (done.exit_code, place.read_text())
    assert done.stderr.startswith("Error: occupied/lake can't be written to: ")


def test_since_is_known(engine: Engine) -> None:
    """`--since` beside `--parquet` would leave holes."""
    done = CliRunner().invoke(cli, ["export", "--parquet", "lake", "--since", "2026-01-01"])

    assert done.exit_code == 2
