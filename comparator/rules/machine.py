"""The state machine of a crossing rule: a state and an observation give a state and what to tell.

A figure near its threshold wanders, and a single reading may be wrong. So a rule has a dead band
(`fire` and `clear` apart) and wants several distinct looks to say the same. What is missing never
moves it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from comparator.event import Range
from comparator.rules.crossing import Crossing
from comparator.rules.state import (
    CRITICAL,
    FIRING,
    GONE,
    OK,
    PENDING,
    RECOVERING,
    TRUSTED,
    UNKNOWN,
    WARN,
    Observation,
    State,
    Transition,
    elapsed,
)

CLOCK_FAULT = timedelta(days=1)
"""A look that lies further in the future was dated by a clock that was wrong."""

_Step: TypeAlias = tuple[State, tuple[Transition, ...]]


def step(rule: Crossing, state: State, seen: Observation) -> _Step:
    """The state after an observation, and what became of it that somebody should know.

    Look and state are compared by the time of the look, so a repeated or late one changes nothing.
    """
    if seen.health == GONE:
        return _gone(state, seen)
    now, figure = replace(state, health=seen.health), seen.range
    if figure is None or seen.health not in TRUSTED:
        return now, ()
    if state.name == UNKNOWN or state.semantics != rule.semantics(seen.calculation):
        return _baseline(rule, state, seen, figure)
    now = _timed(rule, now, seen)
    if now.watermark is not None and seen.at <= now.watermark:
        return (now if seen.at == now.watermark else state), ()
    after = replace(_moved(rule, now, seen.at, figure), watermark=seen.at)
    return _told(rule, now, after, seen, figure)


def _gone(state: State, seen: Observation) -> _Step:
    """What the figure rests on is not sold any more: that ends an episode, but resolves nothing."""
    if state.watermark is not None and seen.at < state.watermark:
        return state, ()
    now = replace(state, health=GONE)
    if state.name == UNKNOWN:
        return now, ()
    after = _closed(now)
    if not state.is_open:
        return after, ()
    nothing = replace(seen, range=None)
    told = Transition.of("discontinued", OK, nothing, state, state, send=state.paged)
    return after, (told,)


def _baseline(rule: Crossing, state: State, seen: Observation, figure: Range) -> _Step:
    """The state of a rule that is new or was edited: judged from one look, without counting."""
    after = State(
        name=OK,
        health=seen.health,
        told=figure,
        told_at=seen.at,
        watermark=max(filter(None, (state.watermark, seen.at))),
        semantics=rule.semantics(seen.calculation),
    )
    edited, level = state.name != UNKNOWN, rule.level(figure)
    send = state.is_open and state.paged if edited else rule.first == "notify"
    if level:
        after = replace(_open(after, seen.at, figure), calm=None, level=level, paged=send)
    if not edited and not level:
        return after, ()
    kind, episode = "rule_edited" if edited else "initial", state if state.is_open else after
    return after, (Transition.of(kind, after.name, seen, state, episode, send=send),)


def _timed(rule: Crossing, state: State, seen: Observation) -> State:
    """The state by the time that has gone by: what was counted before a gap doesn't count."""
    if state.watermark is None:
        return state
    if seen.now is not None and state.watermark - seen.now > CLOCK_FAULT:
        return replace(_uncounted(state), watermark=None)
    gap = seen.at - state.watermark > rule.max_gap
    return _uncounted(state) if gap else state


def _moved(rule: Crossing, state: State, at: datetime, figure: Range) -> State:
    level = rule.level(figure)
    state = replace(state, higher=state.higher + 1 if level == CRITICAL else 0)
    if state.is_open:
        return _within(rule, state, at, figure)
    if not level:
        return _closed(state)
    after = replace(_open(state, at, figure), name=PENDING, count=state.count + 1)
    confirmed = after.count >= rule.confirm and elapsed(after.since, at) >= rule.hold
    return replace(after, name=FIRING, count=0, level=_rung(rule, after)) if confirmed else after


def _within(rule: Crossing, state: State, at: datetime, figure: Range) -> State:
    """An episode goes on, or looks in a row say that it is over."""
    if rule.is_clear(figure):
        count = state.count + 1 if state.name == RECOVERING else 1
        over = count >= rule.confirm_clear
        return _closed(state) if over else replace(state, name=RECOVERING, count=count)
    count = state.count if state.name == FIRING else 0
    worse = state.told is not None and rule.is_worse(figure, state.told)
    return replace(_open(state, at, figure), count=count + 1 if worse else 0)


def _told(rule: Crossing, before: State, after: State, seen: Observation, figure: Range) -> _Step:
    kind = _kind(rule, before, after, seen.at, figure)
    if not kind:
        return after, ()
    if kind == "worsened":
        after = replace(after, count=0, level=max(after.level, _rung(rule, after)))
    episode = before if kind == "resolved" else after
    told = Transition.of(kind, after.name, seen, before, episode, send=True)
    return replace(after, told=figure, told_at=seen.at, paged=after.is_open), (told,)


def _kind(rule: Crossing, before: State, after: State, at: datetime, figure: Range) -> str:
    if before.is_open != after.is_open:
        return "fired" if after.is_open else "resolved"
    if after.name != FIRING:
        return ""
    risen = _rung(rule, after) > after.level
    across = after.told is not None and rule.side(figure) != rule.side(after.told)
    cooled = across or elapsed(after.told_at, at) >= rule.cool_down
    return "worsened" if risen or (after.count >= rule.confirm and cooled) else ""


def _rung(rule: Crossing, state: State) -> int:
    """The level that enough looks in a row have reached."""
    return CRITICAL if state.higher >= rule.confirm else WARN


def _open(state: State, at: datetime, figure: Range) -> State:
    """Past the threshold: the episode begins, or goes on and its extremes may widen."""
    points = [point for point in (state.lowest, state.highest, figure.point) if point is not None]
    return replace(
        state,
        name=FIRING,
        count=0,
        since=state.since or at,
        calm=state.calm if state.since else state.watermark,
        lowest=min(points),
        highest=max(points),
    )


def _closed(state: State) -> State:
    blank = replace(state, name=OK, count=0, level=0, since=None, calm=None, paged=False)
    return replace(blank, lowest=None, highest=None)


def _uncounted(state: State) -> State:
    if state.is_open:
        return replace(state, name=FIRING, count=0, higher=0)
    return replace(_closed(state), higher=0)
