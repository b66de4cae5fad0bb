"""comparator.spread: p10, p50 and p90 of costs and ratios from the ranges of the assumptions."""

from __future__ import annotations

import random
from decimal import Decimal
from math import exp, log, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparator.comparison import Comparison, Cost, Quantity, Term
from comparator.interval import Interval
from comparator.spread import Outlook, Spread, spread

D = Decimal
NORMAL_P90 = 1.2815515655446004


def unsure(name: str, low: str, point: str, high: str, cause: str = "") -> Quantity:
    """An assumption with a range."""
    return Quantity(name, "", Interval(D(low), D(point), D(high)), "a test", cause=cause)


def sure(value: str) -> Quantity:
    """A figure without a range."""
    return Quantity.defined(f"exactly {value}", "", D(value), "a test")


def of(*terms: Term) -> Cost:
    """Their sum."""
    return Cost("USD", terms)


def times(*quantities: Quantity) -> Term:
    """Their product."""
    return Term(" x ".join(each.name for each in quantities), quantities)


WORKED = (
    unsure("price", "2.5", "6.88", "6.88"),
    unsure("service time", "0.9", "1", "1.1"),
    unsure("1/d", "1", "1.25", "2.22"),
    unsure("1/eta", "1.25", "2.5", "6.67"),
    unsure("redundancy", "1", "1.25", "2"),
)
"""Worked example 1 of the project's cost research: R is 1.878739 at 1/d = 1/eta = redundancy = 1,
p10 to p90 are 2.2 to 22.5 and P(R<1) is 1.8 % by 200,000 draws."""

API_BILL = Cost("USD", (times(Quantity.defined("API", "", D("6.88") / D("1.878739"), "a test")),))


def test_the_worked_example_comes_out() -> None:
    """7.34, p10 2.2, p90 22.5, and 1.8 % that self-hosting is cheaper."""
    found = spread(of(times(*WORKED)), API_BILL)
    assert round(found.point, 2) == D("7.34")
    assert abs(found.p10 / D("2.24") - 1) < D("0.03")
    assert abs(found.p90 / D("22.6") - 1) < D("0.03")
    assert abs(found.below_one - D("0.018")) < D("0.005")


def test_the_draws_agree_with_many_more_plain_ones() -> None:
    """200,000 draws by the standard library's generator give the same within 3 %."""
    generator = random.Random(1)

    def drawn(quantity: Quantity) -> float:
        z, value = generator.gauss(0, 1), quantity.value
        ends = (value.point / value.low, value.high / value.point)
        return float(value.point) * exp(z * log(ends[z > 0]) / NORMAL_P90)

    plain = sorted(drawn(WORKED[2]) * drawn(WORKED[3]) + drawn(WORKED[4]) for _ in range(200_000))
    found = spread(of(times(WORKED[2], WORKED[3]), times(WORKED[4])))
    for ours, theirs in ((found.p10, plain[20_000]), (found.p50, plain[100_000])):
        assert float(ours) == pytest.approx(theirs, rel=0.03)
    assert float(found.p90) == pytest.approx(plain[180_000], rel=0.03)


def test_a_product_of_log_normals_is_one() -> None:
    """Deviations of independent factors add up as squares: x2 and x3 make x3.658."""
    found = spread(of(times(unsure("a", "1", "2", "4"), unsure("b", "2", "6", "18"))))
    factor = exp(sqrt(log(2) ** 2 + log(3) ** 2))
    assert float(found.p90) == pytest.approx(12 * factor, rel=0.03)
    assert float(found.p10) == pytest.approx(12 / factor, rel=0.03)
    assert float(found.p50) == pytest.approx(12, rel=0.03)


def test_one_range_is_given_back() -> None:
    """Low, point and high of a single assumption are p10, p50 and p90 of the cost."""
    found = spread(of(times(sure("10"), unsure("hours", "1", "1.25", "2"))))
    assert (found.p10, found.p50, found.p90) == (D("10"), D("12.5"), D("20"))


