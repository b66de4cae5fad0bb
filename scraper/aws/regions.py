"""What EC2 machines cost in other regions, so that a region whose prices are all wrong shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

from pricebook.quote import Series

Conditions: TypeAlias = tuple[object, ...]
"""All that makes a series but its region."""

Regional: TypeAlias = Mapping[Conditions, Mapping[str, Decimal]]
"""Amounts above zero by what they are for, then by region."""

Qualifiers: TypeAlias = tuple[tuple[str, str], ...]

_BY_DEMAND = {("term", "spot"), ("term", "capacity_block")}


def is_regional(series: Series) -> bool:
    """Whether this is a list price of AWS's; what spot and Capacity Blocks cost follows demand."""
    return series.seller == "aws" and _BY_DEMAND.isdisjoint(series.qualifiers)


def by_region(prices: Mapping[Series, Decimal | None]) -> Regional:
    """Put the amounts of the same machine on the same conditions beside each other."""
    found: dict[Conditions, dict[str, Decimal]] = defaultdict(dict)
    for series, amount in prices.items():
        if amount and amount > 0 and is_regional(series):
            region, conditions = _apart(series)
            if region:
                found[conditions][region] = amount
    return found


def elsewhere(series: Series, regional: Regional) -> list[Decimal]:
    """The amounts of the same in other regions."""
    own, conditions = _apart(series)
    amounts = regional.get(conditions, {})
    return [amount for region, amount in amounts.items() if region != own]


def _apart(series: Series) -> tuple[str | None, Conditions]:
    """The region of a series, and all the rest."""
    region, rest = _qualifiers_apart(series.qualifiers)
    return region, (series.seller, series.product, series.meter, series.unit, series.currency, rest)


@lru_cache(maxsize=4096)
def _qualifiers_apart(qualifiers: Qualifiers) -> tuple[str | None, Qualifiers]:
    # Thousands of machines are sold on a few dozen conditions.
    rest = dict(qualifiers)
    return rest.pop("region", None), tuple(rest.items())
