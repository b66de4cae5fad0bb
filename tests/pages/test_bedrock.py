"""AWS's price lists of Bedrock: every row by its usageType and unit, or set aside."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from scraper.providers import bedrock
from tests.pages.conftest import Cases, truth

CASES = Cases(bedrock, "2026-10-05-own.csv", words=("product", "meter", "unit", "qualifiers"))
INPUT = "USE1-xai.grok-4.3-mantle-input-tokens-standard"


read, page, changed = CASES.read, CASES.page, CASES.changed


def with_row(**cells: str) -> str:
    """The list with the row of `INPUT` once more, changed in these columns."""
    about, table = page().split('"SKU"', 1)
    rows = list(csv.DictReader(io.StringIO(f'"SKU"{table}')))
    row = next(row for row in rows if row["usageType"] == INPUT)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(row), quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, row | {name.replace("_", " "): text for name, text in cells.items()}])
    return about + out.getvalue()


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_list_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of tokens is quoted, no other is; what isn't tokens is told by its unit."""
    reading = CASES.read_file(path)

    assert CASES.expected(path) == CASES.prices(reading)
    assert truth(path)["not_tokens"] == len(reading.set_aside)


def test_a_quote_tells_where_it_stands() -> None:
    """Offer, model, usageType, figure and unit are those of the row."""
    quote = read(page()).quotes[0]

    assert "AmazonBedrock › Qwen3 32B › USE1-Qwen3-32B-input-tokens" == quote.where
    assert ("0.0001500000", "per 1K tokens") == (quote.quoted, quote.printed_unit)
    assert "us-east-1" == quote.series.get("region")


def test_columns_are_found_by_their_names() -> None:
    """The order of columns means nothing."""
    about, table = page().split('"SKU"', 1)
    rows = [line[::-1] for line in csv.reader(io.StringIO(f'"SKU"{table}'))]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)

    assert read(page()) == read(about + out.getvalue())


@pytest.mark.parametrize(
    "cells",
    [
        {"Unit": "1B tokens"},
        {"Unit": "1K tokens", "PriceDescription": "$1.25 per 1M tokens"},
        {"Unit": "Units", "PriceDescription": "Input Tokens - Standard, Global"},
        {"PricePerUnit": "0.0000000000"},
        {"PricePerUnit": "n/a"},
        {"TermType": "Reserved"},
        {"StartingRange": "1000000"},
        {"EndingRange": "1000000"},
        {"Feature": "Batch Inference"},
        {"usageType": "USE1-xai.grok-4.3-mantle-input-tokens-turbo"},
        {"usageType": "USE1-xai.grok-4.3-mantle-input-tokens-flex-batch"},
        {"usageType": "USE1-xai.grok-4.3-mantle-cache-tokens-standard"},
        {"usageType": "USE1-MP:USW2_InputTokenCount-Units"},
        {"usageType": "USE1-Zeta-input-tokens", "Model": "Zeta", "Provider": "Nobody"},
    ],
    ids=str,
)
def test_a_row_that_is_not_understood_is_set_aside(cells: dict[str, str]) -> None:
    """One strange row leaves the others alone, and no price is made of it."""
    usual, reading = read(page()), read(with_row(**cells))

    assert usual.quotes == reading.quotes
    assert 1 == len(reading.set_aside) - len(usual.set_aside)


def test_the_unit_sets_the_price() -> None:
    """The same figure per 1K tokens is a thousand times that per 1M."""
    reading = read(with_row(Unit="1K tokens", Region_Code="eu-west-1", PriceDescription=""))

    assert [Decimal("1.25"), Decimal(1250)] == [
        quote.amount for quote in reading.quotes if quote.where.endswith(INPUT)
    ]


def test_a_price_that_may_be_for_short_prompts_only_is_set_aside() -> None:
    """Where long prompts cost more, but from what length on isn't known, neither price is read."""
    long = "USE1-xai.grok-4.3-mantle-input-tokens-long-context-standard"

    assert not any(
        "grok" in quote.series.product for quote in read(with_row(usageType=long)).quotes
    )


def test_a_row_in_another_currency_than_its_list_is_set_aside() -> None:
    """A list has one currency; a single other one is a misprint."""
    usual, reading = read(page()), read(with_row(Currency="EUR", Region_Code="eu-west-1"))

    assert usual.quotes == reading.quotes
    assert ["EUR, where the list is in USD"] == [
        aside.reason for aside in reading.set_aside if aside not in usual.set_aside
    ]


def test_a_list_that_breaks_off_within_a_cell_is_refused() -> None:
    """The model of its last row may have lost half of its name."""
    text = page("2026-10-05-marketplace.csv").rstrip("\n")

    with pytest.raises(PageChanged, match="no whole CSV"):
        read(text[: text.rindex("Claude") + len("Claude")])


def test_another_currency_stays_what_it_is() -> None:
    """China's lists are in yuan."""
    reading = read(page().replace('"USD"', '"CNY"'))

    assert {"CNY"} == {quote.series.currency for quote in reading.quotes}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"Unit"', '"Per"', 'column "Unit" is missing'),
        ('"serviceCode"', '"Unit"', 'column "Unit" is there more than once'),
        ('"us-east-1","standard"', '"standard"', "more or fewer cells"),
    ],
)
def test_a_changed_table_is_refused(old: str, new: str, reason: str) -> None:
    """A missing, doubled or shifted column is a page that changed."""
    with pytest.raises(PageChanged, match=reason):
        read(changed(old, new))


@pytest.mark.parametrize(
    "text",
    [
        changed("v1.0", "v2.0"),
        changed('"AmazonBedrock"\n', '"AmazonEC2"\n'),
        page()[: page().index('"SKU001"')],
        "<html><body>Access denied</body></html>",
        "",
    ],
    ids=["format", "offer", "emptied", "page", "nothing"],
)
def test_what_is_no_price_list_is_refused(text: str) -> None:
    """Another format or offer, an emptied list or a page instead of one holds no price."""
    with pytest.raises(DocumentRefused):
        read(text)


def test_another_form_is_refused() -> None:
    """Only the CSV is read."""
    with pytest.raises(DocumentRefused, match="as CSV"):
        read(page(), "json")
