"""comparator.judge on the book: price changes, announcements, sources and reviews become events in
the transaction that wrote them; sources that are old, ill or doubted move no crossing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, select

from comparator.event import Event
from comparator.judge import judge
from comparator.rules.ahead import Ahead
from comparator.rules.bounds import Bounds
from comparator.rules.crossing import Crossing
from comparator.rules.price_change import PriceChange
from comparator.rules.rulebook import Rule
from comparator.rules.source_health import Reviews, SourceHealth
from comparator.rules.told import Pattern
from comparator.workload import Workload
from pricebook.book import Look, backfill, lookup, record
from pricebook.config import Table
from pricebook.quote import Quote, Series
from pricebook.runs import Held, note_held, note_run
from pricebook.tables import EventRow, Message, RuleState

NOON = datetime(2026, 8, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OURS = Series.of("deepseek", "v3", "input", "mtok", service_tier="standard")
THEIRS = Series.of("openai", "gpt", "input", "mtok", service_tier="standard")
ANY_PRICE = PriceChange("prices", "changes", receivers=("mail",))
SOURCES = ("openai", "deepseek")


def workload() -> Workload:
    """A workload whose ratio is the one price / the other price."""
    settings: dict[str, Any] = {
        "name": "bot",
        "kind": "api",
        "tokens": {"input": 1000, "output": 0},
        "candidate": {"seller": "deepseek", "product": "v3"},
        "api": {"seller": "openai", "product": "gpt"},
    }
    return Workload.from_table(Table(settings, '[[workload]] "bot"'))


def quote(series: Series, amount: str, since: int | None = None, until: int | None = None) -> Quote:
    """A price that holds from and until some hour after noon."""
    times = (None if hour is None else NOON + hour * HOUR for hour in (since, until))
    return Quote(series, Decimal(amount), f"${amount}", "the row", "", *times)


class World:
    """A price book that is written and judged, a run at a time."""

    def __init__(self, engine: Engine, *rules: Rule) -> None:
        self.engine = engine
        self.rules: Sequence[Rule] = rules

    def look(self, hour: int, *quotes: Quote, held: Collection[Held] = ()) -> list[Event]:
        """A complete look at a seller's page, and the judging after it."""
        at, seller = NOON + hour * HOUR, quotes[0].series.seller
        with self.engine.begin() as connection:
            run = note_run(connection, seller, at, "partial" if held else "complete")
            pairs: list[tuple[Quote, int | None]] = [(one, None) for one in quotes]
            doubted = [one.quote.series for one in held if one.quote]
            changes = record(connection, Look(seller, run, at, pairs, not held, doubted))
            note_held(connection, seller, run, at, held)
            return self._judge(connection, at, changes)

    def fail(self, hour: int, seller: str = "openai") -> list[Event]:
        """A run that read nothing."""
        with self.engine.begin() as connection:
            note_run(connection, seller, NOON + hour * HOUR, "failed", reason="answered 503")
            return self._judge(connection, NOON + hour * HOUR, ())

    def judge(self, hour: int) -> list[Event]:
        """A run that changed nothing."""
        with self.engine.begin() as connection:
            return self._judge(connection, NOON + hour * HOUR, ())

    def _judge(self, connection: Any, at: datetime, changes: Any) -> list[Event]:
        receivers, prices = ["mail"], lookup(connection, at)
        judged = judge(connection, [workload()], self.rules, receivers, prices, at, changes)
        return list(judged.events)

    def rows(self, table: Any) -> list[Any]:
        """All rows of a table."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(table.__table__)))

    def health(self) -> str:
        """That of the first rule."""
        return str(self.rows(RuleState)[0].health)


class TestPriceChanges:
    def test_told(self, book: Engine) -> None:
        """A change is an event with where it was read, and a message, in one transaction."""
        world = World(book, ANY_PRICE)
        assert [] == world.look(0, quote(THEIRS, "10"))
        (event,) = world.look(1, quote(THEIRS, "8"))
        assert ("price_changed", "fell", "prices") == (event.kind, event.state, event.rule)
        assert ("a price changes", "$8") == (event.threshold, event.why[0].evidence["quoted"])
        (row,) = world.rows(EventRow)
        columns = {name: value for name, value in row._mapping.items() if name != "details"}
        assert event == Event.restore(columns, row.details)
        assert [event.id] == [message.event_id for message in world.rows(Message)]

    def test_once(self, book: Engine) -> None:
        """What was told isn't told again, by whatever is run."""
        world = World(book, ANY_PRICE)
        world.look(0, quote(THEIRS, "10"))
        world.look(1, quote(THEIRS, "8"))
        assert [[], []] == [world.judge(1), world.look(2, quote(THEIRS, "8"))]

    def test_rolled_back(self, sqlite_book: Engine) -> None:
        """A run that fails tells nothing, and the next one tells it."""
        world = World(sqlite_book, ANY_PRICE)
        world.look(0, quote(THEIRS, "10"))
        with sqlite_book.connect() as connection:
            run = note_run(connection, "openai", NOON + HOUR, "complete")
            look = Look("openai", run, NOON + HOUR, [(quote(THEIRS, "8"), None)])
            lost = world._judge(connection, NOON + HOUR, record(connection, look))
        assert 1 == len(lost)
        assert [] == world.rows(EventRow)
        assert 1 == len(world.look(2, quote(THEIRS, "8")))

    def test_imports(self, sqlite_book: Engine) -> None:
        """What others say of the past is told to nobody, then or later."""
        world = World(sqlite_book, ANY_PRICE)
        world.look(0, quote(THEIRS, "10"))
        with sqlite_book.begin() as connection:
            run = note_run(connection, "import/x", NOON + HOUR, "import")
            said = [(quote(THEIRS, amount, since=-hour), None) for amount, hour in (("5", 9),)]
            changes, _ = backfill(connection, Look("import/x", run, NOON + HOUR, said))
        assert 1 == len(changes)
        assert [[], []] == [world.judge(1), world.look(2, quote(THEIRS, "10"))]

    def test_comes_into_force(self, book: Engine) -> None:
        """An announced price is told on its day, once: by the first run after it."""
        world = World(book, ANY_PRICE)
        page = quote(THEIRS, "10"), quote(THEIRS, "12", since=48)
        assert [] == world.look(0, *page)
        assert [] == world.judge(47)
        (event,) = world.judge(49)
        assert "rose by 20 %" in event.text
        assert [[], []] == [world.judge(50), world.look(51, quote(THEIRS, "12"))]

    def test_an_announcement_that_was_not_kept(self, sqlite_book: Engine) -> None:
        """When the page shows the old price on that day, nothing has changed."""
        world = World(sqlite_book, ANY_PRICE)
        world.look(0, quote(THEIRS, "10"), quote(THEIRS, "12", since=48))
        assert [] == world.look(49, quote(THEIRS, "10"))

    def test_small_steps(self, sqlite_book: Engine) -> None:
        """What a percentage counts from survives from run to run."""
        world = World(sqlite_book, replace(ANY_PRICE, percent=Decimal(10)))
        told = [world.look(hour, quote(THEIRS, str(100 + 4 * hour))) for hour in range(4)]
        assert [0, 0, 0, 1] == [len(events) for events in told]

    def test_edited(self, sqlite_book: Engine) -> None:
        """An edited rule is noted, and sends nothing of what happened before."""
        world = World(sqlite_book, ANY_PRICE)
        world.look(0, quote(THEIRS, "10"))
        world.rules = [replace(ANY_PRICE, prices=Pattern(seller="openai"))]
        assert ["rule_edited"] == [event.kind for event in world.look(1, quote(THEIRS, "8"))]
        assert [] == world.rows(Message)
        assert ["price_changed"] == [event.kind for event in world.look(2, quote(THEIRS, "9"))]

    def test_other_receivers(self, sqlite_book: Engine) -> None:
        """Who is told is no part of what a rule means."""
        world = World(sqlite_book, ANY_PRICE)
        world.look(0, quote(THEIRS, "10"))
        world.rules = [replace(ANY_PRICE, receivers=(), severity="critical")]
        assert ["price_changed"] == [event.kind for event in world.look(1, quote(THEIRS, "8"))]


