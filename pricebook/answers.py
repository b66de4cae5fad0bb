"""What the price book says: prices at a time, histories, the last accepted readings.

Each question finds its rows by an index, on both databases (tests/test_plans.py); the figures that
the indexes were chosen by stand in docs/scale.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
)

from pricebook.entries import chunks
from pricebook.prepared import Prepared, PreparedList
from pricebook.quote import ANNOUNCED, CANCELLED, Price, Series, from_ticks
from pricebook.series import IS_SERIES, SERIES, Filter, Found, series_ids, series_key, series_of
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
from pricebook.types import Instant

LOOKED = ("complete", "partial")
"""The outcomes of runs that read prices; others are failures, imports and persons' words."""

IS_ANNOUNCED = PriceRow.basis == literal_column(f"'{ANNOUNCED}'")
"""Written out, so that the index of the announced prices serves."""


def as_of(
    connection: Connection,
    valid: datetime,
    known: datetime | None = None,
    where: Filter | None = None,
    *,
    products: Collection[str] | None = None,
) -> list[Price]:
    """Every price that held at `valid`, as far as it was known at `known` (default: ever).

    Withdrawn series are left out. `verified_at` is filled in when `known` is not given. `products`:
    of these alone, in a region of thousands.
    """
    times = {"valid": valid} | ({} if known is None else {"known": known})
    conditions = (where or Filter()).conditions()
    if products is not None:
        conditions.append(SeriesRow.product.in_(products))
    query = in_force(conditions, as_known=known is not None)
    rows = connection.execute(query, times).all()
    return sorted((_price(row) for row in rows if row.amount is not None), key=_by_name)


def price_at(connection: Connection, series: Series, at: datetime) -> Price | None:
    """The price of one series at `at`; None: no word of it, amount None: withdrawn."""
    rows = _PRICE_AT.rows(connection, valid=at, **series_key(series))
    return Price(series, *rows[0]) if rows else None


def lookup(connection: Connection, at: datetime) -> Callable[[Series], Price | None]:
    """A function that gives the price of one series at `at`; a withdrawn one has amount None."""
    return lambda series: price_at(connection, series, at)


def latest_of(connection: Connection, numbers: Iterable[int]) -> dict[int, Decimal | None]:
    """The last accepted amounts of the series of these numbers (`series_ids` gives them).

    None: withdrawn; a series that was never read is left out. For thousands of series at a time.
    """
    return {
        number: None if ticks is None else from_ticks(ticks)
        for number, ticks in _LATEST.raw(connection, numbers)
    }


def history(
    connection: Connection,
    where: Filter,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Price]:
    """Every row of the matching series, oldest first: changes, withdrawals, announcements."""
    query = _with_source(PriceRow).join(SeriesRow, SeriesRow.id == PriceRow.series_id)
    query = query.where(*where.conditions())
    if since:
        query = query.where(PriceRow.valid_from >= since)
    if until:
        query = query.where(PriceRow.valid_from < until)
    ordered = query.order_by(PriceRow.valid_from, PriceRow.recorded_at).add_columns(*SERIES)
    return [_price(row) for row in connection.execute(ordered)]


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
    for chunk in chunks(elsewhere):
        prices |= _accepted(connection.execute(query.where(Current.series_id.in_(chunk))))
    return prices


def latest_elsewhere(
    connection: Connection, products: Iterable[str], partitions: Collection[str]
) -> dict[Series, Price]:
    """The last accepted prices of these products that none of these partitions has."""
    elsewhere = _current_with_source().where(Partition.name.not_in(partitions))
    prices: dict[Series, Price] = {}
    for chunk in chunks(products):
        prices |= _accepted(connection.execute(elsewhere.where(SeriesRow.product.in_(chunk))))
    return prices


def announced(
    connection: Connection, partition: str, at: datetime
) -> set[tuple[Series, datetime, Decimal]]:
    """The prices of a partition that are known to begin later, each with its day."""
    rows = announced_rows(connection, partition, at)
    return {
        (series_of(row), since, row.amount)
        for (_, since), row in rows.items()
        if row.amount is not None
    }


