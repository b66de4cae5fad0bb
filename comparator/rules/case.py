"""A user's own test of a rule: made-up looks in, what must be told out.

The rule is stepped by the functions that judge what is read from pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from comparator.event import Range
from comparator.rules.crossing import Crossing
from comparator.rules.machine import step
from comparator.rules.price_change import PriceChange
from comparator.rules.state import ERROR, FRESH, GONE, QUARANTINED, STALE, Observation, State
from comparator.rules.told import Memory
from pricebook.book import Change
from pricebook.quote import Series

MISSING = "missing"
WORDS = (MISSING, ERROR, STALE, QUARANTINED, GONE)
"""What a look may come to instead of a figure."""

_START = datetime(2026, 1, 1, tzinfo=UTC)
"""Of every case: only the time since then counts."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look so long `after` the start finds: a figure, or one of `WORDS`."""

    after: timedelta
    found: Range | str


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be told so long `after` the start; None is either."""

    after: timedelta
    kind: str
    severity: str | None = None
    sent: bool | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What was told; `figure`: that of the look, None when there was none."""

    after: timedelta
    kind: str
    severity: str
    sent: bool
    figure: Range | None

    def is_as(self, expected: Expected) -> bool:
        """Whether it is what was expected."""
        return (
            (self.after, self.kind) == (expected.after, expected.kind)
            and expected.severity in (None, self.severity)
            and expected.sent in (None, self.sent)
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One `[[case]]`. `series`: the price that is looked at, None for a rule on a figure."""

    name: str
    rule: Crossing | PriceChange
    looks: tuple[Look, ...]
    expected: tuple[Expected, ...]
    series: Series | None = None

    def run(self) -> Verdict:
        """Show the looks to the rule, which begins without a past."""
        if isinstance(self.rule, Crossing):
            told = list(_crossings(self.rule, self.looks))
        else:
            told = list(_changes(self.rule, self.looks, self.series))
        missing = []
        surplus = list(told)
        for one in self.expected:
            found = next((each for each in surplus if each.is_as(one)), None)
            if found:
                surplus.remove(found)
            else:
                missing.append(one)
        return Verdict(self, tuple(told), tuple(missing), tuple(surplus))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a case has told; what of the expected is `missing`, and what wasn't expected."""

    case: Case
    told: tuple[Told, ...]
    missing: tuple[Expected, ...]
    surplus: tuple[Told, ...]

    @property
    def passed(self) -> bool:
        """Whether all of the expected was told, and nothing else."""
        return not (self.missing or self.surplus)


def _crossings(rule: Crossing, looks: Sequence[Look]) -> Iterator[Told]:
    state, last = State(), None
    for look in looks:
        seen = _seen(look, last)
        state, transitions = step(rule, state, seen)
        for one in transitions:
            severity = rule.severity_of(one.level)
            yield Told(look.after, one.kind, severity, one.send, one.after)
        if isinstance(look.found, Range):
            last = seen


def _seen(look: Look, last: Observation | None) -> Observation:
    """A source that fails, is stale or doubted leaves what was read last."""
    now = _START + look.after
    if isinstance(look.found, Range):
        return Observation(now, look.found, FRESH, now=now)
    if last is None or look.found in (MISSING, GONE):
        return Observation(now, None, look.found, now=now)
    return Observation(last.at, last.range, look.found, now=now)


def _changes(rule: PriceChange, looks: Sequence[Look], series: Series | None) -> Iterator[Told]:
    memory: Memory = {}
    before: Decimal | None = None
    for look in looks:
        if series is None or look.found in set(WORDS) - {GONE}:
            continue
        after = look.found.point if isinstance(look.found, Range) else None
        change = Change(series, before, after, _START + look.after)
        memory, news = rule.moved(memory, [change] if before != after else [])
        figure = look.found if isinstance(look.found, Range) else None
        for one in news:
            yield Told(look.after, one.kind, rule.severity, sent=True, figure=figure)
        before = after
