"""`alerts show`, `silence`, `silences`, `unsilence`: an event whole, and quiet for a while."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from breakeven.cli import cli
from breakeven.silencing import SILENCES
from comparator import ledger
from comparator.claiming import note_attempt
from comparator.event import Cause, Event, Range
from comparator.silences import silences
from pricebook.schema import open_book
from pricebook.tables import Message

CONFIG = """
[database]
url = "sqlite:///{folder}/book.db"

[[workload]]
name = "bot"
kind = "api"
tokens = {{ input = 1_000, output = 0 }}
candidate = {{ seller = "deepseek", product = "v3" }}
api = {{ seller = "openai", product = "gpt" }}

[[rule]]
name = "v3 pays"
workload = "bot"
when = "ratio falls below 1"
receivers = []

[[maintenance]]
start = 2026-11-01T00:00:00Z
end = 2999-01-01T00:00:00Z
reason = "for ever"
workload = "bot"
"""
AT = datetime(2026, 8, 21, 12, tzinfo=UTC)
WHERE = {
    "source": "deepseek",
    "quoted": "$0.90",
    "where": "Prices › v3",
    "url": "https://example.com/prices",
    "recorded_at": "2026-08-21T06:00:00Z",
}
FIRED = Event(
    id="feed01",
    rule="v3 pays",
    kind="fired",
    state="firing",
    at=AT,
    workload="bot",
    threshold="ratio falls below 1",
    since=AT - timedelta(hours=6),
    before=Range.exactly("1.2"),
    after=Range.exactly("0.9"),
    costs={"v3": Range.exactly("0.9"), "gpt": Range.exactly(1)},
    cost_unit="USD per 10^6 tokens",
    verdict="v3 is cheaper",
    why=(Cause("deepseek v3 input", "1.2 USD", "0.9 USD", Decimal(1), WHERE),),
    flips=("deepseek v3 input at 1.05 USD for 10^6 tokens (now 0.9)",),
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A configuration, and a book with an edit of a rule and then its crossing, told with pains."""
    (tmp_path / "c.toml").write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    engine = open_book(f"sqlite:///{tmp_path}/book.db")
    edited = Event("feed00", "v3 pays", "rule_edited", "ok", AT - timedelta(days=1))
    with engine.begin() as connection:
        ledger.record(connection, edited, [])
        ledger.record(connection, FIRED, ["ml-slack"])
        number = connection.execute(select(Message.id)).scalar_one()
        note_attempt(connection, number, AT, "refused", "404", "no_service")
    yield tmp_path
    engine.dispose()


def alerts(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--config", str(folder / "c.toml"), "alerts", *words])


def test_an_event_whole(folder: Path) -> None:
    """States, figures, costs, causes with their evidence, what would end it, tries, commands."""
    shown = alerts(folder, "show", "feed01").stdout
    for words in (
        "Fired: v3 pays, bot: ratio 0.9, was 1.2",
        "State         firing, ok before",
        "V3            0.9 USD per 10^6 tokens",
        "Ratio before  1.2",
        "  deepseek v3 input: 1.2 USD → 0.9 USD, 100 % of the change",
        "    deepseek, “$0.90”, Prices › v3, recorded 2026-08-21T06:00:00Z",
        "    https://example.com/prices",
        "  deepseek v3 input at 1.05 USD for 10^6 tokens (now 0.9)",
        "  ml-slack: pending, next try 2026-08-21 12:00 UTC",
        "    2026-08-21 12:00 UTC: refused, 404, no_service",
        "  breakeven explain bot --as-of 2026-08-21T12:00:00Z",
        "  breakeven alerts silence 'v3 pays' --for 7d --reason WHY",
    ):
        assert words.lower() in shown.lower().splitlines()


def test_an_event_for_programs(folder: Path) -> None:
    """As JSON there is all that is stored, found by the beginning of its number."""
    shown = json.loads(alerts(folder, "show", "feed01", "--json").stdout)
    assert FIRED.details() == {name: shown[name] for name in FIRED.details()}
    assert ("ok", "firing") == (shown["state_before"], shown["state"])
    (delivery,) = shown["deliveries"]
    assert "no_service" == delivery["tries"][0]["reason"]


def test_the_newest_event(folder: Path) -> None:
    """Without a number it is the newest."""
    assert "feed01" == json.loads(alerts(folder, "show", "--json").stdout)["event"]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ("beef", "there is no event 'beef'; `breakeven alerts` lists them"),
        ("feed", "several events begin with 'feed'; write more of the number"),
        ("%", "there is no event '%'"),
    ],
)
def test_an_event_that_is_not_there(folder: Path, number: str, sentence: str) -> None:
    """One sentence, exit 2."""
    result = alerts(folder, "show", number)
    assert 2 == result.exit_code
    assert sentence in result.stderr


@pytest.mark.parametrize(
    ("what", "matcher"), [("v3 pays", "rule"), ("bot", "workload"), ("deepseek *", "pattern")]
)
def test_a_silence_is_of_a_rule_a_workload_or_a_pattern(
    folder: Path, what: str, matcher: str
) -> None:
    """Which one it is, is found by its name; it covers the event, and ends when it is told to."""
    result = alerts(folder, "silence", what, "--for", "3d", "--reason", "moving house")
    assert 0 == result.exit_code
    assert "`breakeven alerts unsilence 1` ends it" in result.stderr
    one, window = json.loads(alerts(folder, "silences", "--json").stdout)
    assert list(SILENCES.fields) == list(one) == list(window)
    assert (what, "moving house") == (one[matcher], one["reason"])
    assert (None, "for ever") == (window["id"], window["reason"])
    assert covers(folder)
    assert 0 == alerts(folder, "unsilence", "1").exit_code
    assert not covers(folder)


def covers(folder: Path) -> bool:
    """Whether a silence in force covers the event."""
    engine, now = open_book(f"sqlite:///{folder}/book.db"), datetime.now(UTC)
    with engine.connect() as connection:
        found = silences(connection, now)
    engine.dispose()
    return any(one.covers(FIRED, now) for one in found)


def test_silences_for_people(folder: Path) -> None:
    """What is silenced, until when and why; maintenance of the configuration, too."""
    alerts(folder, "silence", "v3 pays", "--until", "2998-12-31", "--reason", "moving house")
    listed = alerts(folder, "silences").stdout
    assert "rule 'v3 pays'" in listed
    assert "2998-12-31 00:00  moving house" in listed
    assert "maintenance  workload 'bot'" in listed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["silence", "v3 pay", "--for", "3d", "--reason", "x"], "did you mean 'v3 pays'?"),
        (["silence", "zzz", "--for", "3d", "--reason", "x"], 'a pattern has a *: "openai *"'),
        (["silence", "bot", "--reason", "x"], "give either --until or --for"),
        (["silence", "bot", "--for", "3d", "--until", "2999-01-01", "--reason", "x"], "either"),
        (["silence", "bot", "--for", "3d"], "Missing option '--reason'"),
        (["silence", "bot", "--for", "3d", "--reason", " "], "a silence needs a reason"),
        (["silence", "bot", "--until", "2020-01-01", "--reason", "x"], "end after it begins"),
        (["unsilence", "7"], "there is no silence 7; `breakeven alerts silences` lists them"),
    ],
)
def test_a_silence_that_makes_no_sense(folder: Path, words: list[str], sentence: str) -> None:
    """One sentence, exit 2, and nothing is silenced."""
    result = alerts(folder, *words)
    assert 2 == result.exit_code
    assert sentence in result.stderr
    assert 1 == len(json.loads(alerts(folder, "silences", "--json").stdout))
