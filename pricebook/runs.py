"""Runs, what they fetched, and what the gate set aside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from pricebook.book import LOOKED, partition_id
from pricebook.entries import made_ids
from pricebook.errors import ConfigError
from pricebook.quote import Price, Quote, Series, digits, isoformat, plain
from pricebook.series import Found, series_ids, series_of
from pricebook.tables import (
    Evidence,
    Fetch,
    Partition,
    Quoted,
    Review,
    Run,
    with_series,
)

# Every look writes these: to make a statement anew takes longer than to execute it.
_NEW_RUN = insert(Run).returning(Run.id)
_CHANGES = update(Run).where(Run.id == bindparam("run")).values(changes=bindparam("count"))

OPEN, ACCEPTED, REJECTED, CLOSED = "open", "accepted", "rejected", "closed"


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer: `sha256` is its name in the evidence store, `etag` what to ask with next."""

    url: str
    form: str
    at: datetime
    sha256: str
    bytes: int
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What was kept of how a price was printed; `fetched` None: no document of ours holds it."""

    printed_unit: str
    fetched: Fetched | None


@dataclass(frozen=True, slots=True)
class Held:
    """What a look could not accept: a quote, or a row that was not even read (`quote` None).

    `curable`: a second look at another time that says the same is proof enough.
    """

    reason: str
    where: str
    text: str
    quote: Quote | None = None
    curable: bool = False


def note_run(
    connection: Connection,
    partition: str,
    at: datetime,
    outcome: str,
    *,
    reason: str = "",
    quotes: int = 0,
    held: int = 0,
) -> int:
    """Write a run's row and give its id. `outcome`: complete, partial or failed."""
    values = {
        "partition_id": partition_id(connection, partition),
        "at": at,
        "outcome": outcome,
        "reason": reason[:500],
        "quotes": quotes,
        "held": held,
    }
    return connection.execute(_NEW_RUN, values).scalar_one()


def note_changes(connection: Connection, run_id: int, changes: int) -> None:
    """Write into a run's row how many prices it changed."""
    connection.execute(_CHANGES, {"run": run_id, "count": changes})


def note_fetch(connection: Connection, run_id: int, fetched: Fetched) -> int:
    """Write which address gave which evidence, and give the fetch's id."""
    values = {
        "run_id": run_id,
        "evidence_id": _evidence_id(connection, fetched),
        "url": fetched.url,
        "form": fetched.form,
        "at": fetched.at,
        "etag": fetched.etag,
        "last_modified": fetched.last_modified,
    }
    return connection.execute(insert(Fetch).values(**values).returning(Fetch.id)).scalar_one()


def last_fetch(connection: Connection, url: str) -> Fetched | None:
    """What this address gave the last time, to ask for it conditionally."""
    query = (
        select(Fetch.__table__, Evidence.sha256, Evidence.bytes)
        .join(Evidence, Evidence.id == Fetch.evidence_id)
        .where(Fetch.url == url)
        .order_by(Fetch.at.desc(), Fetch.id.desc())
        .limit(1)
    )
    row: Found = connection.execute(query).one_or_none()
    return None if row is None else _fetched(row)


def only_fetch(connection: Connection, run_id: int) -> int | None:
    """The fetch of a run that made exactly one."""
    found = connection.execute(select(Fetch.id).where(Fetch.run_id == run_id)).scalars().all()
    return found[0] if len(found) == 1 else None


def origin_of(connection: Connection, price: Price) -> Origin:
    """Where a price of the book was read."""
    number = series_ids(connection, [price.series])[price.series]
    query = (
        select(Quoted.printed_unit, Fetch.__table__, Evidence.sha256, Evidence.bytes)
        .outerjoin(Fetch, Fetch.id == Quoted.fetch_id)
        .outerjoin(Evidence, Evidence.id == Fetch.evidence_id)
        .where(
            Quoted.series_id == number,
            Quoted.valid_from == price.valid_from,
            Quoted.recorded_at == price.recorded_at,
        )
    )
    row: Found = connection.execute(query).one_or_none()
    if row is None:
        return Origin("", None)
    return Origin(row.printed_unit, _fetched(row) if row.sha256 else None)


