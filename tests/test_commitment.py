"""comparator.commitment: effective rates, how many machines to commit, and what a year costs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from breakeven.cli import cli
from comparator.commitment import Commitment, best, bill, commitments, worth_from
from pricebook.book import Look, record
from pricebook.quote import Price, Quote, Series
from pricebook.runs import note_run
from pricebook.schema import open_book

D = Decimal
NOW = datetime(2026, 8, 21, tzinfo=UTC)
ARTICLE = Commitment("standard reservation, 1 year, no upfront", 1, D("19.22"), D(0))
ON_DEMAND = D("32.77")
DAY = (0,) * 8 + (1,) * 6 + (3,) * 6 + (2,) * 4
"""Machines needed in the hours of a day: 16 of them need one, 10 a second, 6 a third."""


def series(meter: str, unit: str, **terms: str) -> Series:
    """Of a p4d.24xlarge in Virginia."""
    place = {"region": "us-east-1", "os": "Linux", "tenancy": "shared"}
    return Series.of("aws", "p4d.24xlarge", meter, unit, **place, **terms)


RESERVED = {"term": "reserved", "term_years": "3", "offering_class": "standard"}
PRICES = {
    series("instance", "hour", term="on_demand"): "32.77",
    series("instance", "hour", **RESERVED, payment="partial"): "5",
    series("upfront", "commitment", **RESERVED, payment="partial"): "131400",
    series("instance", "hour", **RESERVED, payment="all"): "0",
    series(
        *("instance", "hour"),
        term="savings_plan",
        term_years="1",
        payment="none",
        variant="compute",
    ): "20.5",
}


def known() -> list[Price]:
    """Those prices as the book gives them."""
    return [
        Price(one, D(amount), NOW, "observed", NOW, "aws-ec2/us-east-1")
        for one, amount in PRICES.items()
    ]


def test_an_upfront_payment_is_spread_over_the_hours_of_its_term() -> None:
    """$131,400 over three years of 8,760 hours is $5 an hour."""
    (partial, plan) = commitments(known())
    assert (partial.name, partial.effective) == (
        "standard reservation, 3 years, partial upfront",
        10,
    )
    assert (plan.name, plan.effective) == ("Compute Savings Plan, 1 year, no upfront", D("20.5"))


def test_half_of_a_reservation_is_none() -> None:
    """Paid all upfront, but the fee is not known: it is left out rather than taken for free."""
    assert not any("all upfront" in each.name for each in commitments(known()))


def test_the_articles_reservation_is_worth_from() -> None:
    """19.22 / 32.77: it beats on demand above 58.65 % of the hours (golden line S21)."""
    assert round(worth_from(ARTICLE, ON_DEMAND), 5) == D("0.58651")


def test_the_best_number_of_machines() -> None:
    """16 of 24 hours need one machine, more than 58.65 %; 10 need two, which is less."""
    assert best(ARTICLE, ON_DEMAND, DAY) == 1


def test_a_great_demand_is_counted_at_once() -> None:
    """A slip of the pen in the list of needs takes no hours."""
    assert best(ARTICLE, ON_DEMAND, [10**12, 10**12, 5]) == 10**12


def test_a_years_bill() -> None:
    """One committed all year, the rest of what is needed rented by the hour."""
    found = bill(ARTICLE, ON_DEMAND, DAY, 1)
    assert found.usd == D("19.22") * 8760 + D("32.77") * 365 * 16
    assert (found.unused_hours, found.needed_hours) == (365 * 8, 365 * 32)
    assert found.per_needed_hour == found.usd / 11_680


def test_nothing_needed_has_no_price_an_hour() -> None:
    """No hour was needed: unknown, not infinite and not 0."""
    found = bill(ARTICLE, ON_DEMAND, (0, 0), 1)
    assert (found.per_needed_hour, found.unused_hours) == (None, 8760)


demands = st.lists(st.integers(0, 6), min_size=1, max_size=48)


@given(demands, st.decimals("0.5", "40", places=2))
def test_no_other_number_is_cheaper(needs: list[int], hourly: Decimal) -> None:
    """The best number's bill is the lowest of all numbers' bills."""
    one = Commitment("any", 1, hourly, D(0))
    chosen = bill(one, ON_DEMAND, needs, best(one, ON_DEMAND, needs)).usd
    assert chosen <= min(bill(one, ON_DEMAND, needs, k).usd for k in range(8)) + D("1e-15")


@given(demands, st.integers(0, 6))
def test_hours_add_up(needs: list[int], machines: int) -> None:
    """Committed hours that are not unused serve needs; the others are rented."""
    found = bill(ARTICLE, D(1), needs, machines)
    rented = found.usd - machines * ARTICLE.effective * 8760
    used = machines * 8760 - found.unused_hours
    assert abs(used + rented - found.needed_hours) < D("1e-15")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose book holds the prices."""
    file = tmp_path / "breakeven.toml"
    url = f"sqlite:///{tmp_path / 'book.db'}"
    file.write_text(f'[database]\nurl = "{url}"\n')
    with open_book(url).begin() as connection:
        run = note_run(connection, "aws-ec2/us-east-1", NOW, "complete")
        quotes = [(Quote(one, D(usd), "", ""), None) for one, usd in PRICES.items()]
        record(connection, Look("aws-ec2/us-east-1", run, NOW, quotes))
    return file


def asked(config: Path, *words: str) -> tuple[int, str]:
    """Exit code and output of `breakeven commitments`."""
    result = CliRunner().invoke(cli, ["--config", str(config), "commitments", *words])
    return result.exit_code, result.output


def test_the_command_compares_all_options(config: Path, tmp_path: Path) -> None:
    """For a program: rates exact, and what each would do for a day's needs."""
    needs = tmp_path / "needs"
    needs.write_text("\n".join(map(str, DAY)))
    code, text = asked(config, "p4d.24xlarge", "--needs", str(needs), "--json")
    rows = json.loads(text)
    assert code == 0
    assert [row["usd_per_hour_effective"] for row in rows] == ["10", "20.5"]
    assert rows[0]["usd_upfront"] == "131400"
    assert rows[0]["bill"] == {
        "machines": 2,
        "usd_per_year": "246966.3",
        "unused_hours": "8030",
        "usd_per_needed_hour": "21.144375",
    }


def test_a_person_reads_when_it_pays(config: Path) -> None:
    """Saving and the share of hours in one line each."""
    code, text = asked(config, "p4d.24xlarge")
    assert code == 0
    assert "Compute Savings Plan, 1 year, no upfront" in text
    assert "62.6 % of hours" in text


@pytest.mark.parametrize(
    ("needs", "sentence"),
    [("1\nmany\n", "number 2: 'many' is no whole number"), ("", "is empty"), ("-1", "number 1")],
)
def test_needs_that_are_none(config: Path, tmp_path: Path, needs: str, sentence: str) -> None:
    """A bad line of the file is named, and nothing is counted."""
    file = tmp_path / "needs"
    file.write_text(needs)
    code, text = asked(config, "p4d.24xlarge", "--needs", str(file))
    assert (code, sentence in text) == (2, True), text


def test_needs_that_are_missing(config: Path) -> None:
    """The file is named once, with what is wrong."""
    code, text = asked(config, "p4d.24xlarge", "--needs", "nowhere.txt")
    assert (code, text) == (2, "Error: nowhere.txt can't be read: No such file or directory\n")


def test_a_machine_without_prices(config: Path) -> None:
    """What can't be compared says which price is missing."""
    code, text = asked(config, "p9.huge")
    assert code == 2
    assert "no on-demand price of p9.huge in us-east-1" in text
