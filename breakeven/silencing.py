"""`breakeven alerts silence`, `silences` and `unsilence`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from breakeven.app import App
from breakeven.output import Format, Row, Shape
from breakeven.settings import Settings
from comparator.channels.wording import moment
from comparator.silence import Silence
from comparator.silences import add_silence, end_silence, silences
from pricebook.errors import ConfigError
from pricebook.quote import isoformat
from pricebook.schema import reading

SILENCES = Shape(
    ("id", "silences", "since", "until", "reason"),
    ("id", "rule", "workload", "seller", "pattern", "starts_at", "ends_at", "reason"),
)

_MATCHERS = ("rule", "workload", "seller", "pattern")


def silence(app: App, what: str, until: datetime | timedelta, reason: str) -> str:
    """Tell nobody of `what` until then, or for so long; says what is silenced.

    ConfigError when nothing is called so, it ends in the past, or there is no reason.
    """
    now = app.now()
    ends = now + until if isinstance(until, timedelta) else until
    matcher: dict[str, Any] = {_matcher(app.settings, what): what}
    one = Silence(now, ends, reason, **matcher)
    with app.engine.begin() as connection:
        number = add_silence(connection, one)
    ended_by = f"`breakeven alerts unsilence {number}` ends it"
    return f"silence {number}: {_about(one)}, until {moment(ends)}; {ended_by}"


def unsilence(app: App, number: int) -> str:
    """End it now; ConfigError when there is no such silence."""
    with app.engine.begin() as connection:
        end_silence(connection, number, app.now())
    return f"silence {number} has ended; what is still so is told with the next pass"


def silence_rows(app: App, form: Format) -> list[Row]:
    """Those that haven't ended, and the maintenance of the configuration."""
    now = app.now()
    with reading(app.engine) as connection:
        found = silences(connection, now)
    found += [window for window in app.settings.windows if window.ends_at > now]
    return [_row(one, form) for one in found]


def _matcher(settings: Settings, what: str) -> str:
    """The part of a silence that `what` is."""
    rules = [rule.name for rule in settings.rules]
    workloads = [workload.name for workload in settings.workloads]
    if what in rules:
        return "rule"
    if what in workloads:
        return "workload"
    if "*" in what or "?" in what:
        return "pattern"
    close = difflib.get_close_matches(what, [*rules, *workloads], n=1)
    hint = f"did you mean {close[0]!r}?" if close else 'a pattern has a *: "openai *"'
    raise ConfigError(f"no rule or workload is called {what!r}; {hint}")


def _row(one: Silence, form: Format) -> Row:
    if form.kind == "table":
        return {
            "id": "maintenance" if one.id is None else one.id,
            "silences": _about(one),
            "since": f"{one.starts_at:%Y-%m-%d %H:%M}",
            "until": f"{one.ends_at:%Y-%m-%d %H:%M}",
            "reason": one.reason,
        }
    return {
        "id": one.id,
        **{name: getattr(one, name) or None for name in _MATCHERS},
        "starts_at": isoformat(one.starts_at),
        "ends_at": isoformat(one.ends_at),
        "reason": one.reason,
    }


def _about(one: Silence) -> str:
    return ", ".join(_words(one)) or "everything"


def _words(one: Silence) -> Iterator[str]:
    for name in _MATCHERS:
        value = getattr(one, name)
        if value:
            yield f"{name} {value!r}" if name != "pattern" else f"what {value!r} fits"
