"""Together's page of serverless models: units in headers and in cells, free models."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from scraper.providers import together
from tests.pages.conftest import Cases

CASES = Cases(together, "2026-10-07.md", words=("product", "meter", "unit", "variant"))
read, page, changed = CASES.read, CASES.page, CASES.changed
prices = CASES.prices


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_page_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of a page is quoted, no other is, and nothing is set aside."""
    reading = CASES.read_file(path)

    assert CASES.expected(path) == prices(reading)
    assert () == reading.set_aside
    assert {"standard"} == {quote.series.get("service_tier") for quote in reading.quotes}


def test_a_quote_tells_where_it_stands() -> None:
    """Place, text and unit of a quote are those printed on the page."""
    quote = read(page()).quotes[1]

    assert (
        "Chat models › MiniMax M3 › Cached input pricing (per 1M tokens)",
        "$0.06",
        "per 1M tokens",
    ) == (quote.where, quote.quoted, quote.printed_unit)


# --- mutations ----------------------------------------------------------------------------------


def test_columns_may_change_places() -> None:
    """Cells are read by their header, wherever it stands."""
    lines = [
        "|" + "|".join(reversed(line.strip("|").split("|"))) + "|" if line[:1] == "|" else line
        for line in page().splitlines()
    ]

    assert prices(read(page())) == prices(read("\n".join(lines)))


def test_prices_per_thousand_tokens_are_a_thousand_times_as_high() -> None:
    """The unit comes from the header."""
    found = prices(read(changed("(per 1M tokens)", "(per 1K tokens)")))

    assert Decimal(300) == found["MiniMaxAI/MiniMax-M3 input mtok"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Cached input pricing (per 1M tokens)", "Cache writes", "Cache writes.*unknown column"),
        ("Output pricing (", "Input pricing (", "more than once"),
        ("(per 1M tokens)", "(per 1M words)", "not a unit"),
        (" (per 1M tokens)", "", "not a unit"),
        ("\\$", "€", "not an amount in US dollars"),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """An unknown column, unit or currency is named; it never gives the old price."""
    chat = changed(old, new).partition("## Image models")[0]
    rows = [line for line in chat.splitlines() if not line.startswith("| Prism")]

    with pytest.raises(PageChanged, match=reason):
        read("\n".join(rows))


@pytest.mark.parametrize("cell", ["\\$0.06*", "Contact us", "", "\\$0.06 / hour", "~~\\$0.06~~"])
def test_a_strange_cell_is_set_aside_alone(cell: str) -> None:
    """What one cell doesn't say clearly is not guessed, and all others are read."""
    reading = read(changed("| \\$0.06 |", f"| {cell} |"))
    expected = prices(read(page()))
    del expected["MiniMaxAI/MiniMax-M3 cache_read mtok"]

    assert expected == prices(reading)
    assert ["Chat models › MiniMax M3 › Cached input pricing (per 1M tokens)"] == [
        aside.where for aside in reading.set_aside
    ]


def test_a_video_whose_length_got_lost_is_set_aside() -> None:
    """A dash says that there is one length only, an empty cell says nothing."""
    reading = read(changed("| 720p / 8s |", "| |"))

    assert "google/veo-3.0" not in {quote.series.product for quote in reading.quotes}
    assert "Wan-AI/Wan2.2-I2V-A14B video video" in prices(reading)


def test_a_row_without_an_id_is_set_aside() -> None:
    """A display name is not what the API takes."""
    reading = read(changed("hexgrad/Kokoro-82M", "Kokoro"))

    assert not [name for name in prices(reading) if "okoro" in name]
    assert 1 == len(reading.set_aside)


def test_tables_that_contradict_each_other_are_not_believed() -> None:
    """A model whose price differs between chat and vision has none that is certain."""
    reading = read(changed("| \\$0.30 | \\$1.20 |\n", "| \\$0.40 | \\$1.20 |\n"))

    assert "MiniMaxAI/MiniMax-M3 input mtok" not in prices(reading)
    assert "two prices for one series" in reading.set_aside[0].reason


def test_a_price_table_of_another_kind_is_set_aside() -> None:
    """Amounts in a table that no reader knows are told, not overlooked."""
    reading = read(f"{page()}\n## GPUs\n\n| GPU | Hourly |\n|---|---|\n| H100 | \\$3.99 |\n")

    assert prices(read(page())) == prices(reading)
    assert ["a table that we don't know"] == [aside.reason for aside in reading.set_aside]


@pytest.mark.parametrize(
    ("text", "form", "reason"),
    [
        ("<html><body>Just a moment...</body></html>", "html", "holds no table"),
        ('<form action="/login"><input name="password"></form>', "html", "holds no table"),
        ("", "markdown", "holds no table"),
        ('[{"id": "a/b", "pricing": {"input": 0.3}}]', "json", "only markdown and html"),
        ("| Model | API string |\n|---|---|\n| K3 | a/b |", "markdown", "no price table"),
    ],
)
def test_a_document_without_prices_is_refused(text: str, form: str, reason: str) -> None:
    """Block pages, login forms, and lists that print no unit are refused with the reason."""
    with pytest.raises(DocumentRefused, match=reason):
        read(text, form)


def test_a_table_without_rows_is_refused() -> None:
    """An export that lost its rows is no price list."""
    chat = page().partition("| Minimax")[0]

    with pytest.raises(PageChanged, match="has no rows"):
        read(chat)
