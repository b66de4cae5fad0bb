"""The machines that self-hosting runs on: which prices their hours need, and what they come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from comparator import rate
from comparator.assumption import optional
from comparator.comparison import Quantity, Term
from comparator.cost import HOURS_A_YEAR
from comparator.hardware import Hardware
from comparator.purchase import OnDemand, Option, read_option
from comparator.way import PriceOf
from pricebook.config import Table
from pricebook.quote import Series

Formula: TypeAlias = Callable[[Quantity], tuple[Term, ...]]
"""Terms from the price of a machine's hour."""


@dataclass(frozen=True, slots=True)
class Machine:
    """EC2 machines and how their hours are bought, or hardware of one's own.

    `own_rate` is the user's own hourly price, which then stands in for the price book's.
    """

    instance: str
    region: str
    bought: Option | Hardware
    own_rate: Quantity | None = None

    @classmethod
    def read(cls, table: Table, *, training: bool) -> Machine:
        """From the keys of `self_host`."""
        own_rate = optional(table, "hourly")
        option = read_option(table, own_rate=own_rate is not None, training=training)
        region = table.text("region", "us-east-1")
        if option:
            return cls(table.text("instance"), region, option, own_rate)
        if own_rate:
            raise table.error("hourly", "contradicts term = own, which works the rate out")
        return cls(table.text("instance", "own"), region, Hardware.read(table.table("own")))

    @property
    def paid_hours(self) -> Quantity | None:
        """Hours that are paid whether used or not: a year's, a block's; None: those of use."""
        return self.bought.paid_hours

    @property
    def committed(self) -> bool:
        """Whether every hour of the year is paid."""
        return self.paid_hours == HOURS_A_YEAR

    @property
    def on_demand(self) -> Series:
        """The price of an hour without commitment."""
        return self._series("instance", "hour", OnDemand.conditions)

    def needs(self) -> tuple[Series, ...]:
        """The hourly price, and the fee when there is one; nothing with a rate of one's own."""
        if self.own_rate or isinstance(self.bought, Hardware):
            return ()
        return (self._hour(self.bought), *self._fee(self.bought))

    def rate(self, price: PriceOf) -> tuple[Term, ...]:
        """USD per hour of one machine."""
        if isinstance(self.bought, Hardware):
            return self.bought.rate()
        if self.own_rate:
            return self.bought.rate(self.own_rate, None)
        hour, *fee = (price(series) for series in self.needs())
        return self.bought.rate(hour, fee[0] if fee else None)

    def paid(self, formula: Formula, price: PriceOf) -> tuple[Term, ...]:
        """A formula of the hourly price, at this machine's rate."""
        return rate.at_rate(formula(rate.MACHINE_HOUR), self.rate(price))

    def _hour(self, option: Option) -> Series:
        return self._series("instance", "hour", option.conditions)

    def _fee(self, option: Option) -> tuple[Series, ...]:
        if not option.prepaid:
            return ()
        return (self._series("upfront", "commitment", option.conditions),)

    def _series(self, meter: str, unit: str, conditions: dict[str, str]) -> Series:
        place = {"region": self.region, "os": "Linux", "tenancy": "shared"}
        return Series.of("aws", self.instance, meter, unit, **place, **conditions)
