"""`backtest`: what rules would have told, by the steps that judge what is read, from the past."""

from __future__ import annotations

import json
import random
import re
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from breakeven.cli import cli
from comparator.backtest import Backtest, Told
from comparator.event import Event
from comparator.judge import judge
from comparator.measure import follows_ratio, measured
from comparator.observing import told_event
from comparator.ratio import evaluate
from comparator.rules.ahead import Ahead
from comparator.rules.bounds import Bounds
from comparator.rules.crossing import Crossing
from comparator.rules.machine import step
from comparator.rules.price_change import PriceChange
from comparator.rules.rulebook import Rule
from comparator.rules.state import Observation, State
from comparator.rules.told import Memory
from comparator.timeline import timeline
from comparator.workload import Workload
from pricebook.book import Look, record
from pricebook.config import Table
from pricebook.offers import NOTHING_ELSE
from pricebook.past import Past
from pricebook.quote import OBSERVED, Change, Price, Quote, Series
from pricebook.runs import note_run
from pricebook.schema import open_book
from pricebook.tables import EventRow, Message, Ratio, RuleState

ROOT = Path(__file__).parents[1]
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(hours=6)
UNTIL = BEGIN + timedelta(days=30)
OURS = Series.of("deepseek", "v3", "input", "mtok", service_tier="standard")
THEIRS = Series.of("openai", "gpt", "input", "mtok", service_tier="standard")
BELOW_1 = Crossing("pays", "bot", Bounds(low=Decimal(1)), Bounds(low=Decimal("1.05")))
LADDER = replace(BELOW_1, critical=Bounds(low=Decimal("0.5")), hold=timedelta(days=1))
CHANGES = PriceChange("any", "changes")


# By hand: the shipped rules on the shipped history


@pytest.fixture
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a configuration and a book."""
    monkeypatch.chdir(tmp_path)


def asked(*words: str) -> Result:
    """The command, up to a day that doesn't move."""
    return CliRunner().invoke(cli, ["backtest", *words, "--until", "2026-11-23"])


def listed(*words: str) -> list[tuple[str, str, str, str]]:
    """Time, rule, kind and the point of each event."""
    found = json.loads(asked(*words, "--json").stdout)
    points = [one["ratio"] and f"{Decimal(one['ratio']['point']):.4f}" for one in found]
    told = [(one["at"][:16], one["rule"], one["kind"]) for one in found]
    return [(*one, point or "") for one, point in zip(told, points, strict=True)]


@pytest.mark.usefixtures("_nowhere")
def test_the_shipped_rules_on_the_shipped_history() -> None:
    """What `backtest --examples` lists, worked out by hand. 3,000 tokens in, 1,000 out.

    2023-08-22  GPT-3.5 can be tuned: $12 in, $16 out, against $1.50 and $2 for the plain one:
                (3 x 12 + 16) / (3 x 1.5 + 2) = 52 / 6.5 = 8, above 5 at first sight. GPT-4 costs
                $30 and $60: 52 / 150 = 0.3467, which isn't below 0.25.
    2023-11-06  The tuned one falls to $3 and $6: 15 / 150 = 0.1 and 15 / 6.5 = 2.3077, told with
                the second look, 6 h later.
    2024-02-16  The plain one falls to $0.50 and $1.50: 15 / 3 = 5, which is not above 5.
    2025-06-01  p4d.24xlarge falls from $32.7726 to $21.957642, by 33 %. A run of 1.25 h was
                32.7726 x 1.25 / 8 = 5.1207 times the API's $8; now 21.957642 x 1.25 / 8 = 3.4309.
    2026-05-07  OpenAI's end of fine-tuning is announced: for some after 56 days, on 2026-07-02.
    2026-11-07  For all on 2027-01-06, which is 60 days later.
    """
    dear, cheap = "a tuned small model is five times dearer than a plain one", "fired"
    expected = [
        ("2023-08-22T00:00", dear, "initial", "8.0000"),
        ("2023-11-06T06:00", "a tuned small model is four times cheaper", cheap, "0.1000"),
        ("2023-11-06T06:00", dear, "resolved", "2.3077"),
        ("2025-06-01T00:00", "the machines of the article get cheaper", "price_changed", ""),
        (
            "2025-06-01T06:00",
            "a run of our own costs less than four times the API's",
            "fired",
            "3.4309",
        ),
        ("2026-05-07T00:00", "offers that end", "offer_closes", ""),
        ("2026-11-07T00:00", "offers that end", "offer_closes", ""),
    ]
    assert expected == listed("--examples")


