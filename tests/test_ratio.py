"""comparator.ratio: both costs from the prices in force, or no numbers and the reason."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from comparator.interval import Interval
from comparator.ratio import Evaluation, Prices, evaluate
from comparator.workload import Workload, examples
from pricebook.config import Table
from pricebook.quote import Price, Series

NOW = datetime(2026, 8, 21, tzinfo=UTC)
WORKLOADS = {workload.name: workload for workload in examples()}
ON_DEMAND = WORKLOADS["article: one run on demand"]
YEAR = WORKLOADS["article: a dense reserved year with an engineer"]
TUNED = WORKLOADS["article: fine-tuned GPT-3.5 against GPT-4"]
LLAMA = WORKLOADS["Llama 3.1 70B on p5.48xlarge against gpt-4o-mini"]
LLAMA_PRICES = {"instance": "55.04", "input": "0.15", "output": "0.60"}


def book(amounts: Mapping[str, str | None]) -> Prices:
    """Prices by meter; None is withdrawn, a meter that isn't there is unknown."""

    def price(series: Series) -> Price | None:
        if series.meter not in amounts:
            return None
        text = amounts[series.meter]
        amount = None if text is None else Decimal(text)
        return Price(series, amount, NOW, "observed", NOW, "openai", quoted="$0.15", where="row 1")

    return price


def evaluation(workload: Workload, amounts: Mapping[str, str | None]) -> Evaluation:
    """A workload at these prices."""
    return evaluate(workload, book(amounts), NOW)


def test_the_ratio_of_the_worked_example() -> None:
    """1.878739 with the machine always full; 7.34 (p10 2.98, p90 39.33) by the defaults."""
    found = evaluation(LLAMA, LLAMA_PRICES)
    assert found.ratio is not None
    assert [
        round(value, 2) for value in (found.ratio.low, found.ratio.point, found.ratio.high)
    ] == [
        Decimal("2.98"),
        Decimal("7.34"),
        Decimal("39.33"),
    ]
    full = found.comparison
    assert full is not None
    for name in (
        "utilisation",
        "throughput left under a latency bound",
        "machines kept for each one needed",
    ):
        full = full.with_value(name, Interval.exactly(1))
    assert round(full.ratio.point, 6) == Decimal("1.878739")


MEASURED = """
name = "LoRA of an 8B"
kind = "fine_tune"
api = { seller = "openai", product = "gpt-4o-mini-2024-07-18", trained_tokens = 3_000_000 }
[self_host]
instance = "p4d.24xlarge"
tokens_per_second = 28_598.94
"""


def configured(text: str, *lines: str) -> Workload:
    """A workload from TOML, with more lines for `self_host`."""
    values = tomllib.loads("\n".join([text, *lines]), parse_float=Decimal)
    return Workload.from_table(Table(values, "workload"))


def test_a_fine_tune_by_measured_speed() -> None:
    """900 s of set-up and 3e6 / 28,598.94 s at $21.957642 an hour are 0.681 of $9."""
    workload = configured(MEASURED, "setup_seconds = 900", "attempts = 1")
    found = evaluation(workload, {"instance": "21.957642", "training": "3"})
    assert found.ratio is not None
    assert round(found.ratio.point, 4) == Decimal("0.6810")


def test_a_prepaid_reservation_costs_its_fee_and_its_hours() -> None:
    """(10 $/h x 8,760 + 87,600 $) / 1,000 runs = 175.20 $ a run, whatever a run's hours."""
    conditions = ('term = "reserved"', 'payment = "partial"', "runs_per_year = 1_000")
    workload = configured(MEASURED, *conditions)
    found = evaluation(workload, {"instance": "10", "upfront": "87600", "training": "3"})
    assert found.self_host == Interval.exactly("175.2")


def test_serving_on_a_prepaid_reservation() -> None:
    """The fee counts in every hour: half upfront and half by the hour make the same ratio."""
    text = """
        name = "bot"
        kind = "inference"
        tokens = { input = 3_000, output = 1_000 }
        api = { seller = "openai", product = "gpt-4o-mini" }
        [self_host]
        instance = "p5.48xlarge"
        tokens_per_second = 31_000
    """
    prepaid = configured(text, 'term = "reserved"', 'payment = "partial"')
    half = LLAMA_PRICES | {"instance": "27.52", "upfront": str(Decimal("27.52") * 8760)}
    found, hourly = (
        evaluation(prepaid, half).ratio,
        evaluation(configured(text), LLAMA_PRICES).ratio,
    )
    assert found is not None
    assert hourly is not None
    assert abs(found.point - hourly.point) < Decimal("1e-24")


def test_a_range_lies_within_the_corners_of_the_inputs() -> None:
    """1 to 1.5 hours at $32.77 over $4 to $12: never outside of 2.73 to 12.29."""
    found = evaluation(ON_DEMAND, {"instance": "32.77"})
    assert found.ratio is not None
    assert found.comparison is not None
    corners = found.comparison.ratio
    assert (corners.low, corners.high) == (Decimal("32.77") / 12, Decimal("49.155") / 4)
    assert corners.low < found.ratio.low < found.ratio.high < corners.high
    assert found.ratio.point == corners.point == Decimal("40.9625") / 8


def test_a_missing_price_leaves_no_numbers() -> None:
    """Never 0, never an old figure: unknown, and which series is missing."""
    found = evaluation(LLAMA, {"instance": "55.04", "input": "0.15"})
    assert (found.health, found.ratio, found.self_host, found.api) == ("unknown", None, None, None)
    assert found.reason == (
        "no price known for openai gpt-4o-mini output USD/mtok (service_tier=standard)"
    )
    assert found.snapshot() == {}


