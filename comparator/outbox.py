"""The outbox: every message is a row before it is sent, and stays one until somebody has it.

A row is claimed with a lease, sent outside of any transaction, and only then marked. So a crash
at any moment loses nothing; at worst a message comes twice, and says so, with the same id.

The messages of one receiver go out in order: the oldest that is pending holds back the others.
That keeps `resolved` behind `fired`. A receiver that wants to be left alone ("not for 30 s") is
paused as a whole.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, Update, delete, func, insert, select, update

from comparator.channels import Receipt
from comparator.claiming import Claim, note_attempt
from comparator.event import Event
from pricebook.errors import DeliveryFailed
from pricebook.quote import isoformat
from pricebook.schema import reading
from pricebook.tables import Attempt, EventRow, Message, Pause

BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360))
"""From one try to the next; the last one repeats."""

GIVE_UP = timedelta(hours=72)
"""After the first try: the news are in the book anyway. The message is dead, and shown as such."""

REST = timedelta(minutes=5)
"""Of a receiver that refused for good: a queue must not become a row of failed logins."""

_LONGEST_PAUSE = timedelta(days=1)
"""No server can silence a receiver for good."""

_FAILED = ("never_sent", "refused", "ambiguous")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One try: `result` delivered, refused, never_sent or ambiguous; `status` what became of it.

    `notice`: the id of the message, and `events` what it told. `status`: delivered, pending (to be
    tried again), refused (for good), dead (given up).
    """

    notice: str
    events: tuple[str, ...]
    receiver: str
    result: str
    status: str
    code: str
    reason: str


def enqueue(connection: Connection, event: Event, receivers: Iterable[str], at: datetime) -> None:
    """One pending message for each receiver, in the transaction that records the event."""
    rows = [
        {"event_id": event.id, "receiver": name, "created_at": at, "next_attempt_at": at}
        for name in dict.fromkeys(receivers)
    ]
    if rows:
        connection.execute(insert(Message), rows)


def settle(
    engine: Engine, claim: Claim, answer: Receipt | DeliveryFailed, report_to: str, now: datetime
) -> Outcome:
    """Write down a try and what becomes of the message.

    `report_to`: the receiver that is told when this one doesn't get its messages; "" is nobody.
    """
    result, status = _result(answer), _status(claim, answer, now)
    reason = answer.words if isinstance(answer, Receipt) else str(answer)
    with engine.begin() as connection:
        for message in claim.messages:
            note_attempt(connection, message, now, result, answer.code, reason)
        connection.execute(_settled(claim, answer, status, now))
        _pause(connection, claim.receiver, _rest(answer, status), now)
        if status != "delivered" and report_to and _is_news(connection, claim, status, report_to):
            _report(connection, claim, status, reason, report_to, now)
    events = tuple(event.id for event in claim.notice.events)
    return Outcome(claim.notice.id, events, claim.receiver, result, status, answer.code, reason)


def expire(engine: Engine, is_gone: Callable[[str], bool], now: datetime) -> None:
    """Let what a process that has ended was sending be sent again now, not when its lease ends."""
    held = select(Message.lease_owner).distinct().where(Message.lease_until > now)
    with reading(engine) as connection:
        gone = [owner for owner in connection.execute(held).scalars() if owner and is_gone(owner)]
    if gone:
        with engine.begin() as connection:
            left = update(Message).where(Message.lease_owner.in_(gone), Message.lease_until > now)
            connection.execute(left.values(lease_until=now))


def waiting(engine: Engine) -> list[str]:
    """The receivers with pending messages, that of the oldest first."""
    with reading(engine) as connection:
        query = select(Message.receiver).where(Message.status == "pending")
        grouped = query.group_by(Message.receiver).order_by(func.min(Message.id))
        return list(connection.execute(grouped).scalars())


def deliveries(
    connection: Connection, event_ids: Collection[str]
) -> dict[str, list[dict[str, Any]]]:
    """The `deliveries` of each event in `alerts --json` (docs/json.md), by the event's id.

    `outcome` is where the message stands, `at` and `reason` are those of its last try.
    """
    newest = (
        select(func.max(Attempt.id))
        .where(Attempt.message_id == Message.id)
        .correlate(Message)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(Message.event_id, Message.receiver, Message.status, Message.attempts)
        .add_columns(Attempt.at, Attempt.reason)
        .outerjoin(Attempt, Attempt.id == newest)
        .where(Message.event_id.in_(event_ids))
        .order_by(Message.id)
    )
    found: dict[str, list[dict[str, Any]]] = {event_id: [] for event_id in event_ids}
    for row in rows:
        found[row.event_id].append(_listed(row))
    return found


def failing(connection: Connection) -> dict[str, str]:
    """The receivers whose last try didn't succeed, with its reason."""
    tried = select(func.max(Attempt.id)).join(Message).where(Attempt.outcome != "silenced")
    rows = connection.execute(
        select(Message.receiver, Attempt.reason)
        .join(Message, Message.id == Attempt.message_id)
        .where(Attempt.id.in_(tried.group_by(Message.receiver)), Attempt.outcome.in_(_FAILED))
        .order_by(Message.receiver)
    )
    return {row.receiver: row.reason for row in rows}


