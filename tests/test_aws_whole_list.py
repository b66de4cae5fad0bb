"""Whole price lists: what is compared, read and written, and that it equals the ordinary way."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from breakeven.demo.world import PageServer
from pricebook.book import as_of, partition_id
from pricebook.bulk import Counts, Remembered, last_list, remember, remembered
from pricebook.config import load
from pricebook.errors import DocumentRefused
from pricebook.quote import Quote, Series, SetAside
from pricebook.runs import Fetched, last_fetch, note_run
from pricebook.schema import connect, loading, open_book
from pricebook.series import Filter
from pricebook.tariffs import Key, key_of
from scraper.aws import compared_list, line_memory
from scraper.aws.compared_list import compare_list
from scraper.aws.line_memory import NO_DATE, Comparison, Memory, compare
from scraper.aws.list_entry import EnteredList, TakenList, enter_list
from scraper.aws.list_file import ListHead
from scraper.aws.settings import AwsSettings
from scraper.aws.source import Ec2Source
from scraper.aws.whole_list import RowReader
from scraper.collect import Taken, Tools, enter, enter_all
from scraper.document import sorted_out
from scraper.evidence import EvidenceFolder
from scraper.http import HttpClient
from scraper.settings import GateSettings, HttpSettings

REGION = "us-east-1"
PARTITION = f"aws-ec2/{REGION}"
START = datetime(2026, 9, 10, 20, tzinfo=UTC)

COLUMNS = (
    *("SKU", "OfferTermCode", "RateCode", "TermType", "PriceDescription", "EffectiveDate"),
    *("StartingRange", "EndingRange", "Unit", "PricePerUnit", "Currency", "RelatedTo"),
    *("LeaseContractLength", "PurchaseOption", "OfferingClass", "Product Family"),
    *("Location Type", "Instance Type", "Tenancy", "Operating System", "License Model"),
    *("CapacityStatus", "Pre Installed S/W", "MarketOption", "Region Code"),
)


@dataclass(frozen=True)
class Row:
    """One rate of a machine; what isn't given is as it is for most."""

    machine: str
    price: str
    system: str = "Linux"
    payment: str = ""
    unit: str = "Hrs"
    sku: str = ""
    cells: dict[str, str] = field(default_factory=dict, hash=False)

    def as_cells(self, day: datetime) -> list[str]:
        sku = self.sku or f"SKU{self.machine}{self.system}"
        rate = f"{sku}.{self.payment or 'OD'}.{self.unit}"
        values = {
            "SKU": sku,
            "OfferTermCode": self.payment or "OD",
            "RateCode": rate,
            "TermType": "Reserved" if self.payment else "OnDemand",
            "PriceDescription": f"a {self.machine}, Linux/UNIX",
            "EffectiveDate": f"{day:%Y-%m-%d}" if self.payment else "2026-09-01",
            "Unit": self.unit,
            "PricePerUnit": self.price,
            "Currency": "USD",
            "LeaseContractLength": "1yr" if self.payment else "",
            "PurchaseOption": self.payment,
            "OfferingClass": "standard" if self.payment else "",
            "Product Family": "Compute Instance",
            "Location Type": "AWS Region",
            "Instance Type": self.machine,
            "Tenancy": "Shared",
            "Operating System": self.system,
            "License Model": "No License required",
            "CapacityStatus": "Used",
            "Pre Installed S/W": "NA",
            "MarketOption": "OnDemand",
            "Region Code": REGION,
            **self.cells,
        }
        return [values.get(column, "") for column in COLUMNS]


def price_list(rows: Sequence[Row], day: datetime) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(("FormatVersion", "v1.0"))
    writer.writerow(("Publication Date", f"{day:%Y-%m-%dT%H:%M:%SZ}"))
    writer.writerow(("OfferCode", "AmazonEC2"))
    writer.writerow(COLUMNS)
    writer.writerows(row.as_cells(day) for row in rows)
    # As AWS writes them: only what isn't empty is quoted.
    return out.getvalue().replace(',""', ",").encode()


