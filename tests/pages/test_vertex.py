"""Google Cloud's page of Vertex AI prices: read right, or refused."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote, plain
from scraper.document import Document, Reading, reading_of
from scraper.providers import vertex
from scraper.reading import Unreadable, html_tables
from scraper.vertex_models import products

CASE = Path(__file__).parent / "vertex" / "2026-05-08.html"
PAGE = CASE.read_text(encoding="utf-8")
REAL_PAGE = (
    Path(__file__).parents[2]
    / "../shared/data/pages/google-vertex/2026-05-08_LoreHex-agent-platform-pricing.html"
)
needs_real_page = pytest.mark.skipif(
    not REAL_PAGE.exists(), reason="the saved page is not part of the repository"
)


def read(html: str, form: str = "html", at: str = "2026-05-08") -> Reading:
    day = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return reading_of(vertex, Document("https://cloud.google.com/pricing", form, html, day, "0"))


@cache
def real() -> Reading:
    return read(REAL_PAGE.read_text(encoding="utf-8"))


def changed(old: str, new: str, *, times: int = -1) -> Reading:
    """The reading of the page after one change, which must be one."""
    assert old in PAGE
    return read(PAGE.replace(old, new, times))


def line(quote: Quote) -> str:
    """A quote in the words of the .toml file."""
    words = [str(quote.series).removeprefix("google-vertex "), f"{plain(quote.amount):f}"]
    words += [f"until {quote.valid_until:%Y-%m-%d}"] if quote.valid_until else []
    words += [f"from {quote.valid_from:%Y-%m-%d}"] if quote.valid_from else []
    return " ".join(words)


def lines(reading: Reading) -> list[str]:
    return sorted(line(quote) for quote in reading.quotes)


# --- what a page says -----------------------------------------------------------------------------


def test_a_page_says_what_a_person_reads_in_it() -> None:
    """Every price of the page is quoted, no other is, and nothing is set aside."""
    expected = tomllib.loads(CASE.with_suffix(".toml").read_text(encoding="utf-8"))["quotes"]

    reading = read(PAGE)

    assert sorted(expected) == lines(reading)
    assert () == reading.set_aside


def test_a_quote_tells_where_it_stands() -> None:
    """Table, model, type and column, and the text of the cell, are those printed on the page."""
    quote = next(quote for quote in read(PAGE).quotes if quote.series.get("region") == "non-global")

    assert (
        "Standard › Gemini 3.1 Flash-Lite › Input (text, image, video) › "
        "Price (/1M tokens) <= 200K input tokens"
    ) == quote.where
    assert ("$0.25 (Global)\n$0.275 (Non-global)*", "1m tokens") == (
        quote.quoted,
        quote.printed_unit,
    )


def test_an_announced_price_replaces_the_one_that_held_before() -> None:
    """From the day on that the footnote names, only the price of its own holds."""
    series = "gemini-3.1-flash-lite input USD/mtok (modality=text+image+video, region=non-global"
    later = [text for text in lines(read(PAGE, at="2026-07-02")) if text.startswith(series)]

    assert [f"{series}, service_tier=standard) 0.275 from 2026-07-01"] == later


# --- mutations ------------------------------------------------------------------------------------


def test_columns_may_change_places() -> None:
    """Cells are read by their header, wherever it stands."""
    claude = PAGE.index("<section><h3>us-east5")
    head, table = PAGE[:claude], PAGE[claude:]
    short, long = "<th>Price (/1M tokens) =< 200K input tokens</th>", "> 200K input tokens</th>"
    table = table.replace(
        f"{short}<th>Price (/1M tokens) {long}", f"<th>Price (/1M tokens) {long}{short}", 1
    )

    found = [text for text in lines(read(head + table)) if text.startswith("claude-sonnet-4-5 in")]

    assert [
        "claude-sonnet-4-5 input USD/mtok (context=<=200000, region=us-east5, "
        "service_tier=standard) 6.6",
        "claude-sonnet-4-5 input USD/mtok (context=>200000, region=us-east5, "
        "service_tier=batch) 1.65",
        "claude-sonnet-4-5 input USD/mtok (context=>200000, region=us-east5, "
        "service_tier=standard) 3.3",
    ] == found


def test_prices_per_thousand_tokens_are_a_thousand_times_as_high() -> None:
    """The unit comes from the column's header."""
    reading = changed("Price (/1M training tokens)", "Price (/1K training tokens)")

    assert "qwen3-4b training USD/mtok 1350" in lines(reading)