@pytest.mark.usefixtures("_nowhere")
def test_the_documented_list() -> None:
    """docs/backtest.md shows what people get, line by line."""
    page = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")
    ((words, shown),) = re.findall(r"```console\n\$ breakeven (.*)\n((?:.*\n)*?)```", page)
    result = CliRunner().invoke(cli, words.split())
    assert shown == result.stdout + result.stderr.splitlines(keepends=True)[-1]


@pytest.mark.usefixtures("_nowhere")
def test_the_rules_that_init_writes_on_the_shipped_history() -> None:
    """3,000 tokens in, 1,000 out. Claude Haiku 4.5 costs $1 and $5: (3 x 1 + 5) / 4 = 2.

    Luna began at $1 and $6, (3 x 1 + 6) / 4 = 2.25, which is 1.125 times as much. On 2026-07-30 it
    fell to $0.20 and $1.20, (3 x 0.2 + 1.2) / 4 = 0.45, 0.225 times as much.
    """
    shutil.copy(ROOT / "config.example.toml", "breakeven.toml")
    luna = "Luna isn't the cheaper one any more"
    assert [
        ("2026-07-09T00:00", luna, "initial", "1.1250"),
        ("2026-07-30T06:00", luna, "resolved", "0.2250"),
    ] == listed()


@pytest.mark.usefixtures("_nowhere")
def test_as_if_the_rules_were_set_later() -> None:
    """With --since, what is past the threshold by then is `initial`, and earlier changes are not
    told."""
    found = listed("--examples", "--since", "2025-07-01")
    assert ("2025-07-01T00:00", "initial", "0.1000") in {(at, kind, x) for at, _, kind, x in found}
    assert "price_changed" not in {kind for _, _, kind, _ in found}


@pytest.mark.usefixtures("_nowhere")
def test_what_moved_and_where_it_was_read() -> None:
    """An event has the share of each cause, with the source that the shipped history names."""
    (told,) = json.loads(
        asked(
            "a run of our own costs less than four times the API's", "--examples", "--json"
        ).stdout
    )
    (why,) = told["why"]
    assert (True, "1") == (told["sent"], why["share"])
    assert "P4 and P5 on-demand prices are cut as of 1 June" in why["evidence"]["where"]


@pytest.mark.usefixtures("_nowhere")
def test_a_rule_by_its_name() -> None:
    """Of the rules that are named, also of one that is about no price of the past."""
    found = [(at, rule) for at, rule, _, _ in listed("--examples", "offers that end")]
    assert [
        ("2026-05-07T00:00", "offers that end"),
        ("2026-11-07T00:00", "offers that end"),
    ] == found


BUSY = """
[[rule]]
name = "our machines aren't busy enough"
workload = "a 70B model of our own against Luna"
when = "break-even utilisation rises above ours"
certainty = "point"
receivers = []
"""


@pytest.mark.usefixtures("_nowhere")
def test_a_break_even() -> None:
    """Half as busy, a machine costs twice as much for each token: so the utilisation at which both
    ways cost the same is, as a part of ours, the ratio. When Luna fell, that was 0.8562, and became
    2.25 / 0.45 = 5 times as much.
    """
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    Path("breakeven.toml").write_text(text + BUSY, encoding="utf-8")
    (told,) = json.loads(asked("our machines aren't busy enough", "--json").stdout)
    before, after = (Decimal(told[name]["point"]) for name in ("before", "ratio"))
    assert ("fired", "break-even utilisation, times ours") == (told["kind"], told["measure"])
    assert (Decimal("0.8562"), Decimal(5)) == (round(before, 4), round(after / before, 20))


