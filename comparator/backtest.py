"""What rules would have told in the past: their own steps over the history, and nothing is kept.

History holds changes, not looks. So each change counts as read at the time from which it held, and
from then on there is a look every so often: what asks for two looks is told at the second of them.
No source ever fails, no price is set aside, and what was learnt late counts from when it held.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import groupby, pairwise
from typing import Any

from sqlalchemy import Connection

from comparator import measure
from comparator.closing import closings
from comparator.event import Event, Range
from comparator.facts import Facts
from comparator.observing import told_event
from comparator.ratio import Evaluation, evaluate
from comparator.rules.ahead import Ahead
from comparator.rules.crossing import Crossing
from comparator.rules.machine import step
from comparator.rules.price_change import PriceChange
from comparator.rules.rulebook import Rule
from comparator.rules.state import (
    CRITICAL,
    FIRING,
    FRESH,
    OK,
    UNKNOWN,
    Observation,
    State,
)
from comparator.rules.told import Memory
from comparator.timeline import timeline
from comparator.way import Prices
from comparator.workload import Workload
from pricebook.book import Change, price_at
from pricebook.offers import Offers
from pricebook.past import Past
from pricebook.quote import Price, Series
from pricebook.standing import announced_since

_DAY = timedelta(days=1)
_INSTANT = timedelta(seconds=1)
"""The book keeps whole seconds."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event that would have been; `sent`: whether it would have gone to the rule's receivers."""

    event: Event
    sent: bool


@dataclass(frozen=True)
class _Stretch:
    """A time, with its first look but without its end, in which a figure stays as it is."""

    begin: datetime
    end: datetime
    rule: Crossing
    ratio: Range | None
    evaluated: Callable[[], Evaluation]

    @cached_property
    def now(self) -> Evaluation:
        """All that is known; worked out when it is asked for, as most stretches tell nothing."""
        return self.evaluated()

    @cached_property
    def figure(self) -> Range | None:
        """What the rule watches."""
        if self.rule.measure == measure.RATIO:
            return self.ratio
        return measure.measured(self.rule.measure, self.now, ours=self.rule.ours)

    @cached_property
    def health(self) -> str:
        """Of what the rule is shown."""
        if self.figure:
            return FRESH
        return UNKNOWN if self.now.health == FRESH else self.now.health


@dataclass(frozen=True)
class Backtest:
    """History, and the time in which rules look at it: they begin at `since` without a past.

    `past` holds what the workloads may need, and what fits the rules on prices. `every`: from one
    look to the next. `connection`: to the book, for what was announced.
    """

    connection: Connection
    past: Past
    offers: Offers
    since: datetime
    until: datetime
    every: timedelta

    def told(self, rule: Rule, workloads: Mapping[str, Workload]) -> Iterator[Told]:
        """What the rule would have told, in order; nothing where there is a `refusal`."""
        if isinstance(rule, Crossing):
            return self._crossings(rule, workloads[rule.workload])
        if isinstance(rule, PriceChange):
            return self._price_changes(rule)
        return self._ahead(rule) if isinstance(rule, Ahead) else iter(())

    def _crossings(self, rule: Crossing, workload: Workload) -> Iterator[Told]:
        state, told = State(), dict[str, Any]()
        for stretch in self._stretches(rule, workload):
            at = stretch.begin
            while at < stretch.end:
                before, found = state, (stretch.figure, stretch.health)
                seen = Observation(at, *found, workload.calculation, at)
                state, transitions = step(rule, before, seen)
                for one in transitions:
                    event = told_event(rule, one, told, replace(stretch.now, at=at))
                    yield Told(event, one.send)
                if transitions or before.name == UNKNOWN:
                    told = stretch.now.snapshot() or told
                at = self._next(at, stretch.end, settled=_is_settled(before, state))

    def _stretches(self, rule: Crossing, workload: Workload) -> Iterator[_Stretch]:
        moments = list(timeline(workload, self.past, self.until, self.offers))
        ends = [*(one.at for one in moments[1:]), self.until + _INSTANT]
        for moment, end in zip(moments, ends, strict=True):
            begin = max(moment.at, self.since)
            if begin < end:
                evaluated = partial(evaluate, workload, self._prices(begin), begin, self.offers)
                yield _Stretch(begin, end, rule, moment.ratio, evaluated)

    def _next(self, at: datetime, end: datetime, *, settled: bool) -> datetime:
        """The next look; the last one of a stretch where those in between would change nothing."""
        last = at + (end - _INSTANT - at) // self.every * self.every
        return max(last, at + self.every) if settled else at + self.every

    def _price_changes(self, rule: PriceChange) -> Iterator[Told]:
        memory: Memory = {}
        changes = sorted(self._changes(rule), key=lambda one: one.valid_from)
        for at, together in groupby(changes, key=lambda one: one.valid_from):
            memory, news = rule.moved(memory, together)
            facts = Facts(self.connection, self._prices(at), at)
            for one in news:
                yield Told(facts.with_evidence(one).event(rule, at), sent=True)

    def _changes(self, rule: PriceChange) -> Iterator[Change]:
        for series, held in self.past.items():
            if rule.prices.fits(series):
                for before, after in pairwise(held):
                    if self.since < after.valid_from <= self.until:
                        yield Change(series, before.amount, after.amount, after.valid_from)

    def _ahead(self, rule: Ahead) -> Iterator[Told]:
        """Looked at once a day: what is announced is announced for days."""
        memory: Memory = {}
        at = max(self.since, self._first_announcement())
        while at <= self.until:
            facts = Facts(self.connection, self._prices(at), at)
            memory, news = rule.near(memory, facts.coming(rule), at)
            yield from (Told(one.event(rule, at), sent=True) for one in news)
            at += _DAY

    def _first_announcement(self) -> datetime:
        known = [one.announced for one in closings(self.until)]
        first = announced_since(self.connection)
        return min([*known, first] if first else known, default=self.until)

    def _prices(self, at: datetime) -> Prices:
        def held(series: Series) -> Price | None:
            if series not in self.past:
                return price_at(self.connection, series, at)
            known = self.past[series]
            number = bisect_right(known, at, key=lambda one: one.valid_from)
            return known[number - 1] if number else None

        return held


def refusal(rule: Rule) -> str:
    """Why a rule can't be tried on history, in one clause; "" when it can."""
    if isinstance(rule, Crossing | PriceChange | Ahead):
        return ""
    return "history holds prices, not what became of every look"


def _is_settled(before: State, after: State) -> bool:
    """Whether looks at the same figure can change nothing any more."""
    resting = after.name in (UNKNOWN, OK, FIRING) and after.name == before.name
    return resting and not after.count and (not after.higher or after.level == CRITICAL)
