"""xAI's price page: read right in every form it has had, or refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from scraper.providers import xai
from tests.pages.conftest import REAL_PAGES, Cases, needs_real_pages

WORDS = ("product", "meter", "unit", "service_tier", "context", "modality", "variant")
CASES = Cases(xai, "2026-09-20.md", day="2026-09-29", words=WORDS)
read, read_file, page, changed = CASES.read, CASES.read_file, CASES.page, CASES.changed
key, prices = CASES.key, CASES.prices


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_page_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of a page is quoted, no other is, and nothing is set aside."""
    reading = read_file(path)

    assert CASES.expected(path) == prices(reading)
    assert () == reading.set_aside


US = """

## US Regional Endpoint Pricing

For `grok-4.7` this is $2.20 / $0.55 / $6.60 per 1M tokens (input / cached input / output) below
200k prompt tokens, and $4.40 / $1.10 / $13.20 above. The 1.1x multiplier applies to all.
"""


def us_prices(text: str) -> dict[str, str]:
    reading = read(page() + text)
    return {
        f"{quote.series.meter} {quote.series.get('context')}": str(quote.amount)
        for quote in reading.quotes
        if quote.series.get("region") == "us" and quote.series.product == "grok-4.7"
    }


def test_the_us_endpoint_costs_what_a_sentence_says() -> None:
    """The figures are in the order that the sentence tells, below and above the length."""
    expected = {
        "input <200000": "2.20",
        "cache_read <200000": "0.55",
        "output <200000": "6.60",
        "input >=200000": "4.40",
        "cache_read >=200000": "1.10",
        "output >=200000": "13.20",
    }
    assert expected == us_prices(US)

    swapped = us_prices(US.replace("(input / cached input", "(cached input / input"))
    assert ("0.55", "2.20") == (swapped["input <200000"], swapped["cache_read <200000"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1M tokens", "1B tokens"),
        ("$6.60", "€6.60"),
        (" / $13.20", ""),
        ("cached input", "cached"),
        ("above.", "above, until May."),
    ],
)
def test_another_sentence_about_the_us_endpoint_is_set_aside(old: str, new: str) -> None:
    """A sentence that isn't understood as a whole gives no price."""
    assert old in US
    text = US.replace(old, new)

    assert {} == us_prices(text)
    assert "US Regional Endpoint Pricing" in {
        aside.where for aside in read(page() + text).set_aside
    }


def test_a_quote_tells_where_it_stands() -> None:
    """Place, text and unit of a quote are those printed on the page."""
    quotes = {key(quote): quote for quote in read(page()).quotes}
    quote = quotes["grok-4.6 cache_read mtok standard >=200000"]

    row = "grok-4.6 (≥ 200k prompt tokens)"
    assert f"Text API Pricing › {row} › Cached input / 1M tokens" == quote.where
    assert ("$1.00", "1M tokens", "USD") == (
        quote.quoted,
        quote.printed_unit,
        quote.series.currency,
    )


# --- mutations ----------------------------------------------------------------------------------


def test_columns_may_change_places() -> None:
    """Cells are read by their header, wherever it stands."""
    lines = page().splitlines()
    for at, line in enumerate(lines):
        if line.startswith("|") and line.count("|") == 6:
            lines[at] = "|" + "|".join(reversed(line.strip("|").split("|"))) + "|"

    assert prices(read(page())) == prices(read("\n".join(lines)))


def test_prices_per_thousand_tokens_are_a_thousand_times_as_high() -> None:
    """The unit comes from the header."""
    reading = prices(read(changed("/ 1M tokens", "/ 1K tokens")))

    assert Decimal(2000) == reading["grok-4.6 input mtok standard <200000"]
    assert Decimal(15) == reading["text-to-speech audio mchar standard"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Cached input / 1M", "Cache writes / 1M", "Cache writes / 1M tokens.*unknown column"),
        ("/ 1M tokens", "/ 1M words", "no price table"),
        ("| Input / 1M tokens |", "| Output / 1M tokens |", "more than once"),
        ("$", "€", "not an amount in US dollars"),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """An unknown column, unit or currency is named; it never gives the old price."""
    with pytest.raises(DocumentRefused, match=reason):
        read(changed(old, new))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("2026-09-29.html", "Prices per 1M tokens"), ("2026-04-01.md", "Prices per million tokens.")],
)
@pytest.mark.parametrize("instead", ["", "Prices per 1B tokens", "Prices per image"])
def test_a_table_whose_unit_is_not_told_is_refused(name: str, sentence: str, instead: str) -> None:
    """Prices without a unit are not prices per million tokens."""
    with pytest.raises(PageChanged, match="unit"):
        read(changed(sentence, instead, name), "html" if name.endswith("html") else "markdown")


