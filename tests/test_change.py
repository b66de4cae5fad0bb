"""comparator.change, `explain --since` and `--beside`: what moved a ratio, to the last digit."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import prod
from pathlib import Path

import pytest
from click.testing import CliRunner

from breakeven.cli import cli
from comparator.change import Change, change_lines
from comparator.ratio import Evaluation, evaluate
from comparator.workload import Workload
from pricebook.config import Table
from pricebook.quote import Price, Series
from pricebook.schema import open_book

D = Decimal
MAY, JUNE = datetime(2025, 5, 31, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
NAMES = ("bot", "twin")
BOT = """
name = "bot"
kind = "fine_tune"
api = { seller = "openai", product = "gpt-3.5-turbo", trained_tokens = 1_000_000 }
[self_host]
instance = "p4d.24xlarge"
hours_per_run = 2
attempts = 1
"""


def at(when: datetime, hourly: str | None, per_mtok: str, text: str = BOT) -> Evaluation:
    """The workload at these prices."""
    workload = Workload.from_table(Table(tomllib.loads(text, parse_float=Decimal), "workload"))

    def price(series: Series) -> Price | None:
        amount = per_mtok if series.meter == "training" else hourly
        if amount is None:
            return None
        return Price(series, D(amount), when, "observed", when, series.seller)

    return evaluate(workload, price, when)


def test_a_change_is_the_product_of_its_parts() -> None:
    """The machine x 0.67 and the API x 2.667 make the ratio x 1.787."""
    change = Change(at(MAY, "32.7726", "8"), at(JUNE, "21.957642", "3"))
    parts = [change.part(cause) for cause in change.causes]
    assert [round(part, 3) for part in parts if part] == [D("2.667"), D("0.670")]
    assert change.factor is not None
    assert abs(prod(part for part in parts if part) / change.factor - 1) < D("1e-24")


def test_a_person_reads_from_what_to_what_and_its_part() -> None:
    """The greatest first; both ends of the ratio above them."""
    change = Change(at(MAY, "32.7726", "8"), at(JUNE, "21.957642", "3"))
    head, ratio, *rows = change_lines(change)
    assert head == "What moved it since 2025-05-31T00:00:00Z"
    assert ratio == "  ratio 8.193 to 14.64: x 1.787"
    assert max(map(len, rows)) < 100
    assert " ".join(row.strip() for row in rows) == (
        "openai gpt-3.5-turbo training: 8 USD for 10^6 tokens → 3 USD for 10^6 tokens: x 2.667,"
        " 169.0 % of the change"
        " aws p4d.24xlarge instance (us-east-1, on demand): 32.7726 USD for an hour → 21.957642"
        " USD for an hour: x 0.6700, -69.0 % of the change"
    )


def test_two_settings_are_compared_like_two_times() -> None:
    """Half of the hours is all of the difference."""
    other = BOT.replace('"bot"', '"short bot"').replace("hours_per_run = 2", "hours_per_run = 1")
    change = Change(at(JUNE, "32", "8", other), at(JUNE, "32", "8"))
    assert list(change_lines(change)) == [
        'What moved it beside "short bot"',
        "  ratio 4 to 8: x 2",
        "  hours a run: 1 hours → 2 hours: x 2, 100.0 % of the change",
    ]


def test_nothing_moved() -> None:
    """The same prices a day later: no causes, and it says so."""
    change = Change(at(MAY, "32", "8"), at(JUNE, "32", "8"))
    assert (change.as_dict()["factor"], change.causes) == ("1", ())
    assert list(change_lines(change))[-1] == "  nothing: every input is the same"


def test_an_unknown_end_has_no_parts() -> None:
    """From unknown nothing is so many times more; what was missing is named."""
    change = Change(at(MAY, None, "8"), at(JUNE, "32", "8"))
    assert change.factor is None
    words = change_lines(change)
    assert [*words][1].startswith("  the ratio was unknown: no price known for aws p4d.24xlarge")
    later = Change(at(JUNE, "32", "8"), at(JUNE + timedelta(1), None, "8"))
    assert [*change_lines(later)][1].startswith("  it is unknown: no price known for aws p4d")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["bot", "--since", "2025-01-01"], 1, "the ratio was unknown: no price known for aws p4d"),
        (["bot", "--beside", "twin"], 1, 'What moved it beside "twin"'),
        (["bot", "--beside", "nobody"], 2, "there is no workload 'nobody'; known: bot; twin"),
        (["bot", "--since", "2999-01-01"], 2, "--since is 2999-01-01, which is after"),
    ],
)
def test_asked_of_an_empty_book(
    words: list[str], code: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1 when the change is unknown, 2 when the question makes no sense."""
    monkeypatch.chdir(tmp_path)
    twins = (BOT.replace('"bot"', f'"{name}"').replace("[self", "[workload.self") for name in NAMES)
    text = "".join(f"[[workload]]\n{twin}" for twin in twins)
    Path("breakeven.toml").write_text(text)
    open_book("sqlite:///breakeven.db").dispose()
    result = CliRunner().invoke(cli, ["explain", *words])
    assert (code, sentence in result.output) == (result.exit_code, True), result.output
