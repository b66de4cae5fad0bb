"""Cerebras's price page: the tables in its scripts, read right or refused."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from scraper.document import Reading
from scraper.providers import cerebras
from tests.pages.conftest import REAL_PAGES, Cases, lines, needs_real_pages, truth

CASES = Cases(cerebras, "2026-05-08.html")
TABLE, SCRIPTS = CASES.files
read, read_file = CASES.read, CASES.read_file


def changed(old: str, new: str, path: Path = SCRIPTS) -> str:
    """The text of a case with every `old` made `new`, with quotes as in a script."""
    old, new = (words.replace('"', '\\"') for words in (old, new))
    return CASES.changed(old, new, path.name)


def amounts(reading: Reading) -> dict[tuple[str, str], Decimal]:
    return {(quote.series.product, quote.series.meter): quote.amount for quote in reading.quotes}


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_page_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of the table is quoted, no other is, and nothing is set aside."""
    reading = read_file(path)

    assert sorted(truth(path)["quotes"]) == lines(reading)
    assert () == reading.set_aside


def test_a_quote_tells_where_it_stands() -> None:
    """Heading, model and column as printed, the text of the cell, and the words of the unit."""
    quote = read_file(SCRIPTS).quotes[0]

    assert "Developer tier Pricing › [ZAI]ZAI GLM 4.7* › Input" == quote.where
    assert ("$2.25/M tokens", "/M tokens") == (quote.quoted, quote.printed_unit)


def test_a_model_is_quoted_until_the_day_it_ends() -> None:
    """The footnote names that day; from then on the old price is no offer."""
    page = SCRIPTS.read_text(encoding="utf-8")

    assert ("llama3.1-8b", "input") in amounts(read(page))
    assert ("llama3.1-8b", "input") not in amounts(read(page, day="2026-05-27"))


# --- mutations ------------------------------------------------------------------------------------


def test_columns_may_change_places() -> None:
    """Cells are read by their header."""
    text = SCRIPTS.read_text(encoding="utf-8")
    for row in text.split('\\"cells\\": [')[1:]:
        cells = json.loads(f"[{row.partition(']}')[0]}]".replace('\\"', '"'))
        printed = json.dumps(cells)[1:-1].replace('"', '\\"')
        swapped = json.dumps([*cells[2:], *cells[:2]])[1:-1].replace('"', '\\"')
        assert printed in text
        text = text.replace(printed, swapped)

    assert lines(read_file(SCRIPTS)) == lines(read(text))


@pytest.mark.parametrize(("path", "unit"), [(SCRIPTS, "/M tokens"), (TABLE, "per M tokens")])
def test_prices_per_thousand_tokens_are_a_thousand_times_as_high(path: Path, unit: str) -> None:
    """The unit comes from the cell or from the header."""
    reading = read(changed(unit, unit.replace("M", "1K"), path))
    expected = {key: amount * 1000 for key, amount in amounts(read_file(path)).items()}

    assert expected == amounts(reading)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"Output"', '"Peak output"', "Peak output.*unknown column"),
        ('"Speed"', '"Input"', "Input.*twice"),
    ],
)
def test_a_column_that_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """It is named, and the page is not read."""
    with pytest.raises(PageChanged, match=reason):
        read(changed(old, new))


