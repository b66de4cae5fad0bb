"""What an hour of one machine comes to, however it is bought or owned: pure formulas.

A rate is a sum of terms in USD per hour of a machine. A formula of `comparator.cost` is written
with `MACHINE_HOUR` and multiplied out with the rate by `at_rate`.
"""

from __future__ import annotations

from decimal import Decimal

from comparator.comparison import Quantity, Term
from comparator.cost import HALF, HOURS_A_MONTH, HOURS_A_YEAR, SECONDS_AN_HOUR
from comparator.interval import Interval

MACHINE_HOUR = Quantity.defined("an hour of the machine", "USD/hour", 1, "stands for its rate")
UPFRONT = Quantity.defined(
    "part paid at the start", "of the whole", Decimal("0.5"), "AWS's own terms"
)


def at_rate(terms: tuple[Term, ...], rate: tuple[Term, ...]) -> tuple[Term, ...]:
    """Every term with every part of the rate in the place of `MACHINE_HOUR`."""
    return tuple(_at(term, part) for part in rate for term in terms)


def plain(hourly: Quantity) -> tuple[Term, ...]:
    """The hourly price is all."""
    return (Term("", (hourly,)),)


def amortised(fee: Quantity, years: Quantity, capital: Quantity | None) -> tuple[Term, ...]:
    """An upfront fee's part of an hour: fee q / (8760 x years), q = 1 without interest."""
    return (Term("upfront", (fee, *_given(capital)), (HOURS_A_YEAR, years)),)


def paid_early(hourly: Quantity, capital: Quantity, *, whole: bool) -> tuple[Term, ...]:
    """A price that is paid at the start, the whole or a half of it: hourly q, or half of each.

    AWS takes at least a half upfront under "Partial Upfront" (Savings Plans User Guide).
    """
    if whole:
        return (Term("", (hourly, capital)),)
    return (Term("", (hourly, UPFRONT)), Term("upfront", (hourly, UPFRONT, capital)))


def interrupted(
    hourly: Quantity, interruptions: Quantity, checkpoint: Quantity | None, restart: Quantity
) -> tuple[Term, ...]:
    """A spot machine's useful hour: hourly (1 + lambda (checkpoint / 2 + restart)).

    lambda in interruptions a running hour, times in seconds. On average half of the time between
    two checkpoints is done again.
    """
    parts = plain(hourly)
    if not interruptions.value.high:
        return parts
    lost = (hourly, interruptions)
    if checkpoint:
        parts += (Term("work done again", (*lost, checkpoint, HALF), (SECONDS_AN_HOUR,)),)
    return (*parts, Term("restarts", (*lost, restart), (SECONDS_AN_HOUR,)))


def wear(
    price: Quantity, lost: Quantity | None, life: Quantity, capital: Quantity | None
) -> tuple[Term, ...]:
    """A machine of one's own by the hour: price x part used up x q / (8760 x years of life)."""
    if not price.value.high:
        return ()
    return (Term("wear", (price, *_given(lost), *_given(capital)), (HOURS_A_YEAR, life)),)


def electricity(power_kw: Quantity, price: Quantity, pue: Quantity) -> tuple[Term, ...]:
    """Power by the hour: kW x USD per kWh x PUE (what the building draws for what machines do)."""
    return (Term("electricity", (price, power_kw, pue)),)


def hosting(monthly: Quantity) -> tuple[Term, ...]:
    """Rack, network and hands by the hour: USD a month / 730."""
    if not monthly.value.high:
        return ()
    return (Term("hosting", (monthly,), (HOURS_A_MONTH,)),)


def capital_factor(interest: Interval, years: Interval) -> Interval:
    """q = i T / (1 - (1+i)^-T): what a dollar at the start costs, paid back evenly over T years.

    An annuity at the yearly rate i; it rises with i and with T.
    """
    pairs = zip(_bounds(interest), _bounds(years), strict=True)
    return Interval(*(i * t / (1 - (1 + i) ** -t) if i else Decimal(1) for i, t in pairs))


def value_lost(residual: Interval, interest: Interval, years: Interval) -> Interval:
    """1 - residual / (1+i)^T: the part of a price that its T years use up, in today's money."""
    worth = residual / Interval(
        *((1 + i) ** t for i, t in zip(_bounds(interest), _bounds(years), strict=True))
    )
    return worth.complement()


def _at(term: Term, part: Term) -> Term:
    name = f"{term.name}, {part.name}" if part.name else term.name
    others = tuple(factor for factor in term.times if factor is not MACHINE_HOUR)
    return Term(name, part.times + others, part.per + term.per)


def _given(quantity: Quantity | None) -> tuple[Quantity, ...]:
    return (quantity,) if quantity else ()


def _bounds(value: Interval) -> tuple[Decimal, Decimal, Decimal]:
    return value.low, value.point, value.high
