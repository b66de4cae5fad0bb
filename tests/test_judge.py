"""comparator.judge: one run records ratios, states, events and messages, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select

from comparator.event import Event, Range
from comparator.judge import Judged, judge
from comparator.rules.bounds import Bounds
from comparator.rules.crossing import Crossing
from comparator.rules.price_change import PriceChange
from comparator.rules.rulebook import Rule
from comparator.rules.state import State
from comparator.workload import Workload
from pricebook.book import Look, lookup, record
from pricebook.config import Table
from pricebook.errors import ConfigError
from pricebook.quote import Price, Quote, Series
from pricebook.runs import note_run
from pricebook.tables import EventRow, Message, Ratio, RuleState

NOON = datetime(2026, 8, 21, 12, tzinfo=UTC)
OURS = Series.of("deepseek", "v3", "input", "mtok", service_tier="standard")
THEIRS = Series.of("openai", "gpt", "input", "mtok", service_tier="standard")
PAYS = Crossing(
    "pays", "bot", Bounds(low=Decimal(1)), Bounds(low=Decimal("1.05")), ("mail", "slack")
)


def at(hour: int) -> datetime:
    """A time, by hours after noon."""
    return NOON + timedelta(hours=hour)


def workload(name: str = "bot", **tokens: int) -> Workload:
    """A workload whose ratio is the one price / the other price."""
    settings: dict[str, Any] = {
        "name": name,
        "kind": "api",
        "tokens": {"input": 1000, "output": 0} | tokens,
        "candidate": {"seller": "deepseek", "product": "v3"},
        "api": {"seller": "openai", "product": "gpt"},
    }
    return Workload.from_table(Table(settings, '[[workload]] "bot"'))


class World:
    """A price book of two prices in memory, and one that judges what it says."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.book: dict[Series, Price] = {}
        self.workloads: Sequence[Workload] = [workload()]
        self.rules: Sequence[Rule] = [PAYS]

    def look(self, series: Series, amount: str | None, hour: int) -> Judged:
        """A look at the page of one series, and the judging after it."""
        self.read(series, amount, hour)
        return self.judge(hour)

    def read(self, series: Series, amount: str | None, hour: int) -> None:
        """A look at the page of one series."""
        known = self.book.get(series)
        price = Price(
            series,
            None if amount is None else Decimal(amount),
            at(hour),
            "observed",
            at(hour),
            series.seller,
            at(hour),
            quoted=f"${amount}",
        )
        if known and known.amount == price.amount:
            price = replace(known, verified_at=at(hour))
        self.book[series] = price

    def judge(self, hour: int) -> Judged:
        """One run at that hour."""
        with self.engine.begin() as connection:
            return self.judge_on(connection, hour)

    def judge_on(self, connection: Connection, hour: int) -> Judged:
        """The same in somebody else's transaction."""
        receivers = ["mail", "slack"]
        prices = self.book.get
        return judge(connection, self.workloads, self.rules, receivers, prices, at(hour))

    def rows(self, table: Any) -> list[Any]:
        """All rows of a table."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(table.__table__)))

    def state(self) -> State:
        """The stored state of the one rule."""
        (row,) = self.rows(RuleState)
        return State.restore(row.details["state"])


@pytest.fixture
def world(sqlite_book: Engine) -> World:
    """Ours costs 1.2 times as much as theirs, as judged at noon."""
    return made(sqlite_book)


def made(engine: Engine) -> World:
    """The same on any book."""
    world = World(engine)
    world.read(OURS, "1.2", 0)
    world.read(THEIRS, "1", 0)
    world.judge(0)
    return world


def told(judged: Judged) -> list[str]:
    """The kinds of what was recorded."""
    return [event.kind for event in judged.events]


class TestCrossing:
    def test_fired(self, world: World) -> None:
        """A crossing is told with both ratios, both costs, and which price moved."""
        world.look(OURS, "0.9", 1)
        (fired,) = world.look(OURS, "0.9", 2).events
        expected = Event(
            id=fired.id,
            rule="pays",
            kind="fired",
            state="firing",
            at=at(2),
            workload="bot",
            severity="warn",
            threshold="ratio falls below 1",
            since=at(1),
            before=Range(*[Decimal("1.2")] * 3),
            after=Range(*[Decimal("0.9")] * 3),
            costs={
                "v3": Range(*[Decimal("0.9")] * 3),
                "gpt": Range(*[Decimal("1")] * 3),
            },
            cost_unit="USD per 10^6 tokens",
            verdict="v3 is cheaper",
            why=fired.why,
            flips=(
                "openai gpt input at 0.8571 USD for 10^6 tokens (now 1)",
                "deepseek v3 input at 1.05 USD for 10^6 tokens (now 0.9)",
            ),
        )
        assert expected == fired
        (why,) = fired.why
        assert ("deepseek v3 input", Decimal(1), "$0.9") == (
            why.input,
            why.share,
            why.evidence["quoted"],
        )

    def test_recorded(self, book: Engine) -> None:
        """An event is a row that gives it back, with one message for each receiver."""
        world = made(book)
        world.look(OURS, "0.9", 1)
        (fired,) = world.look(OURS, "0.9", 2).events
        (row,) = world.rows(EventRow)
        columns = {name: value for name, value in row._mapping.items() if name != "details"}
        assert fired == Event.restore(columns, row.details)
        assert [(fired.id, "mail"), (fired.id, "slack")] == sorted(
            (message.event_id, message.receiver) for message in world.rows(Message)
        )

    def test_resolved(self, world: World) -> None:
        """What is over says how long it lasted, how far it went, and what moved since it fired."""
        for hour, price in enumerate(["0.9", "0.8", "0.85", "1.1"], 1):
            world.look(OURS, price, hour)
        (resolved,) = world.look(OURS, "1.1", 5).events
        expected = (
            "Came back across the threshold after 4 hours;"
            " meanwhile the ratio was between 0.8 and 0.9."
        )
        assert (at(1), expected) == (resolved.since, resolved.text)
        assert ("0.8 ", "1.1 ") == (resolved.why[0].before[:4], resolved.why[0].after[:4])

    def test_small_steps(self, world: World) -> None:
        """The cause is counted from what was last told, however many small steps it took."""
        for hour, price in enumerate(["1.15", "1.1", "1.05", "0.99"], 1):
            world.look(OURS, price, hour)
        (fired,) = world.look(OURS, "0.99", 5).events
        assert "1.2 " == fired.why[0].before[:4]

    def test_rolled_back(self, world: World) -> None:
        """When the transaction fails nothing is recorded, and the next run tells it."""
        world.look(OURS, "0.9", 1)
        world.read(OURS, "0.9", 2)
        with world.engine.connect() as connection:
            lost = world.judge_on(connection, 2)
        assert (["fired"], [], "pending") == (told(lost), world.rows(EventRow), world.state().name)
        assert ["fired"] == told(world.judge(2))

    def test_once(self, world: World) -> None:
        """Judging again without a new look tells nothing more."""
        world.look(OURS, "0.9", 1)
        world.look(OURS, "0.9", 2)
        assert [[], []] == [told(world.judge(2)), told(world.judge(3))]

    def test_two_daemons(self, book: Engine) -> None:
        """Two that judge the same look at the same time tell it once: the second waits."""
        world = made(book)
        world.look(OURS, "0.9", 1)
        world.read(OURS, "0.9", 2)
        with ThreadPoolExecutor() as threads:
            with book.begin() as connection:
                first = world.judge_on(connection, 2)
                second = threads.submit(world.judge, 2)
                with pytest.raises(TimeoutError):
                    second.result(timeout=0.3)
            assert (["fired"], []) == (told(first), told(second.result(timeout=30)))

    def test_from_the_book(self, book: Engine) -> None:
        """Looks that are written to the price book in the same transaction are what counts."""
        looks = [(OURS, "1.2"), (THEIRS, "1"), (OURS, "0.9"), (THEIRS, "1"), (OURS, "0.9")]
        expected = [[], [], [], [], ["fired"]]
        assert expected == [
            told(recorded(book, series, amount, hour))
            for hour, (series, amount) in enumerate(looks)
        ]


def recorded(engine: Engine, series: Series, amount: str, hour: int) -> Judged:
    """One complete look at a page that shows one price, and the judging after it."""
    with engine.begin() as connection:
        run = note_run(connection, series.seller, at(hour), "complete", quotes=1)
        quote = Quote(series, Decimal(amount), f"${amount}", "the only row")
        record(connection, Look(series.seller, run, at(hour), [(quote, None)]))
        prices = lookup(connection, at(hour))
        return judge(connection, [workload()], [PAYS], ["mail", "slack"], prices, at(hour))


class TestDistinctLooks:
    def test_judged_twice(self, world: World) -> None:
        """A second judging of the same look confirms nothing."""
        world.look(OURS, "0.9", 1)
        assert [[], []] == [told(world.judge(1)), told(world.judge(2))]

    def test_another_page(self, world: World) -> None:
        """A look at a page that hasn't moved doesn't confirm what another page said."""
        world.look(OURS, "0.1", 1)
        assert [] == told(world.look(THEIRS, "1", 2))
        assert [] == told(world.look(OURS, "1.2", 3))
        assert "ok" == world.state().name

    def test_another_page_is_no_reason_to_be_late(self, world: World) -> None:
        """A slow look, entered after a quick one at another page that began later, counts."""
        for hour in (1, 3):
            world.look(THEIRS, "1", hour + 1)
            late = world.look(OURS, "0.9", hour)
        assert ["fired"] == told(late)

    def test_both_moved(self, world: World) -> None:
        """When two pages moved, each must be looked at again."""
        world.look(OURS, "0.9", 1)
        world.look(THEIRS, "1.1", 2)
        assert [] == told(world.look(THEIRS, "1.1", 3))
        assert ["fired"] == told(world.look(OURS, "0.9", 4))

    def test_a_page_that_cannot_be_read_any_more_holds_back_no_other(self, world: World) -> None:
        """One price moved a little and was read twice, then its page went: a crossing is told."""
        world.look(OURS, "1.1", 1)
        world.look(OURS, "1.1", 2)
        assert told(world.look(THEIRS, "2", 3)) == []
        assert told(world.look(THEIRS, "2", 4)) == ["fired"]

    def test_what_was_read_once_is_in_doubt(self, world: World) -> None:
        """A crossing that rests on a reading nobody repeated waits, whatever other pages say."""
        world.look(OURS, "0.9", 1)
        assert told(world.look(THEIRS, "1", 2)) == []
        assert told(world.look(THEIRS, "1", 3)) == []
        assert told(world.look(OURS, "0.9", 4)) == ["fired"]

    def test_a_page_that_says_nothing_new_dates_nothing(self, world: World) -> None:
        """While nothing has moved, the rule has seen what all pages have shown, and no more."""
        world.look(THEIRS, "1", 5)
        assert at(0) == world.state().watermark
        world.look(OURS, "1.2", 4)
        assert at(4) == world.state().watermark


class TestFirst:
    @pytest.mark.parametrize(("first", "messages"), [("summary", 0), ("notify", 2)])
    def test_initial(self, sqlite_book: Engine, first: str, messages: int) -> None:
        """A threshold passed at first sight is recorded, and sent only to who asked for it."""
        world = World(sqlite_book)
        world.rules = [replace(PAYS, first=first)]
        world.read(OURS, "0.9", 0)
        assert ["initial"] == told(world.look(THEIRS, "1", 0))
        assert messages == len(world.rows(Message))

    def test_unknown(self, sqlite_book: Engine) -> None:
        """As long as a price is missing the rule waits, and says so."""
        world = World(sqlite_book)
        assert [] == told(world.look(OURS, "0.9", 0))
        assert ("unknown", "unknown") == (world.state().name, world.state().health)
        assert ["initial"] == told(world.look(THEIRS, "1", 1))

    def test_no_price_of_the_book(self, sqlite_book: Engine) -> None:
        """A workload of nothing but the user's own figures is judged at once."""
        world = World(sqlite_book)
        world.workloads = [own_figures()]
        assert ["initial"] == told(world.judge(0))


