"""Inference with an open model on machines: what 10^6 tokens cost by its speed and their load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Self, TypeAlias

from comparator import cost
from comparator.assumption import ASSUMPTIONS, GIVEN, assumption, optional
from comparator.catalogue import load
from comparator.comparison import Comparison, Cost, Quantity, Term
from comparator.cost import Fleet, Mix, Service
from comparator.machine import Machine
from comparator.measured import MeasuredServing, serving_from
from comparator.memory import check_gpus, check_memory
from comparator.rate import MACHINE_HOUR
from comparator.way import PriceOf, Way
from pricebook.config import Table
from pricebook.quote import Series

Throughput: TypeAlias = Quantity | Service | MeasuredServing
"""Tokens a second of one machine, the law that they follow, or what was measured of either."""

_SPEEDS = ("gpu_seconds", "tokens_per_second", "measured")
_ONE_MACHINE = Quantity.defined("machines", "machines", 1, "a copy stands on one")


@dataclass(frozen=True, slots=True)
class MachineServing(Way):
    """Inference with an open model on machines, at a constant speed or by length of request.

    `answer`: output tokens of the open model where the API's gives those of `mix`. `fixed`: what
    operations and the like cost per 10^6 tokens, empty when not counted. `tokens`: those of a month
    that a fleet of whole machines, always paid, is bought for; None: machines count by parts.
    """

    machine: Machine
    fleet: Fleet
    throughput: Throughput
    mix: Mix
    answer: Quantity
    tokens: Quantity | None
    fixed: tuple[Term, ...]
    title: str = "self-hosting"

    @classmethod
    def read(cls, table: Table, mix: Mix, measurements: Sequence[Path] = ()) -> MachineServing:
        """From `self_host`; `measurements` are files of the user's own."""
        whole, tokens = table.flag("whole_machines", False), optional(table, "tokens_per_month")
        if whole and not tokens:
            raise table.error("tokens_per_month", "is missing: whole_machines are bought for them")
        machine = Machine.read(table, training=False)
        throughput = _throughput(table, machine.instance, mix, measurements)
        fleet = _fleet(table, throughput, whole=whole)
        answer = _answer(table, mix, fleet.tokenizer_ratio)
        fixed = _fixed(table, tokens)
        check_memory(table, machine.instance, _ONE_MACHINE)
        table.close()
        return cls(machine, fleet, throughput, mix, answer, tokens if whole else None, fixed)

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """What the formulas don't count."""
        others = () if self.fixed else ("people's time", "storage of the model")
        return (*others, "data transfer")

    @property
    def machines(self) -> Decimal | None:
        """Of a fleet of whole machines: how many; None when they are counted by parts."""
        if not self.tokens:
            return None
        hours, spares = self._hours_needed, self.fleet.redundancy.value
        return cost.whole_machines(hours, self.tokens.value.high, spares.point)

    @property
    def capacity(self) -> Decimal:
        """Tokens a month, counted as the API's, that one machine serves when it is never idle."""
        hours = self._hours_per_mtok(self.fleet.full)
        return cost.HOURS_A_MONTH.value.point * cost.MTOK.value.point / hours

    @property
    def turns(self) -> tuple[datetime, ...]:
        """The times at which `as_of` may begin to give something else."""
        return self.throughput.changes if isinstance(self.throughput, MeasuredServing) else ()

    def figures(self, comparison: Comparison) -> dict[str, Decimal]:
        """For `explain`: the ratio of input and that of output, and the fleet of whole machines."""
        figures = self._by_direction(comparison)
        if not (self.machines and self.tokens):
            return figures
        load = self.tokens.value.point / (self.machines * self.capacity)
        return figures | {"machines": self.machines, "used part of their full load": load}

    def _by_direction(self, comparison: Comparison) -> dict[str, Decimal]:
        """What prompts cost over the API's input, and what answers cost over its output."""
        served = (term for term in comparison.self_host.terms if term not in self.fixed)
        ours = _split(served, lambda term: term.name.startswith("prompt"))
        api = _split(comparison.api.terms, lambda term: term.name not in ("output", "reasoning"))
        pairs = zip(("input", "output"), ours, api, strict=True)
        return {f"ratio, {name} alone": mine / its for name, mine, its in pairs if its}

    def as_of(self, at: datetime) -> Self:
        """With the throughput that was measured by then; Unknown when none was."""
        if not isinstance(self.throughput, MeasuredServing):
            return self
        return replace(self, throughput=self.throughput.as_of(at))

    def needs(self) -> tuple[Series, ...]:
        """The machine's prices."""
        return self.machine.needs()

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per 10^6 tokens of the mix; of what was measured, `as_of` must choose first."""
        return self.machine.paid(self._formula, price) + self.fixed

    def terms_at(self, hourly: Quantity) -> tuple[Term, ...]:
        """The same at another price of a machine's hour."""
        return self._formula(hourly) + self.fixed

    def _formula(self, hourly: Quantity) -> tuple[Term, ...]:
        return self._by_load(hourly, replace(self.fleet, rounding=self._rounding))

    @property
    def _rounding(self) -> Quantity | None:
        if not self.tokens:
            return None
        tokens, spares = self.tokens.value, self.fleet.redundancy.value.point
        value = cost.rounding_up(self._hours_needed, tokens, spares)
        kind = "definition" if value.certain else "assumption"
        source = (
            f"{self.machines} machines for {tokens.high:,f} tokens a month, every other figure at "
            "its point"
        )
        name, cause = "whole machines for each one by parts", f"-{self.tokens.name}"
        return Quantity(name, "machines", value, source, kind, cause=cause)

    @property
    def _hours_needed(self) -> Decimal:
        return self._hours_per_mtok(replace(self.fleet, redundancy=self.fleet.full.redundancy))

    def _by_load(self, hourly: Quantity, fleet: Fleet) -> tuple[Term, ...]:
        speed = self.throughput
        if isinstance(speed, Service):
            return cost.served_by_length(hourly, fleet, speed, self.mix, self.answer)
        if isinstance(speed, Quantity):
            return cost.served(hourly, fleet, speed, self.mix, self.answer)
        raise TypeError("what was measured depends on the time: ask as_of(at) for it")

    def _hours_per_mtok(self, fleet: Fleet) -> Decimal:
        return Cost("hours per 10^6 tokens", self._by_load(MACHINE_HOUR, fleet)).value.point


