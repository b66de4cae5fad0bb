"""The history of the book for others: a CSV file that `import` takes, or JSON with evidence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from breakeven.app import App
from breakeven.output import Format, Row, Shape, say, write_rows
from breakeven.price_view import PRICES
from pricebook import book
from pricebook.quote import Price, Series
from pricebook.schema import reading
from pricebook.series import Filter
from pricebook.statements import columns_of, row_of

FIELDS = (*PRICES.fields, "quoted", "where", "url")


def export(app: App, since: datetime | None, form: Format) -> None:
    """Write the whole history, oldest first; a table is written as CSV.

    CSV has what held: of several statements about a day the last one, and only changes. JSON has
    every row of the book: announcements, those taken back, and what was corrected later.
    """
    now = app.now()
    with reading(app.engine) as connection:
        found = book.history(connection, Filter())
    if form.kind in ("json", "nl"):
        rows = [_row(price) for price in found if since is None or price.valid_from >= since]
        write_rows(rows, Shape((), FIELDS), form, empty="no prices yet")
        return
    said = held(found)
    ahead = [price for price in said if price.valid_from > now and price.amount is not None]
    changes = [
        price
        for price in said
        if price.valid_from <= now and (since is None or price.valid_from >= since)
    ]
    columns = columns_of(changes)
    csv = Format("csv", form.headers)
    write_rows(map(row_of, changes), Shape(columns, columns), csv, empty="no prices yet")
    if ahead:
        say(f"{len(ahead)} announced prices are not in it: import takes the past only")


def held(prices: Iterable[Price]) -> list[Price]:
    """Of the rows of `book.history` those that changed a price, in a fixed order."""
    last_word = {(price.series, price.valid_from): price for price in prices}
    ordered = sorted(last_word.values(), key=_by_time_and_name)
    before: dict[Series, Price] = {}
    kept = []
    for price in ordered:
        known = before.get(price.series)
        if price.basis == book.CANCELLED or (known is not None and known.amount == price.amount):
            continue
        before[price.series] = price
        kept.append(price)
    return kept


def _by_time_and_name(price: Price) -> tuple[datetime, str]:
    return price.valid_from, str(price.series)


def _row(price: Price) -> Row:
    return price.as_dict() | {"quoted": price.quoted, "where": price.where, "url": price.url}
