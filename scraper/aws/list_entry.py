"""A whole price list on its way into the book: what is new in it and gone is entered in one
transaction, after it was compared with the last one.

The gate's rules that are cheap hold here, too, and judge only what changed: a price that jumped,
went to or from zero, or moved by the same power of ten as the others (`scraper.gate.decide`, with
the changed and new prices of this list); and a list with fewer series than the last one by more
than `max_drop_of_count` withdraws nothing. Not asked: whether a price fits the rest of its family
or other regions. The first list of a region has nothing to be compared with: it is believed.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection

from pricebook.book import Change
from pricebook.bulk import (
    BulkWriter,
    Counts,
    Standing,
    note_outcome,
    outcome_of,
    remember,
    remembered,
)
from pricebook.errors import DocumentRefused
from pricebook.garbage import nothing_collected
from pricebook.question import amount
from pricebook.quote import OBSERVED, Price, Quote, Series, SetAside, to_ticks
from pricebook.runs import (
    Fetched,
    Held,
    last_count,
    note_fetch,
    note_held,
    note_run,
    pending,
    rejected,
)
from pricebook.tariffs import Key, key_of, series_of_key
from scraper.aws.compared_list import ComparedList
from scraper.settings import GateSettings

if TYPE_CHECKING:
    from scraper import gate

COMPLETE, PARTIAL = "complete", "partial"

_BATCH = 5000
_MOST_JUMPS = 1000
"""More than that at once is no news but a misprint, or a mistake of ours: it is refused whole."""
_MOST_JUDGED = 20_000
_BELOW_TEN = Decimal("9.9")


@dataclass(frozen=True, slots=True)
class TakenList:
    """A list that was compared: `based_on` is the run that entered the one that it was compared
    with. None `compared`: it is the same version, and nothing was fetched."""

    partition: str
    region: str
    version: str
    at: datetime
    based_on: int | None
    fetched: Fetched | None = None
    compared: ComparedList | None = None


@dataclass(frozen=True, slots=True)
class EnteredList:
    """What a list did to the book; `quotes` are the series that it prices.

    `changes` are what series that were known cost now, where they are not more than 20,000; new
    and withdrawn ones are counted only.
    """

    outcome: str
    quotes: int
    counts: Counts
    held: Sequence[Held] = ()
    changes: Sequence[Change] = ()


@nothing_collected()
def enter_list(
    connection: Connection, partition: int, taken: TakenList, settings: GateSettings
) -> EnteredList:
    """Bring a list into the book, inside the caller's transaction.

    DocumentRefused, and nothing must be committed, when another process has entered a list since
    this one was compared, or when its prices can't be believed.
    """
    last = remembered(connection, partition, with_memory=False)
    if (last and last.run_id) != taken.based_on:
        raise DocumentRefused(f"{taken.partition}: another list was entered meanwhile; read again")
    expected = last_count(connection, taken.partition)
    run = note_run(connection, taken.partition, taken.at, COMPLETE, quotes=expected)
    writer = BulkWriter(connection, partition, run, taken.at)
    if taken.compared is None:
        entered = _enter_same(connection, taken, writer, expected)
        _note(connection, run, entered)
        return entered
    if taken.fetched:
        note_fetch(connection, run, taken.fetched)
    entry = _Entry(taken, taken.compared, writer)
    entry.read(rejected(connection, taken.partition))
    entry.judge(settings, pending(connection, taken.partition, taken.at))
    entered = entry.finish(connection, settings, expected)
    _note(connection, run, entered)
    return entered


def _enter_same(
    connection: Connection, taken: TakenList, writer: BulkWriter, expected: int
) -> EnteredList:
    """The version that was read before: a further look that shows and lacks the same."""
    outcome = outcome_of(connection, taken.based_on)
    # What couldn't be read then may be what is missing now, so nothing is withdrawn beside it.
    writer.miss((), (), complete=outcome == COMPLETE)
    return EnteredList(outcome, expected, writer.counts)


def _note(connection: Connection, run: int, entered: EnteredList) -> None:
    values = {"outcome": entered.outcome, "quotes": entered.quotes, "held": len(entered.held)}
    note_outcome(connection, run, changes=entered.counts.all, **values)


class _Moved(NamedTuple):
    """A series that cost something else until now, and the row that says so."""

    standing: Standing
    key: Key
    ticks: int
    row: int


class _Entry:
    """Enters what a comparison found: `read`, then `judge`, then `finish`. Rows are counted among
    the fresh ones."""

    def __init__(self, taken: TakenList, compared: ComparedList, writer: BulkWriter) -> None:
        self._taken, self._compared, self._writer = taken, compared, writer
        self._found = compared.found
        self._today = bytearray()
        """By series: 1 when a row of today has it."""
        self._new = array("I")
        """Rows of series that nobody had read before: they are written at once."""
        self._moved: dict[int, _Moved] = {}
        self._same: dict[int, Standing] = {}
        self._twice: dict[int, str] = {}
        """Products by series that cost this in one row and that in another."""
        self._doubted: set[int] = set()
        """Series that the list prices, but not so that it is believed."""
        self._forget: set[int] = set()
        """Rows that the next look shall read again."""
        self._asides: dict[str, list[SetAside]] = {}
        self._held: list[Held] = []

    def read(self, refused: Collection[tuple[Series, Decimal]]) -> None:
        """Go through all that the fresh rows say; what nobody ever read is written, what changed is
        judged first."""
        unwanted = {(key_of(series), to_ticks(amount)) for series, amount in refused}
        rates = self._compared.rates
        for row, aside in rates.asides:
            self._asides.setdefault(aside.reason, []).append(aside)
            self._forget.add(row)
        with self._writer.filling(len(rates.rows)):
            for start in range(0, len(rates.rows), _BATCH):
                some = slice(start, start + _BATCH)
                rows, ticks = rates.rows[some], rates.ticks[some]
                keys = list(zip(rates.products[some], rates.tariffs[some], strict=True))
                if unwanted or not self._are_first(rows, keys, ticks):
                    self._sort_out(rows, keys, ticks, unwanted)

    def _are_first(self, rows: array[int], keys: Sequence[Key], ticks: Sequence[int]) -> bool:
        """Write the rates of a first list as they come; False, and nothing is written, when one of
        them isn't the first of its series."""
        if not self._writer.is_first_look:
            return False
        numbers = self._writer.enter_new(keys, ticks)
        self._note_today(rows[: len(numbers)], numbers)
        self._new.extend(rows[: len(numbers)])
        return bool(numbers)

    def _sort_out(
        self,
        rows: Iterable[int],
        keys: Sequence[Key],
        amounts: Iterable[int],
        unwanted: Collection[tuple[Key, int]],
    ) -> None:
        new: dict[int, tuple[Standing, int]] = {}
        standings = self._writer.standings(keys)
        for row, key, ticks, one in zip(rows, keys, amounts, standings, strict=True):
            if self._is_priced(one):
                self._note_twice(one, key, ticks, row, new)
                continue
            self._note_today((row,), (one.number,))
            if (key, ticks) in unwanted:
                self._doubt(row)
            elif one.partition_id is None:
                new[one.number] = one, ticks
                self._new.append(row)
            elif one.amount != ticks:
                self._moved[one.number] = _Moved(one, key, ticks, row)
            elif one.unseen or one.partition_id != self._writer.partition:
                self._same[one.number] = one
        self._writer.enter(new.values())

    def _is_priced(self, one: Standing) -> bool:
        """Whether another row has this series: a fresh one, or one that hasn't changed."""
        number, found = one.number, self._found
        if number < len(self._today) and self._today[number]:
            return True
        was_seen = one.partition_id == self._writer.partition and not one.unseen
        return was_seen and number not in found.gone and found.knows(number)

    def _note_twice(
        self,
        one: Standing,
        key: Key,
        ticks: int,
        row: int,
        new: Mapping[int, tuple[Standing, int]],
    ) -> None:
        amount = new[one.number][1] if one.number in new else one.amount
        if one.number in self._moved:
            amount = self._moved[one.number].ticks
        if amount != ticks:
            self._twice[one.number] = key[0]
        self._forget.add(row)

    def _note_today(self, rows: Sequence[int], numbers: Sequence[int]) -> None:
        missing = max(numbers, default=-1) + 1 - len(self._today)
        self._today.extend(bytes(max(0, missing)))
        today, fresh, remembered = self._today, self._found.fresh, self._found.memory.numbers
        for row, number in zip(rows, numbers, strict=True):
            today[number] = 1
            remembered[fresh[row]] = number

    def _number_of(self, row: int) -> int:
        number: int = self._found.memory.numbers[self._found.fresh[row]]
        return number

    def _doubt(self, row: int) -> None:
        self._doubted.add(self._number_of(row))
        self._forget.add(row)

    def judge(self, settings: GateSettings, pending: Mapping[Series, Decimal]) -> None:
        """Hold what the gate doesn't believe."""
        self._drop_what_is_priced_twice()
        moved = [one for one in self._moved.values() if one.standing.amount is not None]
        jumped = [one for one in moved if _may_have_jumped(one, settings)]
        if len(jumped) > _MOST_JUMPS:
            raise DocumentRefused(
                f"{self._taken.partition}: {len(jumped)} of {len(moved)} changed prices jumped:"
                " not believed; if AWS confirms them, raise [gate] max_jump for one look"
            )
        if jumped:
            self._judge(moved, {one.row for one in jumped}, settings, pending)

    def _judge(
        self,
        moved: Sequence[_Moved],
        jumped: Collection[int],
        settings: GateSettings,
        pending: Mapping[Series, Decimal],
    ) -> None:
        # A list seldom has a jump: the gate is only called then.
        from scraper.document import Reading
        from scraper.gate import decide

        # Rules about all that changed ask for a half of it, so enough of what didn't jump will do.
        calm = [one.row for one in moved if one.row not in jumped][:_MOST_JUDGED]
        back = [one.row for one in self._moved.values() if one.standing.amount is None]
        new = [*back, *self._new]
        quotes = self._compared.quotes({*jumped, *calm, *new[:_MOST_JUDGED]})
        before = {one.row: one.standing.amount for one in moved}
        latest = {
            quote.series: self._price(quote, before[row])
            for quote, row in quotes.items()
            if row in before
        }
        verdict = decide(Reading(tuple(quotes)), latest, settings, pending)
        held = {quotes[one.quote]: one for one in verdict.held if one.quote is not None}
        if len(new) > _MOST_JUDGED and not held.keys().isdisjoint(new):
            raise DocumentRefused(f"{self._taken.partition}: {verdict.held[0].text}: not believed")
        self._hold(held)

    def _drop_what_is_priced_twice(self) -> None:
        for number, product in self._twice.items():
            aside = SetAside("two prices for one series", "", product)
            self._asides.setdefault(aside.reason, []).append(aside)
            self._same.pop(number, None)
            self._moved.pop(number, None)
            self._doubted.add(number)
        if self._twice:
            self._take_back({row for row in self._new if self._number_of(row) in self._twice})
            self._found.memory.forget_numbers(self._twice)

    def _take_back(self, rows: Collection[int]) -> None:
        if rows:
            self._writer.take_back([self._number_of(row) for row in rows])
            self._new = array("I", (row for row in self._new if row not in rows))

    def _price(self, quote: Quote, ticks: int | None) -> Price:
        at, source = self._taken.at, self._taken.partition
        return Price(quote.series, amount(ticks), at, OBSERVED, at, source)

    def _hold(self, held: Mapping[int, gate.Held]) -> None:
        """Leave out what these rows say."""
        for row, one in held.items():
            if one.quote is not None:
                text = f"{one.quote.quoted}: {one.text}"
                place = one.quote.where
                self._held.append(Held(one.reason, place, text, one.quote, one.curable))
            self._moved.pop(self._number_of(row), None)
            self._doubt(row)
        self._take_back({row for row in self._new if row in held})

    def finish(self, connection: Connection, settings: GateSettings, expected: int) -> EnteredList:
        """Write what was believed, note what was missed, and remember the list."""
        memory, writer = self._found.memory, self._writer
        quotes = len(memory) - memory.numbers.count(0)
        if not quotes:
            raise DocumentRefused(f"{self._taken.partition}: the list holds no price of a machine")
        complete = quotes >= expected * (1 - settings.max_drop_of_count)
        held = [*self._held, *_grouped(self._asides)]
        if not complete:
            from scraper.gate import TOO_FEW

            text = f"{quotes} series read, {expected} the last time: the list may be cut short"
            held.append(Held(TOO_FEW, "the whole list", text))
        writer.see(self._same.values())
        writer.enter((one.standing, one.ticks) for one in self._moved.values())
        # Without a memory of the last list, whatever the book has may have been in it.
        there = self._found.gone if self._found.had_memory else writer.in_force()
        lost = {number for number in there if not self._is_of_today(number)}
        writer.miss(lost, self._doubted | self._mentioned(lost), complete=complete)
        memory.forget(self._found.fresh[row] for row in self._forget)
        again = not complete or any(one.curable for one in held)
        version = "" if again else self._taken.version
        changed = self._found.is_new or self._forget
        remember(
            *(connection, writer.partition, writer.run_id, version),
            memory.pieces() if changed else None,
        )
        note_held(connection, self._taken.partition, writer.run_id, self._taken.at, held)
        outcome = COMPLETE if complete and not held else PARTIAL
        return EnteredList(outcome, quotes, writer.counts, held, self._changes())

    def _changes(self) -> list[Change]:
        if len(self._moved) > _MOST_JUDGED:
            return []
        return [
            Change(series_of_key(one.key), amount(one.standing.amount), amount(one.ticks), at)
            for at in [self._taken.at]
            for one in self._moved.values()
        ]

    def _is_of_today(self, number: int) -> bool:
        return number < len(self._today) and self._today[number] == 1

    def _mentioned(self, lost: Collection[int]) -> set[int]:
        """What is missing of the machines that rows which couldn't be read are about."""
        machines = {aside.text for asides in self._asides.values() for aside in asides}
        if not machines:
            return set()
        products = self._writer.products({*lost, *self._writer.unseen()})
        return {number for number, product in products.items() if product in machines}


def _may_have_jumped(one: _Moved, settings: GateSettings) -> bool:
    """Whether the gate minds: no power of ten is below this, either."""
    limit = min(settings.max_jump, _BELOW_TEN)
    before, after = one.standing.amount or 0, one.ticks
    return not before or not after or after > limit * before or before > limit * after


def _grouped(asides: Mapping[str, Sequence[SetAside]]) -> Iterator[Held]:
    """One for each reason: whatever AWS comes up with next stands in thousands of rows."""
    for reason, same in asides.items():
        text = f"{same[0].text} and {len(same) - 1} more rows" if same[1:] else same[0].text
        yield Held(reason, same[0].where, text)
