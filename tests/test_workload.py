"""comparator.workload: what a workload may say, which prices it needs, and what it refuses."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Any

import pytest

from comparator.assumption import ASSUMPTIONS
from comparator.interval import Interval
from comparator.workload import Workload, examples, read_workloads
from pricebook.config import Table
from pricebook.errors import ConfigError
from pricebook.label import label
from pricebook.quote import Series

FINE_TUNE = """
name = "bot"
kind = "fine_tune"
[api]
seller = "openai"
product = "gpt-4o-mini-2024-07-18"
trained_tokens = 3_000_000
[self_host]
instance = "p4d.24xlarge"
hours_per_run = { low = 1.0, point = 1.25, high = 1.5 }
"""

RESERVED = FINE_TUNE.replace("hours_per_run", 'term = "reserved"\nhours_per_run')

INFERENCE = """
name = "bot"
kind = "inference"
[tokens]
input = 3_000
output = 1_000
[api]
seller = "openai"
product = "gpt-4o-mini"
[self_host]
instance = "p5.48xlarge"
tokens_per_second = 31_000
"""

API = """
name = "bot"
kind = "api"
tokens = { input = 3, output = 1 }
candidate = { seller = "openai", product = "gpt-3.5-turbo", fine_tuned = true }
api = { seller = "openai", product = "gpt-4" }
"""


def table(text: str) -> Table:
    """A `[[workload]]` as it comes out of a file."""
    return Table(tomllib.loads(text, parse_float=Decimal), '[[workload]] "bot"')


def workload(text: str, *more: str) -> Workload:
    """A workload from TOML, with more lines for its last table."""
    return Workload.from_table(table("\n".join([text, *more])))


def ec2(instance: str, meter: str = "instance", unit: str = "hour", **more: str) -> Series:
    """A series of the EC2 price list."""
    place = {"region": "us-east-1", "os": "Linux", "tenancy": "shared"}
    return Series.of("aws", instance, meter, unit, **place, **more)


def openai(product: str, meter: str, **qualifiers: str) -> Series:
    """A series of OpenAI's page."""
    return Series.of("openai", product, meter, "mtok", **qualifiers)


def test_fine_tuning_on_demand_needs_the_hour_and_the_training() -> None:
    """Training has no service tier: it is no inference."""
    assert workload(FINE_TUNE).needs() == (
        ec2("p4d.24xlarge", term="on_demand"),
        openai("gpt-4o-mini-2024-07-18", "training"),
    )


def test_a_reservation_is_named_in_full() -> None:
    """Term, years, payment and class make different prices."""
    conditions = {
        "term": "reserved",
        "term_years": "1",
        "payment": "none",
        "offering_class": "standard",
    }
    needs = workload(RESERVED, "runs_per_year = 4_380").needs()
    assert needs[:-1] == (ec2("p4d.24xlarge", **conditions),)


def test_a_prepaid_reservation_needs_the_fee_too() -> None:
    """Both the hourly rest and the fee, under the same conditions."""
    conditions = {
        "term": "reserved",
        "term_years": "3",
        "payment": "partial",
        "offering_class": "convertible",
    }
    settings = ("years = 3", 'payment = "partial"', 'offering_class = "convertible"')
    needs = workload(RESERVED, "runs_per_year = 4_380", *settings).needs()
    assert needs[:-1] == (
        ec2("p4d.24xlarge", **conditions),
        ec2("p4d.24xlarge", "upfront", "commitment", **conditions),
    )


def test_names_of_prices_leave_out_what_goes_without_saying() -> None:
    """Short for people, and still one name for each price."""
    reserved = {"term": "reserved", "term_years": "3", "offering_class": "convertible"}
    assert [
        label(ec2("p4d.24xlarge", term="on_demand")),
        label(ec2("p4d.24xlarge", **reserved, payment="partial")),
        label(openai("gpt-4", "input", service_tier="standard")),
        label(openai("gpt-4", "input", service_tier="batch", fine_tuned="true")),
    ] == [
        "aws p4d.24xlarge instance (us-east-1, on demand)",
        "aws p4d.24xlarge instance (convertible, partial upfront, us-east-1, reserved, 3 years)",
        "openai gpt-4 input",
        "openai gpt-4 input (fine-tuned, batch)",
    ]


def test_an_own_rate_needs_no_price_of_the_machine() -> None:
    """A negotiated rate stands in for the price list."""
    needs = workload(FINE_TUNE, "hourly = 19.22").needs()
    assert [series.seller for series in needs] == ["openai"]


