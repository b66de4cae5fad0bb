"""What a person does by hand: accept or reject what was set aside, try a receiver."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from breakeven.app import App
from breakeven.daemon import judge_now
from breakeven.settings import Settings
from comparator.event import Cause, Event, Range
from comparator.notice import Notice, Point, Story
from comparator.receivers import deliver
from pricebook import book, runs
from pricebook.errors import ConfigError
from pricebook.quote import Quote, digits, isoformat
from pricebook.series import series_of

_MACHINE = "aws p4d.24xlarge instance (us-east-1, on demand)"
_LISTED, _CUT = Decimal("32.7726"), Decimal("21.957642")


def send_test(settings: Settings, name: str) -> str:
    """Send a message that looks like a real one, now and outside the outbox; says what came of it.

    Raises DeliveryFailed in the receiver's own words.
    """
    if name not in settings.receivers:
        known = ", ".join(settings.receivers) or "none is set"
        raise ConfigError(f"there is no receiver {name!r}; known: {known}")
    at = datetime.now(UTC).replace(microsecond=0)
    deliver(settings.receivers[name], Notice((Story((_sample(at),), _sample_course(at)),)))
    return f"{name} took the test message"


def accept(app: App, number: int) -> str:
    """Write a price that the gate had set aside, with the time it was first read, and judge."""
    now = app.now()
    with app.engine.begin() as connection:
        row = runs.open_review(connection, number)
        if row.amount is None:
            raise ConfigError(
                f"review {number} holds no price that could be accepted; reject it,"
                " or mend the reader of the page"
            )
        run = runs.note_run(connection, row.partition, now, "review")
        quote = Quote(
            series_of(row),
            row.amount,
            row.text,
            row.location,
            row.printed_unit,
            valid_from=row.valid_from or row.opened_at,
        )
        # Of several documents nobody knows any more which one it stood in.
        fetch = runs.only_fetch(connection, row.run_id)
        changes = book.accept(connection, book.Look(row.partition, run, now, [(quote, fetch)]))
        runs.decide(connection, number, runs.ACCEPTED, now)
        events = judge_now(app, connection, changes)
    told = (f"event: {event.rule}, {event.workload}: {event.kind}" for event in events)
    return "\n".join([f"accepted: {quote.series} = {digits(quote.amount)}", *told])


def reject(app: App, number: int) -> str:
    """Keep an amount out for good."""
    with app.engine.begin() as connection:
        row = runs.open_review(connection, number)
        runs.decide(connection, number, runs.REJECTED, app.now())
    return f"rejected: {row.text}"


def _sample(at: datetime) -> Event:
    """What a crossing looks like, with the figures of AWS's cut of June 2025: 33 % of a machine."""
    part = Range.exactly(_CUT / _LISTED)
    before = Range(Decimal("0.95"), Decimal("1.02"), Decimal("1.08"))
    api = Range.exactly(8)
    return Event(
        id=f"test-{at:%Y%m%d%H%M%S}",
        rule="a test of this receiver",
        kind="test",
        state="firing",
        at=at,
        workload="an example workload",
        threshold="ratio falls below 1",
        since=at,
        before=before,
        after=before * part,
        costs={"self-hosting": before * part * api, "the API": api},
        cost_unit="USD per run",
        verdict="self-hosting is cheaper",
        why=(_sample_cause(at),),
        text="This is a test: nothing has happened.",
        flips=(f"{_MACHINE} at 33.74 USD for an hour (now {_CUT})",),
    )


def _sample_cause(at: datetime) -> Cause:
    evidence = {
        "source": "aws-ec2/us-east-1",
        "quoted": str(_CUT),
        "where": "On demand › p4d.24xlarge",
        "url": "https://aws.amazon.com/ec2/pricing/on-demand/",
        "recorded_at": isoformat(at) or "",
    }
    unit = "USD for an hour"
    return Cause(_MACHINE, f"{_LISTED} {unit}", f"{_CUT} {unit}", Decimal(1), evidence)


def _sample_course(at: datetime) -> tuple[Point, ...]:
    """A year in which two price cuts make self-hosting pay."""
    steps = ((365, "1.31"), (240, "1.18"), (150, "1.24"), (60, "1.02"), (0, "0.68"))
    spread = Range(Decimal("0.94"), Decimal(1), Decimal("1.07"))
    return tuple(
        Point(at - timedelta(days=days), spread * Range.exactly(Decimal(ratio)))
        for days, ratio in steps
    )
