"""Two examples, worked out by hand and checked to the printed digits, with prices from a book.

The first serves Llama 3.3 70B on H100 instead of calling gpt-4o-mini, the second fine-tunes an 8B
model on A100 instead of having gpt-4o-mini fine-tuned. Each figure is in research/cost.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

import pytest
from sqlalchemy import Engine

from comparator.explain import Explanation, explain
from comparator.ratio import evaluate
from comparator.workload import Workload
from pricebook import book
from pricebook.book import Look
from pricebook.config import Table
from pricebook.quote import Quote, Series
from pricebook.runs import note_run

D = Decimal
Explained: TypeAlias = Callable[..., Explanation]

PLACE = {"region": "us-east-1", "os": "Linux", "tenancy": "shared"}
MACHINES = {
    "p4d.24xlarge": "21.957642",
    "p4de.24xlarge": "27.44705",
    "p5.48xlarge": "55.04",
    "p5en.48xlarge": "63.296",
}
MODELS = {
    ("openai", "gpt-4o-mini"): ("0.15", "0.60"),
    ("openai", "gpt-4o"): ("2.5", "10"),
    ("openai", "gpt-4.1"): ("2", "8"),
    ("openai", "gpt-4.1-mini"): ("0.4", "1.6"),
    ("bedrock", "llama-3.3-70b"): ("0.72", "0.72"),
    ("groq", "llama-3.3-70b"): ("0.59", "0.79"),
    ("together", "llama-3.3-70b"): ("0.88", "0.88"),
}

SERVING = """
name = "Llama 3.3 70B instead of gpt-4o-mini"
kind = "inference"
[tokens]
input = 3_000
output = 1_000
[api]
seller = "openai"
product = "gpt-4o-mini"
[self_host]
instance = "p5.48xlarge"
utilisation = 1
latency_derate = 1
redundancy = 1
"""
FITTED = """
gpus = 8
gpu_seconds = { input = 1.37256e-4, output = 1.41947e-4, attention = 1.36714e-7 }
"""
LOOKED_UP = """
measured = { model = "llama-3.3-70b", precision = "fp8", engine = "TensorRT-LLM" }
"""
TRAINING = """
name = "LoRA of an 8B instead of fine-tuning gpt-4o-mini"
kind = "fine_tune"
[api]
seller = "openai"
product = "gpt-4o-mini-2024-07-18"
trained_tokens = 3_000_000
[self_host]
instance = "p4d.24xlarge"
tokens_per_second = 28_598.94
setup_seconds = 900
attempts = 1
"""


def prices() -> Iterator[tuple[Series, str]]:
    """What the examples take from sellers' pages and from AWS."""
    for machine, hour in MACHINES.items():
        yield Series.of("aws", machine, "instance", "hour", term="on_demand", **PLACE), hour
    spot = {"term": "spot", "variant": "median"}
    yield Series.of("aws", "p4d.24xlarge", "instance", "hour", **spot, **PLACE), "8.7830568"
    for (seller, product), (sent, generated) in MODELS.items():
        standard = {"service_tier": "standard"}
        yield Series.of(seller, product, "input", "mtok", **standard), sent
        yield Series.of(seller, product, "output", "mtok", **standard), generated
    mini = Series.of("openai", "gpt-4o-mini", "cache_read", "mtok", service_tier="standard")
    yield mini, "0.075"
    for meter, price in (("input", "0.075"), ("output", "0.30")):
        yield Series.of("openai", "gpt-4o-mini", meter, "mtok", service_tier="batch"), price
    yield Series.of("openai", "gpt-4o-mini-2024-07-18", "training", "mtok"), "3"


@pytest.fixture
def explained(sqlite_book: Engine, noon: datetime) -> Explained:
    """What `explain` makes of a workload, with other words in its text, by the book's prices."""
    with sqlite_book.begin() as connection:
        run = note_run(connection, "test", noon, "complete")
        quotes = [(Quote(series, D(price), price, ""), None) for series, price in prices()]
        book.record(connection, Look("test", run, noon, quotes))

    def work(text: str, *more: str, **words: str) -> Explanation:
        for old, new in words.items():
            text = text.replace(f"{old} = ", f"{old} = {new}\n#", 1)
        values = tomllib.loads("\n".join([text, *more]), parse_float=D)
        workload = Workload.from_table(Table(values, "[[workload]]"))
        with sqlite_book.connect() as connection:
            known = book.lookup(connection, noon)
            return explain(evaluate(workload, known, noon), known)

    return work