ROWS = CASE.with_name("2026-11-20.html")


def rows_changed(old: str = "", new: str = "") -> Reading:
    """The reading of the page with a row for each region, after one change."""
    text = ROWS.read_text(encoding="utf-8")
    assert old in text
    return read(text.replace(old, new), at="2026-11-20")


def test_a_page_with_a_row_for_each_region_says_what_a_person_reads_in_it() -> None:
    """A blank model or type is that of the row above, a tab is a region, a name may have an end."""
    expected = tomllib.loads(ROWS.with_suffix(".toml").read_text(encoding="utf-8"))

    reading = rows_changed()

    assert sorted(expected["quotes"]) == lines(reading)
    assert expected["set_aside"] == [aside.reason.split(",")[0] for aside in reading.set_aside]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("are charged at long context rates", "are charged twice", "footnote"),
        ("** If a query", "If a query", "footnote"),
        ('id="tab-2">us-east5', ">us-east5", "a tab with prices: has no label"),
    ],
)
def test_what_a_table_with_footnotes_or_tabs_leaves_open_is_refused(
    old: str, new: str, reason: str
) -> None:
    """The footnote of a column may set a condition, and a tab without a name may be any region."""
    with pytest.raises(PageChanged, match=reason):
        rows_changed(old, new)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Global (Batch)", "Global (Turbo)", "region"),
        ("Global (Batch)", "Global (Priority)", "more than one service tier"),
        ("through December 31, 2026", "through Smarch 31, 2026", "not a date"),
        ("on July 1, 2026.", "soon.", "footnote"),
        ("5m Cache Write", "5m Cache Hit", "not a type"),
        ("<td>$4.125</td><td>$4.125</td>", "<td>$4.125</td>", "a row doesn't fit"),
        ("<p>Gemini 3.1 Pro Preview</p>", "", "the first row names no model"),
    ],
)
def test_what_a_row_with_a_region_does_not_say_is_set_aside(
    old: str, new: str, reason: str
) -> None:
    """It is not guessed from its neighbours."""
    reading = rows_changed(old, new)

    assert any(reason in aside.reason for aside in reading.set_aside)
    assert set(lines(reading)) < set(lines(rows_changed()))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<th>Price with Batch API", "<th>Price with Turbo API", "Turbo API.*unknown column"),
        ("<th>Price with Batch API", "<th>Price", "twice"),
        ("<th>Price with Batch API", "<th>Discount", "Discount.*unknown column"),
        ("Price (/1M training tokens)", "Price", "no unit"),
        ("Price (/1M training tokens)", "Price (/1M training steps)", "steps.*not a unit"),
        ("Price (/1M training tokens)", "Price (/training tokens)", "says not how many"),
        ("(/M Tok/hr)", "(/M Tok/day)", "not a unit"),
        ("$", "€", "not an amount in US dollars"),
        ('<h3 id="flexbatch">Flex/Batch', '<h3 id="flexbatch">Priority', "more than one service"),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """An unknown column, unit, currency or tier is named; it never gives the old price."""
    with pytest.raises(PageChanged, match=reason):
        changed(old, new)


