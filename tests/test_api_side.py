"""comparator.api and comparator.api_training: what work costs by API, however it is billed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparator.explain import explain, lines
from comparator.interval import Interval
from comparator.ratio import Evaluation, Prices, evaluate
from comparator.tiers import covers
from comparator.workload import Workload
from pricebook.config import Table
from pricebook.errors import ConfigError
from pricebook.offers import Offers, bare
from pricebook.quote import Price, Series

NOW = datetime(2026, 4, 1, tzinfo=UTC)
LAST_DAY = datetime(2027, 1, 6, tzinfo=UTC)

TUNE = """
name = "tune"
kind = "fine_tune"
[self_host]
instance = "p4d.24xlarge"
hourly = 10
hours_per_run = 1
attempts = 1
[api]
seller = "s"
product = "m"
"""
BOOK = {
    "one input (service_tier=standard)": "1",
    "one cache_read (service_tier=standard)": "0.1",
    "one cache_write (cache_ttl=5m, service_tier=standard)": "1.25",
    "one output (service_tier=standard)": "4",
    "one request kreq (service_tier=standard)": "8",
    "one request kreq (service_tier=standard, variant=low context)": "5",
    "two input (service_tier=standard)": "2",
    "two cache_read (service_tier=standard)": "0.2",
    "two output (service_tier=standard)": "8",
    "m training": "3",
    "m training hour": "100",
    "m hosting hour": "1.7",
    "m storage model_month": "2",
    "m input (fine_tuned=true, service_tier=standard)": "0.3",
    "m output (fine_tuned=true, service_tier=standard)": "1.2",
}


def short(series: Series) -> str:
    """`one input (service_tier=standard)`: without seller, currency and the unit of tokens."""
    conditions = ", ".join(f"{name}={value}" for name, value in series.qualifiers)
    unit = "" if series.unit == "mtok" else f" {series.unit}"
    return f"{series.product} {series.meter}{unit}" + (f" ({conditions})" if conditions else "")


def prices(amounts: Mapping[str, str | None]) -> Prices:
    """A book with these amounts; None is withdrawn, what isn't there is unknown."""

    def price(series: Series) -> Price | None:
        if short(series) not in amounts:
            return None
        text = amounts[short(series)]
        amount = None if text is None else Decimal(text)
        return Price(series, amount, NOW, "observed", NOW, "s")

    return price


def tiers(*contexts: str) -> Offers:
    """A book in which every series has twins for these lengths."""

    def by_length(series: Series) -> list[Series]:
        kept = dict(bare(series).qualifiers)
        return [
            Series.of(
                series.seller, series.product, series.meter, series.unit, **kept, context=context
            )
            for context in contexts
        ]

    return Offers(by_length, lambda _: None)


def workload(text: str) -> Workload:
    """From TOML."""
    return Workload.from_table(Table(tomllib.loads(text, parse_float=Decimal), "[[workload]]"))


def models(
    one: str = "",
    two: str = "",
    tokens: str = "input = 3_000, output = 1_000",
    products: tuple[str, str] = ("one", "two"),
) -> Workload:
    """Two models against each other, with further settings."""
    sides = {"candidate": (products[0], one), "api": (products[1], two)}
    lines = ['name = "bot"', 'kind = "api"', f"tokens = {{ {tokens} }}"]
    for side, (product, more) in sides.items():
        given_ = ", ".join(filter(None, ['seller = "s"', f'product = "{product}"', more]))
        lines.append(f"{side} = {{ {given_} }}")
    return workload("\n".join(lines))


def cached(share: str, tokens: str = "input = 3_000, output = 1_000") -> str:
    """Tokens of a request of which so much is read from the cache."""
    return f"{tokens}, cached_share = {share}"


def tuned(*lines: str) -> Workload:
    """A fine-tune with these lines under `api`."""
    return workload("\n".join([TUNE, *lines]))


def known(
    one: Workload, amounts: Mapping[str, str | None] = BOOK, offers: Offers | None = None
) -> Evaluation:
    """A workload at these prices."""
    return evaluate(one, prices(amounts), NOW, *([offers] if offers else []))


def by_api(one: Workload, amounts: Mapping[str, str | None] = BOOK) -> Decimal:
    """What the API's side costs."""
    found = known(one, amounts)
    assert found.comparison is not None, found.reason
    return found.comparison.api.value.point


def candidate(
    one: Workload, amounts: Mapping[str, str | None] = BOOK, offers: Offers | None = None
) -> Decimal:
    """What the candidate costs."""
    found = known(one, amounts, offers)
    assert found.comparison is not None, found.reason
    return found.comparison.self_host.value.point


