"""For alerts: how sources stand, and what waits for review."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection, func, select

from pricebook.answers import LOOKED
from pricebook.quote import Series
from pricebook.series import Found, series_of
from pricebook.tables import Partition, Review, Run, with_series


@dataclass(frozen=True, slots=True)
class Standing:
    """How a source stands by its worst partition.

    `verified_at`: the last look that read anything; None: none ever did. `failures`: tries in a row
    that failed since; `reason`: why the last of them did.
    """

    source: str
    verified_at: datetime | None
    failures: int
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the gate set aside and nobody has decided; `settles`: the next look may."""

    id: int
    partition: str
    series: Series | None
    reason: str
    where: str
    text: str
    settles: bool


def standings(connection: Connection) -> tuple[Standing, ...]:
    """Every source that was ever tried, by name."""
    rows = sorted(_partitions(connection), key=lambda one: one.source)
    grouped = groupby(rows, key=lambda one: one.source)
    return tuple(_worst(source, list(found)) for source, found in grouped)


def waiting(connection: Connection) -> tuple[Waiting, ...]:
    """Everything that is open for review, oldest first."""
    query = (
        select(Review.id.label("number"), Review.reason, Review.location, Review.text)
        .add_columns(Review.curable, Review.opened_at, Review.seen_at, Partition.name)
        .join(Partition, Partition.id == Review.partition_id)
        .where(Review.status == "open")
        .order_by(Review.id)
    )
    rows = connection.execute(with_series(query, Review.series_id))
    return tuple(map(_waiting, rows))


def _waiting(row: Found) -> Waiting:
    return Waiting(
        row.number,
        row.name,
        series_of(row) if row.series_id else None,
        row.reason,
        row.location,
        row.text,
        settles=row.curable and row.seen_at == row.opened_at,
    )


def _partitions(connection: Connection) -> Iterator[Standing]:
    looked = (
        select(Run.partition_id, func.max(Run.id).label("id"), func.max(Run.at).label("at"))
        .where(Run.outcome.in_(LOOKED))
        .group_by(Run.partition_id)
        .subquery()
    )
    since = func.coalesce(looked.c.id, 0)
    failed = (
        select(Run.partition_id, func.count().label("count"), func.max(Run.id).label("last"))
        .outerjoin(looked, looked.c.partition_id == Run.partition_id)
        .where(Run.outcome == "failed", Run.id > since)
        .group_by(Run.partition_id)
        .subquery()
    )
    query = (
        select(Partition.name, looked.c.at, failed.c.count, Run.reason)
        .outerjoin(looked, looked.c.partition_id == Partition.id)
        .outerjoin(failed, failed.c.partition_id == Partition.id)
        .outerjoin(Run, Run.id == failed.c.last)
        .where((looked.c.id.is_not(None)) | (failed.c.last.is_not(None)))
    )
    for name, at, count, reason in connection.execute(query):
        yield Standing(name.split("/")[0], at, count or 0, reason or "")


def _worst(source: str, found: list[Standing]) -> Standing:
    worst = max(found, key=lambda one: one.failures)
    times = [one.verified_at for one in found]
    oldest = min((at for at in times if at), default=None)
    return Standing(source, None if None in times else oldest, worst.failures, worst.reason)