def test_a_sentence_about_the_unit_holds_for_other_counts_too() -> None:
    """Prices per thousand tokens, said beside the table, are a thousand times as high."""
    text = changed("Prices per 1M tokens", "Prices per 1K tokens", "2026-09-29.html")

    assert Decimal(2000) == prices(read(text, "html"))["grok-4.7 input mtok standard <200000"]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("$6.00*", "more than an amount"),
        ("Contact us", "not an amount"),
        ("~~$6.00~~", "struck through"),
        ("$6.00<sup>1</sup>", "footnote"),
        ("$6.00 - $8.00", "more than an amount"),
        ("", "not an amount"),
    ],
)
def test_a_strange_cell_is_set_aside_alone(cell: str, reason: str) -> None:
    """What one cell doesn't say clearly is not guessed, and all others are read."""
    reading = read(changed("| $6.00 |", f"| {cell} |"))
    expected = prices(read(page()))
    del expected["grok-4.6 output mtok standard <200000"]

    assert expected == prices(reading)
    assert 1 == len(reading.set_aside)
    assert reason in reading.set_aside[0].reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("$0.05 / min ($3.00 / hr)", "$0.05 / min ($4.00 / hr)"),
        ("$0.05 / min ($3.00 / hr)", "from $0.05 / min"),
        ("$0.05 / min ($3.00 / hr)", "$0.05 / mile"),
        ("(grok-voice-fast-1.0)", "by phone"),
    ],
)
def test_voice_that_is_not_certain_is_set_aside(old: str, new: str) -> None:
    """Two spans that disagree, unknown units and unknown modes give no price."""
    reading = read(changed(old, new))

    assert "grok-voice-fast-1.0 audio minute standard" not in prices(reading)
    assert 1 == len(reading.set_aside)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Cost / 1k Calls", "Cost / 1k Posts"),
        ("Run Python code | $5 |", "Run Python code | $5 / 1k posts$10 / 1k profiles |"),
        ("`code_execution`, `code_interpreter`†", "Set by the server"),
    ],
)
def test_tools_that_are_not_certain_are_set_aside(old: str, new: str) -> None:
    """What is counted, and which tool it is, must be told."""
    reading = read(changed(old, new))

    assert not [name for name in prices(reading) if name.startswith("code")]
    assert {"Tool Invocation Costs"} == {
        aside.where.partition(" › ")[0] for aside in reading.set_aside
    }


def test_a_tool_whose_name_does_not_tell_its_id_is_set_aside() -> None:
    """Without the column of ids only tools that are called like their id are known."""
    text = changed("| Tool | Tool Name | Description |", "| Tool | | Description |")
    text = text.replace("| Code Execution |", "| File Attachments |")

    reading = read(text)

    assert Decimal(5) == prices(reading)["web_search search kreq"]
    assert not [name for name in prices(reading) if name.startswith(("code", "file"))]
    assert ['no column tells the id of "File Attachments"'] == [
        aside.reason for aside in reading.set_aside
    ]


@pytest.mark.parametrize("label", ["grok-mini (EU)", "Grok Mini", "grok-mini, grok-nano", ""])
def test_a_row_about_no_certain_model_is_set_aside(label: str) -> None:
    """A label that says more than an id that we know how to read gives no quote."""
    reading = read(changed("| grok-mini |", f"| {label} |"))

    assert not [name for name in prices(reading) if "mini" in name]
    assert 2 == len(reading.set_aside)