def test_a_known_fee_needs_no_price_of_the_api() -> None:
    """What a run was found to cost stands in for the page."""
    text = FINE_TUNE.replace("trained_tokens = 3_000_000", "fee_per_run = 8")
    assert [series.seller for series in workload(text).needs()] == ["aws"]


def test_inference_needs_the_meters_that_its_mix_uses() -> None:
    """No cache, no price of cache reads; no output, no price of output."""
    standard = {"service_tier": "standard"}
    plain, cached, sent = (
        workload(INFERENCE.replace("output = 1_000", more)).needs()[1:]
        for more in ("output = 1_000", "output = 1_000\ncached_share = 0.5", "output = 0")
    )
    meters = [openai("gpt-4o-mini", meter, **standard) for meter in ("input", "output")]
    assert plain == (meters[0], meters[1])
    assert cached == (meters[0], openai("gpt-4o-mini", "cache_read", **standard), meters[1])
    assert sent == (meters[0],)


def test_a_fine_tuned_model_is_another_series() -> None:
    """Same product, other qualifier."""
    tuned = openai("gpt-3.5-turbo", "input", service_tier="standard", fine_tuned="true")
    assert workload(API).needs()[0] == tuned


def test_qualifiers_of_the_api_are_taken_as_given() -> None:
    """Another tier is another price."""
    text = API.replace('"gpt-4" }', '"gpt-4", service_tier = "batch" }')
    assert workload(text).needs()[-1] == openai("gpt-4", "output", service_tier="batch")


def test_what_is_not_given_has_a_default_with_its_source() -> None:
    """Every default is a range with a unit and a source."""
    for key, known in ASSUMPTIONS.items():
        assert known.unit, key
        assert bool(known.default) == bool(known.source), key


def test_a_number_or_a_range_may_be_given() -> None:
    """Both say where they come from."""
    text = RESERVED + "runs_per_year = { low = 1000, point = 2000, high = 4000, source = 'plan' }"
    way: Any = workload(text).self_host
    assert way.runs.value == Interval(Decimal(1000), Decimal(2000), Decimal(4000))
    assert way.runs.source == "plan"
    given: Any = workload(FINE_TUNE, "attempts = 1.5").self_host
    assert (given.attempts.value, given.attempts.source) == (
        Interval.exactly("1.5"),
        "your configuration",
    )


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("attempts = -1", "attempts is -1; it must be at least 1"),
        ("attempts = 0.5", "attempts is 0.5; it must be at least 1"),
        ("attempts = nan", "attempts is NaN; it must be a number"),
        ("hourly = 0", "hourly is 0; it must be above 0"),
        ("attempts = { low = 2, point = 1 }", "attempts has low 2, point 1, high 1; they must"),
        ("attempts = { low = 1 }", "attempts: point is missing"),
        ("attempts = { point = 1, hi = 2 }", "hi is not a setting (did you mean high?)"),
        ('payment = "all"', "payment belongs to a reservation"),
        ("years = 2", "years is 2; AWS sells reservations of 1 or 3 years"),
        ("instances = 2", "instances is not a setting (did you mean instance?)"),
        ("engineer = { salary = 1, fraction = 1 }", "runs_per_year is missing: the salary"),
        ('term = "sport"', "term is 'sport' (did you mean spot?)"),
        ("attempts = 1e300", "attempts is 1e+300, which can't be meant"),
        ("storage_per_run = 1e-300", "storage_per_run is 1e-300, which can't be meant"),
        (
            "attempts = { point = 1, high = 1e12 }",
            "attempts is from 1 to 1E+12, which says nothing",
        ),
        ("machines = 1.5", "machines is 1.5; it must be a whole number"),
    ],
)
def test_impossible_settings_are_refused(lines: str, sentence: str) -> None:
    """One sentence that names the table, the key and what is wrong with it."""
    with pytest.raises(ConfigError) as refused:
        workload(FINE_TUNE, lines)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith('[[workload]] "bot" self_host')


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("utilisation = 1.2", "utilisation is 1.2; it can't be above 1"),
        ("utilisation = 0", "utilisation is 0; it must be above 0"),
        ("fixed_per_month = 100", "tokens_per_month is missing: fixed costs"),
        ("gpu_seconds = { input = 1, output = 1, attention = 0 }", "contradicts gpu_seconds"),
        (
            'term = "own"\nown = { price = 1, power_kw = 1, electricity = 0, life = 1e9 }',
            "above 100",
        ),
    ],
)
def test_impossible_serving_is_refused(lines: str, sentence: str) -> None:
    """The same for inference."""
    with pytest.raises(ConfigError) as refused:
        workload(INFERENCE, lines)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("key", ["input = 1e300", "input = -1", "input = nan"])
