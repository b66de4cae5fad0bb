"""When a crossing rule is at rest, and which figures leave it so: what nobody needs to show it.

Of such a figure `machine.step` makes a newer watermark, and wider extremes while an episode is
open. No count begins and nothing is told, as it is neither past what the rule waits for nor back
(tests/test_rest.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from comparator.event import Range
from comparator.rules.bounds import Bounds
from comparator.rules.crossing import Crossing
from comparator.rules.state import CRITICAL, FIRING, FRESH, OK, State


@dataclass(frozen=True, slots=True)
class Rest:
    """What counts of a range leaves the rule at rest when its high is above the one level and its
    low below the other; None: there is no such level."""

    above: Decimal | None
    below: Decimal | None

    @classmethod
    def of(cls, rule: Crossing, state: State) -> Rest | None:
        """None where any figure may matter."""
        waits = state.count or (state.higher and state.level != CRITICAL)
        if waits or state.name not in (OK, FIRING):
            return None
        if state.name == OK:
            return cls(rule.fire.low, rule.fire.high)
        return _episode(rule, state, state.told) if state.told else None


def rested(state: State, at: datetime) -> State:
    """The state after looks, the last of them `at`, whose figures left the rule at rest and were no
    extremes of an episode."""
    return replace(state, health=FRESH, watermark=at)


def _episode(rule: Crossing, state: State, told: Range) -> Rest | None:
    """Not back across the dead band, not a step further than was told, not yet critical."""
    side, counts, step = rule.side(told), rule.sure(told), rule.renotify_step
    critical = rule.critical if rule.critical and state.level != CRITICAL else Bounds()
    if side == "below":
        further = counts.high * (1 - step) if step else None
        return Rest(_most(further, critical.low), rule.clear.low)
    further = counts.low * (1 + step) if step else None
    return Rest(rule.clear.high, _least(further, critical.high)) if side else None


def _most(*levels: Decimal | None) -> Decimal | None:
    return max((level for level in levels if level is not None), default=None)


def _least(*levels: Decimal | None) -> Decimal | None:
    return min((level for level in levels if level is not None), default=None)
