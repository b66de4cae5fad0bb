"""What is told together, what waits, what isn't told, and what happens when nobody answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from comparator.channels import Receipt, wording
from comparator.channels.slack import Webhook
from comparator.channels.slack_bot import Bot
from comparator.dispatch import Dispatch
from comparator.event import Cause, Event, Range
from comparator.notice import Notice
from comparator.outbox import BACKOFF, Outcome, deliveries, enqueue
from comparator.quiet import Digest, Wishes
from comparator.receivers import Receiver
from comparator.silence import Silence
from comparator.silences import add_silence, end_silence, silences
from pricebook.config import Secret
from pricebook.errors import ConfigError, DeliveryFailed
from pricebook.tables import EventRow, Message, Ratio

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SECRET = Secret("a webhook", env="NOT_SET")
UNREACHABLE = DeliveryFailed("can't be reached")


@dataclass
class Post:
    """Takes everything, unless `fault` says otherwise; keeps what was tried and what was taken."""

    fault: DeliveryFailed | None = None
    tried: list[tuple[datetime, str]] = field(default_factory=list)
    taken: list[tuple[str, Notice]] = field(default_factory=list)
    clock: Any = None
    only_for: str = ""

    def __call__(
        self, receiver: Receiver, notice: Notice, *, only: Sequence[str] | None
    ) -> Receipt:
        """One delivery."""
        self.tried.append((self.clock.now, receiver.name))
        if self.fault and self.only_for in ("", receiver.name):
            raise self.fault
        self.taken.append((receiver.name, notice))
        return Receipt("200", "ok", thread=f"thread {len(self.taken)}")

    @property
    def told(self) -> list[str]:
        """The events of each message that was taken."""
        return [" ".join(event.id for event in notice.events) for _, notice in self.taken]


@dataclass
class Life:
    """A book, receivers and a clock; `pass_` delivers what is due."""

    engine: Engine
    now: datetime
    receivers: dict[str, Receiver]
    post: Post = field(default_factory=Post)
    windows: tuple[Silence, ...] = ()
    report: str = ""

    def happen(self, name: str, kind: str = "fired", **parts: Any) -> Event:
        """An event for the receivers `to` (default: all), as of now."""
        to = parts.pop("to", tuple(self.receivers))
        rule = parts.pop("rule", "pays")
        is_open = kind in ("fired", "worsened", "initial")
        state = "firing" if is_open else "ok"
        parts.setdefault("since", self.now)
        event = Event(name, rule, kind, state, self.now, workload="bot", **parts)
        columns = {each: getattr(event, each) for each in ("id", "rule", "workload", "kind")}
        with self.engine.begin() as connection:
            row = insert(EventRow).values(**columns, state=state, at=self.now)
            connection.execute(row.values(details=event.details()))
            enqueue(connection, event, to, self.now)
        return event

    def pass_(self, after: timedelta = timedelta(0)) -> list[Outcome]:
        """Wait, and deliver."""
        self.now += after
        self.post.clock = self
        return Dispatch(
            self.engine,
            self.receivers,
            owner="one",
            windows=self.windows,
            report=self.report,
            clock=lambda: self.now,
            send=self.post,
            sleep=lambda _: None,
        ).deliver_due()

    def statuses(self) -> list[str]:
        """Of all messages, in order."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(Message.status).order_by(Message.id)).scalars())


def receiver(name: str, **wishes: Any) -> Receiver:
    """A Slack webhook with these wishes."""
    return Receiver(name, Webhook(SECRET), Wishes(**wishes))


@pytest.fixture
def life(sqlite_book: Engine, noon: datetime) -> Life:
    """One receiver without wishes."""
    return Life(sqlite_book, noon, {"ml": receiver("ml")})


def test_all_that_one_run_changed_is_one_message(book: Engine, noon: datetime) -> None:
    """Events of one run come together, those of the next run on their own."""
    life = Life(book, noon, {"ml": receiver("ml"), "ops": receiver("ops")})
    for number in range(3):
        life.happen(f"a{number}", rule=f"rule {number}")
    life.now += HOUR
    life.happen("b", rule="another")
    life.pass_()

    assert [words for who, words in zip(*recipients(life), strict=True) if who == "ml"] == [
        "a0 a1 a2",
        "b",
    ]
    assert life.statuses() == ["delivered"] * 8


def recipients(life: Life) -> tuple[list[str], list[str]]:
    """Who got what."""
    return [name for name, _ in life.post.taken], life.post.told


