"""Rules on the sources themselves: one is stale or fails, something was set aside for review."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from comparator.rules import header
from comparator.rules.header import Collecting
from comparator.rules.state import instant
from comparator.rules.told import Memory, News
from pricebook.config import Table
from pricebook.quote import isoformat

if TYPE_CHECKING:
    from pricebook.standing import Standing, Waiting

_WHEN = re.compile(r"a source (is stale|fails|is stale or fails)")
_REVIEW = "something needs review"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One `[[rule]]` on sources: `stale` when one wasn't read for `stale_after` though tried,
    `fails` after so many failures in a row (0: not at all).
    """

    name: str
    stale_after: timedelta | None
    failures: int = 3
    sources: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()
    severity: str = "warn"

    @property
    def threshold(self) -> str:
        """The condition in words: `a source is stale or fails`."""
        stale, fails = self.stale_after is not None, self.failures > 0
        return f"a source {'is stale' * stale}{' or ' * (stale and fails)}{'fails' * fails}"

    def watch(
        self, memory: Memory, standings: Iterable[Standing], at: datetime
    ) -> tuple[Memory, list[News]]:
        """What changed in how the sources stand: each is told once until it is read again."""
        ill: dict[str, list[str]] = {}
        told: list[News] = []
        for one in standings:
            if one.source not in self.sources:
                continue
            since, *before = memory.get(one.source, [isoformat(at)])
            now = [] if not one.failures else [*before, *self._new(before, one, at)]
            told += list(_tell(one, before, now, instant(since)))
            ill |= {one.source: [since, *now]} if now else {}
        return ill, told

    def _new(self, before: list[str], one: Standing, at: datetime) -> Iterator[str]:
        if "error" not in before and self.failures and one.failures >= self.failures:
            yield "error"
        is_old = one.verified_at is not None and self._is_old(one.verified_at, at)
        if "stale" not in before and is_old:
            yield "stale"

    def _is_old(self, verified_at: datetime, at: datetime) -> bool:
        return self.stale_after is not None and at - verified_at > self.stale_after


@dataclass(frozen=True, slots=True)
class Reviews:
    """One `[[rule]]` on what the gate set aside, and a second look didn't settle."""

    name: str
    sources: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()
    severity: str = "warn"

    @property
    def threshold(self) -> str:
        """The condition in words."""
        return _REVIEW

    def open(self, memory: Memory, waiting: Iterable[Waiting]) -> tuple[Memory, list[News]]:
        """One message for all that is new of a source."""
        found: dict[str, list[Waiting]] = {}
        for one in waiting:
            source = one.partition.split("/")[0]
            if source in self.sources and not one.settles:
                found.setdefault(source, []).append(one)
        told = []
        for source, rows in found.items():
            new = [one for one in rows if one.id not in memory.get(source, [])]
            told += [_review(source, new)] if new else []
        return {source: [one.id for one in rows] for source, rows in found.items()}, told


def read_sources(table: Table, words: str, collecting: Collecting) -> SourceHealth | Reviews | None:
    """From one `[[rule]]` whose `when` is `words`; None when it is no rule of this kind."""
    match = _WHEN.fullmatch(words)
    if words != _REVIEW and not match:
        return None
    name, sources = table.text("name"), collecting.some(table)
    receivers, severity = header.receivers(table), header.severity(table)
    if not match:
        return Reviews(name, sources, receivers, severity)
    stale = collecting.span(table, "stale_after", looks=3) if "stale" in match[1] else None
    failures = _failures(table) if "fails" in match[1] else 0
    return SourceHealth(name, stale, failures, sources, receivers, severity)


def _failures(table: Table) -> int:
    failures = table.integer("failures", 3)
    if failures < 1:
        raise table.error("failures", f"is {failures}; at least 1 try must have failed")
    return failures


def _tell(one: Standing, before: list[str], now: list[str], since: datetime) -> Iterator[News]:
    if before and not now:
        yield News("source_recovered", "fresh", f"{one.source} is read again.", since=since)
        return
    new = [word for word in now if word not in before]
    if new:
        kind = "source_error" if "error" in new else "source_stale"
        yield News(kind, new[0], _told(one), since=since)


def _told(one: Standing) -> str:
    read = f"was last read {isoformat(one.verified_at)}" if one.verified_at else "was never read"
    tries = f"{one.failures} tries have" if one.failures > 1 else "1 try has"
    reason = f": {one.reason}" if one.reason else ""
    return f"{one.source} {read}; {tries} failed since{reason}"


def _review(source: str, found: list[Waiting]) -> News:
    shown = "; ".join(f"{one.reason} ({one.where}: {one.text})" for one in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    count = f"{len(found)} rows of {source} were" if len(found) > 1 else f"1 row of {source} was"
    return News("needs_review", "open", f"{count} set aside: {shown}{more}")
