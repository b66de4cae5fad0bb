"""The price book: change-only, bitemporal prices. The only file that writes prices.

Two time axes: `valid_from` (when a price holds in the world) and `recorded_at` (when we learnt of
it). `as_of(valid, known)` answers "what was the price at T" and "what did we know of it at K".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from pricebook.quote import Price, Quote, Series, Withdrawal
from pricebook.series import SERIES, Filter, Found, series_id, series_ids, series_of
from pricebook.tables import (
    Current,
    Fetch,
    Partition,
    PriceRow,
    Product,
    Quoted,
    Run,
    SeriesRow,
)

ANNOUNCED, CANCELLED, IMPORTED, OBSERVED = "announced", "cancelled", "imported", "observed"

_Listed = TypeVar("_Listed", int, str)
_KEY = ("series_id", "valid_from", "recorded_at")
LOOKED = ("complete", "partial")
"""The outcomes of runs that read prices; others are failures, imports and persons' words."""


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


@dataclass(frozen=True, slots=True)
class Change:
    """A series that changed in a look; `before` None: new or unknown, `after` None: withdrawn."""

    series: Series
    before: Decimal | None
    after: Decimal | None
    valid_from: datetime


@dataclass(frozen=True, slots=True)
class Conflict:
    """A statement about the past that an observed price contradicts: it was not written."""

    quote: Quote | Withdrawal
    observed: Decimal | None
    since: datetime


def record(connection: Connection, look: Look) -> list[Change]:
    """Write what a look changed, inside the caller's transaction; nothing for what didn't change.

    A series that two complete looks in a row miss is withdrawn from the first of them on. Prices
    announced for the future are rows of their own; one that a complete look no longer announces
    is cancelled by a row that supersedes it.
    """
    partition = partition_id(connection, look.partition)
    ids = series_ids(connection, [quote.series for quote, _ in look.quotes])
    writer = _Writer(connection, look, partition, ids)
    put_in_force(connection, look.partition, look.at)
    return [*writer.present(), *writer.ahead(), *writer.absent()]


def accept(connection: Connection, look: Look) -> list[Change]:
    """Write single prices that a person accepted; says nothing about the rest of the partition."""
    partition = partition_id(connection, look.partition)
    ids = series_ids(connection, [quote.series for quote, _ in look.quotes])
    writer = _Writer(connection, replace(look, complete=False), partition, ids)
    put_in_force(connection, look.partition, look.at)
    return [*writer.present(), *writer.ahead()]


def backfill(connection: Connection, look: Look) -> tuple[list[Change], list[Conflict]]:
    """Write what others say of the past; every quote needs a `valid_from`.

    An observed price is never overridden: from its first day on only the book's own readings count,
    and a statement that contradicts one is given back as a conflict. What is known is not written.
    """
    said_of = [quote.series for quote, _ in look.quotes] + [one.series for one in look.withdrawn]
    ids = series_ids(connection, said_of)
    writer = _Writer(connection, look, partition_id(connection, look.partition), ids)
    said = list(writer.past())
    changes = [one for one in said if isinstance(one, Change)]
    return changes, [one for one in said if isinstance(one, Conflict)]


def note_facts(
    connection: Connection, seller: str, product: str, facts: Mapping[str, Any], at: datetime
) -> None:
    """Keep facts about a product that are no prices, when they changed."""
    known = facts_of(connection, seller, product)
    if known != dict(facts):
        key = {"seller": seller, "product": product, "recorded_at": at}
        connection.execute(delete(Product).filter_by(**key))
        connection.execute(insert(Product).values(**key, facts=dict(facts)))


