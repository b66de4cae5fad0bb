"""Rules on what is announced: a price that will change, an offer that will end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from comparator.rules import header
from comparator.rules.header import Collecting
from comparator.rules.told import ANY, Memory, News, Pattern
from pricebook.config import Table
from pricebook.quote import isoformat

_WHEN = re.compile(r"(?:a scheduled price comes|an (offer) closes) within ([0-9]+) days?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Coming:
    """Something announced for a `day`: `key` tells it from others, `text` says it."""

    key: str
    day: datetime
    news: News


@dataclass(frozen=True, slots=True)
class Ahead:
    """One `[[rule]]` on what comes `within` so many days: prices, or ends of offers (`ends`)."""

    name: str
    within: timedelta
    ends: bool = False
    prices: Pattern = ANY
    receivers: tuple[str, ...] = ()
    severity: str = "warn"

    @property
    def threshold(self) -> str:
        """The condition in words: `an offer closes within 30 days`."""
        what = "an offer closes" if self.ends else "a scheduled price comes"
        return f"{what} within {self.within.days} day{'s' if self.within.days > 1 else ''}"

    def near(
        self, memory: Memory, announced: Iterable[Coming], at: datetime
    ) -> tuple[Memory, list[News]]:
        """What is near and was not told yet, and what was told and is taken back.

        `announced`: everything that this rule is about, however far away.
        """
        known = {one.key: one for one in announced if one.day > at}
        near = {key: one for key, one in known.items() if one.day - at <= self.within}
        kept = {key: text for key, text in memory.items() if _is_ahead(key, at)}
        gone = [text for key, text in kept.items() if key not in known]
        told = [one.news for key, one in near.items() if key not in kept]
        told += [News("taken_back", "off", f"Not announced any more: {text}") for text in gone]
        still: Mapping[str, str] = {key: text for key, text in kept.items() if key in known}
        return {**still, **{key: one.news.text for key, one in near.items()}}, told


def key_of(day: datetime, *words: object) -> str:
    """A key that begins with its day."""
    return " ".join([isoformat(day) or "", *map(str, words)])


def read_ahead(table: Table, words: str, _collecting: Collecting) -> Ahead | None:
    """From one `[[rule]]` whose `when` is `words`; None when it is no rule of this kind."""
    match = _WHEN.fullmatch(words)
    if not match:
        return None
    if not int(match[2]):
        raise table.error("when", f"is {words!r}; at least 1 day, or it would never fire")
    return Ahead(
        table.text("name"),
        timedelta(days=int(match[2])),
        match[1] is not None,
        Pattern.read(table.table("prices")),
        header.receivers(table),
        header.severity(table),
    )


def _is_ahead(key: str, at: datetime) -> bool:
    return datetime.fromisoformat(key.split(" ", 1)[0]) > at
