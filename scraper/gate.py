"""What may enter the price book: each quote is accepted, or held with a reason that a person reads.

Pure: no database and no clock. A held quote never stops another one; `decide` has the rules.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import chain
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING

from pricebook.quote import Price, Quote, Series, digits
from scraper.aws.regions import Regional, elsewhere
from scraper.aws.sizes import size_of
from scraper.document import Reading
from scraper.settings import GateSettings

if TYPE_CHECKING:
    from pricebook.accepted import Accepted

JUMP = "price jump"
ZERO = "to or from zero"
NEGATIVE = "below zero"
TWO_PRICES = "two prices for one series"
UNIT_CHANGED = "unit or currency changed"
POWER_OF_TEN = "moved by the same power of ten"
CACHE_ABOVE_INPUT = "cached input above input"
BATCH_ABOVE_STANDARD = "batch above standard"
OUT_OF_PROPORTION = "out of proportion to the machine's family"
OUT_OF_LINE = "out of line with other regions"
TOO_FEW = "too few prices"

CURABLE = frozenset({JUMP, ZERO})
"""The reasons that a later look which says the same does away with."""

_LEAST_SISTERS = 2
_OFF_FAMILY = 5
"""Of all EC2 Linux prices of 2021 to 2026 none is more than 4 times the median of its sisters
(hpc7a, whose sizes differ in cores only), most are within 3 (g5.xlarge, with a GPU of its own)."""
_LEAST_REGIONS = 3
_OFF_REGIONS = 3
"""Of all EC2 Linux prices in dollars of 2021 to 2025, on demand and reserved, in 39 to 99 regions
and zones (AWS's price feeds, kept by github.com/yeo/ec2.shop), each is 0.48 to 1.80 times the
median of the other regions; against those three that flatter it least, 0.42 to 2.62 times. What
AWS misprinted at ten times in us-gov-west-1 (r7g, March 2025) was 10.7 times."""
_LEAST_MOVED = 3
_SHARE_MOVED = Decimal("0.9")

_SPOT, _BATCH = ("term", "spot"), ("service_tier", "batch")


@dataclass(frozen=True, slots=True)
class Held:
    """What did not enter, and why; `quote` None: the look as a whole. `text` is for people."""

    quote: Quote | None
    reason: str
    text: str

    @property
    def curable(self) -> bool:
        """Whether a later look that says the same is proof enough."""
        return self.reason in CURABLE


@dataclass(frozen=True, slots=True)
class Verdict:
    """A look, judged: each of its quotes is accepted or held.

    `complete`: what isn't in the look may be gone; else nothing may be withdrawn because of it.
    """

    accepted: tuple[Quote, ...]
    held: tuple[Held, ...]
    complete: bool


def decide(
    reading: Reading,
    latest: Mapping[Series, Price | Accepted],
    settings: GateSettings,
    pending: Mapping[Series, Decimal],
    announced: Collection[tuple[Series, datetime, Decimal]] = (),
    expected: int = 0,
    regional: Regional = MappingProxyType({}),
) -> Verdict:
    """Judge a look at a partition by what the book has of it.

    `latest` has the last accepted prices, `announced` those for a later date, with that date;
    `expected` is the number of series that the last look read. `regional` has what machines cost
    in each region, as far as other looks or the book tell.

    With fewer than 1 - `max_drop_of_count` of those the page may be cut short: what it still says
    is judged like any other, but nothing counts as gone until a further look is as short.

    These are held, each with the first reason that applies:

    - a series that the book doesn't know and that differs only in unit or currency from one that
      it does and this look doesn't have;
    - an amount below zero;
    - two amounts for one series and date, both;
    - when at least three prices moved, nine tenths of them by the same power of ten: all that moved
      and all that are new, for the page's unit was misread or misprinted;
    - an EC2 machine that costs more than five times what its sisters in the family do by size, or
      less than a fifth;
    - an EC2 machine that costs more than three times the median of at least three other regions, or
      less than a third, except spot and Capacity Blocks (AWS once listed all sizes of a family at
      ten times their price, which no comparison with the family can tell);
    - cached input above input, or batch above standard, of the same product, conditions and date:
      both, unless both are in the book already;
    - a price that went to or from zero, above `max_jump` times the price in force, or below its
      `max_jump`th part; and where at least three do and make up half of what moved, all that moved
      and all that are new, for the page was misread.

    A new series, or one that had been withdrawn, has nothing to jump from; a quote that says what
    is in the book is no change.

    `pending` has the amounts that a look *at an earlier time* held by the last rule (a reason in
    `CURABLE`) and nobody has decided on. A quote that repeats its amount passes that rule, for a
    slip is seldom made twice. The other reasons would return with every look at a page that we
    misread: they stay until a person has put the price into the book, which ends the matter.
    """
    seen = {quote.series for quote in reading.quotes}
    fresh = [
        quote
        for quote in reading.quotes
        if _amount_of(quote.series, latest) != quote.amount
        and (quote.series, quote.valid_from, quote.amount) not in announced
    ]
    in_force = {
        quote.series: amount
        for quote in fresh
        if (amount := _amount_of(quote.series, latest)) is not None
    }
    held: dict[Quote | None, Held] = {}
    for suspect in chain(
        _missing(seen, expected, settings),
        _changed_units(reading.quotes, seen, latest),
        _negative(fresh),
        _contradictions(reading.quotes, seen),
        _moved_together(fresh, in_force),
        _out_of_proportion(reading.quotes, fresh),
        _out_of_line(fresh, regional),
        _nonsense(reading.quotes, fresh),
        _jumps(fresh, in_force, settings, pending),
        _amid_jumps(fresh, in_force, settings, pending),
    ):
        held.setdefault(suspect.quote, suspect)
    return Verdict(
        tuple(quote for quote in reading.quotes if quote not in held),
        tuple(held.values()),
        complete=not any(one.reason == TOO_FEW for one in held.values()),
    )


def _amount_of(series: Series, latest: Mapping[Series, Price | Accepted]) -> Decimal | None:
    price = latest.get(series)
    return price.amount if price else None


def _missing(seen: Collection[Series], expected: int, settings: GateSettings) -> Iterator[Held]:
    if len(seen) < expected * (1 - settings.max_drop_of_count):
        text = f"{len(seen)} series read, {expected} the last time: the page may be cut short"
        yield Held(None, TOO_FEW, text)


def _negative(fresh: Collection[Quote]) -> Iterator[Held]:
    for quote in fresh:
        if quote.amount < 0:
            yield Held(quote, NEGATIVE, f"{quote.series}: {digits(quote.amount)}")


def _contradictions(quotes: Collection[Quote], seen: Collection[Series]) -> Iterator[Held]:
    if len(seen) == len(quotes):
        return
    said = defaultdict(list)
    for quote in quotes:
        said[quote.series, quote.valid_from].append(quote)
    for same in said.values():
        amounts = sorted({quote.amount for quote in same})
        if len(amounts) > 1:
            text = f"{same[0].series}: {' and '.join(str(digits(amount)) for amount in amounts)}"
            yield from (Held(quote, TWO_PRICES, text) for quote in same)


def _changed_units(
    quotes: Collection[Quote], seen: Collection[Series], known: Collection[Series]
) -> Iterator[Held]:
    # Withdrawn ones count: else a unit that a person has rejected would enter after the old one.
    unseen = {_without_unit(series): series for series in known if series not in seen}
    for quote in quotes if unseen else ():
        before = unseen.get(_without_unit(quote.series))
        if before and quote.series not in known:
            text = f"{quote.series}: the book has it in {before.currency}/{before.unit}"
            yield Held(quote, UNIT_CHANGED, text)


def _without_unit(series: Series) -> tuple[object, ...]:
    return series.seller, series.product, series.meter, series.qualifiers


def _moved_together(fresh: Collection[Quote], in_force: Mapping[Series, Decimal]) -> Iterator[Held]:
    moved = [quote for quote in fresh if quote.series in in_force]
    powers = Counter(_power_of_ten(in_force[quote.series], quote.amount) for quote in moved)
    del powers[None]
    for power, count in powers.most_common(1):
        if count >= _LEAST_MOVED and count >= _SHARE_MOVED * len(moved):
            text = f"{count} of {len(moved)} changed prices moved by 10^{power}"
            yield from (Held(quote, POWER_OF_TEN, text) for quote in fresh)


def _power_of_ten(before: Decimal, after: Decimal) -> int | None:
    """The n of `after` = `before` * 10^n, when there is one."""
    power = after.adjusted() - before.adjusted()
    return power if before and after == before.scaleb(power) else None


def _out_of_proportion(quotes: Collection[Quote], fresh: Collection[Quote]) -> Iterator[Held]:
    news = set(fresh)
    for rates in _families(quotes, fresh):
        ordered = sorted(rates, key=rates.__getitem__)
        amounts = [rates[quote] for quote in ordered]
        for place, quote in enumerate(ordered):
            if len(ordered) <= _LEAST_SISTERS or quote not in news:
                continue
            factor = amounts[place] / _median_of_others(amounts, place)
            if not Decimal(1) / _OFF_FAMILY <= factor <= _OFF_FAMILY:
                text = f"{quote.series}: {digits(quote.amount)}, by size {factor:.2g} times"
                yield Held(quote, OUT_OF_PROPORTION, f"{text} its family's price")


def _families(
    quotes: Collection[Quote], fresh: Collection[Quote]
) -> Iterable[Mapping[Quote, Decimal]]:
    """What machines cost by size, of each family that has anything new."""
    concerned = {_family(quote) for quote in fresh} - {None}
    families: dict[object, dict[Quote, Decimal]] = defaultdict(dict)
    for quote in quotes if concerned else ():
        family = _family(quote)
        if family in concerned and (size := size_of(quote.series.product)):
            families[family][quote] = quote.amount / size
    return families.values()


def _family(quote: Quote) -> object:
    """What a machine's sisters share with it; None where there is nothing to compare."""
    series = quote.series
    # Spot prices follow demand, not size.
    if quote.amount <= 0 or series.seller != "aws" or _SPOT in series.qualifiers:
        return None
    family = series.product.partition(".")[0]
    return family, series.meter, series.currency, series.qualifiers, quote.valid_from


def _median_of_others(ordered: Sequence[Decimal], place: int) -> Decimal:
    """The median of all values, which are in order, but the one at that place."""
    count = len(ordered) - 1
    middle = range((count - 1) // 2, count // 2 + 1)
    return median(ordered[one + (one >= place)] for one in middle)


def _out_of_line(fresh: Collection[Quote], regional: Regional) -> Iterator[Held]:
    for quote in fresh:
        others = elsewhere(quote.series, regional)
        if quote.amount <= 0 or len(others) < _LEAST_REGIONS:
            continue
        usual = median(others)
        if not usual / _OFF_REGIONS <= quote.amount <= usual * _OFF_REGIONS:
            text = f"{quote.series}: {digits(quote.amount)}, the median of {len(others)} other"
            yield Held(quote, OUT_OF_LINE, f"{text} regions is {digits(usual)}")


def _nonsense(quotes: Collection[Quote], fresh: Collection[Quote]) -> Iterator[Held]:
    limited = [quote for quote in quotes if _has_limit(quote.series)]
    if not limited:
        return
    prices = {(quote.series, quote.valid_from): quote for quote in quotes}
    news = set(fresh)
    for quote in limited:
        for series, reason in _never_below(quote.series):
            limit = prices.get((series, quote.valid_from))
            if limit and quote.amount > limit.amount and not news.isdisjoint((quote, limit)):
                amounts = digits(quote.amount), digits(limit.amount)
                text = f"{quote.series} at {amounts[0]}, {series} at {amounts[1]}"
                yield from (Held(quote, reason, text), Held(limit, reason, text))


def _has_limit(series: Series) -> bool:
    return series.meter == "cache_read" or _BATCH in series.qualifiers


def _never_below(series: Series) -> Iterator[tuple[Series, str]]:
    """The series that can't be cheaper than this one, with the reason to hold both if they are."""
    if series.meter == "cache_read":
        yield replace(_with(series, cache_ttl=None), meter="input"), CACHE_ABOVE_INPUT
    if _BATCH in series.qualifiers:
        for tier in ("standard", None):
            yield _with(series, service_tier=tier), BATCH_ABOVE_STANDARD


def _with(series: Series, **changes: str | None) -> Series:
    qualifiers = {**dict(series.qualifiers), **changes}
    kept = ((name, value) for name, value in qualifiers.items() if value)
    return replace(series, qualifiers=tuple(sorted(kept)))


def _jumps(
    fresh: Collection[Quote],
    in_force: Mapping[Series, Decimal],
    settings: GateSettings,
    pending: Mapping[Series, Decimal],
) -> Iterator[Held]:
    for quote in fresh:
        before, after = in_force.get(quote.series), quote.amount
        if before is None or pending.get(quote.series) == after:
            continue
        text = f"{quote.series}: {digits(before)} in force, {digits(after)} read"
        if not before or not after:
            yield Held(quote, ZERO, text)
        elif after > before * settings.max_jump or after * settings.max_jump < before:
            yield Held(quote, JUMP, text)


def _amid_jumps(
    fresh: Collection[Quote],
    in_force: Mapping[Series, Decimal],
    settings: GateSettings,
    pending: Mapping[Series, Decimal],
) -> Iterator[Held]:
    moved = sum(quote.series in in_force for quote in fresh)
    jumped = sum(1 for _ in _jumps(fresh, in_force, settings, pending))
    if jumped >= _LEAST_MOVED and 2 * jumped >= moved:
        for quote in fresh:
            if pending.get(quote.series) != quote.amount:
                text = f"{quote.series}: {digits(quote.amount)} read, where {jumped} of {moved}"
                yield Held(quote, JUMP, f"{text} changed prices jumped")
