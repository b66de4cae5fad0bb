"""The article "OpenAI is too cheap to beat" (October 2023), line by line, by our own formulas.

Each line's expected figures stand here as arithmetic; where the golden table with the same 34
lines is at hand (../shared/data/golden/article.csv), ours are compared with that too.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from comparator import api_cost, cost
from comparator.comparison import Comparison, Cost, Quantity, Term
from comparator.cost import Speed
from comparator.explain import Explanation, explain
from comparator.machine_training import MachineTraining
from comparator.ratio import evaluate
from comparator.workload import examples
from pricebook.quote import Price, Series

OCTOBER = datetime(2023, 10, 1, tzinfo=UTC)
D = Decimal
TOLERANCE = D("1e-9")
"""Relative, as in the golden table."""

P4D, RESERVED = D("32.77"), D("19.22")
WORKLOADS = {workload.name: workload for workload in examples()}

OCTOBER_PRICES = {
    "p4d.24xlarge": {"instance": P4D},
    "gpt-4": {"input": D(30), "output": D(60)},
    "gpt-3.5-turbo": {"input": D("1.5"), "output": D(2)},
    "gpt-3.5-turbo, fine-tuned": {"input": D(12), "output": D(16)},
}
NOVEMBER_PRICES = OCTOBER_PRICES | {"gpt-3.5-turbo, fine-tuned": {"input": D(3), "output": D(6)}}


def explained(name: str, prices: dict[str, dict[str, D]] = OCTOBER_PRICES) -> Explanation:
    """What `explain` makes of a shipped workload at the article's prices."""

    def price(series: Series) -> Price | None:
        tuned = ", fine-tuned" if series.get("fine_tuned") else ""
        amount = prices[series.product + tuned][series.meter]
        return Price(series, amount, OCTOBER, "documented", OCTOBER, "the article")

    return explain(evaluate(WORKLOADS[f"article: {name}"], price, OCTOBER), price)


def figure(name: str) -> D:
    """A figure of the dense reserved year: a part of the answer, or a break-even."""
    year = explained("a dense reserved year with an engineer")
    found = {each.what: each.value for each in year.break_evens} | dict(year.figures)
    value = found[name]
    assert value is not None
    return value


def token_price(against: str, name: str, prices: dict[str, dict[str, D]] = OCTOBER_PRICES) -> D:
    """A figure of fine-tuned GPT-3.5 against another model."""
    return explained(f"fine-tuned GPT-3.5 against {against}", prices).figures[name]


def dense_year() -> MachineTraining:
    """The self-hosting side of the dense reserved year."""
    way = WORKLOADS["article: a dense reserved year with an engineer"].self_host
    assert isinstance(way, MachineTraining)
    return way


def the(value: D | int | str, name: str = "a figure") -> Quantity:
    """A sure figure of the article's."""
    return Quantity.defined(name, "", D(value), "the article")


ONE = the(1)


def against(ours: tuple[Term, ...], api: tuple[Term, ...]) -> Comparison:
    """Two sums of terms per run."""
    return Comparison(Cost(cost.PER_RUN, ours), Cost(cost.PER_RUN, api))


def total(terms: tuple[Term, ...]) -> D:
    """The sum of terms."""
    return Cost(cost.PER_RUN, terms).value.point


def on_demand(hours: str) -> tuple[Term, ...]:
    """One run on a p4d.24xlarge at the article's on-demand price."""
    return cost.rented_run(the(P4D), the(hours), ONE, ONE)


def fee(usd: int) -> tuple[Term, ...]:
    """A run by API."""
    return api_cost.api_fee(the(usd))


def a_million_tokens(rate: str) -> tuple[Term, ...]:
    """Pure training of 10^6 tokens on a p4d.24xlarge, at so many tokens a second."""
    return cost.trained_run(the(P4D), ONE, Speed(the(0), the(10**6), the(rate)), ONE)


def speed_of(hours: str) -> D | None:
    """The tokens a second that 10^6 tokens in so many hours mean."""
    speed = Speed(the(0), the(10**6), the(1, "speed"))
    return against(cost.trained_run(the(P4D), ONE, speed, ONE), on_demand(hours)).break_even(
        "speed"
    )


