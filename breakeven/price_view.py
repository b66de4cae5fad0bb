"""What the commands show of prices: rows for programs in the documented shape, shorter ones for
people. Questions about prices alone need nothing of the comparator, and don't import it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from breakeven.output import Format, Row, Shape
from pricebook.label import conditions, label
from pricebook.quote import CANCELLED, Price, Series

SERIES = ("seller", "product", "meter", "unit", "currency", "qualifiers")
_PRICE = (*SERIES, "amount", "valid_from", "basis", "recorded_at", "verified_at", "source")
_SHOWN = ("seller", "product", "meter", "price", "unit", "conditions")

PRICES = Shape((*_SHOWN, "since", "verified"), _PRICE)
HISTORY = Shape(("since", *_SHOWN, "basis", "source"), _PRICE)
QUOTES = Shape(
    (*_SHOWN[1:], "quoted", "where"),
    (*SERIES, "amount", "valid_from", "valid_until", "quoted", "printed_unit", "where"),
)


def price_row(price: Price, form: Format) -> Row:
    """A price in the documented shape, or with short columns for a table."""
    if form.kind != "table":
        return price.as_dict()
    amount = price.as_dict()["amount"] or "withdrawn"
    return series_words(price.series) | {
        "price": "cancelled" if price.basis == CANCELLED else amount,
        "since": short(price.valid_from),
        "verified": short(price.verified_at),
        "basis": price.basis,
        "source": price.source,
    }


def series_words(series: Series) -> dict[str, str]:
    """A series for a table: conditions that go without saying are left out."""
    return {
        "seller": series.seller,
        "product": series.product,
        "meter": series.meter,
        "unit": f"{series.currency}/{series.unit}",
        "conditions": conditions(series.qualifiers)[2:-1],
    }


def price_charts(found: Sequence[Price], until: datetime) -> Iterator[str]:
    """Lines of a chart for each series, as long as its prices are known."""
    from breakeven.chart import chart

    for series in sorted({price.series for price in found}, key=str):
        held = [price for price in found if price.series == series and price.valid_from <= until]
        drawn = chart([(price.valid_from, price.amount) for price in held], until)
        if drawn:
            yield from (f"{label(series)}, {series.currency}/{series.unit}", *drawn, "")


def short(at: datetime | None) -> str | None:
    """A time for a table, to the minute."""
    return None if at is None else at.strftime("%Y-%m-%d %H:%M")
