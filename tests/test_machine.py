"""comparator.machine: how a machine's hours are bought or owned, which prices that needs, and what
is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparator import cost, rate
from comparator.comparison import Cost, Quantity
from comparator.interval import Interval
from comparator.machine_serving import MachineServing
from comparator.machine_training import MachineTraining
from comparator.workload import Workload
from pricebook.config import Table
from pricebook.errors import ConfigError
from pricebook.quote import Series

D = Decimal
PRECISION = D("1e-22")

FINE_TUNE = """
name = "bot"
kind = "fine_tune"
api = { seller = "openai", product = "gpt-4o-mini-2024-07-18", trained_tokens = 3_000_000 }
[self_host]
instance = "p5.48xlarge"
hours_per_run = 2
attempts = 1
"""
SERVE = """
name = "bot"
kind = "inference"
tokens = { input = 3_000, output = 1_000 }
api = { seller = "openai", product = "gpt-4o-mini" }
[self_host]
instance = "p5.48xlarge"
tokens_per_second = 10_000
utilisation = 1
latency_derate = 1
redundancy = 1
"""
OWN = """
term = "own"
runs_per_year = 876
[self_host.own]
price = 350_400
life = 4
power_kw = 10
electricity = 0.1
pue = 1.2
hosting_per_month = 730
"""
OURS = """\
model,gpu,gpus,engine,load,evidence,date,source,precision,input_tokens,output_tokens,total_tokens_per_second
our-8b,H100,1,vLLM,maximum,measured,2026-11-01,our bench,bf16,3000,1000,9000
"""
EC2 = {"region": "us-east-1", "os": "Linux", "tenancy": "shared"}


def workload(text: str, *more: str) -> Workload:
    """From TOML, with more lines for its last table."""
    values = tomllib.loads("\n".join([text, *more]), parse_float=D)
    return Workload.from_table(Table(values, '[[workload]] "bot"'))


def ec2(**conditions: str) -> Series:
    """The price of an hour of the machine."""
    return Series.of("aws", "p5.48xlarge", "instance", "hour", **EC2, **conditions)


def costs(text: str, *more: str, hour: str = "10", **prices: str) -> D:
    """What self-hosting costs when an hour of the machine costs so much, or by the meter."""
    amounts = {"instance": hour, **prices}

    def price(series: Series) -> Quantity:
        return Quantity.defined(str(series), "USD", D(amounts[series.meter]), "a test")

    way = workload(text, *more).self_host
    return Cost("USD", way.terms(price)).value.point


def terms(text: str, *more: str, hour: str = "10") -> Mapping[str, D]:
    """The same, term by term."""

    def price(series: Series) -> Quantity:
        return Quantity.defined(str(series), "USD", D(hour), "a test")

    way = workload(text, *more).self_host
    return {term.name: term.value.point for term in way.terms(price)}


def training(text: str, *more: str) -> MachineTraining:
    """The self-hosting side of a fine-tune."""
    way = workload(text, *more).self_host
    assert isinstance(way, MachineTraining)
    return way


def serving(text: str, *more: str) -> MachineServing:
    """The self-hosting side of inference."""
    way = workload(text, *more).self_host
    assert isinstance(way, MachineServing)
    return way


@pytest.mark.parametrize(
    ("lines", "conditions"),
    [
        ("", {"term": "on_demand"}),
        (
            'term = "savings_plan"\nruns_per_year = 100',
            {
                "term": "savings_plan",
                "term_years": "1",
                "payment": "none",
                "variant": "compute",
            },
        ),
        (
            'term = "savings_plan"\nruns_per_year = 100\nyears = 3\npayment = "all"\n'
            'plan = "ec2_instance"',
            {
                "term": "savings_plan",
                "term_years": "3",
                "payment": "all",
                "variant": "ec2_instance",
            },
        ),
        ('term = "spot"', {"term": "spot", "variant": "median"}),
        ('term = "spot"\nstatistic = "mean_24h"', {"term": "spot", "variant": "mean_24h"}),
        ('term = "spot"\nzone = "use1-az4"', {"term": "spot", "zone": "use1-az4"}),
        ('term = "capacity_block"', {"term": "capacity_block"}),
    ],
)
def test_each_way_to_buy_has_a_price_of_its_own(lines: str, conditions: dict[str, str]) -> None:
    """The series are those that the readers of AWS write into the book."""
    assert ec2(**conditions) == workload(FINE_TUNE, lines).needs()[0]


def test_hardware_of_ones_own_needs_no_price() -> None:
    """Only the API's side is asked for."""
    assert ["openai"] == [series.seller for series in workload(FINE_TUNE, OWN).needs()]


