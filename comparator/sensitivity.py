"""What would change the answer: break-evens, elasticities, and what each range is worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from comparator import api_cost, cost
from comparator.api import CANDIDATE
from comparator.assumption import ASSUMPTIONS
from comparator.comparison import Comparison, Cost, Quantity, Term
from comparator.interval import Interval
from comparator.machine_serving import MachineServing
from comparator.machine_training import MachineTraining
from comparator.way import Way
from comparator.workload import Workload
from pricebook.quote import digits

_BOUNDS = {known.name: known for known in ASSUMPTIONS.values()}


def _one(key: str) -> Quantity:
    known = ASSUMPTIONS[key]
    return Quantity.defined(known.name, known.unit, 1, "to be solved for")


_A_TOKEN, _A_MACHINE, _AN_HOUR = map(_one, ("tokens_per_month", "machines", "hours_per_run"))


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The value of `what` at which both ways cost the same; None when no value does that.

    `at_most`: the greatest value that is possible, where there is one.
    """

    what: str
    value: Decimal | None
    unit: str
    at_most: Decimal | None = None

    @property
    def feasible(self) -> bool:
        """Whether it can happen at all."""
        if self.value is None:
            return False
        return self.at_most is None or self.value <= self.at_most

    def as_dict(self) -> dict[str, Any]:
        """One entry of `break_even` in `explain --json`."""
        return {
            "what": self.what,
            "value": text(self.value),
            "unit": self.unit,
            "at_most": text(self.at_most),
            "feasible": self.feasible,
        }


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What one input does to the ratio while the others stay at their points.

    `elasticity`: percent of ratio for one percent of it. `at_low`, `at_high`: the ratio at its
    ends. `flip`: the value that makes the ratio 1, None when no possible value does.
    """

    quantity: Quantity
    elasticity: Decimal
    at_low: Decimal
    at_high: Decimal
    flip: Decimal | None

    @property
    def swing(self) -> Decimal:
        """By what factor the input's range moves the ratio."""
        return max(self.at_low, self.at_high) / min(self.at_low, self.at_high)

    def as_dict(self) -> dict[str, Any]:
        """One entry of `sensitivity` in `explain --json`."""
        return {
            "input": self.quantity.name,
            "elasticity": text(self.elasticity),
            "ratio_at_low": text(self.at_low),
            "ratio_at_high": text(self.at_high),
            "flip": text(self.flip),
        }


def text(value: Decimal | None) -> str | None:
    """A figure for programs; None stays None."""
    return None if value is None else digits(value)


def sensitivities(workload: Workload, comparison: Comparison) -> tuple[Sensitivity, ...]:
    """Of every price and assumption, the one whose range moves the ratio most first."""
    inputs = [each for each in comparison.quantities if each.kind != "definition"]
    most = _most_runs(workload.self_host)
    found = [_sensitivity(comparison, each, most.get(each.name)) for each in inputs]
    return tuple(sorted(found, key=lambda each: (each.swing, abs(each.elasticity)), reverse=True))


def break_evens(workload: Workload, comparison: Comparison) -> tuple[BreakEven, ...]:
    """The break-evens that people ask for, by kind of workload; prices have theirs as flips."""
    way = workload.self_host
    if isinstance(way, MachineTraining):
        return tuple(_of_training(way, comparison))
    return tuple(_of_serving(way, comparison)) if isinstance(way, MachineServing) else ()


def _sensitivity(
    comparison: Comparison, quantity: Quantity, at_most: Decimal | None
) -> Sensitivity:
    name, value = quantity.name, quantity.value
    return Sensitivity(
        quantity,
        comparison.elasticity(name),
        _ratio_at(comparison, name, value.low),
        _ratio_at(comparison, name, value.high),
        _flip(comparison, name, at_most),
    )


def _ratio_at(comparison: Comparison, name: str, value: Decimal) -> Decimal:
    return comparison.with_value(name, Interval.exactly(value)).ratio.point


def _flip(comparison: Comparison, name: str, at_most: Decimal | None) -> Decimal | None:
    if not comparison.solvable(name):
        return None
    value, bounds = comparison.break_even(name, at_most), _BOUNDS.get(name.removesuffix(CANDIDATE))
    impossible = value is not None and bounds and bounds.refusal(value)
    return None if impossible else value


def _most_runs(way: Way) -> dict[str, Decimal]:
    """Reserved machines have so many hours; on demand, more can be rented."""
    if isinstance(way, MachineTraining) and way.machine.committed and way.runs:
        return {way.runs.name: way.capacity}
    return {}


def _of_training(way: MachineTraining, comparison: Comparison) -> Iterator[BreakEven]:
    """Runs a year, and hours a run when nothing but the machine is paid, by the API's cost."""
    for words, api in _ends(comparison.api):
        against = Comparison(comparison.self_host, api)
        if way.runs and against.solvable(way.runs.name):
            runs, most = against.break_even(way.runs.name), _most_runs(way).get(way.runs.name)
            yield BreakEven(f"runs a year{words}", runs, "runs", most)
        hours = Comparison(_rented(way, comparison), api).break_even(_AN_HOUR.name)
        yield BreakEven(f"hours a run, machine alone{words}", hours, "hours")


def _ends(api: Cost) -> Iterator[tuple[str, Cost]]:
    """The API's cost as a sure figure: once, or at its low, point and high."""
    value = api.value
    ends = {"lowest": value.low, "middle": value.point, "highest": value.high}
    for word, bill in {"": value.point}.items() if value.certain else ends.items():
        known = Quantity.defined("API", api.unit, bill, "one end of its cost")
        yield word and f", API at its {word}", Cost(api.unit, api_cost.api_fee(known))


def _rented(way: MachineTraining, comparison: Comparison) -> Cost:
    def formula(hourly: Quantity) -> tuple[Term, ...]:
        return cost.rented_run(hourly, _AN_HOUR, way.machines, way.attempts)

    return Cost(comparison.self_host.unit, way.machine.paid(formula, comparison.price))


def _of_serving(way: MachineServing, comparison: Comparison) -> Iterator[BreakEven]:
    """Utilisation, the API's blended price, and the tokens that machines, never off, need."""
    if not way.machines:
        load = way.fleet.utilisation
        yield BreakEven(load.name, comparison.break_even(load.name), load.unit, Decimal(1))
    price, unit = comparison.self_host.value.point, comparison.api.unit
    yield BreakEven("the API's price of the mix", price, unit)
    fleet = Cost(unit, _always_on(way, comparison) + way.fixed)
    tokens = Comparison(fleet, comparison.api).break_even(_A_TOKEN.name)
    count = way.machines or Decimal(1)
    words = f"{count} machines" if count > 1 else "one machine"
    yield BreakEven(f"tokens a month, {words}", tokens, "tokens/month", count * way.capacity)


def _always_on(way: MachineServing, comparison: Comparison) -> tuple[Term, ...]:
    """The machines of the fleet, or one."""
    count = way.machines or Decimal(1)
    fleet = replace(_A_MACHINE, value=Interval.exactly(count))

    def formula(hourly: Quantity) -> tuple[Term, ...]:
        return cost.whole_fleet(hourly, fleet, _A_TOKEN)

    return way.machine.paid(formula, comparison.price)