def own_figures() -> Workload:
    """Half an hour for 10 USD an hour, against a fee of 8 USD."""
    settings: dict[str, Any] = {
        "name": "bot",
        "kind": "fine_tune",
        "api": {"seller": "openai", "product": "gpt", "fee_per_run": 8},
        "self_host": {
            "instance": "p4d.24xlarge",
            "hourly": 10,
            "hours_per_run": Decimal("0.5"),
            "attempts": 1,
        },
    }
    return Workload.from_table(Table(settings, '[[workload]] "bot"'))


class TestMissing:
    def test_withdrawn(self, world: World) -> None:
        """A price that is sold no more ends an episode with that reason; it resolves nothing."""
        world.look(OURS, "0.9", 1)
        world.look(OURS, "0.9", 2)
        (event,) = world.look(OURS, None, 3).events
        assert ("discontinued", "ok", None) == (event.kind, event.state, event.after)
        expected = (
            "Withdrawn on 2026-08-21: deepseek v3 input USD/mtok (service_tier=standard). That ends"
            " the episode, after 2 hours; meanwhile the ratio was at 0.9."
        )
        assert expected == event.text
        assert ("ok", "gone") == (world.state().name, world.state().health)
        assert [[], ["fired"]] == [told(world.look(OURS, "0.9", hour)) for hour in (4, 5)]

    def test_withdrawn_while_nothing_is_open(self, world: World) -> None:
        """Then it is no news of this rule."""
        world.look(OURS, "0.9", 1)
        assert [] == told(world.look(OURS, None, 2))
        assert ("ok", "gone") == (world.state().name, world.state().health)


