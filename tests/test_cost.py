"""comparator.cost: the formulas, against figures that others measured or that were worked out.

The article's own figures are in test_article.py.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from comparator import api_cost, cost, rate
from comparator.comparison import Comparison, Cost, Quantity, Term
from comparator.cost import Fleet, Mix, Service, Speed
from comparator.interval import Interval

PRECISION = Decimal("1e-24")


def the(value: str, name: str = "a figure") -> Quantity:
    """A sure figure."""
    return Quantity.defined(name, "", Decimal(value), "a test")


ONE = the("1")
MIX = Mix(the("3000"), the("1000"), the("0", "cached share"))
LLAMA_70B = Service(the("8"), the("1.37256e-4"), the("1.41947e-4"), the("1.36714e-7"))
"""TensorRT-LLM 1.0, Llama 3.3 70B FP8 on 8 H100, fitted; one request is 1.032214 GPU-seconds."""

P5 = the("55.04", "p5")


def fleet(utilisation: str = "1", derate: str = "1", redundancy: str = "1") -> Fleet:
    """Machines that are used so well."""
    return Fleet(
        the(utilisation, "utilisation"),
        the(derate, "derate"),
        the(redundancy, "redundancy"),
        the("1", "token ratio"),
    )


def mini(input_price: str = "0.15", output_price: str = "0.60") -> Cost:
    """3,000 tokens in and 1,000 out by API; gpt-4o-mini unless told otherwise."""
    return Cost(
        cost.PER_MTOK,
        api_cost.api_input(the(input_price, "input"), MIX)
        + api_cost.api_output(the(output_price, "output"), MIX),
    )


def llama(fixed: tuple[Term, ...] = (), mix: Mix = MIX, **used: str) -> Cost:
    """Llama 70B on a p5.48xlarge."""
    terms = cost.served_by_length(P5, fleet(**used), LLAMA_70B, mix, mix.output)
    return Cost(cost.PER_MTOK, terms + fixed)


def per_run(terms: tuple[Term, ...]) -> Cost:
    """A cost per run."""
    return Cost(cost.PER_RUN, terms)


LORA = Speed(the("900"), the("3000000", "tokens"), the("28598.94"))
"""LoRA of an 8B on 8 A100 (VectorLM, 4 GPUs x 2), three epochs of 10^6 tokens."""


def lora(attempts: str = "1", speed: Speed = LORA) -> tuple[Term, ...]:
    """The run at $21.957642 an hour."""
    return cost.trained_run(the("21.957642", "p4d"), ONE, speed, the(attempts))


def by_api() -> tuple[Term, ...]:
    """The same tokens at $3 per 10^6: $9."""
    return api_cost.api_training(the("3", "price"), LORA.tokens)


def test_a_measured_fine_tune_costs_what_was_worked_out() -> None:
    """900 s + 3e6 / 28,598.94 s at $21.957642 an hour are $6.1292, which is 0.681 of $9."""
    hours = (900 + Decimal(3_000_000) / Decimal("28598.94")) / 3600
    found = Comparison(per_run(lora()), per_run(by_api()))
    assert abs(found.self_host.value.point - Decimal("21.957642") * hours) < PRECISION
    assert round(found.self_host.value.point, 4) == Decimal("6.1292")
    assert round(found.ratio.point, 4) == Decimal("0.6810")


def test_repeated_runs_are_paid() -> None:
    """With 1.2 attempts a run, the same is $7.3551 and 0.8172."""
    found = Comparison(per_run(lora("1.2")), per_run(by_api()))
    assert round(found.self_host.value.point, 4) == Decimal("7.3551")
    assert round(found.ratio.point, 4) == Decimal("0.8172")


def test_below_a_size_of_run_the_api_wins() -> None:
    """The set-up pays from 1.970 x 10^6 trained tokens on."""
    tokens = Comparison(per_run(lora()), per_run(by_api())).break_even("tokens")
    assert tokens is not None
    assert round(tokens / 10**6, 3) == Decimal("1.970")


@pytest.mark.parametrize(("share", "runs"), [("1", 121586), ("0.1", 12159), ("0.02", 2432)])
def test_labour_breaks_even_at_so_many_runs(share: str, runs: int) -> None:
    """N* = W f / (API - machine): 121,586 runs a year pay for one engineer."""
    people = cost.engineer_per_run(the("200000"), the(share), the("1000", "runs"))
    found = Comparison(per_run(lora("1.2") + people), per_run(by_api())).break_even("runs")
    assert found is not None
    assert abs(found / runs - 1) < Decimal("0.0005")


def test_no_number_of_runs_pays_when_a_run_alone_is_dearer() -> None:
    """A machine dearer than the API never breaks even, whatever the number of runs: None."""
    people = cost.engineer_per_run(the("200000"), ONE, the("1000", "runs"))
    slow = cost.rented_run(the("21.957642"), ONE, ONE, ONE) + people
    assert Comparison(per_run(slow), per_run(by_api())).break_even("runs") is None


def test_an_upfront_fee_is_spread_over_the_hours_of_the_term() -> None:
    """r + U / (8760 T): 10 $/h and 87,600 $ for a year are 20 $/h, 175,200 $ a year."""
    hours = cost.reserved_run(rate.MACHINE_HOUR, ONE, ONE)
    fee = rate.amortised(the("87600", "upfront"), the("1", "years"), None)
    whole = per_run(rate.at_rate(hours, rate.plain(the("10")) + fee))
    assert whole.value.point == 175_200


def test_all_upfront_leaves_an_hourly_price_of_zero() -> None:
    """Then the fee alone is the bill: 262,800 $ for three years are 10 $/h."""
    hours = cost.reserved_run(rate.MACHINE_HOUR, ONE, ONE)
    fee = rate.amortised(the("262800", "upfront"), the("3", "years"), None)
    whole = per_run(rate.at_rate(hours, rate.plain(the("0")) + fee))
    assert whole.value.point == 87_600


def test_a_served_request_costs_what_was_worked_out() -> None:
    """1.032214 GPU-s at $6.88/h for 4,000 tokens: $0.493169 per 10^6, 1.878739 of gpt-4o-mini."""
    a, b, c = (Decimal(text) for text in ("1.37256e-4", "1.41947e-4", "1.36714e-7"))
    seconds = a * 3000 + b * 1000 + c * 1000 * (3000 + 500)
    expected = seconds * Decimal("55.04") / 8 / 3600 / 4000 * 10**6
    found = Comparison(llama(), mini())
    assert abs(found.self_host.value.point - expected) < PRECISION
    assert round(found.self_host.value.point, 6) == Decimal("0.493169")
    assert found.api.value.point == Decimal("0.2625")
    assert round(found.ratio.point, 6) == Decimal("1.878739")


def test_a_constant_speed_gives_the_same_when_it_is_that_of_the_mix() -> None:
    """8 GPUs x 4,000 tokens / 1.032214 s is the speed that the lengths amount to."""
    speed = the(str(8 * 4000 / Decimal("1.032214")))
    constant = Cost(cost.PER_MTOK, cost.served(P5, fleet(), speed, MIX, MIX.output))
    assert round(constant.value.point, 6) == Decimal("0.493169")


@pytest.mark.parametrize(
    ("input_price", "output_price", "expected"),
    [("2.5", "10", "0.1127"), ("2", "8", "0.1409"), ("0.4", "1.6", "0.7045")],
)
def test_dearer_models_against_the_same_machine(
    input_price: str, output_price: str, expected: str
) -> None:
    """Against gpt-4o, gpt-4.1 and gpt-4.1-mini the full machine is cheaper."""
    found = Comparison(llama(), mini(input_price, output_price))
    assert round(found.ratio.point, 4) == Decimal(expected)


def test_a_cache_hit_is_a_part_of_the_input_on_both_sides() -> None:
    """With half of the input cached (0.075 $ by API, no prompt work by machine), R is 1.6845."""
    mix = Mix(MIX.input, MIX.output, the("0.5", "cached share"))
    api = (
        api_cost.api_input(the("0.15"), mix)
        + api_cost.api_cached(the("0.075"), mix)
        + api_cost.api_output(the("0.6"), mix)
    )
    found = Comparison(llama(mix=mix), Cost(cost.PER_MTOK, api))
    assert round(found.ratio.point, 4) == Decimal("1.6845")


def test_idle_hours_latency_and_spares_multiply() -> None:
    """1.878739 x 2.5 x 1.25 x 1.25 = 7.34."""
    found = Comparison(llama(utilisation="0.4", derate="0.8", redundancy="1.25"), mini())
    assert round(found.ratio.point, 2) == Decimal("7.34")


def test_fixed_costs_are_spread_over_the_volume() -> None:
    """$500 a month over 10^9 tokens is $0.5 per 10^6."""
    fixed = cost.fixed_per_mtok(the("500"), the("1e9"))
    assert Cost(cost.PER_MTOK, fixed).value.point == Decimal("0.5")


def test_break_even_utilisation_is_eta_times_the_ratio() -> None:
    """Eta* = eta R; above 1 it is never: None."""
    against_mini = Comparison(llama(utilisation="0.4"), mini())
    against_4o = Comparison(llama(utilisation="0.4"), mini("2.5", "10"))
    found = against_4o.break_even("utilisation", at_most=Decimal(1))
    assert found is not None
    assert abs(found - against_4o.ratio.point * Decimal("0.4")) < PRECISION
    assert round(found, 3) == Decimal("0.113")
    assert against_mini.break_even("utilisation", at_most=Decimal(1)) is None


def test_break_even_price_of_the_machine_is_price_over_ratio() -> None:
    """P* = P / R: $3.6620 a GPU-hour."""
    found = Comparison(llama(), mini()).break_even("p5")
    assert found is not None
    assert abs(found - P5.value.point / Comparison(llama(), mini()).ratio.point) < PRECISION
    assert round(found / 8, 4) == Decimal("3.6620")


def test_break_even_price_of_the_machine_after_fixed_costs() -> None:
    """With fixed costs, only what they leave of the API's price can go to the machine."""
    fixed = cost.fixed_per_mtok(the("50"), the("1e9"))
    found = Comparison(llama(fixed), mini()).break_even("p5")
    left = (Decimal("0.2625") - Decimal("0.05")) / Decimal("0.2625")
    bare = Comparison(llama(), mini()).break_even("p5")
    assert found is not None
    assert bare is not None
    assert abs(found - bare * left) < PRECISION