def facts_of(connection: Connection, seller: str, product: str) -> dict[str, Any] | None:
    """The last known facts about a product, None when there are none."""
    query = (
        select(Product.facts)
        .where(Product.seller == seller, Product.product == product)
        .order_by(Product.recorded_at.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def partition_id(connection: Connection, name: str) -> int:
    """The id of a partition, made when it is new."""
    found = connection.execute(select(Partition.id).where(Partition.name == name)).scalar()
    if found is not None:
        return found
    made = insert(Partition).values(name=name).returning(Partition.id)
    return connection.execute(made).scalar_one()


def as_of(
    connection: Connection,
    valid: datetime,
    known: datetime | None = None,
    where: Filter | None = None,
) -> list[Price]:
    """Every price that held at `valid`, as far as it was known at `known` (default: ever).

    Withdrawn series are left out. `verified_at` is filled in when `known` is not given.
    """
    conditions = (where or Filter()).conditions()
    rows = connection.execute(_in_force(valid, known, conditions)).all()
    verified = _verified(connection, valid, conditions) if known is None else {}
    prices = [_price(row, verified.get(row.series_id)) for row in rows if row.amount is not None]
    return sorted(prices, key=_by_name)


def lookup(connection: Connection, at: datetime) -> Callable[[Series], Price | None]:
    """A function that gives the price of one series at `at`; a withdrawn one has amount None."""

    def price_of(series: Series) -> Price | None:
        conditions = [SeriesRow.id == series_id(connection, series)]
        row = connection.execute(_in_force(at, None, conditions)).one_or_none()
        if row is None:
            return None
        return _price(row, _verified(connection, at, conditions).get(row.series_id))

    return price_of


def history(
    connection: Connection,
    where: Filter,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Price]:
    """Every row of the matching series, oldest first: changes, withdrawals, announcements."""
    query = _rows(PriceRow.__table__.c).where(*where.conditions())
    if since:
        query = query.where(PriceRow.valid_from >= since)
    if until:
        query = query.where(PriceRow.valid_from < until)
    rows = connection.execute(query.order_by(PriceRow.valid_from, PriceRow.recorded_at)).all()
    return [_price(row, None) for row in rows]


def latest(
    connection: Connection, partition: str, read: Iterable[Series] = ()
) -> dict[Series, Price]:
    """The last accepted price of every series of a partition: what the gate compares with.

    Of the series that were `read` it is also given where another partition saw them last: a page
    that moves takes its prices along.
    """
    query = _current_with_source()
    prices = _accepted(connection.execute(query.where(Partition.name == partition)))
    elsewhere = series_ids(connection, set(read) - prices.keys(), create=False).values()
    for chunk in _chunks(elsewhere):
        prices |= _accepted(connection.execute(query.where(Current.series_id.in_(chunk))))
    return prices


def latest_elsewhere(
    connection: Connection, products: Iterable[str], partitions: Collection[str]
) -> dict[Series, Price]:
    """The last accepted prices of these products that none of these partitions has."""
    elsewhere = _current_with_source().where(Partition.name.not_in(partitions))
    prices: dict[Series, Price] = {}
    for chunk in _chunks(products):
        prices |= _accepted(connection.execute(elsewhere.where(SeriesRow.product.in_(chunk))))
    return prices


def put_in_force(connection: Connection, partition: str, at: datetime) -> None:
    """Let `current` follow the announced prices of a partition whose day has come."""
    due = (
        select(PriceRow.series_id)
        .join(Current, Current.series_id == PriceRow.series_id)
        .where(
            Current.partition_id == partition_id(connection, partition),
            PriceRow.valid_from > Current.valid_from,
            PriceRow.valid_from <= at,
        )
    )
    numbers = set(connection.execute(due).scalars())
    query = _in_force(at, None, [SeriesRow.id.in_(numbers)])
    for row in connection.execute(query).all() if numbers else ():
        values = {"amount": row.amount, "valid_from": row.valid_from, "basis": row.basis}
        _update_current(connection, row.series_id, **values)


def announced(
    connection: Connection, partition: str, at: datetime
) -> set[tuple[Series, datetime, Decimal]]:
    """The prices of a partition that are known to begin later, each with its day."""
    rows = _announced(connection, partition_id(connection, partition), at)
    return {
        (series_of(row), since, row.amount)
        for (_, since), row in rows.items()
        if row.amount is not None
    }


@dataclass(frozen=True, slots=True)
class _Told:
    since: datetime
    amount: Decimal | None
    observed: bool


def _day(quote: Quote | Withdrawal) -> datetime:
    if quote.valid_from is None:
        raise ValueError(f"a statement about the past needs a day: {quote}")
    return quote.valid_from


@dataclass(frozen=True, slots=True)
class _Writer:
    connection: Connection
    look: Look
    partition: int
    ids: dict[Series, int]

    def present(self) -> Iterator[Change]:
        """Write the prices that hold now and differ from the last accepted ones."""
        known = self._current()
        told_since = self._told_since(self.ids.values() - known.keys())
        for quote, fetch in self.look.quotes:
            if self._is_ahead(quote):
                continue
            number = self.ids[quote.series]
            before = known.get(number)
            if before is not None and before.amount == quote.amount:
                self._take_over(before)
                continue
            since = quote.valid_from or self.look.at
            # A date that the page gives can't reach behind what is said to have held later.
            since = max(since, before.valid_from if before else told_since.get(number, since))
            self._append(number, since, quote.amount, quote.basis)
            self._keep_quoted(number, since, quote, fetch)
            self._set_current(number, since, quote.amount, quote.basis)
            yield Change(quote.series, before and before.amount, quote.amount, since)

    def ahead(self) -> Iterator[Change]:
        """Write the prices announced for the future; cancel those that are so no more."""
        announced = _announced(self.connection, self.partition, self.look.at)
        held = set(series_ids(self.connection, self.look.held, create=False).values())
        wanted = {key for key in announced if key[0] in held}
        for quote, fetch, since, amount in self._future():
            number = self.ids[quote.series]
            wanted.add((number, since))
            known = announced.get((number, since))
            if known is None or known.amount != amount:
                self._append(number, since, amount, ANNOUNCED)
                self._keep_quoted(number, since, quote, fetch)
                yield Change(quote.series, known and known.amount, amount, since)
        for number, since in announced.keys() - wanted if self.look.complete else ():
            row = announced[number, since]
            self._append(number, since, None, CANCELLED)
            yield Change(series_of(row), row.amount, None, since)

    def past(self) -> Iterator[Change | Conflict]:
        """Write imported prices before the first observed one of each series."""
        told = self._told()
        rows, quoted = [], []
        for quote, fetch in self._said():
            number, since = self.ids[quote.series], _day(quote)
            earlier = [row for row in told[number] if row.since <= since]
            before = earlier[-1] if earlier else None
            if before is not None and before.amount == quote.amount:
                continue
            contested = before is not None and before.since == since
            if before is not None and (contested or any(row.observed for row in earlier)):
                yield Conflict(quote, before.amount, before.since)
                continue
            rows.append(self._row(number, since, quote.amount, IMPORTED))
            quoted.append(self._quoted(number, since, quote, fetch))
            told[number].append(_Told(since, quote.amount, observed=False))
            told[number].sort(key=lambda row: row.since)
            yield Change(quote.series, before.amount if before else None, quote.amount, since)
        if rows:
            # One statement each: lists of the past are long.
            self._append_all(rows)
            self.connection.execute(insert(Quoted), quoted)

    def _said(self) -> list[tuple[Quote | Withdrawal, int | None]]:
        """The look's statements about the past, oldest first."""
        said: list[tuple[Quote | Withdrawal, int | None]] = [*self.look.quotes]
        said += [(one, None) for one in self.look.withdrawn]
        return sorted(said, key=lambda pair: _day(pair[0]))

    def _told(self) -> dict[int, list[_Told]]:
        """What the book says of each series so far, oldest first."""
        found: dict[int, dict[datetime, Found]] = {number: {} for number in self.ids.values()}
        for chunk in _chunks(found):
            query = select(PriceRow.__table__).where(PriceRow.series_id.in_(chunk))
            ordered = query.order_by(PriceRow.valid_from, PriceRow.recorded_at)
            for row in self.connection.execute(ordered):
                found[row.series_id][row.valid_from] = row
        return {
            number: [
                _Told(row.valid_from, row.amount, observed=row.basis != IMPORTED)
                for row in versions.values()
                if row.basis != CANCELLED
            ]
            for number, versions in found.items()
        }

    def absent(self) -> Iterator[Change]:
        """Note which series were not seen; withdraw those that two complete looks missed."""
        held = set(series_ids(self.connection, self.look.held, create=False).values())
        now = {self.ids[quote.series] for quote, _ in self.look.quotes if not self._is_ahead(quote)}
        seen = now | (set(self.ids.values()) - held)
        query = _current().where(Current.partition_id == self.partition)
        for row in self.connection.execute(query).all():
            if row.series_id in seen:
                if row.unseen_since is not None:
                    self._renew(row.series_id, unseen_since=None, missing_since=None)
            elif row.amount is not None and self._gone(row, held=row.series_id in held):
                self._append(row.series_id, row.missing_since, None, OBSERVED)
                self._set_current(row.series_id, row.missing_since, None, OBSERVED)
                yield Change(series_of(row), row.amount, None, row.missing_since)

    def _gone(self, row: Found, *, held: bool) -> bool:
        """Note an absence; whether it makes this the second complete look without the series."""
        missing = self.look.complete and not held
        if missing and row.missing_since is not None and row.missing_since < self.look.at:
            return True
        values = {}
        if row.unseen_since is None:
            values["unseen_since"] = self.look.at
        if missing and row.missing_since is None:
            values["missing_since"] = self.look.at
        if values:
            self._renew(row.series_id, **values)
        return False

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
        for chunk in _chunks(self.ids.values()):
            query = select(Current.__table__).where(Current.series_id.in_(chunk))
            found |= {row.series_id: row for row in self.connection.execute(query)}
        return found

    def _told_since(self, imported: Iterable[int]) -> dict[int, datetime]:
        """Since when what others say of series that were never read holds."""
        found: dict[int, datetime] = {}
        for chunk in _chunks(imported):
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

    def _take_over(self, row: Found) -> None:
        """Verify from now on what another partition saw until now: a page has moved."""
        if row.partition_id != self.partition:
            self._renew(row.series_id, partition_id=self.partition)

    def _append(self, number: int, since: datetime, amount: Decimal | None, basis: str) -> None:
        self._append_all([self._row(number, since, amount, basis)])

    def _append_all(self, rows: Sequence[Mapping[str, Any]]) -> None:
        keys = [{f"of_{name}": row[name] for name in _KEY} for row in rows]
        # Two changes of mind within one second: the later one is what we know.
        for table in (Quoted, PriceRow):
            same = (getattr(table, name) == bindparam(f"of_{name}") for name in _KEY)
            self.connection.execute(delete(table).where(*same), keys)
        self.connection.execute(insert(PriceRow), rows)

    def _row(
        self, number: int, since: datetime, amount: Decimal | None, basis: str
    ) -> dict[str, Any]:
        return {
            "series_id": number,
            "valid_from": since,
            "recorded_at": self.look.at,
            "amount": amount,
            "basis": basis,
            "run_id": self.look.run_id,
        }

    def _keep_quoted(
        self, number: int, since: datetime, quote: Quote | Withdrawal, fetch: int | None
    ) -> None:
        self.connection.execute(insert(Quoted), [self._quoted(number, since, quote, fetch)])

    def _quoted(
        self, number: int, since: datetime, quote: Quote | Withdrawal, fetch: int | None
    ) -> dict[str, Any]:
        return {
            "series_id": number,
            "valid_from": since,
            "recorded_at": self.look.at,
            "text": quote.quoted,
            "printed_unit": quote.printed_unit,
            "location": quote.where,
            "fetch_id": fetch,
        }

    def _set_current(
        self, number: int, since: datetime, amount: Decimal | None, basis: str
    ) -> None:
        values = {
            "partition_id": self.partition,
            "amount": amount,
            "valid_from": since,
            "recorded_at": self.look.at,
            "basis": basis,
            "unseen_since": None,
            "missing_since": None,
        }
        if not self._renew(number, **values):
            self.connection.execute(insert(Current).values(series_id=number, **values))

    def _renew(self, number: int, **values: Any) -> int:
        return _update_current(self.connection, number, **values)


def _update_current(connection: Connection, number: int, **values: Any) -> int:
    statement = update(Current).where(Current.series_id == number).values(**values)
    return connection.execute(statement).rowcount


def _accepted(rows: Iterable[Found]) -> dict[Series, Price]:
    prices = (
        Price(series_of(row), row.amount, row.valid_from, row.basis, row.recorded_at, row.source)
        for row in rows
    )
    return {price.series: price for price in prices}


def _announced(
    connection: Connection, partition: int, at: datetime
) -> dict[tuple[int, datetime], Found]:
    later = PriceRow.__table__.alias()
    superseded = select(later.c.series_id).where(
        later.c.series_id == PriceRow.series_id,
        later.c.valid_from == PriceRow.valid_from,
        later.c.recorded_at > PriceRow.recorded_at,
    )
    query = (
        select(*SERIES, PriceRow.valid_from, PriceRow.amount)
        .join(PriceRow, PriceRow.series_id == SeriesRow.id)
        .join(Run, Run.id == PriceRow.run_id)
        .where(
            Run.partition_id == partition,
            PriceRow.valid_from > at,
            PriceRow.basis != CANCELLED,
            ~superseded.exists(),
        )
    )
    return {(row.series_id, row.valid_from): row for row in connection.execute(query)}


def _current() -> Any:
    rest = (column for column in Current.__table__.c if column.name != "series_id")
    return select(*SERIES, *rest).join(Current, Current.series_id == SeriesRow.id)


def _current_with_source() -> Any:
    query = _current().join(Partition, Partition.id == Current.partition_id)
    return query.add_columns(Partition.name.label("source"))


def _in_force(valid: datetime, known: datetime | None, conditions: Sequence[Any]) -> Any:
    """The row of each series that held at `valid`, as known at `known`."""
    newest = func.row_number().over(
        partition_by=(PriceRow.series_id, PriceRow.valid_from),
        order_by=PriceRow.recorded_at.desc(),
    )
    versions = (
        select(PriceRow.__table__, newest.label("newest"))
        .join(SeriesRow, SeriesRow.id == PriceRow.series_id)
        .where(PriceRow.valid_from <= valid, *conditions)
    )
    if known is not None:
        versions = versions.where(PriceRow.recorded_at <= known)
    version = versions.subquery().c
    last = func.row_number().over(
        partition_by=version.series_id, order_by=version.valid_from.desc()
    )
    live = select(*version, last.label("last")).where(
        version.newest == 1, version.basis != CANCELLED
    )
    held = live.subquery().c
    return _rows(held).where(held.last == 1)


def _rows(price: Any) -> Any:
    """Price rows with their series, partition and, where kept, what the page printed."""
    printed = and_(
        Quoted.series_id == price.series_id,
        Quoted.valid_from == price.valid_from,
        Quoted.recorded_at == price.recorded_at,
    )
    columns = (
        price.valid_from,
        price.recorded_at,
        price.amount,
        price.basis,
        Partition.name.label("source"),
        Quoted.text.label("quoted"),
        Quoted.location,
        Fetch.url,
    )
    return (
        select(*SERIES, *columns)
        .join(price.series_id.table, price.series_id == SeriesRow.id)
        .join(Run, Run.id == price.run_id)
        .join(Partition, Partition.id == Run.partition_id)
        .outerjoin(Quoted, printed)
        .outerjoin(Fetch, Fetch.id == Quoted.fetch_id)
    )


def _verified(
    connection: Connection, at: datetime, conditions: Iterable[ColumnElement[bool]]
) -> dict[int, datetime]:
    """When each series was last seen by a look, by series id."""
    last = (
        select(Run.at)
        .where(
            Run.partition_id == Current.partition_id,
            Run.outcome.in_(LOOKED),
            Run.at <= at,
            or_(Current.unseen_since.is_(None), Run.at < Current.unseen_since),
        )
        .order_by(Run.at.desc())
        .limit(1)
        .correlate(Current)
        .scalar_subquery()
    )
    query = (
        select(Current.series_id, last.label("at"))
        .join(SeriesRow, SeriesRow.id == Current.series_id)
        .where(*conditions)
    )
    return {row.series_id: row.at for row in connection.execute(query)}


def _price(row: Found, verified_at: datetime | None) -> Price:
    return Price(
        series_of(row),
        row.amount,
        row.valid_from,
        row.basis,
        row.recorded_at,
        row.source,
        verified_at,
        row.quoted,
        row.location,
        row.url,
    )


def _chunks(keys: Iterable[_Listed]) -> Iterator[list[_Listed]]:
    """Few enough at a time for one statement's parameters."""
    wanted = sorted(keys)
    return (wanted[start : start + 500] for start in range(0, len(wanted), 500))


def _by_name(price: Price) -> tuple[Any, ...]:
    series = price.series
    return series.seller, series.product, series.meter, series.qualifiers
