"""What judging writes: ratios, states of rules, events and their messages; and reads back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update

from comparator.event import Event
from comparator.outbox import enqueue
from comparator.ratio import Evaluation
from pricebook.tables import EventRow, Ratio, RuleState

_TURN_LOCK = 0x6A756467
"""Any number of ours: PostgreSQL's advisory lock that lets one run judge at a time."""

_EVENT_COLUMNS = ("id", "rule", "workload", "kind", "state", "at")


def take_turn(connection: Connection) -> None:
    """Until the transaction ends, nobody else judges; on SQLite its writer is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TURN_LOCK})


def record(connection: Connection, event: Event, receivers: Collection[str]) -> None:
    """Write an event, and a message for each of the receivers."""
    columns = {name: getattr(event, name) for name in _EVENT_COLUMNS}
    connection.execute(insert(EventRow).values(**columns, details=event.details()))
    enqueue(connection, event, receivers, event.at)


def store_ratio(connection: Connection, now: Evaluation) -> None:
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


def stored_states(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """What `store_state` kept of each rule, by name."""
    rows = connection.execute(select(RuleState.rule, RuleState.semantics, RuleState.details))
    return {row.rule: {"semantics": row.semantics, **row.details} for row in rows}


def store_state(
    connection: Connection, name: str, columns: Mapping[str, Any], details: Mapping[str, Any]
) -> None:
    """Keep where a rule stands: `columns` state, health, watermark, semantics; the rest as JSON."""
    values = {**columns, "details": dict(details)}
    kept = connection.execute(update(RuleState).where(RuleState.rule == name).values(**values))
    if not kept.rowcount:
        connection.execute(insert(RuleState).values(rule=name, **values))


def drop_state(connection: Connection, name: str) -> None:
    """Forget a rule."""
    connection.execute(delete(RuleState).where(RuleState.rule == name))


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