def test_fixed_costs_above_the_api_leave_nothing_for_the_machine() -> None:
    """Then no price of the machine breaks even, not even a negative one: None."""
    fixed = cost.fixed_per_mtok(the("500"), the("1e9"))
    assert Comparison(llama(fixed), mini()).break_even("p5") is None


def test_break_even_api_price_makes_both_cost_the_same() -> None:
    """Solved for the output price with the input price fixed."""
    price = Comparison(llama(), mini()).break_even("output")
    assert price is not None
    assert abs(Comparison(llama(), mini(output_price=str(price))).ratio.point - 1) < PRECISION


def test_break_even_volume_as_a_share_of_capacity_is_the_ratio() -> None:
    """V* = 153.064 x 10^9 tokens a month, capacity 81.471 x 10^9: V* / capacity = R."""
    one = Cost(cost.PER_MTOK, cost.whole_fleet(P5, ONE, the("1", "tokens a month")))
    volume = Comparison(one, mini()).break_even("tokens a month")
    capacity = Comparison(one, llama()).break_even("tokens a month")
    assert volume is not None
    assert capacity is not None
    assert round(volume / 10**9, 3) == Decimal("153.064")
    assert round(capacity / 10**9, 3) == Decimal("81.471")
    assert abs(volume / capacity - Comparison(llama(), mini()).ratio.point) < PRECISION
    assert Comparison(one, mini()).break_even("tokens a month", at_most=capacity) is None


