"""Where a crossing rule stands, what it is shown, and what it has to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from comparator.event import Range

UNKNOWN, OK, PENDING, FIRING, RECOVERING = "unknown", "ok", "pending", "firing", "recovering"
FRESH, STALE, ERROR, QUARANTINED, GONE = "fresh", "stale", "error", "quarantined", "gone"

TRUSTED = {FRESH, ERROR}
"""A source that fails leaves its last prices; they count until they are too old."""

WARN, CRITICAL = 1, 2
"""The levels of a ladder."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A figure as of a look: `at` is the time of the look, `now` that of the judging.

    `range` is None when the figure is unknown. `health`: fresh, error, stale, quarantined, gone,
    unknown; only what is `TRUSTED` can move a rule. `calculation`: digest of the workload's
    settings and of the formulas.
    """

    at: datetime
    range: Range | None
    health: str = FRESH
    calculation: str = ""
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Where a rule stands: `name` is unknown, ok, pending, firing or recovering.

    `count`: distinct looks in a row that ask for the next state or, while firing, say that it is
    worse than was told; `higher`: looks in a row beyond the critical threshold; `level`: the
    highest that the episode has reached. `since`: when the threshold was passed (pending, firing,
    recovering); with the rule's name it identifies the episode. `calm`: the look before that.
    `lowest` and `highest`: of the figure's point since then. `told`: the figure when last told, at
    `told_at`, or when first seen; `paged`: whether the open episode was sent to anybody.
    `watermark`: the newest look that was judged.
    """

    name: str = UNKNOWN
    health: str = STALE
    count: int = 0
    higher: int = 0
    level: int = 0
    since: datetime | None = None
    calm: datetime | None = None
    lowest: Decimal | None = None
    highest: Decimal | None = None
    told: Range | None = None
    told_at: datetime | None = None
    paged: bool = False
    watermark: datetime | None = None
    semantics: str = ""

    @property
    def is_open(self) -> bool:
        """Whether an episode is going on."""
        return self.name in {FIRING, RECOVERING}

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON: what a restart needs. The name is called `state`."""
        values = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {"state": values.pop("name")} | values

    @classmethod
    def restore(cls, values: Mapping[str, Any]) -> State:
        """The inverse of `as_dict`."""
        read = {name: _restored(name, value) for name, value in values.items() if name != "state"}
        return cls(name=values["state"], **read)


@dataclass(frozen=True, slots=True)
class Transition:
    """What is to be told: `kind` and the state that it led to, as of the look `at`.

    `before` and `after` are the figures when last told and now (None: there is none any more).
    `since`, `calm`, `lowest`, `highest` and `level` are those of the episode that begins, goes on
    or ends; None and 0 where there is none. `send`: whether it is sent, or only recorded.
    """

    kind: str
    state: str
    at: datetime
    before: Range | None
    after: Range | None
    since: datetime | None = None
    calm: datetime | None = None
    lowest: Decimal | None = None
    highest: Decimal | None = None
    level: int = 0
    send: bool = True

    @classmethod
    def of(
        cls, kind: str, name: str, seen: Observation, before: State, episode: State, *, send: bool
    ) -> Transition:
        """From the state that it left and that of the episode; `name` is where it led."""
        return cls(
            kind,
            name,
            seen.at,
            before.told,
            seen.range,
            episode.since,
            episode.calm,
            episode.lowest,
            episode.highest,
            episode.level,
            send,
        )


def elapsed(since: datetime | None, at: datetime) -> timedelta:
    """Time gone by: never below 0, so that a clock that was set back can't undo it."""
    return max(at - since, timedelta(0)) if since else timedelta(0)


def instant(text: str) -> datetime:
    """A time from JSON, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Range):
        return value.as_dict()
    return str(value) if isinstance(value, Decimal) else value


def _restored(name: str, value: Any) -> Any:
    return None if value is None else _READ.get(name, lambda same: same)(value)


_READ: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("since", "calm", "told_at", "watermark"), instant),
    **dict.fromkeys(("lowest", "highest"), Decimal),
    "told": Range.from_dict,
}
