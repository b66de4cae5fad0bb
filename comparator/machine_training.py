"""Fine-tuning on machines: what a run costs by its hours or by its measured speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Self, TypeAlias

from comparator import cost
from comparator.assumption import assumption, optional
from comparator.catalogue import load
from comparator.comparison import Quantity, Term
from comparator.cost import Speed
from comparator.interval import Interval
from comparator.machine import Machine
from comparator.measured import MeasuredTraining, training_from
from comparator.memory import check_memory
from comparator.purchase import CapacityBlock
from comparator.way import PriceOf, Unknown, Way
from pricebook.config import Table
from pricebook.quote import Series


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """A speed that is looked up among measurements; the other fields are those of `Speed`."""

    setup: Quantity
    tokens: Quantity
    rate: MeasuredTraining
    packing: Quantity
    tokenizer_ratio: Quantity

    def as_of(self, at: datetime) -> Speed:
        """By the newest measurement that fits; Unknown when there is none."""
        return Speed(
            self.setup, self.tokens, self.rate.as_of(at), self.packing, self.tokenizer_ratio
        )


Duration: TypeAlias = Quantity | Speed | MeasuredSpeed
"""Hours of a run, or what they follow from."""

_SPEEDS = ("tokens_per_second", "measured")
_OF_SPEED = ("setup_seconds", "packing", "tokenizer_ratio")


@dataclass(frozen=True, slots=True)
class MachineTraining(Way):
    """Fine-tuning on machines, each run of given hours or of measured speed.

    Where hours are paid whether used or not (a year's, a Capacity Block's), `paid_runs` share them;
    else a run costs its own hours. `runs` are those of a year. What `people` and `storage` cost per
    run is empty when they are not counted. `other`: the duration that was given, too.
    """

    machine: Machine
    machines: Quantity
    duration: Duration
    other: Duration | None
    attempts: Quantity
    runs: Quantity | None
    paid_runs: Quantity | None
    people: tuple[Term, ...]
    storage: tuple[Term, ...]
    title: str = "self-hosting"

    @classmethod
    def read(
        cls, table: Table, tokens: Quantity | None, measurements: Sequence[Path] = ()
    ) -> MachineTraining:
        """From `self_host`; `tokens` are those that the API's side trains, `measurements` files of
        the user's own."""
        machine, runs = Machine.read(table, training=True), optional(table, "runs_per_year")
        block, machines = isinstance(machine.bought, CapacityBlock), assumption(table, "machines")
        training = cls(
            machine,
            machines,
            *_durations(table, tokens, machines, measurements),
            assumption(table, "attempts"),
            runs,
            assumption(table, "runs_per_block") if block else runs,
            _people(table, runs),
            cost.kept(assumption(table, "storage_per_run")),
        )
        check_memory(table, machine.instance, machines)
        table.close()
        if machine.paid_hours and not training.paid_runs:
            raise table.error("runs_per_year", "is missing: the year's bill is spread over runs")
        if not isinstance(training.duration, MeasuredSpeed) and training.too_many:
            raise table.error(training.too_many[0], training.too_many[1])
        return training

    @property
    def too_many(self) -> tuple[str, str] | None:
        """The setting that asks for more runs than the paid hours have time for, and by how many;
        None when they fit."""
        if not (self.machine.paid_hours and self.paid_runs):
            return None
        runs = self.paid_runs.value.point
        if runs <= self.capacity:
            return None
        return (
            "runs_per_year" if self.machine.committed else "runs_per_block",
            f"is {runs:f}; the hours that are paid have time for {self.capacity:.0f} runs of "
            f"{self.hours.point:.3g} hours, so give more `machines`",
        )

    @property
    def hours(self) -> Interval:
        """Hours that a run takes, repeats included; of what was measured, `as_of` chooses first."""
        return _hours(self.duration) * self.attempts.value

    @property
    def capacity(self) -> Decimal:
        """Runs that the machines have time for in a year, or in a Capacity Block."""
        paid = self.machine.paid_hours or cost.HOURS_A_YEAR
        return paid.value.point * self.machines.value.point / self.hours.point

    @property
    def most_tokens(self) -> Decimal | None:
        """Trained tokens that a run has time for in the hours that are paid; None: as many as one
        likes, or it isn't known how long they take."""
        if not (self.machine.paid_hours and self.paid_runs and isinstance(self.duration, Speed)):
            return None
        share = self.capacity / self.paid_runs.value.point
        return self.duration.tokens_in(share * self.duration.hours.point)

    @property
    def alternative(self) -> MachineTraining | None:
        """The same run by the duration that was given besides; None when there is one only.

        The article takes the API's wall time for machine time, which a measured speed contradicts.
        """
        return replace(self, duration=self.other, other=self.duration) if self.other else None

    @property
    def by(self) -> str:
        """What the duration rests on."""
        return "by hours given" if isinstance(self.duration, Quantity) else "by measured speed"

    @property
    def besides(self) -> tuple[Term, ...]:
        """What isn't the machine's, USD per run."""
        return self.storage + self.people

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """Nobody's time and no storage is counted unless it is given."""
        missing = {"people's time": self.people, "storage": self.storage}
        left_out = (name for name, terms in missing.items() if not terms)
        return (*left_out, "data transfer", "serving the tuned model")

    @property
    def turns(self) -> tuple[datetime, ...]:
        """The times at which `as_of` may begin to give something else."""
        both = (self.duration, self.other)
        measured = (each for each in both if isinstance(each, MeasuredSpeed))
        return tuple(at for each in measured for at in each.rate.changes)

    def as_of(self, at: datetime) -> Self:
        """With the speed that was measured by then; Unknown when none was, or runs don't fit."""
        known = replace(self, duration=_known(self.duration, at), other=self._other(at))
        if known.too_many:
            raise Unknown(" ".join(known.too_many))
        return known

    def _other(self, at: datetime) -> Duration | None:
        """What isn't counted with may be unknown."""
        try:
            return self.other and _known(self.other, at)
        except Unknown:
            return None

    def needs(self) -> tuple[Series, ...]:
        """The machine's prices."""
        return self.machine.needs()

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per run."""
        return self.machine.paid(self._formula, price) + self.besides

    def terms_at(self, hourly: Quantity) -> tuple[Term, ...]:
        """The same at another price of a machine's hour."""
        return self._formula(hourly) + self.besides

    def _formula(self, hourly: Quantity) -> tuple[Term, ...]:
        if self.machine.paid_hours and self.paid_runs:
            paid = self.machine.paid_hours
            return cost.reserved_run(hourly, self.machines, self.paid_runs, paid)
        if self.hours.low < cost.SHORTEST_HOURS:
            return cost.billed_run(hourly, self.machines, self.hours)
        if isinstance(self.duration, Quantity):
            return cost.rented_run(hourly, self.duration, self.machines, self.attempts)
        return cost.trained_run(hourly, self.machines, _speed_of(self.duration), self.attempts)


