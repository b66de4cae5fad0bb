"""The history of the book for others: a CSV file that `import` takes, or JSON with evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from breakeven.app import App
from breakeven.output import Format, Row, Shape, say, write_rows
from breakeven.price_view import PRICES
from pricebook import book
from pricebook.announcements import scheduled
from pricebook.question import INSTANT
from pricebook.quote import Price, Series
from pricebook.schema import reading
from pricebook.series import used_qualifiers
from pricebook.statements import columns_of, row_of

_NEVER = Decimal(-1)
"""What a series cost before anybody spoke of it, where None means withdrawn."""

FIELDS = (*PRICES.fields, "quoted", "where", "url")


def export(app: App, since: datetime | None, form: Format) -> None:
    """Write the whole history, oldest first; a table is written as CSV.

    CSV has what held: of several statements about a day the last one, and only changes. JSON has
    every row of the book: announcements, those taken back, and what was corrected later.
    """
    now = app.now()
    with reading(app.engine) as connection:
        if form.kind in ("json", "nl"):
            rows = map(_row, book.each_change(connection, since, None))
            write_rows(rows, Shape((), FIELDS), form, empty="no prices yet")
            return
        said = held(book.each_change(connection, None, now + INSTANT))
        changes = (price for price in said if since is None or price.valid_from >= since)
        columns = columns_of(used_qualifiers(connection))
        csv = Format("csv", form.headers)
        write_rows(map(row_of, changes), Shape(columns, columns), csv, empty="no prices yet")
        ahead = [one for one in scheduled(connection, now) if one.amount is not None]
    if ahead:
        say(f"{len(ahead)} announced prices are not in it: import takes the past only")


def held(prices: Iterable[Price]) -> Iterator[Price]:
    """Of the rows of `book.history` those that changed a price, in a fixed order."""
    before: dict[Series, Decimal | None] = {}
    for _, at_one_time in groupby(prices, key=attrgetter("valid_from")):
        last_words = {price.series: price for price in at_one_time}
        for price in sorted(last_words.values(), key=lambda one: str(one.series)):
            was = before.get(price.series, _NEVER)
            if price.basis == book.CANCELLED or was == price.amount:
                continue
            before[price.series] = price.amount
            yield price


def _row(price: Price) -> Row:
    return price.as_dict() | {"quoted": price.quoted, "where": price.where, "url": price.url}