def pieces(raw: bytes, size: int = 700) -> Iterator[bytes]:
    return (raw[start : start + size] for start in range(0, len(raw), size))


class Bulk:
    """Enters lists the fast way, a day apart."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.at = engine, START

    def look(self, rows: Sequence[Row] | None, gate: GateSettings | None = None) -> EnteredList:
        """One look; None: the same version as before."""
        self.at += timedelta(days=1)
        with loading(self.engine) as connection:
            partition = partition_id(connection, PARTITION)
            last = remembered(connection, partition)
            taken = TakenList(PARTITION, REGION, str(self.at), self.at, last and last.run_id)
            if rows is not None:
                raw = price_list(rows, self.at)
                compared = compare_list(pieces(raw), REGION, last and last.memory)
                fetched = Fetched("https://x/#*", "csv", self.at, "0" * 64, len(raw))
                taken = replace(taken, fetched=fetched, compared=compared)
            entered = enter_list(connection, partition, taken, gate or GateSettings())
        assert [] == dangling(self.engine)
        return entered


class Ordinary:
    """Enters every row of the same lists as quotes, like those of a page."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.at = engine, START

    def look(self, rows: Sequence[Row], gate: GateSettings | None = None) -> None:
        self.at += timedelta(days=1)
        with self.engine.begin() as connection:
            reading = sorted_out(items(price_list(rows, self.at)))
            fetched = Fetched("https://x/", "csv", self.at, "0" * 64, 1)
            quotes = tuple((quote, 0) for quote in reading.quotes)
            taken = Taken(PARTITION, self.at, (fetched,), quotes, reading.set_aside, seller="aws")
            enter(connection, taken, gate or GateSettings())


def items(raw: bytes) -> Iterator[Quote | SetAside]:
    lines = raw.split(b"\n")
    head = ListHead.read(iter(lines), "AmazonEC2", "x")
    rows = lines[len(head.lines) : -1]
    reader = RowReader(head, REGION)
    reader.read(b"".join(row + b"\n" for row in rows))
    for row in reader.rates.rows:
        yield reader.quote(rows[row])
    for _, aside in reader.rates.asides:
        yield aside


def dangling(engine: Engine) -> list[object]:
    """Rows that refer to none, which SQLite doesn't look for while a list is loaded."""
    if engine.dialect.name != "sqlite":
        return []
    with engine.connect() as connection:
        return list(connection.exec_driver_sql("PRAGMA foreign_key_check"))


def plain(row: Iterable[object]) -> tuple[object, ...]:
    """Times as SQLite keeps them."""
    return tuple(int(cell.timestamp()) if isinstance(cell, datetime) else cell for cell in row)


