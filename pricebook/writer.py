"""Writing what a look at a partition found: changes only, those ahead, and what is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from pricebook.accepted import IS_ANNOUNCED, announced_rows, current_rows
from pricebook.answers import facts_of, in_force
from pricebook.entries import Entries, chunks, made_ids, renew, renew_each
from pricebook.quote import (
    ANNOUNCED,
    CANCELLED,
    OBSERVED,
    Change,
    Quote,
    Series,
    Withdrawal,
)
from pricebook.series import Found, series_ids, series_of
from pricebook.tables import Current, Partition, PriceRow, Product


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a partition: what was accepted, and what could not be read.

    `quotes` pairs each quote with the id of the fetch that gave it (None where there is no page).
    `complete`: everything that the partition sells was read, so what isn't here is gone.
    `held`: series that the gate set aside: neither changed nor missing.
    `withdrawn`: what others say was not sold any more (only `backfill` reads it).
    """

    partition: str
    run_id: int
    at: datetime
    quotes: Sequence[tuple[Quote, int | None]]
    complete: bool = True
    held: Collection[Series] = ()
    withdrawn: Sequence[Withdrawal] = ()


def record(connection: Connection, look: Look) -> list[Change]:
    """Write what a look changed, inside the caller's transaction; nothing for what didn't change.

    A series that two complete looks in a row miss is withdrawn from the first of them on. Prices
    announced for the future are rows of their own; one that a complete look no longer announces
    is cancelled by a row that supersedes it.
    """
    writer = _writer(connection, look)
    return [*writer.present(), *writer.ahead(), *writer.absent()]


def accept(connection: Connection, look: Look) -> list[Change]:
    """Write single prices that a person accepted; says nothing about the rest of the partition."""
    writer = _writer(connection, replace(look, complete=False))
    return [*writer.present(), *writer.ahead()]


def note_facts(
    connection: Connection, seller: str, product: str, facts: Mapping[str, Any], at: datetime
) -> None:
    """Keep facts about a product that are no prices, when they changed."""
    known = facts_of(connection, seller, product)
    if known != dict(facts):
        key = {"seller": seller, "product": product, "recorded_at": at}
        connection.execute(delete(Product).filter_by(**key))
        connection.execute(insert(Product).values(**key, facts=dict(facts)))


def partition_id(connection: Connection, name: str) -> int:
    """The id of a partition, made when it is new."""
    found = connection.execute(select(Partition.id).where(Partition.name == name)).scalar()
    if found is not None:
        return found
    made = insert(Partition).values(name=name).returning(Partition.id)
    return connection.execute(made).scalar_one()


def put_in_force(connection: Connection, partition: str, at: datetime) -> None:
    """Let `current` follow the announced prices of a partition whose day has come."""
    due = (
        select(PriceRow.series_id)
        .join(Current, Current.series_id == PriceRow.series_id)
        .where(
            Current.partition_id == partition_id(connection, partition),
            IS_ANNOUNCED,
            PriceRow.valid_from > Current.valid_from,
            PriceRow.valid_from <= at,
        )
    )
    if numbers := set(connection.execute(due).scalars()):
        renew_each(connection, in_force(connection, numbers, at))


def _writer(connection: Connection, look: Look) -> _Writer:
    partition = partition_id(connection, look.partition)
    ids = made_ids(connection, [quote.series for quote, _ in look.quotes])
    put_in_force(connection, look.partition, look.at)
    entries = Entries(connection, partition, look.run_id, look.at)
    return _Writer(connection, look, entries, ids)


