"""Rules at rest: what is not shown to a rule would have told nothing, and left it as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from comparator.estimate import OFF, surely
from comparator.event import Range
from comparator.rules.bounds import Bounds
from comparator.rules.crossing import Crossing
from comparator.rules.machine import step
from comparator.rules.rest import Rest, rested
from comparator.rules.state import CRITICAL, FIRING, OK, Observation, State

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LOOK = timedelta(hours=6)
D = Decimal

BELOW = Crossing("pays", "bot", Bounds(low=D(1)), Bounds(low=D("1.05")))
ABOVE = Crossing("dear", "bot", Bounds(high=D(1)), Bounds(high=D("0.95")))
BAND = Crossing("off", "bot", Bounds(D(1), D(2)), Bounds(D("1.05"), D("1.9")))
RULES = (
    BELOW,
    ABOVE,
    BAND,
    replace(BELOW, critical=Bounds(low=D("0.5")), hold=timedelta(days=1)),
    replace(ABOVE, critical=Bounds(high=D("2.5")), confirm=3, renotify_step=D(0)),
    replace(BAND, certainty="point", confirm=1, confirm_clear=3, cool_down=timedelta(0)),
)

levels = st.decimals("0.2", "3", places=2)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """A figure near the thresholds, sure or not so sure."""
    point, spread = draw(levels), draw(st.sampled_from([D(1), D(1), D("1.02"), D("1.3")]))
    return Range(point / spread, point, point * spread)


looks = st.lists(st.tuples(st.integers(1, 6), ranges()), min_size=1, max_size=8)


def after(rule: Crossing, seen: list[tuple[int, Range]]) -> State:
    """The state of a rule that was shown these figures, each so many looks after the last."""
    state, at = State(), BEGIN
    for gap, figure in seen:
        at += gap * LOOK
        state, _ = step(rule, state, Observation(at, figure))
    return state


def keeps(rest: Rest, counts: Range) -> bool:
    """Whether the figure leaves the rule as it is."""
    above = rest.above is None or counts.high > rest.above
    return above and (rest.below is None or counts.low < rest.below)


def essence(state: State) -> State:
    """All but what is said to change at rest."""
    same = replace(state, watermark=None, lowest=None, highest=None)
    return replace(same, higher=0) if state.level == CRITICAL else same


@given(rule=st.sampled_from(RULES), seen=looks, gap=st.integers(1, 12), figure=ranges())
@settings(max_examples=500, deadline=None)
def test_what_is_kept_changes_nothing(
    rule: Crossing, seen: list[tuple[int, Range]], gap: int, figure: Range
) -> None:
    """No event, no count, no other state; extremes widen by that figure's point and no more."""
    before = after(rule, seen)
    rest = Rest.of(rule, before)
    assume(rest is not None)
    assert rest is not None
    assume(keeps(rest, rule.sure(figure)))
    assert before.watermark is not None
    at = before.watermark + gap * LOOK
    now, told = step(rule, before, Observation(at, figure))
    assert (before.health, at) == (now.health, now.watermark)
    assert (essence(before), ()) == (essence(now), told)
    if before.is_open:
        known = (before.lowest, before.highest, figure.point)
        points = [point for point in known if point is not None]
        assert (min(points), max(points)) == (now.lowest, now.highest)
    same_points = (now.lowest, now.highest) == (before.lowest, before.highest)
    assert same_points == (rested(before, at) == replace(now, higher=before.higher))


@given(seen=looks)
def test_a_rule_that_counts_is_not_at_rest(seen: list[tuple[int, Range]]) -> None:
    """Looks in a row, up or down the ladder, are all shown."""
    state = after(RULES[3], seen)
    if state.count or state.name not in (OK, FIRING):
        assert Rest.of(RULES[3], state) is None


@given(rule=st.sampled_from(RULES), seen=looks, figure=ranges())
@settings(max_examples=300)
def test_limits_leave_room_for_what_is_estimated(
    rule: Crossing, seen: list[tuple[int, Range]], figure: Range
) -> None:
    """An estimate between the limits is of a figure that keeps the rule at rest, whichever way it
    is off."""
    rest = Rest.of(rule, after(rule, seen))
    if rest is None:
        return
    counts, (above, below) = rule.sure(figure), surely(rest.above, rest.below)
    for way in (1 - OFF, 1, 1 + OFF):
        if float(counts.high) * way > above and float(counts.low) * way < below:
            assert keeps(rest, counts)


def test_at_the_threshold_itself() -> None:
    """A figure at a level is shown, as rounding could have put it on either side."""
    rest = Rest.of(BELOW, after(BELOW, [(1, Range.exactly(D(2)))]))
    assert rest == Rest(D(1), None)
    assert rest is not None
    assert not keeps(rest, Range.exactly(D(1)))


def test_an_episode_rests_until_it_is_over_or_a_step_further() -> None:
    """Told at 0.8: up to 1.05 it goes on, and down to 0.72, a tenth further."""
    state = after(BELOW, [(1, Range.exactly(D("0.8")))])
    assert Rest(D("0.72"), D("1.05")) == Rest.of(BELOW, state)
