"""comparator.timeline: a ratio's past, worked out from the prices that held."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isnan
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from breakeven.output import Format
from breakeven.ratio_history import moment_row
from comparator.estimate import OFF
from comparator.interval import Interval
from comparator.ratio import evaluate
from comparator.timeline import Course, Moment, timeline
from comparator.workload import Workload, examples
from pricebook.book import Look, record
from pricebook.config import Table
from pricebook.offers import NOTHING_ELSE
from pricebook.past import Past, past
from pricebook.quote import Price, Quote, Series, Withdrawal
from pricebook.runs import note_run

D = Decimal
DAY = datetime(2024, 1, 1, tzinfo=UTC)
LONG_AGO = DAY + timedelta(days=10_000)
MEASURED = """
name = "LoRA of an 8B"
kind = "fine_tune"
api = { seller = "openai", product = "gpt-4o-mini", trained_tokens = 3_000_000 }
[self_host]
instance = "p4d.24xlarge"
tokens_per_second = { low = 20_000, point = 28_598.94, high = 36_000 }
runs_per_year = 500
engineer = { salary = 100_000, fraction = { low = 0.01, point = 0.02, high = 0.05 } }
"""
MINIMUM = """
name = "small runs"
kind = "fine_tune"
api = { seller = "openai", product = "gpt-4o-mini", trained_tokens = 1_000_000, minimum_fee = 4 }
[self_host]
instance = "p4d.24xlarge"
hours_per_run = 1
"""


def configured(text: str) -> Workload:
    """A workload from TOML."""
    return Workload.from_table(Table(tomllib.loads(text, parse_float=Decimal), "workload"))


WORKLOADS = (*examples(), configured(MEASURED), configured(MINIMUM))


def day(number: int) -> datetime:
    """Of the history."""
    return DAY + timedelta(days=number)


def price(series: Series, number: int, usd: str | None) -> Price:
    """From a day on."""
    amount = None if usd is None else D(usd)
    return Price(series, amount, day(number), "observed", day(number), series.seller)


def at_once(workload: Workload, known: Past, at: datetime) -> tuple[object, str]:
    """What `evaluate` says of a time: the ratio, and why there is none."""

    def in_force(series: Series) -> Price | None:
        held = [each for each in known.get(series, ()) if each.valid_from <= at]
        return held[-1] if held else None

    found = evaluate(workload, in_force, at)
    return found.ratio, found.reason


amounts = st.none() | st.decimals("0", "60", places=4)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Workload, Past]:
    """A workload, and changes of its prices on days of their own; some withdrawn, some free."""
    workload = draw(st.sampled_from(WORKLOADS))
    known: dict[Series, tuple[Price, ...]] = {}
    for series in workload.needs():
        changes = draw(st.dictionaries(st.integers(0, 5), amounts, max_size=4))
        known[series] = tuple(
            price(series, number, None if usd is None else str(usd))
            for number, usd in sorted(changes.items())
        )
    return workload, known


@given(histories())
@settings(max_examples=150, deadline=None)
def test_each_moment_is_what_evaluate_says(history: tuple[Workload, Past]) -> None:
    """The point but for rounding in another order, p10 and p90 to the six digits they have."""
    workload, known = history
    for moment in timeline(workload, known, LONG_AGO):
        ratio, reason = at_once(workload, known, moment.at)
        assert moment.reason == reason
        if moment.ratio is None:
            assert ratio is None
        else:
            assert ratio is not None
            for name, off in (("low", "2e-6"), ("point", "1e-24"), ("high", "2e-6")):
                expected = getattr(ratio, name)
                assert abs(getattr(moment.ratio, name) / expected - 1) < D(off)


@given(histories())
@settings(max_examples=150, deadline=None)
def test_an_estimate_is_as_near_as_it_is_said_to_be(history: tuple[Workload, Past]) -> None:
    """Of each moment, or there is none; none where the ratio is unknown."""
    course = Course(*history, LONG_AGO, NOTHING_ELSE)
    known = course.estimates
    estimates = zip(known.lows, known.points, known.highs, strict=True)
    assert len(course.times) == len(known.points)
    for number, three in enumerate(estimates):
        ratio = course.moment(number).ratio
        if ratio is None:
            assert all(map(isnan, three))
        elif not isnan(three[1]):
            for estimate, exact in zip(three, (ratio.low, ratio.point, ratio.high), strict=True):
                assert abs(Decimal(estimate) - exact) <= exact * D(str(OFF))


OURS, THEIRS = (
    Series.of(*one, service_tier="standard")
    for one in (("deepseek", "v3", "input", "mtok"), ("openai", "gpt", "input", "mtok"))
)
TWO_MODELS = """
name = "bot"
kind = "api"
tokens = { input = 1_000, output = 0 }
candidate = { seller = "deepseek", product = "v3" }
api = { seller = "openai", product = "gpt" }
"""


def test_prices_alone_are_estimated() -> None:
    """Not what a minimum fee bends, nor a range whose width depends on prices."""
    for text, is_estimated in ((TWO_MODELS, True), (MINIMUM, False)):
        workload = configured(text)
        known = {series: (price(series, 0, "1"),) for series in workload.needs()}
        point, *_ = Course(workload, known, LONG_AGO, NOTHING_ELSE).estimates.points
        assert is_estimated != isnan(point)


def test_one_moment_for_each_change() -> None:
    """Unknown until both prices are, then a ratio at every change, then withdrawn."""
    known = {
        OURS: (price(OURS, 0, "1"), price(OURS, 4, "2"), price(OURS, 6, None)),
        THEIRS: (price(THEIRS, 2, "2"), price(THEIRS, 4, "8")),
    }
    found = list(timeline(configured(TWO_MODELS), known, LONG_AGO))
    assert [(each.at, each.ratio and each.ratio.point) for each in found] == [
        (day(0), None),
        (day(2), D("0.5")),
        (day(4), D("0.25")),
        (day(6), None),
    ]
    assert found[2].moved == (known[OURS][1], known[THEIRS][1])
    assert found[0].reason.startswith("no price known for openai gpt input")
    assert found[3].reason.startswith("withdrawn on 2024-01-07: deepseek v3 input")


def test_nothing_after_its_end() -> None:
    """Announced prices lie ahead of the time that was asked for."""
    known = {OURS: (price(OURS, 0, "1"),), THEIRS: (price(THEIRS, 0, "2"), price(THEIRS, 9, "1"))}
    (only,) = timeline(configured(TWO_MODELS), known, day(8))
    assert only == Moment(day(0), only.ratio, "", (known[OURS][0], known[THEIRS][0]))


def test_the_end_of_an_offer_is_a_moment() -> None:
    """OpenAI takes no fine-tuning jobs from 2027-01-06 on: from then on there is no ratio."""
    workload = configured(MINIMUM)
    known = {series: (price(series, 0, "20"),) for series in workload.needs()}
    first, last = timeline(workload, known, LONG_AGO)
    assert first.at == day(0)
    assert (last.at, last.ratio, last.moved) == (datetime(2027, 1, 6, tzinfo=UTC), None, ())
    assert "has taken no new fine-tuning jobs since 2027-01-06" in last.reason


LOOKED_UP = """
name = "gpt-oss"
kind = "inference"
tokens = { input = 1_024, output = 1_024 }
api = { seller = "openai", product = "gpt" }
[self_host]
instance = "p5.48xlarge"
measured = { model = "gpt-oss-120b", precision = "fp4", engine = "vLLM", concurrency = 32 }
"""


def test_what_was_never_measured_has_one_reason() -> None:
    """A ratio through time doesn't end in a fault where a model has no throughput on a machine."""
    workload = configured(LOOKED_UP.replace("p5.48xlarge", "g5.48xlarge"))
    known = {series: (price(series, 0, "20"),) for series in workload.needs()}
    (only,) = timeline(workload, known, LONG_AGO)
    assert only.reason.startswith("gpt-oss-120b (fp4, vLLM) on A10G was never measured, only on")
    assert "(, " not in only.reason


