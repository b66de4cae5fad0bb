"""What AWS's commitments are worth for a demand that rises and falls: pure sums.

With e the effective price of a committed hour, q the on-demand price, and n the machines needed in
an hour, K committed machines cost K e + q max(0, n - K) in that hour. The k-th machine pays for
itself when the share of hours with n >= k is above e / q (the article's reservation: 0.5865).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pricebook.quote import Price, Series, digits

YEAR = 8760
"""Hours of a year, as AWS counts a term."""

_PAYMENTS = {"none": "no upfront", "partial": "partial upfront", "all": "all upfront"}
_PLANS = {"compute": "Compute Savings Plan", "ec2_instance": "EC2 Instance Savings Plan"}


@dataclass(frozen=True, slots=True)
class Commitment:
    """One way to commit: `hourly` USD in each of `years` x 8,760 hours, `upfront` USD once."""

    name: str
    years: int
    hourly: Decimal
    upfront: Decimal

    @property
    def effective(self) -> Decimal:
        """USD per committed hour, without interest."""
        return self.hourly + self.upfront / (YEAR * self.years)


@dataclass(frozen=True, slots=True)
class Bill:
    """A demand's year with `machines` committed, in USD; machine-hours committed and not needed."""

    machines: int
    usd: Decimal
    unused_hours: Decimal
    needed_hours: Decimal

    @property
    def per_needed_hour(self) -> Decimal | None:
        """What an hour that was needed came to; None when none was."""
        return self.usd / self.needed_hours if self.needed_hours else None

    def as_dict(self) -> dict[str, Any]:
        """`bill` of `commitments --json`."""
        per_hour = self.per_needed_hour
        return {
            "machines": self.machines,
            "usd_per_year": digits(self.usd),
            "unused_hours": digits(self.unused_hours),
            "usd_per_needed_hour": None if per_hour is None else digits(per_hour),
        }


def commitments(prices: Iterable[Price]) -> list[Commitment]:
    """The ways to commit to a machine that its prices in force offer, the cheapest first.

    A reservation with an upfront payment needs both of its prices; with one alone it is left out.
    """
    amounts = {price.series: price.amount for price in prices}
    found = (_commitment(series, amounts) for series in amounts if series.meter == "instance")
    return sorted(filter(None, found), key=lambda each: (each.effective, each.name))


def worth_from(commitment: Commitment, on_demand: Decimal) -> Decimal:
    """The share of its hours from which on a committed machine beats renting; above 1: never."""
    return commitment.effective / on_demand


def best(commitment: Commitment, on_demand: Decimal, needs: Sequence[int]) -> int:
    """How many machines to commit for these hourly needs: as many as are needed in a greater share
    of the hours than it is worth from."""
    least = int(worth_from(commitment, on_demand) * len(needs))
    return sorted(needs, reverse=True)[least] if least < len(needs) else 0


def bill(commitment: Commitment, on_demand: Decimal, needs: Sequence[int], machines: int) -> Bill:
    """A year of hourly needs that repeat, with so many machines committed and the rest rented."""
    hours = Decimal(YEAR) / len(needs)
    rented = hours * sum(max(0, need - machines) for need in needs)
    unused = hours * sum(max(0, machines - need) for need in needs)
    usd = machines * commitment.effective * YEAR + rented * on_demand
    return Bill(machines, usd, unused, hours * sum(needs))


def _commitment(series: Series, amounts: dict[Series, Decimal | None]) -> Commitment | None:
    hourly = amounts[series]
    upfront: Decimal | None = Decimal(0)
    if series.get("term") == "reserved" and series.get("payment") != "none":
        fee = Series.of(
            *(series.seller, series.product, "upfront", "commitment"),
            currency=series.currency,
            **dict(series.qualifiers),
        )
        upfront = amounts.get(fee)
    years = series.get("term_years")
    if hourly is None or upfront is None or not years:
        return None
    return Commitment(_name(series), int(years), hourly, upfront)


def _name(series: Series) -> str:
    return ", ".join(_words(series))


def _words(series: Series) -> Iterator[str]:
    plan = series.get("variant") or ""
    if series.get("term") == "savings_plan":
        yield _PLANS.get(plan, plan)
    else:
        yield f"{series.get('offering_class')} reservation"
    years = series.get("term_years")
    yield f"{years} year{'s' if years != '1' else ''}"
    payment = series.get("payment") or ""
    yield _PAYMENTS.get(payment, payment)