def test_a_savings_plan_is_paid_for_every_hour() -> None:
    """Its rate is the whole price: 10 $/h are 87,600 $ a year, 876 $ for each of 100 runs."""
    lines = ('term = "savings_plan"', "runs_per_year = 100")

    assert D(876) == costs(FINE_TUNE, *lines)
    assert D(876) == costs(FINE_TUNE, *lines, 'payment = "all"')


@pytest.mark.parametrize(
    ("payment", "expected"), [("all", 876 * D("1.05")), ("partial", 876 * D("1.025"))]
)
def test_what_is_paid_at_the_start_bears_interest(payment: str, expected: D) -> None:
    """At 5 % for one year, a dollar at the start is 1.05; of a partial payment, a half is."""
    lines = ('term = "savings_plan"', "runs_per_year = 100", f'payment = "{payment}"')

    assert abs(costs(FINE_TUNE, *lines, "interest = 0.05") - expected) < PRECISION


def test_an_upfront_fee_bears_interest() -> None:
    """26,280 $ for three years at 10 %: 8,760 $ a year are 10,567.58 $, and 8,760 hours at 10 $."""
    lines = ('term = "reserved"', "years = 3", 'payment = "partial"', "runs_per_year = 1")
    found = costs(FINE_TUNE, *lines, "interest = 0.1", upfront="26280")
    annuity = D(26280) * D("0.1") / (1 - D("1.1") ** -3)

    assert abs(found - 87600 - annuity) < PRECISION
    assert D("10567.58") == round(annuity, 2)
    assert D(87600 + 8760) == costs(FINE_TUNE, *lines, upfront="26280")


def test_interruptions_are_paid_again() -> None:
    """phi = 1 + lambda (t/2 + r): one in 10 hours, 40 + 20 minutes lost: a tenth more."""
    lines = ('term = "spot"', "interruptions_per_hour = 0.1")
    times = ("checkpoint_seconds = 4_800", "restart_seconds = 1_200")
    found = terms(FINE_TUNE, *lines, *times)

    assert ["machines", "machines, work done again", "machines, restarts"] == list(found)
    whole, again, restarts = found.values()
    assert abs(whole - 20) < PRECISION
    assert abs(again - D(20) * D("0.1") * 2400 / 3600) < PRECISION
    assert abs(restarts - D(20) * D("0.1") * 1200 / 3600) < PRECISION


def test_serving_has_no_checkpoints() -> None:
    """What an interruption costs there is the restart: 0.1 x 1,200 / 3,600 of an hour's price."""
    lines = ('term = "spot"', "interruptions_per_hour = 0.1", "restart_seconds = 1_200")
    calm = costs(SERVE)

    assert abs(costs(SERVE, *lines) / calm - 1 - D("0.1") / 3) < PRECISION


def test_time_that_no_run_uses_is_lost_in_a_block() -> None:
    """24 hours at 10 $ are paid, whether one run of 2 hours shares them or 12."""
    block = 'term = "capacity_block"'

    assert D(240) == costs(FINE_TUNE, block)
    assert D(20) == costs(FINE_TUNE, block, "runs_per_block = 12")
    assert D(480) == costs(FINE_TUNE, block, "block_days = 2")


