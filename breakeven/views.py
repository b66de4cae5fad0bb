"""What the commands show of alerts, reviews, sources and checks: rows in the documented shape for
programs, shorter ones for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from breakeven.app import App
from breakeven.book_settings import known_sources
from breakeven.output import Format, Row, Shape
from breakeven.price_view import SERIES, short
from comparator.channels.wording import movement, spread
from comparator.event import Cause, Range
from comparator.outbox import deliveries
from pricebook import runs
from pricebook.errors import ConfigError
from pricebook.quote import Series, isoformat
from pricebook.schema import reading
from pricebook.series import Found
from pricebook.tables import EventRow, Schedule

if TYPE_CHECKING:
    from breakeven.health import Check

ALERTS = Shape(
    ("at", "rule", "kind", "ratio", "event"),
    (
        *("event", "rule", "workload", "kind", "state", "severity", "at"),
        *("measure", "ratio", "text", "why", "deliveries"),
    ),
)
REVIEWS = Shape(
    ("id", "source", "since", "reason"),
    ("id", "partition", "opened_at", "reason", "where", "text", *SERIES, "amount"),
)
SOURCES = Shape(
    ("source", "last_run", "outcome", "prices", "review", "verified", "next_due", "says"),
    ("source", "last_run", "outcome", "prices", "review", "verified", "next_due", "says"),
)
CHECKS = Shape(("ok", "what", "says"), ("ok", "what", "says"))


def alert_rows(app: App, since: datetime | None, form: Format) -> list[Row]:
    """Events with their deliveries, oldest first."""
    query = select(EventRow.__table__).order_by(EventRow.at, EventRow.id)
    if since:
        query = query.where(EventRow.at >= since)
    with reading(app.engine) as connection:
        events = connection.execute(query).all()
        sent = deliveries(connection, [event.id for event in events])
    rows: list[Row] = [_event(event) | {"deliveries": sent[event.id]} for event in events]
    return [_alert_row(row) for row in rows] if form.kind == "table" else rows


def review_rows(app: App, form: Format) -> list[Row]:
    """What waits for a person's word, oldest first."""
    with reading(app.engine) as connection:
        rows: list[Row] = [*runs.reviews(connection)]
    return [_review_row(row) for row in rows] if form.kind == "table" else rows


def source_rows(app: App, name: str | None, form: Format) -> list[Row]:
    """Every source that is set (or the one named): its partitions, their age and last outcome."""
    if name is not None and name not in known_sources():
        raise ConfigError(f"{name} is no source; known: {', '.join(known_sources())}")
    names = [name] if name else list(app.settings.source_names)
    with reading(app.engine) as connection:
        last = runs.last_runs(connection)
        plan = connection.execute(select(Schedule.source, Schedule.next_due))
        due = {row.source: row.next_due for row in plan}
    rows: list[Row] = []
    for source in names:
        mine = [row for row in last if row["partition"].split("/")[0] == source]
        rows += [_source_row(row, due.get(source), form) for row in mine or [_never_run(source)]]
    return rows


def check_row(one: Check, form: Format) -> Row:
    """What was looked at, and what came of it."""
    says = str(one.error) if one.error else one.says
    well: object = one.error is None
    if form.kind == "table":
        well = "ok" if well else "FAIL"
    return {"ok": well, "what": one.what, "says": says}


def _never_run(source: str) -> dict[str, Any]:
    fields = ("at", "quotes", "held", "verified_at")
    return {"partition": source, "outcome": "never run", "reason": "", **dict.fromkeys(fields)}


def _event(row: Found) -> dict[str, Any]:
    return {
        "event": row.id,
        "rule": row.rule,
        "workload": row.workload,
        "kind": row.kind,
        "state": row.state,
        "severity": row.details["severity"],
        "at": isoformat(row.at),
        "measure": row.details["measure"],
        "ratio": row.details["after"],
        "text": row.details["text"],
        "why": row.details["why"],
    }


def _alert_row(row: Mapping[str, Any]) -> Row:
    after = Range.from_dict(row["ratio"]) if row["ratio"] else None
    return {
        "at": _minute(row["at"]),
        "rule": row["rule"],
        "kind": row["kind"],
        "ratio": spread(after),
        "event": row["event"],
        "below": [
            *([row["text"]] if after is None else []),
            *(movement(Cause.from_dict(why)) for why in row["why"]),
            *(_delivery(one) for one in row["deliveries"]),
        ],
    }


def _delivery(one: Mapping[str, Any]) -> str:
    told = f"{one['receiver']}: {one['outcome']}"
    if one["outcome"] == "delivered":
        return told
    return f"{told} after {one['attempts']} tries ({one['reason']})"


def _review_row(row: Mapping[str, Any]) -> Row:
    below = [f"{row['where']}: {row['text']}"]
    if row["amount"] is not None:
        below.insert(0, f"{Series.from_dict(row)} = {row['amount']}")
    return {
        "id": row["id"],
        "source": row["partition"],
        "since": _minute(row["opened_at"]),
        "reason": row["reason"],
        "below": below,
    }


def _source_row(row: Mapping[str, Any], due: datetime | None, form: Format) -> Row:
    shown = short if form.kind == "table" else isoformat
    return {
        "source": row["partition"],
        "last_run": shown(row["at"]),
        "outcome": row["outcome"],
        "prices": row["quotes"],
        "review": row["held"],
        "verified": shown(row["verified_at"]),
        "next_due": shown(due),
        "says": row["reason"],
    }


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ")
