"""When a receiver wants to hear: at once or once a day, of all or only of what is critical."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from comparator.event import Event
from comparator.rules.header import SEVERITIES
from pricebook.config import Table

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DIGEST = re.compile(rf"(?:daily|weekly ({'|'.join(_DAYS)})) ([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class Digest:
    """Once a day, or on one day of the week (0 is Monday), at an hour and minute of UTC."""

    hour: int
    minute: int
    weekday: int | None = None

    def after(self, at: datetime) -> datetime:
        """The first time later than `at`."""
        due = at.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        while due <= at or self.weekday not in (None, due.weekday()):
            due += timedelta(days=1)
        return due


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a receiver has asked for.

    `digest`: None is one message for each run that changed something. `repeat`: how often what is
    still so is told again; None is never. `severity`: the least that is told.
    """

    digest: Digest | None = None
    repeat: timedelta | None = None
    severity: str = SEVERITIES[0]

    @classmethod
    def read(cls, table: Table) -> Wishes:
        """From a `[[receiver]]`."""
        repeat = table.duration("repeat", "0s")
        if repeat and repeat < timedelta(hours=1):
            raise table.error("repeat", f"is {table.raw('repeat')!r}; once an hour at the most")
        return cls(
            digest=_digest(table) if table.has("digest") else None,
            repeat=repeat or None,
            severity=table.choice("severity", SEVERITIES, SEVERITIES[0]),
        )

    def includes(self, event: Event) -> bool:
        """Whether the event is bad enough."""
        return self.severity == SEVERITIES[0] or event.severity == self.severity

    def due(self, created_at: datetime) -> datetime:
        """When a message that was written then is to be sent."""
        return self.digest.after(created_at) if self.digest else created_at


def _digest(table: Table) -> Digest:
    words = table.text("digest")
    match = _DIGEST.fullmatch(words)
    if not match:
        raise table.error("digest", f'is {words!r}; write "daily 08:00" or "weekly mon 08:00"')
    weekday = _DAYS.index(match[1]) if match[1] else None
    return Digest(int(match[2]), int(match[3]), weekday)
