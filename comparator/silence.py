"""Silences and maintenance windows: when nobody is to be told, of what, and why.

What happens meanwhile is recorded as ever. When a silence ends, what is still so is told; what
began and ended under it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from comparator.event import Event
from pricebook.config import Table


@dataclass(frozen=True, slots=True)
class Silence:
    """From `starts_at` until `ends_at`, for events that fit all that is given; else for all.

    `rule` and `workload`: exact names. `seller`: of a price that moved. `pattern`: with `*` and
    `?`, of the rule's name, the workload's, or that of a price that moved. `id`: None for a
    maintenance window, which stands in the configuration.
    """

    starts_at: datetime
    ends_at: datetime
    reason: str
    rule: str = ""
    workload: str = ""
    seller: str = ""
    pattern: str = ""
    id: int | None = None

    def covers(self, event: Event, now: datetime) -> bool:
        """Whether nobody is to be told of this event now."""
        inputs = [cause.input for cause in event.why]
        subjects = (event.rule, event.workload, *inputs)
        return self.starts_at <= now < self.ends_at and all(
            (
                self.rule in ("", event.rule),
                self.workload in ("", event.workload),
                not self.seller or any(name.split(" ")[0] == self.seller for name in inputs),
                not self.pattern or any(fnmatchcase(one, self.pattern) for one in subjects),
            )
        )

    @property
    def words(self) -> str:
        """What it is, for the list of deliveries."""
        what = "maintenance" if self.id is None else f"silence {self.id}"
        return f"{what} until {self.ends_at:%Y-%m-%d %H:%M} UTC: {self.reason}"


def read_windows(root: Table) -> Iterator[Silence]:
    """The `[[maintenance]]` tables; ConfigError for one without an end or a reason."""
    for table in root.tables("maintenance", name="reason"):
        window = Silence(
            starts_at=_instant(table, "start"),
            ends_at=_instant(table, "end"),
            reason=table.text("reason"),
            rule=table.text("rule", ""),
            workload=table.text("workload", ""),
            seller=table.text("seller", ""),
            pattern=table.text("pattern", ""),
        )
        table.close()
        if window.ends_at <= window.starts_at:
            raise table.error("end", "isn't after start")
        yield window


def _instant(table: Table, key: str) -> datetime:
    value = table.raw(key)
    if not isinstance(value, datetime):
        raise table.error(key, "must be a time such as 2026-12-24T18:00:00Z, without quotes")
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
