"""Between an evaluation and a crossing rule: what the rule is shown, and what its events say."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from comparator import measure
from comparator.attribution import causes
from comparator.event import Event
from comparator.flip import flips
from comparator.ratio import Evaluation
from comparator.rules.crossing import Crossing
from comparator.rules.state import (
    ERROR,
    FIRING,
    FRESH,
    OK,
    QUARANTINED,
    STALE,
    Observation,
    State,
    Transition,
    elapsed,
)
from pricebook.label import label
from pricebook.quote import Price, isoformat, plain

if TYPE_CHECKING:
    from comparator.facts import Facts

_UNKNOWN = "unknown"


def observation(
    rule: Crossing, now: Evaluation, before: State, told: Mapping[str, Any], facts: Facts
) -> Observation:
    """What a rule in that state is shown of an evaluation; `told`: its snapshot when last told."""
    figure = measure.measured(rule.measure, now, ours=rule.ours)
    health = _health(rule, now, facts) if figure else now.health
    health = _UNKNOWN if figure is None and health == FRESH else health
    at = _looked_at(now, told, settled=before.name in (OK, FIRING))
    return Observation(at, figure, health, now.calculation, now.at)


def told_event(
    rule: Crossing, transition: Transition, told: Mapping[str, Any], now: Evaluation
) -> Event:
    """A transition as people are told of it."""
    crossed = transition.kind in {"fired", "worsened", "resolved"}
    ways = now.workload.self_host, now.workload.api
    costs = {way.title: cost for way, cost in zip(ways, (now.self_host, now.api), strict=True)}
    unit = "times ours" if rule.ours else measure.unit(rule.measure, now.workload)
    return Event(
        id=secrets.token_hex(8),
        rule=rule.name,
        kind=transition.kind,
        state=transition.state,
        at=now.at,
        workload=rule.workload,
        severity=rule.severity_of(transition.level),
        threshold=rule.threshold_of(transition.level),
        since=transition.since,
        before=transition.before,
        after=transition.after,
        costs={name: cost for name, cost in costs.items() if cost},
        cost_unit=now.workload.unit,
        verdict=now.verdict if now.ratio else "",
        why=causes(told, now.snapshot()) if crossed else (),
        text=_words(rule, transition, now),
        measure=", ".join(part for part in (rule.measure, unit) if part),
        flips=flips(rule, now) if transition.state == FIRING else (),
    )


def _health(rule: Crossing, now: Evaluation, facts: Facts) -> str:
    if any(price.series in facts.doubted for price in now.prices):
        return QUARANTINED
    ages = (now.at - price.verified_at for price in now.prices if price.verified_at)
    if max(ages, default=timedelta(0)) > rule.max_age:
        return STALE
    sources = {price.source.split(",")[0].split("/")[0] for price in now.prices}
    return ERROR if sources & facts.failing else FRESH


def _looked_at(now: Evaluation, told: Mapping[str, Any], *, settled: bool) -> datetime:
    """The time of the look that an evaluation rests on.

    Where prices are other ones than those last told and have been read but once, it is the oldest
    reading among them, for a wrong reading of one page must not be confirmed by a look at another.
    What has been read twice is no longer in doubt, so that a page that can't be read any more
    holds back no other. Else it is the newest of all readings, or the oldest when the rule is
    `settled` and nothing moved: a look at one page must not make a change on another, which was
    read before or in the same second, look late. Without any price of the book it is the time of
    the evaluation.
    """
    inputs = told.get("inputs", {})
    looks = [(price.verified_at, price) for price in now.prices if price.verified_at]
    moved = [(at, price) for at, price in looks if inputs and _differs(price, inputs)]
    doubtful = [at for at, price in moved if at <= price.recorded_at]
    if doubtful:
        return min(doubtful)
    return (min if settled and not moved else max)((at for at, _ in looks), default=now.at)


def _differs(price: Price, inputs: Mapping[str, Any]) -> bool:
    told: Mapping[str, Any] = inputs.get(label(price.series), {})
    recorded_at = told.get("evidence", {}).get("recorded_at")
    return (str(price.amount), isoformat(price.recorded_at)) != (told.get("value"), recorded_at)


def _words(rule: Crossing, transition: Transition, now: Evaluation) -> str:
    """The sentences that only this event can say; "" where its kind says it all."""
    match transition.kind:
        case "fired":
            return _across_a_gap(rule, transition)
        case "worsened":
            return f"It went further since it was last told: now past {_limit(rule, transition)}."
        case "resolved":
            return f"Came back across the threshold after {_lasted(rule, transition)}."
        case "discontinued":
            return (
                f"{_sentence(now.reason)} That ends the episode, after {_lasted(rule, transition)}."
            )
        case "rule_edited":
            return _edited(transition)
    return ""


def _across_a_gap(rule: Crossing, transition: Transition) -> str:
    """Where nothing could be read for long, nobody knows when it was crossed."""
    since, calm = transition.since, transition.calm
    if since is None or calm is None or elapsed(calm, since) <= rule.max_gap:
        return ""
    between = f"between {isoformat(calm)} and {isoformat(since)}"
    return f"Crossed the threshold {between}; in that time nothing could be read."


def _limit(rule: Crossing, transition: Transition) -> str:
    return f"the threshold of “{rule.threshold_of(transition.level)}”"


def _edited(transition: Transition) -> str:
    ended = ", which ends the episode that was open" if transition.send else ""
    return f"The rule or its workload was edited{ended}; judged anew, it is {transition.state}."


def _lasted(rule: Crossing, transition: Transition) -> str:
    lasted = _span(elapsed(transition.since, transition.at))
    low, high = f"{transition.lowest:.4g}", f"{transition.highest:.4g}"
    figure = f"between {low} and {high}" if low != high else f"at {low}"
    return f"{lasted}; meanwhile the {rule.measure} was {figure}"


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}."


def _span(time: timedelta) -> str:
    """`37.5 days`, `4 hours`: whichever is read at a glance."""
    hours = Decimal(int(time.total_seconds())) / 3600
    number, unit = (hours / 24, "days") if hours >= 48 else (hours, "hours")
    return f"{plain(number.quantize(Decimal('0.1')))} {unit}"