def contents(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """What the book says, without the numbers that rows happen to have."""
    key = "n.product, t.meter, t.term, t.more, t.region"
    named = (
        "JOIN series s ON s.id = p.series_id JOIN product_name n ON n.id = s.product_id"
        " JOIN tariff t ON t.id = s.tariff_id"
    )
    price = "p.valid_from, p.recorded_at, p.amount, p.basis"
    current = f"{price}, p.unseen_since, p.missing_since"
    questions = {
        "price": f"SELECT {key}, {price} FROM price p {named}",
        "current": f"SELECT {key}, {current} FROM current p {named}",
        "run": "SELECT at, outcome, quotes, changes FROM run",
        "review": f"SELECT p.reason, p.status, p.amount, {key} FROM review p {named}",
    }
    with engine.begin() as connection:
        return {
            name: sorted((plain(row) for row in connection.execute(text(question))), key=repr)
            for name, question in questions.items()
        }


MACHINES = ("m5.large", "c6g.xlarge", "p4d.24xlarge", "g6.xlarge", "x2idn.2xlarge", "r5.large")
OFFERS = [("", "Hrs"), ("No Upfront", "Hrs"), ("All Upfront", "Quantity")]


@st.composite
def histories(draw: st.DrawFn) -> list[list[Row]]:
    """Some lists of the same machines: prices change, jump, go and come back."""
    offers = [(m, s, *o) for m in MACHINES for s in ("Linux", "Windows") for o in OFFERS]
    prices = st.sampled_from(["1.0000000000", "1.1000000000", "1.2500000000", "9", "10", "0.1"])
    rows = {one: draw(prices) for one in draw(st.lists(st.sampled_from(offers), min_size=8))}
    lists = []
    for _ in range(draw(st.integers(2, 5))):
        changed = draw(st.dictionaries(st.sampled_from(offers), st.none() | prices, max_size=6))
        # Never none at all: such a list is refused.
        rows = {one: price for one, price in (rows | changed).items() if price} or rows
        order = [Row(m, price, s, p, unit) for (m, s, p, unit), price in rows.items()]
        if draw(st.integers(0, 3)) == 0:
            order = draw(st.permutations(order))
        lists.append(order)
    return lists


@pytest.fixture(scope="module")
def empty_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book with its schema, to be copied."""
    file = tmp_path_factory.mktemp("book") / "empty.db"
    open_book(f"sqlite:///{file}").dispose()
    return file


@settings(
    max_examples=int(os.environ.get("BREAKEVEN_LISTS", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lists=histories(), slowly=st.integers(0, 2))
def test_both_ways_give_the_same_book(
    lists: list[list[Row]], slowly: int, empty_book: Path
) -> None:
    """Whatever the lists, look by look: prices, what is in force, runs and reviews.

    Also where the first looks went the ordinary way, and left no memory of their lines.
    """
    files = [empty_book.with_name(f"{name}.db") for name in ("bulk", "ordinary")]
    for file in files:
        for left in empty_book.parent.glob(f"{file.name}-*"):
            left.unlink()
        shutil.copy(empty_book, file)
    engines = [connect(f"sqlite:///{file}") for file in files]
    bulk, ordinary = Bulk(engines[0]), Ordinary(engines[1])
    before = Ordinary(engines[0])
    for number, rows in enumerate(lists):
        if number < slowly:
            before.look(rows)
            bulk.at = before.at
        else:
            bulk.look(rows)
        ordinary.look(rows)
        expected, found = (contents(engine) for engine in reversed(engines))
        for name, told in expected.items():
            assert set(told) ^ set(found[name]) == set(), name
        assert expected == found
    for engine in engines:
        engine.dispose()


LIST = [Row("m5.large", "0.0960000000"), Row("g6.xlarge", "0.8048000000"), Row("p5.4xlarge", "9.5")]


def test_both_databases_give_the_same_book(book: Engine, tmp_path: Path) -> None:
    """A new list, changes, a jump, one gone and back, on SQLite and on PostgreSQL by COPY."""
    engine = open_book(f"sqlite:///{tmp_path}/ordinary.db")
    bulk, ordinary = Bulk(book), Ordinary(engine)
    more = [*LIST, Row("c5.large", "1", payment="All Upfront", unit="Quantity")]
    cheaper = [Row("m5.large", "0.09"), *LIST[1:]]
    for rows in (LIST, more, cheaper, cheaper[:2], [*cheaper[:2], Row("p5.4xlarge", "99")], LIST):
        bulk.look(rows)
        ordinary.look(rows)
        assert contents(engine) == contents(book)
    engine.dispose()


def test_a_list_in_which_only_dates_moved_writes_nothing(sqlite_book: Engine) -> None:
    """AWS moves the dates of reserved rates to that of each publication."""
    bulk = Bulk(sqlite_book)
    rows = [*LIST, Row("m5.large", "0.06", payment="No Upfront")]
    assert Counts(new=4) == bulk.look(rows).counts
    again = bulk.look(rows)
    assert (Counts(), 4, "complete") == (again.counts, again.quotes, again.outcome)


def test_what_two_looks_miss_is_withdrawn_even_at_the_same_version(sqlite_book: Engine) -> None:
    """A look that finds the version it has read lacks what that lacked."""
    bulk = Bulk(sqlite_book)
    counts = [bulk.look(rows).counts for rows in (LIST * 1, LIST, LIST[:2] + LIST[3:])]
    assert [Counts(new=3), Counts(), Counts()] == counts
    few = GateSettings(max_drop_of_count=Decimal("0.5"))
    assert Counts() == bulk.look(LIST[:2], few).counts
    assert Counts(withdrawn=1) == bulk.look(None).counts
    assert Counts() == bulk.look(None).counts


def test_two_prices_for_one_series_are_both_held(sqlite_book: Engine) -> None:
    """Within a list, and when one of them stands in a row that hasn't changed."""
    bulk = Bulk(sqlite_book)
    rival = Row("m5.large", "0.5", sku="RIVAL")
    entered = bulk.look([*LIST, rival])
    assert (2, ["two prices for one series"]) == (
        entered.counts.new,
        [one.reason for one in entered.held],
    )
    assert Counts(new=1) == bulk.look(LIST).counts
    later = bulk.look([*LIST, rival], GateSettings(max_drop_of_count=Decimal("0.5")))
    assert ["two prices for one series"] == [one.reason for one in later.held]
    assert Decimal("0.096") == price_of(sqlite_book, "m5.large")


def test_a_jump_is_held_until_a_second_look_says_the_same(sqlite_book: Engine) -> None:
    """The row is read again, although the list hasn't changed but for its dates."""
    bulk = Bulk(sqlite_book)
    bulk.look(LIST)
    dear = [Row("m5.large", "0.9"), *LIST[1:]]
    held = bulk.look(dear)
    assert (Counts(), ["price jump"]) == (held.counts, [one.reason for one in held.held])
    assert Decimal("0.096") == price_of(sqlite_book, "m5.large")
    confirmed = bulk.look(dear)
    assert (Counts(changed=1), 0) == (confirmed.counts, len(confirmed.held))
    assert Decimal("0.9") == price_of(sqlite_book, "m5.large")


def test_a_jump_among_rows_too_many_to_keep_is_held_by_its_line(
    sqlite_book: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the head of such a list is kept: AWS has the whole, and the line is that of its file."""
    monkeypatch.setattr(compared_list, "_KEPT_BYTES", 10)
    bulk = Bulk(sqlite_book)
    bulk.look(LIST)
    jumped = [*LIST[:1], replace(LIST[1], price="90.0000000000"), *LIST[2:]]
    (held,) = bulk.look(jumped).held
    assert ("price jump", "line 6") == (held.reason, held.where)
    assert price_list(jumped, bulk.at).split(b"\n")[5].count(b'"90.0000000000"')
    assert held.quote is not None
    assert (LIST[1].machine, Decimal(90)) == (held.quote.series.product, held.quote.amount)


def test_a_list_full_of_jumps_is_refused(sqlite_book: Engine) -> None:
    """More of them than a person would review are a misprint."""
    bulk = Bulk(sqlite_book)
    bulk.look([Row(f"m{number}.large", "1") for number in range(1100)])
    with pytest.raises(DocumentRefused, match="1100 of 1100 changed prices jumped"):
        bulk.look([Row(f"m{number}.large", "10") for number in range(1100)])


def test_a_list_that_was_compared_with_another_is_refused(sqlite_book: Engine) -> None:
    """Two processes that compare at the same time don't both enter."""
    bulk = Bulk(sqlite_book)
    bulk.look(LIST)
    with sqlite_book.begin() as connection:
        partition = partition_id(connection, PARTITION)
        late = TakenList(PARTITION, REGION, "2", bulk.at, None)
        with pytest.raises(DocumentRefused, match="another list was entered meanwhile"):
            enter_list(connection, partition, late, GateSettings())


def price_of(engine: Engine, product: str) -> Decimal | None:
    with engine.begin() as connection:
        (price,) = as_of(connection, START + timedelta(days=99), where=Filter(product=product))
        return price.amount


def said(row: Row) -> tuple[Key, int] | SetAside | None:
    """What the reader makes of one row: series and ticks; why it isn't read; or nothing."""
    lines = price_list([row], START).split(b"\n")
    reader = RowReader(ListHead.read(iter(lines), "AmazonEC2", "x"), REGION)
    reader.read(lines[-2] + b"\n")
    rates = reader.rates
    assert 1 == rates.count
    found = zip(zip(rates.products, rates.tariffs, strict=True), rates.ticks, strict=True)
    return next(iter([*found, *(aside for _, aside in rates.asides)]), None)


def test_columns_may_stand_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a list says depends on its header, not on places; only the time to read it does."""
    rows = [*LIST, Row("m5.large", "free", "RHEL"), Row("m5.large", "5", cells={"Tenancy": ""})]
    usual = compare_list(pieces(price_list(rows, START)), REGION, None).rates
    monkeypatch.setattr(sys.modules[__name__], "COLUMNS", (COLUMNS[0], *reversed(COLUMNS[1:])))
    assert usual == compare_list(pieces(price_list(rows, START)), REGION, None).rates
    assert (len(LIST), 2) == (len(usual.rows), len(usual.asides))


@pytest.mark.parametrize(
    ("cells", "qualifiers"),
    [
        ({}, {}),
        ({"Pre Installed S/W": "SQL Std"}, {"software": "SQL Std"}),
        ({"License Model": "Bring your own license"}, {"license": "Bring your own license"}),
        ({"CapacityStatus": "UnusedCapacityReservation"}, {"capacity": "unused"}),
        ({"Tenancy": "Dedicated"}, {"tenancy": "dedicated"}),
        ({"Operating System": "RHEL"}, {"os": "RHEL"}),
        ({"PriceDescription": 'odd ""quotes"", and commas, "Compute Instance'}, {}),
    ],
)
def test_every_condition_is_part_of_the_series(
    cells: dict[str, str], qualifiers: dict[str, str]
) -> None:
    """What singles out the usual machine isn't written; what differs is."""
    usual = {"region": REGION, "os": "Linux", "tenancy": "shared", "term": "on_demand"}
    series = Series.of("aws", "m5.large", "instance", "hour", **(usual | qualifiers))
    assert (key_of(series), 960_000_000) == said(Row("m5.large", "0.0960000000", cells=cells))


@pytest.mark.parametrize(
    "cells",
    [
        {"MarketOption": "CapacityBlock"},
        {"Region Code": "us-east-1-atl-1"},
        {"Location Type": "AWS Local Zone"},
        {"Product Family": "Storage"},
    ],
)
def test_rows_that_sell_no_machine_here_are_left_out(cells: dict[str, str]) -> None:
    """Capacity Blocks' twins at $0, zones, and what is no machine."""
    assert said(Row("m5.large", "0.096", cells=cells)) is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("m5.large", "0.0000000000"), "a price of 0"),
        (Row("m5.large", "free"), "a price that is no amount"),
        (Row("m5.large", "1", unit="GB-Mo"), "the unit 'GB-Mo'"),
        (Row("m5.large", "1", payment="Some Upfront"), "a commitment of '1yr', 'Some Upfront'"),
        (
            Row("m5.large", "1", cells={"Tenancy": "Lunar"}),
            "tenancy 'Lunar', CapacityStatus 'Used'",
        ),
    ],
)
def test_rows_that_cant_be_read_say_why(row: Row, reason: str) -> None:
    """They are set aside, under the code of their rate."""
    aside = said(row)
    assert isinstance(aside, SetAside)
    assert (reason, "m5.large") == (aside.reason, aside.text)


