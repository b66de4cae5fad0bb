"""What must hold for every workload at any prices: the identities of the cost research."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparator.comparison import Comparison
from comparator.explain import explain
from comparator.interval import Interval
from comparator.ratio import Evaluation, evaluate
from comparator.workload import Workload, examples
from pricebook.config import Table
from pricebook.quote import Price, Series

NOW = datetime(2026, 8, 21, tzinfo=UTC)
D = Decimal
ROUNDING = D("1e-22")
SERVED = """
name = "served"
kind = "inference"
tokens = { input = 3_000, output = 1_000 }
api = { seller = "openai", product = "gpt-4o-mini" }
[self_host]
instance = "p5.48xlarge"
gpus = 8
utilisation = 1
latency_derate = 1
redundancy = 1
gpu_seconds = { input = 1.37256e-4, output = 1.41947e-4, attention = 1.36714e-7 }
"""
CACHED = """
name = "cached"
kind = "inference"
api = { seller = "openai", product = "gpt-4o-mini" }
[tokens]
input = 3_000
output = 1_000
cached_share = { low = 0.2, point = 0.5, high = 0.7 }
[self_host]
instance = "p5.48xlarge"
tokens_per_second = { low = 20_000, point = 31_000, high = 35_000 }
"""
TRAINED = """
name = "trained"
kind = "fine_tune"
api = { seller = "openai", product = "gpt-4o-mini", trained_tokens = 3_000_000 }
[self_host]
instance = "p4d.24xlarge"
tokens_per_second = { low = 20_000, point = 28_598.94, high = 36_000 }
"""
PREPAID = (
    TRAINED
    + """
