"""One run of the comparator, inside the transaction that wrote the prices: ratios, states, events.

Either all of it is recorded or none, so a crash loses no crossing and tells none twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update

from comparator.attribution import causes
from comparator.event import Event, Range
from comparator.interval import Interval
from comparator.outbox import enqueue
from comparator.ratio import Evaluation, evaluate
from comparator.rules import (
    FIRING,
    OK,
    UNKNOWN,
    Observation,
    Rule,
    State,
    Transition,
    check_names,
    step,
)
from comparator.way import Prices, label
from comparator.workload import Workload
from pricebook.offers import offers
from pricebook.quote import Price, plain
from pricebook.tables import EventRow, Ratio, RuleState

_TURN_LOCK = 0x6A756467
"""Any number of ours: PostgreSQL's advisory lock that lets one run judge at a time."""

_EVENT_COLUMNS = ("id", "rule", "workload", "kind", "state", "at")


@dataclass(frozen=True, slots=True)
class Judged:
    """What a run found: every workload's evaluation, and the events that were recorded."""

    evaluations: tuple[Evaluation, ...]
    events: tuple[Event, ...]


def judge(
    connection: Connection,
    workloads: Sequence[Workload],
    rules: Sequence[Rule],
    receivers: Collection[str],
    prices: Prices,
    at: datetime,
) -> Judged:
    """Evaluate all workloads as of `at`, step all rules, and record what became of them.

    `rules` are all there are: one with a stored state that isn't among them was removed.
    `receivers`: the names of those that exist. Nothing is committed here. ConfigError when a rule
    speaks of a workload or a receiver that doesn't exist.
    """
    check_names(rules, [workload.name for workload in workloads], receivers)
    _take_turn(connection)
    known = offers(connection, at)
    evaluations = {workload.name: evaluate(workload, prices, at, known) for workload in workloads}
    for evaluation in evaluations.values():
        _store_ratio(connection, evaluation)
    stored = _stored(connection)
    events = _close_removed(connection, stored.keys() - {rule.name for rule in rules}, at)
    for rule in rules:
        events += _judge_rule(connection, rule, stored.get(rule.name), evaluations[rule.workload])
    return Judged(tuple(evaluations.values()), tuple(events))


def _take_turn(connection: Connection) -> None:
    """Until the transaction ends, nobody else judges; on SQLite its writer is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TURN_LOCK})


def _judge_rule(
    connection: Connection, rule: Rule, stored: Mapping[str, Any] | None, now: Evaluation
) -> list[Event]:
    before = State.restore(stored["state"]) if stored else State()
    told = stored["told"] if stored else {}
    after, transitions = step(rule, before, _observation(now, before, told))
    events = [_event(rule, transition, told, now) for transition in transitions]
    for event in events:
        _record(connection, event, _receivers(rule, event))
    if transitions or before.name == UNKNOWN:
        told = now.snapshot()
    _store_state(connection, rule.name, after, told)
    return events


def _observation(now: Evaluation, before: State, told: Mapping[str, Any]) -> Observation:
    ratio = _range(now.ratio) if now.ratio else None
    at = _looked_at(now, told, settled=before.name in (OK, FIRING))
    return Observation(at, ratio, now.health, now.calculation)


def _looked_at(now: Evaluation, told: Mapping[str, Any], *, settled: bool) -> datetime:
    """The time of the look that an evaluation rests on.

    Where prices differ from those last told and have been read but once, it is the oldest reading
    among them, for a wrong reading of one page must not be confirmed by a look at another page.
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
    return str(price.amount) != told.get("value")