def test_a_machine_in_its_reservation_costs_nothing_more() -> None:
    """AWS prints $0.00 for it, and means it."""
    row = Row("m5.large", "0.0000000000", cells={"CapacityStatus": "AllocatedCapacityReservation"})
    rate = said(row)
    assert isinstance(rate, tuple)
    assert 0 == rate[1]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda raw: raw[:-30], "breaks off within a line"),
        (lambda raw: raw.replace(b"PricePerUnit", b"Price"), "no column priceperunit"),
        (lambda raw: raw.replace(b'"AmazonEC2"', b'"AmazonRDS"'), "a price list of AmazonRDS"),
        (lambda raw: raw.replace(b"PriceDescription", b"PricePerUnit"), "two columns priceperunit"),
        (lambda raw: raw.replace(b',"USD"', b',"USD","more"', 1), "26 cells under 25 columns"),
        (lambda raw: raw.replace(b", Linux", b",\nLinux", 1), "ends within quotes"),
        (lambda raw: raw.replace(b'"USD"', b"US\rD", 1), "a line of the price list is no CSV"),
        (lambda raw: b"<html>\n" * 30, "no AWS price list"),
    ],
)
def test_a_damaged_list_is_refused(damage: Callable[[bytes], bytes], sentence: str) -> None:
    """Cut off, columns or cells too few or too many, of another offer, no list at all."""
    with pytest.raises(DocumentRefused, match=sentence):
        compare_list(pieces(damage(price_list(LIST, START))), REGION, None)