def test_a_pair_that_was_never_delivered_is_one_message(life: Life) -> None:
    """Fired and resolved while nobody could be told become one story, which tells both."""
    fired = life.happen("e1")
    life.post.fault = UNREACHABLE
    life.pass_()
    life.now += HOUR
    life.happen("e2", "resolved", since=fired.since)
    life.post.fault = None
    life.pass_(HOUR)

    assert life.post.told == ["e1 e2"]
    (story,) = life.post.taken[0][1].stories
    assert story.event.id == "e2"
    assert wording.summary(story).startswith("It began on 2026-11-23 12:00 UTC, which couldn't be")


def test_what_may_have_arrived_is_repeated_as_it_was(life: Life) -> None:
    """After an unclear answer nothing is added to the message: its id must stay the same."""
    fired = life.happen("e1")
    life.post.fault = DeliveryFailed("no answer", ambiguous=True)
    life.pass_()
    life.happen("e2", "resolved", since=fired.since)
    life.post.fault = None
    life.pass_(HOUR)

    assert life.post.told == ["e1", "e2"]
    assert [notice.repeat for _, notice in life.post.taken] == [True, False]


def test_an_episode_stays_in_its_thread(life: Life) -> None:
    """What follows is sent to where the beginning was told; the next episode begins anew."""
    fired = life.happen("e1")
    life.pass_()
    life.now += HOUR
    life.happen("e2", "resolved", since=fired.since)
    life.pass_()
    life.now += HOUR
    life.happen("e3")
    life.pass_()

    assert [notice.thread for _, notice in life.post.taken] == ["", "thread 1", ""]


def test_a_channel_with_threads_gets_one_message_for_each(life: Life) -> None:
    """Of one run, what belongs to an older thread is apart from what is new."""
    life.receivers = {"ml": Receiver("ml", Bot(SECRET, "C0123456789"))}
    fired = life.happen("e1", rule="first")
    life.pass_()
    life.now += HOUR
    life.happen("e2", "resolved", rule="first", since=fired.since)
    life.happen("e3", rule="second")
    life.happen("e4", rule="third")
    life.pass_()

    assert life.post.told == ["e1", "e2", "e3 e4"]


def test_a_digest_comes_at_its_hour_with_all_there_is(life: Life) -> None:
    """Nothing before 08:00, then one message, and what comes later waits for the next one."""
    life.receivers = {"ml": receiver("ml", digest=Digest(8, 0))}
    for number in range(3):
        life.happen(f"e{number}", rule=f"rule {number}")
        life.now += HOUR
    assert life.pass_() == []

    life.pass_(DAY)
    assert life.post.told == ["e0 e1 e2"]
    life.happen("later")
    assert life.pass_() == []


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (Digest(8, 0), datetime(2026, 11, 24, 8, tzinfo=UTC)),
        (Digest(12, 0), datetime(2026, 11, 24, 12, tzinfo=UTC)),
        (Digest(12, 1), datetime(2026, 11, 23, 12, 1, tzinfo=UTC)),
        (Digest(8, 0, 0), datetime(2026, 11, 30, 8, tzinfo=UTC)),
        (Digest(8, 0, 2), datetime(2026, 11, 25, 8, tzinfo=UTC)),
    ],
)
def test_a_digest_is_due_at_the_next_such_time(
    noon: datetime, digest: Digest, expected: datetime
) -> None:
    """Noon of Monday, 23 November 2026: the next time is later, never now."""
    assert digest.after(noon) == expected


def test_what_is_still_so_is_told_again_on_request(life: Life) -> None:
    """Every week with the ratio of now, until it is over; without the wish never."""
    life.receivers = {"ml": receiver("ml", repeat=7 * DAY), "ops": receiver("ops")}
    fired = life.happen("e1", after=Range.exactly(Decimal("0.9")))
    record_ratio(life, "0.8")
    life.pass_()
    life.pass_(7 * DAY)
    life.pass_(HOUR)
    reminder = life.post.taken[-1][1].stories[0].event

    assert recipients(life)[0] == ["ml", "ops", "ml"]
    assert (reminder.id, reminder.kind) == (fired.id, "reminder")
    assert wording.headline(reminder) == "Still so: pays, bot: ratio 0.8, was 0.9"
    assert reminder.text == "It has been so for 7 days."

    life.happen("e2", "resolved", since=fired.since)
    life.pass_()
    assert life.pass_(30 * DAY) == []


def record_ratio(life: Life, ratio: str) -> None:
    """A ratio as the judge writes it down."""
    value = Decimal(ratio)
    with life.engine.begin() as connection:
        connection.execute(
            insert(Ratio).values(
                workload="bot",
                at=life.now,
                low=value,
                point=value,
                high=value,
                health="fresh",
                calculation="",
                details={},
            )
        )


