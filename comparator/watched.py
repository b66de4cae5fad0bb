"""The past of a workload as rules are shown it: in stretches in which its figures stay the same.

Most stretches leave a rule at rest. Those are found by estimates, and no figure of theirs is worked
out but for an episode's extremes, which the rule remembers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache

from comparator import measure
from comparator.estimate import Estimates, extremes, product, surely
from comparator.event import Range
from comparator.ratio import Evaluation, evaluate
from comparator.rules.crossing import Crossing
from comparator.rules.rest import Rest
from comparator.rules.state import FRESH, UNKNOWN, State
from comparator.timeline import Course
from comparator.way import Prices
from comparator.workload import Workload
from pricebook.offers import Offers
from pricebook.past import Past
from pricebook.question import INSTANT, instant, seconds


@dataclass(frozen=True)
class Stretch:
    """A time, with its first look but without its end, in which a figure stays as it is.

    `rests`: whether that surely leaves the rule at rest, so that it needn't be worked out.
    """

    begin: datetime
    end: datetime
    rule: Crossing
    ratio: Callable[[], Range | None]
    evaluated: Callable[[], Evaluation]
    rests: bool = False

    @cached_property
    def now(self) -> Evaluation:
        """All that is known; worked out when it is asked for, as most stretches tell nothing."""
        return self.evaluated()

    @cached_property
    def figure(self) -> Range | None:
        """What the rule watches."""
        if self.rule.measure == measure.RATIO:
            return self.ratio()
        return measure.measured(self.rule.measure, self.now, ours=self.rule.ours)

    @cached_property
    def health(self) -> str:
        """Of what the rule is shown."""
        if self.figure:
            return FRESH
        return UNKNOWN if self.now.health == FRESH else self.now.health


class Watched:
    """A workload from `since` to `until`, the same for all rules on it.

    `past` holds what the workload may need; `prices_at` gives those that held at a time.
    """

    def __init__(
        self,
        workload: Workload,
        past: Past,
        offers: Offers,
        since: datetime,
        until: datetime,
        prices_at: Callable[[datetime], Prices],
    ) -> None:
        # No event says when an offer ends, and it would be a question to the book for each price.
        self._offers = replace(offers, ends=lambda _: None)
        self._workload, self._prices_at = workload, prices_at
        self._course = Course(workload, past, until, offers)
        times = self._course.times
        self._first = max(0, bisect_right(times, seconds(since)) - 1)
        self._ends = [*times[1:], seconds(until + INSTANT)]
        self._since, self._others = since, dict[tuple[str, bool], Estimates | None]()
        # The first that a rule is shown is also what the others are estimated by.
        self._stretch = lru_cache(maxsize=2)(self._made)
        self.calculation = workload.calculation

    def stretches(self, rule: Crossing, state: Callable[[], State]) -> Iterator[Stretch]:
        """All that may matter to a rule, whose state is asked for as it goes; of those at rest that
        follow one another the last."""
        number, end = self._first, len(self._course.times)
        while number < end:
            now = state()
            awake = self._end_of_rest(rule, Rest.of(rule, now), number)
            for one in self._extremes(rule, now, number, awake):
                yield self._stretch(rule, one)
            if awake > number:
                yield replace(self._stretch(rule, awake - 1), rests=True)
            else:
                yield self._stretch(rule, number)
            number = max(awake, number + 1)

    def _extremes(self, rule: Crossing, state: State, number: int, end: int) -> Iterable[int]:
        """Those up to the end of a rest that an open episode must be shown."""
        known = self._estimates(rule) if state.is_open and number < end else None
        if known is None:
            return ()
        told = (each for each in (state.lowest, state.highest) if each is not None)
        return (number + one for one in extremes(known.points[number:end], told))

    def _end_of_rest(self, rule: Crossing, rest: Rest | None, number: int) -> int:
        """The next one that may end it."""
        known = self._estimates(rule) if rest else None
        if rest is None or known is None:
            return number
        above, below = surely(rest.above, rest.below)
        definite = rule.certainty == "definite"
        lows, highs = (known.lows, known.highs) if definite else (known.points, known.points)
        ahead = range(number, len(lows))
        return next((n for n in ahead if not (highs[n] > above and lows[n] < below)), len(lows))

    def _estimates(self, rule: Crossing) -> Estimates | None:
        """Of what the rule watches; None where nothing is known of it before it is worked out."""
        if rule.measure == measure.RATIO:
            return self._course.estimates
        key = (rule.measure, rule.ours)
        if key not in self._others:
            self._others[key] = self._proportional(rule)
        return self._others[key]

    def _proportional(self, rule: Crossing) -> Estimates | None:
        """Of a break-even that goes up and down with the ratio."""
        shown = range(self._first, len(self._course.times))
        ratios = ((number, self._course.moment(number).ratio) for number in shown)
        number, ratio = next((one for one in ratios if one[1]), (0, None))
        figure = self._stretch(rule, number).figure if ratio else None
        follows = measure.follows_ratio(rule.measure, self._workload) and not self._workload.turns
        if not (follows and ratio and figure):
            return None
        found, points = Estimates(), self._course.estimates.points
        found.extend(product(figure.point / ratio.point, [points], len(points)), like=figure)
        return found

    def _made(self, rule: Crossing, number: int) -> Stretch:
        begin = max(instant(self._course.times[number]), self._since)

        def evaluated() -> Evaluation:
            return evaluate(self._workload, self._prices_at(begin), begin, self._offers)

        def ratio() -> Range | None:
            return self._course.moment(number).ratio

        return Stretch(begin, instant(self._ends[number]), rule, ratio, evaluated)
