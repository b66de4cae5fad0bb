"""What EC2 machines cost in other regions, so that a region whose prices are all wrong shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

from pricebook.quote import Series

Conditions: TypeAlias = tuple[object, ...]
"""All that makes a series but its region."""

Regional: TypeAlias = Mapping[Conditions, Mapping[str, Decimal]]
"""Amounts above zero by what they are for, then by region."""

_BY_DEMAND = ("spot", "capacity_block")


def is_regional(series: Series) -> bool:
    """Whether this is a list price of AWS's; what spot and Capacity Blocks cost follows demand."""
    return series.seller == "aws" and series.get("term") not in _BY_DEMAND


def by_region(prices: Mapping[Series, Decimal | None]) -> Regional:
    """Put the amounts of the same machine on the same conditions beside each other."""
    found: dict[Conditions, dict[str, Decimal]] = defaultdict(dict)
    for series, amount in prices.items():
        region = series.get("region")
        if region and amount and amount > 0 and is_regional(series):
            found[_conditions(series)][region] = amount
    return found


def elsewhere(series: Series, regional: Regional) -> list[Decimal]:
    """The amounts of the same in other regions."""
    amounts = regional.get(_conditions(series), {})
    return [amount for region, amount in amounts.items() if region != series.get("region")]


def _conditions(series: Series) -> Conditions:
    rest = (pair for pair in series.qualifiers if pair[0] != "region")
    return series.seller, series.product, series.meter, series.unit, series.currency, *rest
