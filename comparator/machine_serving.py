"""Inference with an open model on machines: what 10^6 tokens cost by its speed and their load."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Self, TypeAlias

from comparator import cost
from comparator.assumption import GIVEN, assumption, optional
from comparator.comparison import Cost, Quantity, Term
from comparator.cost import Fleet, Mix, Service
from comparator.interval import Interval
from comparator.machine import Machine
from comparator.memory import check_memory
from comparator.rate import MACHINE_HOUR
from comparator.way import PriceOf
from pricebook.config import Table
from pricebook.quote import Series

Throughput: TypeAlias = Quantity | Service
"""Tokens a second of one machine, or the law that they follow."""

_ONE = Quantity.defined("no more than is needed", "times", 1, "a machine at full load")


@dataclass(frozen=True, slots=True)
class MachineServing:
    """Inference with an open model on machines, at a constant speed or by length of request.

    `answer`: output tokens of the open model where the API's gives those of `mix`. `fixed`: what
    operations and the like cost per 10^6 tokens, empty when not counted. `machines` is a fleet of
    whole machines for `tokens` a month that are always paid; None: as many as the load needs, by
    parts of one.
    """

    machine: Machine
    fleet: Fleet
    throughput: Throughput
    mix: Mix
    answer: Quantity
    tokens: Quantity | None
    fixed: tuple[Term, ...]
    machines: Quantity | None = None
    title: str = "self-hosting"

    @classmethod
    def read(cls, table: Table, mix: Mix) -> MachineServing:
        """From `self_host`."""
        whole = table.flag("whole_machines", False)
        tokens = optional(table, "tokens_per_month")
        machine, fleet = Machine.read(table, training=False), _fleet(table, whole=whole)
        serving = cls(
            machine,
            fleet,
            _throughput(table),
            mix,
            _answer(table, mix, fleet.token_ratio),
            tokens,
            _fixed(table, tokens),
        )
        check_memory(table, machine.instance, _ONE)
        table.close()
        return serving._of_whole_machines(table) if whole else serving

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """What the formulas don't count."""
        return ("storage", "data transfer") if self.fixed else ("people's time", "storage")

    @property
    def capacity(self) -> Decimal:
        """Tokens a month, counted as the API's, that one machine serves when it is never idle."""
        full = replace(self.fleet, utilisation=_ONE, redundancy=_ONE)
        hours = replace(self, fleet=full)._hours_per_mtok()
        return cost.HOURS_A_MONTH.value.point * cost.MTOK.value.point / hours.point

    def figures(self) -> dict[str, Decimal]:
        """Of a fleet of whole machines: how many, and which part of their full load is used."""
        if not (self.machines and self.tokens):
            return {}
        machines = self.machines.value.point
        load = self.tokens.value.point / (machines * self.capacity)
        return {"machines": machines, "used part of their full load": load}

    def as_of(self, at: datetime) -> Self:
        """As it is at any time."""
        return self

    def needs(self) -> tuple[Series, ...]:
        """The machine's prices."""
        return self.machine.needs()

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per 10^6 tokens of the mix."""
        return self.machine.paid(self._formula, price) + self.fixed

    def _formula(self, hourly: Quantity) -> tuple[Term, ...]:
        if self.machines and self.tokens:
            return cost.whole_fleet(hourly, self.machines, self.tokens)
        return self._by_load(hourly)

    def _by_load(self, hourly: Quantity) -> tuple[Term, ...]:
        if isinstance(self.throughput, Service):
            law = self.throughput
            return cost.served_by_length(hourly, self.fleet, law, self.mix, self.answer)
        return cost.served(hourly, self.fleet, self.throughput, self.mix, self.answer)

    def _hours_per_mtok(self) -> Interval:
        return Cost("hours per 10^6 tokens", self._by_load(MACHINE_HOUR)).value

    def _of_whole_machines(self, table: Table) -> MachineServing:
        if not self.tokens:
            raise table.error("tokens_per_month", "is missing: whole_machines are bought for them")
        hours = replace(self, fleet=replace(self.fleet, redundancy=_ONE))._hours_per_mtok()
        spares = self.fleet.redundancy.value
        count = cost.machines_needed(hours, self.tokens.value, spares)
        kind = "definition" if count.certain else "assumption"
        source = (
            f"{self.tokens.value.high:f} tokens a month at {self.fleet.utilisation.value.point:f} "
            f"of full load, rounded up, x {spares.point:f}, rounded up"
        )
        machines = Quantity("machines of the fleet", "machines", count, source, kind)
        return replace(self, machines=machines)


def _fleet(table: Table, *, whole: bool) -> Fleet:
    names = ("latency_derate", "redundancy", "token_ratio")
    derate, redundancy, token_ratio = (assumption(table, name) for name in names)
    load = _mean_load(table) if whole else _utilisation(table)
    return Fleet(load, derate, redundancy, token_ratio)


def _utilisation(table: Table) -> Quantity:
    for key in ("target_load", "mean_to_peak"):
        if table.has(key):
            raise table.error(key, "belongs to whole_machines = true; else utilisation says it")
    return assumption(table, "utilisation")


def _mean_load(table: Table) -> Quantity:
    """What machines that are just enough for the peak do on average."""
    if table.has("utilisation"):
        raise table.error("utilisation", "contradicts whole_machines, which works it out")
    target, mean = assumption(table, "target_load"), assumption(table, "mean_to_peak")
    source = f"{mean.name} x {target.name}; {mean.source}; {target.source}"
    return replace(target, name="mean load", value=target.value * mean.value, source=source)


def _throughput(table: Table) -> Throughput:
    if not table.has("gpu_seconds"):
        if table.has("gpus"):
            raise table.error("gpus", "belongs to gpu_seconds; tokens_per_second is a machine's")
        return assumption(table, "tokens_per_second")
    times, gpus = table.table("gpu_seconds"), assumption(table, "gpus")
    if table.has("tokens_per_second"):
        raise table.error("tokens_per_second", "contradicts gpu_seconds; give one of them")
    coefficients = [assumption(times, name) for name in ("input", "output", "attention")]
    source = times.text("source", GIVEN)
    times.close()
    return Service(gpus, *(replace(each, source=source) for each in coefficients))


def _answer(table: Table, mix: Mix, token_ratio: Quantity) -> Quantity:
    verbosity, reasoning = (assumption(table, key) for key in ("verbosity", "reasoning_tokens"))
    return cost.answered(mix.output, verbosity, reasoning, token_ratio)


def _fixed(table: Table, tokens: Quantity | None) -> tuple[Term, ...]:
    monthly = assumption(table, "fixed_per_month")
    if not monthly.value.high:
        return ()
    if not tokens:
        raise table.error("tokens_per_month", "is missing: fixed costs are spread over tokens")
    return cost.fixed_per_mtok(monthly, tokens)
