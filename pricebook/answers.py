# ruff: noqa: S608 - statements are put together of our own words; what is asked for is bound
"""What the price book says: prices at a time, histories, facts about products.

Each question finds its rows by an index, on both databases (tests/test_plans.py); the figures that
the indexes were chosen by stand in docs/scale.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pricebook.question import Asked, Question, amount, instant
from pricebook.quote import CANCELLED, Price, Series
from pricebook.series import (
    IS_SERIES,
    JOIN_NAMES,
    SELECTED,
    Filter,
    product_ids,
    series_from,
    series_key,
)

LOOKED = ("complete", "partial")
"""The outcomes of runs that read prices; others are failures, imports and persons' words."""


def as_of(
    asked: Asked,
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
    conditions, values = (where or Filter()).conditions(asked)
    values["valid"] = valid
    if products is not None:
        conditions += ("series.product_id = ANY(:products)",)
        values["products"] = [*product_ids(asked, products).values()]
    if known is not None:
        values["known"] = known
    question = _in_force(conditions, as_known=known is not None)
    rows = question.each(asked, **values)
    return sorted((_price(row) for row in rows if row[0] is not None), key=_by_name)


def price_at(asked: Asked, series: Series, at: datetime) -> Price | None:
    """The price of one series at `at`; None: no word of it, amount None: withdrawn."""
    rows = _PRICE_AT.rows(asked, valid=at, **series_key(series))
    return _priced(series, rows[0]) if rows else None


def lookup(asked: Asked, at: datetime) -> Callable[[Series], Price | None]:
    """A function that gives the price of one series at `at`; a withdrawn one has amount None."""
    return lambda series: price_at(asked, series, at)


def latest_of(asked: Asked, numbers: Iterable[int]) -> dict[int, Decimal | None]:
    """The last accepted amounts of the series of these numbers (`series_ids` gives them).

    None: withdrawn; a series that was never read is left out. For thousands of series at a time.
    """
    rows = _LATEST.rows(asked, numbers=sorted(numbers))
    return {number: amount(ticks) for number, ticks in rows}


def history(
    asked: Asked,
    where: Filter,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Price]:
    """Every row of the matching series, oldest first: changes, withdrawals, announcements."""
    question, values = _changes(asked, where, since, until)
    return [_price(row) for row in question.rows(asked, **values)]


def each_change(asked: Asked, since: datetime | None, until: datetime | None) -> Iterator[Price]:
    """The same of every series, one by one: there may be more than memory holds."""
    question, values = _changes(asked, Filter(), since, until)
    return map(_price, question.stream(asked, **values))


def _changes(
    asked: Asked, where: Filter, since: datetime | None, until: datetime | None
) -> tuple[Question, dict[str, Any]]:
    conditions, values = where.conditions(asked)
    if since:
        conditions, values["since"] = (*conditions, "price.valid_from >= :since"), since
    if until:
        conditions, values["until"] = (*conditions, "price.valid_from < :until"), until
    return _past(conditions), values


def facts_of(asked: Asked, seller: str, product: str) -> dict[str, Any] | None:
    """The last known facts about a product, None when there are none."""
    rows = _FACTS.rows(asked, seller=seller, product=product)
    return _facts(rows[0][0]) if rows else None


def machines_with(asked: Asked, kind: str = "gpu") -> tuple[str, ...]:
    """The AWS machines that have accelerators of a kind (gpu, neuron, inference), by name."""
    facts = {product: _facts(said) for product, said in _ALL_FACTS.rows(asked, seller="aws")}
    return tuple(
        sorted(
            product
            for product, known in facts.items()
            if any(one["kind"] == kind for one in known.get("accelerators", ()))
        )
    )


def in_force(asked: Asked, numbers: Iterable[int], at: datetime) -> list[dict[str, Any]]:
    """What held at `at` of the series of these numbers, in columns of table `current`."""
    return [
        {"series_id": n, "amount": amount(ticks), "valid_from": instant(since), "basis": basis}
        for n, ticks, since, basis in _OF_NUMBERS.rows(asked, numbers=sorted(numbers), valid=at)
    ]


def _facts(said: Any) -> dict[str, Any]:
    """JSON, which PostgreSQL's driver has read already."""
    facts: dict[str, Any] = json.loads(said) if isinstance(said, str) else said
    return facts


def _price(row: tuple[Any, ...]) -> Price:
    return _priced(series_from(*row[_PRICED:]), row)


def _priced(series: Series, row: tuple[Any, ...]) -> Price:
    ticks, valid_from, basis, recorded_at, source, verified_at, quoted, where, url = row[:_PRICED]
    return Price(
        series,
        amount(ticks),
        instant(valid_from),
        basis,
        instant(recorded_at),
        source,
        None if verified_at is None else instant(verified_at),
        quoted,
        where,
        url,
    )


def _by_name(price: Price) -> tuple[Any, ...]:
    series = price.series
    return series.seller, series.product, series.meter, series.qualifiers


def _select(verified_at: str, more: str = "") -> str:
    """Price rows with their partition and, where kept, what the page printed, as in `Price`."""
    return f"""
        SELECT price.amount, price.valid_from, price.basis, price.recorded_at, partition.name,
               {verified_at}, quoted.text, quoted.location, page.url{more}
        FROM price
        JOIN series ON series.id = price.series_id {JOIN_NAMES}
        JOIN run ON run.id = price.run_id
        JOIN partition ON partition.id = run.partition_id
        LEFT JOIN quoted ON quoted.series_id = price.series_id
                        AND quoted.valid_from = price.valid_from
                        AND quoted.recorded_at = price.recorded_at
        LEFT JOIN "fetch" AS page ON page.id = quoted.fetch_id
        LEFT JOIN current ON current.series_id = price.series_id
    """


_PRICED = 9
"""Columns of `_select` before those of the series."""

_VERIFIED_AT = f"""
    (SELECT look.at FROM run AS look
     WHERE look.partition_id = current.partition_id
       AND ({" OR ".join(f"look.outcome = '{outcome}'" for outcome in LOOKED)})
       AND look.at <= :valid
       AND (current.unseen_since IS NULL OR look.at < current.unseen_since)
     ORDER BY look.at DESC LIMIT 1)
"""
"""When a series was last seen by a look before `valid`."""


def _held(*, as_known: bool = False) -> str:
    """The row of a series that held at `valid`, as it was known at `known`."""
    # Backwards along the primary key, to the first that was not taken back: one or two rows.
    return f"""
        price.valid_from = (
            SELECT tried.valid_from FROM price AS tried
            WHERE tried.series_id = series.id AND tried.valid_from <= :valid
              AND tried.basis <> '{CANCELLED}' AND {_is_last_word("tried", as_known=as_known)}
            ORDER BY tried.valid_from DESC LIMIT 1)
        AND {_is_last_word("price", as_known=as_known)}
    """


def _is_last_word(said: str, *, as_known: bool) -> str:
    """Whether nothing was recorded later of the same day of a price."""
    until, known = (
        f"{name}.recorded_at <= :known AND" if as_known else "" for name in (said, "word")
    )
    return f"""
        {until} NOT EXISTS (
            SELECT 1 FROM price AS word
            WHERE {known} word.series_id = {said}.series_id
              AND word.valid_from = {said}.valid_from AND word.recorded_at > {said}.recorded_at)
    """


@lru_cache(maxsize=256)
def _in_force(conditions: tuple[str, ...], *, as_known: bool) -> Question:
    """The row of each such series that held at `valid`, with the series."""
    select = _select("NULL" if as_known else _VERIFIED_AT, f", {SELECTED}")
    return Question(f"{select} WHERE {' AND '.join((*conditions, _held(as_known=as_known)))}")


@lru_cache(maxsize=256)
def _past(conditions: tuple[str, ...]) -> Question:
    where = " AND ".join(conditions) or "true"
    select = _select("NULL", f", {SELECTED}")
    return Question(f"{select} WHERE {where} ORDER BY price.valid_from, price.recorded_at")


_PRICE_AT = Question(f"{_select(_VERIFIED_AT)} WHERE {IS_SERIES} AND {_held()}")
_OF_NUMBERS = Question(
    "SELECT price.series_id, price.amount, price.valid_from, price.basis"
    " FROM price JOIN series ON series.id = price.series_id"
    f" WHERE series.id = ANY(:numbers) AND {_held()}"
)
_LATEST = Question("SELECT series_id, amount FROM current WHERE series_id = ANY(:numbers)")
_FACTS = Question(
    "SELECT facts FROM product WHERE seller = :seller AND product = :product"
    " ORDER BY recorded_at DESC LIMIT 1"
)
_ALL_FACTS = Question(
    "SELECT product, facts FROM product WHERE seller = :seller ORDER BY recorded_at"
)