# What a user gets wrong


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nope"], "there is no rule 'nope'; known: none is set; try --examples"),
        (["offer that ends", "--examples"], "did you mean 'offers that end'?"),
        (["--since", "2027-01-01"], "--since is after 2026-11-23T00:00:00Z"),
    ],
)
def test_a_question_that_makes_no_sense(words: list[str], sentence: str) -> None:
    """One sentence, exit 2."""
    result = asked(*words)
    assert 2 == result.exit_code
    assert sentence in result.stderr


@pytest.mark.usefixtures("_nowhere")
def test_without_rules() -> None:
    """Nothing to try is nothing told."""
    result = asked()
    assert (0, "") == (result.exit_code, result.stdout)
    assert "no [[rule]] is set; --examples tries those" in result.stderr


@pytest.mark.usefixtures("_nowhere")
def test_what_history_cannot_try_is_named() -> None:
    """Rules on sources and reviews are left out, by name and with the reason."""
    rule = '[[rule]]\nname = "ill"\nwhen = "a source is stale"\nreceivers = []\n'
    Path("breakeven.toml").write_text(rule, encoding="utf-8")
    reason = "not tried: 'ill', for history holds prices, not what became of every look"
    assert reason in asked().stderr


# The same as was told


@dataclass(frozen=True)
class World:
    """A past of two prices, and a book to judge it with."""

    engine: Engine
    past: Past

    def tried(self, rule: Rule, kind: type[Backtest] = Backtest) -> list[Told]:
        """What the backtest says of a month."""
        with self.engine.connect() as connection:
            trial = kind(connection, self.past, NOTHING_ELSE, BEGIN, UNTIL, EVERY)
            return list(trial.told(rule, {"bot": bot()}))

    def judged(self, rule: Rule) -> list[Event]:
        """What judging every look of that month has told, each price read anew by each look."""
        events: list[Event] = []
        for number in range(4 * 30 + 1):
            at = BEGIN + number * EVERY
            with self.engine.begin() as connection:
                prices = self._read(at).get
                events += judge(connection, [bot()], [rule], ["mail"], prices, at).events
        return events

    def _read(self, at: datetime) -> dict[Series, Price]:
        held = {
            series: [one for one in prices if one.valid_from <= at][-1:]
            for series, prices in self.past.items()
        }
        return {
            series: replace(one, recorded_at=one.valid_from, verified_at=at)
            for series, prices in held.items()
            for one in prices
        }


BOT = """
name = "bot"
kind = "api"
tokens = { input = 1000, output = 0 }
candidate = { seller = "deepseek", product = "v3" }
api = { seller = "openai", product = "gpt" }
"""
RANGED = """
name = "bot"
kind = "inference"
tokens = { input = 3000, output = 1000 }
api = { seller = "openai", product = "gpt" }
[self_host]
instance = "p5.48xlarge"
tokens_per_second = 2000
utilisation = { low = 0.4, point = 0.5, high = 0.625 }
latency_derate = 1
redundancy = 1
"""
FIXED = "fixed_per_month = 100\ntokens_per_month = 1_000_000_000\n"
"""With it, break-evens don't go up and down with the ratio."""
SPREAD = """
name = "bot"
kind = "api"
tokens = { input = 3000, output = 1000, cached_share = { low = 0.1, point = 0.5, high = 0.8 } }
candidate = { seller = "deepseek", product = "v3" }
api = { seller = "openai", product = "gpt" }
"""
"""A cache that both have at prices of its own: how wide the ratio's range is depends on prices."""


def configured(text: str) -> Workload:
    """A workload from TOML."""
    table = tomllib.loads(text, parse_float=Decimal)
    return Workload.from_table(Table(table, '[[workload]] "bot"'))


def bot() -> Workload:
    """A workload whose ratio is the one price / the other price."""
    return configured(BOT)


def prices(series: Series, *steps: tuple[int, str | None]) -> tuple[Price, ...]:
    """Amounts by the look, from the first, from which they held; None: withdrawn."""
    times = [BEGIN + number * EVERY for number, _ in steps]
    return tuple(
        Price(series, None if amount is None else Decimal(amount), at, OBSERVED, at, series.seller)
        for at, (_, amount) in zip(times, steps, strict=True)
    )


