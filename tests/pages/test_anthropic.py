"""Anthropic's price page: read right in every form it has had, or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from scraper.document import Reading
from scraper.providers import anthropic
from tests.pages.conftest import REAL_PAGES, Cases, needs_real_pages

WORDS = ("product", "service_tier", "meter", "cache_ttl", "context")
CASES = Cases(anthropic, "2026-03-14.md", day="2026-07-21", words=WORDS)
HTML_OF_APRIL = "2026-04-26_sergey-homenko-docs-pricing"
read, read_file, page, changed = CASES.read, CASES.read_file, CASES.page, CASES.changed
key, prices = CASES.key, CASES.prices


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_page_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of a page is quoted, no other is, and nothing is set aside."""
    reading = read_file(path)

    assert CASES.expected(path) == prices(reading)
    assert () == reading.set_aside


def test_a_quote_tells_where_it_stands() -> None:
    """Place, text and unit of a quote are those printed on the page."""
    quote = next(
        quote
        for quote in read(page()).quotes
        if key(quote) == "claude-3-5-haiku-latest standard cache_write 1h"
    )

    assert "Model pricing › Claude Haiku 3.5 (deprecated) › 1h Cache Writes" == quote.where
    assert ("$1.6 / MTok", "/ MTok") == (quote.quoted, quote.printed_unit)
    assert ("USD", "mtok") == (quote.series.currency, quote.series.unit)


def test_a_price_that_starts_later_is_announced() -> None:
    """A row with a first day is a price of the future, not of today."""
    quotes = {key(quote): quote for quote in read(page("2026-07-21.md")).quotes}
    later = quotes["claude-sonnet-5 standard input from 2026-09-01"]

    assert ("announced", datetime(2026, 9, 1, tzinfo=UTC)) == (later.basis, later.valid_from)


# --- mutations ----------------------------------------------------------------------------------


def test_columns_may_change_places() -> None:
    """Cells are read by their header, wherever it stands."""
    lines = page().splitlines()
    for at, line in enumerate(lines):
        if line.count("|") == 7:
            first, second, *rest = line.strip("|").split("|")
            lines[at] = "|" + "|".join([*reversed(rest), first, second]) + "|"

    assert prices(read(page())) == prices(read("\n".join(lines)))


def test_headers_may_change_case() -> None:
    """`Base input tokens` is the column `Base Input Tokens`."""
    text = changed("Base Input Tokens", "Base input tokens")

    assert prices(read(page())) == prices(read(text))


@pytest.mark.parametrize("unit", ["/ 1K tokens", "per\u00a01,000 tokens", "/ KTok"])
def test_prices_per_thousand_tokens_are_a_thousand_times_as_high(unit: str) -> None:
    """The unit comes from the cell."""
    reading = read(changed("/ MTok", unit))

    assert {name: amount * 1000 for name, amount in prices(read(page())).items()} == prices(reading)
    assert {unit.replace("\u00a0", " ")} == {quote.printed_unit for quote in reading.quotes}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("1h Cache Writes", "12h Cache Writes", "12h Cache Writes.*unknown column"),
        ("5m Cache Writes", "1h Cache Writes", "more than once"),
        (" / MTok", "", "not a unit"),
        ("/ MTok", "/ BTok", "not a unit"),
        ("/ MTok", "/ hour", "no unit of tokens"),
        ("$", "€", "not an amount in US dollars"),
        ("$", "", "not an amount in US dollars"),
        ("## Model pricing", "## Priority tier pricing", "Model pricing.*not on the page"),
        ("# Pricing\n", "# Prompt caching\n", "Model pricing.*not on the page"),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """An unknown column, unit, currency or heading is named; it never gives the old price."""
    with pytest.raises(PageChanged, match=reason):
        read(changed(old, new))


def test_a_table_without_rows_is_refused() -> None:
    """An export that lost its rows is no price list."""
    rows = [line for line in page().splitlines() if not line.startswith("| Claude")]

    with pytest.raises(PageChanged, match="has no rows"):
        read("\n".join(rows))


