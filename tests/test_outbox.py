"""The outbox: nothing is lost, nothing is marked before it is sent, every try is written down."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from breakeven.demo.sinks import RETRY_AFTER_SECONDS, MailSink, SlackSink
from comparator.channels import Receipt
from comparator.channels.email import Mailbox
from comparator.channels.slack import Webhook
from comparator.claiming import LEASE
from comparator.dispatch import Dispatch
from comparator.event import Event
from comparator.notice import Notice
from comparator.outbox import BACKOFF, GIVE_UP, REST, deliveries, enqueue
from comparator.outbox import failing as failing_receivers
from comparator.receivers import Receiver, deliver
from pricebook.config import Secret
from pricebook.errors import ConfigError, DeliveryFailed
from pricebook.tables import Attempt, EventRow, Message

ML = Receiver("ml", Webhook(Secret("ml webhook", env="ML_WEBHOOK")))
OPS = Receiver("ops", Webhook(Secret("ops webhook", env="OPS_WEBHOOK")))
BOTH = {"ml": ML, "ops": OPS}

TAKEN = Receipt("200", "ok")
UNREACHABLE = DeliveryFailed("can't be reached")
UNCLEAR = DeliveryFailed("no answer", ambiguous=True)
GONE = DeliveryFailed("no_service", permanent=True, code="404")


@dataclass
class Clock:
    """A time that stands still until it is moved."""

    now: datetime

    def __call__(self) -> datetime:
        """The time."""
        return self.now


@dataclass
class Post:
    """Records what is sent, and answers as planned; after that everything is taken."""

    answers: list[Receipt | BaseException] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)
    repeats: list[bool] = field(default_factory=list)
    only: list[Sequence[str] | None] = field(default_factory=list)

    def __call__(
        self, receiver: Receiver, notice: Notice, *, only: Sequence[str] | None
    ) -> Receipt:
        """One delivery."""
        self.sent.append((receiver.name, " ".join(event.id for event in notice.events)))
        self.repeats.append(notice.repeat)
        self.only.append(only)
        answer = self.answers.pop(0) if self.answers else TAKEN
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def clock(noon: datetime) -> Clock:
    """Noon, to begin with."""
    return Clock(noon)


def happen(engine: Engine, now: datetime, number: int, *receivers: str) -> Event:
    """An event of a run of its own, with a message for each receiver, as the judge writes them."""
    at = now - timedelta(seconds=100 - number)
    event = Event(f"event-{number}", "pays", "fired", "firing", at, workload="bot")
    columns = {name: getattr(event, name) for name in ("id", "rule", "workload", "kind", "state")}
    with engine.begin() as connection:
        details = event.details()
        connection.execute(insert(EventRow).values(at=at, details=details, **columns))
        enqueue(connection, event, receivers, at)
    return event


def run(engine: Engine, clock: Clock, post: Any, **options: Any) -> list[tuple[str, str]]:
    """One pass: what each try gave, and what became of its message."""
    outcomes = Dispatch(
        engine,
        options.pop("receivers", BOTH),
        owner=options.pop("owner", "one"),
        clock=clock,
        send=post,
        sleep=options.pop("sleep", lambda _: None),
        **options,
    ).deliver_due()
    return [(outcome.result, outcome.status) for outcome in outcomes]


def rows(engine: Engine, table: type, *names: str) -> list[tuple[Any, ...]]:
    """Some columns of all rows, in order."""
    with engine.connect() as connection:
        columns = [getattr(table, name) for name in names]
        return [tuple(row) for row in connection.execute(select(*columns).order_by(table.id))]


def test_every_receiver_gets_every_event_in_order(book: Engine, clock: Clock) -> None:
    """What happened first is told first, to each receiver."""
    post = Post()
    happen(book, clock.now, 1, "ml", "ops")
    happen(book, clock.now, 2, "ml")

    assert run(book, clock, post) == [("delivered", "delivered")] * 3
    assert post.sent == [("ml", "event-1"), ("ops", "event-1"), ("ml", "event-2")]
    assert rows(book, Message, "status", "attempts") == [("delivered", 1)] * 3


def test_what_was_delivered_is_not_sent_again(sqlite_book: Engine, clock: Clock) -> None:
    """A second pass has nothing to do."""
    happen(sqlite_book, clock.now, 1, "ml")
    run(sqlite_book, clock, Post())

    assert run(sqlite_book, clock, Post()) == []


def test_one_message_for_each_event_and_receiver(sqlite_book: Engine, clock: Clock) -> None:
    """A receiver named twice is told once, and an event can't be queued twice."""
    event = happen(sqlite_book, clock.now, 1, "ml", "ml")

    assert rows(sqlite_book, Message, "receiver") == [("ml",)]
    with pytest.raises(IntegrityError), sqlite_book.begin() as connection:
        enqueue(connection, event, ["ml"], clock.now)