def world(engine: Engine, *steps: tuple[int, str | None]) -> World:
    """Theirs costs 1 all the time; ours is given."""
    return World(engine, {OURS: prices(OURS, *steps), THEIRS: prices(THEIRS, (0, "1"))})


def essence(events: Sequence[Event]) -> list[Event]:
    """All but the numbers, which are drawn by lot."""
    return [replace(one, id="") for one in events]


@pytest.mark.parametrize(
    "rule",
    [
        BELOW_1,
        LADDER,
        replace(BELOW_1, confirm=4, confirm_clear=1),
        replace(
            BELOW_1,
            fire=Bounds(Decimal(1), Decimal(2)),
            clear=Bounds(Decimal("1.05"), Decimal("1.9")),
        ),
    ],
    ids=["plain", "ladder", "counts", "band"],
)
def test_the_same_as_judging_every_look(sqlite_book: Engine, rule: Crossing) -> None:
    """Every event, with its causes and sentences, is the one that the judge told at that time."""
    steps = (0, "1.2"), (4, "0.9"), (10, "0.4"), (30, "0.97"), (50, "1.3"), (51, "0.9"), (52, "2.5")
    around = world(sqlite_book, *steps, (80, "0.3"), (100, None))
    told = [one.event for one in around.tried(rule)]
    assert len(told) > 2
    assert essence(around.judged(rule)) == essence(told)


class EveryLook(Backtest):
    """The same without leaving out looks that can't change anything."""

    def _next(self, at: datetime, end: datetime, *, settled: bool) -> datetime:
        return at + self.every


AMOUNTS = st.sampled_from(["0.3", "0.49", "0.8", "0.9", "0.97", "1.04", "1.2", "2.5", None])


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    amounts=st.dictionaries(st.integers(1, 110), AMOUNTS, max_size=9),
    rule=st.sampled_from([BELOW_1, LADDER, replace(LADDER, renotify_step=Decimal(0), confirm=3)]),
)
def test_no_look_that_is_left_out_matters(
    sqlite_book: Engine, amounts: dict[int, str | None], rule: Crossing
) -> None:
    """Going over every look tells the same as leaving out those at rest."""
    around = world(sqlite_book, (0, "1.2"), *sorted(amounts.items()))
    quick, whole = (around.tried(rule, kind) for kind in (Backtest, EveryLook))
    assert essence([one.event for one in whole]) == essence([one.event for one in quick])


RULES = (
    BELOW_1,
    LADDER,
    replace(BELOW_1, certainty="point", renotify_step=Decimal(0), confirm=3, confirm_clear=1),
    Crossing("dear", "bot", Bounds(high=Decimal(1)), Bounds(high=Decimal("0.9"))),
    Crossing(
        "off",
        "bot",
        Bounds(Decimal("0.8"), Decimal("1.2")),
        Bounds(Decimal("0.84"), Decimal("1.14")),
        cool_down=timedelta(0),
    ),
)
BUSIER = Crossing(
    "busy",
    "bot",
    Bounds(high=Decimal("0.5")),
    Bounds(high=Decimal("0.475")),
    measure="break-even utilisation",
    critical=Bounds(high=Decimal("0.6")),
)
OURS_1 = replace(
    BUSIER,
    ours=True,
    fire=Bounds(high=Decimal(1)),
    clear=Bounds(high=Decimal("0.9")),
    critical=None,
)
MORE = Crossing(
    "more",
    "bot",
    Bounds(low=Decimal(2_600_000_000)),
    Bounds(low=Decimal(2_730_000_000)),
    measure="break-even volume",
)


def wandering(workload: Workload, seed: int) -> Past:
    """Prices that change often, mostly by little, so that the ratio is never far from 1."""
    chance = random.Random(seed)
    levels = {"instance": Decimal("3.6"), "cache_read": Decimal("0.3")}
    return {
        series: prices(series, *_steps(chance, levels.get(series.meter, Decimal(1))))
        for series in workload.needs()
    }


def _steps(chance: random.Random, level: Decimal) -> Iterator[tuple[int, str | None]]:
    """One in 20 withdraws it."""
    few = [None, "0.5", "1.5", "2", *["0.9", "0.95", "0.97", "0.99", "1.01", "1.03", "1.05"] * 3]
    for at in sorted({0, *chance.sample(range(111), chance.randint(3, 25))}):
        by = chance.choice(few)
        yield at, None if by is None else str(level * Decimal(by))


