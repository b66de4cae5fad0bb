"""What moved a ratio from one time to another, or makes it another than a second workload's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from textwrap import wrap
from typing import Any

from comparator.attribution import causes
from comparator.event import Cause
from comparator.ratio import Evaluation
from pricebook.quote import digits, isoformat


@dataclass(frozen=True, slots=True)
class Change:
    """From one evaluation to another, of another time or of other settings."""

    before: Evaluation
    after: Evaluation

    @property
    def factor(self) -> Decimal | None:
        """Ratio after / ratio before, at the points; None when one of them is unknown."""
        old, new = self.before.ratio, self.after.ratio
        return new.point / old.point if old and new else None

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Every input that differs, the greatest share first."""
        return causes(self.before.snapshot(), self.after.snapshot())

    def part(self, cause: Cause) -> Decimal | None:
        """What the cause alone multiplies the ratio by; all parts together make `factor`."""
        factor = self.factor
        return None if cause.share is None or factor is None else factor**cause.share

    def as_dict(self) -> dict[str, Any]:
        """`change` of `explain --json`."""
        ratio, factor = self.before.ratio, self.factor
        return {
            "workload": self.before.workload.name,
            "at": isoformat(self.before.at),
            "ratio": ratio and ratio.as_dict(),
            "verdict": self.before.verdict,
            "factor": None if factor is None else digits(factor),
            "why": [self._why(cause) for cause in self.causes],
        }

    def _why(self, cause: Cause) -> dict[str, Any]:
        part = self.part(cause)
        return {**cause.as_dict(), "factor": None if part is None else digits(part)}


def change_lines(change: Change) -> Iterator[str]:
    """The change for a terminal, line by line; causes in the order of their shares."""
    before, after = change.before, change.after
    since = f"since {isoformat(before.at)}"
    beside = f'beside "{before.workload.name}"'
    yield f"What moved it {beside if before.workload.name != after.workload.name else since}"
    if change.factor is None or not (before.ratio and after.ratio):
        yield f"  it is {after.verdict}" if before.ratio else f"  the ratio was {before.verdict}"
        return
    ends = f"{before.ratio.point:.4g} to {after.ratio.point:.4g}"
    yield f"  ratio {ends}: x {change.factor:.4g}"
    for cause in change.causes:
        yield from wrap(_cause(change, cause), 98, initial_indent="  ", subsequent_indent="      ")
    if not change.causes:
        yield "  nothing: every input is the same"


def _cause(change: Change, cause: Cause) -> str:
    words = f"{cause.input}: {cause.before} → {cause.after}"
    part = change.part(cause)
    if cause.share is None or part is None:
        return words
    return f"{words}: x {part:.4g}, {100 * cause.share:.1f} % of the change"