def test_only_what_is_critical_is_told_to_who_wants_that(life: Life) -> None:
    """The rest is listed with the reason; how a critical episode ended is told in any case."""
    life.receivers = {"ml": receiver("ml", severity="critical")}
    life.happen("e1", rule="mild")
    fired = life.happen("e2", severity="critical")
    life.pass_()
    life.happen("e3", "resolved", since=fired.since)
    life.pass_()

    assert life.post.told == ["e2", "e3"]
    with life.engine.connect() as connection:
        (delivery,) = deliveries(connection, ["e1"])["e1"]
    assert (delivery["outcome"], delivery["attempts"]) == ("silenced", 0)
    assert delivery["reason"] == "only what is critical is told here"


def silence(life: Life, span: timedelta, **match: str) -> int:
    """A silence from now on."""
    with life.engine.begin() as connection:
        return add_silence(connection, Silence(life.now, life.now + span, "we know", **match))


def test_what_is_still_so_after_a_silence_is_told_then(book: Engine, noon: datetime) -> None:
    """Silenced, a message waits, and holds nobody back; the end of the silence lets it go."""
    life = Life(book, noon, {"ml": receiver("ml")})
    silence(life, DAY, rule="pays")
    life.happen("e1")
    life.happen("e2", rule="another")
    life.pass_()
    assert life.post.told == ["e2"]

    life.pass_(DAY)
    assert life.post.told == ["e2", "e1"]


def test_what_begins_and_ends_in_a_silence_is_not_told(life: Life) -> None:
    """It is listed with the silence and its reason."""
    number = silence(life, DAY)
    fired = life.happen("e1")
    life.pass_()
    life.happen("e2", "resolved", since=fired.since)
    life.pass_(HOUR)
    life.pass_(2 * DAY)

    assert life.post.told == []
    assert life.statuses() == ["silenced", "silenced"]
    with life.engine.connect() as connection:
        (delivery,) = deliveries(connection, ["e1"])["e1"]
    assert delivery["reason"] == f"silence {number} until 2026-11-24 12:00 UTC: we know"


def test_the_end_of_what_was_told_before_is_told_after(life: Life) -> None:
    """Who knows that it began hears that it is over, when the silence is."""
    fired = life.happen("e1")
    life.pass_()
    silence(life, DAY)
    life.happen("e2", "resolved", since=fired.since)
    life.pass_()
    assert life.post.told == ["e1"]

    life.pass_(DAY)
    assert life.post.told == ["e1", "e2"]


def test_news_that_are_no_episode_are_dropped_in_a_silence(life: Life) -> None:
    """A price that changed days ago is no news any more."""
    silence(life, DAY, seller="openai")
    moved = Cause("openai gpt-5 output", "10", "8", None)
    life.happen("e1", "price_changed", since=None, why=(moved,))
    life.happen("e2", "price_changed", since=None, why=(Cause("aws p5 instance", "1", "2", None),))
    life.pass_()

    assert life.post.told == ["e2"]


@pytest.mark.parametrize(
    ("match", "covered"),
    [
        ({}, True),
        ({"rule": "pays"}, True),
        ({"rule": "pay"}, False),
        ({"workload": "bot"}, True),
        ({"seller": "openai"}, True),
        ({"seller": "open"}, False),
        ({"pattern": "openai gpt-5*"}, True),
        ({"pattern": "b?t"}, True),
        ({"pattern": "*7*"}, False),
        ({"rule": "pays", "seller": "aws"}, False),
    ],
)
def test_a_silence_covers_what_fits_all_that_it_names(
    noon: datetime, match: dict[str, str], covered: bool
) -> None:
    """Exact names, or a pattern over the rule, the workload and the prices that moved."""
    why = (Cause("openai gpt-5 output", "10", "8", None),)
    event = Event("e", "pays", "fired", "firing", noon, "bot", why=why)

    assert Silence(noon, noon + HOUR, "x", **match).covers(event, noon) is covered
    assert not Silence(noon, noon + HOUR, "x", **match).covers(event, noon + HOUR)


def test_a_silence_can_be_ended(book: Engine, noon: datetime) -> None:
    """It ends at once; one that is over, or never was, is refused by number."""
    life = Life(book, noon, {"ml": receiver("ml")})
    number = silence(life, DAY)
    with book.begin() as connection:
        assert [one.id for one in silences(connection, noon)] == [number]
        end_silence(connection, number, noon)
        assert silences(connection, noon) == []
        with pytest.raises(ConfigError, match=f"there is no silence {number}"):
            end_silence(connection, number, noon)


