"""How the hours of an EC2 machine are bought: which prices that needs, and what an hour comes to.

A rate is a sum of terms in USD per hour of one machine, as `comparator.machine` multiplies it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Protocol

from comparator import rate
from comparator.assumption import GIVEN, assumption
from comparator.comparison import Quantity, Term
from comparator.cost import HOURS_A_YEAR
from pricebook.config import Table

_KINDS = {
    "reserved": "a reservation",
    "savings_plan": "a Savings Plan",
    "spot": "spot machines",
    "capacity_block": "a Capacity Block",
    "own": "hardware of your own",
}
_ONLY_WITH = {
    "years": ("reserved", "savings_plan"),
    "payment": ("reserved", "savings_plan"),
    "interest": ("reserved", "savings_plan", "own"),
    "offering_class": ("reserved",),
    "plan": ("savings_plan",),
    "statistic": ("spot",),
    "zone": ("spot",),
    "interruptions_per_hour": ("spot",),
    "checkpoint_seconds": ("spot",),
    "restart_seconds": ("spot",),
    "block_days": ("capacity_block",),
    "runs_per_block": ("capacity_block",),
    "own": ("own",),
}
"""Settings that mean nothing, or the contrary of what is meant, under another term."""
_BLOCK_DAYS = (*range(1, 15), *range(21, 183, 7))
"""EC2 User Guide, "Capacity Blocks for ML": 1 to 14 days, or whole weeks up to 182 days."""


class Option(Protocol):
    """A way to buy a machine's hours.

    `paid_hours`: hours that are paid whether used or not, a year's or a block's; None when only
    hours of use are. `prepaid`: whether the price book has a fee besides the hourly price.
    """

    @property
    def name(self) -> str:
        """What figures call it."""

    @property
    def paid_hours(self) -> Quantity | None:
        """Of a year or a block."""

    @property
    def prepaid(self) -> bool:
        """Whether a second price is needed."""

    @property
    def conditions(self) -> dict[str, str]:
        """What tells its price from others of the same machine, as qualifiers of the series."""

    def rate(self, hourly: Quantity, fee: Quantity | None) -> tuple[Term, ...]:
        """USD per hour of a machine, from its hourly price, and its fee when there is one."""


@dataclass(frozen=True, slots=True)
class OnDemand:
    """Paid by the second, for as long as it runs."""

    name: ClassVar[str] = "on demand"
    paid_hours: ClassVar[None] = None
    prepaid: ClassVar[bool] = False
    conditions: ClassVar[dict[str, str]] = {"term": "on_demand"}

    def rate(self, hourly: Quantity, fee: Quantity | None) -> tuple[Term, ...]:
        """The price."""
        return rate.plain(hourly)


@dataclass(frozen=True, slots=True)
class Reserved:
    """A Reserved Instance: every hour of its years is paid.

    `capital` is what a dollar at the start costs, interest included; None without interest.
    """

    years: Quantity
    payment: str
    offering_class: str
    capital: Quantity | None

    name: ClassVar[str] = "reserved"
    paid_hours: ClassVar[Quantity] = HOURS_A_YEAR

    @property
    def prepaid(self) -> bool:
        """Whether a fee is due at the start."""
        return self.payment != "none"

    @property
    def conditions(self) -> dict[str, str]:
        """Term, years, payment and class."""
        committed = _committed("reserved", self.years, self.payment)
        return committed | {"offering_class": self.offering_class}

    def rate(self, hourly: Quantity, fee: Quantity | None) -> tuple[Term, ...]:
        """The hourly price, and the fee's part."""
        if fee is None:
            return rate.plain(hourly)
        return rate.plain(hourly) + rate.amortised(fee, self.years, self.capital)


@dataclass(frozen=True, slots=True)
class SavingsPlan:
    """A Savings Plan that this machine alone uses up: every hour of its years is paid.

    Its rate is the whole price; what is paid at the start is the same money earlier. `plan`:
    compute or ec2_instance. `capital` as in `Reserved`.
    """

    years: Quantity
    payment: str
    plan: str
    capital: Quantity | None

    name: ClassVar[str] = "Savings Plan"
    paid_hours: ClassVar[Quantity] = HOURS_A_YEAR
    prepaid: ClassVar[bool] = False

    @property
    def conditions(self) -> dict[str, str]:
        """Term, years, payment and kind of plan."""
        return _committed("savings_plan", self.years, self.payment) | {"variant": self.plan}

    def rate(self, hourly: Quantity, fee: Quantity | None) -> tuple[Term, ...]:
        """The price, with interest on what is paid at the start."""
        if self.capital is None:
            return rate.plain(hourly)
        return rate.paid_early(hourly, self.capital, whole=self.payment == "all")


