"""Inference by API: which prices it needs, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Self, TypeAlias

from comparator import api_cost
from comparator.api_cost import Usage
from comparator.assumption import optional
from comparator.comparison import Quantity, Term
from comparator.cost import Mix
from comparator.interval import Interval
from comparator.way import PriceOf, Prices, Unknown, conditions
from pricebook.config import Table
from pricebook.offers import Offers
from pricebook.quote import QUALIFIERS, Price, Series

CANDIDATE = " of the candidate"
"""Behind the name of a candidate's own figure, for the API it is compared with has that, too."""

_BY_API = {
    "verbosity": "length of the API's answers over the mix's",
    "reasoning_tokens": "reasoning tokens of the API a request",
}
"""Names of settings that an open model has, too."""

_COMPARED: Mapping[str, Callable[[Decimal, Decimal], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_BOUND = re.compile(r"([<>]=?)([0-9]+)")
_OF_CACHE_WRITES = "cache_ttl"


@dataclass(frozen=True, slots=True)
class ApiModel:
    """A model by API under one set of conditions."""

    seller: str
    product: str
    qualifiers: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, table: Table, **usual: str) -> ApiModel:
        """From `seller`, `product` and any qualifiers; `usual` ones hold unless said otherwise."""
        given = {name: _qualifier(table, name) for name in QUALIFIERS if table.has(name)}
        qualifiers = usual | given
        return cls(table.text("seller"), table.text("product"), tuple(sorted(qualifiers.items())))

    def get(self, qualifier: str) -> str:
        """The value of one qualifier, or nothing."""
        return dict(self.qualifiers).get(qualifier, "")

    def series(self, meter: str, unit: str = "mtok") -> Series:
        """Its price under that meter; how long a cache entry lives tells only writes apart."""
        qualifiers = dict(self.qualifiers)
        if meter != "cache_write":
            qualifiers.pop(_OF_CACHE_WRITES, None)
        return Series.of(self.seller, self.product, meter, unit, **qualifiers)

    def but(self, **qualifiers: str) -> ApiModel:
        """The same under other conditions; "" takes one away."""
        kept = {
            name: value for name, value in (dict(self.qualifiers) | qualifiers).items() if value
        }
        return replace(self, qualifiers=tuple(sorted(kept.items())))

    def __str__(self) -> str:
        """`gpt-3.5-turbo (fine-tuned)`."""
        return self.product + conditions(self.qualifiers)


@dataclass(frozen=True, slots=True)
class ApiTokens:
    """Inference by API at a mix of input, cached input and output.

    `discount`: what a batch costs less where the seller has no price of its own for batches.
    """

    model: ApiModel
    mix: Mix
    usage: Usage = api_cost.PLAIN
    discount: Quantity | None = None
    title: str = "the API"

    @classmethod
    def read(cls, table: Table, mix: Mix, title: str = "", whose: str = "") -> ApiTokens:
        """From `api` or `candidate`; called by the model's name unless a title is given.

        `whose`: what is put behind the names of its own figures.
        """
        model = ApiModel.read(table, service_tier="standard")
        usage, discount = _usage(table, whose), own(table, "batch_discount", whose)
        table.close()
        tokens = cls(model, mix, usage, discount, title or str(model))
        tokens.check(table)
        return tokens

    def check(self, table: Table) -> None:
        """Refuse what contradicts itself, each in one sentence."""
        written, context = self.usage.written, self.model.get("context")
        if written and (self.mix.cached.value + written.value).high > 1:
            raise table.error("cache_write_share", "and cached_share are above 1 together")
        if self.model.get(_OF_CACHE_WRITES) and not written:
            raise table.error("cache_ttl", "tells cache writes apart; give cache_write_share, too")
        if self.discount and self.model.get("service_tier") != "batch":
            raise table.error("batch_discount", 'needs service_tier = "batch"')
        if context and not _covers_all(table, context, self._lengths):
            words = " or ".join(f"{length:,f}" for length in self._lengths)
            raise table.error("context", f"is {context!r}, but the prompt has {words} tokens")

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """What the formulas don't count."""
        cache = "cache storage" if self.usage.written else "cache writes and storage"
        return (cache, "repeated requests")

    def as_of(self, at: datetime) -> Self:
        """As it is at any time."""
        return self

    def needs(self) -> tuple[Series, ...]:
        """The prices of the meters that the mix uses."""
        return tuple(self.model.series(meter) for meter in self._meters())

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per 10^6 tokens of the mix."""
        return tuple(
            term
            for meter, formula in self._meters().items()
            for term in self._billed(formula, price(self.model.series(meter)))
        )

    def may_need(self, offers: Offers) -> tuple[Series, ...]:
        """`needs`, and what may stand in for them."""
        needs = self.needs() + (tuple(map(self._standard, self.needs())) if self.discount else ())
        return tuple(series for need in needs for series in (need, *_by_length(need, offers)))

    def price(self, series: Series, prices: Prices, offers: Offers) -> Price | None:
        """What one of `needs` costs for prompts of this length.

        A batch without a price of its own has the standard one, which `terms` then discounts.
        Unknown when the length doesn't settle which price holds.
        """
        found = self._of_length(series, prices, offers)
        if self.discount and (found is None or found.amount is None):
            return self._of_length(self._standard(series), prices, offers) or found
        return found

    def _standard(self, series: Series) -> Series:
        return self.model.but(service_tier="standard").series(series.meter)

    def _of_length(self, series: Series, prices: Prices, offers: Offers) -> Price | None:
        told = [price for price in map(prices, _by_length(series, offers)) if price]
        live = [price for price in told if price.amount is not None]
        found = [_covering(live, length) or prices(series) for length in self._lengths]
        if len({price and price.amount for price in found}) > 1:
            raise Unknown(
                f"the prompt may lie on both sides of a limit of {series}: give `context`"
            )
        if found[0] is None and live:
            known = ", ".join(sorted(price.series.get("context") or "" for price in live))
            raise Unknown(f"no price known for so long a prompt of {series}, only for {known}")
        return found[0] or next(iter(told), None)

    @property
    def _lengths(self) -> tuple[Decimal, ...]:
        """Tokens of a prompt as the seller counts them, cached ones included; the ends, once."""
        length = self.mix.input.value
        for factor in self.usage.of_input:
            length = length * factor.value
        return tuple(dict.fromkeys((length.low, length.point, length.high)))

    def _billed(self, formula: _Formula, price: Quantity) -> tuple[Term, ...]:
        terms = formula(price, self.mix, self.usage)
        if not self.discount or not price.price or _is_batch(price.price.series):
            return terms
        return api_cost.discounted(terms, self.discount)

    def _meters(self) -> dict[str, _Formula]:
        """The formulas of the meters of which there may be any tokens."""
        mix, usage = self.mix, self.usage
        full = mix.cached.value + (usage.written.value if usage.written else _NONE)
        reasoning = usage.reasoning.value if usage.reasoning else _NONE
        meters: dict[str, tuple[_Formula, Decimal]] = {
            "input": (api_cost.api_input, mix.input.value.point * (1 - full.low)),
            "cache_read": (api_cost.api_cached, mix.input.value.point * mix.cached.value.high),
            "cache_write": (
                api_cost.api_written,
                mix.input.value.point * (full.high - mix.cached.value.high),
            ),
            "output": (api_cost.api_output, mix.output.value.point + reasoning.high),
        }
        return {name: formula for name, (formula, most) in meters.items() if most}


_Formula: TypeAlias = Callable[[Quantity, Mix, Usage], tuple[Term, ...]]
_NONE = Interval.exactly(0)


def covers(context: str, length: Decimal) -> bool:
    """Whether a price for `>32000,<=128000` tokens is that of a prompt of so many.

    ValueError when the condition is none.
    """
    return all(_holds(bound, length) for bound in context.split(","))


def _holds(bound: str, length: Decimal) -> bool:
    found = _BOUND.fullmatch(bound.strip())
    if not found:
        raise ValueError(f"{bound!r} is no limit of length such as <=200000")
    return _COMPARED[found[1]](length, Decimal(found[2]))


def _by_length(series: Series, offers: Offers) -> Iterable[Series]:
    """The tiers by length that may hold for a series; none when it names its own."""
    return () if series.get("context") else offers.by_length(series)


def _covering(live: list[Price], length: Decimal) -> Price | None:
    """The price for that length, None when none is for it alone; Unknown when two differ."""
    fitting = [price for price in live if covers(price.series.get("context") or "", length)]
    if len({price.amount for price in fitting}) > 1:
        both = " and ".join(str(price.series) for price in fitting)
        raise Unknown(f"two prices hold for {length:,f} tokens of prompt, {both}: give `context`")
    return fitting[0] if fitting else None


def _covers_all(table: Table, context: str, lengths: tuple[Decimal, ...]) -> bool:
    try:
        return all(covers(context, length) for length in lengths)
    except ValueError as error:
        raise table.error("context", f"has {error}") from None


def own(table: Table, key: str, whose: str) -> Quantity | None:
    """The quantity that `key` sets, None when it is absent, with `whose` behind its name."""
    quantity = optional(table, key)
    return quantity and replace(quantity, name=_BY_API.get(key, quantity.name) + whose)


def read_pair(table: Table, mix: Mix) -> tuple[ApiTokens, ApiTokens]:
    """`candidate` and `api`, each called by its model, unless that is the same."""
    candidate = ApiTokens.read(table.table("candidate"), mix, whose=CANDIDATE)
    api = ApiTokens.read(table.table("api"), mix)
    if candidate.title == api.title:
        return replace(candidate, title="the candidate"), replace(api, title="the API")
    return candidate, api


def _usage(table: Table, whose: str) -> Usage:
    keys = ("tokenizer_ratio", "verbosity", "cache_write_share", "reasoning_tokens")
    return Usage(*(own(table, key, whose) for key in keys))


def _is_batch(series: Series) -> bool:
    return series.get("service_tier") == "batch"


def _qualifier(table: Table, name: str) -> str:
    value = table.raw(name)
    return "true" if value is True else table.text(name)
