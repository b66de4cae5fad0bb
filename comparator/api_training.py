"""Fine-tuning by API: which prices it needs, and what a run costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from comparator import api_cost
from comparator.api import CANDIDATE, ApiModel, own
from comparator.assumption import optional
from comparator.closing import closing_days, closing_notes, refuse_closed
from comparator.comparison import Quantity, Term
from comparator.way import PriceOf, Way
from pricebook.config import Table
from pricebook.quote import Series


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of a run's bill: `amount` at a price of the book, or at one of the user's."""

    name: str
    price: Series | Quantity
    amount: Quantity

    def needs(self) -> tuple[Series, ...]:
        """Its price, when that is one of the book."""
        return (self.price,) if isinstance(self.price, Series) else ()

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per run; tokens are priced by 10^6, time by itself."""
        paid = price(self.price) if isinstance(self.price, Series) else self.price
        formula = api_cost.api_training if self.amount.unit == "tokens" else api_cost.api_time
        return formula(paid, self.amount, self.name)


@dataclass(frozen=True, slots=True)
class ApiTraining(Way):
    """Fine-tuning by API, at least `minimum`; then the tuned model is kept and used, if at all.

    `training` is what counts towards the minimum, empty when there is a known `fee` per run
    instead, whatever the price list says.
    """

    model: ApiModel
    training: tuple[Charge, ...]
    after: tuple[Charge, ...] = ()
    fee: Quantity | None = None
    minimum: Quantity | None = None
    title: str = "the API"

    @classmethod
    def read(cls, table: Table, title: str = "", whose: str = "") -> ApiTraining:
        """From `api` or `candidate`; called by the model's name unless a title is given.

        `whose`: what is put behind the names of its own figures.
        """
        fee, minimum = own(table, "fee_per_run", whose), own(table, "minimum_fee", whose)
        model = ApiModel.read(table)
        training, after = tuple(_training(table, model, whose)), tuple(_after(table, model, whose))
        table.close()
        for key in ("minimum_fee", "trained_hours", "validation_tokens") if fee else ():
            if table.has(key):
                raise table.error(key, "is idle beside fee_per_run, which is the whole bill")
        if not fee and not training:
            raise table.error("trained_tokens", "is missing (or give trained_hours or fee_per_run)")
        return cls(model, () if fee else training, after, fee, minimum, title or str(model))

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """What the bill could have besides."""
        counted = {charge.name for charge in self.training + self.after}
        return tuple(words for words, names in _LEFT_OUT.items() if not counted & names)

    @property
    def turns(self) -> tuple[datetime, ...]:
        """The days on which an offer ends."""
        return closing_days(self.model.seller, "training")

    @property
    def bends(self) -> bool:
        """Where there is a minimum fee."""
        return self.minimum is not None

    def as_of(self, at: datetime) -> Self:
        """The same; Unknown when the seller takes no new jobs by then."""
        refuse_closed(self.model.seller, "training", at)
        return self

    def notes(self, at: datetime) -> tuple[str, ...]:
        """What was announced by then of the end of the offer."""
        return closing_notes(self.model.seller, "training", at)

    def needs(self) -> tuple[Series, ...]:
        """The prices of all charges, each once."""
        charges = self.training + self.after
        return tuple(dict.fromkeys(need for charge in charges for need in charge.needs()))

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per run."""
        return self._trained(price) + _terms(self.after, price)

    def _trained(self, price: PriceOf) -> tuple[Term, ...]:
        if self.fee:
            return api_cost.api_fee(self.fee)
        terms = _terms(self.training, price)
        return api_cost.at_least(terms, self.minimum) if self.minimum else terms


_LEFT_OUT = {
    "evaluation": {"validation"},
    "hosting of the tuned model": {"hosting", "storage"},
    "use of the tuned model": {"use, input", "use, output"},
}


def read_training(table: Table) -> tuple[ApiTraining, Quantity | None]:
    """Fine-tuning by API from `api`, and the tokens of a run where they are given."""
    api = table.table("api")
    return ApiTraining.read(api, "the API"), optional(api, "trained_tokens")


def read_trainings(table: Table) -> tuple[ApiTraining, ApiTraining]:
    """Fine-tuning by API from `candidate` and from `api`, each called by its model."""
    candidate = ApiTraining.read(table.table("candidate"), whose=CANDIDATE)
    return candidate, ApiTraining.read(table.table("api"))


def _terms(charges: tuple[Charge, ...], price: PriceOf) -> tuple[Term, ...]:
    return tuple(term for charge in charges for term in charge.terms(price))


def _training(table: Table, model: ApiModel, whose: str) -> Iterator[Charge]:
    """By the hour when hours are given, else by token; validation is billed beside tokens only."""
    hours, tokens = own(table, "trained_hours", whose), own(table, "trained_tokens", whose)
    if hours:
        yield Charge("training", model.series("training", "hour"), hours)
    elif tokens:
        yield Charge("training", model.series("training"), tokens)
    validation = own(table, "validation_tokens", whose)
    agreed = own(table, "validation_price", whose)
    if validation and hours:
        raise table.error("validation_tokens", "is idle beside trained_hours, which has it in")
    if agreed and not validation:
        raise table.error("validation_price", "needs validation_tokens")
    if validation:
        yield Charge("validation", agreed or model.series("training"), validation)


def _after(table: Table, model: ApiModel, whose: str) -> Iterator[Charge]:
    kept = model.but(variant="", data_sharing="")
    hours, months = own(table, "hosting_hours", whose), own(table, "storage_months", whose)
    if hours:
        yield Charge("hosting", kept.series("hosting", "hour"), hours)
    if months:
        yield Charge("storage", kept.series("storage", "model_month"), months)
    if table.has("use"):
        yield from _use(table.table("use"), model.but(variant=""), whose)


def _use(table: Table, model: ApiModel, whose: str) -> Iterator[Charge]:
    tuned = model.but(fine_tuned="true", service_tier=table.text("service_tier", "standard"))
    tokens = {meter: own(table, f"{meter}_tokens", whose) for meter in ("input", "output")}
    table.close()
    if not any(tokens.values()):
        raise table.error("input_tokens", "and output_tokens are both missing")
    for meter, amount in tokens.items():
        if amount:
            yield Charge(f"use, {meter}", tuned.series(meter), amount)
