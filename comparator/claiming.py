"""Taking the next message of a receiver out of the outbox, for as long as a lease holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, func, insert, select, text, update

from comparator.channels.wording import clean, span
from comparator.event import Event, Range
from comparator.notice import Episode, Notice, Point, Story, episode
from comparator.parcel import Waiting, left_out, next_parcel
from comparator.quiet import Wishes
from comparator.receivers import Receiver
from comparator.silence import Silence
from comparator.silences import silences
from pricebook.tables import Attempt, EventRow, Message, Pause, Ratio

LEASE = timedelta(minutes=10)
"""Longer than any channel's own time limit, so that only a process that is gone loses it."""

REMINDER = "reminder"
"""The kind of event that a reminder is shown as; it isn't stored."""

_TURN_LOCK = 0x6D61696C
"""Any number of ours: PostgreSQL's advisory lock that lets one process claim at a time."""

_POINTS = 60
"""Changes of a ratio that a chart shows, at most."""

_REASON = 500

_EVENT = EventRow.rule, EventRow.workload, EventRow.kind, EventRow.state, EventRow.at


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send a notice, and the rows that it settles.

    `attempts` counts this one. `outstanding`: of a mail's recipients those who are still to get
    it; None is all. `since`: when it was first tried.
    """

    notice: Notice
    receiver: str
    messages: tuple[int, ...]
    attempts: int
    outstanding: tuple[str, ...] | None
    owner: str
    until: datetime
    since: datetime


def claim(
    engine: Engine,
    name: str,
    receiver: Receiver | None,
    windows: Sequence[Silence],
    owner: str,
    now: datetime,
) -> Claim | None:
    """The receiver's next message, ours until the lease ends; None when there is none now.

    `receiver` None: it isn't in the configuration, and nothing is known of its wishes.
    """
    wishes = receiver.wishes if receiver else Wishes()
    with engine.begin() as connection:
        _take_turn(connection)
        if _is_busy(connection, name, now):
            return None
        rows = connection.execute(_pending(name)).all()
        told = _told(connection, name, [event_of(row) for row in rows])
        waiting = [_waiting(row, told) for row in rows]
        quiet = [*windows, *silences(connection, now)]
        dropped = {one.id: why for one, why in left_out(waiting, wishes, quiet, told, now)}
        for message, why in dropped.items():
            _leave_out(connection, message, why, now)
        left = [one for one in waiting if one.id not in dropped]
        apart = receiver is not None and receiver.has_threads
        parcel = next_parcel(left, wishes, quiet, now, apart=apart)
        return _leased(connection, name, parcel, owner, now) if parcel else None


def remind(engine: Engine, receivers: Mapping[str, Receiver], now: datetime) -> None:
    """Queue a reminder of what is still so, for receivers that want one and heard nothing since."""
    asked = {name: one.wishes.repeat for name, one in receivers.items() if one.wishes.repeat}
    if not asked:
        return
    with engine.begin() as connection:
        _take_turn(connection)
        for name, every in asked.items():
            for row in connection.execute(_last_heard(name)):
                if row.state == "firing" and row.heard_at <= now - every:
                    _queue_reminder(connection, row, name, now)


def event_of(row: Row[Any]) -> Event:
    """From the columns of an event, its id as `event_id`."""
    columns = {column.key: getattr(row, column.key) for column in _EVENT}
    return Event.restore({"id": row.event_id, **columns}, row.details)


def note_attempt(
    connection: Connection, message: int, at: datetime, outcome: str, code: str, reason: str
) -> None:
    """Write down one try, or why there won't be one."""
    connection.execute(
        insert(Attempt).values(
            message_id=message, at=at, outcome=outcome, code=code, reason=clean(reason, _REASON)
        )
    )