def test_a_measurement_that_changes_nothing_is_no_moment(tmp_path: Path) -> None:
    """Of three of one's own the second says what the first said."""
    header = "model,gpu,gpus,engine,load,evidence,date,source,precision,input_tokens,output_tokens"
    row = "gpt-oss-120b,H100,8,vLLM,concurrency,measured,{},us,fp4,1024,1024,32,{}"
    rows = [row.format(*each) for each in (("2026-02-01", 9), ("2026-03-01", 9), ("2026-04-01", 8))]
    file = tmp_path / "own.csv"
    file.write_text("\n".join([f"{header},concurrency,total_tokens_per_second", *rows, ""]))
    values = tomllib.loads(LOOKED_UP, parse_float=Decimal)
    workload = Workload.from_table(Table(values, "workload"), [file])
    known = {series: (price(series, 0, "20"),) for series in workload.needs()}
    found = [f"{one.at:%m-%d}" for one in timeline(workload, known, LONG_AGO)]
    assert found == ["01-01", "01-02", "02-01", "04-01"]


def test_a_row_says_why_the_ratio_is_another_or_unknown() -> None:
    """The prices that moved, or a measurement; where there is no ratio, what is missing."""
    workload = configured(TWO_MODELS)
    known = {OURS: (price(OURS, 0, "1"), price(OURS, 4, None)), THEIRS: (price(THEIRS, 2, "2"),)}
    rows = [
        moment_row(workload, one, Format("table", headers=True))["moved"]
        for one in timeline(workload, known, LONG_AGO)
    ]
    assert rows[0].startswith("no price known for openai gpt input")
    assert rows[1] == "openai gpt input 2"
    assert rows[2].startswith("withdrawn on 2024-01-05: deepseek v3 input")
    measured = Moment(day(0), Interval.exactly(2), "", ())
    row = moment_row(workload, measured, Format("table", headers=True))
    assert row["moved"] == "a newer measurement"


