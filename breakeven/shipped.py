"""The history that comes with breakeven: what holds before the book's own first price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from pricebook.past import Past
from pricebook.quote import Price, Series
from pricebook.statements import Statements, read
from scraper import catalogs

_SOURCE = "the history that comes with breakeven"


def shipped(until: datetime) -> Past:
    """The prices of every series in it up to then, oldest first."""
    text = Path(catalogs.__file__).with_name("curated.csv").read_text(encoding="utf-8")
    found: dict[Series, list[Price]] = {}
    for price in sorted(_prices(read(text, until)), key=lambda one: one.valid_from):
        found.setdefault(price.series, []).append(price)
    return {series: tuple(prices) for series, prices in found.items()}


def continued(earlier: Past, known: Past) -> Past:
    """The book's prices, and for the time before the first of a series those that are shipped."""
    return {
        series: _joined(earlier.get(series, ()), known.get(series, ()))
        for series in {**earlier, **known}
    }


def _joined(earlier: Sequence[Price], known: Sequence[Price]) -> Sequence[Price]:
    before = [one for one in earlier if not known or one.valid_from < known[0].valid_from]
    return [*before, *known] if before else known


def _prices(found: Statements) -> Iterator[Price]:
    for quote in found.quotes:
        if quote.valid_from:
            yield _price(quote.series, quote.amount, quote.valid_from, quote.where)
    for gone in found.withdrawn:
        if gone.valid_from:
            yield _price(gone.series, None, gone.valid_from, gone.where)


def _price(series: Series, amount: Decimal | None, since: datetime, told: str) -> Price:
    return Price(series, amount, since, "imported", since, _SOURCE, where=told)