def test_a_withdrawn_price_leaves_no_numbers() -> None:
    """What is no longer sold has no price, and the reason says since when."""
    found = evaluation(LLAMA, LLAMA_PRICES | {"input": None})
    assert found.health == "gone"
    assert found.verdict == (
        "unknown: withdrawn on 2026-08-21: openai gpt-4o-mini input USD/mtok"
        " (service_tier=standard)"
    )


@pytest.mark.parametrize(("free", "who"), [("input", "the API"), ("instance", "self-hosting")])
def test_what_is_free_has_no_ratio(free: str, who: str) -> None:
    """A machine or an API at 0 gives no number to divide by, or one that means nothing."""
    prices = LLAMA_PRICES | {"input": "0", "output": "0"} if free == "input" else LLAMA_PRICES
    found = evaluation(LLAMA, prices | {free: "0"})
    assert (found.health, found.reason) == ("unknown", f"{who} may cost nothing: no ratio")


def test_a_workload_without_needs_has_an_answer_from_an_empty_book() -> None:
    """An own rate and a known fee need no price."""
    assert evaluation(YEAR, {}).health == "fresh"


@pytest.mark.parametrize(
    ("hourly", "verdict"),
    [
        ("32.77", "the API is cheaper"),
        ("2", "self-hosting is cheaper"),
        ("8", "undecided: the API is cheaper at the central figures"),
        ("5", "undecided: self-hosting is cheaper at the central figures"),
    ],
)
def test_the_verdict_is_as_sure_as_the_range(hourly: str, verdict: str) -> None:
    """Only a range that is whole on one side of 1 decides."""
    assert evaluation(ON_DEMAND, {"instance": hourly}).verdict == verdict


def test_a_verdict_between_models_names_them() -> None:
    """Of kind `api` neither side is self-hosting."""
    found = evaluation(TUNED, {"input": "10", "output": "10"})
    assert found.verdict == "gpt-3.5-turbo (fine-tuned) and gpt-4 cost the same"


def test_as_dict_is_what_programs_read() -> None:
    """The row of `ratios --json`: ranges as texts, every price and assumption with its source."""
    row = json.loads(json.dumps(evaluation(ON_DEMAND, {"instance": "32"}).as_dict()))
    inputs = row.pop("inputs")
    assert row == {
        "workload": "article: one run on demand",
        "at": "2026-08-21T00:00:00Z",
        "self_host": {"low": "32", "point": "40", "high": "48"},
        "api": {"low": "4", "point": "8", "high": "12"},
        "ratio": {"low": "3.11554", "point": "5", "high": "10.221"},
        "unit": "USD per run",
        "health": "fresh",
        "verdict": "the API is cheaper",
        "notes": [
            "openai has taken no new fine-tuning jobs of organisations that never ran one"
            " since 2026-05-07 (OpenAI's deprecations page)",
            "openai has taken no new fine-tuning jobs of organisations that used no fine-tuned"
            " model for 60 days since 2026-07-02 (OpenAI's deprecations page)",
            "openai takes no new fine-tuning jobs from 2027-01-06 on (OpenAI's deprecations page)",
        ],
    }
    assert [(each["kind"], each["name"]) for each in inputs] == [
        ("price", "aws p4d.24xlarge instance (us-east-1, on demand)"),
        ("assumption", "hours a run"),
        ("definition", "machines"),
        ("assumption", "attempts a run takes"),
        ("assumption", "API fee a run"),
    ]
    assert (inputs[0]["amount"], inputs[0]["qualifiers"]["region"]) == ("32", "us-east-1")
    assert inputs[1] == {
        "kind": "assumption",
        "name": "hours a run",
        "low": "1",
        "point": "1.25",
        "high": "1.5",
        "unit": "hours",
        "source": "the article: as long as the API took, 1-1.5 hours",
    }


def test_as_dict_of_the_unknown_has_nulls() -> None:
    """Programs see null, not 0."""
    row = evaluation(LLAMA, {}).as_dict()
    assert [row[key] for key in ("self_host", "api", "ratio")] == [None, None, None]
    assert (row["health"], row["inputs"]) == ("unknown", [])


def test_a_snapshot_keeps_points_and_evidence() -> None:
    """It is JSON, and says of each price where it was read."""
    snapshot = evaluation(ON_DEMAND, {"instance": "32"}).snapshot()
    assert json.loads(json.dumps(snapshot)) == snapshot
    assert snapshot["inputs"]["aws p4d.24xlarge instance (us-east-1, on demand)"] == {
        "value": "32",
        "unit": "USD for an hour",
        "kind": "price",
        "evidence": {
            "source": "openai",
            "quoted": "$0.15",
            "where": "row 1",
            "recorded_at": "2026-08-21T00:00:00Z",
            "valid_from": "2026-08-21T00:00:00Z",
        },
    }
    assert snapshot["api"] == [{"name": "fee", "times": ["API fee a run"], "per": []}]


def test_the_prices_that_went_in_are_listed() -> None:
    """Each once, for who wants to know how old they are."""
    found = evaluation(LLAMA, LLAMA_PRICES)
    assert [price.series.meter for price in found.prices] == ["instance", "input", "output"]


def test_an_evaluation_asks_only_for_what_it_needs() -> None:
    """The callable is asked once for each series of `needs`."""
    asked: list[Series] = []
    prices = book(LLAMA_PRICES)

    def asking(series: Series) -> Price | None:
        asked.append(series)
        return prices(series)

    evaluate(LLAMA, asking, NOW)
    assert tuple(asked) == LLAMA.needs()