def test_a_table_of_empty_cells_is_refused() -> None:
    """A table whose prices were dropped is not one where nothing is sold."""
    text = "\n".join(
        "| Claude Opus 4.6 | | |" if line.startswith("| Claude") else line
        for line in page("2025-12-20.md").splitlines()
    )

    with pytest.raises(PageChanged, match="not an amount"):
        read(text)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("Contact us", "not an amount"),
        ("$5<sup>2</sup> / MTok", "footnote"),
        ("~~$5 / MTok~~", "struck through"),
        ("$5 - $7 / MTok", "not a unit"),
        ("$5* / MTok", "not a unit"),
        ("Output: $5 / MTok", "or by both"),
        ("$5 / MTok<br>$10 / MTok", "not a unit"),
    ],
)
def test_a_strange_cell_is_set_aside_alone(cell: str, reason: str) -> None:
    """What one cell doesn't say clearly is not guessed, and all others are read."""
    reading = read(changed("| $5 / MTok |", f"| {cell} |"))
    expected = prices(read(page()))
    del expected["claude-opus-4-6 standard input"]

    assert expected == prices(reading)
    assert ["Model pricing › Claude Opus 4.6 › Base Input Tokens"] == [
        aside.where for aside in reading.set_aside
    ]
    assert reason in reading.set_aside[0].reason


@pytest.mark.parametrize(
    "footnote",
    ["*<sup>1 This price holds for prompts up to 100,000 tokens.</sup>*", "1 Until May.", ""],
)
def test_a_price_whose_footnote_may_set_a_condition_is_set_aside(footnote: str) -> None:
    """Only footnotes that are known to change nothing are read over."""
    known = next(line for line in page("2026-10-08.md").splitlines() if line.startswith("*<sup>1"))
    reading = read(changed(known, footnote, "2026-10-08.md"))

    assert "claude-fable-5-1 standard cache_read" not in prices(reading)
    assert "Model pricing › Claude Fable 5.1 › Cache hits and refreshes" == (
        reading.set_aside[0].where
    )


def test_of_a_struck_and_a_new_price_the_new_one_holds() -> None:
    """A list price that is crossed out is not what one pays."""
    reading = read(changed("| $5 / MTok |", "| ~~$5 / MTok~~ $4 / MTok |"))

    assert Decimal(4) == prices(reading)["claude-opus-4-6 standard input"]


@pytest.mark.parametrize(
    "label",
    ["Claude Opus 4.6*", "Claude Opus 4.6<sup>1</sup>", "Claude Opus 4.6¹", "**Claude Opus 4.6**"],
)
def test_marks_on_a_model_do_not_change_it(label: str) -> None:
    """Footnote marks and emphasis are no part of a model's name."""
    assert prices(read(page())) == prices(read(changed("| Claude Opus 4.6 |", f"| {label} |")))


@pytest.mark.parametrize(
    "label",
    ["", "Claude Instant 1.2", "Claude 4.x models", "Claude Opus 4.6 and earlier", "Model",
     "Claude Opus 4.6 (US-only)", "Claude Sonnet 5 until August 31, 2026",
     "Claude Sonnet 5 through Augustus 31, 2026"],
)  # fmt: skip
def test_a_row_about_no_certain_model_is_set_aside(label: str) -> None:
    """A name without a known API id gives no quote, not even that of the row above."""
    text = changed("| Claude Haiku 3 ", f"| {label} ", "2025-12-20.md")
    expected = prices(read(page("2025-12-20.md")))
    for meter in ("input", "output"):
        del expected[f"claude-3-haiku-20240307 standard {meter}"]

    reading = read(text)

    assert expected == prices(reading)
    assert 1 == len(reading.set_aside)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("for Claude Opus 4.6 (research", "(research"),
        ("supported on Opus 4.6", "not supported on Opus 4.6"),
        ("supported on Opus 4.6", "supported on Opus 4.5"),
    ],
)
def test_a_table_whose_model_the_text_leaves_open_is_set_aside(old: str, new: str) -> None:
    """Without a column of models, all sentences above the table must name the same ones."""
    text = changed(old, new).replace("It is supported on Opus 4.6:", "")
    reading = read(text)

    assert not [name for name in prices(reading) if " fast " in name]
    assert 'table "Fast mode pricing"' == reading.set_aside[0].where