def _hours(duration: Duration) -> Interval:
    return duration.value if isinstance(duration, Quantity) else _speed_of(duration).hours


def _speed_of(duration: Speed | MeasuredSpeed) -> Speed:
    if isinstance(duration, MeasuredSpeed):
        raise TypeError("what was measured depends on the time: ask as_of(at) for it")
    return duration


def _known(duration: Duration, at: datetime) -> Duration:
    return duration.as_of(at) if isinstance(duration, MeasuredSpeed) else duration


def _durations(
    table: Table, tokens: Quantity | None, machines: Quantity, measurements: Sequence[Path]
) -> tuple[Duration, Duration | None]:
    """The duration that drives the cost, and the other one when both are given."""
    hours, speed = optional(table, "hours_per_run"), _speed(table, tokens, machines, measurements)
    way = table.choice("duration", ("hours", "measured"), "hours" if hours else "measured")
    if not hours and not speed:
        raise table.error("hours_per_run", "is missing (or give tokens_per_second, or measured)")
    first, second = (speed, hours) if way == "measured" else (hours, speed)
    if not first:
        missing = "tokens_per_second" if way == "measured" else "hours_per_run"
        raise table.error("duration", f"is {way}, but {missing} is missing")
    return first, second


def _speed(
    table: Table, tokens: Quantity | None, machines: Quantity, measurements: Sequence[Path]
) -> Speed | MeasuredSpeed | None:
    given = [key for key in _SPEEDS if table.has(key)]
    if not given:
        _refuse_strangers(table)
        return None
    if len(given) > 1:
        raise table.error(given[1], f"contradicts {given[0]}; give one of them")
    if not tokens:
        raise table.error(given[0], "needs trained_tokens under `api`")
    setup, packing, tokenizer_ratio = (assumption(table, key) for key in _OF_SPEED)
    if table.has("measured"):
        rate = training_from(table, load(measurements), machines.value.point)
        return MeasuredSpeed(setup, tokens, rate, packing, tokenizer_ratio)
    return Speed(setup, tokens, assumption(table, "tokens_per_second"), packing, tokenizer_ratio)


def _refuse_strangers(table: Table) -> None:
    for key in _OF_SPEED:
        if table.has(key):
            raise table.error(key, "belongs to tokens_per_second, which is missing")


def _people(table: Table, runs: Quantity | None) -> tuple[Term, ...]:
    if not table.has("engineer"):
        return ()
    engineer = table.table("engineer")
    salary, fraction = (assumption(engineer, key) for key in ("salary", "fraction"))
    engineer.close()
    if not runs:
        raise table.error("runs_per_year", "is missing: the salary is spread over the runs")
    return cost.engineer_per_run(salary, fraction, runs)