def million_tokens_for(usd: int) -> D:
    """The millions of trained tokens that a fee buys at $8 per 10^6."""
    tokens = against(fee(usd), api_cost.api_training(the(8), the(1, "tokens"))).break_even("tokens")
    assert tokens is not None
    return tokens / 10**6


SALARY = cost.engineer_per_run(the(200_000), ONE, ONE)
"""The engineer's year, as if it were one run."""

LINES: dict[str, tuple[Callable[[], list[D | None]], list[D]]] = {
    "S01": (lambda: [against(on_demand("1"), fee(12)).ratio.point], [P4D * 1 / 12]),
    "S02": (lambda: [against(on_demand("1"), fee(4)).ratio.point], [P4D * 1 / 4]),
    "S03": (lambda: [against(on_demand("1.5"), fee(12)).ratio.point], [P4D * D("1.5") / 12]),
    "S04": (lambda: [against(on_demand("1.5"), fee(4)).ratio.point], [P4D * D("1.5") / 4]),
    "S05": (lambda: [figure("machine, a year")], [RESERVED * 8760]),
    "S06": (
        lambda: [total(cost.rented_run(the(RESERVED), the(24), the(360), ONE))],
        [RESERVED * 24 * 360],
    ),
    "S07": (lambda: [figure("runs that fit in a day")], [D(24) / 2]),
    "S08": (lambda: [dense_year().capacity], [D(24) / 2 * 365]),
    "S09": (lambda: [total(fee(166_000) + SALARY)], [D(166_000 + 200_000)]),
    "S10": (lambda: [figure("whole cost, a year")], [RESERVED * 8760 + 200_000]),
    "S11": (
        lambda: [total(cost.engineer_per_run(the(366_000), ONE, the(4380)))],
        [D(366_000) / 4380],
    ),
    "S12": (lambda: [figure("whole cost, a run")], [(RESERVED * 8760 + 200_000) / 4380]),
    "S13": (lambda: [against(fee(80), fee(12)).ratio.point], [D(80) / 12]),
    "S14": (lambda: [against(fee(80), fee(4)).ratio.point], [D(80) / 4]),
    "S15": (lambda: [figure("ratio, lowest")], [(RESERVED * 8760 + 200_000) / 4380 / 12]),
    "S16": (lambda: [figure("ratio, highest")], [(RESERVED * 8760 + 200_000) / 4380 / 4]),
    "S17": (lambda: [figure("machine, a run")], [RESERVED * 2]),
    "S18": (
        lambda: [figure("machine alone, ratio, lowest"), figure("machine alone, ratio, highest")],
        [RESERVED * 2 / 12, RESERVED * 2 / 4],
    ),
    "S19": (lambda: [figure("engineer, a run")], [D(200_000) / 4380]),
    "S20": (
        lambda: [figure("engineer, share of the cost")],
        [200_000 / (RESERVED * 8760 + 200_000)],
    ),
    "S21": (lambda: [figure("reserved / on demand, an hour")], [RESERVED / P4D]),
    "S22": (
        lambda: [figure("runs a year, API at its highest")],
        [(RESERVED * 8760 + 200_000) / 12],
    ),
    "S23": (
        lambda: [figure("runs a year, API at its lowest")],
        [(RESERVED * 8760 + 200_000) / 4],
    ),
    "S24": (
        lambda: [figure("hours a run, machine alone, API at its highest")],
        [12 / RESERVED],
    ),
    "S25": (
        lambda: [figure("hours a run, machine alone, API at its lowest")],
        [4 / RESERVED],
    ),
    "S26": (lambda: [speed_of("1"), speed_of("1.5")], [D(10**6) / 3600, D(10**6) / 5400]),
    "S27": (lambda: [million_tokens_for(4), million_tokens_for(12)], [D(4) / 8, D(12) / 8]),
    "S28": (
        lambda: [
            token_price("GPT-3.5", "input price, candidate / API"),
            token_price("GPT-3.5", "output price, candidate / API"),
        ],
        [D("0.012") / D("0.0015"), D("0.016") / D("0.002")],
    ),
    "S29": (
        lambda: [token_price("GPT-4", "input price, API / candidate")],
        [D("0.03") / D("0.012")],
    ),
    "S30": (
        lambda: [token_price("GPT-4", "output price, API / candidate")],
        [D("0.06") / D("0.016")],
    ),
    "S31": (
        lambda: [token_price("GPT-4", "API / candidate")],
        [D(3 * 30 + 60) / (3 * 12 + 16)],
    ),
    "S32": (
        lambda: [
            token_price("GPT-4", "input price, API / candidate", NOVEMBER_PRICES),
            token_price("GPT-4", "output price, API / candidate", NOVEMBER_PRICES),
        ],
        [D(30) / 3, D(60) / 6],
    ),
    "S33": (
        lambda: [total(a_million_tokens("28598.94"))],
        [10**6 / D("28598.94") / 3600 * P4D],
    ),
    "S34": (lambda: [total(a_million_tokens("3497"))], [10**6 / D(3497) / 3600 * P4D]),
}