def test_hardware_by_the_hour() -> None:
    """350,400 $ over 4 x 8,760 h are 10 $, 10 kW x 0.1 $ x 1.2 are 1.2 $, 730 $ a month are 1 $."""
    found = terms(FINE_TUNE, OWN)

    assert {
        "machines, wear": D(100),
        "machines, electricity": D(12),
        "machines, hosting": D(10),
    } == found


def test_what_hardware_sells_for_is_not_used_up() -> None:
    """A fifth of its price at the end leaves four fifths to pay; at 10 % it is worth less today."""
    worn = D(80)
    interest = D("0.1") * 4 / (1 - D("1.1") ** -4)
    today = (1 - D("0.2") / D("1.1") ** 4) * 100 * interest

    assert worn == terms(FINE_TUNE, OWN, "residual = 0.2")["machines, wear"]
    found = terms(FINE_TUNE, OWN, "residual = 0.2", "interest = 0.1")["machines, wear"]
    assert abs(found - today) < PRECISION


def test_hardware_that_is_written_off_costs_its_power() -> None:
    """A price of 0 leaves electricity and hosting."""
    found = terms(FINE_TUNE, OWN.replace("price = 350_400", "price = 0"))

    assert ["machines, electricity", "machines, hosting"] == list(found)


def test_serving_on_hardware_of_ones_own() -> None:
    """12.2 $/h at 10,000 tokens a second: 0.3389 $ for 10^6 tokens."""
    own = OWN.replace("runs_per_year = 876\n", "")

    assert abs(costs(SERVE, own) - D("12.2") / 36) < PRECISION


@pytest.mark.parametrize(("seconds", "billed"), [("20", "60"), ("60", "60"), ("90", "90")])
def test_ec2_bills_a_minute_at_least(seconds: str, billed: str) -> None:
    """A run of 20 s is billed as one of 60 s, from there on by the second."""
    text = FINE_TUNE.replace("hours_per_run = 2", "tokens_per_second = 1_000_000")
    setup = f"setup_seconds = {D(seconds) - 3}"

    assert abs(costs(text, setup, hour="3600") - D(billed)) < PRECISION


def test_a_run_that_may_be_short_has_a_range_from_a_minute_on() -> None:
    """From 30 to 120 s, what is billed is 60 to 120 s."""
    text = FINE_TUNE.replace("hours_per_run = 2", "tokens_per_second = 1_000_000")
    way = training(text, "setup_seconds = { low = 27, point = 57, high = 117 }")
    (billed,) = way.terms(lambda _: Quantity.defined("hour", "USD", 3600, "a test"))

    low, high = billed.value.low, billed.value.high
    assert (D(60), D(120)) == (round(low, 9), round(high, 9))


def test_storage_is_no_part_of_the_machine() -> None:
    """It comes on top, once a run, and is then not listed as left out."""
    assert D(23) == costs(FINE_TUNE, "storage_per_run = 3")
    assert "storage" not in training(FINE_TUNE, "storage_per_run = 3").leaves_out
    assert "storage" in training(FINE_TUNE).leaves_out


def test_the_tokenizer_lengthens_training_but_not_its_set_up() -> None:
    """kappa 1.5 and half the packing: three times the time of the tokens."""
    text = FINE_TUNE.replace("hours_per_run = 2", "tokens_per_second = 1_000\nsetup_seconds = 600")
    plain = terms(text)
    found = terms(text, "tokenizer_ratio = 1.5", "packing = 0.5")

    assert plain["set-up"] == found["set-up"]
    assert abs(found["training"] - 3 * plain["training"]) < PRECISION


def test_both_durations_stand_side_by_side() -> None:
    """`duration` chooses which one counts, `alternative` has the other."""
    speed = ("tokens_per_second = 1_000", "setup_seconds = 600")
    by_hours = training(FINE_TUNE, *speed)
    by_speed = training(FINE_TUNE, *speed, 'duration = "measured"')

    assert (D(2), D(1)) == (by_hours.hours.point, by_speed.hours.point)
    assert by_hours.alternative == by_speed
    assert by_speed.alternative == by_hours
    assert training(FINE_TUNE).alternative is None