def entered(book: Engine, number: int, *told: Quote | Withdrawal) -> None:
    """A look on a day, at all prices."""
    with book.begin() as connection:
        run = note_run(connection, "pages", day(number), "complete")
        record(connection, Look("pages", run, day(number), [(each, None) for each in told]))


def test_the_past_of_the_book(book: Engine) -> None:
    """Each change with the time from which it holds, on either database; strangers have none."""
    entered(book, 0, Quote(OURS, D(1), "$1", "row 1"), Quote(THEIRS, D(2), "$2", "row 1"))
    entered(book, 3, Quote(OURS, D("0.5"), "$0.50", "row 1"), Quote(THEIRS, D(2), "$2", "row 1"))
    stranger = Series.of("openai", "none", "input", "mtok")
    with book.connect() as connection:
        found = past(connection, [OURS, THEIRS, stranger], day(9))
        earlier = past(connection, [OURS], day(2))
    assert [(each.valid_from, each.amount) for each in found[OURS]] == [
        (day(0), D(1)),
        (day(3), D("0.5")),
    ]
    assert [each.amount for each in found[THEIRS]] == [D(2)]
    assert (stranger in found, [each.amount for each in earlier[OURS]]) == (False, [D(1)])


def test_what_was_corrected_or_cancelled_never_held(book: Engine) -> None:
    """Of one day the last word counts; an announced price that was taken back is no change."""
    entered(book, 0, Quote(OURS, D(1), "$1", ""), Quote(OURS, D(3), "$3", "", valid_from=day(5)))
    entered(book, 1, Quote(OURS, D(1), "$1", ""))
    entered(book, 2, Quote(OURS, D(1), "$1", ""))
    with book.connect() as connection:
        assert [each.amount for each in past(connection, [OURS], day(9))[OURS]] == [D(1)]
