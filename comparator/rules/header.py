"""What every `[[rule]]` has, and what it needs to know of the collecting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pricebook.config import Table

SEVERITIES = ("warn", "critical")


@dataclass(frozen=True, slots=True)
class Collecting:
    """How often sources are looked at, and which."""

    every: timedelta = timedelta(hours=6)
    sources: tuple[str, ...] = ()

    def span(self, table: Table, key: str, looks: int) -> timedelta:
        """A setting that is that many looks long by default, and longer than one in any case."""
        seconds = int(self.every.total_seconds())
        span = table.duration(key, f"{seconds * looks}s")
        if span <= self.every:
            least = f"sources are read once in {seconds}s, so it must be longer than that"
            raise table.error(key, f"is {table.raw(key)!r}; {least}")
        return span

    def some(self, table: Table) -> tuple[str, ...]:
        """The key `sources`: all that are collected, or some of them."""
        names = table.texts("sources", self.sources)
        for name in names:
            if name not in self.sources:
                known = f"known: {', '.join(self.sources)}"
                raise table.error("sources", f"has {name!r}, which isn't collected; {known}")
        return names


def receivers(table: Table) -> tuple[str, ...]:
    """The names of those who are told, each once."""
    return tuple(dict.fromkeys(table.texts("receivers")))


def severity(table: Table) -> str:
    """A word in the message: warn or critical."""
    return table.choice("severity", SEVERITIES, SEVERITIES[0])