class TestEdited:
    def test_rule(self, world: World) -> None:
        """An edited rule is judged anew at once: recorded, but sent to nobody."""
        world.rules = [replace(PAYS, fire=Bounds(Decimal("1.5")), clear=Bounds(Decimal("1.6")))]
        (event,) = world.judge(1).events
        expected = "The rule or its workload was edited; judged anew, it is firing."
        assert ("rule_edited", "firing", expected) == (event.kind, event.state, event.text)
        assert [] == world.rows(Message)

    def test_workload(self, world: World) -> None:
        """An edited workload is no crossing."""
        world.workloads = [workload(output=0, input=2000)]
        assert ["rule_edited"] == told(world.judge(1))

    def test_removed(self, world: World) -> None:
        """A removed rule leaves an event that says so, and no state."""
        world.rules = []
        (event,) = world.judge(1).events
        assert ("rule_removed", "removed", "pays") == (event.kind, event.state, event.rule)
        assert ([], []) == (world.rows(RuleState), world.rows(Message))

    def test_an_open_episode_is_closed_for_who_was_told(self, world: World) -> None:
        """Whoever was told that it fired is told that the rule was edited, or removed."""
        for hour in (1, 2):
            world.look(OURS, "0.9", hour)
        world.rules = [replace(PAYS, fire=Bounds(Decimal("0.5")))]
        (edited,) = world.judge(3).events
        expected = (
            "The rule or its workload was edited, which ends the episode that was open;"
            " judged anew, it is ok."
        )
        assert ("rule_edited", expected, at(1)) == (edited.kind, edited.text, edited.since)
        assert 4 == len(world.rows(Message))

    def test_an_open_episode_ends_with_its_rule(self, world: World) -> None:
        """A rule that is removed while it fires leaves nobody waiting for the end."""
        for hour in (1, 2):
            world.look(OURS, "0.9", hour)
        world.rules = []
        (removed,) = world.judge(3).events
        expected = "The rule was removed. That ends the episode that was open; it isn't resolved."
        assert ("rule_removed", expected) == (removed.kind, removed.text)
        about = removed.workload, removed.threshold, removed.since
        assert ("bot", "ratio falls below 1", at(1)) == about
        told = {row.receiver for row in world.rows(Message) if row.event_id == removed.id}
        assert {"mail", "slack"} == told

    def test_another_kind_of_rule(self, world: World) -> None:
        """A rule that is now about something else begins anew."""
        for hour in (1, 2):
            world.look(OURS, "0.9", hour)
        world.rules = [PriceChange("pays", "changes", receivers=("mail",))]
        assert ["rule_edited"] == told(world.judge(3))
        assert [] == told(world.judge(4))

    def test_back_again(self, world: World) -> None:
        """A rule that was removed and comes back starts afresh."""
        world.look(OURS, "0.9", 1)
        rules, world.rules = world.rules, []
        world.judge(1)
        world.rules = rules
        assert ["initial"] == told(world.judge(1))