lines_of_a_list = st.lists(st.integers(0, 400), unique=True, max_size=200)


@settings(max_examples=200, deadline=None)
@given(old=lines_of_a_list, new=lines_of_a_list, again=st.booleans(), size=st.integers(1, 900))
def test_what_is_new_and_gone_is_found_in_any_order(
    old: list[int], new: list[int], again: bool, size: int
) -> None:
    """Every new line is fresh, every gone one is told, and what is remembered fits the lines."""
    if again:  # mostly the same, as lists are
        new = [number for number in old if number % 7] + new[:9]
        new = list(dict.fromkeys(new))
    before = remembered_lines(old, size)
    found, fresh = compared(new, before, size)
    assert [new[position] for position in found.fresh] == fresh
    assert set(new) - set(old) <= set(fresh)
    assert set(old) - set(new) == {number - 1 for number in found.gone} - set(fresh)
    known = [number for at, number in enumerate(new) if at not in set(found.fresh)]
    assert [number + 1 for number in known] == [n for n in found.memory.numbers if n]
    assert Memory.unpack(b"".join(found.memory.pieces())) == found.memory


def compared(numbers: list[int], before: Memory, size: int) -> tuple[Comparison, list[int]]:
    """A list of numbers beside the last one, and those that were read."""
    raw, fresh = b"".join(b"%d\n" % number for number in numbers), bytearray()
    found = compare(pieces(raw, size), before, NO_DATE, 1, "x", fresh.extend)
    return found, [int(line) for line in fresh.splitlines()]