def _take_turn(connection: Connection) -> None:
    """Until the transaction ends, nobody else claims; on SQLite its writer is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TURN_LOCK})


def _is_busy(connection: Connection, name: str, now: datetime) -> bool:
    """Whether another process is sending to it, or it wants nothing for now."""
    paused = select(Pause.receiver).where(Pause.receiver == name, Pause.until > now)
    leased = select(Message.id).where(
        Message.receiver == name, Message.status == "pending", Message.lease_until > now
    )
    return any(connection.execute(query.limit(1)).first() for query in (paused, leased))


def _pending(name: str) -> Select[Any]:
    return (
        select(Message.__table__, *_EVENT, EventRow.details)
        .join(EventRow, EventRow.id == Message.event_id)
        .where(Message.receiver == name, Message.status == "pending")
        .order_by(Message.id)
    )


def _told(connection: Connection, name: str, pending: Sequence[Event]) -> dict[Episode, str]:
    """Where the receiver was told of the episodes of its pending events, "" for nowhere special.

    Those that it wasn't told of are absent.
    """
    begin = min((event.since or event.at for event in pending), default=None)
    if begin is None:
        return {}
    delivered = (
        select(Message.thread, Message.event_id, *_EVENT, EventRow.details)
        .join(EventRow, EventRow.id == Message.event_id)
        .where(Message.receiver == name, Message.status == "delivered", EventRow.at >= begin)
        .where(EventRow.rule.in_({event.rule for event in pending}))
        .order_by(Message.id.desc())
    )
    return {episode(event_of(row)): row.thread or "" for row in connection.execute(delivered)}


def _waiting(row: Row[Any], told: Mapping[Episode, str]) -> Waiting:
    event = event_of(row)
    return Waiting(
        id=row.id,
        event=event,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        reminder=row.reminder,
        parcel=row.parcel,
        thread=told.get(episode(event), ""),
    )


def _leave_out(connection: Connection, message: int, why: str, now: datetime) -> None:
    note_attempt(connection, message, now, "silenced", "", why)
    connection.execute(update(Message).where(Message.id == message).values(status="silenced"))


def _leased(
    connection: Connection, name: str, parcel: Sequence[Waiting], owner: str, now: datetime
) -> Claim:
    rows = update(Message).where(Message.id.in_([one.id for one in parcel]))
    before = connection.execute(select(Message.__table__).where(Message.id == parcel[0].id)).one()
    if before.lease_owner is not None:
        for one in parcel:
            _note_lost_holder(connection, one.id, before.lease_owner, now)
    repeat = before.ambiguous or before.lease_owner is not None
    notice = _notice(connection, parcel, now, repeat=repeat)
    claimed = Claim(
        notice=notice,
        receiver=name,
        messages=tuple(one.id for one in parcel),
        attempts=before.attempts + 1,
        outstanding=before.outstanding and tuple(before.outstanding),
        owner=owner,
        until=now + LEASE,
        since=_first_tried(connection, parcel[0].id) or now,
    )
    lease = {"lease_owner": owner, "lease_until": claimed.until, "attempts": claimed.attempts}
    frozen = {"parcel": parcel[0].parcel or notice.id, "ambiguous": repeat}
    connection.execute(rows.values(**lease, **frozen))
    return claimed


def _note_lost_holder(connection: Connection, message: int, holder: str, now: datetime) -> None:
    reason = f"{holder} was sending it and ended before it wrote down the answer"
    note_attempt(connection, message, now, "ambiguous", "", reason)


def _first_tried(connection: Connection, message: int) -> datetime | None:
    query = select(func.min(Attempt.at)).where(Attempt.message_id == message)
    first: datetime | None = connection.execute(query).scalar()
    return first


def _notice(
    connection: Connection, parcel: Sequence[Waiting], now: datetime, *, repeat: bool
) -> Notice:
    threads = {one.thread for one in parcel}
    return Notice(
        stories=tuple(_stories(connection, parcel, now)),
        repeat=repeat,
        thread=threads.pop() if len(threads) == 1 else "",
        written_at=parcel[0].created_at,
    )


def _stories(connection: Connection, parcel: Sequence[Waiting], now: datetime) -> Iterator[Story]:
    """One for each episode, in the order in which they began to wait."""
    order = list(dict.fromkeys(one.episode for one in parcel))
    by_episode = groupby(sorted(parcel, key=lambda one: order.index(one.episode)), _episode)
    for _, group in by_episode:
        rows = list(group)
        # What has happened since says more than that it still was so.
        news = [one.event for one in rows if not one.reminder]
        if news:
            yield Story(tuple(news), points_until(connection, news[-1].workload, news[-1].at))
        else:
            points = points_until(connection, rows[-1].event.workload, now)
            yield Story((_reminder(rows[-1].event, points, now),), points)


def _episode(one: Waiting) -> Episode:
    return one.episode


def points_until(connection: Connection, workload: str, until: datetime) -> tuple[Point, ...]:
    """The last recorded changes of a workload's ratio, oldest first."""
    query = (
        select(Ratio.at, Ratio.low, Ratio.point, Ratio.high)
        .where(Ratio.workload == workload, Ratio.at <= until)
        .order_by(Ratio.at.desc())
        .limit(_POINTS)
    )
    return tuple(Point(at, _range(*range_)) for at, *range_ in connection.execute(query))[::-1]


def _range(low: Decimal | None, point: Decimal | None, high: Decimal | None) -> Range | None:
    return None if low is None or point is None or high is None else Range(low, point, high)


def _reminder(event: Event, points: Sequence[Point], now: datetime) -> Event:
    """The event as of now: nothing moved it, it only goes on."""
    known = [point.ratio for point in points if point.ratio]
    lasted = f" for {span(now - event.since)}" if event.since else ""
    return replace(
        event,
        kind=REMINDER,
        at=now,
        before=event.after,
        after=known[-1] if known and event.after else None,
        costs={},
        verdict="",
        why=(),
        text=f"It has been so{lasted}.",
    )


def _last_heard(name: str) -> Select[Any]:
    """Of each rule and workload the newest event that the receiver was to be told, and when."""
    newest = (
        select(func.max(Message.id))
        .join(EventRow, EventRow.id == Message.event_id)
        .where(Message.receiver == name)
        .group_by(EventRow.rule, EventRow.workload)
    )
    return (
        select(Message.event_id, Message.reminder, EventRow.state)
        .add_columns(func.max(Attempt.at).label("heard_at"))
        .join(EventRow, EventRow.id == Message.event_id)
        .join(Attempt, Attempt.message_id == Message.id)
        .where(Message.id.in_(newest), Message.status == "delivered")
        .group_by(Message.event_id, Message.reminder, EventRow.state, Message.id)
        .order_by(Message.id)
    )


def _queue_reminder(connection: Connection, row: Row[Any], name: str, now: datetime) -> None:
    values = {"event_id": row.event_id, "receiver": name, "created_at": now}
    number = row.reminder + 1
    connection.execute(insert(Message).values(**values, next_attempt_at=now, reminder=number))