def _listed(row: Row[Any]) -> dict[str, Any]:
    return {
        "receiver": row.receiver,
        "outcome": row.status,
        "at": isoformat(row.at),
        "attempts": row.attempts,
        "reason": row.reason or "",
    }


def _settled(claim: Claim, answer: Receipt | DeliveryFailed, status: str, now: datetime) -> Update:
    """The change to the message's rows."""
    ambiguous = claim.notice.repeat or _result(answer) == "ambiguous"
    values = {
        "status": status,
        "next_attempt_at": _whole_seconds(now + BACKOFF[min(claim.attempts, len(BACKOFF)) - 1]),
        "ambiguous": ambiguous,
        "outstanding": _outstanding(claim, answer),
        "lease_owner": None,
        "lease_until": None,
    }
    if isinstance(answer, Receipt):
        values["thread"] = answer.thread or claim.notice.thread or None
    elif not (ambiguous or claim.outstanding):
        # Nobody has it: until the next try, more may come to be told with it.
        values["parcel"] = None
    return _change(claim, status).values(**values)


def _change(claim: Claim, status: str) -> Update:
    """Who lost the lease has no say any more, unless the message is with its receiver."""
    change = update(Message).where(Message.id.in_(claim.messages))
    if status == "delivered":
        return change
    return change.where(Message.lease_owner == claim.owner, Message.lease_until == claim.until)


def _result(answer: Receipt | DeliveryFailed) -> str:
    if isinstance(answer, Receipt):
        return "delivered"
    if answer.ambiguous:
        return "ambiguous"
    return "refused" if answer.permanent or answer.code else "never_sent"


def _status(claim: Claim, answer: Receipt | DeliveryFailed, now: datetime) -> str:
    if isinstance(answer, Receipt) and not answer.outstanding:
        return "delivered"
    if isinstance(answer, DeliveryFailed) and answer.permanent:
        return "refused"
    return "dead" if now - claim.since >= GIVE_UP else "pending"


def _outstanding(claim: Claim, answer: Receipt | DeliveryFailed) -> list[str] | None:
    left = answer.outstanding if isinstance(answer, Receipt) else claim.outstanding
    return list(left) if left else None


def _rest(answer: Receipt | DeliveryFailed, status: str) -> timedelta:
    """How long the receiver is left alone."""
    if isinstance(answer, Receipt):
        return timedelta(0)
    asked = min(answer.retry_after or 0, _LONGEST_PAUSE.total_seconds())
    return max(timedelta(seconds=asked), REST if status == "refused" else timedelta(0))


def _pause(connection: Connection, receiver: str, rest: timedelta, now: datetime) -> None:
    if rest:
        connection.execute(delete(Pause).where(Pause.receiver == receiver))
        until = _whole_seconds(now + rest)
        connection.execute(insert(Pause).values(receiver=receiver, until=until))


def _is_news(connection: Connection, claim: Claim, status: str, report_to: str) -> bool:
    """Whether a failure is to be reported: it is final, or lasts, and isn't known yet."""
    lasting = status in ("refused", "dead") or claim.attempts == len(BACKOFF)
    if not lasting or claim.receiver == report_to:
        return False
    delivered = (
        select(func.max(Attempt.at))
        .join(Message)
        .where(Message.receiver == claim.receiver, Attempt.outcome == "delivered")
    )
    reported = select(func.max(EventRow.at)).where(
        EventRow.kind == "undelivered", EventRow.rule == _subject(claim)
    )
    last, told = (connection.execute(query).scalar() for query in (delivered, reported))
    return told is None or (last is not None and last > told)


def _report(
    connection: Connection, claim: Claim, status: str, reason: str, report_to: str, now: datetime
) -> None:
    """One event and one message: other receivers keep working while this one is broken."""
    what = {"refused": "refused a message", "dead": f"got nothing for {_hours(GIVE_UP)} h"}
    words = what.get(status, f"can't be reached, {claim.attempts} times now")
    event = Event(
        id=secrets.token_hex(8),
        rule=_subject(claim),
        kind="undelivered",
        state=status,
        at=now,
        severity="critical",
        text=f"{claim.receiver} {words}: {reason}. `breakeven alerts` lists what it missed.",
    )
    columns = {name: getattr(event, name) for name in ("id", "rule", "kind", "state", "at")}
    row = insert(EventRow).values(**columns, workload="", details=event.details())
    connection.execute(row)
    enqueue(connection, event, [report_to], now)


def _subject(claim: Claim) -> str:
    return f"receiver {claim.receiver}"


def _hours(time: timedelta) -> int:
    return time // timedelta(hours=1)


def _whole_seconds(at: datetime) -> datetime:
    """Rounded up: the database keeps whole seconds, and a moment too early breaks a promise."""
    return at if at.microsecond == 0 else at.replace(microsecond=0) + timedelta(seconds=1)