def test_what_divides_turns_its_range_round() -> None:
    """The lowest utilisation makes the dearest token."""
    found = spread(of(Term("machines", (sure("1"),), (unsure("eta", "0.2", "0.4", "0.5"),))))
    assert found.range == Interval(D("2"), D("2.5"), D("5"))


def test_without_a_range_everything_is_exact() -> None:
    """Prices alone leave no doubt: all figures are the point, and the chance is 0 or 1."""
    cost = of(times(sure("3"), sure("7")))
    assert spread(cost) == Spread(D(21), D(21), D(21), D(21), D(0))
    assert spread(cost, of(times(sure("42")))).below_one == 1


def test_what_has_one_cause_moves_together() -> None:
    """Two factors of one cause spread as far as both ends allow; independent ones less."""

    def p90(cause: str) -> Decimal:
        ranges = (unsure(name, "1", "2", "4", cause) for name in ("a", "b"))
        return spread(of(times(*ranges))).p90

    assert p90("load") == D(16)
    assert p90("") < D(12)


def test_opposite_causes_cancel() -> None:
    """The cached and the uncached share of an input can't both be high."""
    together = of(times(unsure("a", "1", "2", "4", "share"), unsure("b", "1", "2", "4", "-share")))
    found = spread(together)
    assert (found.p10, found.p50, found.p90) == (D(4), D(4), D(4))


def test_a_quantity_on_both_sides_cancels() -> None:
    """The same share of cached tokens on both sides leaves the ratio sure."""
    shared = unsure("share", "0.1", "0.5", "0.9")
    found = spread(of(times(sure("3"), shared)), of(times(sure("2"), shared)))
    assert (found.p10, found.p90) == (D("1.5"), D("1.5"))


def test_a_range_from_zero_is_straight() -> None:
    """An engineer's time from nothing to a half has no logarithm, and is never negative."""
    found = spread(of(times(sure("100"), unsure("fraction", "0", "0.25", "0.5"))))
    assert found.p10 < D("0.001")
    assert (found.p50, found.p90) == (D(25), D(50))


def test_a_price_moves_the_range_in_proportion() -> None:
    """Twice the price is twice the cost, at p10, at the point and at p90."""
    once, twice = (spread(of(times(sure(usd), *WORKED[2:]))) for usd in ("3", "6"))
    assert (twice.p10, twice.p50, twice.p90) == (once.p10 * 2, once.p50 * 2, once.p90 * 2)


amounts = st.decimals("0.01", "1000", places=2)


@st.composite
def ranges(draw: st.DrawFn, name: str) -> Quantity:
    """An assumption with any range above zero."""
    low, point, high = sorted(draw(st.tuples(amounts, amounts, amounts)))
    return Quantity(name, "", Interval(low, point, high), "a test")


@given(ranges("a"), ranges("b"), ranges("c"), ranges("d"))
@settings(max_examples=40, deadline=None)
def test_the_range_holds_its_point(a: Quantity, b: Quantity, c: Quantity, d: Quantity) -> None:
    """Of both costs and of the ratio, low <= point <= high, and the chance lies in 0..1."""
    ours = of(Term("x", (a, b), (d,)), times(c))
    outlook = Outlook.of(Comparison(ours, of(times(d, a))))
    for found in (outlook.self_host, outlook.api, outlook.ratio):
        assert found.range.low <= found.point <= found.range.high
        assert found.p10 <= found.p50 <= found.p90
        assert 0 <= found.below_one <= 1


@given(ranges("a"), ranges("b"))
@settings(max_examples=25, deadline=None)
def test_the_chance_agrees_with_the_range(a: Quantity, b: Quantity) -> None:
    """Below one at p90 means more than nine in ten; above one at p10, less than one in ten."""
    found = spread(of(times(a)), of(times(b)))
    if found.p90 < 1:
        assert found.below_one >= D("0.9")
    if found.p10 > 1:
        assert found.below_one <= D("0.1")
