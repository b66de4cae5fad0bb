"""Thresholds: how far a figure may go, on one side or on both."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from comparator.event import Range
from pricebook.config import Table
from pricebook.quote import digits, plain

NUMBER = r"[0-9][0-9_]*(?:\.[0-9]+)?"
"""As people write it in TOML: 1, 1.25, 500_000_000."""

DEAD_BAND = Decimal("0.05")

_BAND = re.compile(rf"({NUMBER}) to ({NUMBER})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A figure is within when it is above `low` and below `high`; None: that side is open."""

    low: Decimal | None = None
    high: Decimal | None = None

    def passed_by(self, value: Range) -> str:
        """On which side the whole range lies outside: below, above, or "" for neither."""
        if self.low is not None and value.high < self.low:
            return "below"
        return "above" if self.high is not None and value.low > self.high else ""

    def holds(self, value: Range) -> bool:
        """Whether the whole range lies within."""
        over = self.low is None or value.low > self.low
        return over and (self.high is None or value.high < self.high)

    def encloses(self, other: Bounds) -> bool:
        """Whether `other` has the same sides and lies within on each of them."""
        return _beyond(self.low, other.low) and _beyond(other.high, self.high)

    def dead_band(self) -> Bounds:
        """5 % back across each threshold; less where the two would meet."""
        low, high = self.low, self.high
        most = None if low is None or high is None else (high - low) / 4
        return Bounds(
            None if low is None else plain(low + _band(low, most)),
            None if high is None else plain(high - _band(high, most)),
        )

    @property
    def words(self) -> str:
        """`falls below 1`, `rises above 1.2`, `leaves 0.8 to 1.2`."""
        if self.low is None:
            return f"rises above {_digits(self.high)}"
        if self.high is None:
            return f"falls below {_digits(self.low)}"
        return f"leaves {_digits(self.low)} to {_digits(self.high)}"

    @property
    def texts(self) -> list[str | None]:
        """Both as texts, the same for equal values."""
        return [None if side is None else digits(side) for side in (self.low, self.high)]

    def read(self, table: Table, key: str) -> Bounds:
        """Bounds on the same sides: a number, or `"0.84 to 1.14"` where there are two."""
        if self.low is None or self.high is None:
            level = table.decimal(key)
            return Bounds(level if self.high is None else None, level if self.low is None else None)
        text = table.text(key)
        match = _BAND.fullmatch(text)
        if not match:
            raise table.error(key, f'is {text!r}; write two numbers, such as "0.84 to 1.14"')
        return Bounds(number(match[1]), number(match[2]))


def number(text: str) -> Decimal:
    """What `NUMBER` matched."""
    return Decimal(text.replace("_", ""))


def _band(level: Decimal, most: Decimal | None) -> Decimal:
    band = level * DEAD_BAND
    return band if most is None else min(band, most)


def _beyond(outer: Decimal | None, inner: Decimal | None) -> bool:
    if outer is None or inner is None:
        return outer is inner
    return outer.is_finite() and inner.is_finite() and outer < inner


def _digits(side: Decimal | None) -> str:
    return "" if side is None else digits(side)