def test_a_price_table_under_an_unknown_heading_is_set_aside() -> None:
    """A tier or a region that we don't know never passes for the standard price."""
    text = changed("### Batch processing", "### Provisioned throughput")
    reading = read(text)

    assert not [name for name in prices(reading) if " batch " in name]
    assert ["a table that we don't know"] == [aside.reason for aside in reading.set_aside]


def test_a_price_table_without_header_is_set_aside() -> None:
    """Rows whose header was lost are told, not overlooked."""
    reading = read(changed("| Model | Batch input | Batch output |\n", ""))

    assert not [name for name in prices(reading) if " batch " in name]
    assert ["a table that we don't know"] == [aside.reason for aside in reading.set_aside]


def test_a_length_is_known_though_its_table_is_under_an_unknown_heading() -> None:
    """Base prices of a model that costs more for long prompts never pass for prices of all."""
    reading = read(changed("### Long context pricing", "### Premium pricing"))

    assert "claude-sonnet-4-5 standard input <=200000" in prices(reading)
    assert 'table "Premium pricing"' == reading.set_aside[0].where


def test_prices_of_long_prompts_that_are_announced_must_be_found() -> None:
    """Without them the prices of short prompts would pass for those of all prompts."""
    start = page().index("### Long context pricing")
    end = page().find("\n#", start + 1)
    said = "Requests that exceed 200K input tokens are automatically charged at premium rates."

    with pytest.raises(PageChanged, match="long prompts: are announced, but not found"):
        read(page()[:start] + said + (page()[end:] if end > 0 else ""))


def test_a_row_with_a_cell_too_few_is_set_aside() -> None:
    """Nobody knows which cell is missing."""
    reading = read(changed("| $6.25 / MTok |", "|"))

    assert not [name for name in prices(reading) if "opus-4-6 standard" in name]
    assert ["a row of 5 cells under 6 columns"] == [aside.reason for aside in reading.set_aside]


def test_two_prices_for_one_thing_are_both_set_aside() -> None:
    """When the tables contradict each other neither is believed."""
    reading = read(changed(r"\$3 / MTok", r"\$4 / MTok"))

    assert "claude-sonnet-4-5 standard input <=200000" not in prices(reading)
    assert "two prices for one series" in reading.set_aside[0].reason


@pytest.mark.parametrize(
    ("text", "form", "reason"),
    [
        ("<html><body>Just a moment...</body></html>", "html", "holds no table"),
        ("", "markdown", "holds no table"),
        ("$5 per token", "text", "only markdown and html"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "markdown", "not on the page"),
    ],
)
def test_a_document_without_the_price_table_is_refused(text: str, form: str, reason: str) -> None:
    """Block pages, shells and other pages are refused with the reason."""
    with pytest.raises(DocumentRefused, match=reason):
        read(text, form)


# --- tools --------------------------------------------------------------------------------------

TOOLS = "2026-04-18.md"


def of_tools(reading: Reading) -> dict[str, Decimal]:
    return {key(quote): quote.amount for quote in reading.quotes if quote.series.get("tool")}


def test_prices_of_tools_stand_in_sentences_and_in_a_table() -> None:
    """Unit, text and place of each are those of the page."""
    quotes = [quote for quote in read(page(TOOLS)).quotes if quote.series.get("tool")]

    assert [
        "anthropic code_execution container USD/hour (tool=code_execution)",
        "anthropic web_search search USD/kreq (tool=web_search)",
        "anthropic managed_agents container USD/hour (tool=managed_agents)",
    ] == [str(quote.series) for quote in quotes]
    assert ["per hour, per container", "per 1,000 searches", "per session-hour"] == [
        quote.printed_unit for quote in quotes
    ]
    assert [
        "Code execution tool",
        "Web search tool",
        "Session runtime › Session runtime › Rate",
    ] == [quote.where for quote in quotes]
    assert "Additional usage beyond 1,550 hours is billed at $0.05 per hour, per container" == (
        quotes[0].quoted
    )