def plainly(rule: Crossing, workload: Workload, known: Past, since: datetime) -> list[Event]:
    """Every look by itself, none left out: the ratio of the time, the state machine, the event."""
    moments, calculation = list(timeline(workload, known, UNTIL)), workload.calculation
    ends = [*(one.at for one in moments[1:]), UNTIL + timedelta(seconds=1)]
    state, told, events = State(), dict[str, Any](), list[Event]()
    for moment, end in zip(moments, ends, strict=True):
        held = {one: [p for p in known[one] if p.valid_from <= moment.at][-1:] for one in known}
        in_force = {series: prices[0] for series, prices in held.items() if prices}.get
        begin = max(moment.at, since)
        now = cache(partial(evaluate, workload, in_force, moment.at))
        for number in range((end - begin - timedelta(seconds=1)) // EVERY + 1):
            at, before = begin + number * EVERY, state
            figure = moment.ratio
            if figure and rule.measure != "ratio":
                figure = measured(rule.measure, now(), ours=rule.ours)
            health = "fresh" if figure else now().health
            seen = Observation(at, figure, health, calculation, at)
            state, transitions = step(rule, before, seen)
            events += [told_event(rule, one, told, replace(now(), at=at)) for one in transitions]
            if transitions or before.name == "unknown":
                told = now().snapshot() or told
    return events


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        *((text, rule) for text in (BOT, RANGED, SPREAD) for rule in RULES),
        *((RANGED + more, rule) for more in ("", FIXED) for rule in (BUSIER, MORE)),
        (RANGED, OURS_1),
    ],
)
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), hours=st.sampled_from([0, 0, 100, 301]))
def test_what_is_left_out_by_estimates_would_have_told_nothing(
    sqlite_book: Engine, text: str, rule: Crossing, seed: int, hours: int
) -> None:
    """Every event to its last digit is that of a walk which leaves out nothing."""
    workload = configured(text)
    known, since = wandering(workload, seed), BEGIN + timedelta(hours=hours)
    with sqlite_book.connect() as connection:
        trial = Backtest(connection, known, NOTHING_ELSE, since, UNTIL, EVERY)
        quick = [one.event for one in trial.told(rule, {"bot": workload})]
    assert essence(plainly(rule, workload, known, since)) == essence(quick)


def test_first_sight_is_recorded(sqlite_book: Engine) -> None:
    """What is already past the threshold isn't sent, unless the rule wants it."""
    around = world(sqlite_book, (0, "0.9"))
    assert [False] == [one.sent for one in around.tried(BELOW_1)]
    assert [True] == [one.sent for one in around.tried(replace(BELOW_1, first="notify"))]


def test_price_changes(sqlite_book: Engine) -> None:
    """Each at its time; a percentage counts from what was last told."""
    around = world(sqlite_book, (0, "100"), (4, "95"), (8, "89"), (12, None))
    told = [(one.event.at, one.event.state) for one in around.tried(CHANGES)]
    assert [(BEGIN + n * EVERY, way) for n, way in ((4, "fell"), (8, "fell"), (12, "gone"))] == told
    falls = PriceChange("falls", "falls", Decimal(10))
    assert [BEGIN + 8 * EVERY] == [one.event.at for one in around.tried(falls)]


@pytest.mark.parametrize("kind", ["break-even volume", "break-even utilisation"])
@pytest.mark.parametrize(("more", "follows"), [("", True), (FIXED, False)])
def test_which_break_evens_go_up_and_down_with_the_ratio(
    kind: str, more: str, follows: bool
) -> None:
    """Those of machines alone: a fixed cost stays when a machine's hour costs twice as much."""
    workload, parts = configured(RANGED + more), []
    for usd in ("1", "2"):
        amounts = {one: usd if one.meter == "instance" else "1" for one in workload.needs()}
        known = {one: prices(one, (0, amount))[0] for one, amount in amounts.items()}
        now = evaluate(workload, known.get, BEGIN)
        figure = measured(kind, now)
        assert figure
        assert now.ratio
        parts.append(round(figure.point / now.ratio.point, 10))
    assert follows == (parts[0] == parts[1]) == follows_ratio(kind, workload)