def test_whole_machines_for_a_month() -> None:
    """5 x 10^10 tokens at 10,000/s are 1,388.9 h; at 0.75 x 0.5 of full load 3,703.7 h: 6 machines,
    which are 8 with a quarter of spares, 8 x 730 h x 10 $."""
    text = SERVE.replace("utilisation = 1\n", "").replace("redundancy = 1", "redundancy = 1.25")
    lines = ("whole_machines = true", "tokens_per_month = 50_000_000_000")
    loads = ("target_load = 0.75", "mean_to_peak = 0.5")

    assert D(8) == serving(text, *lines, *loads).machines
    assert abs(costs(text, *lines, *loads) - D(8 * 7300) / 50_000) < PRECISION


def test_a_fleet_is_bought_for_the_most_tokens() -> None:
    """With 2 to 5 x 10^10 tokens a month 2 machines at full load are paid in any month."""
    text = SERVE.replace("utilisation = 1\n", "")
    most = (
        "tokens_per_month = { low = 20_000_000_000, point = 40_000_000_000, high = 50_000_000_000 }"
    )
    lines = ("whole_machines = true", most, "target_load = 1", "mean_to_peak = 1")
    way = serving(text, *lines)
    found = Cost("", way.terms(lambda _: Quantity.defined("hour", "USD", 10, "a test"))).value

    assert D(2) == way.machines
    for cost_of, tokens in ((found.low, 50_000), (found.point, 40_000), (found.high, 20_000)):
        assert abs(cost_of - D(2 * 7300) / tokens) < PRECISION


def test_every_assumption_of_a_fleet_is_an_input() -> None:
    """Load, latency, spares and tokens stay visible behind the number of machines."""
    text = SERVE.replace("utilisation = 1\n", "")
    way = serving(text, "whole_machines = true", "tokens_per_month = 1_000_000_000")
    terms_ = way.terms(lambda _: Quantity.defined("hour", "USD", 10, "a test"))
    names = {quantity.name for term in terms_ for quantity in (*term.times, *term.per)}

    assert {"mean load over peak load", "load at the peak", "throughput"} <= names
    assert {"machines kept for each one needed", "whole machines for each one by parts"} <= names


@given(
    tokens=st.integers(10**6, 10**13),
    load=st.decimals("0.01", "1", places=2),
    spares=st.decimals("1", "3", places=2),
)
def test_whole_machines_are_enough_and_none_too_many(tokens: int, load: D, spares: D) -> None:
    """With one machine fewer, less than the spares that are asked for would be left."""
    hours, month = D(100) / 36 / load, D(tokens)
    count = cost.whole_machines(hours, month, spares)
    needed = cost.whole_machines(hours, month, D(1))

    assert needed * 730 >= hours * month / 10**6 > (needed - 1) * 730
    assert count >= needed * spares > count - 1


def test_longer_answers_cost_more_and_prompts_don_t() -> None:
    """v = 1.5 and 500 of reasoning make 2,000 of 1,000 tokens: 5,000 in all for 4,000."""
    found = terms(SERVE, "verbosity = 1.5", "reasoning_tokens = 500")
    plain = terms(SERVE)

    assert plain["prompt"] == found["prompt"]
    assert abs(found["generation"] - 2 * plain["generation"]) < PRECISION


def test_reasoning_is_counted_in_the_open_models_own_tokens() -> None:
    """The tokenizer's ratio doesn't lengthen it: (3,000 + 1,000) x 2 + 800 tokens for 4,000."""
    found = costs(SERVE, "tokenizer_ratio = 2", "reasoning_tokens = 800")

    assert abs(found / costs(SERVE) - D(8800) / 4000) < PRECISION


def test_a_cached_prompt_takes_no_time() -> None:
    """Half of 3,000 tokens: 2,500 of 4,000 are left."""
    text = SERVE.replace("output = 1_000", "output = 1_000, cached_share = 0.5")

    assert abs(costs(text) / costs(SERVE) - D(2500) / 4000) < PRECISION


