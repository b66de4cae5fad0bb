"""What the two ways to do a workload's work have in common, by API or on machines of one's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, Self, TypeAlias

from comparator.assumption import GIVEN, assumption
from comparator.comparison import Quantity, Term
from comparator.cost import Mix
from pricebook.config import Table
from pricebook.offers import Offers
from pricebook.quote import Price, Series

PriceOf: TypeAlias = Callable[[Series], Quantity]
"""A price of the book as a quantity."""

Prices: TypeAlias = Callable[[Series], Price | None]
"""The price in force of a series, None when the book has none."""

_LONGEST = 10**12
"""Tokens of a request, in or out: what is longer is a slip of the pen."""


class Unknown(Exception):
    """Why a workload has no ratio at a time, in one clause that names what is missing."""


class Discontinued(Unknown):
    """What is missing isn't sold any more."""


class Way(Protocol):
    """One way to do the work of a workload; what most ways have in common stands here."""

    @property
    def title(self) -> str:
        """What a verdict calls it."""

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """Costs that are not counted, for `explain`."""

    @property
    def turns(self) -> tuple[datetime, ...]:
        """The times at which `as_of` may begin to give something else."""
        return ()

    @property
    def bends(self) -> bool:
        """Whether prices change the form of its formulas: a minimum fee, above some price."""
        return False

    def as_of(self, at: datetime) -> Self:
        """The same way by what was measured, and on offer, at that time; Unknown when it can't."""
        return self

    def notes(self, at: datetime) -> tuple[str, ...]:
        """What was announced by then of the end of the offer, in sentences."""
        return ()

    def needs(self) -> tuple[Series, ...]:
        """The prices without which there is no answer."""

    def may_need(self, offers: Offers) -> tuple[Series, ...]:
        """`needs`, and what may stand in for them."""
        return self.needs()

    def price(self, series: Series, prices: Prices, offers: Offers) -> Price | None:
        """What one of `needs` costs; Unknown when it can't be told which price holds."""
        return prices(series)

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """What it costs, from the prices that `needs` names."""


def read_mix(table: Table) -> Mix:
    """From `tokens = { input = 3000, output = 1000, cached_share = 0.5 }`, tokens per request."""
    tokens = {name: _tokens(table, name) for name in ("input", "output")}
    mix = Mix(tokens["input"], tokens["output"], assumption(table, "cached_share"))
    table.close()
    if not mix.input.value.point + mix.output.value.point:
        raise table.error("input", "and output are both 0: there is nothing to compare")
    return mix


def _tokens(table: Table, name: str) -> Quantity:
    value = table.decimal(name)
    if not (value.is_finite() and 0 <= value <= _LONGEST):
        raise table.error(name, f"is {value}; it must be a number of tokens per request")
    return Quantity.defined(f"{name} tokens a request", "tokens", value, GIVEN)