def test_the_event_arrives_as_it_was_recorded(sqlite_book: Engine, clock: Clock) -> None:
    """What is sent is read back from the database, whole."""
    seen: list[Event] = []

    def send(receiver: Receiver, notice: Notice, **options: Any) -> Receipt:
        seen.extend(notice.events)
        return TAKEN

    event = happen(sqlite_book, clock.now, 1, "ml")
    run(sqlite_book, clock, send)

    assert seen == [event]


def test_nothing_is_marked_before_it_is_sent(book: Engine, clock: Clock) -> None:
    """While a message is being sent it is pending and leased, and no transaction is open."""
    seen: list[tuple[Any, ...]] = []

    def send(receiver: Receiver, notice: Notice, **options: Any) -> Receipt:
        seen.extend(rows(book, Message, "status", "lease_owner", "lease_until"))
        with book.begin() as connection:  # would wait for an open write transaction
            connection.execute(text("UPDATE message SET receiver = receiver"))
        return TAKEN

    happen(book, clock.now, 1, "ml")
    run(book, clock, send)

    assert seen == [("pending", "one", clock.now + LEASE)]


def test_every_try_is_written_down(sqlite_book: Engine, clock: Clock) -> None:
    """Time, outcome, code and the receiver's own words of each attempt are kept."""
    post = Post([UNREACHABLE, UNCLEAR, DeliveryFailed("busy", code="429"), TAKEN])
    start = clock.now
    happen(sqlite_book, start, 1, "ml")
    for wait in (timedelta(0), *BACKOFF[:3]):
        clock.now += wait
        run(sqlite_book, clock, post)

    minute = timedelta(minutes=1)
    assert rows(sqlite_book, Attempt, "at", "outcome", "code", "reason") == [
        (start, "never_sent", "", "can't be reached"),
        (start + minute, "ambiguous", "", "no answer"),
        (start + 6 * minute, "refused", "429", "busy"),
        (start + 21 * minute, "delivered", "200", "ok"),
    ]


def test_reasons_are_cut_at_500_characters(sqlite_book: Engine, clock: Clock) -> None:
    """A server that answers with a novel doesn't fill the database, nor break its lines."""
    happen(sqlite_book, clock.now, 1, "ml")
    run(sqlite_book, clock, Post([DeliveryFailed("a\r\n\x1b[31m" + "x" * 9_000)]))
    reason = rows(sqlite_book, Attempt, "reason")[0][0]

    assert len(reason) == 500
    assert reason.startswith("a [31mxxx")


def test_the_waits_grow_from_a_minute_to_six_hours(sqlite_book: Engine, clock: Clock) -> None:
    """1, 5, 15, 60, 180 minutes, then every six hours; a moment earlier nothing is tried."""
    minutes = [1, 5, 15, 60, 180, 360, 360, 360]
    happen(sqlite_book, clock.now, 1, "ml")
    run(sqlite_book, clock, Post([UNREACHABLE]))

    for wait in minutes:
        clock.now += timedelta(minutes=wait, seconds=-1)
        assert run(sqlite_book, clock, Post([UNREACHABLE])) == []
        clock.now += timedelta(seconds=1)
        assert run(sqlite_book, clock, Post([UNREACHABLE])) == [("never_sent", "pending")]


