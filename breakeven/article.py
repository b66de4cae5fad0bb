"""`breakeven article`: the claims that it began with, at the prices of every quarter since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from importlib.resources import files

from breakeven.app import App
from breakeven.discounts import discounted
from breakeven.output import table
from comparator.article import Recomputed, recomputed, statements
from comparator.channels.wording import figure
from comparator.interval import Interval
from pricebook.past import Past, past
from pricebook.quote import Price, Series
from pricebook.schema import reading
from pricebook.statements import Statements, read
from scraper import catalogs

_SOURCE = "the history that comes with breakeven"


def recompute(app: App, until: datetime) -> list[Recomputed]:
    """Every statement, at the prices of the book, and before it begins at those that are shipped.

    Negotiated discounts count, as everywhere.
    """
    said = statements()
    needed = {series for one in said for series in one.workload.needs()}
    with reading(app.engine) as connection:
        known = past(connection, needed, until)
    prices = _continued(_shipped(until), known)
    agreed = app.settings.aws.discounts
    mine = {one: tuple(discounted(p, agreed) for p in held) for one, held in prices.items()}
    return [recomputed(one, mine, until) for one in said]


def lines(found: Sequence[Recomputed]) -> Iterator[str]:
    """A column for each statement, a row for each quarter, and what became of each."""
    headers = ["", *(one.statement.id for one in found)]
    figures = [[_words(value) for _, value in one.figures()] for one in found]
    days = [f"{at:%Y-%m-%d}" for at, _ in found[0].moments]
    printed = ["printed", *(_printed(one.statement.printed) for one in found)]
    yield table([printed, *map(list, zip(days, *figures, strict=True))], headers)
    yield ""
    for one in found:
        yield f"{one.statement.id}  {one.statement.says}"
        now = figures[found.index(one)][-1]
        yield f"   {one.verdict}" + (f": {now}" if now != "?" else "")


def _words(value: Interval | None) -> str:
    if value is None:
        return "?"
    if value.certain:
        return figure(value.point)
    return f"{figure(value.point)} ({figure(value.low)}-{figure(value.high)})"


def _printed(ends: tuple[object, object]) -> str:
    low, high = ends
    return f"{low}" if low == high else f"{low}-{high}"


def _shipped(until: datetime) -> Statements:
    text = (files(catalogs) / "curated.csv").read_text(encoding="utf-8")
    return read(text, until)


def _continued(shipped: Statements, known: Past) -> Past:
    """The book's prices, and for the time before its first those that are shipped."""
    earlier: dict[Series, list[Price]] = {}
    for price in sorted(_prices(shipped), key=lambda one: one.valid_from):
        first = known[price.series][0].valid_from if price.series in known else None
        if first is None or price.valid_from < first:
            earlier.setdefault(price.series, []).append(price)
    return {one: (*earlier.get(one, ()), *known.get(one, ())) for one in {*earlier, *known}}


def _prices(shipped: Statements) -> Iterator[Price]:
    for quote in shipped.quotes:
        if quote.valid_from:
            yield _price(quote.series, quote.amount, quote.valid_from)
    for gone in shipped.withdrawn:
        if gone.valid_from:
            yield _price(gone.series, None, gone.valid_from)


def _price(series: Series, amount: Decimal | None, since: datetime) -> Price:
    return Price(series, amount, since, "imported", since, _SOURCE)