def test_a_table_without_rows_is_refused() -> None:
    """An emptied table is no list in which nothing is sold."""
    start = PAGE.index("<tr><td>Gemini 2.5 Flash</td><td>Supervised")
    end = PAGE.index("</tbody>", start)

    with pytest.raises(PageChanged, match="Model Tuning.*no rows"):
        read(PAGE[:start] + PAGE[end:])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<td>$3.00</td>", "<td>Contact us</td>", "not an amount"),
        ("<td>$3.00</td>", "<td>$3.00*</td>", "not a unit"),
        ("<td>$3.00</td>", "<td><s>$3.00</s></td>", "struck through"),
        ("<td>$3.00</td>", "<td>$3.00<br>$4.00</td>", "tells them apart"),
        ("Tuning for 1M training", "Distilling of 1M training", "not a type"),
        ("<td>Qwen 3 4B</td>", "<td></td>", "there twice"),
        ("<td>Claude Haiku 4.5</td>", "<td></td>", "names no model"),
        ("<td>Upscaling</td>", "<td></td>", 'nothing stands below "Feature"'),
        ("<td>Image generation</td>", "<td>generation</td>", "doesn't say what comes out"),
        ("<td>Imagen 4</td><td>Upscaling", "<td>Imagen 4 Ultra</td><td>Image generation", "apart"),
        (
            "<td>Input</td><td>Global</td>",
            "<td>Input</td><td></td>",
            'nothing stands below "Region"',
        ),
        ("per 1,000 search queries", "per 1,000 queries", "counted in"),
        ("<td>$12</td><td>$18</td>", "<td>$12 $18</td>", "fewer cells"),
        ("Input (text, image, video)</td>", "Input (audio, image, video)</td>", "two rows"),
        ("Cache Hit: $0.33", "Cache Hit: $0.33 Input: $9", "not a unit"),
        ("Cache Hit: $0.33", "Warm Hit: $0.33", 'label "Warm Hit" is not known'),
        ("Claude Haiku 4.5", "Claude 4.x models", "id of"),
        ("$5.50</td>", "$5.50</td><td></td><td>$1</td>", "more cells"),
        ("<tr><td>1M input audio tokens</td>", "<tr>", "a column that holds none"),
        ("$0.44 / million tokens", "$0.44 / million tokens (or $0.44/page)", "two units"),
        ("on July 1, 2026.", "soon.", "footnote"),
        ("<td>Input</td><td>Global</td>", "<td>Input</td><td>EU & US</td>", "region"),
        ("<td>Audio Input</td>", "<td>Sound Input</td>", "not a type"),
    ],
)
def test_what_one_cell_or_row_does_not_say_is_set_aside(old: str, new: str, reason: str) -> None:
    """It is not guessed, and the rest of the page is read."""
    reading = changed(old, new)

    assert any(reason in aside.reason for aside in reading.set_aside)
    assert set(lines(reading)) < set(lines(read(PAGE)))


def test_a_model_with_two_rows_for_the_same_is_set_aside() -> None:
    """Where a name is lost its rows seem to be those of the model above, which has such rows."""
    reading = rows_changed("<p>Gemini 3.1 Flash-Lite</p>")

    assert "the model has two rows for the same" in {aside.reason for aside in reading.set_aside}
    assert not [quote for quote in reading.quotes if "$0.25" in quote.quoted]


def test_columns_that_name_several_units_are_set_aside() -> None:
    """When one header of a table names another unit than the next, one of them is wrong."""
    header = "Price (/1M tokens) <= 200K input tokens with Flex/Batch"

    reading = changed(header, header.replace("1M", "1K"))

    assert ["columns in several units: 1k tokens, 1m tokens"] == [
        aside.reason for aside in reading.set_aside
    ]
    assert not [text for text in lines(reading) if "service_tier=flex" in text]


def test_rows_away_from_the_name_of_their_model_are_set_aside() -> None:
    """Rows in another order than their names give no price, not even those that seem to fit."""
    name = '<tr><td rowspan="4"><br>Gemini 3.1<br>Flash-Lite</td></tr>\n'
    start = PAGE.index('<tr><td rowspan="3">Gemini 3.1 Pro Preview')
    shuffled = PAGE[:start] + name + PAGE[start:].replace(name, "", 1)

    reading = read(shuffled)

    assert ["rows stand away from the name of their model"] == [
        aside.reason for aside in reading.set_aside
    ]
    assert not [
        quote
        for quote in reading.quotes
        if ("gemini-3.1-pro-preview", "standard")
        == (quote.series.product, quote.series.get("service_tier"))
    ]


def test_rows_below_a_name_whose_own_rows_are_lost_are_set_aside() -> None:
    """A name that should reach far beyond the last row has lost rows, maybe those that it had."""
    start = PAGE.index("<tr><td>1M Input tokens")
    end = PAGE.index("<tr><td>1M input audio tokens")

    reading = read(PAGE[:start] + PAGE[end:])

    assert not [quote for quote in reading.quotes if quote.where.startswith("Token-based")]
    assert any("Token-based" in aside.where for aside in reading.set_aside)