def last_count(connection: Connection, partition: str) -> int:
    """How many series the last look at a partition read; 0 when there was none."""
    query = (
        select(Run.quotes)
        .join(Partition, Partition.id == Run.partition_id)
        .where(Partition.name == partition, Run.outcome.in_(LOOKED))
        .order_by(Run.id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar() or 0


def last_runs(connection: Connection) -> list[dict[str, Any]]:
    """The last run of every partition, and when it was last read: `partition`, `at`, `outcome`,
    `reason`, `quotes`, `changes`, `held`, `verified_at`.

    A person's word about a price and an import are no runs in this sense.
    """
    tried = Run.outcome.in_((*LOOKED, "failed"))
    newest = select(func.max(Run.id)).where(tried).group_by(Run.partition_id)
    looked = (
        select(Run.partition_id, func.max(Run.at).label("verified_at"))
        .where(Run.outcome.in_(LOOKED))
        .group_by(Run.partition_id)
        .subquery()
    )
    query = (
        select(Run.__table__, Partition.name, looked.c.verified_at)
        .join(Partition, Partition.id == Run.partition_id)
        .outerjoin(looked, looked.c.partition_id == Run.partition_id)
        .where(Run.id.in_(newest))
        .order_by(Partition.name)
    )
    columns = ("at", "outcome", "reason", "quotes", "changes", "held", "verified_at")
    return [
        {"partition": row.name} | {column: getattr(row, column) for column in columns}
        for row in connection.execute(query)
    ]


def runs_of(connection: Connection, partition: str) -> list[Found]:
    """Every run of a partition, oldest first: `outcome`, `reason`, `url` (None: nothing came)."""
    query = (
        select(Run.outcome, Run.reason, Fetch.url)
        .join(Partition, Partition.id == Run.partition_id)
        .outerjoin(Fetch, Fetch.run_id == Run.id)
        .where(Partition.name == partition)
        .order_by(Run.id)
    )
    return list(connection.execute(query).all())


def note_held(
    connection: Connection, partition: str, run_id: int, at: datetime, held: Iterable[Held]
) -> None:
    """Bring the open reviews of a partition up to date with what this look set aside.

    What is set aside again stays open as one row, what a person has rejected stays rejected, and
    what isn't set aside any more is closed.
    """
    number = partition_id(connection, partition)
    still = {_identity(one): one for one in held}
    for row in _rows_of(connection, number, REJECTED):
        still.pop(_row_identity(row), None)
    for row in _rows_of(connection, number, OPEN):
        if still.pop(_row_identity(row), None):
            _change(connection, row.id, seen_at=at)
        else:
            _change(connection, row.id, status=CLOSED, decided_at=at)
    for one in still.values():
        _open(connection, number, run_id, at, one)


def pending(connection: Connection, partition: str, before: datetime) -> dict[Series, Decimal]:
    """The amounts that an earlier look held and that a second one may confirm."""
    rows = _rows_of(connection, partition_id(connection, partition), OPEN)
    return {
        series_of(row): row.amount
        for row in rows
        if row.curable and row.amount is not None and row.opened_at < before
    }


def rejected(connection: Connection, partition: str) -> set[tuple[Series, Decimal]]:
    """The prices that a person has rejected: they stay out, however often they are read."""
    rows = _rows_of(connection, partition_id(connection, partition), REJECTED)
    return {(series_of(row), row.amount) for row in rows if row.amount is not None}


def reviews(connection: Connection, status: str = OPEN) -> list[dict[str, Any]]:
    """Every review of that status as `review --json` shows it, oldest first."""
    query = _reviews().where(Review.status == status).order_by(Review.id)
    return [_as_dict(row) for row in connection.execute(query)]


def open_review(connection: Connection, number: int) -> Found:
    """The open review of that number; a sentence when there is none."""
    query = _reviews().where(Review.id == number, Review.status == OPEN)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise ConfigError(f"review {number} is not open; `breakeven review` lists those that are")
    return row


def decide(connection: Connection, number: int, status: str, at: datetime) -> None:
    """Close a review: `accepted` or `rejected`."""
    _change(connection, number, status=status, decided_at=at)


def _reviews() -> Any:
    columns = (column for column in Review.__table__.c if column.name != "series_id")
    query = select(*columns, Partition.name.label("partition"))
    held = query.join(Partition, Partition.id == Review.partition_id)
    return with_series(held, Review.series_id)


def _rows_of(connection: Connection, partition: int, status: str) -> list[Found]:
    query = _reviews().where(Review.partition_id == partition, Review.status == status)
    return list(connection.execute(query).all())


def _row_identity(row: Found) -> tuple[Any, ...]:
    series = series_of(row) if row.series_id else None
    return (series, row.reason, row.location, row.amount)


def _identity(held: Held) -> tuple[Any, ...]:
    quote = held.quote
    if quote is None:
        return (None, held.reason, held.where, None)
    return (quote.series, held.reason, held.where, plain(quote.amount))


def _open(connection: Connection, partition: int, run_id: int, at: datetime, held: Held) -> None:
    quote = held.quote
    values = {
        "partition_id": partition,
        "run_id": run_id,
        "opened_at": at,
        "seen_at": at,
        "reason": held.reason,
        "location": held.where,
        "text": held.text[:500],
        "curable": held.curable,
    }
    if quote is not None:
        values["series_id"] = made_ids(connection, [quote.series])[quote.series]
        values["amount"] = quote.amount
        values["valid_from"] = quote.valid_from
        values["printed_unit"] = quote.printed_unit
    connection.execute(insert(Review).values(**values))


def _change(connection: Connection, number: int, **values: Any) -> None:
    connection.execute(update(Review).where(Review.id == number).values(**values))


def _fetched(row: Found) -> Fetched:
    return Fetched(row.url, row.form, row.at, row.sha256, row.bytes, row.etag, row.last_modified)


def _evidence_id(connection: Connection, fetched: Fetched) -> int:
    query = select(Evidence.id).where(Evidence.sha256 == fetched.sha256)
    found = connection.execute(query).scalar()
    if found is not None:
        return found
    values = {"sha256": fetched.sha256, "bytes": fetched.bytes, "stored_at": fetched.at}
    return connection.execute(insert(Evidence).values(**values).returning(Evidence.id)).scalar_one()


def _as_dict(row: Found) -> dict[str, Any]:
    found = {
        "id": row.id,
        "partition": row.partition,
        "opened_at": isoformat(row.opened_at),
        "reason": row.reason,
        "where": row.location,
        "text": row.text,
        "amount": None if row.amount is None else digits(row.amount),
    }
    return found | (series_of(row).as_dict() if row.series_id else {})
