"""What one message to one receiver tells: the news of one run, each episode as one story."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from comparator.event import Event, Range

Episode = tuple[str, str, str]
"""Rule, workload and when it began; for what is no episode the event's own id."""

_OPEN = "firing"


@dataclass(frozen=True, slots=True)
class Point:
    """The ratio from `at` on; None: unknown."""

    at: datetime
    ratio: Range | None


@dataclass(frozen=True, slots=True)
class Story:
    """An episode's events that nobody was told yet, oldest first.

    `points`: the workload's recorded ratios up to the newest event, oldest first.
    """

    events: tuple[Event, ...]
    points: tuple[Point, ...] = ()

    @property
    def event(self) -> Event:
        """The newest: the one that the message is about."""
        return self.events[-1]


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. `repeat`: an earlier try may have arrived, with the same id.

    `thread`: where the episode was told before, in the words of the channel's own receipt.
    `written_at`: when its oldest event was put into the outbox.
    """

    stories: tuple[Story, ...]
    repeat: bool = False
    thread: str = ""
    written_at: datetime | None = None

    @property
    def events(self) -> tuple[Event, ...]:
        """All that it tells."""
        return tuple(event for story in self.stories for event in story.events)

    @property
    def id(self) -> str:
        """The same for the same events: the event's own id when there is but one."""
        return notice_id([event.id for event in self.events])


def notice_id(events: Sequence[str]) -> str:
    """The id of the message that tells these events."""
    if len(events) == 1:
        return events[0]
    return hashlib.sha256("\0".join(events).encode()).hexdigest()[:16]


def episode(event: Event) -> Episode:
    """What belongs together: its messages make one thread."""
    began = event.since.isoformat() if event.since else event.id
    return event.rule, event.workload, began


def is_open(event: Event) -> bool:
    """Whether the episode goes on after this event."""
    return event.state == _OPEN