@pytest.mark.parametrize(("span", "reason"), [(timedelta(0), "x"), (HOUR, " ")])
def test_a_silence_without_an_end_or_a_reason_is_refused(
    life: Life, span: timedelta, reason: str
) -> None:
    """Nobody should find one and wonder."""
    endless = Silence(life.now, life.now + span, reason)
    with life.engine.begin() as connection, pytest.raises(ConfigError, match="a silence "):
        add_silence(connection, endless)


def test_a_maintenance_window_is_a_silence_of_the_configuration(life: Life) -> None:
    """It holds what happens, and says so."""
    life.windows = (Silence(life.now, life.now + DAY, "moving house"),)
    life.happen("e1")
    assert life.pass_() == []
    life.pass_(DAY)
    assert life.post.told == ["e1"]


def test_an_hour_without_anybody_there(book: Engine, noon: datetime) -> None:
    """Slack and SMTP down for an hour, 20 events: all is delivered within two steps, in order."""
    life = Life(book, noon, {"ml": receiver("ml"), "ops": receiver("ops")})
    life.post.fault = UNREACHABLE
    for number in range(20):
        life.happen(f"e{number:02}", rule=f"rule {number}")
        life.pass_(timedelta(minutes=3))
    back = life.now
    life.post.fault = None
    while "pending" in life.statuses():
        life.pass_(timedelta(minutes=5))

    names, told = recipients(life)
    for name in ("ml", "ops"):
        mine = " ".join(words for who, words in zip(names, told, strict=True) if who == name)
        assert mine.split() == [f"e{number:02}" for number in range(20)]
        assert sum(who == name for _, who in life.post.tried) - len(mine.split()) <= 5
    assert life.now - back <= BACKOFF[2] + BACKOFF[3]


def test_no_request_while_we_were_asked_to_wait(life: Life) -> None:
    """A storm of 429 with 40 events: not one request inside the pause, and all is told."""
    asked = DeliveryFailed("rate_limited", retry_after=90.0, code="429")
    for number in range(40):
        life.post.fault = asked if number < 20 else None
        life.happen(f"e{number:03}", rule=f"rule {number}")
        life.pass_(timedelta(seconds=15))
    life.pass_(HOUR)

    times = [at for at, _ in life.post.tried]
    failures = len(times) - len(life.post.taken)
    assert failures > 1
    assert all(times[n + 1] - times[n] >= timedelta(seconds=90) for n in range(failures))
    assert " ".join(life.post.told).split() == [f"e{number:03}" for number in range(40)]


def test_a_receiver_that_refuses_is_reported_to_another(book: Engine, noon: datetime) -> None:
    """Once, in its own words, until it works again and fails anew."""
    life = Life(book, noon, {"ml": receiver("ml"), "ops": receiver("ops")}, report="ops")
    life.post.fault = DeliveryFailed("no_service", permanent=True, code="404")
    life.post.only_for = "ml"
    for number in range(3):
        life.happen(f"e{number}", rule=f"rule {number}", to=("ml",))
        life.pass_(HOUR)
    (report,) = [notice.stories[0].event for _, notice in life.post.taken]

    assert recipients(life)[0] == ["ops"]
    assert wording.headline(report) == "Not delivered: receiver ml"
    assert report.text.startswith("ml refused a message: no_service.")

    life.post.fault = None
    life.happen("works", to=("ml",))
    life.pass_(HOUR)
    life.post.fault = DeliveryFailed("no_service", permanent=True, code="404")
    life.happen("fails again", to=("ml",))
    life.pass_(HOUR)
    assert recipients(life)[0] == ["ops", "ml", "ops"]


def test_a_receiver_that_is_away_for_hours_is_reported(life: Life) -> None:
    """Long before its messages are given up."""
    life.receivers |= {"ops": receiver("ops")}
    life.report = "ops"
    life.post.fault, life.post.only_for = UNREACHABLE, "ml"
    life.happen("e1", to=("ml",))
    for wait in (timedelta(0), *BACKOFF):
        life.pass_(wait)

    (report,) = [notice.stories[0].event for _, notice in life.post.taken]
    assert report.text.startswith("ml can't be reached, 6 times now: can't be reached.")


def test_a_report_that_fails_is_not_reported(life: Life) -> None:
    """The last receiver has nobody behind it."""
    life.report = "ml"
    life.post.fault = DeliveryFailed("no_service", permanent=True, code="404")
    life.happen("e1")
    life.pass_()

    assert life.statuses() == ["refused"]