def test_after_three_days_of_tries_a_message_is_dead(sqlite_book: Engine, clock: Clock) -> None:
    """It is given up at a failure 72 hours after its first, and not tried again."""
    happen(sqlite_book, clock.now, 1, "ml")
    run(sqlite_book, clock, Post([UNREACHABLE]))
    clock.now += GIVE_UP - timedelta(seconds=1)
    assert run(sqlite_book, clock, Post([UNREACHABLE])) == [("never_sent", "pending")]

    clock.now += BACKOFF[-1]
    assert run(sqlite_book, clock, Post([UNREACHABLE])) == [("never_sent", "dead")]
    clock.now += GIVE_UP
    assert run(sqlite_book, clock, Post()) == []


def test_our_own_downtime_uses_up_no_tries(sqlite_book: Engine, clock: Clock) -> None:
    """After a week without a daemon a message has all its tries before it."""
    happen(sqlite_book, clock.now, 1, "ml")
    clock.now += timedelta(days=7)

    assert run(sqlite_book, clock, Post([UNREACHABLE])) == [("never_sent", "pending")]
    clock.now += BACKOFF[0]
    assert run(sqlite_book, clock, Post()) == [("delivered", "delivered")]


def test_a_message_that_waits_holds_back_the_later_ones(sqlite_book: Engine, clock: Clock) -> None:
    """`resolved` never overtakes `fired`, and other receivers don't wait for it."""
    post = Post([UNREACHABLE])
    happen(sqlite_book, clock.now, 1, "ml")
    happen(sqlite_book, clock.now, 2, "ml", "ops")
    run(sqlite_book, clock, post)
    assert post.sent == [("ml", "event-1"), ("ops", "event-2")]

    clock.now += BACKOFF[0]
    run(sqlite_book, clock, post)
    assert post.sent[2:] == [("ml", "event-1"), ("ml", "event-2")]


def test_a_refused_message_is_shown_and_lets_the_others_go(
    sqlite_book: Engine, clock: Clock
) -> None:
    """What can't succeed is not tried again; the receiver rests, then gets the next one."""
    post = Post([GONE])
    happen(sqlite_book, clock.now, 1, "ml")
    happen(sqlite_book, clock.now, 2, "ml")
    assert run(sqlite_book, clock, post) == [("refused", "refused")]
    assert rows(sqlite_book, Message, "status") == [("refused",), ("pending",)]

    clock.now += REST
    assert run(sqlite_book, clock, post) == [("delivered", "delivered")]


def test_a_queue_is_not_thrown_at_a_closed_door(sqlite_book: Engine, clock: Clock) -> None:
    """With a wrong password fifty messages make one failed login in five minutes, not fifty."""
    post = Post([GONE] * 50)
    for number in range(50):
        happen(sqlite_book, clock.now, number, "ml")

    run(sqlite_book, clock, post)
    clock.now += REST - timedelta(seconds=1)
    run(sqlite_book, clock, post)

    assert len(post.sent) == 1


@pytest.mark.parametrize(("asked", "waits"), [(30.0, 60), (90.0, 90), (7200.0, 7200)])
def test_the_receivers_own_wait_is_kept(
    sqlite_book: Engine, clock: Clock, asked: float, waits: int
) -> None:
    """Retry-After pauses the receiver, for messages too that come meanwhile."""
    post = Post([DeliveryFailed("rate_limited", retry_after=asked, code="429")])
    happen(sqlite_book, clock.now, 1, "ml")
    run(sqlite_book, clock, post)
    happen(sqlite_book, clock.now, 2, "ml")

    clock.now += timedelta(seconds=waits - 1)
    assert run(sqlite_book, clock, post) == []
    clock.now += timedelta(seconds=1)
    assert run(sqlite_book, clock, post) == [("delivered", "delivered")] * 2


def test_a_wait_is_never_cut_by_rounding(sqlite_book: Engine, clock: Clock) -> None:
    """The database keeps whole seconds: a pause that ends within one ends after it."""
    clock.now += timedelta(milliseconds=900)
    happen(sqlite_book, clock.now, 1, "ml")
    run(sqlite_book, clock, Post([DeliveryFailed("slowly", retry_after=90.0, code="429")]))

    clock.now += timedelta(seconds=89.9)
    assert run(sqlite_book, clock, Post()) == []


