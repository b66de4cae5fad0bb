"""For alerts: how sources stand, what waits for review, what is announced and came into force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, select

from pricebook.accepted import IS_ANNOUNCED
from pricebook.answers import LOOKED, lookup
from pricebook.quote import Change, Series
from pricebook.series import Found, series_of
from pricebook.tables import (
    NAMED_SERIES,
    SERIES,
    Partition,
    PriceRow,
    Review,
    Run,
    SeriesRow,
    TariffRow,
)

_INSTANT = timedelta(seconds=1)
"""The book keeps whole seconds."""


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


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A price that is announced to hold from `day` on; `amount` None: none is known from then."""

    series: Series
    day: datetime
    amount: Decimal | None


def standings(connection: Connection) -> tuple[Standing, ...]:
    """Every source that was ever tried, by name."""
    rows = sorted(_partitions(connection), key=lambda one: one.source)
    grouped = groupby(rows, key=lambda one: one.source)
    return tuple(_worst(source, list(found)) for source, found in grouped)


def waiting(connection: Connection) -> tuple[Waiting, ...]:
    """Everything that is open for review, oldest first."""
    query = (
        select(Review.id.label("number"), Review.reason, Review.location, Review.text)
        .add_columns(Review.curable, Review.opened_at, Review.seen_at, Partition.name, *SERIES)
        .join(Partition, Partition.id == Review.partition_id)
        # Not `NAMED_SERIES`: SQLite would make a table of all series first.
        .outerjoin(SeriesRow, SeriesRow.id == Review.series_id)
        .outerjoin(TariffRow, TariffRow.id == SeriesRow.tariff_id)
        .where(Review.status == "open")
        .order_by(Review.id)
    )
    return tuple(map(_waiting, connection.execute(query)))


def scheduled(connection: Connection, at: datetime) -> tuple[Scheduled, ...]:
    """Every price that, as known at `at`, is announced for a later time, soonest first."""
    query = _last_said(at).where(PriceRow.valid_from > at).order_by(PriceRow.valid_from)
    return tuple(
        Scheduled(series_of(row), row.valid_from, row.amount) for row in connection.execute(query)
    )


def announced_since(connection: Connection) -> datetime | None:
    """When the first announcement was recorded; None: there never was one."""
    query = select(func.min(PriceRow.recorded_at)).where(IS_ANNOUNCED)
    return connection.execute(query).scalar()


def came_into_force(connection: Connection, since: datetime, until: datetime) -> tuple[Change, ...]:
    """What announced prices changed when their day came, after `since` and up to `until`."""
    query = _last_said(until).where(PriceRow.valid_from > since, PriceRow.valid_from <= until)
    return tuple(
        change
        for row in connection.execute(query.order_by(PriceRow.valid_from))
        if (change := _change(connection, row))
    )


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


def _last_said(known: datetime) -> Any:
    """Announced prices that, as known then, nothing recorded later for the same day superseded."""
    later = PriceRow.__table__.alias()
    superseded = select(later.c.series_id).where(
        later.c.series_id == PriceRow.series_id,
        later.c.valid_from == PriceRow.valid_from,
        later.c.recorded_at > PriceRow.recorded_at,
        later.c.recorded_at <= known,
    )
    return (
        select(*SERIES, PriceRow.valid_from, PriceRow.amount)
        .select_from(NAMED_SERIES)
        .join(PriceRow, PriceRow.series_id == SeriesRow.id)
        .where(IS_ANNOUNCED, PriceRow.recorded_at <= known, ~superseded.exists())
    )


def _change(connection: Connection, row: Found) -> Change | None:
    series = series_of(row)
    before = lookup(connection, row.valid_from - _INSTANT)(series)
    was = before.amount if before else None
    return None if was == row.amount else Change(series, was, row.amount, row.valid_from)
