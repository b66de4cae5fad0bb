"""Low, point and high of a quantity that can't be negative, and exact arithmetic on its corners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pricebook.quote import digits


@dataclass(frozen=True, slots=True)
class Interval:
    """`low <= point <= high`, none of them negative; a sure figure has all three equal.

    Every operation takes its low and high from the corners, so the result holds every value that
    the operands allow. A quantity used twice in opposite directions gives a result that is wider
    than need be, never one that is too narrow.
    """

    low: Decimal
    point: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        """A bound on the wrong side is refused, as no formula here has a meaning for it."""
        if not (self.low.is_finite() and self.point.is_finite() and self.high.is_finite()):
            raise ValueError(f"not finite: {self}")
        if not 0 <= self.low <= self.point <= self.high:
            raise ValueError(f"not in order, or negative: {self}")

    @classmethod
    def exactly(cls, value: Decimal | int | str) -> Interval:
        """A sure figure."""
        number = Decimal(value)
        return cls(number, number, number)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.point + other.point, self.high + other.high)

    def __mul__(self, other: Interval) -> Interval:
        return Interval(self.low * other.low, self.point * other.point, self.high * other.high)

    def __truediv__(self, other: Interval) -> Interval:
        """The divisor's low must be above zero, else `decimal.DivisionByZero` or the like."""
        return Interval(self.low / other.high, self.point / other.point, self.high / other.low)

    def complement(self) -> Interval:
        """What a share leaves of the whole: 1 - share."""
        return Interval(1 - self.high, 1 - self.point, 1 - self.low)

    @property
    def certain(self) -> bool:
        """Whether all three are equal."""
        return self.low == self.high

    def as_dict(self) -> dict[str, str]:
        """Decimals as texts."""
        bounds = {"low": self.low, "point": self.point, "high": self.high}
        return {name: digits(bound) for name, bound in bounds.items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, str]) -> Interval:
        """The inverse of `as_dict`."""
        return cls(*(Decimal(fields[name]) for name in ("low", "point", "high")))
