"""Perplexity's price page: MDX with tabs, three kinds of prices for one model."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from scraper.providers import perplexity
from tests.pages.conftest import Cases

CASES = Cases(perplexity, "2026-10-01.md", words=("product", "meter", "unit", "variant"))
read, page, changed = CASES.read, CASES.page, CASES.changed
key, prices = CASES.key, CASES.prices


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_page_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of a page is quoted, no other is, and nothing is set aside."""
    reading = CASES.read_file(path)

    assert CASES.expected(path) == prices(reading)
    assert () == reading.set_aside


def test_a_quote_tells_where_it_stands() -> None:
    """Place, text and unit of a quote are those printed on the page."""
    quotes = {key(quote): quote for quote in read(page()).quotes}
    quote = quotes["sonar-deep-research output mtok reasoning"]

    assert (
        "Token Pricing › Sonar Deep Research › Reasoning Tokens ($/1M)",
        "$3",
        "$/1M",
    ) == (quote.where, quote.quoted, quote.printed_unit)


# --- mutations ----------------------------------------------------------------------------------


def test_columns_may_change_places() -> None:
    """Cells are read by their header, wherever it stands."""
    lines = [
        "|" + "|".join(reversed(line.strip(" |").split("|"))) + "|"
        if line.lstrip().startswith("|")
        else line
        for line in page().splitlines()
    ]

    assert prices(read(page())) == prices(read("\n".join(lines)))


def test_units_come_from_the_page() -> None:
    """Per thousand tokens, per request, per thousand queries: as printed."""
    found = prices(read(changed("Input Tokens (\\$/1M)", "Input Tokens (\\$/1K)")))
    assert Decimal(3000) == found["sonar-pro input mtok"]

    found = prices(read(changed("every **1000 requests**", "every **request**")))
    assert Decimal(6) == found["sonar-pro request request low search context"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Citation Tokens", "Cache Tokens", r"Cache Tokens \(\$/1M\).*unknown column"),
        ("Medium Context Size", "Deep Context Size", "Deep Context Size.*unknown column"),
        ("Output Tokens (", "Input Tokens (", "more than once"),
        ("Output Tokens (\\$/1M)", "Output Tokens (\\$/1B)", "unknown column"),
        ("Output Tokens (\\$/1M)", "Output Tokens", "unknown column"),
        (" for every **1000 requests**", "", "its unit is not certain"),
        ("**1000 requests**", "**1000 minutes**", "no unit of requests"),
        ("\\$", "€", "unknown column|not an amount|no price table"),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """An unknown column, unit or currency is named; it never gives the old price."""
    with pytest.raises(DocumentRefused, match=reason):
        read(changed(old, new))


def test_fees_of_pro_search_are_for_the_sizes_that_the_standard_row_tells() -> None:
    """The order of the sizes comes from the row with the fees of Sonar Pro."""
    text = changed("\\$6 / \\$10 / \\$14", "\\$14 / \\$10 / \\$6")
    found = prices(read(text))

    assert Decimal(6) == found["sonar-pro request kreq fast search, low search context"]
    assert Decimal(14) == found["sonar-pro request kreq pro search, high search context"]


@pytest.mark.parametrize("fees", ["\\$6 / \\$10 / \\$15", "\\$6 / \\$10", "\\$10"])
def test_fees_whose_sizes_nothing_tells_are_set_aside(fees: str) -> None:
    """Without the row that tells the order no fee of Pro Search is known."""
    reading = read(changed("\\$6 / \\$10 / \\$14", fees))

    assert not [name for name in prices(reading) if " search, " in name]
    assert 2 == len(reading.set_aside)


@pytest.mark.parametrize("cell", ["\\$15*", "Contact us", "", "\\$15 - \\$20", "~~\\$15~~"])
def test_a_strange_cell_is_set_aside_alone(cell: str) -> None:
    """What one cell doesn't say clearly is not guessed, and all others are read."""
    reading = read(re.sub(r"\| +\\\$15 +\|", lambda _: f"| {cell} |", page()))
    expected = prices(read(page()))
    del expected["sonar-pro output mtok"]

    assert expected == prices(reading)
    assert ["Token Pricing › Sonar Pro › Output Tokens ($/1M)"] == [
        aside.where for aside in reading.set_aside
    ]


@pytest.mark.parametrize("name", ["Sonar Pro (EU)", "Claude Sonnet", ""])
def test_a_model_whose_id_is_not_known_is_set_aside(name: str) -> None:
    """Only names of Sonar models follow the rule for ids."""
    reading = read(changed("**Sonar Deep Research**", name))

    assert not [key for key in prices(reading) if "deep" in key or "sonnet" in key]
    assert 5 == len(reading.set_aside)


@pytest.mark.parametrize("name", ["Sonar", "Sonar Reasoning", "Sonar Max"])
def test_a_name_that_may_have_lost_a_word_is_set_aside(name: str) -> None:
    """Sonar where another table has Sonar Pro, Reasoning without its Pro, a name of no model."""
    reading = read(re.sub(r"\*\*Sonar Pro\*\*(?= +\| +\\\$6)", name, page()))

    assert not [key for key in prices(reading) if "search context" in key and "search," not in key]
    assert any(f'"{name}" is not certain' in aside.reason for aside in reading.set_aside)


def test_a_kind_of_search_without_a_name_is_set_aside() -> None:
    """Its fees are for nothing that one could ask for."""
    reading = read(changed("**`pro`** ", ""))

    assert not [key for key in prices(reading) if "search," in key and "fast" not in key]
    assert "a row without a name" in {aside.reason for aside in reading.set_aside}


def test_a_price_table_of_another_kind_is_set_aside() -> None:
    """Amounts in a table that no reader knows are told, not overlooked."""
    reading = read(f"{page()}\n## Plans\n\n| Plan | Monthly |\n|---|---|\n| Pro | \\$20 |\n")

    assert prices(read(page())) == prices(reading)
    assert ["a table that we don't know"] == [aside.reason for aside in reading.set_aside]


@pytest.mark.parametrize(
    ("text", "form", "reason"),
    [
        ("<html><body>Just a moment...</body></html>", "html", "holds no table"),
        ('<form action="/login"><input name="password"></form>', "html", "holds no table"),
        ("", "markdown", "holds no table"),
        ("$5 / MTok", "text", "only markdown and html"),
        ("| Component | Cost |\n|---|---|\n| Input | $1 |", "markdown", "no price table"),
    ],
)
def test_a_document_without_prices_is_refused(text: str, form: str, reason: str) -> None:
    """Block pages, login forms and other pages are refused with the reason."""
    with pytest.raises(DocumentRefused, match=reason):
        read(text, form)


def test_a_table_without_rows_is_refused() -> None:
    """An export that lost its rows is no price list."""
    rows = [line for line in page().splitlines() if "| **Sonar" not in line]

    with pytest.raises(PageChanged, match="has no rows"):
        read("\n".join(rows))
