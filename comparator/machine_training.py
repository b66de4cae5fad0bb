"""Fine-tuning on machines: what a run costs by its hours or by its measured speed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Self, TypeAlias

from comparator import cost
from comparator.assumption import assumption, optional
from comparator.comparison import Quantity, Term
from comparator.cost import Speed
from comparator.interval import Interval
from comparator.machine import Machine
from comparator.memory import check_memory
from comparator.purchase import CapacityBlock
from comparator.way import PriceOf
from pricebook.config import Table
from pricebook.quote import Series

Duration: TypeAlias = Quantity | Speed
"""Hours of a run, or what they follow from."""

_OF_SPEED = ("setup_seconds", "packing", "token_ratio")


@dataclass(frozen=True, slots=True)
class MachineTraining:
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
    def read(cls, table: Table, tokens: Quantity | None) -> MachineTraining:
        """From `self_host`; `tokens` are those that the API's side trains."""
        machine, runs = Machine.read(table, training=True), optional(table, "runs_per_year")
        block = isinstance(machine.bought, CapacityBlock)
        training = cls(
            machine,
            assumption(table, "machines"),
            *_durations(table, tokens),
            assumption(table, "attempts"),
            runs,
            assumption(table, "runs_per_block") if block else runs,
            _people(table, runs),
            cost.kept(assumption(table, "storage_per_run")),
        )
        check_memory(table, machine.instance, training.machines)
        table.close()
        training.check(table)
        return training

    def check(self, table: Table) -> None:
        """Refuse a yearly bill without runs, and more runs than the paid hours have time for."""
        if not self.machine.paid_hours:
            return
        if not self.paid_runs:
            raise table.error("runs_per_year", "is missing: the year's bill is spread over runs")
        runs = self.paid_runs.value.point
        if runs > self.capacity:
            raise table.error(
                "runs_per_year" if self.machine.committed else "runs_per_block",
                f"is {runs}; the hours that are paid have time for {self.capacity:.0f} runs of "
                f"{self.hours.point:.3g} hours, so give more `machines`",
            )

    @property
    def hours(self) -> Interval:
        """Hours that a run takes, repeats included."""
        duration = self.duration
        once = duration.hours if isinstance(duration, Speed) else duration.value
        return once * self.attempts.value

    @property
    def capacity(self) -> Decimal:
        """Runs that the machines have time for in a year, or in a Capacity Block."""
        paid = self.machine.paid_hours or cost.HOURS_A_YEAR
        return paid.value.point * self.machines.value.point / self.hours.point

    @property
    def alternative(self) -> MachineTraining | None:
        """The same run by the duration that was given besides; None when there is one only.

        The article takes the API's wall time for machine time, which a measured speed contradicts.
        """
        return replace(self, duration=self.other, other=self.duration) if self.other else None

    @property
    def by(self) -> str:
        """What the duration rests on."""
        return "by measured speed" if isinstance(self.duration, Speed) else "by hours given"

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

    def as_of(self, at: datetime) -> Self:
        """As it is at any time."""
        return self

    def needs(self) -> tuple[Series, ...]:
        """The machine's prices."""
        return self.machine.needs()

    def terms(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per run."""
        return self.machine.paid(self._formula, price) + self.besides

    def _formula(self, hourly: Quantity) -> tuple[Term, ...]:
        if self.machine.paid_hours and self.paid_runs:
            paid = self.machine.paid_hours
            return cost.reserved_run(hourly, self.machines, self.paid_runs, paid)
        if self.hours.low < cost.SHORTEST_HOURS:
            return cost.billed_run(hourly, self.machines, self.hours)
        if isinstance(self.duration, Speed):
            return cost.trained_run(hourly, self.machines, self.duration, self.attempts)
        return cost.rented_run(hourly, self.duration, self.machines, self.attempts)


def _durations(table: Table, tokens: Quantity | None) -> tuple[Duration, Duration | None]:
    """The duration that drives the cost, and the other one when both are given."""
    hours, speed = optional(table, "hours_per_run"), _speed(table, tokens)
    way = table.choice("duration", ("hours", "measured"), "hours" if hours else "measured")
    if not hours and not speed:
        raise table.error("hours_per_run", "is missing (or give tokens_per_second)")
    first, second = (speed, hours) if way == "measured" else (hours, speed)
    if not first:
        missing = "tokens_per_second" if way == "measured" else "hours_per_run"
        raise table.error("duration", f"is {way}, but {missing} is missing")
    return first, second


def _speed(table: Table, tokens: Quantity | None) -> Speed | None:
    rate = optional(table, "tokens_per_second")
    if not rate:
        for key in _OF_SPEED:
            if table.has(key):
                raise table.error(key, "belongs to tokens_per_second, which is missing")
        return None
    if not tokens:
        raise table.error("tokens_per_second", "needs trained_tokens under `api`")
    setup, *factors = (
        assumption(table, key) for key in ("setup_seconds", "packing", "token_ratio")
    )
    return Speed(setup, tokens, rate, *factors)


def _people(table: Table, runs: Quantity | None) -> tuple[Term, ...]:
    if not table.has("engineer"):
        return ()
    engineer = table.table("engineer")
    salary, fraction = (assumption(engineer, key) for key in ("salary", "fraction"))
    engineer.close()
    if not runs:
        raise table.error("runs_per_year", "is missing: the salary is spread over the runs")
    return cost.engineer_per_run(salary, fraction, runs)
