"""Whole price lists: what is compared, read and written, and that it equals the ordinary way."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from pricebook.book import partition_id
from pricebook.bulk import remembered
from pricebook.quote import Quote, SetAside
from pricebook.runs import Fetched
from pricebook.schema import open_book
from scraper.aws.list_entry import EnteredList, TakenList, compare_list, enter_list
from scraper.aws.list_file import ListHead
from scraper.aws.whole_list import Rate, RowReader
from scraper.collect import Taken, enter
from scraper.document import sorted_out
from scraper.settings import GateSettings

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
        with self.engine.begin() as connection:
            partition = partition_id(connection, PARTITION)
            last = remembered(connection, partition)
            taken = TakenList(PARTITION, REGION, str(self.at), self.at, last and last.run_id)
            if rows is not None:
                raw = price_list(rows, self.at)
                head, found = compare_list(pieces(raw), REGION, last and last.memory)
                fetched = Fetched("https://x/#*", "csv", self.at, "0" * 64, len(raw))
                taken = TakenList(
                    *(PARTITION, REGION, str(self.at), self.at, last and last.run_id),
                    *(fetched, head, found),
                )
            with ExitStack() as stack:
                if taken.comparison:
                    stack.callback(taken.comparison.close)
                return enter_list(connection, partition, taken, gate or GateSettings())


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
    reader = RowReader(head, REGION)
    rows = lines[len(head.lines) : -1]
    for line, said in zip(rows, reader.read(rows), strict=True):
        if isinstance(said, Rate):
            yield reader.quote(line)
        elif said is not None:
            yield said


def contents(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """What the book says, without the numbers that rows happen to have."""
    key = "s.product, s.meter, s.term, s.more, s.region"
    price = "p.valid_from, p.recorded_at, p.amount, p.basis"
    current = f"{price}, p.unseen_since, p.missing_since"
    questions = {
        "price": f"SELECT {key}, {price} FROM price p JOIN series s ON s.id = p.series_id",
        "current": f"SELECT {key}, {current} FROM current p JOIN series s ON s.id = p.series_id",
        "run": "SELECT at, outcome, quotes, changes FROM run",
        "review": f"SELECT r.reason, r.status, r.amount, {key} FROM review r"
        " JOIN series s ON s.id = r.series_id",
    }
    with engine.begin() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(text(question))), key=repr)
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
        rows = {one: price for one, price in (rows | changed).items() if price}
        order = [Row(m, price, s, p, unit) for (m, s, p, unit), price in rows.items()]
        if draw(st.integers(0, 3)) == 0:
            order = draw(st.permutations(order))
        lists.append(order)
    return lists


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lists=histories())
def test_both_ways_give_the_same_book(lists: list[list[Row]], tmp_path_factory) -> None:
    """Whatever the lists, look by look: prices, what is in force, runs and reviews."""
    folder = tmp_path_factory.mktemp("books")
    engines = [open_book(f"sqlite:///{folder}/{name}.db") for name in ("bulk", "ordinary")]
    bulk, ordinary = Bulk(engines[0]), Ordinary(engines[1])
    for rows in lists:
        bulk.look(rows)
        ordinary.look(rows)
        assert contents(engines[1]) == contents(engines[0])
    for engine in engines:
        engine.dispose()