term = "reserved"
payment = "partial"
runs_per_year = 2_000
engineer = { salary = 150_000, fraction = { low = 0.01, point = 0.05, high = 0.2 } }
"""
)


def configured(text: str) -> Workload:
    """A workload from TOML."""
    return Workload.from_table(Table(tomllib.loads(text, parse_float=Decimal), "workload"))


EVERY = (*examples(), *map(configured, (SERVED, CACHED, TRAINED, PREPAID)))
PRICED = tuple(workload for workload in EVERY if workload.needs())
usd = st.decimals("0.01", "500", places=4)


def at(workload: Workload, amounts: Mapping[Series, Decimal | None]) -> Evaluation:
    """A workload at these prices; a series that is not there is unknown."""

    def price(series: Series) -> Price | None:
        if series not in amounts:
            return None
        return Price(series, amounts[series], NOW, "observed", NOW, series.seller)

    return evaluate(workload, price, NOW)


@st.composite
def priced(draw: st.DrawFn) -> tuple[Workload, dict[Series, Decimal]]:
    """A workload, and any price above zero for each of its needs."""
    workload = draw(st.sampled_from(PRICED))
    return workload, {series: draw(usd) for series in workload.needs()}


def known(evaluation: Evaluation) -> tuple[Comparison, Interval]:
    """Of an evaluation with numbers."""
    assert evaluation.comparison is not None, evaluation.reason
    assert evaluation.ratio is not None
    return evaluation.comparison, evaluation.ratio


def close(one: Decimal, other: Decimal) -> bool:
    """But for rounding."""
    return abs(one / other - 1) < ROUNDING


@given(priced(), st.decimals("0.01", "100", places=3))
@settings(max_examples=60, deadline=None)
def test_a_currency_has_no_say(
    case: tuple[Workload, dict[Series, Decimal]], factor: Decimal
) -> None:
    """All that is paid, times the same factor, leaves every ratio as it is."""
    workload, amounts = case
    before, _ = known(at(workload, amounts))
    after, _ = known(at(workload, {one: amount * factor for one, amount in amounts.items()}))
    for quantity in before.quantities:
        if quantity.unit.startswith("USD") and not quantity.price:
            values = (bound * factor for bound in vars_of(quantity.value))
            after = after.with_value(quantity.name, Interval(*values))
    assert close(after.ratio.point, before.ratio.point)


def vars_of(value: Interval) -> tuple[Decimal, Decimal, Decimal]:
    """Low, point and high."""
    return value.low, value.point, value.high


@given(priced())
@settings(max_examples=60, deadline=None)
def test_the_range_lies_within_its_corners(case: tuple[Workload, dict[Series, Decimal]]) -> None:
    """Lowest <= p10 <= point <= p90 <= highest, of the ratio and of both costs."""
    evaluation = at(*case)
    comparison, ratio = known(evaluation)
    assert evaluation.self_host is not None
    assert evaluation.api is not None
    slack = D("1e-5")
    for inner, corners in (
        (ratio, comparison.ratio),
        (evaluation.self_host, comparison.self_host.value),
        (evaluation.api, comparison.api.value),
    ):
        assert corners.low * (1 - slack) <= inner.low <= inner.point <= inner.high
        assert inner.high <= corners.high * (1 + slack)
        assert inner.point == corners.point


@given(priced(), st.data())
@settings(max_examples=80, deadline=None)
def test_a_ratio_goes_one_way_with_each_price(
    case: tuple[Workload, dict[Series, Decimal]], data: st.DataObject
) -> None:
    """A dearer machine never lowers it, a dearer API never raises it."""
    workload, amounts = case
    series = data.draw(st.sampled_from(list(amounts)))
    _, before = known(at(workload, amounts))
    _, after = known(at(workload, amounts | {series: amounts[series] * 2}))
    rises = series in workload.self_host.needs()
    falls = series in workload.api.needs()
    if rises and not falls:
        assert after.point >= before.point
    if falls and not rises:
        assert after.point <= before.point


@given(priced(), st.data())
@settings(max_examples=80, deadline=None)
def test_a_ratio_goes_one_way_with_each_assumption(
    case: tuple[Workload, dict[Series, Decimal]], data: st.DataObject
) -> None:
    """By the sign of its elasticity, wherever the quantity multiplies or divides, never both."""
    comparison, ratio = known(at(*case))
    names = [one.name for one in comparison.quantities if comparison.solvable(one.name)]
    name = data.draw(st.sampled_from(names))
    (value,) = (one.value for one in comparison.quantities if one.name == name)
    more = comparison.with_value(name, Interval.exactly(value.point * 2)).ratio.point
    slope = comparison.elasticity(name)
    if abs(slope) > ROUNDING:
        assert (more > ratio.point) == (slope > 0)


@given(priced(), st.data(), st.sampled_from(["unknown", "withdrawn"]))
@settings(max_examples=60, deadline=None)
def test_an_unknown_price_makes_the_ratio_unknown(
    case: tuple[Workload, dict[Series, Decimal]], data: st.DataObject, how: str
) -> None:
    """Never 0, never infinite; the reason names the series."""
    workload, amounts = case
    series = data.draw(st.sampled_from(list(amounts)))
    rest = {one: amount for one, amount in amounts.items() if one != series}
    gone: dict[Series, Decimal | None] = {series: None} if how == "withdrawn" else {}
    found = at(workload, rest | gone)
    assert (found.ratio, found.self_host, found.api) == (None, None, None)
    assert found.health == {"unknown": "unknown", "withdrawn": "gone"}[how]
    assert f"{series.seller} {series.product} {series.meter}" in found.reason


@given(usd, usd, usd)
@settings(max_examples=40, deadline=None)
def test_the_break_even_in_capacity_is_the_ratio(
    machine: Decimal, prompt: Decimal, answer: Decimal
) -> None:
    """V* / capacity = R with the machine always full and nothing fixed (cost research, 3c)."""
    workload = configured(SERVED)
    amounts = dict(zip(workload.needs(), (machine, prompt, answer), strict=True))
    found = explain(at(workload, amounts))
    (tokens,) = (each for each in found.break_evens if each.what.startswith("tokens a month"))
    assert found.evaluation.ratio is not None
    assert tokens.value is not None
    assert tokens.at_most is not None
    assert close(tokens.value / tokens.at_most, found.evaluation.ratio.point)


@given(priced())
@settings(max_examples=60, deadline=None)
def test_a_flip_makes_the_ratio_one(case: tuple[Workload, dict[Series, Decimal]]) -> None:
    """The value that `explain` names for an input, put in its place, gives a ratio of 1."""
    explanation = explain(at(*case))
    comparison, _ = known(explanation.evaluation)
    for each in explanation.sensitivities:
        if each.flip is not None:
            flipped = comparison.with_value(each.quantity.name, Interval.exactly(each.flip))
            assert abs(flipped.ratio.point - 1) < D("1e-15")


@pytest.mark.parametrize("workload", PRICED, ids=lambda workload: workload.name)
def test_a_free_machine_or_api_is_no_ratio(workload: Workload) -> None:
    """At a price of 0 on one side there is a reason instead of a number."""
    for way in (workload.self_host, workload.api):
        amounts = {one: D(0) if one in way.needs() else D(5) for one in workload.needs()}
        found = at(workload, amounts)
        if found.ratio is None:
            assert found.reason.endswith("may cost nothing: no ratio")
        else:
            assert found.ratio.low > 0
