"""breakeven article: what it claimed in October 2023, at the prices of every quarter since."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from breakeven.cli import cli
from comparator.article import Statement, recomputed, statements
from comparator.interval import Interval
from comparator.timeline import Moment
from pricebook.book import Look, record
from pricebook.quote import Quote, Series
from pricebook.runs import note_run
from pricebook.schema import open_book

D = Decimal
BY_ID = {one.id: one for one in statements()}


def asked(*words: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(cli, [*words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a configuration and a book."""
    monkeypatch.chdir(tmp_path)


def answered(*words: str) -> dict[str, Any]:
    """The same as JSON, by statement."""
    return {one["id"]: one for one in json.loads(asked("article", *words, "--json"))}


@pytest.mark.usefixtures("nowhere")
def test_every_quarter_without_a_book() -> None:
    """13 quarters from October 2023 to October 2026 and the day itself, from shipped history."""
    found = answered("--as-of", "2026-11-23")
    for one in found.values():
        assert len(one["quarters"]) == 14
    assert found["A"]["quarters"][0]["at"] == "2023-10-01T00:00:00Z"
    assert found["A"]["quarters"][-1]["at"] == "2026-11-23T00:00:00Z"


@pytest.mark.usefixtures("nowhere")
def test_the_figures_of_its_day() -> None:
    """$32.7726 x 1.25 h over $8 is 5.12, GPT-4 cost 2.885 times a tuned GPT-3.5, and that 8."""
    found = answered("--as-of", "2023-10-11")
    points = {name: one["quarters"][0]["figure"] for name, one in found.items()}
    assert D(points["A"]["point"]) == D("32.7726") * D("1.25") / 8
    assert round(D(points["E"]["point"]), 4) == D("2.8846")
    assert points["F"]["point"] == "8"
    assert points["B"] is None


@pytest.mark.usefixtures("nowhere")
def test_the_cut_of_june_2025() -> None:
    """The machine fell by a third, so the run did: 3.43 from then on."""
    quarters = {
        one["at"][:10]: one["figure"] for one in answered("--as-of", "2026-01-02")["A"]["quarters"]
    }
    assert round(D(quarters["2025-04-01"]["point"]), 2) == D("5.12")
    assert round(D(quarters["2025-07-01"]["point"]), 2) == D("3.43")


@pytest.mark.usefixtures("nowhere")
def test_after_the_end_of_fine_tuning() -> None:
    """From 2027-01-06 OpenAI takes no jobs: what can't be bought is not compared."""
    found = answered("--as-of", "2027-02-01")
    assert found["A"]["quarters"][-1]["figure"] is None
    assert "2027-01-06" in found["A"]["verdict"]


@pytest.mark.usefixtures("nowhere")
def test_a_person_reads_a_verdict_for_each() -> None:
    """The table, then a line for each statement."""
    text = asked("article", "--as-of", "2026-11-23")
    assert "2026-10-01" in text
    assert "   holds: 10\n" in text
    assert "   less than that, and rather the other way round: 0.7128 (0.2476-3.346)" in text


def test_the_books_own_prices_go_first(tmp_path: Path) -> None:
    """From the first price of the book on its own hold; before it those that are shipped."""
    url = f"sqlite:///{tmp_path / 'book.db'}"
    config = tmp_path / "breakeven.toml"
    config.write_text(f'[database]\nurl = "{url}"\n')
    place = {"region": "us-east-1", "os": "Linux", "tenancy": "shared", "term": "on_demand"}
    machine = Series.of("aws", "p4d.24xlarge", "instance", "hour", **place)
    at = datetime(2024, 5, 1, tzinfo=UTC)
    with open_book(url).begin() as connection:
        run = note_run(connection, "aws-ec2/us-east-1", at, "complete")
        record(
            connection, Look("aws-ec2/us-east-1", run, at, [(Quote(machine, D(16), "", ""), None)])
        )
    found = json.loads(asked("--config", str(config), "article", "--as-of", "2026-01-01", "--json"))
    points = {one["at"][:10]: one["figure"]["point"] for one in found[0]["quarters"]}
    assert round(D(points["2024-04-01"]), 2) == D("5.12")
    assert points["2024-07-01"] == points["2026-01-01"] == "2.5"


def moment(ratio: str | None) -> Moment:
    """A ratio of today."""
    value = None if ratio is None else Interval.exactly(ratio)
    return Moment(datetime(2026, 1, 1, tzinfo=UTC), value, "withdrawn", ())


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        ("2.7", "holds"),
        ("2.69", "less than that"),
        ("8.8", "holds"),
        ("8.81", "more than that"),
        ("0.99", "no: it is the other way round"),
        (None, "can't be said: withdrawn"),
    ],
)
def test_what_became_of_3_to_8(ratio: str | None, verdict: str) -> None:
    """Within a tenth of the printed range it holds."""
    assert BY_ID["A"].verdict(moment(ratio)) == verdict


def test_a_range_about_one_is_no_turn() -> None:
    """The other way round is only what is so from p10 to p90."""
    wide = Interval(D("0.2"), D("0.7"), D("3.3"))
    found = Moment(datetime(2026, 1, 1, tzinfo=UTC), wide, "", ())
    assert BY_ID["A"].verdict(found) == "less than that, and rather the other way round"


def test_an_inverse_figure_is_turned_round() -> None:
    """GPT-4 over the tuned model: a ratio of 0.1 is the article's ten times."""
    assert BY_ID["E"].verdict(moment("0.1")) == "holds"


def test_nothing_known_can_not_be_said() -> None:
    """An empty history leaves every quarter open, and the reason says so."""
    statement: Statement = BY_ID["A"]
    found = recomputed(statement, {}, datetime(2024, 1, 1, tzinfo=UTC))
    assert [figure for _, figure in found.figures()] == [None, None]
    assert found.verdict == "can't be said: no price is known"
