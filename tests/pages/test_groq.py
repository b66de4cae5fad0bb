"""Groq's page of models: ids that stick to names, prices that stick together."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from scraper.providers import groq
from tests.pages.conftest import Cases

CASES = Cases(groq, "2026-10-01.md")
GPT = "[![OpenAI](https://console.groq.com/o.svg)GPT OSS 120B](/docs/model/openai/gpt-oss-120b)"


read, page, changed, prices = CASES.read, CASES.page, CASES.changed, CASES.prices


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

    label = "GPT OSS 120Bopenai/gpt-oss-120b"
    assert f"Production Models › {label} › PRICE PER 1M TOKENS" == quote.where
    assert ("$0.15 input$0.60 output", "PER 1M TOKENS") == (quote.quoted, quote.printed_unit)


# --- mutations ----------------------------------------------------------------------------------


def test_an_id_in_a_font_of_its_own_is_told_from_the_name() -> None:
    """HTML prints `Whisper` and `whisper-large-v3` without a space between the two elements."""
    html = page("2026-05-01.html")
    cell = '<td>Whisper<span class="text-xs font-mono">whisper-large-v3</span></td>'
    linked = '<a class="card" href="/docs/model/llama-3.3-70b-versatile">Llama 3.3 70B</a>'
    assert linked in html

    found = prices(read(html.replace(f"<td>{linked}</td>", cell), "html"))
    assert Decimal("0.59") == found["whisper-large-v3 input mtok"]

    glued = html.replace(f"<td>{linked}</td>", "<td>Whisperwhisper-large-v3</td>")
    assert {"openai/gpt-oss-20b"} == {quote.series.product for quote in read(glued, "html").quotes}


def test_columns_may_change_places() -> None:
    """Cells are read by their header, wherever it stands."""
    lines = [
        "|" + "|".join(reversed(line.strip("|").split("|"))) + "|" if line[:1] == "|" else line
        for line in page().splitlines()
    ]

    assert prices(read(page())) == prices(read("\n".join(lines)))


def test_prices_per_thousand_tokens_are_a_thousand_times_as_high() -> None:
    """The header's unit is that of tokens; speech names its own."""
    found = prices(read(changed("PRICE PER 1M TOKENS", "PRICE PER 1K TOKENS")))

    assert Decimal(150) == found["openai/gpt-oss-120b input mtok"]
    assert Decimal("0.111") == found["whisper-large-v3 audio hour"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("MAX FILE SIZE", "BATCH PRICE", "BATCH PRICE.*unknown column"),
        ("| PRICE PER 1M TOKENS |", "| PRICE PER 1M WORDS |", "not a unit"),
        ("| PRICE PER 1M TOKENS |", "| PRICE |", "not a unit"),
        ("SPEED (T/SEC)", "PRICE PER 1M TOKENS", "more than once"),
        ("$", "€", "not an amount in US dollars"),
        (" input", "", "not a unit"),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """An unknown column, unit or currency is named; it never gives the old price."""
    text = changed(old, new)
    production = text[: text.index("## [Production Systems]")]
    rows = [line for line in production.splitlines() if "whisper" not in line]

    with pytest.raises(PageChanged, match=reason):
        read("\n".join(rows))


@pytest.mark.parametrize(
    "cell", ["$0.15 input - $0.60 output", "$0.15 input$0.60", "Free", "$0.15 per day", ""]
)
def test_a_strange_cell_is_set_aside_alone(cell: str) -> None:
    """What one cell doesn't say clearly is not guessed, and all others are read."""
    reading = read(changed("| $0.15 input$0.60 output |", f"| {cell} |"))
    expected = prices(read(page()))
    for meter in ("input", "output"):
        del expected[f"openai/gpt-oss-120b {meter} mtok"]

    assert expected == prices(reading)
    assert 1 == len(reading.set_aside)


@pytest.mark.parametrize(
    "label", [f"{GPT}GPT OSS, openai/gpt-oss-120b", "GPT OSS 120B", f"{GPT}and 20B", ""]
)
def test_a_row_about_no_certain_model_is_set_aside(label: str) -> None:
    """A row is quoted under the id that it prints or links to, and under no other."""
    reading = read(changed(f"{GPT}openai/gpt-oss-120b", label))

    assert not [name for name in prices(reading) if "120b" in name]
    assert 1 == len(reading.set_aside)


def test_a_table_without_rows_is_refused() -> None:
    """An export that lost its rows is no price list."""
    rows = [line for line in page().splitlines() if not line.startswith(("| [", "| qwen"))]

    with pytest.raises(PageChanged, match="has no rows"):
        read("\n".join(rows))


@pytest.mark.parametrize(
    ("text", "form", "reason"),
    [
        ("<html><body>Just a moment...</body></html>", "html", "holds no table"),
        ('<form action="/login"><input name="password"></form>', "html", "holds no table"),
        ("", "markdown", "holds no table"),
        ('{"data": []}', "json", "only markdown and html"),
        ("| MODEL ID | SPEED |\n|---|---|\n| a/b | 2 |", "markdown", "no price table"),
    ],
)
def test_a_document_without_prices_is_refused(text: str, form: str, reason: str) -> None:
    """Block pages, login forms and pages without prices are refused with the reason."""
    with pytest.raises(DocumentRefused, match=reason):
        read(text, form)