def ratio(found: Explanation) -> D:
    """With every assumption at its point."""
    comparison = found.evaluation.comparison
    assert comparison is not None, found.evaluation.reason
    return comparison.ratio.point


def ours(found: Explanation) -> D:
    """What self-hosting costs."""
    comparison = found.evaluation.comparison
    assert comparison is not None, found.evaluation.reason
    return comparison.self_host.value.point


def break_even(found: Explanation, name: str) -> tuple[D, D | None]:
    """The value, and the greatest that is possible."""
    (one,) = (each for each in found.break_evens if each.what == name)
    assert one.value is not None
    return one.value, one.at_most


def flip(found: Explanation, name: str) -> D:
    """The value of one input that makes the ratio 1."""
    (one,) = (each for each in found.sensitivities if each.quantity.name == name)
    assert one.flip is not None
    return one.flip


@pytest.mark.parametrize("law", [FITTED, LOOKED_UP], ids=["given", "looked up"])
def test_serving_at_full_load(explained: Explained, law: str) -> None:
    """$0.493169 per 10^6 tokens; R = 1.878739, of input 1.7487, of output 1.9762."""
    found = explained(SERVING, law)

    assert D("0.493169") == round(ours(found), 6)
    assert D("1.878739") == round(ratio(found), 6)
    assert D("1.7487") == round(found.figures["ratio, input alone"], 4)
    assert D("1.9762") == round(found.figures["ratio, output alone"], 4)


def test_when_serving_would_break_even(explained: Explained) -> None:
    """eta* = 187.9 %, P* = $3.6620 a GPU-hour, V* = 153.064 x 10^9 of 81.471 x 10^9 tokens."""
    found = explained(SERVING, FITTED)
    used, most_used = break_even(found, "utilisation")
    tokens, capacity = break_even(found, "tokens a month, one machine")
    assert capacity is not None

    assert (D("187.9"), D(1)) == (round(100 * used, 1), most_used)
    hour = flip(found, "aws p5.48xlarge instance (us-east-1, on demand)")
    assert D("3.6620") == round(hour / 8, 4)
    assert (D("153.064"), D("81.471")) == (round(tokens / 10**9, 3), round(capacity / 10**9, 3))
    assert abs(tokens / capacity - ratio(found)) < D("1e-20")


def test_half_used_machines_must_be_half_as_dear(explained: Explained) -> None:
    """P* = $1.8310 a GPU-hour at a utilisation of 0.5."""
    found = explained(SERVING, FITTED, utilisation="0.5")

    hour = flip(found, "aws p5.48xlarge instance (us-east-1, on demand)")
    assert D("1.8310") == round(hour / 8, 4)


@pytest.mark.parametrize(
    ("seller", "product", "expected"),
    [
        ("openai", "gpt-4o", "0.1127"),
        ("openai", "gpt-4.1", "0.1409"),
        ("openai", "gpt-4.1-mini", "0.7045"),
        ("bedrock", "llama-3.3-70b", "0.6850"),
        ("groq", "llama-3.3-70b", "0.7706"),
        ("together", "llama-3.3-70b", "0.5604"),
    ],
)
def test_serving_against_other_models(
    explained: Explained, seller: str, product: str, expected: str
) -> None:
    """The same machine against dearer models, at full load."""
    found = explained(SERVING, FITTED, seller=f'"{seller}"', product=f'"{product}"')

    assert D(expected) == round(ratio(found), 4)


def test_serving_against_batches(explained: Explained) -> None:
    """Half the API's price, twice the ratio: 3.7575."""
    batch = SERVING.replace("[api]", '[api]\nservice_tier = "batch"')

    assert D("3.7575") == round(ratio(explained(batch, FITTED)), 4)


def test_half_of_the_input_from_a_cache(explained: Explained) -> None:
    """R = 1.6845: on both sides, the cached part is a part of the input."""
    cached = SERVING.replace("[tokens]", "[tokens]\ncached_share = 0.5")

    assert D("1.6845") == round(ratio(explained(cached, FITTED)), 4)


def test_a_bound_on_latency(explained: Explained) -> None:
    """At 0.43 of the full throughput R is 4.37."""
    assert D("4.37") == round(ratio(explained(SERVING, FITTED, latency_derate="0.43")), 2)


def test_other_machines(explained: Explained) -> None:
    """H200 by the catalogue: p5en.48xlarge has R = 1.6696."""
    found = explained(SERVING, LOOKED_UP, instance='"p5en.48xlarge"')

    assert D("1.6696") == round(ratio(found), 4)


