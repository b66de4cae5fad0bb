"""What would change the answer: break-evens, elasticities, and what each range is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property, partial
from typing import Any

from comparator import api_cost, cost
from comparator.api import CANDIDATE
from comparator.assumption import ASSUMPTIONS
from comparator.comparison import Comparison, Cost, Quantity, Term
from comparator.cost import Speed
from comparator.interval import Interval
from comparator.machine_serving import MachineServing
from comparator.machine_training import MachineTraining
from comparator.rate import MACHINE_HOUR
from comparator.way import Way
from comparator.workload import Workload
from pricebook.quote import digits

_BOUNDS = {known.name: known for known in ASSUMPTIONS.values()}


def _one(key: str) -> Quantity:
    known = ASSUMPTIONS[key]
    return Quantity.defined(known.name, known.unit, 1, "to be solved for")


_A_TOKEN, _A_MACHINE, _AN_HOUR = map(_one, ("tokens_per_month", "machines", "hours_per_run"))


@dataclass(frozen=True)
class BreakEven:
    """The value of `what` at which both ways cost the same: `solve` finds it when it is asked for.

    `at_most`: the greatest value that is possible, where there is one.
    """

    what: str
    unit: str
    solve: Callable[[], Decimal | None]
    at_most: Decimal | None = None

    @cached_property
    def value(self) -> Decimal | None:
        """None when no value does that."""
        return self.solve()

    @property
    def feasible(self) -> bool:
        """Whether it can happen at all."""
        if self.value is None:
            return False
        return self.at_most is None or self.value <= self.at_most

    @property
    def feasible_value(self) -> Decimal | None:
        """None when it can't happen."""
        return self.value if self.feasible else None

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
    solved = {each.what: each.feasible_value for each in break_evens(workload, comparison)}
    most = {each.name: each.most for each in inputs if each.most is not None}
    flips = _Flips(comparison, solved, most | _most(workload.self_host))
    found = [_sensitivity(comparison, each, flips) for each in inputs]
    return tuple(sorted(found, key=lambda each: (each.swing, abs(each.elasticity)), reverse=True))


def break_evens(workload: Workload, comparison: Comparison) -> tuple[BreakEven, ...]:
    """The break-evens that people ask for, by kind of workload."""
    return (*_of_way(workload.self_host, comparison), _of_api(workload, comparison))


def _of_way(way: Way, comparison: Comparison) -> Iterator[BreakEven]:
    if isinstance(way, MachineTraining):
        yield from _of_training(way, comparison)
    elif isinstance(way, MachineServing):
        yield from _of_serving(way, comparison)
    else:
        return

    def hour() -> Decimal | None:
        fleet = Cost(comparison.self_host.unit, way.terms_at(MACHINE_HOUR))
        return Comparison(fleet, comparison.api).break_even(MACHINE_HOUR.name)

    yield BreakEven("price of a machine's hour, all in", MACHINE_HOUR.unit, hour)


def _of_api(workload: Workload, comparison: Comparison) -> BreakEven:
    work = "a run" if workload.kind == "fine_tune" else "the mix"
    words, ours = f"{workload.api.title}'s price of {work}", comparison.self_host
    return BreakEven(words, comparison.api.unit, lambda: ours.value.point)


def _sensitivity(comparison: Comparison, quantity: Quantity, flips: _Flips) -> Sensitivity:
    name, value = quantity.name, quantity.value
    return Sensitivity(
        quantity,
        comparison.elasticity(name),
        _ratio_at(comparison, name, value.low),
        _ratio_at(comparison, name, value.high),
        flips.of(name),
    )


def _ratio_at(comparison: Comparison, name: str, value: Decimal) -> Decimal:
    return comparison.with_value(name, Interval.exactly(value)).ratio.point