# --- inference ------------------------------------------------------------------------------------


def test_input_and_output_are_blended_by_the_mix() -> None:
    """(3,000 x $1 + 1,000 x $4) / 4,000 is $1.75; the dearer model costs twice as much."""
    found = known(models())
    assert found.ratio == Interval.exactly("0.5")
    assert candidate(models()) == Decimal("1.75")


def test_cached_tokens_are_a_part_of_the_input() -> None:
    """Of 3,000 tokens 2,400 are read from the cache: (600 x 1 + 2,400 x 0.1 + 4,000) / 4,000."""
    assert candidate(models(tokens=cached("0.8"))) == Decimal("1.21")


def test_cache_writes_take_the_place_of_input() -> None:
    """40 % read, 20 % written at 1.25: (1,200 x 1 + 1,200 x 0.1 + 600 x 1.25 + 4,000) / 4,000."""
    one = models('cache_write_share = 0.2, cache_ttl = "5m"', tokens=cached("0.4"))
    assert candidate(one) == Decimal("1.5175")


def test_the_lifetime_of_the_cache_tells_writes_apart_only() -> None:
    """Input and reads have one price whatever the lifetime."""
    one = models('cache_write_share = 0.2, cache_ttl = "5m"', tokens=cached("0.4"))
    assert [short(series) for series in one.self_host.needs()] == [
        "one input (service_tier=standard)",
        "one cache_read (service_tier=standard)",
        "one cache_write (cache_ttl=5m, service_tier=standard)",
        "one output (service_tier=standard)",
    ]


def test_reasoning_is_paid_as_output() -> None:
    """2,000 tokens of thought triple what the answer of 1,000 costs."""
    assert candidate(models("reasoning_tokens = 2_000")) == (3 * 1 + 3 * 4) / Decimal(4)


def test_reasoning_needs_the_price_of_output_though_the_mix_has_none() -> None:
    """(3,000 x $1 + 1,000 x $4) / 3,000."""
    one = models("reasoning_tokens = 1_000", tokens="input = 3_000, output = 0")
    assert round(candidate(one), 20) == round(Decimal(7) / 3, 20)


def test_a_tokenizer_counts_both_ways_and_verbosity_the_answer() -> None:
    """1.2 tokens for one, and answers half as long again: (3,600 x 1 + 1,800 x 4) / 4,000."""
    assert candidate(models("tokenizer_ratio = 1.2, verbosity = 1.5")) == Decimal("2.7")


def test_each_side_reasons_by_itself() -> None:
    """One setting on both sides is two quantities, and one model against itself has two names."""
    reasoning = ("reasoning_tokens = 2_000", "reasoning_tokens = 500")
    found = known(models(*reasoning, products=("one", "one")))
    assert found.verdict == "the API is cheaper"
    assert found.comparison is not None
    named = {q.name: q.value.point for q in found.comparison.quantities if "reasoning" in q.name}
    assert named == {
        "reasoning tokens a request of the candidate": 2000,
        "reasoning tokens a request": 500,
    }


BATCH = {
    "one input (service_tier=batch)": "0.4",
    "one output (service_tier=batch)": "1.6",
}
DISCOUNT = 'service_tier = "batch", batch_discount = 0.5'


@pytest.mark.parametrize(("fee", "dollars"), [("true", 8), ('"low context"', 5), ("false", 0)])
def test_a_fee_for_each_request_stands_beside_its_tokens(fee: str, dollars: int) -> None:
    """10^6 tokens are 250 requests of 4,000: a fourth of what 1,000 requests cost."""
    one = models(f"request_fee = {fee}")
    assert candidate(one) == Decimal("1.75") + Decimal(dollars) / 4
    assert (not dollars) == ("fees per request" in one.self_host.leaves_out)


def test_a_fee_without_a_price_is_unknown() -> None:
    """It isn't taken for nothing."""
    found = known(models('request_fee = "high context"'))
    assert found.ratio is None
    assert "one request" in found.reason
    assert "variant=high context" in found.reason


def test_a_batch_discount_leaves_the_fee_as_it_is() -> None:
    """Half of $1.75 for the tokens, and the whole fee of the batch's own tier."""
    one = models('service_tier = "batch", batch_discount = 0.5, request_fee = true')
    amounts = BOOK | {"one request kreq (service_tier=batch)": "8"}
    assert candidate(one, amounts) == Decimal("0.875") + 2
    assert known(one).ratio is None


def test_a_batch_has_the_price_that_the_seller_prints() -> None:
    """The discount of the configuration is idle then."""
    assert candidate(models(DISCOUNT), BOOK | BATCH) == Decimal("0.7")