def test_long_prices_without_a_length_are_set_aside() -> None:
    """When a row doesn't tell what a long prompt is, neither price is known for certain."""
    text = changed("<div>Long context ≥ 200k tokens</div>", "", "2026-09-29.html")
    reading = read(text, "html")

    assert not [name for name in prices(reading) if "grok-4.7" in name]
    assert 6 == len(reading.set_aside)


def test_prices_whose_column_lost_its_length_are_set_aside() -> None:
    """A row of two lengths under columns of none tells the price of neither."""
    text = changed('<th colspan="3">Long context</th>', "", "2026-09-29.html")
    text = text.replace('<th colspan="3">Short context</th>', "")
    text = text.replace("<th>Input</th><th>Cached</th><th>Output</th></tr>", "</tr>")
    for length in ("$4.00", "$1.00", "$12.00", "-", "-", "-"):
        text = text.replace(f"<td>{length}</td>", "", 1)

    assert not [name for name in prices(read(text, "html")) if "grok-4.7" in name]


@pytest.mark.parametrize("heading", ["### Text API Pricing (Batch)", "### Priority Pricing"])
def test_prices_under_an_unknown_heading_are_not_the_standard_ones(heading: str) -> None:
    """Another tier never passes for the standard one."""
    table = page().partition("### Text API Pricing\n")[2].partition("*Models")[0]
    reading = read(f"{page()}\n{heading}\n{table}")

    assert prices(read(page())) == prices(reading)
    assert ["a table that we don't know"] == [aside.reason for aside in reading.set_aside]


@pytest.mark.parametrize(
    ("text", "form", "reason"),
    [
        ("<html><body>Just a moment...</body></html>", "html", "holds no table"),
        ('<form action="/login"><input name="password"></form>', "html", "holds no table"),
        ("", "markdown", "holds no table"),
        ("$5 / MTok", "text", "only markdown and html"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "markdown", "no price table"),
        ("| Model | Pricing |\n|---|---|\n| Loading models... | |", "markdown", "Loading models"),
    ],
)
def test_a_document_without_prices_is_refused(text: str, form: str, reason: str) -> None:
    """Block pages, login forms, shells and other pages are refused with the reason."""
    with pytest.raises(DocumentRefused, match=reason):
        read(text, form)


def test_a_table_without_rows_is_refused() -> None:
    """An export that lost its rows is no price list."""
    rows = [line for line in page().splitlines() if not line.startswith("| grok-")]

    with pytest.raises(PageChanged, match="has no rows"):
        read("\n".join(rows))


# --- real pages ---------------------------------------------------------------------------------


@needs_real_pages
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("2025-12-20_petehsu-docs-billing.md", "holds no table"),
        ("2025-12-20_petehsu-docs-models.md", "no price table"),
        ("2026-02-15_pages-corpus-loading-models.txt", "Loading models"),
        ("2024-12-17_archive.fo-MgzHf.txt", "only markdown and html"),
    ],
)
def test_a_real_page_that_lost_its_prices_is_refused(name: str, reason: str) -> None:
    """Exports without the table of models, shells and plain text give no prices at all."""
    with pytest.raises(DocumentRefused, match=reason):
        read_file(REAL_PAGES / "xai" / name)


@needs_real_pages
def test_the_page_of_may_2026_is_read_whole() -> None:
    """As read by eye: 6 models, 3 of images, 1 of video, 3 modes of voice, 7 ids of tools."""
    reading = read_file(REAL_PAGES / "xai" / "2026-05-08_LoreHex-docs-models-jina.md")
    found = prices(reading)

    assert (6 * 2 + 4 + 4 + 7, ()) == (len(found), reading.set_aside)
    assert Decimal("1.25") == found["grok-4.3 input mtok standard"]
    assert Decimal("0.50") == found["grok-4-1-fast-non-reasoning output mtok standard"]
    assert Decimal("0.07") == found["grok-imagine-image-pro image image standard"]
    assert Decimal("0.20") == found["speech-to-text audio hour standard Streaming"]
    assert Decimal("10") == found["attachment_search request kreq"]
