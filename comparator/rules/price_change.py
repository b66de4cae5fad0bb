"""Rules on single prices: each change is told, once, and small steps add up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from comparator.event import Cause
from comparator.rules import header
from comparator.rules.bounds import NUMBER, number
from comparator.rules.header import Collecting
from comparator.rules.told import ANY, Memory, News, Pattern
from pricebook.config import Table
from pricebook.label import label
from pricebook.quote import UNITS, Change, Series, digits, plain

_WHEN = re.compile(rf"a price (changes|rises|falls)(?: by ({NUMBER}) ?%)?", re.ASCII)


NOTHING = Decimal(0), Decimal(0)
"""No amount lies between these."""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """One `[[rule]]` on prices: `way` changes, rises or falls, by at least `percent` (0: at all).

    With a percentage, it is counted from the price that was last told, however many steps it took.
    """

    name: str
    way: str
    percent: Decimal = Decimal(0)
    prices: Pattern = ANY
    receivers: tuple[str, ...] = ()
    severity: str = "warn"

    @property
    def threshold(self) -> str:
        """The condition in words: `a price changes by 10 %`."""
        return f"a price {self.way}" + (f" by {digits(self.percent)} %" if self.percent else "")

    def moved(self, memory: Memory, changes: Iterable[Change]) -> tuple[Memory, list[News]]:
        """What is to be told of these changes, and the prices that later ones count from."""
        told, references = [], dict(memory)
        for change in merged(change for change in changes if self.prices.fits(change.series)):
            key = str(change.series)
            reference = references.pop(key, None) if self.percent else None
            before = change.before if reference is None else Decimal(reference)
            if before is None or before == change.after:
                continue
            if self._tells(before, change.after):
                told.append(_news(change.series, before, change.after))
            elif change.after is not None and self.percent:
                references[key] = digits(before)
        return references, told

    def passes_over(self, memory: Memory, series: Series) -> tuple[Decimal, Decimal]:
        """Between which amounts a price may change next while `moved` tells nothing of it, and goes
        on counting from the same price."""
        if str(series) not in memory:
            return NOTHING
        reference = Decimal(memory[str(series)])
        # A little less than a whole step, so that no rounding of these two levels matters.
        step = reference * self.percent / 100 * Decimal("0.999999")
        least = reference - step if self.way != "rises" else Decimal("-Infinity")
        return least, reference + step if self.way != "falls" else Decimal("Infinity")

    def _tells(self, before: Decimal, after: Decimal | None) -> bool:
        """A price that is gone is a change, but neither a rise nor a fall."""
        if after is None:
            return self.way == "changes" and not self.percent
        moved = before - after if self.way == "falls" else after - before
        moved = abs(moved) if self.way == "changes" else moved
        return moved > 0 and moved * 100 >= before * self.percent


def read_price_change(table: Table, words: str, _collecting: Collecting) -> PriceChange | None:
    """From one `[[rule]]` whose `when` is `words`; None when it is no rule of this kind."""
    match = _WHEN.fullmatch(words)
    if not match:
        return None
    percent = number(match[2]) if match[2] else Decimal(0)
    if match[2] and not percent:
        raise table.error("when", f'is {words!r}; for any change write "a price {match[1]}"')
    if match[1] == "falls" and percent > 100:
        never = "nothing falls by more than 100 %, so it would never fire"
        raise table.error("when", f"is {words!r}; {never}")
    return PriceChange(
        table.text("name"),
        match[1],
        plain(percent),
        Pattern.read(table.table("prices")),
        header.receivers(table),
        header.severity(table),
    )


def merged(changes: Iterable[Change]) -> Iterator[Change]:
    """One change of each series, from its first price to its last; none where they are equal."""
    ordered = sorted(changes, key=lambda one: (str(one.series), one.valid_from))
    for series, steps in groupby(ordered, key=lambda one: one.series):
        first, *rest = steps
        last = rest[-1] if rest else first
        if first.before != last.after:
            yield Change(series, first.before, last.after, last.valid_from)


def amount_words(series: Series, amount: Decimal | None) -> str:
    """`1.2 USD for 10^6 tokens`; None is no price."""
    if amount is None:
        return "no price"
    return f"{digits(amount)} {series.currency} for {UNITS[series.unit]}"


def _news(series: Series, before: Decimal, after: Decimal | None) -> News:
    name, was, now = label(series), amount_words(series, before), amount_words(series, after)
    why = (Cause(name, was, now, None),)
    if after is None:
        text = f"{name} has no known price any more; it was {was}."
        return News("price_changed", "gone", text, why, series=series)
    way = "rose" if after > before else "fell"
    by = f" by {_percent(before, after)} %" if before else ""
    text = f"{name} {way}{by}, from {was} to {now}."
    return News("price_changed", way, text, why, series=series)


def _percent(before: Decimal, after: Decimal) -> str:
    return f"{plain((abs(after - before) * 100 / before).quantize(Decimal('0.1'))):f}"