def facts_of(connection: Connection, seller: str, product: str) -> dict[str, Any] | None:
    """The last known facts about a product, None when there are none."""
    query = (
        select(Product.facts)
        .where(Product.seller == seller, Product.product == product)
        .order_by(Product.recorded_at.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def machines_with(connection: Connection, kind: str = "gpu") -> tuple[str, ...]:
    """The AWS machines that have accelerators of a kind (gpu, neuron, inference), by name."""
    query = select(Product.product, Product.facts).where(Product.seller == "aws")
    rows = connection.execute(query.order_by(Product.recorded_at))
    facts: dict[str, dict[str, Any]] = {row.product: row.facts for row in rows}
    return tuple(
        sorted(
            product
            for product, known in facts.items()
            if any(one["kind"] == kind for one in known.get("accelerators", ()))
        )
    )


def announced_rows(
    connection: Connection, partition: str, at: datetime
) -> dict[tuple[int, datetime], Found]:
    """The rows of `announced`, with `SERIES` and `amount`, by series number and day."""
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
        .join(Partition, Partition.id == Run.partition_id)
        .where(
            Partition.name == partition,
            IS_ANNOUNCED,
            PriceRow.valid_from > at,
            ~superseded.exists(),
        )
    )
    return {(row.series_id, row.valid_from): row for row in connection.execute(query)}


def current_rows() -> Any:
    """A query of the last accepted readings with `SERIES`."""
    rest = (column for column in Current.__table__.c if column.name != "series_id")
    return select(*SERIES, *rest).join(Current, Current.series_id == SeriesRow.id)


def in_force(conditions: Sequence[ColumnElement[bool]], *, as_known: bool = False) -> Any:
    """A query of the row of each such series that held at parameter `valid`, with `SERIES`.

    `as_known`: as it was known at parameter `known`; without it, `verified_at` is given, too.
    """
    return _held(as_known=as_known).add_columns(*SERIES).where(*conditions)


def _held(*, as_known: bool = False) -> Any:
    tried = PriceRow.__table__.alias("tried")
    # Backwards along the primary key, to the first that was not taken back: one or two rows.
    since = (
        select(tried.c.valid_from)
        .where(
            tried.c.series_id == SeriesRow.id,
            tried.c.valid_from <= bindparam("valid", type_=Instant),
            tried.c.basis != CANCELLED,
            tried.c.recorded_at == _last_word(tried.c, as_known=as_known),
        )
        .order_by(tried.c.valid_from.desc())
        .limit(literal_column("1"))
        .correlate(SeriesRow)
        .scalar_subquery()
    )
    verified = literal_column("NULL") if as_known else _verified_at()
    return (
        _with_source(PriceRow, verified.label("verified_at"))
        .join(SeriesRow, SeriesRow.id == PriceRow.series_id)
        .outerjoin(Current, Current.series_id == SeriesRow.id)
        .where(
            PriceRow.valid_from == since,
            PriceRow.recorded_at == _last_word(PriceRow.__table__.c, as_known=as_known),
        )
    )


def _last_word(said: Any, *, as_known: bool) -> ScalarSelect[Any]:
    """When the last statement about a price's first day was recorded."""
    other = PriceRow.__table__.alias()
    query = select(func.max(other.c.recorded_at)).where(
        other.c.series_id == said.series_id, other.c.valid_from == said.valid_from
    )
    if as_known:
        query = query.where(other.c.recorded_at <= bindparam("known", type_=Instant))
    return query.correlate(said.series_id.table).scalar_subquery()


def _with_source(price: Any, *more: Any) -> Any:
    """Price rows with their partition and, where kept, what the page printed, as in `Price`."""
    printed = and_(
        Quoted.series_id == price.series_id,
        Quoted.valid_from == price.valid_from,
        Quoted.recorded_at == price.recorded_at,
    )
    columns = (
        price.amount,
        price.valid_from,
        price.basis,
        price.recorded_at,
        Partition.name.label("source"),
        *(more or [literal_column("NULL").label("verified_at")]),
        Quoted.text.label("quoted"),
        Quoted.location,
        Fetch.url,
    )
    return (
        select(*columns)
        .select_from(price)
        .join(Run, Run.id == price.run_id)
        .join(Partition, Partition.id == Run.partition_id)
        .outerjoin(Quoted, printed)
        .outerjoin(Fetch, Fetch.id == Quoted.fetch_id)
    )


def _verified_at() -> ScalarSelect[Any]:
    """When a series was last seen by a look before `valid`."""
    return (
        select(Run.at)
        .where(
            Run.partition_id == Current.partition_id,
            or_(*(Run.outcome == outcome for outcome in LOOKED)),
            Run.at <= bindparam("valid", type_=Instant),
            or_(Current.unseen_since.is_(None), Run.at < Current.unseen_since),
        )
        .order_by(Run.at.desc())
        .limit(literal_column("1"))
        .correlate(Current)
        .scalar_subquery()
    )


def _current_with_source() -> Any:
    query = current_rows().join(Partition, Partition.id == Current.partition_id)
    return query.add_columns(Partition.name.label("source"))


def _accepted(rows: Iterable[Found]) -> dict[Series, Price]:
    prices = (
        Price(series_of(row), row.amount, row.valid_from, row.basis, row.recorded_at, row.source)
        for row in rows
    )
    return {price.series: price for price in prices}


def _price(row: Found) -> Price:
    return Price(
        series_of(row),
        row.amount,
        row.valid_from,
        row.basis,
        row.recorded_at,
        row.source,
        row.verified_at,
        row.quoted,
        row.location,
        row.url,
    )


def _by_name(price: Price) -> tuple[Any, ...]:
    series = price.series
    return series.seller, series.product, series.meter, series.qualifiers


def _amounts(among: Callable[[Any], ColumnElement[bool]]) -> Any:
    return select(Current.series_id, Current.amount).where(among(Current.series_id))


_PRICE_AT = Prepared(_held().where(IS_SERIES))
_LATEST = PreparedList(_amounts)
