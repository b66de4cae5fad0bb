"""EC2 prices from price list files: what is kept of a stream, and how the rows are read."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, repeat
from pathlib import Path

import pytest

from breakeven.demo.price_files import list_csv
from breakeven.demo.price_list import Item, Machine, price_list
from pricebook.errors import DocumentRefused
from scraper.aws.bulk import cut_list, read_list
from scraper.aws.query import read_answer
from scraper.aws.settings import AwsSettings

PUBLISHED = datetime(2026, 9, 10, 19, 55, 14, tzinfo=UTC)
P4D = Machine(
    *("p4d.24xlarge", "us-east-1", 96, "1152 GiB", Decimal("21.957642")),
    reserved={
        (1, "standard", "none"): (Decimal(0), Decimal("20.1754983")),
        (1, "standard", "all"): (Decimal(164955), Decimal(0)),
        (3, "convertible", "partial"): (Decimal(170000), Decimal("6.5")),
    },
    gpu="8",
    capacity_block=True,
)
G6 = Machine("g6.xlarge", "us-east-1", 4, "16 GiB", Decimal("0.8048"), gpu="1")
M5 = Machine("m5.large", "us-east-1", 2, "8 GiB", Decimal("0.096"))
SETTINGS = AwsSettings(families=("p4d", "g6"))


def pieces(text: str, size: int = 1000) -> Iterator[bytes]:
    raw = text.encode()
    return (raw[start : start + size] for start in range(0, len(raw), size))


def cut(text: str, region: str = "us-east-1") -> bytes:
    return cut_list(pieces(text), SETTINGS, region)


def items(*machines: Machine) -> list[Item]:
    return price_list(machines, PUBLISHED)


def changed(text: str, **cells: str) -> str:
    """The list with these cells changed in the first row of a price."""
    head, (columns, first, *rest) = text.splitlines()[:5], text.splitlines()[5:]
    (names,), (row,) = csv.reader([columns]), csv.reader([first])
    for name, value in cells.items():
        row[names.index(name.replace("_", " "))] = value
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="").writerow(row)
    return "\n".join([*head, columns, out.getvalue(), *rest, ""])


def test_a_file_says_what_the_api_says() -> None:
    """The same products give the same quotes, refusals and all, whichever way they come."""
    products = items(P4D, G6)
    by_file = read_list(cut(list_csv(PUBLISHED, products)), SETTINGS, "us-east-1")
    on_demand = [
        one for one in products if one["terms"]["OnDemand"] and "CB" not in json.dumps(one)
    ]
    raw = json.dumps({"PriceList": [json.dumps(one) for one in on_demand]}).encode()
    by_api = read_answer(raw, SETTINGS, "us-east-1")
    assert set(by_api.reading.quotes) == set(by_file.reading.quotes)
    assert 7 == len(by_api.reading.quotes)


def test_a_cut_is_the_head_and_the_rows_wanted_as_they_came() -> None:
    """Other machines, Capacity Block twins and the like stay out; nothing is rewritten."""
    text = list_csv(PUBLISHED, items(M5, P4D, G6))
    head, rows = cut(text).decode().splitlines()[:6], cut(text).decode().splitlines()[6:]
    assert text.splitlines()[:6] == head
    assert set(rows) < set(text.splitlines())
    assert {"p4d.24xlarge": 6, "g6.xlarge": 1} == Counter(
        name for row in csv.reader(rows) for name in row if name in ("p4d.24xlarge", "g6.xlarge")
    )


def test_a_cut_can_be_cut_again() -> None:
    """The same list gives the same bytes, in whatever pieces it comes."""
    text = list_csv(PUBLISHED, items(M5, P4D, G6))
    whole = cut_list(iter([text.encode()]), SETTINGS, "us-east-1")
    assert whole == cut(text) == cut(whole.decode())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Region_Code", "us-west-2"),
        ("Location_Type", "AWS Local Zone"),
        ("Operating_System", "Windows"),
        ("Tenancy", "Dedicated"),
        ("Pre_Installed_S/W", "SQL Std"),
        ("License_Model", "Bring your own license"),
        ("CapacityStatus", "AllocatedCapacityReservation"),
        ("MarketOption", "CapacityBlock"),
        ("operation", "RunInstances:CB"),
    ],
)
def test_rows_on_other_conditions_are_left_out(column: str, value: str) -> None:
    """What GetProducts filters away is filtered here."""
    text = changed(list_csv(PUBLISHED, items(G6, P4D)), **{column: value})
    quotes = read_list(cut(text), SETTINGS, "us-east-1").reading.quotes
    assert {"p4d.24xlarge"} == {quote.series.product for quote in quotes}


def test_no_software_may_be_written_as_nothing() -> None:
    """The files leave the cell empty where GetProducts says NA."""
    text = changed(list_csv(PUBLISHED, items(G6)), **{"Pre_Installed_S/W": ""})
    assert 1 == len(read_list(cut(text), SETTINGS, "us-east-1").reading.quotes)


def test_a_local_zone_is_a_place_of_its_own() -> None:
    """Its list is read under its own code, and its rows don't get among the region's."""
    zone = "us-east-1-atl-1"
    words = {"Region_Code": zone, "Location_Type": "AWS Local Zone", "PricePerUnit": "1.0060000000"}
    text = changed(list_csv(PUBLISHED, items(G6)), **words)
    (quote,) = read_list(cut(text, zone), SETTINGS, zone).reading.quotes
    assert (zone, Decimal("1.006")) == (quote.series.get("region"), quote.amount)
    with pytest.raises(DocumentRefused, match="AWS lists no price of p4d, g6"):
        read_list(cut(text), SETTINGS, "us-east-1")


OLD = ("Region Code", "MarketOption", "CapacityStatus", "OfferingClass")


def test_lists_of_earlier_years_lack_columns() -> None:
    """What they didn't tell apart isn't asked; the term's code says what its words don't."""
    machine = replace(P4D, capacity_block=False)
    old = read_list(cut(list_csv(PUBLISHED, items(machine), OLD)), SETTINGS, "us-east-1")
    new = read_list(cut(list_csv(PUBLISHED, items(machine))), SETTINGS, "us-east-1")
    assert new.reading == old.reading


def test_two_entries_that_no_column_tells_apart_are_both_set_aside() -> None:
    """A list without the column of markets has the price and its $0 twin: neither is right."""
    columns = ("MarketOption", "operation")
    text = list_csv(PUBLISHED, items(P4D, G6), ("MarketOption",)).replace(":CB", "")
    answer = read_list(cut(text), SETTINGS, "us-east-1")
    assert {"g6.xlarge"} == {quote.series.product for quote in answer.reading.quotes}, columns
    (aside,) = answer.reading.set_aside
    assert "2 entries for p4d.24xlarge Linux, where one is right" == aside.reason


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda text: text[:-300], "breaks off within a line"),
        (
            lambda text: text.replace('"v1.0"', '"v2.0"'),
            "of AmazonEC2 in format v2.0, not of AmazonEC2 in v1.0",
        ),
        (
            lambda text: text.replace('"AmazonEC2"\n', '"AmazonRDS"\n'),
            "a price list of AmazonRDS in",
        ),
        (lambda text: text.replace("PricePerUnit", "Price"), "no column priceperunit"),
        (lambda text: text.replace('"Linux"', '"Linux","x"'), "cells under 33 columns"),
        (lambda text: "<html>\n" * 30, "no AWS price list: it has no line of columns"),
        (lambda text: "", "no AWS price list: it has no line of columns"),
    ],
)
def test_a_damaged_list_is_refused_as_a_whole(damage: Callable[[str], str], sentence: str) -> None:
    """Cut off, of another format or offer, without a column or with one too many."""
    text = damage(list_csv(PUBLISHED, items(G6)))
    with pytest.raises(DocumentRefused) as caught:
        read_list(cut(text), SETTINGS, "us-east-1")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("aws-ec2/us-east-1: ")


def test_a_large_list_is_never_whole_in_memory() -> None:
    """40 MB pass through in a second or two; what is held is the cut and a little more."""
    text = list_csv(PUBLISHED, items(G6))
    head, row = "\n".join(text.splitlines()[:6]), text.splitlines()[6]
    padding = (row.replace("g6.xlarge", "m5.large") + "\n").encode() * 100
    chunks = chain([f"{head}\n{row}\n".encode()], repeat(padding, 40_000_000 // len(padding)))
    tracemalloc.start()
    kept = cut_list(iter(chunks), SETTINGS, "us-east-1")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f"{head}\n{row}\n".encode() == kept
    assert peak < 1_000_000


def test_real_rows_are_read(real_data: Path) -> None:
    """Rows of a real list (ap-northeast-1, 2025-09): shared Linux c5.xlarge is told from the rest.

    That list's columns were renamed by who cut it; the names mean the same.
    """
    name = "bulk_index_csv_rows_ap-northeast-1_c5.xlarge_202509.csv"
    rows = (real_data / "aws/pricelist_samples" / name).read_text(encoding="utf-8")
    before = "FormatVersion,v1.0\nPublication Date,2025-09-30T00:00:00Z\nOfferCode,AmazonEC2\n"
    text = f"{before}SKU{rows.removeprefix('sku').rstrip()}\n"
    settings = AwsSettings(families=("c5.xlarge",))
    raw = cut_list(pieces(text), settings, "ap-northeast-1")
    (quote,) = read_list(raw, settings, "ap-northeast-1").reading.quotes
    assert ("0.0920000000", "reserved", "3") == (
        *(quote.quoted, quote.series.get("term"), quote.series.get("term_years")),
    )