@dataclass(frozen=True, slots=True)
class _Flips:
    """Where each input makes the ratio 1: `solved` already, at `most` where there is a bound."""

    comparison: Comparison
    solved: Mapping[str, Decimal | None]
    most: Mapping[str, Decimal]

    def of(self, name: str) -> Decimal | None:
        """None when no possible value does."""
        if name in self.solved or not self.comparison.solvable(name):
            return self.solved.get(name)
        value = self.comparison.break_even(name, self.most.get(name))
        bounds = _BOUNDS.get(name.removesuffix(CANDIDATE))
        impossible = value is not None and bounds and bounds.refusal(value)
        return None if impossible else value


def _most(way: Way) -> dict[str, Decimal]:
    """Reserved machines have so many hours; on demand, more can be rented."""
    if not isinstance(way, MachineTraining):
        return {}
    most = {way.runs.name: way.capacity} if way.machine.committed and way.runs else {}
    if isinstance(way.duration, Speed) and way.most_tokens is not None:
        most[way.duration.tokens.name] = way.most_tokens
    return most


def _of_training(way: MachineTraining, comparison: Comparison) -> Iterator[BreakEven]:
    """Runs a year, and hours a run when nothing but the machine is paid, by the API's cost; and
    the tokens of a run, where both ways are known to depend on them."""
    most = _most(way)
    for words, api in _ends(comparison.api):
        against = Comparison(comparison.self_host, api)
        if way.runs and against.solvable(way.runs.name):
            runs = partial(against.break_even, way.runs.name)
            yield BreakEven(f"runs a year{words}", "runs", runs, most.get(way.runs.name))
        hours = partial(Comparison(_rented(way, comparison), api).break_even, _AN_HOUR.name)
        yield BreakEven(f"hours a run, machine alone{words}", "hours", hours)
    if isinstance(way.duration, Speed) and _billed_by(way.duration.tokens, comparison.api):
        tokens = way.duration.tokens.name
        even = partial(_even_tokens, way, way.duration, comparison)
        yield BreakEven(tokens, "tokens", even, most.get(tokens))


def _billed_by(tokens: Quantity, api: Cost) -> bool:
    return any(term.power(tokens.name) for term in api.terms)


def _even_tokens(way: MachineTraining, speed: Speed, comparison: Comparison) -> Decimal | None:
    """A run costs what its hours do, and at least a minute: from the greater of both values on the
    API costs more."""

    def by_hours(hourly: Quantity) -> tuple[Term, ...]:
        return cost.trained_run(hourly, way.machines, speed, way.attempts)

    def a_minute(hourly: Quantity) -> tuple[Term, ...]:
        return cost.billed_run(hourly, way.machines, Interval.exactly(0))

    if way.machine.paid_hours:
        return comparison.break_even(speed.tokens.name)
    unit, price = comparison.self_host.unit, comparison.price
    costs = (Cost(unit, way.machine.paid(f, price) + way.besides) for f in (by_hours, a_minute))
    even = [Comparison(one, comparison.api).break_even(speed.tokens.name) for one in costs]
    known = [value for value in even if value is not None]
    return max(known) if len(known) == len(even) else None


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
        even = partial(comparison.break_even, load.name)
        yield BreakEven(load.name, load.unit, even, Decimal(1))

    def tokens() -> Decimal | None:
        fleet = Cost(comparison.self_host.unit, _always_on(way, comparison) + way.fixed)
        return Comparison(fleet, comparison.api).break_even(_A_TOKEN.name)

    count = way.machines or Decimal(1)
    words = f"{count} machines" if count > 1 else "one machine"
    yield BreakEven(f"tokens a month, {words}", "tokens/month", tokens, count * way.capacity)


def _always_on(way: MachineServing, comparison: Comparison) -> tuple[Term, ...]:
    """The machines of the fleet, or one."""
    count = way.machines or Decimal(1)
    fleet = replace(_A_MACHINE, value=Interval.exactly(count))

    def formula(hourly: Quantity) -> tuple[Term, ...]:
        return cost.whole_fleet(hourly, fleet, _A_TOKEN)

    return way.machine.paid(formula, comparison.price)
