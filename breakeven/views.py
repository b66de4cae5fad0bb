"""What the commands show: rows for programs in the documented shape, shorter ones for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select

from breakeven.app import App
from breakeven.chart import chart
from breakeven.discounts import prices_at
from breakeven.health import Check
from breakeven.output import Format, Row, Shape
from breakeven.settings import known_sources
from comparator.channels.wording import movement, spread
from comparator.event import Cause, Range
from comparator.outbox import deliveries
from comparator.ratio import Evaluation, evaluate
from comparator.way import conditions, label
from comparator.workload import Workload
from pricebook import book, runs
from pricebook.errors import ConfigError
from pricebook.offers import offers
from pricebook.quote import Price, Series, isoformat
from pricebook.schema import reading
from pricebook.series import Filter, Found
from pricebook.tables import EventRow, Schedule, SeriesRow

_SERIES = ("seller", "product", "meter", "unit", "currency", "qualifiers")
_PRICE = (*_SERIES, "amount", "valid_from", "basis", "recorded_at", "verified_at", "source")
_SHOWN = ("seller", "product", "meter", "price", "unit", "conditions")

PRICES = Shape((*_SHOWN, "since", "verified"), _PRICE)
HISTORY = Shape(("since", *_SHOWN, "basis", "source"), _PRICE)
QUOTES = Shape(
    (*_SHOWN[1:], "quoted", "where"),
    (*_SERIES, "amount", "valid_from", "valid_until", "quoted", "printed_unit", "where"),
)
RATIOS = Shape(
    ("workload", "ratio", "verdict"),
    ("workload", "at", "self_host", "api", "ratio", "unit", "health", "verdict", "notes", "inputs"),
)
ALERTS = Shape(
    ("at", "rule", "kind", "ratio", "event"),
    (
        *("event", "rule", "workload", "kind", "state", "severity", "at"),
        *("measure", "ratio", "text", "why", "deliveries"),
    ),
)
REVIEWS = Shape(
    ("id", "source", "since", "reason"),
    ("id", "partition", "opened_at", "reason", "where", "text", *_SERIES, "amount"),
)
SOURCES = Shape(
    ("source", "last_run", "outcome", "prices", "review", "verified", "next_due", "says"),
    ("source", "last_run", "outcome", "prices", "review", "verified", "next_due", "says"),
)
CHECKS = Shape(("ok", "what", "says"), ("ok", "what", "says"))


def price_row(price: Price, form: Format) -> Row:
    """A price in the documented shape, or with short columns for a table."""
    if form.kind != "table":
        return price.as_dict()
    amount = price.as_dict()["amount"] or "withdrawn"
    return series_words(price.series) | {
        "price": "cancelled" if price.basis == book.CANCELLED else amount,
        "since": _short(price.valid_from),
        "verified": _short(price.verified_at),
        "basis": price.basis,
        "source": price.source,
    }


def series_words(series: Series) -> dict[str, str]:
    """A series for a table: conditions that go without saying are left out."""
    return {
        "seller": series.seller,
        "product": series.product,
        "meter": series.meter,
        "unit": f"{series.currency}/{series.unit}",
        "conditions": conditions(series.qualifiers)[2:-1],
    }


def history_of(
    connection: Connection,
    product: str,
    where: Mapping[str, str],
    since: datetime | None,
    until: datetime | None,
) -> list[Price]:
    """Changes of the product of that exact name; where there is none, of names that contain it."""
    exact = book.history(connection, Filter(product=product, **where), since, until)
    return exact or book.history(connection, Filter(pattern=product, **where), since, until)


def price_charts(found: Sequence[Price], until: datetime) -> Iterator[str]:
    """Lines of a chart for each series, as long as its prices are known."""
    for series in sorted({price.series for price in found}, key=str):
        held = [price for price in found if price.series == series and price.valid_from <= until]
        drawn = chart([(price.valid_from, price.amount) for price in held], until)
        if drawn:
            yield from (f"{label(series)}, {series.currency}/{series.unit}", *drawn, "")


def nothing_found(connection: Connection, pattern: str, where: Mapping[str, str]) -> str:
    """Why a question about prices has no answer: which of its words the book doesn't know."""
    known = connection.execute(select(SeriesRow.product).distinct()).scalars().all()
    if not known:
        return "no prices yet; collect them with `breakeven collect`, or try `breakeven demo`"
    unknown = list(_unknown_words(connection, where))
    if pattern and not any(pattern.lower() in product.lower() for product in known):
        unknown.insert(0, f"no product's name contains {pattern!r}; `breakeven prices` lists all")
    return "; ".join(unknown) or "no price matches all of this together"