class TestLevels:
    def test_critical(self, world: World) -> None:
        """The second level is told with its own threshold, as critical, and its end with it."""
        world.rules = [replace(PAYS, critical=Bounds(Decimal("0.8")))]
        events = [
            event
            for hour, price in enumerate(["0.9", "0.9", "0.7", "0.7", "1.2", "1.2"], 1)
            for event in world.look(OURS, price, hour).events
        ]
        expected = [
            ("fired", "warn", "ratio falls below 1"),
            ("worsened", "critical", "ratio falls below 0.8"),
            ("resolved", "critical", "ratio falls below 0.8"),
        ]
        assert expected == [(event.kind, event.severity, event.threshold) for event in events]
        assert "0.9 " == events[1].why[0].before[:4]


class TestBreakEven:
    def test_volume(self, sqlite_book: Engine) -> None:
        """A break-even is watched as a ratio is, against the user's own figure."""
        world = World(sqlite_book)
        world.workloads = [machines()]
        volume = replace(PAYS, measure="break-even volume", ours=True)
        world.rules = [replace(volume, first="notify")]
        world.book[HOURLY] = price(HOURLY, "10", 0)
        (event,) = world.look(THEIRS, "100", 0).events
        assert ("break-even volume, times ours", "break-even volume falls below ours") == (
            event.measure,
            event.threshold,
        )
        assert event.after is not None
        months = Decimal(10) * 730 / 100 * 10**6
        assert abs(event.after.point * 80_000_000 - months) < 1

    def test_number(self, sqlite_book: Engine) -> None:
        """Or against a number of one's own, in tokens a month."""
        world = World(sqlite_book)
        world.workloads = [machines()]
        world.rules = [
            replace(PAYS, measure="break-even volume", fire=Bounds(Decimal(10**8)), first="notify")
        ]
        world.book[HOURLY] = price(HOURLY, "10", 0)
        (event,) = world.look(THEIRS, "100", 0).events
        assert ("break-even volume, tokens a month", "initial") == (event.measure, event.kind)


