"""What rules would have told in the past: their own steps over the history, and nothing is kept.

History holds changes, not looks. So each change counts as read at the time from which it held, and
from then on there is a look every so often: what asks for two looks is told at the second of them.
No source ever fails, no price is set aside, and what was learnt late counts from when it held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from comparator.closing import closings
from comparator.estimate import column, surely
from comparator.event import Event
from comparator.news import Announced, with_evidence
from comparator.observing import told_event
from comparator.rules.ahead import Ahead
from comparator.rules.crossing import Crossing
from comparator.rules.machine import step
from comparator.rules.price_change import NOTHING, PriceChange
from comparator.rules.rest import rested
from comparator.rules.rulebook import Rule
from comparator.rules.state import (
    CRITICAL,
    FIRING,
    OK,
    UNKNOWN,
    Observation,
    State,
)
from comparator.rules.told import Memory, News
from comparator.watched import Stretch, Watched
from comparator.way import Prices
from comparator.workload import Workload
from pricebook.announcements import announced_since
from pricebook.answers import price_at
from pricebook.offers import Offers
from pricebook.past import History, Past
from pricebook.question import INSTANT, Asked, seconds
from pricebook.quote import Change, Price, Series

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Told:
    """An event that would have been; `sent`: whether it would have gone to the rule's receivers."""

    event: Event
    sent: bool


@dataclass(slots=True)
class _Trial:
    """A rule on its way through the past; `known`: what it told, or saw first, in that order."""

    rule: Crossing
    calculation: str
    state: State = field(default_factory=State)
    known: list[Stretch] = field(default_factory=list)

    def look(self, stretch: Stretch, at: datetime) -> Iterator[Told]:
        """Take a step, and tell what comes of it."""
        before, figure = self.state, stretch.figure
        seen = Observation(at, figure, stretch.health, self.calculation, at)
        self.state, transitions = step(self.rule, before, seen)
        for one in transitions:
            now = replace(stretch.now, at=at)
            yield Told(told_event(self.rule, one, self._snapshot(), now), one.send)
        if transitions or before.name == UNKNOWN:
            self.known.append(stretch)

    def _snapshot(self) -> Mapping[str, Any]:
        """The last of `known` that has one: worked out when something is told, which is seldom."""
        snapshots = (stretch.now.snapshot() for stretch in reversed(self.known))
        return next(filter(None, snapshots), {})


@dataclass(frozen=True)
class Backtest:
    """History, and the time in which rules look at it: they begin at `since` without a past.

    `past` holds what the workloads may need, and what fits the rules on prices. `every`: from one
    look to the next. `asked`: the book, for what was announced.
    """

    asked: Asked
    past: Past
    offers: Offers
    since: datetime
    until: datetime
    every: timedelta
    _known: dict[str, Watched] = field(default_factory=dict, init=False, repr=False)

    def told(self, rule: Rule, workloads: Mapping[str, Workload]) -> Iterator[Told]:
        """What the rule would have told, in order; nothing where there is a `refusal`."""
        if isinstance(rule, Crossing):
            return self._crossings(rule, workloads[rule.workload])
        if isinstance(rule, PriceChange):
            return self._price_changes(rule)
        return self._ahead(rule) if isinstance(rule, Ahead) else iter(())

    def _crossings(self, rule: Crossing, workload: Workload) -> Iterator[Told]:
        watched = self._watched(workload)
        trial = _Trial(rule, watched.calculation)
        for stretch in watched.stretches(rule, lambda: trial.state):
            at = stretch.begin
            if stretch.rests:
                trial.state = rested(trial.state, self._last_look(at, stretch.end))
                continue
            while at < stretch.end:
                before = trial.state
                yield from trial.look(stretch, at)
                at = self._next(at, stretch.end, settled=_is_settled(before, trial.state))

    def _watched(self, workload: Workload) -> Watched:
        """Made once for all rules on a workload."""
        if workload.name not in self._known:
            times = self.since, self.until
            known = Watched(workload, self._histories, self.offers, *times, self._prices)
            self._known[workload.name] = known
        return self._known[workload.name]

    def _next(self, at: datetime, end: datetime, *, settled: bool) -> datetime:
        """The next look; the last one of a stretch where those in between would change nothing."""
        following = at + self.every
        return max(self._last_look(at, end), following) if settled else following

    def _last_look(self, at: datetime, end: datetime) -> datetime:
        """Of a stretch, counted from one of its looks."""
        return at + (end - INSTANT - at) // self.every * self.every

    def _price_changes(self, rule: PriceChange) -> Iterator[Told]:
        fitting = (series for series in self.past if rule.prices.fits(series))
        found = [one for series in sorted(fitting, key=str) for one in self._news(rule, series)]
        for at, news in sorted(found, key=lambda one: one[0]):
            yield Told(with_evidence(news, self._prices(at)).event(rule, at), sent=True)

    def _news(self, rule: PriceChange, series: Series) -> Iterator[tuple[datetime, News]]:
        """Of one series, as the rule remembers each by itself."""
        memory: Memory = {}
        held, (above, below) = self._histories[series], surely(*NOTHING)
        amounts = column(held.ticks)
        for number in self._shown(held):
            if above < amounts[number] < below:
                continue
            before, after = held[number - 1].amount, held[number]
            change = Change(series, before, after.amount, after.valid_from)
            memory, news = rule.moved(memory, [change])
            above, below = surely(*rule.passes_over(memory, series))
            yield from ((after.valid_from, one) for one in news)

    def _shown(self, held: History) -> Iterator[int]:
        """The places of the changes in the time that is tried."""
        since, until = seconds(self.since), seconds(self.until)
        return (n for n in range(1, len(held)) if since < held.begins[n] <= until)

    def _ahead(self, rule: Ahead) -> Iterator[Told]:
        """Looked at once a day: what is announced is announced for days."""
        memory: Memory = {}
        at = max(self.since, self._first_announcement())
        while at <= self.until:
            announced = Announced(self.asked, self._prices(at), at)
            memory, news = rule.near(memory, announced.coming(rule), at)
            yield from (Told(one.event(rule, at), sent=True) for one in news)
            at += _DAY

    def _first_announcement(self) -> datetime:
        known = [one.announced for one in closings(self.until)]
        first = announced_since(self.asked)
        return min([*known, first] if first else known, default=self.until)

    def _prices(self, at: datetime) -> Prices:
        def held(series: Series) -> Price | None:
            known = self._histories.get(series)
            return price_at(self.asked, series, at) if known is None else known.held_at(at)

        return held

    @cached_property
    def _histories(self) -> Mapping[Series, History]:
        return {series: History.of(held) for series, held in self.past.items()}


def refusal(rule: Rule) -> str:
    """Why a rule can't be tried on history, in one clause; "" when it can."""
    if isinstance(rule, Crossing | PriceChange | Ahead):
        return ""
    return "history holds prices, not what became of every look"


def _is_settled(before: State, after: State) -> bool:
    """Whether looks at the same figure can change nothing any more."""
    resting = after.name in (UNKNOWN, OK, FIRING) and after.name == before.name
    return resting and not after.count and (not after.higher or after.level == CRITICAL)
