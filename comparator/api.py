"""Work by API: which prices it needs, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from comparator import api_cost
from comparator.assumption import optional
from comparator.comparison import Quantity, Term
from comparator.cost import Mix
from comparator.way import PriceOf, Way, conditions
from pricebook.config import Table
from pricebook.quote import QUALIFIERS, Series

_TRAINING_LEAVES_OUT = ("evaluation", "hosting and use of the tuned model")


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

    def series(self, meter: str) -> Series:
        """Its price of 10^6 tokens."""
        return Series.of(self.seller, self.product, meter, "mtok", **dict(self.qualifiers))

    def __str__(self) -> str:
        """`gpt-3.5-turbo (fine-tuned)`."""
        return self.product + conditions(self.qualifiers)


@dataclass(frozen=True, slots=True)
class ApiTraining:
    """Fine-tuning by API, billed by trained token (epochs x data set)."""

    model: ApiModel
    tokens: Quantity
    title: str = "the API"
    leaves_out: tuple[str, ...] = _TRAINING_LEAVES_OUT

    def needs(self) -> tuple[Series, ...]:
        """The price of training."""
        return (self.model.series("training"),)

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per run."""
        return api_cost.api_training(price(self.model.series("training")), self.tokens)


@dataclass(frozen=True, slots=True)
class ApiFee:
    """Fine-tuning by API for a known fee per run, whatever the price list says."""

    model: ApiModel
    fee: Quantity
    title: str = "the API"
    leaves_out: tuple[str, ...] = _TRAINING_LEAVES_OUT

    def needs(self) -> tuple[Series, ...]:
        """Nothing of the book."""
        return ()

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per run."""
        return api_cost.api_fee(self.fee)


@dataclass(frozen=True, slots=True)
class ApiTokens:
    """Inference by API at a mix of input, cached input and output."""

    model: ApiModel
    mix: Mix
    title: str = "the API"
    leaves_out: tuple[str, ...] = ("cache writes and storage", "repeated requests")

    @classmethod
    def read(cls, table: Table, mix: Mix, title: str = "") -> ApiTokens:
        """From `api` or `candidate`; called by the model's name unless a title is given."""
        model = ApiModel.read(table, service_tier="standard")
        table.close()
        return cls(model, mix, title or str(model))

    def needs(self) -> tuple[Series, ...]:
        """The prices of the meters that the mix uses."""
        return tuple(self.model.series(meter) for meter in self._meters())

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per 10^6 tokens of the mix."""
        return tuple(
            term
            for meter, formula in self._meters().items()
            for term in formula(price(self.model.series(meter)), self.mix)
        )

    def _meters(self) -> dict[str, Callable[[Quantity, Mix], tuple[Term, ...]]]:
        mix = self.mix
        meters = {
            "input": (api_cost.api_input, mix.input.value.point * (1 - mix.cached.value.low)),
            "cache_read": (api_cost.api_cached, mix.input.value.point * mix.cached.value.high),
            "output": (api_cost.api_output, mix.output.value.point),
        }
        return {name: formula for name, (formula, most) in meters.items() if most}


def read_training(table: Table) -> tuple[Way, Quantity | None]:
    """Fine-tuning by API from `api`, and the tokens of a run where they are given."""
    fee, tokens = optional(table, "fee_per_run"), optional(table, "trained_tokens")
    model = ApiModel.read(table)
    table.close()
    if fee:
        return ApiFee(model, fee), tokens
    if tokens:
        return ApiTraining(model, tokens), tokens
    raise table.error("trained_tokens", "is missing (or give fee_per_run)")


def _qualifier(table: Table, name: str) -> str:
    value = table.raw(name)
    return "true" if value is True else table.text(name)
