"""comparator.explain: every input, the working, the break-evens and the article's claims."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from comparator.explain import Explanation, explain, lines, short
from comparator.ratio import evaluate
from comparator.workload import Workload, examples
from pricebook.config import Table
from pricebook.quote import Price, Series

OCTOBER = datetime(2023, 10, 1, tzinfo=UTC)
PRICES = {
    "p4d.24xlarge instance": "32.7726",
    "p5.48xlarge instance": "55.04",
    "gpt-3.5-turbo input": "1.5",
    "gpt-3.5-turbo output": "2",
    "gpt-3.5-turbo input true": "12",
    "gpt-3.5-turbo output true": "16",
    "gpt-4 input": "30",
    "gpt-4 output": "60",
    "gpt-4o-mini input": "0.15",
    "gpt-4o-mini output": "0.60",
}
ON_DEMAND = "article: one run on demand"
YEAR = "article: a dense reserved year with an engineer"
GPT_4 = "article: fine-tuned GPT-3.5 against GPT-4"
GPT_35 = "article: fine-tuned GPT-3.5 against GPT-3.5"
LLAMA = "Llama 3.1 70B on p5.48xlarge against gpt-4o-mini"
NAMES = (ON_DEMAND, YEAR, GPT_4, GPT_35, LLAMA)


def explained(name: str, prices: Mapping[str, str] = PRICES) -> Explanation:
    """A shipped workload at these prices."""
    (workload,) = (each for each in examples() if each.name == name)

    def price(series: Series) -> Price | None:
        key = " ".join([series.product, series.meter, series.get("fine_tuned") or ""]).strip()
        if key not in prices:
            return None
        return Price(
            series,
            Decimal(prices[key]),
            OCTOBER,
            "documented",
            OCTOBER,
            "openai",
            quoted="$0.0015",
            where="Chat, GPT-3.5, Input",
            url="https://openai.com/pricing",
        )

    return explain(evaluate(workload, price, OCTOBER), price)


def printed(name: str) -> str:
    """What the terminal shows, with wrapped lines joined."""
    return "\n".join(lines(explained(name))).replace("\n      ", " ")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (ON_DEMAND, "S01: 3x; here ratio, lowest = 2.73105;"),
        (ON_DEMAND, "S02: 8x; here ratio, both costs low = 8.19315;"),
        (ON_DEMAND, "S04: 8x; here ratio, highest = 12.2897;"),
        (YEAR, "S05: $166K; here machine, a year = 168,367.20; 1.4 % low"),
        (YEAR, "S12: about $80; here whole cost, a run = 84.1021;"),
        (YEAR, "S15: 8x; here ratio, lowest = 7.00851;"),
        (YEAR, "S16: 20x; here ratio, highest = 21.0255;"),
        (YEAR, "S20: not printed; here engineer, share of the cost = 0.542937;"),
        (YEAR, "S22: not printed; here runs a year, API at its highest = 30,697.27;"),
        (GPT_4, "S31: 10x; here API / candidate = 2.88462;"),
        (GPT_35, "S28: 10x; here input price, candidate / API = 8;"),
    ],
)
def test_the_articles_figures_stand_beside_ours(name: str, line: str) -> None:
    """What it printed, the exact figure, and where it rounds or errs."""
    assert line in printed(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_has_a_figure(name: str) -> None:
    """A claim about a figure that `explain` doesn't have would be shown as unknown."""
    assert [claim.id for claim, ours in explained(name).claims if ours is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_input_is_shown_with_its_source(name: str) -> None:
    """Prices with quoted text, place, address and time of reading; assumptions with theirs."""
    text, comparison = printed(name), explained(name).evaluation.comparison
    assert comparison is not None
    for quantity in comparison.quantities:
        assert f"{quantity.name}: " in text
        assert quantity.source in text
    if explained(name).evaluation.prices:
        place = '"$0.0015", Chat, GPT-3.5, Input, https://openai.com/pricing, recorded 2023-10-01'
        assert place in text


def test_the_working_has_every_figure() -> None:
    """A reader can check it with a pocket calculator."""
    assert (
        "machines = 19.22 own rate of the machine x 8,760 hours a year x 1 machines"
        " / 4,380 runs a year = 38.44"
    ) in printed(YEAR)


def test_a_reservation_is_set_against_the_price_on_demand() -> None:
    """Above 58.65 % of the hours a reserved machine is the cheaper one."""
    assert round(explained(YEAR).figures["reserved / on demand, an hour"], 4) == Decimal("0.5865")
    unknown = explained(YEAR, {}).figures
    assert "reserved / on demand, an hour" not in unknown


def test_an_infeasible_break_even_says_never_and_why() -> None:
    """30,697 runs a year would be needed, and 4,380 fit."""
    runs = {each.what: each for each in explained(YEAR).break_evens}
    found = runs["runs a year, API at its highest"]
    assert (round(found.value or 0), found.at_most, found.feasible) == (30697, Decimal(4380), False)
    assert "30,697.27 runs: never, as 4,380 is the most that is possible" in printed(YEAR)


def test_the_break_evens_of_serving() -> None:
    """Utilisation 2.94 (never), and 153.064 x 10^9 tokens a month where 65.2 x 10^9 fit."""
    found = {each.what: each for each in explained(LLAMA).break_evens}
    used, tokens = found["utilisation"], found["tokens a month, one machine"]
    assert (round(used.value or 0, 3), used.feasible) == (Decimal("2.936"), False)
    assert round((tokens.value or 0) / Decimal(10**9), 3) == Decimal("153.064")
    assert round((tokens.at_most or 0) / Decimal(10**9), 3) == Decimal("65.177")


def test_what_moves_the_ratio_most_comes_first() -> None:
    """The tornado of the worked example: utilisation, then latency, then spares."""
    rows = explained(LLAMA).sensitivities
    found = [(row.quantity.name, round(row.at_low, 2), round(row.at_high, 2)) for row in rows[:3]]
    assert found == [
        ("utilisation", Decimal("19.57"), Decimal("3.67")),
        ("throughput left under a latency bound", Decimal("13.05"), Decimal("5.87")),
        ("machines kept for each one needed", Decimal("5.87"), Decimal("11.74")),
    ]


def test_without_a_range_of_the_api_there_is_one_break_even_of_each() -> None:
    """A price per token is sure, so runs and hours break even at one value each."""
    text = """
        name = "bot"
        kind = "fine_tune"
        api = { seller = "openai", product = "gpt-3.5-turbo", trained_tokens = 1_000_000 }
        [self_host]
        instance = "p4d.24xlarge"
        hours_per_run = 0.2
        attempts = 1
        runs_per_year = 1_000
        engineer = { salary = 200_000, fraction = 0.01 }
    """
    workload = Workload.from_table(Table(tomllib.loads(text, parse_float=Decimal), "workload"))

    def price(series: Series) -> Price:
        amount = Decimal(8 if series.seller == "openai" else 32)
        return Price(series, amount, OCTOBER, "documented", OCTOBER, series.seller)

    found = {
        each.what: each.value for each in explain(evaluate(workload, price, OCTOBER)).break_evens
    }
    runs = Decimal(200_000) * Decimal("0.01") / (8 - 32 * Decimal("0.2"))
    assert found == {
        "runs a year": runs,
        "hours a run, machine alone": Decimal(8) / 32,
        "price of a machine's hour, all in": (8 - Decimal(2)) / Decimal("0.2"),
        "the API's price of a run": 32 * Decimal("0.2") + 2,
    }


TRAINED = """
    name = "bot"
    kind = "fine_tune"
    api = { seller = "openai", product = "gpt-4o-mini-2024-07-18", trained_tokens = 3_000_000 }
    [self_host]
    instance = "p4d.24xlarge"
    tokens_per_second = 20_000
    setup_seconds = 900
    attempts = 1
"""
BLOCK = 'term = "capacity_block"\nruns_per_block = 60'


@pytest.mark.parametrize(
    ("more", "per_mtok", "tokens", "most"),
    [
        ("", "3", 9 / (3 - Decimal(36) / 72), None),
        ("", "0.5", None, None),
        (BLOCK, "3", Decimal(24 * 36) / 60 / 3 * 10**6, (1440 - 900) * 20_000),
        (BLOCK, "1", Decimal(24 * 36) / 60 * 10**6, (1440 - 900) * 20_000),
    ],
)
def test_the_tokens_of_a_run_have_a_break_even(
    more: str, per_mtok: str, tokens: Decimal | None, most: int | None
) -> None:
    """Fixed cost / (the API's price - marginal cost), and never where that is no price at all; a
    block has only so many hours for each run."""
    found = {each.what: each for each in _explained(TRAINED + more, "36", per_mtok).break_evens}
    one = found["trained tokens a run"]
    expected = tokens if tokens is None or more else tokens * 10**6
    assert (one.value, one.at_most) == (expected, most)
    assert one.feasible == (expected is not None and (most is None or expected <= most))


def test_a_run_of_less_than_a_minute_is_even_where_a_minute_is() -> None:
    """At 36 USD an hour a minute is 0.6 USD, as are 200,000 tokens by API; its 11 seconds count
    for nothing, neither in the break-even nor in the flip."""
    found = _explained(TRAINED.replace("900", "{ low = 1, point = 1 }"), "36", "3")
    even = {each.what: each.value for each in found.break_evens}
    flips = {each.quantity.name: each.flip for each in found.sensitivities}
    assert even["trained tokens a run"] == flips["trained tokens a run"] == Decimal(200_000)
    tiny = TRAINED.replace("3_000_000", "30_000").replace("900", "1")
    even = {each.what: each.value for each in _explained(tiny, "36", "3").break_evens}
    assert even["trained tokens a run"] == 200_000


def _explained(text: str, hourly: str, per_mtok: str) -> Explanation:
    workload = Workload.from_table(Table(tomllib.loads(text, parse_float=Decimal), "workload"))

    def price(series: Series) -> Price | None:
        if series.get("service_tier") == "batch":
            return None
        amount = Decimal(per_mtok if series.seller == "openai" else hourly)
        return Price(series, amount, OCTOBER, "documented", OCTOBER, series.seller)

    return explain(evaluate(workload, price, OCTOBER), price)


def test_two_apis_break_even_at_a_price_of_the_mix() -> None:
    """What the API would have to charge, whichever of its prices it changes."""
    (found,) = explained(GPT_4).break_evens
    assert (found.what, found.value) == ("gpt-4's price of the mix", Decimal(13))


def test_a_flip_makes_the_ratio_one() -> None:
    """The price of the machine at which self-hosting begins to pay, all else equal."""
    rows = {row.quantity.name: row for row in explained(ON_DEMAND).sensitivities}
    machine = rows["aws p4d.24xlarge instance (us-east-1, on demand)"]
    assert machine.flip == Decimal("6.4")
    assert machine.elasticity == 1


def test_a_flip_outside_of_what_is_possible_is_none() -> None:
    """No run takes less than one attempt, no machine is used for more than all of its hours."""
    found = {
        row.quantity.name: row.flip
        for name in (ON_DEMAND, LLAMA, YEAR)
        for row in explained(name).sensitivities
    }
    names = ("attempts a run takes", "utilisation", "machines kept for each one needed")
    assert [found[name] for name in (*names, "runs a year")] == [None] * 4


OWN = """
    name = "bot"
    kind = "inference"
    tokens = { input = 3_000, output = 1_000, cached_share = 0.5 }
    api = { seller = "openai", product = "gpt-4.1", service_tier = "batch", batch_discount = 0.5 }
    [self_host]
    term = "own"
    tokens_per_second = 20_000
    whole_machines = true
    tokens_per_month = { low = 1e10, point = 2e10, high = 4e10 }
    own = { price = 1e6, power_kw = 6, electricity = 0.1, residual = 0.2, interest = 0.1 }
"""


def test_what_a_share_leaves_of_the_whole_is_never_more_than_it() -> None:
    """The ratio is not 1 at a discount below nothing, or a price that is used up twice."""
    found = {row.quantity.name: row.flip for row in _explained(OWN, "1", "40").sensitivities}
    assert found["price left by the batch discount"] is not None
    found = {row.quantity.name: row.flip for row in _explained(OWN, "1", "1").sensitivities}
    assert found["price left by the batch discount"] is None
    free = OWN.replace("1e6", "2e5")
    found = {row.quantity.name: row.flip for row in _explained(free, "1", "90").sensitivities}
    assert found["part of the price that is used up"] is None


def test_what_follows_from_one_assumption_moves_with_it() -> None:
    """Interest and resale follow the years of life, whole machines the tokens of a month."""
    evaluation = _explained(OWN, "1", "40").evaluation
    assert evaluation.comparison is not None
    causes = {each.name: each.cause for each in evaluation.comparison.quantities}
    assert causes["cost of a dollar paid at the start"] == "years of life"
    assert causes["part of the price that is used up"] == "years of life"
    assert causes["whole machines for each one by parts"] == "-tokens a month"


def test_without_numbers_the_reason_is_all() -> None:
    """Nothing is worked out from a missing price."""
    found = explained(LLAMA, {})
    assert list(lines(found)) == [
        f"{LLAMA}, 2023-10-01T00:00:00Z",
        "  unknown: no price known for aws p5.48xlarge instance USD/hour"
        " (os=Linux, region=us-east-1, tenancy=shared, term=on_demand)",
    ]
    assert (found.figures, found.break_evens, found.sensitivities) == ({}, (), ())


@pytest.mark.parametrize("name", NAMES)
def test_as_dict_is_json(name: str) -> None:
    """`explain --json`: the row of `ratios`, and what stands behind it."""
    answer = json.loads(json.dumps(explained(name).as_dict()))
    assert answer["workload"] == name
    assert answer["working"]
    assert answer["not_counted"]


def test_a_claim_in_json_has_both_figures() -> None:
    """What was printed, and ours."""
    claims = explained(GPT_4).as_dict()["claims"]
    assert claims[0] == {
        "id": "S29",
        "printed": "10x",
        "figure": "input price, API / candidate",
        "ours": "2.5",
        "note": "2.5 at the article's date; a reader's comment said 3",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("168367.2", "168,367.20"),
        ("4380", "4,380"),
        ("153063619047.6", "153,063,619,048"),
        ("84.10210045", "84.1021"),
        ("1.36714E-7", "0.000000136714"),
        ("0", "0"),
        ("8E+1", "80"),
    ],
)
def test_figures_for_people(value: str, text: str) -> None:
    """Six digits, cents from a thousand on, none of them from a million on."""
    assert short(Decimal(value)) == text