def remembered_lines(numbers: list[int], size: int) -> Memory:
    """A memory in which each line stands for its number, and one."""
    found, _ = compared(numbers, Memory(), size)
    for position, number in enumerate(numbers):
        found.memory.numbers[position] = number + 1
    return found.memory


@settings(max_examples=200, deadline=None)
@given(old=lines_of_a_list, new=lines_of_a_list, others=st.sets(st.integers(0, 400)))
def test_a_list_is_the_same_as_itself(old: list[int], new: list[int], others: set[int]) -> None:
    """However its memory came about: read anew, or from a list of which some lines are others."""
    for again in (new, [number + 500 * (number in others) for number in old]):
        first, fresh = compared(again, remembered_lines(old, 700), 700)
        assert Counter(again) >= Counter(fresh)
        second, fresh = compared(again, first.memory, 300)
        assert not fresh
        assert set() == second.gone
        assert first.memory == second.memory


DAYS = (b"2026-09-10", b"2026-09-11")


def dated(prices: Sequence[int], day: bytes) -> list[bytes]:
    """Lines with a date in a cell and another one in words."""
    return [b'"of %b","%b","%d"\n' % (DAYS[0], day, price) for price in prices]


def fresh_of(before: Sequence[bytes], after: Sequence[bytes]) -> list[bytes]:
    """What a list of the first day and one of the second differ in."""
    lists, fresh = [b"".join(lines) for lines in (before, after)], bytearray()
    memory = compare(lists[:1], Memory(), DAYS[0], 1, "x", len).memory
    compare(lists[1:], memory, DAYS[1], 1, "x", fresh.extend)
    return fresh.splitlines(keepends=True)