def _event(rule: Rule, transition: Transition, told: Mapping[str, Any], now: Evaluation) -> Event:
    crossed = transition.kind in {"fired", "resolved"}
    ways = now.workload.self_host, now.workload.api
    costs = {way.title: cost for way, cost in zip(ways, (now.self_host, now.api), strict=True)}
    return Event(
        id=secrets.token_hex(8),
        rule=rule.name,
        kind=transition.kind,
        state=transition.state,
        at=now.at,
        workload=rule.workload,
        severity=rule.severity,
        threshold=rule.threshold,
        since=transition.since,
        before=transition.before,
        after=transition.after,
        costs={name: _range(cost) for name, cost in costs.items() if cost},
        cost_unit=now.workload.unit,
        verdict=now.verdict,
        why=causes(told, now.snapshot()) if crossed else (),
        text=_words(transition),
    )


def _record(connection: Connection, event: Event, receivers: Sequence[str]) -> None:
    columns = {name: getattr(event, name) for name in _EVENT_COLUMNS}
    connection.execute(insert(EventRow).values(**columns, details=event.details()))
    enqueue(connection, event, receivers, event.at)


def _receivers(rule: Rule, event: Event) -> tuple[str, ...]:
    """Who is told; the other events are only recorded."""
    sent = event.kind in {"fired", "resolved"} or (event.kind, rule.first) == ("initial", "notify")
    return rule.receivers if sent else ()


def _words(transition: Transition) -> str:
    """The sentence that only this event can say; "" where its kind says it all."""
    if transition.kind == "rule_changed":
        return f"The rule or its workload was edited; judged anew, it is {transition.state}."
    if transition.kind == "resolved" and transition.since:
        lasted = _span(transition.at - transition.since)
        low, high = f"{transition.lowest:.4g}", f"{transition.highest:.4g}"
        ratio = f"between {low} and {high}" if low != high else f"at {low}"
        return f"Came back across the threshold after {lasted}; meanwhile the ratio was {ratio}."
    return ""


def _span(time: timedelta) -> str:
    """`37.5 days`, `4 hours`: whichever is read at a glance."""
    hours = Decimal(int(time.total_seconds())) / 3600
    number, unit = (hours / 24, "days") if hours >= 48 else (hours, "hours")
    return f"{plain(number.quantize(Decimal('0.1')))} {unit}"


def _close_removed(connection: Connection, names: Collection[str], at: datetime) -> list[Event]:
    events = []
    for name in sorted(names):
        words = "The rule was removed."
        event = Event(secrets.token_hex(8), name, "rule_changed", "removed", at, text=words)
        _record(connection, event, ())
        connection.execute(delete(RuleState).where(RuleState.rule == name))
        events.append(event)
    return events


def _store_ratio(connection: Connection, now: Evaluation) -> None:
    """Write the ratio when it isn't the one in force."""
    ratio = now.ratio
    values = {
        "low": ratio and ratio.low,
        "point": ratio and ratio.point,
        "high": ratio and ratio.high,
        "health": now.health,
        "calculation": now.calculation,
    }
    if values == _last_ratio(connection, now, values):
        return
    key = {"workload": now.workload.name, "at": now.at}
    connection.execute(delete(Ratio).filter_by(**key))
    connection.execute(insert(Ratio).values(**key, **values, details=now.as_dict()))


def _last_ratio(
    connection: Connection, now: Evaluation, names: Collection[str]
) -> dict[str, Any] | None:
    query = (
        select(*(getattr(Ratio, name) for name in names))
        .where(Ratio.workload == now.workload.name, Ratio.at <= now.at)
        .order_by(Ratio.at.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def _stored(connection: Connection) -> dict[str, Mapping[str, Any]]:
    rows = connection.execute(select(RuleState.rule, RuleState.details))
    return {row.rule: row.details for row in rows}


def _store_state(connection: Connection, name: str, state: State, told: Mapping[str, Any]) -> None:
    values = {
        "state": state.name,
        "health": state.health,
        "watermark": state.watermark,
        "semantics": state.semantics,
        "details": {"state": state.as_dict(), "told": told},
    }
    kept = connection.execute(update(RuleState).where(RuleState.rule == name).values(**values))
    if not kept.rowcount:
        connection.execute(insert(RuleState).values(rule=name, **values))


def _range(interval: Interval) -> Range:
    return Range(interval.low, interval.point, interval.high)