@dataclass(frozen=True, slots=True)
class Spot:
    """The spot market: `where` names the zone or the statistic of the region's zones.

    What an interruption loses is paid again: `checkpoint`, the time between two checkpoints (None
    where there is nothing to lose, as in serving), and `restart`.
    """

    where: tuple[str, str]
    interruptions: Quantity
    checkpoint: Quantity | None
    restart: Quantity

    name: ClassVar[str] = "spot"
    paid_hours: ClassVar[None] = None
    prepaid: ClassVar[bool] = False

    @property
    def conditions(self) -> dict[str, str]:
        """Term, and zone or statistic."""
        return {"term": "spot", **dict([self.where])}

    def rate(self, hourly: Quantity, fee: Quantity | None) -> tuple[Term, ...]:
        """The price of a useful hour, with what interruptions lose of it."""
        return rate.interrupted(hourly, self.interruptions, self.checkpoint, self.restart)


@dataclass(frozen=True, slots=True)
class CapacityBlock:
    """A Capacity Block of `paid_hours`, paid at once: time that isn't used is lost."""

    paid_hours: Quantity

    name: ClassVar[str] = "Capacity Block"
    prepaid: ClassVar[bool] = False
    conditions: ClassVar[dict[str, str]] = {"term": "capacity_block"}

    def rate(self, hourly: Quantity, fee: Quantity | None) -> tuple[Term, ...]:
        """The price."""
        return rate.plain(hourly)


def read_option(table: Table, *, own_rate: bool, training: bool) -> Option | None:
    """From `term` and the settings that belong to it; None for hardware of one's own.

    With an own rate (`hourly`) nothing is prepaid. Only `training` has checkpoints.
    """
    term = table.choice("term", ("on_demand", *_KINDS), "on_demand")
    years = _years(table)
    refuse_strangers(table, term)
    if term == "spot":
        return _spot(table, training=training)
    if term == "capacity_block":
        return CapacityBlock(_block_hours(table))
    if term in ("reserved", "savings_plan"):
        return _commitment(table, term, years, own_rate=own_rate)
    return None if term == "own" else OnDemand()


def refuse_strangers(table: Table, term: str) -> None:
    """Refuse settings that belong to another term than the one that is given."""
    for key, terms in _ONLY_WITH.items():
        if term not in terms and table.has(key):
            kinds = " or ".join(_KINDS[each] for each in terms)
            raise table.error(key, f"belongs to {kinds} (term is {term})")


def capital_factor(table: Table, years: Quantity) -> Quantity | None:
    """What a dollar at the start costs over the years, from `interest`; None without interest."""
    interest = assumption(table, "interest")
    if not interest.value.high:
        return None
    factor = rate.capital_factor(interest.value, years.value)
    source = (
        f"i T / (1 - (1+i)^-T) with T years at {interest.value.point} a year; {interest.source}"
    )
    cause = interest.name if years.value.certain else years.name
    return Quantity("cost of a dollar paid at the start", "USD", factor, source, cause=cause)


def _commitment(table: Table, term: str, years: Quantity, *, own_rate: bool) -> Option:
    payment = table.choice("payment", ("none", "partial", "all"), "none")
    capital = capital_factor(table, years)
    if own_rate and (payment != "none" or capital):
        key = "interest" if payment == "none" else "payment"
        raise table.error(key, "belongs to a reservation at the price book's price, not to hourly")
    if capital and payment == "none":
        raise table.error("interest", "is for what is paid at the start; payment is none")
    if term == "savings_plan":
        plan = table.choice("plan", ("compute", "ec2_instance"), "compute")
        return SavingsPlan(years, payment, plan, capital)
    offering_class = table.choice("offering_class", ("standard", "convertible"), "standard")
    return Reserved(years, payment, offering_class, capital)


def _committed(term: str, years: Quantity, payment: str) -> dict[str, str]:
    return {"term": term, "term_years": f"{years.value.point}", "payment": payment}


def _spot(table: Table, *, training: bool) -> Spot:
    if not training and table.has("checkpoint_seconds"):
        raise table.error("checkpoint_seconds", "belongs to fine-tuning: serving has none")
    if table.has("zone") and table.has("statistic"):
        raise table.error("zone", "and statistic name two prices; give one of them")
    zone = table.text("zone", "")
    statistic = table.choice("statistic", ("median", "mean_24h"), "median")
    return Spot(
        ("zone", zone) if zone else ("variant", statistic),
        assumption(table, "interruptions_per_hour"),
        assumption(table, "checkpoint_seconds") if training else None,
        assumption(table, "restart_seconds"),
    )


def _years(table: Table) -> Quantity:
    years = table.integer("years", 1)
    if years not in (1, 3):
        raise table.error("years", f"is {years}; AWS sells reservations of 1 or 3 years")
    return Quantity.defined("years of the commitment", "years", years, GIVEN)


def _block_hours(table: Table) -> Quantity:
    days = table.integer("block_days", 1)
    if days not in _BLOCK_DAYS:
        what = f"is {days}; AWS sells 1 to 14 days, or whole weeks up to 182 days"
        raise table.error("block_days", what)
    return Quantity.defined("hours of the block", "hours", Decimal(24 * days), GIVEN)
