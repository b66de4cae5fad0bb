"""Is all well: `status` looks at what has happened, `check` at what could."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import click
from sqlalchemy import Connection, func, select

from breakeven.app import App
from breakeven.book_settings import EC2
from breakeven.discounts import prices_at
from breakeven.output import table, write_json
from breakeven.settings import Settings
from comparator.ratio import evaluate
from comparator.workload import Workload
from pricebook import runs
from pricebook.errors import BreakevenError, ConfigError, UnknownInput
from pricebook.offers import offers
from pricebook.quote import Series, isoformat
from pricebook.revisions import head
from pricebook.schema import open_book, reading, revision
from pricebook.tables import Heartbeat, Message, SeriesRow
from scraper.collect import Source


def health(app: App) -> dict[str, Any]:
    """Last tick and delivery, sources that fail or are old, messages that wait or died."""
    now, too_old = app.now(), app.settings.every * 3
    with reading(app.engine) as connection:
        beats = {row.name: row.at for row in connection.execute(select(Heartbeat.__table__))}
        last = {row["partition"]: row for row in runs.last_runs(connection)}
        query = select(Message.status, func.count().label("number")).group_by(Message.status)
        messages = {row.status: row.number for row in connection.execute(query)}
        broken = _broken(connection)
        waiting = len(runs.reviews(connection))
    sources = [
        _source_health(source, last, now, too_old)
        for source in app.settings.sources(app.settings.source_names)
    ]
    ill = [one for one in sources if one["state"] != "fresh"]
    return {
        "healthy": not ill and not broken,
        "at": isoformat(now),
        "last_tick": isoformat(beats.get("tick")),
        "last_delivery": isoformat(beats.get("delivery")),
        "sources": sources,
        "messages": messages,
        "broken_receivers": broken,
        "open_reviews": waiting,
    }


def write_health(report: Mapping[str, Any], *, as_json: bool) -> None:
    """The report of `health`, for people or as JSON."""
    if as_json:
        write_json(report)
        return
    rows = [
        ["health", "well" if report["healthy"] else "ILL"],
        ["last tick of the daemon", report["last_tick"] or "never"],
        ["last delivery", report["last_delivery"] or "never"],
        ["messages", _counts(report["messages"])],
        ["broken receivers", ", ".join(report["broken_receivers"]) or "none"],
        ["waiting for review", str(report["open_reviews"])],
    ]
    rows += [[one["source"], f"{one['state']}: {one['says']}"] for one in report["sources"]]
    click.echo(table(rows))


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `check` looked at; `error` is what is wrong with it."""

    what: str
    says: str = ""
    error: BreakevenError | None = None


def checks(load: Callable[[], Settings]) -> Iterator[Check]:
    """Configuration, database, prices, credentials, receivers; ends where no more can be known."""
    try:
        settings = load()
    except BreakevenError as error:
        yield Check("configuration", error=error)
        return
    yield Check("configuration", _counted(settings))
    database = _checked("database", partial(_look_at_database, settings))
    yield database
    if database.error is None:
        yield from _workload_checks(settings)
    if EC2 in settings.source_names:
        yield _checked("AWS credentials", partial(_look_at_credentials, settings))
    for name, receiver in settings.receivers.items():
        yield _checked(f"receiver {name}", receiver.channel.ready)
    if settings.rules and not settings.receivers:
        yield Check("receivers", "none is set: events are only listed by `breakeven alerts`")


def _source_health(
    source: Source, last: Mapping[str, Any], now: datetime, too_old: timedelta
) -> dict[str, str | None]:
    name, mine = source.name, [last[one] for one in source.partitions if one in last]
    if not mine:
        return {"source": name, "state": "never read", "says": "run `breakeven run --once`"}
    oldest = min((row["verified_at"] for row in mine if row["verified_at"]), default=None)
    failed = [row for row in mine if row["outcome"] == "failed"]
    says = next((row["reason"] for row in [*failed, *mine] if row["reason"]), "")
    if oldest is None:
        return {"source": name, "state": "never read", "says": says}
    state = "stale" if now - oldest > too_old else "failing" if failed else "fresh"
    if state == "stale" and not says:
        says = "nothing has looked since; is `breakeven run` running?"
    words = f"last read {isoformat(oldest)}"
    return {"source": name, "state": state, "says": f"{words}; {says}" if says else words}


def _broken(connection: Connection) -> list[str]:
    """The receivers that didn't take the last message they were sent."""
    tried = Message.status.in_(("delivered", "dead", "refused"))
    newest = select(func.max(Message.id)).where(tried).group_by(Message.receiver)
    lost = Message.status.in_(("dead", "refused"))
    query = select(Message.receiver).where(Message.id.in_(newest), lost)
    return list(connection.execute(query.order_by(Message.receiver)).scalars())


def _checked(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what, look())
    except BreakevenError as error:
        return Check(what, error=error)


def _look_at_database(settings: Settings) -> str:
    missing = settings.missing_file
    if missing and os.access(missing.parent, os.W_OK):
        return f"{missing} doesn't exist yet; the first run makes it"
    engine = open_book(settings.database_url)
    found, address = revision(engine), engine.url.render_as_string(hide_password=True)
    engine.dispose()
    return f"{address}, schema {found} of {head()}"


def _workload_checks(settings: Settings) -> Iterator[Check]:
    app = App.open(settings.to_ask())
    with reading(app.engine) as connection:
        for one in settings.workloads:
            look = partial(_look_at_prices, settings, connection, one, app.now())
            yield _checked(f"workload {one.name}", look)
    app.engine.dispose()


def _look_at_prices(
    settings: Settings, connection: Connection, workload: Workload, now: datetime
) -> str:
    """Whether the prices that a workload needs are collected at all, and are known by now."""
    for series in workload.needs():
        _is_collected(settings, series)
    if connection.execute(select(SeriesRow.id).limit(1)).scalar() is None:
        return "no prices yet; `breakeven collect` fetches them"
    prices = prices_at(connection, settings, now)
    found = evaluate(workload, prices, now, offers(connection, now))
    if found.reason:
        raise UnknownInput(f"{found.reason}; `breakeven collect`, or mend its [[workload]]")
    return found.verdict


def _is_collected(settings: Settings, series: Series) -> None:
    """Refuse an AWS machine that `[aws]` leaves out: no run would ever bring its price."""
    aws, region = settings.aws, series.get("region")
    if series.seller != "aws" or EC2 not in settings.source_names:
        return
    if not aws.wants(series.product):
        raise ConfigError(f"[aws] families doesn't have {series.product}; add it there")
    if region not in aws.regions:
        raise ConfigError(f"[aws] regions doesn't have {region}; add it there")


def _look_at_credentials(settings: Settings) -> str:
    from scraper.aws.client import check_access

    return check_access(settings.aws)


def _counted(settings: Settings) -> str:
    parts = {
        "sources": settings.source_names,
        "workloads": settings.workloads,
        "rules": settings.rules,
        "receivers": settings.receivers,
    }
    return ", ".join(f"{len(found)} {name}" for name, found in parts.items())


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(found.items())) or "none"