def evaluated(app: App, at: datetime | None) -> list[Evaluation]:
    """Every workload at the prices of a time (default: now)."""
    when = at or app.now()
    with reading(app.engine) as connection:
        prices = prices_at(connection, app.settings, when)
        known = offers(connection, when)
        return [evaluate(one, prices, when, known) for one in app.settings.workloads]


def ratio_row(one: Evaluation, form: Format) -> Row:
    """A ratio in the documented shape, or rounded for people."""
    if form.kind != "table":
        return one.as_dict()
    row = {"workload": one.workload.name, "ratio": spread(one.ratio) or "unknown"}
    if one.comparison is None:
        return row | {"below": [one.reason]}
    costs = (
        f"{way.title} {spread(cost)}"
        for way, cost in ((one.workload.self_host, one.self_host), (one.workload.api, one.api))
    )
    return row | {"verdict": one.verdict, "below": [f"{', '.join(costs)} {one.workload.unit}"]}


def passed(found: Sequence[Evaluation], threshold: Decimal | None) -> bool:
    """Whether any ratio's point is above a threshold that was given."""
    points = [one.ratio.point for one in found if one.ratio]
    return threshold is not None and any(point > threshold for point in points)


def explained(app: App, name: str, at: datetime | None, *, as_json: bool) -> tuple[str, str]:
    """Every input, assumption, formula and figure of a workload, in words or as JSON; and what is
    missing, "" when there is an answer."""
    from comparator.explain import explain, lines

    workload, when = workload_of(app, name), at or app.now()
    with reading(app.engine) as connection:
        prices = prices_at(connection, app.settings, when)
        evaluation = evaluate(workload, prices, when, offers(connection, when))
        explanation = explain(evaluation, prices)
    missing = explanation.evaluation.reason
    if as_json:
        return json.dumps(explanation.as_dict(), indent=1, ensure_ascii=False), missing
    return "\n".join(lines(explanation)), missing


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


def workload_of(app: App, name: str) -> Workload:
    """The workload of that name, or the only one whose name contains it; ConfigError else."""
    known = {one.name: one for one in app.settings.workloads}
    if name in known:
        return known[name]
    near = [one for key, one in known.items() if name.lower() in key.lower()]
    if len(near) == 1:
        return near[0]
    if near:
        names = "; ".join(one.name for one in near)
        raise ConfigError(f"{name!r} fits {len(near)} workloads: {names}; write more of the name")
    names = "; ".join(known) or "none is set"
    raise ConfigError(f"there is no workload {name!r}; known: {names}")


def _never_run(source: str) -> dict[str, Any]:
    fields = ("at", "quotes", "held", "verified_at")
    return {"partition": source, "outcome": "never run", "reason": "", **dict.fromkeys(fields)}


def _unknown_words(connection: Connection, where: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each condition that no price in the book fulfils."""
    for name, value in where.items():
        column = getattr(SeriesRow, name)
        known = sorted(connection.execute(select(column).distinct()).scalars().all())
        if value and value not in known:
            words = ", ".join(word for word in known if word)
            yield f"no price has {name.removeprefix('service_')} {value!r}; known: {words}"


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
    shown = _short if form.kind == "table" else isoformat
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


def _short(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%d %H:%M")


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ")