def test_fine_tuning_by_measured_speed(explained: Explained) -> None:
    """1,004.899 s are $6.1292 against $9: R = 0.6810."""
    found = explained(TRAINING)

    assert D("6.1292") == round(ours(found), 4)
    assert D("0.6810") == round(ratio(found), 4)


def test_what_a_run_costs_before_a_token_is_trained(explained: Explained) -> None:
    """Fixed $5.4894 a run, $0.21327 for each further 10^6 tokens, 14.1 times less than the API."""
    comparison = explained(TRAINING).evaluation.comparison
    assert comparison is not None
    fixed, marginal = (term.value.point for term in comparison.self_host.terms)

    assert D("5.4894") == round(fixed, 4)
    assert D("0.21327") == round(marginal / 3, 5)
    assert D("14.1") == round(3 / (marginal / 3), 1)


def test_below_a_size_of_run_the_api_wins(explained: Explained) -> None:
    """The break-even is at 1.970 x 10^6 trained tokens a run."""
    assert D("1.970") == round(flip(explained(TRAINING), "trained tokens a run") / 10**6, 3)


def test_another_machine_for_the_run(explained: Explained) -> None:
    """On p4de.24xlarge R is 0.8513."""
    assert D("0.8513") == round(ratio(explained(TRAINING, instance='"p4de.24xlarge"')), 4)


def test_repeated_runs(explained: Explained) -> None:
    """1.2 attempts a run: $7.3551, R = 0.8172."""
    found = explained(TRAINING, attempts="1.2")

    assert D("7.3551") == round(ours(found), 4)
    assert D("0.8172") == round(ratio(found), 4)


def test_spot_at_sixty_percent_off(explained: Explained) -> None:
    """With the price of the spot market and no interruption R is 0.327."""
    found = explained(TRAINING, 'term = "spot"', "interruptions_per_hour = 0", attempts="1.2")

    assert D("0.327") == round(ratio(found), 3)


@pytest.mark.parametrize(
    ("rate", "setup", "attempts", "packing", "expected"),
    [("36_000", "300", "1", "1", "0.260"), ("28_598.94", "3600", "1.5", "0.25", "4.086")],
)
def test_the_ends_of_what_is_likely(
    explained: Explained, rate: str, setup: str, attempts: str, packing: str, expected: str
) -> None:
    """From a fast rate and a short set-up to unpacked, repeated runs: 0.260 to 4.086."""
    words = {"tokens_per_second": rate, "setup_seconds": setup, "attempts": attempts}
    found = explained(TRAINING, f"packing = {packing}", **words)

    assert D(expected) == round(ratio(found), 3)


@pytest.mark.parametrize(("fraction", "runs"), [("1", 121_586), ("0.1", 12_159), ("0.02", 2_432)])
def test_labour_decides(explained: Explained, fraction: str, runs: int) -> None:
    """An engineer pays from 121,586 runs a year on; a tenth of one from 12,159."""
    people = f"engineer = {{ salary = 200_000, fraction = {fraction} }}"
    found = explained(TRAINING, "runs_per_year = 1_000", people, attempts="1.2")

    assert runs == round(break_even(found, "runs a year")[0])


def test_a_run_of_mlperf(explained: Explained) -> None:
    """LoRA of a 70B on 8 H100: 25.17 x 10^6 tokens in 26.71 minutes are $24.50."""
    hours = "hours_per_run = 0.4451666667"
    text = TRAINING.replace("tokens_per_second = 28_598.94\nsetup_seconds = 900", hours)
    found = explained(text, instance='"p5.48xlarge"', trained_tokens="25_170_000")

    assert D("24.50") == round(ours(found), 2)


def test_the_articles_way_beside_the_measured_one(explained: Explained) -> None:
    """Its 1 to 1.5 hours of API wall time are 4.5 times the hours that machines need."""
    hours = "hours_per_run = { low = 1, point = 1.25, high = 1.5, source = 'the article' }"
    found = explained(TRAINING, hours)
    measured = explained(TRAINING, hours, 'duration = "measured"')

    assert D("27.4471") == round(ours(found), 4)
    assert D("6.1292") == round(ours(measured), 4)
    for figures in (found.figures, measured.figures):
        assert D("3.0497") == round(figures["ratio, by hours given"], 4)
        assert D("0.6810") == round(figures["ratio, by measured speed"], 4)
        assert D("4.478") == round(figures["by hours given / by measured speed"], 3)