def test_the_catalogues_speed_is_that_of_its_time() -> None:
    """Asked for without a time it is a fault of ours, not a number."""
    measured = 'measured = { model = "llama-3.3-70b", precision = "fp8", engine = "TensorRT-LLM" }'
    way = serving(SERVE.replace("tokens_per_second = 10_000", measured))

    assert way.turns
    with pytest.raises(TypeError, match="depends on the time"):
        way.terms(lambda _: Quantity.defined("hour", "USD", 1, "a test"))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("years = 1", "years belongs to a reservation or a Savings Plan (term is on_demand)"),
        ('zone = "use1-az4"', "zone belongs to spot machines"),
        ('term = "spot"\noffering_class = "standard"', "offering_class belongs to a reservation"),
        ('term = "spot"\nzone = "a"\nstatistic = "median"', "zone and statistic name two prices"),
        ('term = "spot"\ninterruptions_per_hour = -1', "interruptions_per_hour is -1; it must"),
        ('term = "capacity_block"\nblock_days = 15', "block_days is 15; AWS sells 1 to 14 days"),
        (
            'term = "capacity_block"\nruns_per_block = 13',
            "runs_per_block is 13; the hours that are paid have time for 12 runs of 2 hours",
        ),
        ('term = "savings_plan"', "runs_per_year is missing: the year's bill"),
        (
            'term = "savings_plan"\nruns_per_year = 1\ninterest = 0.1',
            "interest is for what is paid at the start; payment is none",
        ),
        (
            'term = "savings_plan"\nhourly = 3\npayment = "all"',
            "payment belongs to a reservation at the price book's price, not to hourly",
        ),
        ('term = "own"\nhourly = 3', "hourly contradicts term = own"),
        ('term = "own"', "price is missing"),
        ("[self_host.own]\nprice = 3", "own belongs to hardware of your own"),
        ("packing = 0.5", "packing belongs to tokens_per_second, which is missing"),
        ('duration = "measured"', "duration is measured, but tokens_per_second is missing"),
        ("storage_per_run = -1", "storage_per_run is -1; it must be at least 0"),
    ],
)
def test_contradictions_are_refused(lines: str, sentence: str) -> None:
    """One sentence with the setting and what it clashes with."""
    with pytest.raises(ConfigError) as refused:
        workload(FINE_TUNE, lines)

    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("gpus = 8", "gpus belongs to gpu_seconds"),
        ("target_load = 0.8", "target_load belongs to whole_machines = true"),
        ("whole_machines = true", "tokens_per_month is missing: whole_machines are bought"),
        (
            "whole_machines = true\ntokens_per_month = 1",
            "utilisation contradicts whole_machines, which works it out",
        ),
        ('term = "spot"\ncheckpoint_seconds = 60', "checkpoint_seconds belongs to fine-tuning"),
        ('measured = { model = "x" }', "measured contradicts tokens_per_second"),
    ],
)
def test_contradictions_in_serving_are_refused(lines: str, sentence: str) -> None:
    """The same for inference."""
    with pytest.raises(ConfigError) as refused:
        workload(SERVE, lines)

    assert sentence in str(refused.value)


def test_a_bound_on_latency_counts_once() -> None:
    """What was measured under a bound isn't derated again."""
    measured = 'measured = { model = "gpt-oss-120b", precision = "fp4", engine = "vLLM", %s }'
    text = SERVE.replace("tokens_per_second = 10_000", measured % "concurrency = 32")

    with pytest.raises(ConfigError, match="latency_derate contradicts measured"):
        workload(text)
    free = serving(text.replace("latency_derate = 1\n", ""))
    assert Interval.exactly(1) == free.fleet.derate.value


@pytest.mark.parametrize(
    "lines",
    ["model_memory_gb = 688", "parameters = 344\nbytes_per_parameter = 2"],
)
def test_a_machine_that_cannot_hold_the_model_is_refused(lines: str) -> None:
    """8 x 81,920 MiB are 687 x 10^9 bytes."""
    with pytest.raises(ConfigError) as refused:
        workload(SERVE, lines)

    expected = (
        "instance can't hold the model: p5.48xlarge has 687 GB of GPU memory; the model takes"
    )
    assert expected in str(refused.value)


