"""What would bring a ratio back across a threshold: for each price, the amount that alone does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from comparator.channels.wording import figure
from comparator.comparison import Comparison, Cost, Quantity
from comparator.ratio import Evaluation

_MOST = 4


def flips(now: Evaluation, level: Decimal) -> tuple[str, ...]:
    """`aws p4d.24xlarge instance at 21.3 USD for 1 hour (now 19.22)`, the nearest one first.

    At the points of everything else; at most four, and none for a price that can't do it alone.
    """
    if now.comparison is None:
        return ()
    scaled = _against(now.comparison, level)
    found = [
        (abs((amount / quantity.value.point).ln()), _words(quantity, amount))
        for quantity, amount in _solutions(scaled)
    ]
    return tuple(words for _, words in sorted(found)[:_MOST])


def _against(comparison: Comparison, level: Decimal) -> Comparison:
    """A comparison that is even where the ratio of this one is `level`."""
    factor = Quantity.defined("threshold", "", level, "the rule")
    terms = (replace(term, times=(*term.times, factor)) for term in comparison.api.terms)
    return Comparison(comparison.self_host, Cost(comparison.api.unit, tuple(terms)))


def _solutions(comparison: Comparison) -> Iterator[tuple[Quantity, Decimal]]:
    for quantity in comparison.quantities:
        if quantity.price and quantity.value.point and comparison.solvable(quantity.name):
            amount = comparison.break_even(quantity.name)
            if amount is not None:
                yield quantity, amount


def _words(quantity: Quantity, amount: Decimal) -> str:
    now = figure(quantity.value.point)
    return f"{quantity.name} at {figure(amount)} {quantity.unit} (now {now})"