def test_a_wait_of_years_ends_after_a_day(sqlite_book: Engine, clock: Clock) -> None:
    """No server can silence a receiver for good."""
    happen(sqlite_book, clock.now, 1, "ml")
    run(sqlite_book, clock, Post([DeliveryFailed("x", retry_after=1e30, code="429")]))

    clock.now += timedelta(days=1)
    assert run(sqlite_book, clock, Post()) == [("delivered", "delivered")]


def test_an_unclear_try_is_repeated_with_a_warning(sqlite_book: Engine, clock: Clock) -> None:
    """Only what may have arrived is marked as a possible repeat, and stays so marked."""
    post = Post([UNREACHABLE, UNCLEAR, UNREACHABLE])
    happen(sqlite_book, clock.now, 1, "ml")
    for _ in range(4):
        run(sqlite_book, clock, post)
        clock.now += timedelta(hours=1)

    assert post.repeats == [False, False, True, True]


def test_who_is_still_to_get_a_mail_gets_it_alone(book: Engine, clock: Clock) -> None:
    """A recipient who was put off is tried again without a second copy for the others."""
    post = Post([Receipt("250", "b: 450 later", ("b@example.com",)), UNREACHABLE])
    happen(book, clock.now, 1, "ml")
    assert run(book, clock, post) == [("delivered", "pending")]

    for _ in range(2):
        clock.now += timedelta(hours=1)
        run(book, clock, post)

    assert post.only == [None, ("b@example.com",), ("b@example.com",)]
    assert rows(book, Message, "status") == [("delivered",)]


class Killed(BaseException):
    """The process ends here."""


def test_a_process_that_dies_while_sending_loses_nothing(book: Engine, clock: Clock) -> None:
    """When its lease is over another takes the message, with the same id and a warning."""
    happen(book, clock.now, 1, "ml")
    with pytest.raises(Killed):
        run(book, clock, Post([Killed()]), owner="first")

    clock.now += LEASE - timedelta(seconds=1)
    assert run(book, clock, Post(), owner="second") == []

    clock.now += timedelta(seconds=1)
    post = Post()
    assert run(book, clock, post, owner="second") == [("delivered", "delivered")]
    assert (post.sent, post.repeats) == ([("ml", "event-1")], [True])
    assert rows(book, Attempt, "outcome", "reason") == [
        ("ambiguous", "first was sending it and ended before it wrote down the answer"),
        ("delivered", "ok"),
    ]


DELIVER = """
import sys
from comparator.channels.slack import Webhook
from comparator.dispatch import Dispatch
from comparator.receivers import Receiver, deliver
from pricebook.config import Secret
from pricebook.schema import open_book

ml = Receiver("ml", Webhook(Secret("ml webhook", env="ML_WEBHOOK")))
print(Dispatch(open_book(sys.argv[1]), {"ml": ml}, owner="killed").deliver_due())
"""