def test_impossible_lengths_are_refused(key: str) -> None:
    """Tokens of a request are counted, and end somewhere."""
    with pytest.raises(ConfigError, match="it must be a number of tokens per request"):
        workload(INFERENCE.replace("input = 3_000", key))


def test_a_range_leaves_some_of_the_whole() -> None:
    """Where the cached share may fall from 1, prompts get dearer: from nothing, that has no range.

    With such a point the ratio was said to fall with the cached share.
    """
    with pytest.raises(ConfigError, match=r"cached_share has low 0.5 and point 1; give a point"):
        workload(INFERENCE.replace("[api]", "cached_share = { low = 0.5, point = 1 }\n[api]"))
    shares = "cached_share = { low = 0.2, point = 0.5 }\n[api]\ncache_write_share = 0.5"
    with pytest.raises(ConfigError, match=r"cache_write_share and cached_share are 1 together"):
        workload(INFERENCE.replace("[api]", shares))


def test_a_part_of_a_gpu_is_one() -> None:
    """EC2's smallest machines have an eighth of an L4."""
    text = INFERENCE.replace("p5.48xlarge", "g6f.large").replace("tokens_per_second = 31_000", "")
    law = "gpu_seconds = { input = 1e-3, output = 1e-3, attention = 0 }"
    assert workload(text, "gpus = 0.125", law).needs()
    with pytest.raises(ConfigError, match=r"gpus is 1, but g6f.large has 0.125 L4"):
        workload(text, "gpus = 1", law)


def test_a_year_has_only_so_many_hours() -> None:
    """5,000 runs of 2 hours don't fit into one reserved machine's year."""
    text = RESERVED.replace("{ low = 1.0, point = 1.25, high = 1.5 }", "2\nattempts = 1")
    with pytest.raises(ConfigError, match=r"is 5000; .* time for 4380 runs of 2 hours"):
        workload(text, "runs_per_year = 5_000")
    assert workload(text, "runs_per_year = 5_000", "machines = 2").needs()


def test_a_reservation_needs_the_runs_of_a_year() -> None:
    """Its bill is for a year, whatever is done with it."""
    with pytest.raises(ConfigError, match="runs_per_year is missing: the year's bill"):
        workload(RESERVED)


def test_speed_needs_the_trained_tokens() -> None:
    """Tokens a second say nothing of the hours without tokens."""
    text = FINE_TUNE.replace("trained_tokens = 3_000_000", "fee_per_run = 8")
    text = text.replace("hours_per_run = { low = 1.0, point = 1.25, high = 1.5 }", "")
    with pytest.raises(ConfigError, match="tokens_per_second needs trained_tokens"):
        workload(text, "tokens_per_second = 3_497")
    with pytest.raises(ConfigError, match="hours_per_run is missing"):
        workload(text)


def test_an_empty_mix_is_refused() -> None:
    """Nothing in and nothing out can't be compared."""
    with pytest.raises(ConfigError, match="are both 0"):
        workload(API.replace("input = 3, output = 1", "input = 0, output = 0"))


def test_an_api_without_tokens_or_fee_is_refused() -> None:
    """A fine-tune by API costs by token or by run."""
    with pytest.raises(ConfigError, match="trained_tokens is missing"):
        workload(FINE_TUNE.replace("trained_tokens = 3_000_000", ""))


def test_two_workloads_of_one_name_are_refused() -> None:
    """A rule speaks of a workload by its name."""
    one = tomllib.loads(API, parse_float=Decimal)
    with pytest.raises(ConfigError, match='"bot": there are two of that name'):
        read_workloads(Table({"workload": [one, one]}, "top level"))


def test_a_digest_tells_settings_apart() -> None:
    """What moves a ratio besides prices moves the digest; a claim beside it doesn't."""
    claim = '[[claim]]\nid = "1"\nfigure = "ratio"\nprinted = "3x"\nnote = ""'
    plain = workload(FINE_TUNE).calculation
    assert plain == workload(FINE_TUNE).calculation
    assert plain == workload(FINE_TUNE, claim).calculation
    assert plain != workload(FINE_TUNE, "attempts = 1").calculation


def test_the_shipped_examples_are_read() -> None:
    """Four of the article's, and one of inference."""
    assert [example.kind for example in examples()] == [
        "fine_tune",
        "fine_tune",
        "api",
        "api",
        "inference",
    ]
