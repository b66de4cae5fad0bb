"""The demo: the whole pipeline over loopback, and what is left of it to try."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from decimal import Decimal
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from breakeven.cli import cli
from breakeven.demo import story
from breakeven.demo.facts import DAYS, Day
from breakeven.demo.telling import TRY
from comparator.workload import examples


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """The demo told once, and the folder where its database is kept."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    return CliRunner().invoke(cli, ["demo", "--fast", "--keep", str(folder)]), folder


def ask(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--config", str(folder / "breakeven.toml"), *words])


def explained(folder: Path, workload: str) -> dict[str, Any]:
    found = ask(folder, "explain", workload, "--as-of", "2023-10-11", "--json")
    assert 0 == found.exit_code
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


def test_every_step_does_what_it_should(told: tuple[Result, Path]) -> None:
    """The demo ends with 0, and tells days, moved prices, ratios and messages."""
    result, _ = told
    assert "Every step did what it should." in result.stdout
    assert 0 == result.exit_code
    for words in ("10 October 2023", "21 August 2026", "SLACK", "MAIL", "→  21.957642  USD/hour"):
        assert words in result.stdout


def test_messages_are_kept(told: tuple[Result, Path]) -> None:
    """The kept folder has each message as it arrived, in Slack and by mail."""
    _, folder = told
    names = sorted(path.name for path in (folder / "messages").iterdir())
    assert [f"{n}-{kind}" for n in range(1, 6) for kind in ("mail.eml", "slack.json")] == names
    mail = message_from_bytes((folder / "messages" / "2-mail.eml").read_bytes())
    assert "[breakeven] tuning it ourselves pays: fine-tuning a support bot" == mail["Subject"]


@pytest.mark.parametrize("words", TRY)
def test_commands_to_try_work(told: tuple[Result, Path], words: str) -> None:
    """Every command that the demo proposes works on what it leaves."""
    _, folder = told
    found = ask(folder, *shlex.split(words))
    assert (0, "") == (found.exit_code, found.stderr)
    assert found.stdout


def test_the_backtest_tells_the_same(told: tuple[Result, Path]) -> None:
    """On the book that the demo leaves, the backtest tells what was told, with the same figures.

    Only the end of gpt-4 is told six hours sooner: a page that has lost a price is looked at again.
    """
    sent = json.loads(ask(told[1], "alerts", "--json").stdout)
    tried = json.loads(ask(told[1], "backtest", "--until", "2026-11-23", "--json").stdout)
    keys = ("rule", "workload", "kind", "state", "severity")
    figures, expected = (
        sorted(
            [*(one[key] for key in keys), round(Decimal(one["ratio"][end]), 25)]
            for one in found
            for end in ("low", "point", "high")
            if one["ratio"]
        )
        for found in (tried, sent)
    )
    assert expected == figures
    times = [
        {one["at"] for one in found if one["kind"] != "discontinued"} for found in (sent, tried)
    ]
    assert times[0] == times[1]


def test_article_one_run(told: tuple[Result, Path]) -> None:
    """$32.7726 an hour for 1 to 1.5 hours against $4 to $12: 2.73 to 12.29, printed as 3-8x."""
    answer = explained(told[1], "article: one run on demand")
    assert Decimal("32.7726") * 1 / 12 == Decimal(answer["figures"]["ratio, lowest"])
    assert Decimal("32.7726") * Decimal("1.5") / 4 == Decimal(answer["figures"]["ratio, highest"])
    claims = {claim["id"]: (claim["printed"], claim["ours"]) for claim in answer["claims"]}
    assert ("3x", "2.73105") == claims["S01"]
    assert ("8x", "12.289725") == claims["S04"]


def test_article_reserved_year(told: tuple[Result, Path]) -> None:
    """$19.22 x 8,760 h + $200,000 over 4,380 runs is $84.10 a run, printed as about $80."""
    answer = explained(told[1], "article: a dense reserved year with an engineer")
    whole = (Decimal("19.22") * 8_760 + 200_000) / 4_380
    assert whole == Decimal(answer["self_host"]["point"])
    (claim,) = [claim for claim in answer["claims"] if claim["id"] == "S12"]
    assert "about $80" == claim["printed"]
    assert abs(whole - Decimal(claim["ours"])) < Decimal("1e-20")


def test_article_in_words(told: tuple[Result, Path]) -> None:
    """For people `explain` sets the printed figure beside the exact one and says where it errs."""
    found = ask(told[1], "explain", "article: one run on demand", "--as-of", "2023-10-11").stdout
    assert "ratio: 5.12072 (3.19076 to 10.4678); the API is cheaper" in found
    assert "S04: 8x; here ratio, highest = 12.2897" in found
    assert "the true upper end is 12.29, not 8" in found


def test_article_is_written_once() -> None:
    """The article's workloads are the ones that are shipped, not copies of them."""
    shipped = [one.name for one in examples() if one.name.startswith("article: ")]
    assert 4 == len(shipped)
    assert shipped == [name for name in shipped if f'name = "{name}"' in story.story()]
    own = Path(story.__file__).with_name("story.toml").read_text(encoding="utf-8")
    assert 'name = "article' not in own


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"tuned": DAYS[0].tuned}, "2023-11: events [] instead of"),
        ({"machines": {}}, "2023-11: aws-ec2/us-east-1: "),
    ],
)
def test_a_broken_fact_is_told(
    monkeypatch: pytest.MonkeyPatch, broken: dict[str, Any], sentence: str
) -> None:
    """When a day doesn't bring what it should, the demo says so and ends with 1."""
    days: tuple[Day, ...] = (DAYS[0], replace(DAYS[1], **broken))
    monkeypatch.setattr(story, "DAYS", days)
    result = CliRunner().invoke(cli, ["demo", "--fast"])
    assert 1 == result.exit_code
    assert "This did not go as it should:" in result.stdout
    assert sentence in result.stdout


def test_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    """`--keep` never writes into a folder that holds something, nor over a file."""
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    for place in (tmp_path, tmp_path / "mine.txt"):
        assert 2 == CliRunner().invoke(cli, ["demo", "--keep", str(place)]).exit_code
    assert ["mine.txt"] == [path.name for path in tmp_path.iterdir()]
