"""The article that breakeven began with, worked out again at the prices of any day since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from comparator.interval import Interval
from comparator.timeline import Moment, timeline
from comparator.workload import Workload
from pricebook.config import Table, load
from pricebook.past import Past
from pricebook.quote import isoformat

WRITTEN = datetime(2023, 10, 1, tzinfo=UTC)
_QUARTERS = (1, 4, 7, 10)
_ROUNDING = Decimal("0.1")
"""A printed figure is met by what is within a tenth of it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What the article says, as a workload; `printed` is its figure, both ends equal, or range.

    The figure is the workload's ratio, or with `inverse` 1 over it.
    """

    id: str
    says: str
    printed: tuple[Decimal, Decimal]
    inverse: bool
    workload: Workload

    @classmethod
    def read(cls, table: Table) -> Statement:
        """From one `[[statement]]`."""
        low, high = (Decimal(end) for end in table.raw("printed"))
        statement = cls(
            table.text("id"),
            table.text("says"),
            (low, high),
            table.flag("inverse", False),
            Workload.from_table(table.table("workload")),
        )
        table.close()
        return statement

    def figure(self, ratio: Interval) -> Interval:
        """What is set beside the printed figure."""
        return Interval.exactly(1) / ratio if self.inverse else ratio

    def verdict(self, moment: Moment | None) -> str:
        """What became of it, in a clause."""
        if moment is None or moment.ratio is None:
            return f"can't be said: {moment.reason if moment else 'no price is known'}"
        figure, (low, high) = self.figure(moment.ratio), self.printed
        if low * (1 - _ROUNDING) <= figure.point <= high * (1 + _ROUNDING):
            return "holds"
        if figure.high < 1:
            return "no: it is the other way round"
        if figure.point < 1:
            return "less than that, and rather the other way round"
        return "more than that" if figure.point > high else "less than that"


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A statement at the first day of each quarter, and at the end; None where nothing is known."""

    statement: Statement
    moments: tuple[tuple[datetime, Moment | None], ...]

    @property
    def verdict(self) -> str:
        """On the last day."""
        return self.statement.verdict(self.moments[-1][1])

    def as_dict(self) -> dict[str, Any]:
        """One entry of `article --json`."""
        return {
            "id": self.statement.id,
            "says": self.statement.says,
            "printed": [str(end) for end in self.statement.printed],
            "verdict": self.verdict,
            "quarters": [
                {"at": isoformat(at), "figure": figure and figure.as_dict()}
                for at, figure in self.figures()
            ],
        }

    def figures(self) -> Iterator[tuple[datetime, Interval | None]]:
        """By day."""
        for at, moment in self.moments:
            ratio = moment.ratio if moment else None
            yield at, self.statement.figure(ratio) if ratio else None


def statements() -> tuple[Statement, ...]:
    """All that is worked out again, in the article's order."""
    table = load(Path(__file__).with_name("article.toml"))
    return tuple(Statement.read(each) for each in table.tables("statement", "id"))


def recomputed(statement: Statement, past: Past, until: datetime) -> Recomputed:
    """At every quarter from the article's until the last day."""
    changes = list(timeline(statement.workload, past, until))
    days = *_quarters(until), until
    return Recomputed(statement, tuple((at, _last(changes, at)) for at in days))


def _quarters(until: datetime) -> Iterator[datetime]:
    for year in range(WRITTEN.year, until.year + 1):
        for month in _QUARTERS:
            at = datetime(year, month, 1, tzinfo=UTC)
            if WRITTEN <= at < until:
                yield at


def _last(changes: Sequence[Moment], at: datetime) -> Moment | None:
    return next((one for one in reversed(changes) if one.at <= at), None)