PRINTED = {
    "S01": (D(3), 0),
    "S02": (D(8), 0),
    "S07": (D(12), 0),
    "S08": (D(4380), 0),
    "S09": (D(366_000), 0),
    "S14": (D(20), 0),
}
"""Lines that the article rounds rightly: what it prints, and to how many decimals."""

OFF = {
    "S04": (D(8), "-34.9"),
    "S05": (D(166_000), "-1.4"),
    "S10": (D(366_000), "-0.6"),
    "S11": (D(80), "-4.3"),
    "S12": (D(80), "-4.9"),
    "S13": (D(8), "+20.0"),
    "S15": (D(8), "+14.1"),
    "S16": (D(20), "-4.9"),
    "S28": (D(10), "+25.0"),
    "S29": (D(10), "+300.0"),
    "S30": (D(10), "+166.7"),
    "S31": (D(10), "+246.7"),
}
"""Lines where it is off: what it prints, and by how many percent of the exact figure."""


def close(ours: list[D | None], expected: list[D]) -> bool:
    """Whether all figures agree within the tolerance of the golden table."""
    pairs = zip(ours, expected, strict=True)
    return all(one is not None and abs(one / other - 1) <= TOLERANCE for one, other in pairs)


@pytest.mark.parametrize("line", LINES)
def test_each_line_follows_from_our_formulas(line: str) -> None:
    """Our formulas give the exact figure behind every line of the article."""
    compute, expected = LINES[line]
    assert close(compute(), expected)


@pytest.mark.parametrize("line", LINES)
def test_each_line_agrees_with_the_golden_table(line: str, real_data: Path) -> None:
    """The golden table, worked out independently, has the same figures."""
    rows = csv.DictReader((real_data / "golden" / "article.csv").read_text().splitlines())
    golden = {row["id"]: row for row in rows}
    expected = [D(part.strip()) for part in golden[line]["exact"].split(";")]
    assert golden.keys() == LINES.keys()
    assert close(LINES[line][0](), expected)


@pytest.mark.parametrize("line", PRINTED)
def test_what_the_article_rounds_rightly(line: str) -> None:
    """These figures round to what the article prints."""
    (ours,), (printed, decimals) = LINES[line][0](), PRINTED[line]
    assert ours is not None
    assert round(ours, decimals) == printed


@pytest.mark.parametrize("line", OFF)
def test_what_the_article_gets_wrong(line: str) -> None:
    """These figures are off by so much, and we don't pretend otherwise."""
    ours, (printed, percent) = LINES[line][0]()[0], OFF[line]
    assert ours is not None
    assert f"{100 * (printed / ours - 1):+.1f}" == percent


def test_every_line_that_the_article_prints_is_a_claim() -> None:
    """The shipped workloads name each printed line that they can work out, under its id."""
    claimed = {claim.id for workload in WORKLOADS.values() for claim in workload.claims}
    notes = " ".join(c.note for workload in WORKLOADS.values() for c in workload.claims)
    assert claimed | set(re.findall(r"S\d\d", notes)) >= {
        f"S{n:02}" for n in (*range(1, 26), *range(28, 33))
    }
