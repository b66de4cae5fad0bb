"""comparator.attribution: the shares of what moved are exact and add up to the whole."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparator.attribution import causes, parts
from comparator.ratio import Evaluation, evaluate
from comparator.workload import Workload
from pricebook.config import Table
from pricebook.quote import Price, Series

NOW = datetime(2026, 8, 21, tzinfo=UTC)
TOLERANCE = Decimal("1e-24")
"""Ratios are sums and quotients of some thirty figures of 28 digits each, so the last three or
four of their digits, and those of their logarithms, are rounding.
"""

P4D = "aws p4d.24xlarge instance (us-east-1, on demand)"
TRAINING = "openai gpt-3.5-turbo training"

RENTED = """
name = "bot"
kind = "fine_tune"
api = { seller = "openai", product = "gpt-3.5-turbo", trained_tokens = 1_000_000 }
[self_host]
instance = "p4d.24xlarge"
hours_per_run = 2
attempts = 1
"""
STAFFED = RENTED + "runs_per_year = 4_380\nengineer = { salary = 200_000, fraction = 1 }\n"
PREPAID = STAFFED + 'term = "reserved"\npayment = "partial"\n'
SERVED = """
name = "bot"
kind = "inference"
tokens = { input = 3_000, output = 1_000, cached_share = 0.5 }
api = { seller = "openai", product = "gpt-4o-mini" }
[self_host]
instance = "p5.48xlarge"
gpus = 8
gpu_seconds = { input = 1.37256e-4, output = 1.41947e-4, attention = 1.36714e-7 }
fixed_per_month = 500
tokens_per_month = 1_000_000_000
"""
FIXED = "\nfixed_per_month = 500\ntokens_per_month = 1_000_000_000\n"


def at(text: str, **amounts: str | Decimal) -> Evaluation:
    """A workload at these prices by meter."""
    workload = Workload.from_table(Table(tomllib.loads(text, parse_float=Decimal), "workload"))

    def price(series: Series) -> Price:
        amount = Decimal(amounts[series.meter])
        return Price(series, amount, NOW, "observed", NOW, "openai", url="https://openai.com/x")

    return evaluate(workload, price, NOW)


def log_ratio(before: Evaluation, after: Evaluation) -> Decimal:
    """ln(after / before)."""
    assert before.ratio is not None
    assert after.ratio is not None
    return (after.ratio.point / before.ratio.point).ln()


def found(before: Evaluation, after: Evaluation) -> dict[str, Decimal]:
    """The parts, after checking that they add up to the whole."""
    logs = parts(before.snapshot(), after.snapshot())
    assert abs(sum(logs.values()) - log_ratio(before, after)) < TOLERANCE
    return logs


def test_a_pure_product_splits_by_logarithms() -> None:
    """32.7726 to 21.957642 is -0.400478, $8 to $3 is +0.980829: together the ratio x 1.787."""
    before = at(RENTED, instance="32.7726", training="8")
    after = at(RENTED, instance="21.957642", training="3")
    logs = {name: round(part, 6) for name, part in found(before, after).items()}
    assert logs == {P4D: Decimal("-0.400478"), TRAINING: Decimal("0.980829")}


def test_a_constant_engineer_damps_the_machine() -> None:
    """With $45.66 of salary in each run the same cut of the machine is worth -0.216246."""
    before = at(STAFFED, instance="32.77", training="8")
    after = at(STAFFED, instance="21.957642", training="3")
    logs = {name: round(part, 6) for name, part in found(before, after).items()}
    assert logs == {P4D: Decimal("-0.216246"), TRAINING: Decimal("0.980829")}


AMOUNT = st.decimals("0.0001", "100000", places=10)


@settings(deadline=None)
@given(st.lists(AMOUNT, min_size=8, max_size=8))
def test_parts_add_up_for_serving(amounts: list[Decimal]) -> None:
    """Whatever four prices do, the parts of four terms and two sides sum to the whole."""
    meters = ("instance", "input", "cache_read", "output")
    before, after = (
        at(SERVED, **dict(zip(meters, half, strict=True))) for half in (amounts[:4], amounts[4:])
    )
    found(before, after)


@settings(deadline=None)
@given(st.lists(AMOUNT, min_size=6, max_size=6))
def test_parts_add_up_for_a_prepaid_year(amounts: list[Decimal]) -> None:
    """The same with an hourly price, an upfront fee and a salary in one sum."""
    meters = ("instance", "upfront", "training")
    before, after = (
        at(PREPAID, **dict(zip(meters, half, strict=True))) for half in (amounts[:3], amounts[3:])
    )
    found(before, after)


def test_the_smallest_change_has_an_exact_part() -> None:
    """A price that moves by 10^-10 still has its share, and it is all of it."""
    before = at(STAFFED, instance="32.77", training="8")
    after = at(STAFFED, instance="32.7700000001", training="8")
    (cause,) = causes(before.snapshot(), after.snapshot())
    assert cause.share == 1
    assert found(before, after).keys() == {P4D}


def test_a_price_that_was_zero_takes_its_terms_part() -> None:
    """Zero has no logarithm; the term that appears is due to the price that was zero."""
    prices = {"instance": "55.04", "input": "0.15", "output": "0.6"}
    before, after = (at(SERVED, cache_read=amount, **prices) for amount in ("0", "0.075"))
    logs = found(before, after)
    assert logs.keys() == {"openai gpt-4o-mini cache_read"}
    assert found(after, before).keys() == logs.keys()


def test_a_term_that_appears_is_due_to_its_inputs() -> None:
    """An engineer who is added to the settings is one cause, with all that is new in it."""
    before = at(RENTED, instance="32.77", training="8")
    after = at(STAFFED, instance="32.77", training="8")
    assert found(before, after).keys() == {"engineer's salary, engineer's time, runs a year"}
    (cause,) = causes(before.snapshot(), after.snapshot())
    assert (cause.before, cause.share) == ("not counted", Decimal(1))


def test_an_input_in_the_place_of_another_is_one_cause() -> None:
    """Two prices are one step from the old to the new; split, they would depend on their unit."""
    before = at(RENTED, instance="32.77", training="8")
    after = at(RENTED + "hourly = 19.22", instance="32.77", training="8")
    assert found(before, after).keys() == {"own rate of the machine"}
    (cause,) = causes(before.snapshot(), after.snapshot())
    assert (cause.before, cause.after) == (f"{P4D} 32.77 USD for an hour", "19.22 USD/hour")


def test_a_table_in_the_place_of_a_fitted_law_is_one_cause() -> None:
    """Four terms become two, and all of the change is the throughput's."""
    prices = {"instance": "55.04", "input": "0.15", "output": "0.6", "cache_read": "0.075"}
    law = SERVED.split("gpus = 8", maxsplit=1)[0]
    before, after = at(SERVED, **prices), at(law + "tokens_per_second = 20_000" + FIXED, **prices)
    assert found(before, after).keys() == {"throughput"}
    shares = [cause.share for cause in causes(before.snapshot(), after.snapshot())]
    assert shares == [1]