def test_a_batch_without_a_price_is_discounted() -> None:
    """Half of $1.75."""
    assert candidate(models(DISCOUNT)) == Decimal("0.875")


def test_a_batch_without_a_price_or_a_discount_is_unknown() -> None:
    """Nobody guesses what a seller takes off."""
    found = known(models('service_tier = "batch"'))
    assert found.reason == "no price known for s one input USD/mtok (service_tier=batch)"


LONG = {
    "one input (context=<=3000, service_tier=standard)": "1",
    "one input (context=>3000, service_tier=standard)": "2",
    "one output (context=<=3000, service_tier=standard)": "4",
    "one output (context=>3000, service_tier=standard)": "6",
}
TIERED = {name: amount for name, amount in BOOK.items() if not name.startswith("one")} | LONG
BY_LENGTH = tiers("<=3000", ">3000")


@pytest.mark.parametrize(("tokens", "expected"), [("3_000", "1.75"), ("3_001", None)])
def test_the_whole_request_pays_by_the_length_of_its_prompt(
    tokens: str, expected: str | None
) -> None:
    """3,000 tokens pay the lower price, one more the higher one for all of them."""
    one = models(tokens=f"input = {tokens}, output = 1_000")
    dear = (3001 * 2 + 1000 * 6) / Decimal(4001)
    found = candidate(one, TIERED, BY_LENGTH)
    assert round(found, 20) == round(Decimal(expected) if expected else dear, 20)


def test_cached_tokens_make_the_prompt_long_too() -> None:
    """What counts is the prompt, however much of it is read from a cache."""
    long = {
        "one cache_read (context=>3000, service_tier=standard)": "0.2",
        "one cache_read (context=<=3000, service_tier=standard)": "0.1",
    }
    one = models(tokens=cached("0.9", "input = 4_000, output = 1_000"))
    assert candidate(one, TIERED | long, BY_LENGTH) == (800 + 720 + 6000) / Decimal(5000)


def test_a_price_for_all_lengths_holds_where_none_is_for_this_one() -> None:
    """Some lists name only long prompts apart."""
    short_too = BOOK | {name: price for name, price in LONG.items() if ">" in name}
    assert candidate(models(), short_too, BY_LENGTH) == Decimal("1.75")
    assert candidate(models("tokenizer_ratio = 2"), short_too, BY_LENGTH) == Decimal("6")


def test_a_prompt_that_no_price_covers_is_unknown() -> None:
    """The price of short prompts isn't stretched to long ones."""
    found = known(models("tokenizer_ratio = 2"), TIERED, tiers("<=3000"))
    assert found.reason == (
        "no price known for so long a prompt of s one input USD/mtok (service_tier=standard),"
        " only for <=3000"
    )


def test_a_prompt_on_both_sides_of_a_limit_is_unknown() -> None:
    """An unsure tokenizer leaves the price open."""
    unsure = models("tokenizer_ratio = { low = 0.9, point = 1, high = 1.1 }")
    assert "may lie on both sides of a limit" in known(unsure, TIERED, BY_LENGTH).reason


def test_two_prices_for_one_length_are_unknown() -> None:
    """A list that contradicts itself isn't settled by choosing."""
    twice = TIERED | {"one input (context=<=4000, service_tier=standard)": "1.5"}
    found = known(models(), twice, tiers("<=3000", "<=4000"))
    assert found.reason.startswith("two prices hold for 3,000 tokens of prompt, ")


def test_a_tier_that_is_gone_is_told_as_such() -> None:
    """Withdrawn is not the same as never heard of."""
    gone: dict[str, str | None] = dict.fromkeys(LONG)
    assert known(models(), {**TIERED, **gone}, BY_LENGTH).reason.startswith(
        "withdrawn on 2026-04-01"
    )


def test_a_named_length_is_taken_at_its_word() -> None:
    """Then nothing else is looked for."""
    assert candidate(models('context = "<=3000"'), TIERED) == Decimal("1.75")


