"""Writing what others say of the past, without ever overriding what was read here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, select

from pricebook.entries import Entries, chunks, made_ids
from pricebook.quote import CANCELLED, IMPORTED, Change, Quote, Withdrawal
from pricebook.series import Found
from pricebook.tables import PriceRow
from pricebook.writer import Look, partition_id


@dataclass(frozen=True, slots=True)
class Conflict:
    """A statement about the past that an observed price contradicts: it was not written."""

    quote: Quote | Withdrawal
    observed: Decimal | None
    since: datetime


@dataclass(frozen=True, slots=True)
class _Told:
    since: datetime
    amount: Decimal | None
    observed: bool


def backfill(connection: Connection, look: Look) -> tuple[list[Change], list[Conflict]]:
    """Write what others say of the past; every quote needs a `valid_from`.

    An observed price is never overridden: from its first day on only the book's own readings count,
    and a statement that contradicts one is given back as a conflict. What is known is not written.
    """
    partition = partition_id(connection, look.partition)
    entries = Entries(connection, partition, look.run_id, look.at)
    said = list(_entered(connection, look, entries))
    entries.write()
    changes = [one for one in said if isinstance(one, Change)]
    return changes, [one for one in said if isinstance(one, Conflict)]


def _entered(connection: Connection, look: Look, entries: Entries) -> Iterator[Change | Conflict]:
    """Enter imported prices before the first observed one of each series."""
    said = _said(look)
    ids = made_ids(connection, [quote.series for quote, _ in said])
    told = _told(connection, ids.values())
    for quote, fetch in said:
        number, since = ids[quote.series], _day(quote)
        earlier = [row for row in told[number] if row.since <= since]
        before = earlier[-1] if earlier else None
        if before is not None and before.amount == quote.amount:
            continue
        contested = before is not None and before.since == since
        if before is not None and (contested or any(row.observed for row in earlier)):
            yield Conflict(quote, before.amount, before.since)
            continue
        entries.price(number, since, quote.amount, IMPORTED)
        entries.printed(number, since, quote, fetch)
        told[number].append(_Told(since, quote.amount, observed=False))
        told[number].sort(key=lambda row: row.since)
        yield Change(quote.series, before.amount if before else None, quote.amount, since)


def _said(look: Look) -> list[tuple[Quote | Withdrawal, int | None]]:
    """The look's statements about the past, oldest first."""
    said: list[tuple[Quote | Withdrawal, int | None]] = [*look.quotes]
    said += [(one, None) for one in look.withdrawn]
    return sorted(said, key=lambda pair: _day(pair[0]))


def _day(quote: Quote | Withdrawal) -> datetime:
    if quote.valid_from is None:
        raise ValueError(f"a statement about the past needs a day: {quote}")
    return quote.valid_from


def _told(connection: Connection, numbers: Iterable[int]) -> dict[int, list[_Told]]:
    """What the book says of each series so far, oldest first."""
    found: dict[int, dict[datetime, Found]] = {number: {} for number in numbers}
    for chunk in chunks(found):
        query = select(PriceRow.__table__).where(PriceRow.series_id.in_(chunk))
        ordered = query.order_by(PriceRow.valid_from, PriceRow.recorded_at)
        for row in connection.execute(ordered):
            found[row.series_id][row.valid_from] = row
    return {
        number: [
            _Told(row.valid_from, row.amount, observed=row.basis != IMPORTED)
            for row in versions.values()
            if row.basis != CANCELLED
        ]
        for number, versions in found.items()
    }