def test_a_price_is_found_among_dates_that_all_moved() -> None:
    """One as long as it was, one that is longer, and one that is new."""
    prices = list(range(100, 200))
    after = [*prices[:20], 999, *prices[21:50], 1000, *prices[51:], 300]
    expected = dated([999, 1000, 300], DAYS[1])
    assert expected == fresh_of(dated(prices, DAYS[0]), dated(after, DAYS[1]))


@pytest.mark.parametrize(
    "quoted", [b'"2026-09-01"', b'"2026-09-12"', b'"as always."', b'"a","b","cd"']
)
def test_what_stands_in_the_place_of_the_date_is_read(quoted: bytes) -> None:
    """A rate's date may stay behind while the others move, or something else stands there."""
    before, after = (dated(range(100, 200), day) for day in DAYS)
    after[20] = after[20].replace(b'"%b"' % DAYS[1], quoted)
    assert [after[20]] == fresh_of(before, after)
    after[60] = after[60].replace(b'"160"', b'"161"')
    assert [after[20], after[60]] == fresh_of(before, after)


def test_a_date_in_words_is_as_good_as_any_word() -> None:
    """Only a cell that is nothing but the date may change with it."""
    before = [b'"of %b","1"\n' % DAYS[0]] * 3
    after = [b'"of %b","1"\n' % DAYS[1]] * 3
    assert after == fresh_of(before, after)


def test_a_line_may_be_longer_than_what_is_read_at_once() -> None:
    """Its date is masked, and its price is read, as those of any other."""
    long = b'"%b"' % (b"-" * 70_000)
    before, after = ([long + line for line in dated([1, 2], day)] for day in DAYS)
    assert [] == fresh_of(before, after)
    after[1] = after[1].replace(b'"2"', b'"3"')
    assert after[1:] == fresh_of(before, after)


