"""Which of a receiver's waiting messages go out together, and which of them not at all.

Pure: the outbox reads the rows and writes down what came of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from comparator.event import Event
from comparator.notice import Episode, episode, is_open
from comparator.quiet import Wishes
from comparator.silence import Silence


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits. `reminder`: 0 for the event's own, else that it still is so.

    `parcel`: the notice that it may have arrived in; None while it certainly hasn't. `thread`:
    where its episode was told before.
    """

    id: int
    event: Event
    created_at: datetime
    next_attempt_at: datetime
    reminder: int = 0
    parcel: str | None = None
    thread: str = ""

    @property
    def episode(self) -> Episode:
        """That of its event."""
        return episode(self.event)


def left_out(
    waiting: Sequence[Waiting],
    wishes: Wishes,
    silences: Sequence[Silence],
    told: Collection[Episode],
    now: datetime,
) -> Iterator[tuple[Waiting, str]]:
    """What is not to be told at all, and why: beneath the receiver, or over before a silence is.

    `told`: the episodes that the receiver knows of, so that it hears of their end as well.
    """
    untried = [one for one in waiting if one.parcel is None]
    wanted = {one.episode for one in untried if wishes.includes(one.event)} | set(told)
    for one in untried:
        if one.episode not in wanted:
            yield one, f"only what is {wishes.severity} is told here"
        elif (silence := _silence(one, silences, now)) and _is_over(one, untried, told):
            yield one, silence.words


def next_parcel(
    waiting: Sequence[Waiting],
    wishes: Wishes,
    silences: Sequence[Silence],
    now: datetime,
    *,
    apart: bool = False,
) -> tuple[Waiting, ...]:
    """What goes out now as one message, oldest first; empty when nothing does.

    The oldest that nobody has silenced leads, and as long as it has to wait, so do the others.
    With it go what the same run brought (for a digest: all there is) and what became of it since.
    `apart`: a channel with threads, whose messages belong to one thread each.
    """
    audible = [one for one in waiting if one.parcel or not _silence(one, silences, now)]
    if not audible or audible[0].next_attempt_at > now:
        return ()
    first = audible[0]
    if first.parcel:
        # It may have arrived: the second copy must say the same under the same id.
        return tuple(one for one in waiting if one.parcel == first.parcel)
    if wishes.due(first.created_at) > now:
        return ()
    fresh = [one for one in audible if not (apart and one.thread != first.thread)]
    return tuple(_together(fresh, first, whole=wishes.digest is not None))


def _together(fresh: Sequence[Waiting], first: Waiting, *, whole: bool) -> Iterator[Waiting]:
    chosen = [one for one in fresh if whole or one.created_at == first.created_at]
    episodes = {one.episode for one in chosen}
    return (one for one in fresh if one.episode in episodes)


def _silence(one: Waiting, silences: Sequence[Silence], now: datetime) -> Silence | None:
    return next((silence for silence in silences if silence.covers(one.event, now)), None)


def _is_over(one: Waiting, untried: Sequence[Waiting], told: Collection[Episode]) -> bool:
    """Whether there will be nothing to tell when the silence ends."""
    if one.event.since is None or one.reminder:
        return True
    newest = [other for other in untried if other.episode == one.episode][-1]
    return one.episode not in told and not is_open(newest.event)