class TestAhead:
    def test_scheduled(self, book: Engine) -> None:
        """A price that will change is told when its day is near, with where it is announced."""
        world = World(book, Ahead("soon", timedelta(days=1), receivers=("mail",)))
        page = quote(THEIRS, "10"), quote(THEIRS, "12", since=48)
        assert [] == world.look(0, *page)
        (event,) = world.judge(30)
        expected = (
            "openai gpt input will cost 12 USD for 10^6 tokens from 2026-08-23 on;"
            " now it is 10 USD for 10^6 tokens."
        )
        assert ("price_scheduled", expected) == (event.kind, event.text)
        assert ("$12", NOON + 48 * HOUR) == (event.why[0].evidence["quoted"], event.since)
        assert [[], [], []] == [world.look(31, *page), world.judge(47), world.judge(49)]

    def test_taken_back(self, sqlite_book: Engine) -> None:
        """That it isn't announced any more is told to who was told of it."""
        world = World(sqlite_book, Ahead("soon", timedelta(days=9), receivers=("mail",)))
        world.look(0, quote(THEIRS, "10"), quote(THEIRS, "12", since=48))
        (event,) = world.look(1, quote(THEIRS, "10"))
        assert "taken_back" == event.kind
        assert event.text.startswith("Not announced any more: openai gpt input will cost 12")

    def test_offer_ends(self, sqlite_book: Engine) -> None:
        """A price that ends, with nothing said of what follows, is the end of an offer."""
        world = World(
            sqlite_book,
            Ahead("prices", timedelta(days=9)),
            Ahead("ends", timedelta(days=9), ends=True),
        )
        (event,) = world.look(0, quote(THEIRS, "10", until=48))
        assert ("ends", "offer_closes") == (event.rule, event.kind)
        expected = (
            "openai gpt input: no price is known from 2026-08-23 on;"
            " now it is 10 USD for 10^6 tokens."
        )
        assert expected == event.text

    def test_announced_closing(self, sqlite_book: Engine) -> None:
        """The end of a whole offer, which no price list prints, is told as well."""
        training = Pattern(seller="openai", meter="training")
        world = World(sqlite_book, Ahead("ends", timedelta(days=200), ends=True, prices=training))
        (event,) = world.look(0, quote(THEIRS, "10"))
        assert "openai takes no new fine-tuning jobs from 2027-01-06 on" in event.text


