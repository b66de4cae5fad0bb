"""The figures of a workload that a rule may watch: its ratio, and where both ways cost the same."""

from __future__ import annotations

from comparator.comparison import Quantity
from comparator.event import Range
from comparator.machine_serving import MachineServing
from comparator.machine_training import MachineTraining
from comparator.ratio import Evaluation
from comparator.sensitivity import BreakEven, break_evens
from comparator.workload import Workload

RATIO, VOLUME, UTILISATION = "ratio", "break-even volume", "break-even utilisation"

_UNITS = {VOLUME: ("runs", "tokens/month")}


def measured(measure: str, now: Evaluation, *, ours: bool = False) -> Range | None:
    """The figure at one time, None when it is unknown, or when no volume makes both ways equal.

    A break-even is that of the central figures; where the API's cost is a range, that of its ends.
    `ours`: as a multiple of the user's own figure.
    """
    if measure == RATIO or now.comparison is None:
        return now.ratio
    found = [one.value for one in break_evens(now.workload, now.comparison) if _is(measure, one)]
    known = sorted(value for value in found if value is not None)
    if not known or len(known) < len(found):
        return None
    even = Range(known[0], known[len(known) // 2], known[-1])
    if not ours:
        return even
    own = own_figure(measure, now.workload)
    return even / own.value if own else None


def own_figure(measure: str, workload: Workload) -> Quantity | None:
    """The user's own volume or utilisation, None when the workload doesn't have it."""
    way = workload.self_host
    if isinstance(way, MachineServing):
        return way.tokens if measure == VOLUME else way.fleet.utilisation
    return way.runs if isinstance(way, MachineTraining) and measure == VOLUME else None


def follows_ratio(measure: str, workload: Workload) -> bool:
    """Whether the figure has the same proportion to the ratio's point whatever prices are.

    A break-even has it where all of our cost is the machines': hourly x K against the API's price,
    with no price in K. But K is made of what was measured, and changes with it.
    """
    way = workload.self_host
    return measure == RATIO or (isinstance(way, MachineServing) and not way.fixed)


def unit(measure: str, workload: Workload) -> str:
    """Of the figure, "" where it is a plain number."""
    if measure != VOLUME:
        return ""
    return "runs a year" if isinstance(workload.self_host, MachineTraining) else "tokens a month"


def refusal(measure: str, workload: Workload, *, ours: bool) -> str:
    """Why the workload can never have that figure, in one clause; "" when it can."""
    if measure == RATIO:
        return ""
    why = _lacking(measure, workload)
    if not why and ours and own_figure(measure, workload) is None:
        return f"it doesn't say what {measure.removeprefix('break-even ')} is yours"
    return why


def _lacking(measure: str, workload: Workload) -> str:
    way = workload.self_host
    if isinstance(way, MachineTraining):
        if measure == UTILISATION:
            return "fine-tuning runs have no break-even utilisation"
        return "" if way.runs else "its runs_per_year is not set"
    if not isinstance(way, MachineServing):
        return f"two APIs have no {measure}"
    whole = measure == UTILISATION and way.tokens
    return "a fleet of whole machines has no break-even utilisation" if whole else ""


def _is(measure: str, one: BreakEven) -> bool:
    if measure == UTILISATION:
        return one.what == "utilisation"
    return one.unit in _UNITS[VOLUME]