def test_a_memory_of_another_format_is_none() -> None:
    """A list is read anew rather than by what was meant otherwise."""
    packed = b"".join(remembered_lines([1, 2, 3], 700).pieces())
    assert 3 == len(Memory.unpack(packed))
    assert Memory() == Memory.unpack(b"lines 1\n" + packed[8:])
    assert Memory() == Memory.unpack(bytes(100))


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of tests have many blocks, and lose their way soon."""
    monkeypatch.setattr(line_memory, "_BLOCK_BYTES", 40)
    monkeypatch.setattr(line_memory, "_WINDOW_BYTES", 300)
    monkeypatch.setattr(line_memory, "_AHEAD", 8)
    monkeypatch.setattr(line_memory, "_LOST", 50)


def test_a_list_is_read_anew_where_its_memory_is_of_another_format(sqlite_book: Engine) -> None:
    """As an older breakeven has left it: what changed is found, and what is gone."""
    bulk = Bulk(sqlite_book)
    bulk.look(LIST)
    with sqlite_book.begin() as connection:
        connection.execute(text("UPDATE list_memory SET memory = zeroblob(100)"))
    changed = [Row("m5.large", "0.1"), LIST[1]]
    few = GateSettings(max_drop_of_count=Decimal("0.5"))
    assert Counts(changed=1) == bulk.look(changed, few).counts
    assert Counts(withdrawn=1) == bulk.look(changed).counts


def test_the_memory_of_a_list_may_grow_and_shrink(book: Engine) -> None:
    """Written in the place of the last one, it is as it was given; None leaves it as it is."""
    with book.begin() as connection:
        partition = partition_id(connection, PARTITION)
        run = note_run(connection, PARTITION, START, "complete", quotes=0)
        for size in (0, 10, 100_000, 20_000, 300_000):
            pieces = (b"%d" % size, array("Q", range(size)))
            remember(connection, partition, run, "first", pieces)
            assert ("first", run, b"".join(pieces)) == remembered(connection, partition)
            remember(connection, partition, run, "later", None)
            assert ("later", run, b"".join(pieces)) == remembered(connection, partition)


def test_only_what_changed_is_read_and_kept(
    host: PageServer, sqlite_book: Engine, tmp_path: Path
) -> None:
    """A list leaves what is new in it; the same version isn't fetched."""
    at = [START]
    tools = tools_for(sqlite_book, tmp_path, lambda: at[0])
    source = Ec2Source(AwsSettings(families=("*",), price_files_url=host.url))
    kept = []
    for price in ("0.096", "0.1", "0.1"):
        at[0] += timedelta(days=1)
        host.pages = files_of([Row("m5.large", price), *LIST[1:]], price)
        (taken,) = source.take(tools)
        with sqlite_book.begin() as connection:
            (entered,) = enter_all(connection, [taken], GateSettings())
        kept.append((entered.outcome, entered.quotes, len(entered.changes)))
    assert [("complete", 3, 0), ("complete", 3, 1), ("complete", 3, 0)] == kept
    assert [200, 200] == [status for path, status in host.answers if path.endswith("index.csv")]
    with sqlite_book.begin() as connection:
        fetched = last_fetch(connection, f"{host.url}{list_path('0.1')}.csv#*")
    assert fetched is not None
    (row,) = tools.evidence.get(fetched.sha256).splitlines()[4:]
    assert b'"m5.large"' in row


def test_everything_is_asked_for_by_a_star(tmp_path: Path) -> None:
    """In `[aws]` both for families and for regions."""
    file = tmp_path / "breakeven.toml"
    file.write_text('[aws]\nfamilies = ["*"]\nregions = ["*"]\n')
    found = AwsSettings.from_table(load(file).table("aws"))
    assert found.takes_whole_lists
    assert {"us-east-1", "eu-west-1"} < set(found.regions)


@pytest.fixture
def host() -> Iterator[PageServer]:
    """A host of price list files."""
    with PageServer() as server:
        yield server


def list_path(price: str) -> str:
    version = f"{START + timedelta(minutes=int(Decimal(price) * 1000)):%Y%m%d%H%M%S}"
    return f"/offers/v1.0/aws/AmazonEC2/{version}/{REGION}/index"


def files_of(rows: Sequence[Row], price: str) -> dict[str, str]:
    """The index of regions and the list in force, by path."""
    path = list_path(price)
    regions = {REGION: {"regionCode": REGION, "currentVersionUrl": f"{path}.json"}}
    return {
        "/offers/v1.0/aws/AmazonEC2/current/region_index.json": json.dumps({"regions": regions}),
        f"{path}.csv": price_list(rows, START).decode(),
    }


def tools_for(engine: Engine, folder: Path, clock: Callable[[], datetime]) -> Tools:
    def remembered_list(partition: str) -> Remembered | None:
        with engine.begin() as connection:
            return last_list(connection, partition)

    http = HttpClient(HttpSettings(min_interval=timedelta(0), allow_loopback=True))
    return Tools(http, EvidenceFolder(folder), clock, lambda _: None, remembered_list)