def test_a_long_price_in_the_place_of_a_short_one_is_set_aside() -> None:
    """A row with one cell is known to have two in other regions: nobody knows which is lost."""
    start = PAGE.index("<section><h3>us-east5")
    end = PAGE.index("</section>", start)
    other = PAGE[start:end].replace("us-east5", "europe-west1")
    other = re.sub(r"<td>Input: \$3.30.*?</td>", "", other)

    reading = read(PAGE[:start] + other + PAGE[start:])

    assert not [q for q in reading.quotes if "europe-west1 › Claude Sonnet" in q.where]
    assert lines(read(PAGE)) == [t for t in lines(reading) if "region=europe-west1" not in t]


def test_a_cell_that_lost_its_tag_stays_in_its_column() -> None:
    """Words between two cells are a cell, or those behind them would move to other columns."""
    assert lines(read(PAGE)) == lines(changed("<td>$12</td>", "$12</td>"))
    assert lines(read(PAGE)) == lines(changed("<td>$12</td>", "<td>$12"))


def test_a_table_of_media_with_an_unknown_column_is_set_aside() -> None:
    """Each kind of media has columns of its own; a new one leaves the prices of tokens readable."""
    reading = changed("<th>Output</th>", "<th>Output</th><th>Frames</th>")

    assert ['table "Imagen", column "Frames"'] == [aside.where for aside in reading.set_aside]


@pytest.mark.parametrize(
    ("html", "form"),
    [
        ("<html><body>Just a moment...</body></html>", "html"),
        ("<form>Sign in<table><tr><td>User</td></tr></table></form>", "html"),
        ("", "html"),
        ("| Model | Pricing |\n|---|---|\n| a | Input: $1 / million tokens |", "markdown"),
    ],
)
def test_a_document_without_the_tables_is_refused(html: str, form: str) -> None:
    """Block pages, login forms and other forms of document are refused with the reason."""
    with pytest.raises(DocumentRefused, match="no table of models|only html"):
        read(html, form)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "heading", "product"),
    [
        ("Gemini 3.5 Flash-Lite Preview", "Standard", "gemini-3.5-flash-lite-preview"),
        ("Claude Opus 5", "Global", "claude-opus-5"),
        ("Opus 5.5", "Global", "claude-opus-5-5"),
        ("Gemini 3 Pro Image (Nano Banana Pro)", "Standard", "gemini-3-pro-image"),
        ("Claude 3.7 Sonnet (Deprecated)", "Global", "claude-3-7-sonnet"),
        ("Veo 3.1 Fast", "Veo", "veo-3.1-fast-generate-001"),
        ("Kimi-K3", "Moonshot's models", "kimi-k3-maas"),
        ("Codestral 3", "Mistral AI’s models", "codestral-3"),
        ("GLM-5 *", "GLM's models", "glm-5-maas"),
        ("Llama 3.1 8B", "Model Tuning", "llama-3.1-8b"),
    ],
)
def test_a_model_has_the_id_that_the_api_takes(name: str, heading: str, product: str) -> None:
    """Names follow rules, so that new models are read too."""
    assert (product,) == products(name, heading)


@pytest.mark.parametrize("name", ["Gemini 4 Flash Live API", "Some model", "", "Imagen Deluxe"])
def test_a_name_without_a_known_id_is_not_guessed(name: str) -> None:
    """Where no rule is certain the model is set aside."""
    with pytest.raises(Unreadable):
        products(name, "Standard")


# --- the real page --------------------------------------------------------------------------------


PLACES = [
    ("a table of a kind that is not read", "Model Optimizer"),
    ('"$ per node hour', "Imagen 1 › Fine-tuning"),
    ('"per frame" is not a unit', "Gemini Embedding 2"),
    ('"Text translation" is not a type', "The number of output characters per month"),
    ("more cells than columns", "Translation (Text)"),
    ("a table of a kind that is not read", "Provisioned Throughput"),
    ('"input: $6.60" is not a unit', "us-east5 › Claude Sonnet 4.6"),
    ("the same figure in two units", "Mistral OCR (25.05)"),
]


