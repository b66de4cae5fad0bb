"""Machines of one's own: what an hour of them comes to, from their price, power and place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from comparator import rate
from comparator.assumption import assumption
from comparator.comparison import Quantity, Term
from comparator.cost import HOURS_A_YEAR
from comparator.purchase import capital_factor
from pricebook.config import Table


@dataclass(frozen=True, slots=True)
class Hardware:
    """One machine that stands in a rack; every hour of its life is paid, used or not.

    `lost`: the part of its price that its life uses up, None for all. `capital`: what a dollar at
    the start costs, None without interest. `power_kw` is the mean over all hours.
    """

    price: Quantity
    life: Quantity
    lost: Quantity | None
    capital: Quantity | None
    power_kw: Quantity
    electricity: Quantity
    pue: Quantity
    hosting: Quantity

    name: ClassVar[str] = "own"
    paid_hours: ClassVar[Quantity] = HOURS_A_YEAR

    @classmethod
    def read(cls, table: Table) -> Hardware:
        """From `self_host.own`."""
        price, life = assumption(table, "price"), assumption(table, "life")
        others = ("power_kw", "electricity", "pue", "hosting_per_month")
        hardware = cls(
            price,
            life,
            _lost(table, life),
            capital_factor(table, life),
            *(assumption(table, key) for key in others),
        )
        table.close()
        return hardware

    def rate(self) -> tuple[Term, ...]:
        """USD per hour of the machine."""
        wear = rate.wear(self.price, self.lost, self.life, self.capital)
        power = rate.electricity(self.power_kw, self.electricity, self.pue)
        return wear + power + rate.hosting(self.hosting)


def _lost(table: Table, life: Quantity) -> Quantity | None:
    residual, interest = assumption(table, "residual"), assumption(table, "interest")
    if not residual.value.high:
        return None
    lost = rate.value_lost(residual.value, interest.value, life.value)
    used_up = residual.left("part of the price that is used up", lost)
    # A longer life lowers what the resale is worth today, beside its own effect on the rate.
    return replace(used_up, cause=life.name) if residual.value.certain else used_up