def test_a_table_without_rows_is_refused() -> None:
    """An emptied table is no price list."""
    text = TABLE.read_text(encoding="utf-8").partition("<tr><td>")[0] + "</table>"

    with pytest.raises(PageChanged, match="has no rows"):
        read(text)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("$$2.25/M tokens", "$$2.25", "not a unit"),
        ("$$2.25/M tokens", "$$2.25/hour", "not the one unit of tokens"),
        ("$$2.25/M tokens", "€2.25/M tokens", "not an amount in US dollars"),
        ("$$2.25/M tokens", "2.25/M tokens", "not an amount in US dollars"),
    ],
)
def test_a_strange_cell_is_set_aside_alone(old: str, new: str, reason: str) -> None:
    """What one cell doesn't say clearly is not guessed, and all others are read."""
    reading = read(changed(old, new))
    expected = amounts(read_file(SCRIPTS))
    del expected["zai-glm-4.7", "input"]

    assert expected == amounts(reading)
    assert [f"Developer tier Pricing › [ZAI]ZAI GLM 4.7* › Input {reason}"] == [
        f"{aside.where} {reason}" for aside in reading.set_aside if reason in aside.reason
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("**Will be deprecated on May 27, 2026", "**Only for prompts up to 8K"),
        ("**Will be deprecated on May 27, 2026.", ""),
        ("on May 27, 2026", "on Mai 27, 2026"),
        ("[META]Llama 3.1 8B**", "[META]Llama 3.1 8B (batch)"),
        ("[META]Llama 3.1 8B**", ""),
    ],
)
def test_a_row_about_no_certain_offer_is_set_aside(old: str, new: str) -> None:
    """A footnote or a name that isn't understood may set a condition for the price."""
    reading = read(changed(old, new))
    expected = amounts(read_file(SCRIPTS))
    for meter in ("input", "output"):
        del expected["llama3.1-8b", meter]

    assert expected == amounts(reading)
    assert ['table "Developer tier Pricing"'] == [aside.where for aside in reading.set_aside]


def test_a_table_under_an_unknown_heading_is_not_taken_for_the_usual_prices() -> None:
    """Another tier may have other prices."""
    with pytest.raises(DocumentRefused, match="no table of models"):
        read(changed("Developer tier Pricing", "Enterprise tier Pricing"))


def test_a_second_table_with_amounts_is_told() -> None:
    """Prices that can't be read are set aside, not overlooked."""
    rows = '[{"cells": ["Plan", "Price"]}, {"cells": ["Code Pro", "$$50"]}]'
    first = '{"_type": "block", "style": "h2"'
    reading = read(changed(first, f'{{"_type": "table", "rows": {rows}}}, {first}'))

    assert lines(read_file(SCRIPTS)) == lines(reading)
    assert {"a table that we don't know"} == {aside.reason for aside in reading.set_aside}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("<html><body>Just a moment...</body></html>", "html"),
        ('<form action="/login"><input name="email"></form>', "html"),
        ("<p>GPT OSS 120B: $0.35/M tokens</p>", "html"),
        ("", "html"),
        ("| Model | Input |\n|---|---|\n| a | $1 |", "markdown"),
    ],
)
def test_a_document_without_the_price_table_is_refused(text: str, form: str) -> None:
    """Block pages, login forms and other pages hold no price."""
    with pytest.raises(DocumentRefused, match="no table of models|only html"):
        read(text, form)


@needs_real_pages
def test_the_real_page_of_may_2026_is_read_whole() -> None:
    """Four models, read by eye; two of them end on 2026-05-27."""
    reading = read_file(REAL_PAGES / "cerebras" / "2026-05-08_LoreHex-pricing.html")

    assert [
        "gpt-oss-120b input mtok 0.35 USD service_tier=standard",
        "gpt-oss-120b output mtok 0.75 USD service_tier=standard",
        "llama3.1-8b input mtok 0.1 USD service_tier=standard until=2026-05-27",
        "llama3.1-8b output mtok 0.1 USD service_tier=standard until=2026-05-27",
        "qwen-3-235b-a22b-instruct-2507 input mtok 0.6 USD service_tier=standard until=2026-05-27",
        "qwen-3-235b-a22b-instruct-2507 output mtok 1.2 USD service_tier=standard until=2026-05-27",
        "zai-glm-4.7 input mtok 2.25 USD service_tier=standard",
        "zai-glm-4.7 output mtok 2.75 USD service_tier=standard",
    ] == lines(reading)
    assert () == reading.set_aside