SIGNED = """
name = "signed in 2024"
kind = "fine_tune"
api = { seller = "openai", product = "gpt-3.5-turbo", fee_per_run = 10 }
[self_host]
instance = "p4d.24xlarge"
hours_per_run = 1
attempts = 1
hourly = 30
"""


def signed(text: str, hourly: str | None) -> Mapping[str, Decimal]:
    """The figures of a workload with a rate of its own, beside a machine's price in the book."""
    workload = Workload.from_table(Table(tomllib.loads(text, parse_float=Decimal), "workload"))

    def price(series: Series) -> Price | None:
        amount = None if hourly is None else Decimal(hourly)
        return Price(series, amount, OCTOBER, "observed", OCTOBER, "aws-ec2/us-east-1")

    return explain(evaluate(workload, price, OCTOBER), price).figures


def test_a_signed_rate_stands_beside_the_books() -> None:
    """$30 was signed and the list was cut to $20: 3 times the API, and 2 at the book's rate."""
    figures = signed(SIGNED, "20")
    assert figures["ratio"] == 3
    assert figures["ratio at the book's rate"] == 2
    assert figures["own rate / the book's"] == Decimal("1.5")


def test_rates_are_compared_without_people() -> None:
    """An engineer beside the machine changes the ratio, and neither of the two rates."""
    engineer = "runs_per_year = 100\nengineer = { salary = 1_000, fraction = 1 }"
    assert signed(SIGNED + engineer, "20")["own rate / the book's"] == Decimal("1.5")


@pytest.mark.parametrize(
    ("text", "hourly"), [(SIGNED, None), (SIGNED.replace("hourly = 30", ""), "20")]
)
def test_nothing_stands_beside_what_is_unknown_or_the_same(text: str, hourly: str | None) -> None:
    """A machine that is no longer sold has no rate today; the book's own rate is not compared."""
    assert "ratio at the book's rate" not in signed(text, hourly)


def test_a_bar_shows_what_each_range_does() -> None:
    """The widest range first and as wide as the scale; ends in figures, lowest left."""
    shown = printed(LLAMA).partition("The ratio from each input's low to its high\n")[2]
    bars = shown.partition("\n\n")[0].splitlines()
    assert [line[2:12] for line in bars] == ["utilisatio", "throughput", "machines k"]
    assert bars[0].count("█") == 28
    assert "3.66941 " in bars[0]
    assert bars[0].endswith(" 19.5702")
    assert all(10 < line.count("█") < 32 for line in bars[1:])
