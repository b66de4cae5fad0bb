"""The user's workloads: the work, two ways to do it, and what others claim of it, from TOML."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from comparator import cost
from comparator.api import ApiTokens, read_pair
from comparator.api_training import read_training, read_trainings
from comparator.comparison import Comparison, Cost
from comparator.machine_serving import MachineServing
from comparator.machine_training import MachineTraining
from comparator.way import PriceOf, Prices, Way, read_mix
from pricebook.config import Table, load
from pricebook.errors import ConfigError
from pricebook.offers import Offers
from pricebook.quote import Price, Series

KINDS = {
    "fine_tune": "fine-tuning on machines, or by a candidate API, against that by API, per run",
    "inference": "an open model on machines against a model by API, per 10^6 tokens",
    "api": "a candidate model by API against another model by API, per 10^6 tokens",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody printed, to be shown beside our figure of that name (`explain` lists them)."""

    id: str
    figure: str
    printed: str
    note: str


@dataclass(frozen=True)
class Workload:
    """One piece of work and two ways to do it; of kind `api`, `self_host` is the candidate."""

    name: str
    kind: str
    self_host: Way
    api: Way
    claims: tuple[Claim, ...] = field(default=(), repr=False)

    @classmethod
    def from_table(cls, table: Table, measurements: Sequence[Path] = ()) -> Workload:
        """From one `[[workload]]`; ConfigError with one sentence when it makes no sense.

        `measurements`: files of the user's own, beside those of the catalogue.
        """
        name, kind = table.text("name"), table.choice("kind", KINDS)
        self_host, api = _WAYS[kind](table, measurements)
        claims = tuple(_claim(claim) for claim in table.tables("claim", "id"))
        table.close()
        return cls(name, kind, self_host, api, claims)

    @property
    def unit(self) -> str:
        """Of both costs."""
        return cost.PER_RUN if self.kind == "fine_tune" else cost.PER_MTOK

    @cached_property
    def calculation(self) -> str:
        """Digest of the settings and of the formulas' version: what moves a ratio but prices."""
        text = f"{cost.VERSION} {self!r}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def as_of(self, at: datetime) -> Workload:
        """By what was measured, and on offer, at that time; Unknown with a reason when it can't."""
        return replace(self, self_host=self.self_host.as_of(at), api=self.api.as_of(at))

    @property
    def turns(self) -> tuple[datetime, ...]:
        """The times at which `as_of` may begin to give something else."""
        return self.self_host.turns + self.api.turns

    @property
    def bends(self) -> bool:
        """Whether prices change the form of the formulas."""
        return self.self_host.bends or self.api.bends

    def notes(self, at: datetime) -> tuple[str, ...]:
        """What was announced by then of the end of an offer, each sentence once."""
        return tuple(dict.fromkeys(self.self_host.notes(at) + self.api.notes(at)))

    def needs(self) -> tuple[Series, ...]:
        """The prices without which there is no ratio, each once."""
        return tuple(dict.fromkeys(self.self_host.needs() + self.api.needs()))

    def may_need(self, offers: Offers) -> tuple[Series, ...]:
        """The same, and what may stand in for them: prices by the length of the prompt."""
        return tuple(dict.fromkeys(self.self_host.may_need(offers) + self.api.may_need(offers)))

    def price(self, series: Series, prices: Prices, offers: Offers) -> Price | None:
        """What one of `needs` costs; Unknown when it can't be told which price holds."""
        way = self.self_host if series in self.self_host.needs() else self.api
        return way.price(series, prices, offers)

    def compare(self, price: PriceOf) -> Comparison:
        """Both costs, from the prices that `needs` names."""
        sides = (Cost(self.unit, way.terms(price)) for way in (self.self_host, self.api))
        return Comparison(*sides)


def read_workloads(table: Table) -> tuple[Workload, ...]:
    """Every `[[workload]]` of a configuration; two of one name are refused."""
    workloads = tuple(Workload.from_table(each) for each in table.tables("workload"))
    names = [workload.name for workload in workloads]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f'[[workload]] "{name}": there are two of that name')
    return workloads


def examples() -> tuple[Workload, ...]:
    """The workloads that are shipped with breakeven, the article's among them."""
    return read_workloads(load(Path(__file__).with_name("examples.toml")))


def _fine_tune(table: Table, measurements: Sequence[Path]) -> tuple[Way, Way]:
    if table.has("candidate"):
        return read_trainings(table)
    api, tokens = read_training(table)
    return MachineTraining.read(table.table("self_host"), tokens, measurements), api


def _inference(table: Table, measurements: Sequence[Path]) -> tuple[Way, Way]:
    mix = read_mix(table.table("tokens"))
    api = ApiTokens.read(table.table("api"), mix, "the API")
    return MachineServing.read(table.table("self_host"), mix, measurements), api


def _api(table: Table, _: Sequence[Path]) -> tuple[Way, Way]:
    return read_pair(table, read_mix(table.table("tokens")))


_WAYS: dict[str, Callable[[Table, Sequence[Path]], tuple[Way, Way]]] = {
    "fine_tune": _fine_tune,
    "inference": _inference,
    "api": _api,
}


def _claim(table: Table) -> Claim:
    keys = ("id", "figure", "printed", "note")
    claim = Claim(*(table.text(key) for key in keys))
    table.close()
    return claim
