"""What would end an episode: for each price, the amount that alone brings the ratio back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from comparator.channels.wording import figure
from comparator.comparison import Comparison, Cost, Quantity
from comparator.event import Range
from comparator.measure import RATIO
from comparator.ratio import Evaluation
from comparator.rules.crossing import Crossing

_MOST = 4


def flips(rule: Crossing, now: Evaluation) -> tuple[str, ...]:
    """`aws p4d.24xlarge instance at 23.2 USD for 1 hour (now 19.22)`, the nearest one first.

    What ends an episode of a rule on the ratio, with everything else as it is and the range in the
    same proportion to its point. At most four; none for a price that can't do it alone.
    """
    level = _level(rule, now.ratio) if now.ratio and rule.measure == RATIO else None
    if now.comparison is None or level is None:
        return ()
    found = [
        (abs((amount / quantity.value.point).ln()), _words(quantity, amount))
        for quantity, amount in _solutions(_against(now.comparison, level))
    ]
    return tuple(words for _, words in sorted(found)[:_MOST])


def _level(rule: Crossing, ratio: Range) -> Decimal | None:
    """Where the ratio's point is when all of it that counts is back across the dead band."""
    side, sure = rule.side(ratio), rule.sure(ratio)
    if side == "below" and rule.clear.low is not None:
        return rule.clear.low * ratio.point / sure.low
    if side == "above" and rule.clear.high is not None:
        return rule.clear.high * ratio.point / sure.high
    return None


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