def _split(terms: Iterable[Term], is_input: Callable[[Term], bool]) -> tuple[Decimal, Decimal]:
    """USD of input and of output."""
    sums = {True: Decimal(0), False: Decimal(0)}
    for term in terms:
        sums[is_input(term)] += term.value.point
    return sums[True], sums[False]


def _fleet(table: Table, throughput: Throughput, *, whole: bool) -> Fleet:
    derate = _derate(table, throughput)
    redundancy, ratio = (assumption(table, key) for key in ("redundancy", "tokenizer_ratio"))
    if not whole:
        for key in ("target_load", "mean_to_peak"):
            if table.has(key):
                raise table.error(key, "belongs to whole_machines = true; else utilisation says it")
        return Fleet(assumption(table, "utilisation"), derate, redundancy, ratio)
    if table.has("utilisation"):
        raise table.error("utilisation", "contradicts whole_machines, which works it out")
    mean, peak = assumption(table, "mean_to_peak"), assumption(table, "target_load")
    return Fleet(mean, derate, redundancy, ratio, peak)


def _derate(table: Table, throughput: Throughput) -> Quantity:
    """None where the measurement was taken under the bound that is asked for."""
    if not (isinstance(throughput, MeasuredServing) and throughput.bounded):
        return assumption(table, "latency_derate")
    if table.has("latency_derate"):
        raise table.error(
            "latency_derate", "contradicts measured, where latency is bounded already"
        )
    known = ASSUMPTIONS["latency_derate"]
    return Quantity.defined(known.name, known.unit, 1, "measured under the bound")


def _throughput(table: Table, instance: str, mix: Mix, measurements: Sequence[Path]) -> Throughput:
    given = [key for key in _SPEEDS if table.has(key)]
    if len(given) > 1:
        raise table.error(given[1], f"contradicts {given[0]}; give one of them")
    if table.has("gpus") and given != ["gpu_seconds"]:
        raise table.error("gpus", "belongs to gpu_seconds")
    if given == ["measured"]:
        return serving_from(table, load(measurements), mix)
    if given == ["gpu_seconds"]:
        return _service(table, instance)
    if not given:
        raise table.error("tokens_per_second", "is missing (or give gpu_seconds, or measured)")
    return assumption(table, "tokens_per_second")


def _service(table: Table, instance: str) -> Service:
    times, gpus = table.table("gpu_seconds"), assumption(table, "gpus")
    check_gpus(table, instance, gpus)
    coefficients = [assumption(times, name) for name in ("input", "output", "attention")]
    source = times.text("source", GIVEN)
    times.close()
    return Service(gpus, *(replace(each, source=source) for each in coefficients))


def _answer(table: Table, mix: Mix, tokenizer_ratio: Quantity) -> Quantity:
    verbosity, reasoning = (assumption(table, key) for key in ("verbosity", "reasoning_tokens"))
    return cost.answered(mix.output, verbosity, reasoning, tokenizer_ratio)


def _fixed(table: Table, tokens: Quantity | None) -> tuple[Term, ...]:
    monthly = assumption(table, "fixed_per_month")
    if not monthly.value.high:
        return ()
    if not tokens:
        raise table.error("tokens_per_month", "is missing: fixed costs are spread over tokens")
    return cost.fixed_per_mtok(monthly, tokens)