def test_both_forms_say_the_same_of_tools() -> None:
    """Sentences are the same without emphasis, links and marks of lists."""
    assert read(page(TOOLS)) == read(page("2026-04-18.html"), "html")


@pytest.mark.parametrize(
    ("sentence", "name", "amount"),
    [
        ("Web search costs $0.01 per search.", "web_search search", "0.01"),
        ("Web search is $5/1K searches.", "web_search search", "5"),
        ("**Pricing**: $0.05 per session-hour.", "code_execution container", "0.05"),
        ("Session runtime is charged at US$0.08 per hour.", "managed_agents container", "0.08"),
        (
            "Additional usage beyond the first 50 hours is billed at $0.05 USD per hour.",
            "code_execution container",
            "0.05",
        ),
    ],
)
def test_other_words_for_the_same_are_understood(sentence: str, name: str, amount: str) -> None:
    """What a sentence names, or else its heading, is what it prices."""
    text = f"{page('2025-12-20.md')}\n### Code execution tool\n\n{sentence}\n"

    assert {name: Decimal(amount)} == of_tools(read(text))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("for **$10 per", "for **10 per", "0 amounts"),
        ("for **$10 per", "for **€10 per", "in US dollars"),
        ("for **$10 per", "for **$8, later $10 per", "2 amounts"),
        ("for **$10 per", "for ~~$12~~ **$10 per", "2 amounts"),
        ("for **$10 per", "for **~$10 per", "~"),
        ("for **$10 per 1,000 searches**", "for ~~$10 per 1,000 searches~~", '"~~" may set'),
        ("for **$10 per 1,000 searches**", "for <del>$10 per 1,000 searches</del>", '"~~" may set'),
        ("for **$10 per", "for **$10<sup>1</sup> per", "not a unit"),
        ("1,000 searches**", "1,000 results**", "not a unit"),
        ("1,000 searches**", "hour**", "no unit of web search"),
        ("on the Claude API", "on Bedrock", '"on" may set'),
        ("is available", "is until May available", '"until" may set'),
        ("is available", "from 100,000 searches on is available", '"from" may set'),
        ("Web search is", "Image search is", '"image" may set'),
        ("Web search is", "Web search or code execution is", "names 2 tools"),
        ("#### Web search tool", "#### Web search tool on AWS", '"on" may set'),
        ("Web search is available", "For partners:\n* Web search is available", '"partners"'),
    ],
)
def test_a_sentence_that_is_not_clear_is_set_aside(old: str, new: str, reason: str) -> None:
    """An amount without its currency, unit, tool or with a condition is no price of the tool."""
    text = changed("incurs the standard $10 per 1,000 searches", "costs the same", TOOLS)
    assert old in text
    reading = read(text.replace(old, new))

    assert ["code_execution container", "managed_agents container"] == [*of_tools(reading)]
    assert [True] == [reason in aside.reason for aside in reading.set_aside]


def test_a_tool_that_is_not_known_is_set_aside() -> None:
    """A price below the heading of a tool belongs to that tool or to none."""
    reading = read(changed("Web fetch has **no", "Each fetch costs $1 and **no", TOOLS))

    assert ["names no tool that we know"] == [aside.reason for aside in reading.set_aside]


