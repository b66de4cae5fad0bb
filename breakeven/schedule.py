"""What is due when, and who is at it: slots of the clock, leases, and epochs that fence off
a process whose lease ran out. The database's rows are the truth, so any number of daemons agree;
on PostgreSQL its clock counts the leases, whatever those of the hosts say."""

from __future__ import annotations

import os
import socket
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pricebook.errors import BreakevenError
from pricebook.schema import reading
from pricebook.tables import Schedule

LEASE = timedelta(minutes=10)
"""How long a holder may be silent: it renews its lease with every partition that it has read."""

FIRST_PAUSE = timedelta(minutes=5)
"""After a failure; each further one doubles it."""


class LeaseLost(BreakevenError):
    """Another process has taken this run over; nothing of ours is written."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one source once; void when another process has raised the epoch.

    `at`: when it was taken. The run fills the slot of that time, however long it takes.
    """

    source: str
    epoch: int
    at: datetime


def owner() -> str:
    """This process, as others see it in a lease: `host/namespace:pid`."""
    return f"{_machine()}:{os.getpid()}"


def is_gone(lease_owner: str | None) -> bool:
    """Whether a lease's holder has certainly ended: of processes on this machine we can know."""
    machine, _, pid = (lease_owner or "").rpartition(":")
    if machine != _machine() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return True  # we hold nothing when we ask: somebody had our number before
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def due(
    engine: Engine,
    sources: tuple[str, ...],
    now: datetime,
    every: timedelta,
    jitter: timedelta = timedelta(0),
) -> list[str]:
    """The sources whose slot has come; those that have never been read are due at once.

    The others wait for their own share of `jitter`, the same in every slot and at every start, so
    that many daemons don't come to one site at one moment.
    """
    query = select(Schedule.__table__).where(Schedule.last_finished.is_not(None))
    with reading(engine) as connection:
        rows = {row.source: row for row in connection.execute(query)}
    return [
        source
        for source in sources
        if source not in rows or _is_due(rows[source], now - share(source, jitter), every)
    ]


def share(source: str, jitter: timedelta) -> timedelta:
    """A source's part of `jitter`: 0 or more, always below it, from its name alone."""
    return jitter * (zlib.crc32(source.encode()) % 1000) / 1000


def claim(
    engine: Engine, source: str, now: datetime, every: timedelta, *, force: bool = False
) -> Claim | None:
    """Take a source's slot: one conditional update, so that of many only one succeeds.

    `force` takes it before its time (`collect`), but never out of another's hands.
    """
    with engine.begin() as connection:
        _ensure_row(connection, source, now)
        row = connection.execute(select(Schedule.__table__).where(Schedule.source == source)).one()
        if not force and not _is_due(row, now, every):
            return None
        clock = _lease_clock(connection, now)
        if row.lease_until is not None and row.lease_until > clock and not is_gone(row.lease_owner):
            return None
        taken = connection.execute(
            update(Schedule)
            .where(Schedule.source == source, Schedule.epoch == row.epoch)
            .values(
                lease_owner=owner(),
                lease_until=clock + LEASE,
                epoch=row.epoch + 1,
                last_started=now,
            )
        )
        return Claim(source, row.epoch + 1, now) if taken.rowcount == 1 else None


def renew(connection: Connection, claimed: Claim, now: datetime) -> None:
    """Hold on to a slot; as the first write of a transaction it keeps others off until the end.

    LeaseLost when it is ours no more.
    """
    _change(connection, claimed, lease_until=_lease_clock(connection, now) + LEASE)


def finish(
    connection: Connection,
    claimed: Claim,
    now: datetime,
    every: timedelta,
    *,
    failed: bool = False,
    retry_after: datetime | None = None,
) -> None:
    """Give the lease back, inside the transaction that writes the run; LeaseLost undoes it all.

    A failed source comes again after 5, 10, 20 minutes and so on, at last in its next slot.
    `retry_after`: not before that, whatever the slot; the server has asked for it.
    """
    failures = _failures(connection, claimed.source) + 1 if failed else 0
    pause = FIRST_PAUSE * 2 ** min(failures - 1, 10) if failed else every
    _change(
        connection,
        claimed,
        lease_owner=None,
        lease_until=None,
        last_finished=now,
        failures=failures,
        next_due=now + pause if pause < every else next_slot(claimed.at, every),
        # The book keeps whole seconds, and a moment too early breaks the promise.
        backoff_until=retry_after and retry_after + timedelta(seconds=1),
    )


def release(engine: Engine, claimed: Claim) -> None:
    """Give a slot back untouched, when the run is given up."""
    with suppress(LeaseLost), engine.begin() as connection:
        _change(connection, claimed, lease_owner=None, lease_until=None)


def release_all(engine: Engine) -> None:
    """Give back every slot that this process holds, raising the epoch: late writes are void."""
    with engine.begin() as connection:
        connection.execute(
            update(Schedule)
            .where(Schedule.lease_owner == owner())
            .values(lease_owner=None, lease_until=None, epoch=Schedule.epoch + 1)
        )


def next_slot(now: datetime, every: timedelta) -> datetime:
    """The start of the next slot: slots are counted in UTC from 1970 and know no summer time."""
    seconds = int(every.total_seconds())
    return datetime.fromtimestamp((int(now.timestamp()) // seconds + 1) * seconds, UTC)


def _machine() -> str:
    """Where a process number means the same: on Linux containers may share a host's name."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{namespace}"


def _lease_clock(connection: Connection, now: datetime) -> datetime:
    """What leases are counted by: one clock for all hosts where there may be several."""
    if connection.dialect.name == "postgresql":
        # The time of this moment: that of the transaction may lie far back.
        theirs: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return theirs
    return now


def _is_due(row: Any, now: datetime, every: timedelta) -> bool:
    # No slot is two periods ahead: either the period was longer, or the clock was wrong.
    slot_came = row.next_due <= now or row.next_due > now + 2 * every
    return slot_came and (row.backoff_until is None or row.backoff_until <= now)


def _ensure_row(connection: Connection, source: str, now: datetime) -> None:
    known = connection.execute(select(Schedule.source).where(Schedule.source == source)).scalar()
    if known is None:
        # When another process was quicker, its row serves as well.
        with suppress(IntegrityError), connection.begin_nested():
            connection.execute(insert(Schedule).values(source=source, next_due=now))


def _change(connection: Connection, claimed: Claim, **values: Any) -> None:
    changed = connection.execute(
        update(Schedule)
        .where(Schedule.source == claimed.source, Schedule.epoch == claimed.epoch)
        .values(**values)
    )
    if changed.rowcount != 1:
        raise LeaseLost(
            f"{claimed.source}: another process took this run over; its results stand, not these"
        )


def _failures(connection: Connection, source: str) -> int:
    query = select(Schedule.failures).where(Schedule.source == source)
    return connection.execute(query).scalar_one()
