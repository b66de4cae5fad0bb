"""Prices by the length of the prompt: which of them a request pays, for all of its tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import ge, gt, le, lt

from comparator.way import Prices, Unknown
from pricebook.offers import Offers
from pricebook.quote import Price, Series

_COMPARED: Mapping[str, Callable[[Decimal, Decimal], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_BOUND = re.compile(r"([<>]=?)([0-9]+)")


def covers(context: str, length: Decimal) -> bool:
    """Whether a price for `>32000,<=128000` tokens is that of a prompt of so many.

    ValueError when the condition is none.
    """
    return all(_holds(bound, length) for bound in context.split(","))


def twins(series: Series, offers: Offers) -> Iterable[Series]:
    """The series that may stand in for one by length; none when it names its own."""
    return () if series.get("context") else offers.by_length(series)


def price_by_length(
    series: Series, lengths: Sequence[Decimal], prices: Prices, offers: Offers
) -> Price | None:
    """The price for prompts of all these lengths: a twin's, else the one for any length.

    Unknown when the lengths, or the book, don't settle which it is.
    """
    told = [price for price in map(prices, twins(series, offers)) if price]
    live = [price for price in told if price.amount is not None]
    found = [_covering(live, length) or prices(series) for length in lengths]
    if len({price and price.amount for price in found}) > 1:
        raise Unknown(f"the prompt may lie on both sides of a limit of {series}: give `context`")
    if found[0] is None and live:
        known = ", ".join(sorted(price.series.get("context") or "" for price in live))
        raise Unknown(f"no price known for so long a prompt of {series}, only for {known}")
    return found[0] or next(iter(told), None)


def _covering(live: Iterable[Price], length: Decimal) -> Price | None:
    """The twin's price for that length, None when there is none; Unknown when two differ."""
    fitting = [price for price in live if covers(price.series.get("context") or "", length)]
    if len({price.amount for price in fitting}) > 1:
        both = " and ".join(str(price.series) for price in fitting)
        raise Unknown(f"two prices hold for {length:,f} tokens of prompt, {both}: give `context`")
    return fitting[0] if fitting else None


def _holds(bound: str, length: Decimal) -> bool:
    found = _BOUND.fullmatch(bound.strip())
    if not found:
        raise ValueError(f"{bound!r} is no limit of length such as <=200000")
    return _COMPARED[found[1]](length, Decimal(found[2]))
