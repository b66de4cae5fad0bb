"""Prices for ratios: what the book has in force, less what AWS takes off for this user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from breakeven.settings import Settings
from comparator.way import Prices
from pricebook.answers import lookup
from pricebook.past import Past
from pricebook.question import Asked
from pricebook.quote import Price, Series
from scraper.aws.settings import Discount

_LIST_PRICES = ("on_demand", "reserved", "savings_plan")
"""What a discount is agreed on; spot prices and Capacity Blocks are AWS's word of the day."""


def prices_at(asked: Asked, settings: Settings, at: datetime) -> Prices:
    """What each series costs this user at `at`.

    A price with a discount of [[aws.discount]] says so in its source; the book keeps list prices.
    """
    listed = lookup(asked, at)
    discounts = settings.aws.discounts

    def price_of(series: Series) -> Price | None:
        price = listed(series)
        return discounted(price, discounts) if price else None

    return price_of


def discounted(price: Price, discounts: Sequence[Discount]) -> Price:
    """What a list price is to this user; itself when no discount is agreed on it."""
    discount = _discount_on(price.series, discounts)
    return _less(price, discount) if discount else price


def discounted_past(known: Past, discounts: Sequence[Discount]) -> Past:
    """All prices of the past as they would have been to this user."""
    agreed = {series: _discount_on(series, discounts) for series in known}
    return {
        series: [_less(price, discount) for price in held] if (discount := agreed[series]) else held
        for series, held in known.items()
    }


def _discount_on(series: Series, discounts: Sequence[Discount]) -> Discount | None:
    """The one for the machine itself before the one for its family."""
    if series.seller != "aws" or series.get("term") not in _LIST_PRICES:
        return None
    for name in (series.product, series.product.partition(".")[0]):
        for discount in discounts:
            if name in discount.families:
                return discount
    return None


def _less(price: Price, discount: Discount) -> Price:
    if price.amount is None:
        return price
    share = 1 - discount.percent / Decimal(100)
    source = f"{price.source}, less {discount.percent} % ([[aws.discount]])"
    return replace(price, amount=price.amount * share, source=source)