PRICE_RULES = (
    CHANGES,
    *(PriceChange("by 10 %", way, Decimal(10)) for way in ("changes", "rises", "falls")),
    PriceChange("by a third", "rises", Decimal("33.3333333333")),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), rule=st.sampled_from(PRICE_RULES))
def test_no_price_that_is_passed_over_matters(
    sqlite_book: Engine, seed: int, rule: PriceChange
) -> None:
    """Showing the rule every change of every price, time by time, tells the same."""
    around = World(sqlite_book, wandering(configured(RANGED), seed))
    changes = [
        Change(series, before.amount, after.amount, after.valid_from)
        for series, held in around.past.items()
        for before, after in pairwise(held)
    ]
    memory: Memory = {}
    expected: list[tuple[datetime, str]] = []
    for at in sorted({one.valid_from for one in changes}):
        memory, news = rule.moved(memory, [one for one in changes if one.valid_from == at])
        expected += [(at, one.text) for one in news]
    found = [(one.event.at, one.event.text) for one in around.tried(rule)]
    assert [one for one in expected if one[0] <= UNTIL] == found


def test_announcements_as_they_were_known(sqlite_book: Engine) -> None:
    """What was announced is told when it was near and known, and so is that it was taken back."""
    look(sqlite_book, 0, quote("10"), quote("12", day=20))
    look(sqlite_book, 9, quote("10"))
    told = [one.event for one in world(sqlite_book).tried(Ahead("soon", timedelta(days=14)))]
    assert [("price_scheduled", 6), ("taken_back", 9)] == [
        (one.kind, (one.at - BEGIN).days) for one in told if "gpt" in one.text
    ]


def quote(amount: str, day: int | None = None) -> Quote:
    since = None if day is None else BEGIN + timedelta(days=day)
    return Quote(THEIRS, Decimal(amount), amount, "", valid_from=since)


def look(engine: Engine, day: int, *quotes: Quote) -> None:
    at = BEGIN + timedelta(days=day)
    with engine.begin() as connection:
        run = note_run(connection, "openai", at, "complete")
        record(connection, Look("openai", run, at, [(one, None) for one in quotes]))


# The book


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A book in which Luna's price fell sooner than the shipped history says."""
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    url = f'[database]\nurl = "sqlite:///{tmp_path}/book.db"'
    config = text.replace("[database]", url, 1)
    (tmp_path / "c.toml").write_text(config, encoding="utf-8")
    engine = open_book(f"sqlite:///{tmp_path}/book.db")
    at = datetime(2026, 7, 20, tzinfo=UTC)
    series = [
        Series.of(
            "openai", "gpt-5.6-luna", meter, "mtok", service_tier="standard", context="<=272000"
        )
        for meter in ("input", "output")
    ]
    with engine.begin() as connection:
        run = note_run(connection, "openai", at, "complete")
        quotes = [Quote(one, Decimal("0.2"), "$0.20", "") for one in series]
        record(connection, Look("openai", run, at, [(one, None) for one in quotes]))
    yield tmp_path
    engine.dispose()


def test_the_book_goes_before_the_shipped_history(folder: Path) -> None:
    """From a series' first price in the book on, the book alone counts."""
    words = ["--config", str(folder / "c.toml"), "backtest", "--until", "2026-11-23", "--json"]
    told = json.loads(CliRunner().invoke(cli, words).stdout)
    assert ["2026-07-09T00:00:00Z", "2026-07-20T06:00:00Z"] == [one["at"] for one in told]


def test_nothing_is_stored(folder: Path) -> None:
    """No ratio, state, event or message comes of it."""
    words = ["--config", str(folder / "c.toml"), "backtest", "--until", "2026-11-23"]
    assert 0 == CliRunner().invoke(cli, words).exit_code
    engine = open_book(f"sqlite:///{folder}/book.db")
    with engine.connect() as connection:
        for table in (Ratio, RuleState, EventRow, Message):
            assert 0 == connection.execute(select(func.count()).select_from(table)).scalar()
    engine.dispose()
