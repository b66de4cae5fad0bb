"""Writing what a look at a partition found: changes only, those ahead, and what is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from pricebook.accepted import (
    IS_ANNOUNCED,
    Accepted,
    announced_rows,
    latest,
    latest_of_series,
)
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
from pricebook.series import series_of
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


def record(
    connection: Connection, look: Look, known: Mapping[Series, Accepted] | None = None
) -> list[Change]:
    """Write what a look changed, inside the caller's transaction; nothing for what didn't change.

    `known` is what `latest` gave in this transaction of the partition, after `put_in_force`, and
    of the look's series; asked for if it isn't given.

    A series that two complete looks in a row miss is withdrawn from the first of them on. Prices
    announced for the future are rows of their own; one that a complete look no longer announces
    is cancelled by a row that supersedes it.
    """
    if known is None:
        put_in_force(connection, look.partition, look.at)
        known = latest(connection, look.partition, _series(look))
    writer = _writer(connection, look, known)
    return [*writer.present(), *writer.ahead(), *writer.absent()]


def accept(connection: Connection, look: Look) -> list[Change]:
    """Write single prices that a person accepted; says nothing about the rest of the partition."""
    put_in_force(connection, look.partition, look.at)
    known = latest_of_series(connection, _series(look))
    writer = _writer(connection, replace(look, complete=False), known)
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


def _series(look: Look) -> set[Series]:
    return {quote.series for quote, _ in look.quotes}


def _writer(connection: Connection, look: Look, known: Mapping[Series, Accepted]) -> _Writer:
    partition = partition_id(connection, look.partition)
    new = made_ids(connection, [q.series for q, _ in look.quotes if q.series not in known])
    entries = Entries(connection, partition, look.run_id, look.at)
    return _Writer(connection, look, entries, known, new)


@dataclass(frozen=True, slots=True)
class _Writer:
    """`known`: the last accepted readings; `new`: the numbers of the series that have none."""

    connection: Connection
    look: Look
    entries: Entries
    known: Mapping[Series, Accepted]
    new: Mapping[Series, int]

    def present(self) -> list[Change]:
        """Write the prices that hold now and differ from the last accepted ones."""
        told_since = self._told_since(self.new.values())
        changes, moved = [], []
        for quote, fetch in self.look.quotes:
            if self._is_ahead(quote):
                continue
            before = self.known.get(quote.series)
            if before is not None and before.amount == quote.amount:
                if not self._is_mine(before):
                    moved.append(before.number)
                continue
            number = self._number(quote.series)
            since = quote.valid_from or self.look.at
            # A date that the page gives can't reach behind what is said to have held later.
            since = max(since, before.valid_from if before else told_since.get(number, since))
            self.entries.price(number, since, quote.amount, quote.basis)
            self.entries.printed(number, since, quote, fetch)
            self.entries.in_force(number, since, quote.amount, quote.basis)
            changes.append(Change(quote.series, before and before.amount, quote.amount, since))
        # Verified from now on what another partition saw until now: a page has moved.
        renew(self.connection, moved, partition_id=self.entries.partition)
        self.entries.write(self.new.values())
        return changes

    def ahead(self) -> list[Change]:
        """Write the prices announced for the future; cancel those that are so no more."""
        announced = announced_rows(self.connection, self.look.partition, self.look.at)
        held = set(self.look.held)
        wanted = {key for key, row in announced.items() if series_of(row) in held}
        changes = []
        for quote, fetch, since, amount in self._future():
            number = self._number(quote.series)
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
        held = set(self.look.held)
        now = {quote.series for quote, _ in self.look.quotes if not self._is_ahead(quote)}
        ahead = {quote.series for quote, _ in self.look.quotes if self._is_ahead(quote)}
        seen = now | (ahead - held)
        back = [
            row.number
            for series, row in self.known.items()
            if row.unseen_since and series in seen and (series in now or self._is_mine(row))
        ]
        renew(self.connection, back, unseen_since=None, missing_since=None)
        away = {
            series: row
            for series, row in self.known.items()
            if series not in seen and row.amount is not None and self._is_mine(row)
        }
        missing = {
            series: row for series, row in away.items() if series not in held and self.look.complete
        }
        self._note_absence(away.values(), missing.values())
        return self._withdraw(missing)

    def _withdraw(self, missing: Mapping[Series, Accepted]) -> list[Change]:
        """Withdraw, from the first look on that missed them, those that an earlier one missed."""
        changes = []
        for series, row in missing.items():
            since = row.missing_since
            if since and since < self.look.at:
                self.entries.price(row.number, since, None, OBSERVED)
                self.entries.in_force(row.number, since, None, OBSERVED)
                changes.append(Change(series, row.amount, None, since))
        self.entries.write()
        return changes

    def _note_absence(self, away: Iterable[Accepted], missing: Iterable[Accepted]) -> None:
        unseen = [row.number for row in away if row.unseen_since is None]
        renew(self.connection, unseen, unseen_since=self.look.at)
        newly = [row.number for row in missing if row.missing_since is None]
        renew(self.connection, newly, missing_since=self.look.at)

    def _number(self, series: Series) -> int:
        row = self.known.get(series)
        return row.number if row else self.new[series]

    def _is_mine(self, row: Accepted) -> bool:
        return row.partition_id == self.entries.partition

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
