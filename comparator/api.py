"""Inference by API: which prices it needs, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeAlias

from comparator import api_cost
from comparator.api_cost import Usage
from comparator.assumption import optional
from comparator.comparison import Quantity, Term
from comparator.cost import Mix
from comparator.interval import Interval
from comparator.tiers import covers, price_by_length, twins
from comparator.way import PriceOf, Prices, Way
from pricebook.config import Table
from pricebook.label import conditions
from pricebook.offers import Offers
from pricebook.quote import QUALIFIERS, Price, Series

CANDIDATE = " of the candidate"
"""Behind the name of a candidate's own figure, for the API it is compared with has that, too."""

_BY_API = {
    "tokenizer_ratio": "tokens of the API for one of the mix",
    "verbosity": "length of answers over the mix's",
    "reasoning_tokens": "reasoning tokens a request",
}
"""Names of settings that an open model has, too."""

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
        pairs = (dict(self.qualifiers) | qualifiers).items()
        return replace(self, qualifiers=tuple(sorted(pair for pair in pairs if pair[1])))

    def __str__(self) -> str:
        """`gpt-3.5-turbo (fine-tuned)`."""
        told = (pair for pair in self.qualifiers if pair[0] != _OF_CACHE_WRITES)
        return self.product + conditions(told)


@dataclass(frozen=True, slots=True)
class ApiTokens(Way):
    """Inference by API at a mix of input, cached input and output.

    `discount`: what a batch costs less where the seller has no price of its own for batches.
    `fee`: what is billed for each request beside its tokens; batches get no discount on it.
    """

    model: ApiModel
    mix: Mix
    usage: Usage = api_cost.PLAIN
    discount: Quantity | None = None
    fee: Series | None = None
    title: str = "the API"

    @classmethod
    def read(cls, table: Table, mix: Mix, title: str = "", whose: str = "") -> ApiTokens:
        """From `api` or `candidate`; called by the model's name unless a title is given.

        `whose`: what is put behind the names of its own figures.
        """
        model = ApiModel.read(table, service_tier="standard")
        usage, discount = _usage(table, whose), own(table, "batch_discount", whose)
        fee = _fee(table, model)
        table.close()
        tokens = cls(model, mix, usage, discount, fee, title or str(model))
        tokens.check(table)
        return tokens

    def check(self, table: Table) -> None:
        """Refuse what contradicts itself, each in one sentence."""
        written, context = self.usage.written, self.model.get("context")
        if written:
            self._check_shares(table, self.mix.cached.value + written.value)
        if self.model.get(_OF_CACHE_WRITES) and not written:
            raise table.error("cache_ttl", "tells cache writes apart; give cache_write_share, too")
        if self.discount and self.model.get("service_tier") != "batch":
            raise table.error("batch_discount", 'needs service_tier = "batch"')
        if context and not _covers_all(table, context, self._lengths):
            words = " or ".join(f"{length:,f}" for length in self._lengths)
            raise table.error("context", f"is {context!r}, but the prompt has {words} tokens")

    @staticmethod
    def _check_shares(table: Table, cached: Interval) -> None:
        if cached.high > 1:
            raise table.error("cache_write_share", "and cached_share are above 1 together")
        if cached.low < cached.point == 1:
            what = "and cached_share are 1 together, at their points; give lower points"
            raise table.error("cache_write_share", what)

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """What the formulas don't count."""
        cache = "cache storage" if self.usage.written else "cache writes and storage"
        return (cache, *(() if self.fee else ("fees per request",)), "repeated requests")

    def needs(self) -> tuple[Series, ...]:
        """The prices of the meters that the mix uses."""
        return self._of_tokens() + ((self.fee,) if self.fee else ())

    def _of_tokens(self) -> tuple[Series, ...]:
        return tuple(self.model.series(meter) for meter in self._meters())

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per 10^6 tokens of the mix."""
        tokens = tuple(
            term
            for meter, formula in self._meters().items()
            for term in self._billed(formula, price(self.model.series(meter)))
        )
        return tokens + (api_cost.api_requests(price(self.fee), self.mix) if self.fee else ())

    def may_need(self, offers: Offers) -> tuple[Series, ...]:
        """`needs`, and what may stand in for them."""
        standard = tuple(map(self._standard, self._of_tokens())) if self.discount else ()
        needs = self.needs() + standard
        return tuple(series for need in needs for series in (need, *twins(need, offers)))

    def price(self, series: Series, prices: Prices, offers: Offers) -> Price | None:
        """What one of `needs` costs for prompts of this length.

        A batch without a price of its own has the standard one, which `terms` then discounts.
        Unknown when the length doesn't settle which price holds.
        """
        found = price_by_length(series, self._lengths, prices, offers)
        unpriced = found is None or found.amount is None
        if self.discount and unpriced and series != self.fee:
            standard = self._standard(series)
            return price_by_length(standard, self._lengths, prices, offers) or found
        return found

    def _standard(self, series: Series) -> Series:
        return self.model.but(service_tier="standard").series(series.meter)

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
        read, written = self.mix.cached.value, _value(self.usage.written)
        tokens, answer = self.mix.input.value.point, self.mix.output.value.point
        meters: dict[str, tuple[_Formula, Decimal]] = {
            "input": (api_cost.api_input, tokens * (1 - (read + written).low)),
            "cache_read": (api_cost.api_cached, tokens * read.high),
            "cache_write": (api_cost.api_written, tokens * written.high),
            "output": (api_cost.api_output, answer + _value(self.usage.reasoning).high),
        }
        return {name: formula for name, (formula, most) in meters.items() if most}


_Formula: TypeAlias = Callable[[Quantity, Mix, Usage], tuple[Term, ...]]


def _covers_all(table: Table, context: str, lengths: tuple[Decimal, ...]) -> bool:
    try:
        return all(covers(context, length) for length in lengths)
    except ValueError as error:
        raise table.error("context", f"is none: {error}") from None


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


def _fee(table: Table, model: ApiModel) -> Series | None:
    """The price of 10^3 requests, by the seller's own word for them where it has several."""
    value = table.raw("request_fee")
    if value in (None, False):
        return None
    named = model if value is True else model.but(variant=table.text("request_fee"))
    return named.series("request", "kreq")


def _value(quantity: Quantity | None) -> Interval:
    """Of something that there may be none of."""
    return quantity.value if quantity else Interval.exactly(0)


def _is_batch(series: Series) -> bool:
    return series.get("service_tier") == "batch"


def _qualifier(table: Table, name: str) -> str:
    value = table.raw(name)
    return "true" if value is True else table.text(name)