@dataclass(frozen=True, slots=True)
class _Writer:
    connection: Connection
    look: Look
    entries: Entries
    ids: dict[Series, int]

    def present(self) -> list[Change]:
        """Write the prices that hold now and differ from the last accepted ones."""
        known = self._current()
        told_since = self._told_since(self.ids.values() - known.keys())
        changes, moved = [], []
        for quote, fetch in self.look.quotes:
            if self._is_ahead(quote):
                continue
            number = self.ids[quote.series]
            before = known.get(number)
            if before is not None and before.amount == quote.amount:
                moved.append(before)
                continue
            since = quote.valid_from or self.look.at
            # A date that the page gives can't reach behind what is said to have held later.
            since = max(since, before.valid_from if before else told_since.get(number, since))
            self.entries.price(number, since, quote.amount, quote.basis)
            self.entries.printed(number, since, quote, fetch)
            self.entries.in_force(number, since, quote.amount, quote.basis)
            changes.append(Change(quote.series, before and before.amount, quote.amount, since))
        self._take_over(moved)
        self.entries.write(known)
        return changes

    def ahead(self) -> list[Change]:
        """Write the prices announced for the future; cancel those that are so no more."""
        announced = announced_rows(self.connection, self.look.partition, self.look.at)
        held = self._held()
        wanted = {key for key in announced if key[0] in held}
        changes = []
        for quote, fetch, since, amount in self._future():
            number = self.ids[quote.series]
            wanted.add((number, since))
            known = announced.get((number, since))
            if known is None or known.amount != amount:
                self.entries.price(number, since, amount, ANNOUNCED)
                self.entries.printed(number, since, quote, fetch)
                changes.append(Change(quote.series, known and known.amount, amount, since))
        for number, since in announced.keys() - wanted if self.look.complete else ():
            row = announced[number, since]
            self.entries.price(number, since, None, CANCELLED)
            changes.append(Change(series_of(row), row.amount, None, since))
        self.entries.write()
        return changes

    def absent(self) -> list[Change]:
        """Note which series were not seen; withdraw those that two complete looks missed."""
        held = self._held()
        now = {self.ids[quote.series] for quote, _ in self.look.quotes if not self._is_ahead(quote)}
        seen = now | (set(self.ids.values()) - held)
        query = current_rows().where(Current.partition_id == self.entries.partition)
        rows = self.connection.execute(query).all()
        back = [row.series_id for row in rows if row.series_id in seen and row.unseen_since]
        renew(self.connection, back, unseen_since=None, missing_since=None)
        away = [row for row in rows if row.series_id not in seen and row.amount is not None]
        missing = [row for row in away if row.series_id not in held and self.look.complete]
        gone = [row for row in missing if row.missing_since and row.missing_since < self.look.at]
        self._note_absence(away, missing)
        for row in gone:
            self.entries.price(row.series_id, row.missing_since, None, OBSERVED)
            self.entries.in_force(row.series_id, row.missing_since, None, OBSERVED)
        self.entries.write(row.series_id for row in gone)
        return [Change(series_of(row), row.amount, None, row.missing_since) for row in gone]

    def _note_absence(self, away: Iterable[Found], missing: Iterable[Found]) -> None:
        unseen = [row.series_id for row in away if row.unseen_since is None]
        renew(self.connection, unseen, unseen_since=self.look.at)
        newly = [row.series_id for row in missing if row.missing_since is None]
        renew(self.connection, newly, missing_since=self.look.at)

    def _held(self) -> set[int]:
        return set(series_ids(self.connection, self.look.held).values())

    def _is_ahead(self, quote: Quote) -> bool:
        return quote.valid_from is not None and quote.valid_from > self.look.at

    def _future(self) -> Iterator[tuple[Quote, int | None, datetime, Decimal | None]]:
        ahead = {
            (quote.series, quote.valid_from): quote
            for quote, _ in self.look.quotes
            if self._is_ahead(quote)
        }
        for quote, fetch in self.look.quotes:
            since, until = quote.valid_from, quote.valid_until
            if since and (quote.series, since) in ahead:
                yield quote, fetch, since, quote.amount
            if until and until > self.look.at and (quote.series, until) not in ahead:
                # The page says when this price ends but not what comes then: unknown from there.
                yield quote, fetch, until, None

    def _current(self) -> dict[int, Found]:
        """What was last accepted for the series of the look, whichever partition saw it."""
        found: dict[int, Found] = {}
        for chunk in chunks(self.ids.values()):
            query = select(Current.__table__).where(Current.series_id.in_(chunk))
            found |= {row.series_id: row for row in self.connection.execute(query)}
        return found

    def _told_since(self, imported: Iterable[int]) -> dict[int, datetime]:
        """Since when what others say of series that were never read holds."""
        found: dict[int, datetime] = {}
        for chunk in chunks(imported):
            rows = self.connection.execute(
                select(PriceRow.series_id, func.max(PriceRow.valid_from).label("since"))
                .where(
                    PriceRow.series_id.in_(chunk),
                    PriceRow.valid_from <= self.look.at,
                    PriceRow.basis != CANCELLED,
                )
                .group_by(PriceRow.series_id)
            )
            found |= {row.series_id: row.since for row in rows}
        return found

    def _take_over(self, rows: Iterable[Found]) -> None:
        """Verify from now on what another partition saw until now: a page has moved."""
        mine = self.entries.partition
        others = [row.series_id for row in rows if row.partition_id != mine]
        renew(self.connection, others, partition_id=mine)