def test_two_prices_of_a_tool_are_both_set_aside() -> None:
    """When sentences contradict each other none is believed."""
    reading = read(changed("the standard $10", "$12", TOOLS))

    assert "web_search search" not in of_tools(reading)
    assert "two prices for one series" in reading.set_aside[0].reason


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("| Session runtime |", "| Session storage |", "nothing of a session"),
        ("session-hour |", "session-hour<sup>1</sup> |", "footnote 1"),
        ("per session-hour", "per session-day", "not a unit"),
        ("| `running` status duration |", "|", "a row of 2 cells"),
    ],
)
def test_a_strange_row_on_sessions_is_set_aside(old: str, new: str, reason: str) -> None:
    """Another SKU, unit or condition never passes for the runtime."""
    reading = read(changed(old, new, TOOLS))

    assert "managed_agents container" not in of_tools(reading)
    assert [True] == [reason in aside.reason for aside in reading.set_aside]


# --- real pages ---------------------------------------------------------------------------------


@needs_real_pages
@pytest.mark.parametrize("day", ["2026-04-18", "2026-05-01"])
def test_the_markdown_of_those_weeks_says_the_same_as_the_html(day: str) -> None:
    """Both forms of the page give the same quotes, places included."""
    html = read_file(REAL_PAGES / "anthropic" / f"{HTML_OF_APRIL}.html")
    markdown = read_file(REAL_PAGES / "anthropic" / f"{day}_JokerRun-docs-pricing.md")

    assert html == markdown


@needs_real_pages
@pytest.mark.parametrize(
    ("name", "quotes"),
    [
        ("2025-05-27_swilliams9772", 7 * 5 + 7 * 2),
        ("2025-11-25_tomnagengast", 10 * 5 + 10 * 2 + 2 * 2 + 2),
        ("2025-12-20_petehsu", 10 * 5 + 10 * 2 + 2 * 2 + 2),
        ("2026-01-15_JokerRun", 10 * 5 + 10 * 2 + 2 * 2 + 2),
        ("2026-02-06_JokerRun", 11 * 5 + 11 * 2 + 3 * 2 + 2),
        ("2026-03-14_JokerRun", 12 * 5 + 12 * 2 + 2 + 2 * 2 + 2),
        ("2026-07-21_JokerRun", 15 * 5 + 15 * 2 + 2 * 2 + 3),
    ],
)
def test_every_saved_markdown_page_is_read_whole(name: str, quotes: int) -> None:
    """Models times meters, counted by eye: base, batch, fast mode, prompts above 200K; tools."""
    reading = read_file(REAL_PAGES / "anthropic" / f"{name}-docs-pricing.md")

    assert (quotes, ()) == (len(reading.quotes), reading.set_aside)


@needs_real_pages
def test_the_page_of_december_2025_is_read_right() -> None:
    """Sonnet 4 and 4.5 cost more above 200K input tokens, though their table names no model."""
    found = prices(read_file(REAL_PAGES / "anthropic/2025-12-20_petehsu-docs-pricing.md"))
    sonnets = {name: amount for name, amount in found.items() if "claude-sonnet-4-5 st" in name}

    assert {
        "claude-sonnet-4-5 standard input <=200000": Decimal(3),
        "claude-sonnet-4-5 standard cache_write 5m <=200000": Decimal("3.75"),
        "claude-sonnet-4-5 standard cache_write 1h <=200000": Decimal(6),
        "claude-sonnet-4-5 standard cache_read <=200000": Decimal("0.30"),
        "claude-sonnet-4-5 standard output <=200000": Decimal(15),
        "claude-sonnet-4-5 standard input >200000": Decimal(6),
        "claude-sonnet-4-5 standard output >200000": Decimal("22.5"),
    } == sonnets
    assert Decimal("22.5") == found["claude-sonnet-4-0 standard output >200000"]
    assert Decimal("0.625") == found["claude-3-haiku-20240307 batch output"]


@needs_real_pages
def test_rows_that_had_not_arrived_are_set_aside() -> None:
    """In the page cut in June 2026 the batch table ends in placeholders; what stands is read."""
    reading = read_file(REAL_PAGES / "anthropic/2026-06-14_pedroaz-pricing.html")

    assert Decimal("2.5") == prices(reading)["claude-opus-4-8 batch input"]
    assert 5 == sum(aside.reason.startswith("a row of 0") for aside in reading.set_aside)