def test_a_quantity_that_multiplies_here_and_divides_there_has_no_break_even() -> None:
    """It is asked about by mistake, and told so."""
    both = Comparison(
        per_run((Term("one", (the("2", "x"),)),)), per_run((Term("two", (ONE,), (the("2", "x"),)),))
    )
    assert not both.solvable("x")
    with pytest.raises(ValueError, match="no plain factor or divisor"):
        both.break_even("x")


@pytest.mark.parametrize("name", ["p5", "utilisation", "input", "output", "redundancy"])
def test_elasticity_is_the_slope_of_the_logarithm(name: str) -> None:
    """A change of 10^-6 moves the ratio by elasticity x 10^-6, to first order."""
    fixed = cost.fixed_per_mtok(the("50"), the("1e9"))
    found = Comparison(llama(fixed), mini())
    (value,) = [q.value.point for q in found.quantities if q.name == name]
    nudged = found.with_value(name, Interval.exactly(value * Decimal("1.000001")))
    slope = (nudged.ratio.point / found.ratio.point).ln() / Decimal("1.000001").ln()
    assert abs(slope - found.elasticity(name)) < Decimal("1e-5")


def test_one_name_is_one_quantity() -> None:
    """A quantity on both sides is listed once."""
    found = Comparison(per_run(lora()), per_run(by_api()))
    assert [q.name for q in found.quantities].count("tokens") == 1