def test_a_killed_process_leaves_its_message_to_another(
    sqlite_book: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL in the middle of a delivery: the message comes again, and says so."""
    start = datetime.now(UTC)
    happen(sqlite_book, start, 1, "ml")
    with SlackSink(plan=["hang"]) as slack:
        monkeypatch.setenv("ML_WEBHOOK", slack.url)
        child = subprocess.Popen([sys.executable, "-c", DELIVER, str(sqlite_book.url)])
        wait_until(lambda: bool(slack.posts))
        child.kill()
        child.wait()
        after = Clock(start + LEASE + timedelta(minutes=1))
        outcomes = Dispatch(sqlite_book, BOTH, owner="second", clock=after).deliver_due()

    assert [outcome.result for outcome in outcomes] == ["delivered"]
    assert "Possible repeat" in str(slack.messages[0])


def wait_until(true: Callable[[], bool]) -> None:
    """Until it is so; the time limit of every test ends it else."""
    while not true():
        time.sleep(0.02)


def test_several_processes_send_everything_once_and_in_order(book: Engine, noon: datetime) -> None:
    """Four at once on one queue: no message twice, none lost, none before an earlier one."""
    post = Post()
    for number in range(12):
        happen(book, noon, number, "ml", "ops")

    def work(owner: str) -> None:
        for _ in range(12):
            run(book, Clock(noon), post, owner=owner)

    workers = [threading.Thread(target=work, args=(f"worker {n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    expected = [f"event-{number}" for number in range(12)]
    assert [event for receiver, event in post.sent if receiver == "ml"] == expected
    assert [event for receiver, event in post.sent if receiver == "ops"] == expected


def test_while_one_sends_another_finds_nothing(book: Engine, clock: Clock) -> None:
    """Two processes share a queue without sending anything twice or out of order."""
    others: list[list[tuple[str, str]]] = []

    def send(receiver: Receiver, notice: Notice, **options: Any) -> Receipt:
        others.append(run(book, clock, Post(), owner="second"))
        return TAKEN

    happen(book, clock.now, 1, "ml")
    happen(book, clock.now, 2, "ml")
    run(book, clock, send, owner="first")

    assert others == [[], []]


def overtaken(book: Engine, clock: Clock, *, second: Any) -> Callable[..., Receipt]:
    """A send that takes longer than its lease, while another process sends the same message."""

    def send(receiver: Receiver, notice: Notice, **options: Any) -> Receipt:
        clock.now += LEASE
        run(book, clock, Post([second]), owner="second")
        raise UNREACHABLE

    return send


def test_who_lost_the_lease_can_not_undo_a_delivery(book: Engine, clock: Clock) -> None:
    """The late word of a process that was given up changes nothing."""
    happen(book, clock.now, 1, "ml")
    run(book, clock, overtaken(book, clock, second=TAKEN), owner="first")

    assert rows(book, Message, "status") == [("delivered",)]


def test_a_late_delivery_counts(book: Engine, clock: Clock) -> None:
    """A message that arrived needs no repeat, even if its lease was over."""

    def send(receiver: Receiver, notice: Notice, **options: Any) -> Receipt:
        clock.now += LEASE
        run(book, clock, Post([UNREACHABLE]), owner="second")
        return TAKEN

    happen(book, clock.now, 1, "ml")
    run(book, clock, send, owner="first")

    assert rows(book, Message, "status", "lease_owner") == [("delivered", None)]


def test_a_removed_receiver_is_named_and_its_messages_wait(
    sqlite_book: Engine, clock: Clock
) -> None:
    """A slip in the configuration can be mended within three days without loss."""
    happen(sqlite_book, clock.now, 1, "ml")
    assert run(sqlite_book, clock, Post(), receivers={}) == [("never_sent", "pending")]
    assert rows(sqlite_book, Attempt, "reason") == [
        (
            "receiver ml is not in the configuration: put it back, or its messages are given up"
            " after 72 h",
        )
    ]

    clock.now += BACKOFF[0]
    assert run(sqlite_book, clock, Post()) == [("delivered", "delivered")]


def test_a_missing_secret_is_no_loss(sqlite_book: Engine, clock: Clock) -> None:
    """Nothing was sent, the sentence is kept, and it is tried again."""
    happen(sqlite_book, clock.now, 1, "ml")

    assert run(sqlite_book, clock, Post([ConfigError("X is missing")])) == [
        ("never_sent", "pending")
    ]
    assert rows(sqlite_book, Attempt, "reason") == [("X is missing",)]


def test_a_fault_of_ours_blocks_nobody_and_tells_no_secret(
    sqlite_book: Engine, clock: Clock
) -> None:
    """An unforeseen error ends that message visibly; its text could hold anything."""
    happen(sqlite_book, clock.now, 1, "ml")
    happen(sqlite_book, clock.now, 2, "ops")

    outcomes = run(sqlite_book, clock, Post([KeyError("https://hooks.example/s3cret")]))

    assert outcomes == [("refused", "refused"), ("delivered", "delivered")]
    reason = rows(sqlite_book, Attempt, "reason")[0][0]
    assert reason.startswith("a fault of breakeven: KeyError in __call__, line ")


def test_a_receiver_gets_one_message_a_second(sqlite_book: Engine, clock: Clock) -> None:
    """A queue that built up is sent at the pace that Slack takes."""
    pauses: list[float] = []
    for number in range(4):
        happen(sqlite_book, clock.now, number, "ml")
    run(sqlite_book, clock, Post(), sleep=pauses.append)

    assert pauses == [1.0, 1.0, 1.0]


def test_a_signal_waits_for_one_message_at_most(sqlite_book: Engine, clock: Clock) -> None:
    """Asked to stop, a pass ends after the message in hand and leaves no lease."""
    post = Post()
    for number in range(3):
        happen(sqlite_book, clock.now, number, "ml")
    run(sqlite_book, clock, post, stopping=lambda: len(post.sent) == 1)

    assert len(post.sent) == 1
    assert rows(sqlite_book, Message, "lease_owner") == [(None,)] * 3


def test_the_listing_shows_where_each_delivery_stands(book: Engine, clock: Clock) -> None:
    """Receiver, outcome, time, tries and the last reason, for each event that is asked for."""
    happen(book, clock.now, 1, "ml", "ops")
    happen(book, clock.now, 2, "ml")
    run(book, clock, Post([GONE]), receivers=BOTH)
    at = "2026-11-23T12:00:00Z"

    with book.connect() as connection:
        listed = deliveries(connection, ["event-1", "event-2", "event-3"])

    assert listed == {
        "event-1": [
            {
                "receiver": "ml",
                "outcome": "refused",
                "at": at,
                "attempts": 1,
                "reason": "no_service",
            },
            {"receiver": "ops", "outcome": "delivered", "at": at, "attempts": 1, "reason": "ok"},
        ],
        "event-2": [
            {"receiver": "ml", "outcome": "pending", "at": None, "attempts": 0, "reason": ""}
        ],
        "event-3": [],
    }


def test_a_receiver_that_fails_is_named_until_it_works_again(book: Engine, clock: Clock) -> None:
    """The last try of each receiver tells whether it works."""
    happen(book, clock.now, 1, "ml", "ops")
    happen(book, clock.now, 2, "ml")
    run(book, clock, Post([GONE]))
    with book.connect() as connection:
        assert failing_receivers(connection) == {"ml": "no_service"}

    clock.now += REST
    run(book, clock, Post())
    with book.connect() as connection:
        assert failing_receivers(connection) == {}


def test_from_the_queue_to_slack_and_mail(
    sqlite_book: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the real channels: Slack asks for a pause, is left alone, then gets its message."""
    with SlackSink(plan=["rate_limited"]) as slack, MailSink() as mail:
        monkeypatch.setenv("ML_WEBHOOK", slack.url)
        box = Mailbox("box", "127.0.0.1", mail.port, "none", "a@example.com", ("b@example.com",))
        receivers = {"ml": ML, "box": Receiver("box", box)}
        happen(sqlite_book, clock.now, 1, "ml", "box")
        first = Dispatch(sqlite_book, receivers, owner="one", clock=clock).deliver_due()
        clock.now += timedelta(seconds=RETRY_AFTER_SECONDS)
        meanwhile = Dispatch(sqlite_book, receivers, owner="one", clock=clock).deliver_due()
        clock.now += BACKOFF[0]
        last = Dispatch(sqlite_book, receivers, owner="one", clock=clock).deliver_due()

    assert [(one.receiver, one.result) for one in first] == [
        ("ml", "refused"),
        ("box", "delivered"),
    ]
    assert meanwhile == []
    assert [(one.receiver, one.result) for one in last] == [("ml", "delivered")]
    assert (len(slack.messages), len(mail.mails)) == (1, 1)


def test_no_secret_is_in_the_database(
    sqlite_book: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every kind of failure the webhook's address is nowhere in the file."""
    with SlackSink(plan=["no_service", "rollup_error", "close", "ok"]) as slack:
        monkeypatch.setenv("ML_WEBHOOK", slack.url)
        for number in range(4):
            happen(sqlite_book, clock.now, number, "ml")
            run(sqlite_book, clock, deliver)
            clock.now += timedelta(hours=1)

    with sqlite_book.connect() as connection:
        dump = "\n".join(connection.connection.driver_connection.iterdump())
    assert "no_service" in dump
    assert "localsecret" not in dump