HOURLY = Series.of(
    "aws",
    "p5.48xlarge",
    "instance",
    "hour",
    os="Linux",
    region="us-east-1",
    tenancy="shared",
    term="on_demand",
)


def price(series: Series, amount: str, hour: int) -> Price:
    """A price that was read at that hour."""
    return Price(series, Decimal(amount), at(hour), "observed", at(hour), "aws-ec2", at(hour))


def machines() -> Workload:
    """A fleet of whole machines for 80 million tokens a month, against an API's price."""
    settings: dict[str, Any] = {
        "name": "bot",
        "kind": "inference",
        "tokens": {"input": 1000, "output": 0},
        "self_host": {
            "instance": "p5.48xlarge",
            "tokens_per_second": 2500,
            "whole_machines": True,
            "tokens_per_month": 80_000_000,
            "redundancy": 1,
            "model_memory_gb": 70,
        },
        "api": {"seller": "openai", "product": "gpt"},
    }
    return Workload.from_table(Table(settings, '[[workload]] "bot"'))


class TestNames:
    def test_unknown_workload(self, world: World) -> None:
        """A rule for a workload that doesn't exist is refused before anything is written."""
        world.workloads = [workload("boat")]
        with pytest.raises(ConfigError, match="there is no workload 'bot'; did you mean 'boat'"):
            world.judge(1)

    def test_unknown_receiver(self, world: World) -> None:
        """So is a rule for a receiver that doesn't exist."""
        world.rules = [replace(PAYS, receivers=("snack",))]
        with pytest.raises(ConfigError, match="there is no receiver 'snack'; did you mean 'slack'"):
            world.judge(1)


class TestRatios:
    def test_change_only(self, book: Engine) -> None:
        """A ratio is written when it changes, and not again while it stays."""
        world = made(book)
        world.judge(1)
        world.look(OURS, "0.9", 2)
        world.look(OURS, "0.9", 3)
        expected = [(at(0), Decimal("1.2")), (at(2), Decimal("0.9"))]
        assert expected == sorted((row.at, row.point) for row in world.rows(Ratio))

    def test_unknown(self, world: World) -> None:
        """A ratio that becomes unknown is a change too."""
        world.look(OURS, None, 1)
        last = max(world.rows(Ratio), key=lambda row: row.at)
        assert (at(1), None, "gone") == (last.at, last.point, last.health)

    def test_same_second(self, world: World) -> None:
        """Two changes within one second leave the later one."""
        world.look(OURS, "0.9", 0)
        assert [Decimal("0.9")] == [row.point for row in world.rows(Ratio)]

    def test_details(self, world: World) -> None:
        """The row keeps what `ratios --json` shows, so that it can be explained later."""
        (row,) = world.rows(Ratio)
        assert ("bot", "1.2") == (row.details["workload"], row.details["ratio"]["point"])

    def test_all_workloads(self, world: World) -> None:
        """Workloads without a rule have their ratios too."""
        world.workloads = [workload(), workload("other")]
        judged = world.judge(1)
        assert ["bot", "other"] == [each.workload.name for each in judged.evaluations]
        assert {"bot", "other"} == {row.workload for row in world.rows(Ratio)}