@given(st.integers(1, 10**6), st.integers(0, 2 * 10**6))
def test_a_limit_is_exact(limit: int, length: int) -> None:
    """Each length has one of the two prices, and the limit itself the lower one."""
    is_short, is_long = (covers(f"{sign}{limit}", Decimal(length)) for sign in ("<=", ">"))
    assert (is_short, is_long) == (length <= limit, length > limit)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ('context = ">3000"', "context is '>3000', but the prompt has 3,000 tokens"),
        ('context = "200k"', "'200k' is no limit of length"),
        ("cache_write_share = 0.6", "cache_write_share and cached_share are above 1 together"),
        ('cache_ttl = "5m"', "cache_ttl tells cache writes apart; give cache_write_share, too"),
        ("batch_discount = 0.5", 'batch_discount needs service_tier = "batch"'),
        ("batch_discount = 1.5", "batch_discount is 1.5; it can't be above 1"),
        ("reasoning_tokens = -1", "reasoning_tokens is -1"),
        ("verbosity = 0", "verbosity is 0; it must be above 0"),
    ],
)
def test_contradictions_are_refused(setting: str, sentence: str) -> None:
    """One sentence that names the setting."""
    with pytest.raises(ConfigError, match=r"\[\[workload\]\] candidate: ") as caught:
        models(setting, tokens=cached("0.5"))
    assert sentence in str(caught.value)


# --- fine-tuning ----------------------------------------------------------------------------------


def test_training_by_the_hour() -> None:
    """Two hours at $100; the tokens are the machine's affair then."""
    assert by_api(tuned("trained_hours = 2", "trained_tokens = 3_000_000")) == 200


def test_validation_costs_what_training_does() -> None:
    """3 x 10^6 tokens trained and 10^6 validated at $3."""
    assert by_api(tuned("trained_tokens = 3_000_000", "validation_tokens = 1_000_000")) == 12


def test_validation_at_a_price_of_its_own() -> None:
    """$9 and $0.5."""
    own = ("validation_tokens = 1_000_000", "validation_price = 0.5")
    assert by_api(tuned("trained_tokens = 3_000_000", *own)) == Decimal("9.5")


def test_the_tuned_model_is_hosted_stored_and_used() -> None:
    """$9, 100 hours at $1.70, one month at $2, 10^7 tokens in at $0.30 and 10^6 out at $1.20."""
    after = ("hosting_hours = 100", "storage_months = 1")
    used = "use = { input_tokens = 10_000_000, output_tokens = 1_000_000 }"
    one = tuned("trained_tokens = 3_000_000", *after, used)
    assert by_api(one) == 9 + 170 + 2 + 3 + Decimal("1.2")
    assert one.api.leaves_out == ("evaluation",)


@pytest.mark.parametrize(("fee", "expected"), [(8, 9), (9, 9), (10, 10)])
def test_a_minimum_fee_is_the_least(fee: int, expected: int) -> None:
    """max(fee, $9), and hosting comes on top."""
    one = tuned("trained_tokens = 3_000_000", f"minimum_fee = {fee}", "storage_months = 1")
    assert by_api(one) == expected + 2


def test_a_minimum_fee_within_the_range_of_the_bill() -> None:
    """Each end is the greater of both: 1 to 9 dollars are 4 to 9."""
    tokens = "trained_tokens = { low = 333_333, point = 1_000_000, high = 3_000_000 }"
    found = known(tuned(tokens, "minimum_fee = 4")).comparison
    assert found is not None
    assert found.api.value == Interval(Decimal(4), Decimal(4), Decimal(9))


def test_a_known_fee_stands_for_training_only() -> None:
    """Hosting is still asked of the price list."""
    assert by_api(tuned("fee_per_run = 20", "hosting_hours = 10")) == 37


def test_two_apis_may_fine_tune_against_each_other() -> None:
    """$100 by the hour against $9 by token."""
    text = """
        name = "tune"
        kind = "fine_tune"
        candidate = { seller = "s", product = "m", trained_hours = 1 }
        api = { seller = "s", product = "m", trained_tokens = 3_000_000 }
    """
    found = known(workload(text)).comparison
    assert found is not None
    assert found.ratio.point == Decimal(100) / 9


@pytest.mark.parametrize(
    ("settings_", "sentence"),
    [
        (("fee_per_run = 8", "minimum_fee = 4"), "minimum_fee is idle beside fee_per_run"),
        (("fee_per_run = 8", "trained_hours = 4"), "trained_hours is idle beside fee_per_run"),
        (("fee_per_run = 8", "validation_tokens = 4"), "validation_tokens is idle beside"),
        (("trained_hours = 8", "validation_tokens = 4"), "validation_tokens is idle beside"),
        (("trained_tokens = 8", "validation_price = 4"), "validation_price needs validation_tok"),
        (("trained_tokens = 8", "use = {}"), "input_tokens and output_tokens are both missing"),
        (("hosting_hours = 8",), "trained_tokens is missing (or give trained_hours or fee_per"),
    ],
)
def test_idle_and_missing_settings_are_refused(settings_: tuple[str, ...], sentence: str) -> None:
    """What would be left out of the bill silently is refused instead."""
    with pytest.raises(ConfigError) as caught:
        tuned(*settings_)
    assert sentence in str(caught.value)


