"""A workload's ratio through time, from the price book's past: `breakeven ratios history`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from breakeven.app import App
from breakeven.chart import chart
from breakeven.discounts import discounted_past
from breakeven.output import Format, Row, Shape
from comparator.channels.wording import figure
from comparator.timeline import Moment, timeline
from comparator.workload import Workload
from pricebook.label import label
from pricebook.offers import offers
from pricebook.past import past
from pricebook.quote import Price, digits, isoformat

RATIO_HISTORY = Shape(
    ("at", "ratio", "low", "high", "moved"),
    ("workload", "at", "low", "point", "high", "health", "reason", "moved"),
)


def moments(app: App, workload: Workload, until: datetime) -> list[Moment]:
    """The ratio at each time up to `until` at which a price, or a measurement, changed.

    As the book knows its past today: a price that was learnt late counts from when it held.
    """
    with app.asking() as asked:
        known = offers(asked, until)
        prices = past(asked, workload.may_need(known), until)
        mine = discounted_past(prices, app.settings.aws.discounts)
        return _changes(list(timeline(workload, mine, until, known)))


def moment_row(workload: Workload, one: Moment, form: Format) -> Row:
    """A moment in the documented shape, or rounded for people."""
    ratio = one.ratio
    if form.kind == "table":
        words = [figure(n) for n in (ratio.point, ratio.low, ratio.high)] if ratio else []
        shown = dict(zip(("ratio", "low", "high"), words or ("unknown", "", ""), strict=True))
        moved = "; ".join(map(_moved, one.moved)) or "a newer measurement"
        return {"at": f"{one.at:%Y-%m-%d}", **shown, "moved": one.reason or moved}
    ends = ("low", "point", "high")
    return {
        "workload": workload.name,
        "at": isoformat(one.at),
        **{name: digits(getattr(ratio, name)) if ratio else None for name in ends},
        "health": "fresh" if ratio else "unknown",
        "reason": one.reason,
        "moved": [price.as_dict() for price in one.moved],
    }


def ratio_chart(found: list[Moment], until: datetime) -> list[str]:
    """The points through time, with a line where both ways cost the same."""
    points = [(one.at, one.ratio.point if one.ratio else None) for one in found]
    return chart(points, until, level=Decimal(1))


def _changes(found: list[Moment]) -> list[Moment]:
    """Without the times before anything was known."""
    known = next((number for number, one in enumerate(found) if one.ratio), len(found))
    return found[max(0, known) :] or found[-1:]


def _moved(price: Price) -> str:
    amount = "withdrawn" if price.amount is None else figure(price.amount)
    return f"{label(price.series)} {amount}"