@needs_real_page
def test_what_the_real_page_leaves_open_is_set_aside() -> None:
    """Eight places, each with its reason; all other amounts of the tables are quoted."""
    assert PLACES == [
        next((p for p in PLACES if aside.reason.startswith(p[0]) and p[1] in aside.where), None)
        for aside in real().set_aside
    ]


@needs_real_page
@pytest.mark.parametrize(
    "text",
    [
        "gemini-3.1-pro-preview output USD/mtok "
        "(context=>200000, modality=text, service_tier=priority) 32.4",
        "gemini-2.5-pro input USD/mtok (context=>200000, service_tier=standard) 2.5",
        "gemini-2.5-flash cache_read USD/mtok (modality=audio, service_tier=standard) 0.1",
        "gemini-2.5-flash-image output USD/mtok "
        "(context=<=200000, modality=image, service_tier=batch) 15",
        "gemini-live-2.5-flash output USD/mtok (modality=audio, service_tier=standard) 12",
        "gemini-2.0-flash cache_read USD/mtok (modality=audio, service_tier=standard) 0.25",
        "gemini-2.0-flash-lite cache_storage USD/mtok_hour 1",
        "gemini-3-flash-preview cache_storage USD/mtok_hour 1",
        "gemini-1.0-pro output USD/mchar (context=<=128000, service_tier=standard) 0.375",
        "gemma-4-26b-a4b-it-maas cache_read USD/mtok (service_tier=standard) 0.015",
        "veo-3.1-fast-generate-001 video USD/second "
        "(service_tier=standard, variant=Video + Audio generation, 4k) 0.3",
        "multilingual-e5-large-maas input USD/mtok (service_tier=batch) 0.0125",
        "gemini-2.5-pro training USD/mtok 25",
        "llama-3.3-70b training USD/mtok 6.72",
        "claude-opus-4-7 input USD/mtok (region=global, service_tier=standard) 5",
        "claude-opus-4-7 cache_write USD/mtok "
        "(cache_ttl=5m, context=<=200000, region=eu, service_tier=batch) 3.438",
        "claude-sonnet-4-5 output USD/mtok "
        "(context=>200000, region=asia-southeast1, service_tier=standard) 24.75",
        "claude-haiku-4-5 cache_read USD/mtok "
        "(context=<=200000, region=asia-east1, service_tier=standard) 0.11",
        "claude-3-haiku cache_write USD/mtok "
        "(cache_ttl=1h, context=<=200000, service_tier=standard) 0.5",
        "grok-4.20-reasoning output USD/mtok (service_tier=standard) 6",
        "deepseek-v3.1-maas output USD/mtok (service_tier=batch) 0.85",
        "mistral-small-2503 output USD/mtok (service_tier=standard) 0.3",
        "web_search search USD/kreq (tool=web_search, variant=searches) 10",
        "enterprise_web_search search USD/kreq "
        "(tool=enterprise_web_search, variant=grounded prompts) 45",
    ],
)
def test_the_real_page_is_read_like_a_person_reads_it(text: str) -> None:
    """Prices that a person looked up in the page, some from each of its tables."""
    assert text in lines(real())


@needs_real_page
def test_no_cell_of_the_real_page_is_overlooked() -> None:
    """Each cell with an amount is quoted or set aside, but for the prices "for reference only".

    Of two cells with the same prices, for short and for long prompts, the first is quoted.
    """
    html = REAL_PAGE.read_text(encoding="utf-8")
    told = {quote.quoted for quote in real().quotes}
    told |= {part for aside in real().set_aside for part in aside.text.split(" | ")}
    cells = {
        cell.text
        for table in html_tables(html)
        if "Modality" not in table.heading and "Model Optimizer" not in table.heading
        for row in table.rows
        if "Grounding" not in row.label  # the same words stand in several tables
        for column, cell in row.items()
        if ">" not in column
    }

    assert [] == [text for text in cells if re.search(r"\$[0-9]", text) and text not in told]
    assert all("No charge" in quote.quoted for quote in real().quotes if quote.amount == 0)