def test_several_machines_hold_a_larger_model_together() -> None:
    """In training, which all machines of a run share; a copy that serves stands on one."""
    assert workload(FINE_TUNE, "model_memory_gb = 800", "machines = 2")
    with pytest.raises(ConfigError, match="instance can't hold the model"):
        workload(FINE_TUNE, "model_memory_gb = 800")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("model_memory_gb = 1\nparameters = 1", "model_memory_gb contradicts parameters"),
        ("parameters = 1", "parameters and bytes_per_parameter go together"),
        ("model_memory_gb = 1\ngpu_memory_gb = 0", "gpu_memory_gb is 0; it must be above 0"),
    ],
)
def test_the_models_size_is_said_in_one_way(lines: str, sentence: str) -> None:
    """Its memory, or its parameters and the bytes of each."""
    with pytest.raises(ConfigError) as refused:
        workload(SERVE, lines)

    assert sentence in str(refused.value)


def test_memory_that_nobody_knows_must_be_given() -> None:
    """A type that the catalogue doesn't list is not taken on trust."""
    text = SERVE.replace("p5.48xlarge", "p99.48xlarge")

    with pytest.raises(ConfigError, match="no GPU memory is known of p99.48xlarge"):
        workload(text, "model_memory_gb = 100")
    assert workload(text, "model_memory_gb = 100", "gpu_memory_gb = 128")


def test_another_number_of_gpus_than_the_machine_has_is_refused() -> None:
    """A p5.48xlarge has 8, and its price is that of 8."""
    law = "gpu_seconds = { input = 1e-4, output = 1e-4, attention = 0 }"
    text = SERVE.replace("tokens_per_second = 10_000", law)

    with pytest.raises(ConfigError, match="gpus is 4, but p5.48xlarge has 8 H100"):
        workload(text, "gpus = 4")


@given(
    interest=st.decimals("0.001", "0.5", places=3),
    years=st.integers(1, 10),
    residual=st.decimals("0", "1", places=2),
)
def test_capital_costs_more_the_longer_it_is_bound(interest: D, years: int, residual: D) -> None:
    """q >= 1, and it rises with the rate and with the years; what is sold is worth less later."""
    i, t = Interval.exactly(interest), Interval.exactly(years)
    later, dearer = Interval.exactly(years + 1), Interval.exactly(interest * 2)
    q = rate.capital_factor(i, t).point

    assert 1 < q < rate.capital_factor(i, later).point
    assert q < rate.capital_factor(dearer, t).point
    lost = rate.value_lost(Interval.exactly(residual), i, t).point
    assert 1 - residual <= lost <= 1


@given(hour=st.decimals("0.01", "100", places=2), factor=st.decimals("0.1", "10", places=1))
def test_prices_scale_a_cost(hour: D, factor: D) -> None:
    """A dearer machine makes every term of it dearer by as much."""
    one = costs(FINE_TUNE, 'term = "spot"', hour=str(hour))
    other = costs(FINE_TUNE, 'term = "spot"', hour=str(hour * factor))
    assert abs(other - one * factor) < PRECISION * other


def test_measurements_of_ones_own_count(tmp_path: Path) -> None:
    """A model that only the user's file knows has the speed that stands there."""
    file = tmp_path / "ours.csv"
    file.write_text(OURS, encoding="utf-8")
    measured = 'measured = { model = "our-8b", precision = "bf16", engine = "vLLM" }'
    text = SERVE.replace("tokens_per_second = 10_000", measured)
    table = Table(tomllib.loads(text, parse_float=D), '[[workload]] "bot"')
    way = Workload.from_table(table, [file]).self_host.as_of(datetime(2026, 11, 23, tzinfo=UTC))

    assert isinstance(way, MachineServing)
    assert isinstance(way.throughput, Quantity)
    assert abs(way.throughput.value.point - 8 * 9000) < PRECISION