class TestSources:
    def test_life(self, book: Engine) -> None:
        """A source that fails is told once, and once that it is read again."""
        health = SourceHealth("ill", 18 * HOUR, 3, SOURCES, ("mail",))
        world = World(book, health)
        world.look(0, quote(THEIRS, "10"))
        told = [event.kind for hour in (1, 2, 3, 4) for event in world.fail(hour)]
        told += [event.kind for event in world.fail(30)]
        told += [event.kind for event in world.look(31, quote(THEIRS, "10"))]
        assert ["source_error", "source_stale", "source_recovered"] == told
        assert 3 == len(world.rows(Message))

    def test_reviews(self, book: Engine) -> None:
        """What a second look didn't settle is told, once."""
        world = World(book, Reviews("look", SOURCES, ("mail",)))
        jump = Held("price jump", "the row", "$1: 10 before", quote(THEIRS, "1"), curable=True)
        other = quote(replace(THEIRS, product="other"), "5")
        looks = [world.look(hour, other, held=[jump]) for hour in (1, 2, 3)]
        assert [0, 1, 0] == [len(events) for events in looks]
        expected = "1 row of openai was set aside: price jump (the row: $1: 10 before)"
        assert expected == looks[1][0].text


PAYS = Crossing("pays", "bot", Bounds(Decimal(1)), Bounds(Decimal("1.05")), ("mail",))


class TestTrust:
    def world(self, engine: Engine) -> World:
        """Ours costs 1.2 times as much as theirs."""
        world = World(engine, PAYS)
        world.look(0, quote(OURS, "1.2"))
        world.look(0, quote(THEIRS, "1"))
        return world

    def test_old_prices(self, sqlite_book: Engine) -> None:
        """A ratio that rests on a price that is too old moves no rule, until it is read again."""
        world = self.world(sqlite_book)
        late = [world.look(hour, quote(OURS, "0.9")) for hour in (19, 20, 21)]
        assert ([[], [], []], "stale") == (late, world.health())
        world.look(22, quote(THEIRS, "1"))
        assert "fresh" == world.health()
        assert ["fired"] == [event.kind for event in world.look(23, quote(OURS, "0.9"))]

    def test_as_old_as_the_rule_allows(self, sqlite_book: Engine) -> None:
        """How old is for the rule to say."""
        world = self.world(sqlite_book)
        world.rules = [replace(PAYS, max_age=timedelta(days=9))]
        told = [event.kind for hour in (19, 20) for event in world.look(hour, quote(OURS, "0.9"))]
        assert ["fired"] == told

    def test_failing_source(self, sqlite_book: Engine) -> None:
        """A source that fails shows in the health; its last price still counts."""
        world = self.world(sqlite_book)
        for hour in (1, 2, 3):
            world.fail(hour)
        assert "error" == world.health()
        told = [event.kind for hour in (4, 5) for event in world.look(hour, quote(OURS, "0.9"))]
        assert ["fired"] == told

    def test_doubted_price(self, sqlite_book: Engine) -> None:
        """While the gate holds a price of one side, nothing is said of the ratio."""
        world = self.world(sqlite_book)
        other = quote(replace(THEIRS, product="other"), "5")
        jump = Held("price jump", "the row", "$9", quote(THEIRS, "9"))
        world.look(1, other, held=[jump])
        late = [world.look(hour, quote(OURS, "0.9")) for hour in (2, 3)]
        assert ([[], []], "quarantined") == (late, world.health())

    def test_a_day_off(self, sqlite_book: Engine) -> None:
        """What is found after a gap says between which looks it happened."""
        world = self.world(sqlite_book)
        world.look(99, quote(THEIRS, "1"))
        world.look(99, quote(OURS, "0.9"))
        (event,) = world.look(100, quote(OURS, "0.9"))
        assert event.text.startswith("Crossed the threshold between 2026-08-21T12:00:00Z and 2026-")
