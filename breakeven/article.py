"""`breakeven article`: the claims that it began with, at the prices of every quarter since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from breakeven.app import App
from breakeven.discounts import discounted_past
from breakeven.output import table
from breakeven.shipped import continued, shipped
from comparator.article import Recomputed, recomputed, statements
from comparator.channels.wording import figure
from comparator.interval import Interval
from pricebook.past import past


def recompute(app: App, until: datetime) -> list[Recomputed]:
    """Every statement, at the prices of the book, and before it begins at those that are shipped.

    Negotiated discounts count, as everywhere.
    """
    said = statements()
    needed = {series for one in said for series in one.workload.needs()}
    with app.asking() as asked:
        known = past(asked, needed, until)
    prices = continued(shipped(until), known)
    mine = discounted_past(prices, app.settings.aws.discounts)
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