# --- rules that hold for all figures --------------------------------------------------------------

PRICED = [name for name in BOOK if name.startswith("one")]
amounts_ = st.decimals("0.0001", "1000", places=4)
shares = st.decimals(0, "0.5", places=3)
SETTINGS = ("tokenizer_ratio", "verbosity", "reasoning_tokens")


def busy(settings_: Mapping[str, Decimal], read: Decimal, written: Decimal) -> Workload:
    """A candidate that reads, writes and thinks."""
    words = [f"{name} = {value}" for name, value in settings_.items()]
    more = f'cache_write_share = {written}, cache_ttl = "5m"'
    return models(", ".join([*words, more]), tokens=cached(str(read)))


@settings(deadline=None, max_examples=50)
@given(
    st.fixed_dictionaries(dict.fromkeys(PRICED, amounts_)),
    st.fixed_dictionaries(dict.fromkeys(SETTINGS, amounts_)),
    st.tuples(shares, shares),
    st.sampled_from([*PRICED, *SETTINGS]),
    st.decimals("1.1", "10", places=1),
)
def test_nothing_gets_cheaper_by_costing_or_using_more(
    amounts: dict[str, Decimal],
    used: dict[str, Decimal],
    cache: tuple[Decimal, Decimal],
    raised: str,
    by: Decimal,
) -> None:
    """The cost never falls when one price, or one count of tokens, rises."""
    before = candidate(busy(used, *cache), BOOK | {n: str(a) for n, a in amounts.items()})
    more = {name: value * (by if name == raised else 1) for name, value in amounts.items()}
    longer = {name: value * (by if name == raised else 1) for name, value in used.items()}
    after = candidate(busy(longer, *cache), BOOK | {n: str(a) for n, a in more.items()})
    assert after >= before


@settings(deadline=None, max_examples=50)
@given(st.tuples(shares, shares), amounts_)
def test_a_cache_at_the_price_of_input_changes_nothing(
    cache: tuple[Decimal, Decimal], price: Decimal
) -> None:
    """Read, written or neither: the parts make up the input, no more."""
    alike = {name: str(price) for name in PRICED}
    found = candidate(busy({}, *cache), BOOK | alike)
    assert abs(found / price - 1) < Decimal("1e-24")


# --- offers that end ------------------------------------------------------------------------------


def openai(at: datetime, *lines: str) -> Evaluation:
    """A fine-tune at OpenAI at a time."""
    text = "\n".join([TUNE.replace('"s"', '"openai"'), *lines])
    return evaluate(workload(text), prices(BOOK), at)


@pytest.mark.parametrize("bill", ["trained_tokens = 3_000_000", "fee_per_run = 9"])
def test_closed_fine_tuning_has_no_ratio(bill: str) -> None:
    """From the day on, whatever the price list or an old bill says."""
    assert openai(LAST_DAY, bill).verdict == (
        "unknown: openai has taken no new fine-tuning jobs since 2027-01-06"
        " (OpenAI's deprecations page)"
    )
    assert openai(LAST_DAY.replace(day=5), bill).health == "fresh"


def test_an_end_is_told_once_it_is_announced() -> None:
    """In `ratios --json` and in `explain`; a look at an earlier time doesn't know yet."""
    bill = "trained_tokens = 3_000_000"
    assert openai(datetime(2026, 5, 6, tzinfo=UTC), bill).notes == ()
    found = openai(datetime(2026, 5, 7, tzinfo=UTC), bill)
    assert found.notes[-1] == (
        "openai takes no new fine-tuning jobs from 2027-01-06 on (OpenAI's deprecations page)"
    )
    assert found.as_dict()["notes"] == list(found.notes)
    assert "To note" in list(lines(explain(found)))


def test_only_the_seller_that_closes_is_told_of() -> None:
    """Others go on."""
    found = evaluate(tuned("trained_tokens = 3_000_000"), prices(BOOK), LAST_DAY)
    assert (found.health, found.notes) == ("fresh", ())


def test_the_end_of_a_price_is_told() -> None:
    """A list that says until when a price holds, not what comes then."""
    offers = Offers(lambda _: (), lambda one: LAST_DAY if one.meter == "output" else None)
    assert known(models(), BOOK, offers).notes == (
        "no price is known from 2027-01-06 on for s one output USD/mtok (service_tier=standard)",
        "no price is known from 2027-01-06 on for s two output USD/mtok (service_tier=standard)",
    )
