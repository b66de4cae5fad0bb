"""`breakeven alerts show`: one event whole, and every try to tell somebody of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from breakeven.app import App
from breakeven.output import clean, table
from comparator.channels import wording
from comparator.event import Cause, Event
from pricebook.errors import ConfigError
from pricebook.quote import isoformat
from pricebook.schema import reading
from pricebook.tables import Attempt, EventRow, Message

_COLUMNS = ("id", "rule", "workload", "kind", "state", "at")


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt to deliver a message."""

    at: datetime
    outcome: str
    code: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """One entry of `tries`."""
        said = {"outcome": self.outcome, "code": self.code, "reason": self.reason}
        return {"at": isoformat(self.at), **said}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to one receiver. `reminder`: 0 for the event's own, else the number of one that it
    still is so. `due`: when it is tried next; None when it isn't any more."""

    receiver: str
    outcome: str
    reminder: int
    due: datetime | None
    tries: tuple[Try, ...]

    def as_dict(self) -> dict[str, Any]:
        """One entry of `deliveries`."""
        return {
            "receiver": self.receiver,
            "outcome": self.outcome,
            "reminder": self.reminder,
            "next_attempt_at": isoformat(self.due),
            "tries": [one.as_dict() for one in self.tries],
        }


@dataclass(frozen=True, slots=True)
class Shown:
    """An event, the state that its rule was last said to be in before ("" at first), messages."""

    event: Event
    state_before: str
    deliveries: tuple[Delivery, ...]

    def as_dict(self) -> dict[str, Any]:
        """What `alerts show --json` gives (docs/json.md)."""
        event = self.event
        return {
            "event": event.id,
            "rule": event.rule,
            "workload": event.workload,
            "kind": event.kind,
            "state_before": self.state_before or None,
            "state": event.state,
            "at": isoformat(event.at),
            **event.details(),
            "explain": wording.followup(event),
            "silence": wording.hush(event) or None,
            "deliveries": [one.as_dict() for one in self.deliveries],
        }


def shown(app: App, number: str) -> Shown:
    """The event of that number, "" is the newest; ConfigError when there is none, or several
    begin so."""
    with reading(app.engine) as connection:
        row = _row(connection, number)
        event = Event.restore({name: getattr(row, name) for name in _COLUMNS}, row.details)
        return Shown(event, _state_before(connection, event), tuple(_sent(connection, event)))


def lines(one: Shown) -> Iterator[str]:
    """All of it for people."""
    event = one.event
    yield clean(wording.headline(event))
    if event.text:
        yield clean(event.text)
    yield ""
    yield table([["Event", event.id], ["State", _states(one)], *map(list, wording.facts(event))])
    if event.verdict:
        yield clean(f"Now {event.verdict}.")
    yield from _section("Why", [line for cause in event.why for line in _because(cause)])
    yield from _section("What would end it", [f"  {clean(words)}" for words in event.flips])
    told = [line for delivery in one.deliveries for line in _told(delivery)]
    yield from _section("Who was told", told or ["  nobody: it was only recorded"])
    commands = (wording.followup(event), wording.hush(event))
    yield from _section("What to do", [f"  {clean(words)}" for words in commands if words])


def _row(connection: Connection, number: str) -> Any:
    query = select(EventRow.__table__).where(EventRow.id.startswith(number, autoescape=True))
    order = EventRow.id if number else EventRow.at.desc()
    rows = connection.execute(query.order_by(order).limit(2)).all()
    if not rows:
        what = f"there is no event {number!r}" if number else "there are no events yet"
        raise ConfigError(f"{what}; `breakeven alerts` lists them")
    if len(rows) > 1 and rows[0].id != number != "":
        raise ConfigError(f"several events begin with {number!r}; write more of the number")
    return rows[0]


def _state_before(connection: Connection, event: Event) -> str:
    query = (
        select(EventRow.state)
        .where(EventRow.rule == event.rule, EventRow.at < event.at)
        .order_by(EventRow.at.desc())
        .limit(1)
    )
    return connection.execute(query).scalar() or ""


def _sent(connection: Connection, event: Event) -> Iterator[Delivery]:
    query = select(Message.__table__).where(Message.event_id == event.id).order_by(Message.id)
    for row in connection.execute(query).all():
        tried = select(Attempt.at, Attempt.outcome, Attempt.code, Attempt.reason)
        rows = connection.execute(tried.where(Attempt.message_id == row.id).order_by(Attempt.id))
        due = row.next_attempt_at if row.status == "pending" else None
        tries = tuple(Try(*one) for one in rows)
        yield Delivery(row.receiver, row.status, row.reminder, due, tries)


def _section(title: str, body: Sequence[str]) -> Iterator[str]:
    if body:
        yield from ("", title, *body)


def _states(one: Shown) -> str:
    before = f", {one.state_before} before" if one.state_before else ""
    return f"{one.event.state}{before}"


def _because(cause: Cause) -> Iterator[str]:
    """The share to six digits; `--json` has all of them."""
    share = "" if cause.share is None else f", {100 * cause.share:.6g} % of the change"
    yield clean(f"  {cause.input}: {cause.before} → {cause.after}{share}")
    for words in (wording.source(cause), cause.evidence.get("url", "")):
        if words:
            yield clean(f"    {words}")


def _told(one: Delivery) -> Iterator[str]:
    reminder = f", reminder {one.reminder}" if one.reminder else ""
    due = f", next try {wording.moment(one.due)}" if one.due else ""
    yield f"  {clean(one.receiver)}{reminder}: {one.outcome}{due}"
    for each in one.tries:
        said = ", ".join(word for word in (each.outcome, each.code, each.reason) if word)
        yield clean(f"    {wording.moment(each.at)}: {said}")