SETTINGS = [
    "tokens_per_second = 20_000",
    'tokens_per_second = 20_000\nterm = "spot"\nhourly = 30',
    "tokens_per_second = 30_000\nutilisation = 0.5",
    'term = "own"\ntokens_per_second = 9_000\n'
    "own = { price = 250_000, power_kw = 6, electricity = 0.1 }",
    "tokens_per_second = 20_000\nwhole_machines = true",
    "gpus = 8\ngpu_seconds = { input = 1e-4, output = 1e-4, attention = 1e-7 }",
]


@pytest.mark.parametrize("before", SETTINGS)
@pytest.mark.parametrize("after", SETTINGS)
def test_between_any_two_settings_the_shares_add_up(before: str, after: str) -> None:
    """Whatever terms come and go, every part of the change has a cause."""
    prices = {"instance": "55.04", "input": "0.15", "output": "0.6", "cache_read": "0.075"}
    head = SERVED.split("gpus = 8", maxsplit=1)[0]
    ends = [at(f"{head}{each}{FIXED}", **prices) for each in (before, after)]
    found(*ends)
    shares = [cause.share for cause in causes(*(end.snapshot() for end in ends))]
    total = sum((share for share in shares if share), Decimal(0))
    assert before == after or abs(total - 1) < TOLERANCE


def test_causes_say_from_what_to_what_and_where_it_was_read() -> None:
    """The greatest share first, as `why` in `alerts --json`; the shares add up to 1."""
    before = at(RENTED, instance="32.7726", training="8")
    after = at(RENTED, instance="21.957642", training="3")
    first, second = causes(before.snapshot(), after.snapshot())
    assert (first.input, first.before, first.after) == (
        TRAINING,
        "8 USD for 10^6 tokens",
        "3 USD for 10^6 tokens",
    )
    assert first.evidence == {
        "source": "openai",
        "url": "https://openai.com/x",
        "recorded_at": "2026-08-21T00:00:00Z",
        "valid_from": "2026-08-21T00:00:00Z",
    }
    assert first.share is not None
    assert second.share is not None
    assert round(first.share, 4) == Decimal("1.6901")
    assert abs(first.share + second.share - 1) < TOLERANCE


def test_moves_that_cancel_out_have_no_shares() -> None:
    """Twice the machine and twice the API: both are named, neither has a share of nothing."""
    before = at(RENTED, instance="16", training="4")
    after = at(RENTED, instance="32", training="8")
    moved = causes(before.snapshot(), after.snapshot())
    assert {(cause.input, cause.share) for cause in moved} == {(P4D, None), (TRAINING, None)}


def test_nothing_moved_nothing_caused() -> None:
    """Equal times have no causes."""
    same = at(RENTED, instance="16", training="4").snapshot()
    assert causes(same, same) == ()


def test_a_time_without_numbers_has_no_parts() -> None:
    """From unknown to known there is no ratio to split; what is new is named."""
    known = at(RENTED, instance="16", training="4").snapshot()
    assert parts({}, known) == {}
    assert {(cause.before, cause.share) for cause in causes({}, known)} == {("not counted", None)}


@pytest.mark.parametrize("text", [RENTED, STAFFED])
def test_snapshots_survive_json(text: str) -> None:
    """They are stored, and compared after a restart."""
    before = at(text, instance="32.77", training="8").snapshot()
    after = at(text, instance="21.957642", training="3").snapshot()
    stored: Mapping[str, Any] = json.loads(json.dumps(before))
    assert causes(stored, after) == causes(before, after)
