"""OpenAI's pricing page, in every form that it has been served in."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote, SetAside, plain
from scraper.document import Document, Reading, reading_of
from scraper.mdx import Call, literal
from scraper.openai_table import Label
from scraper.providers import load
from scraper.reading import Unreadable

CASES = Path(__file__).parent / "openai"
FORMS = {".md": "markdown", ".html": "html", ".txt": "text"}
URL = "https://developers.openai.com/api/docs/pricing"


def read_text(text: str, form: str) -> Reading:
    document = Document(URL, form, text, datetime(2026, 8, 21, tzinfo=UTC), "0" * 64)
    return reading_of(load("openai"), document)


def read_file(path: Path) -> Reading:
    return read_text(path.read_text(encoding="utf-8"), FORMS[path.suffix])


def changed(name: str, old: str, new: str, *, times: int = -1) -> Reading:
    """The reading of a case in which `old` was replaced; it has to be there."""
    path = CASES / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    return read_text(text.replace(old, new, times), FORMS[path.suffix])


def line(quote: Quote) -> str:
    return f"{quote.series} {plain(quote.amount)}"


def lines(reading: Reading) -> set[str]:
    return {line(quote) for quote in reading.quotes}


# --- cases written by hand ------------------------------------------------------------------------


@pytest.mark.parametrize("expected", sorted(CASES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_case_gives_the_quotes_that_were_read_by_hand(expected: Path) -> None:
    """Every price of the page is quoted, nothing else is, and what isn't read is set aside."""
    page = next(path for path in CASES.glob(f"{expected.stem}.*") if path.suffix in FORMS)
    case = tomllib.loads(expected.read_text(encoding="utf-8"))
    reading = read_file(page)
    assert sorted(case["quotes"]) == sorted(lines(reading))
    assert case["set_aside"] == [aside.where for aside in reading.set_aside]


def test_a_quote_says_where_it_stands_and_what_is_printed_there() -> None:
    """Row and column by their printed names, the text of the cell, and the words of the unit."""
    reading = read_file(CASES / "2026-07-06.md")
    quote = next(q for q in reading.quotes if line(q).endswith("standard) 0.5"))
    assert quote.where == (
        "Flagship models › Standard › gpt-5.5 (<272K context length) › Cached input"
    )
    assert (quote.quoted, quote.printed_unit) == ("$0.5", "per 1M tokens")


def test_a_training_hour_keeps_the_unit_of_its_cell() -> None:
    """`$100.00 / hour` in a table of prices per 1M tokens is a price per hour."""
    quote = next(q for q in read_file(CASES / "2026-08-21.html").quotes if q.series.unit == "hour")
    assert (quote.quoted, quote.printed_unit) == ("$100.00 / hour", "/ hour")


@pytest.mark.parametrize("words", [" with data sharing", " (with data sharing)", " (data sharing)"])
def test_a_label_may_say_that_data_is_shared(words: str) -> None:
    """The words are no part of the id, however they are set."""
    assert Label.of(f"o4-mini-2025-04-16{words}") == Label("o4-mini-2025-04-16", data_sharing=True)


# --- the page in other shapes ---------------------------------------------------------------------


def test_a_broken_row_still_says_that_a_model_is_sold_in_more_than_text() -> None:
    """Its text prices never pass for the prices of all."""
    reading = changed(
        "2025-12-20.md",
        "| gpt-4o-transcribe | $6.00 | - | $0.006 / minute |",
        "| gpt-4o-transcribe | $6.00 | $0.006 / minute |",
    )

    assert "openai gpt-4o-transcribe input USD/mtok (modality=text, service_tier=standard) 2.5" in (
        lines(reading)
    )


def test_swapped_columns_change_nothing() -> None:
    """Prices are found by the names of their columns, wherever these stand."""
    text = (CASES / "2025-12-20.md").read_text(encoding="utf-8")
    swapped = re.sub(
        r"(?m)^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", r"| \4 | \1 | \3 | \2 |", text
    )
    assert swapped != text
    there = {q.series: q.amount for q in read_text(text, "markdown").quotes}
    assert there == {q.series: q.amount for q in read_text(swapped, "markdown").quotes}


@pytest.mark.parametrize("name", ["2025-12-20.md", "2026-07-06.md", "2026-08-21.html"])
def test_prices_per_thousand_are_a_thousand_times_as_much_per_million(name: str) -> None:
    """The unit is the one that the page prints."""
    was = {q.series: q.amount for q in read_file(CASES / name).quotes}
    now = {q.series: q for q in changed(name, "per 1M tokens", "per 1K tokens").quotes}
    assert was.keys() == now.keys()
    for series, quote in now.items():
        factor = 1000 if quote.printed_unit == "per 1K tokens" else 1
        assert was[series] * factor == quote.amount
    assert "per 1K tokens" in {quote.printed_unit for quote in now.values()}


@pytest.mark.parametrize("name", ["2025-12-20.md", "2026-07-06.md", "2026-08-21.html"])
def test_without_a_sentence_on_the_unit_the_page_is_refused(name: str) -> None:
    """A price without a unit is no price, though it has always been one per million."""
    with pytest.raises(PageChanged, match="no sentence says what the prices are for"):
        changed(name, "Prices per 1M tokens.", "")


def test_the_unit_of_another_section_does_not_count() -> None:
    """A section that lost its sentence has no unit, whatever the one above it says."""
    with pytest.raises(PageChanged, match=r'table "Specialized models › Standard"'):
        changed(
            "2026-09-03.md",
            "Specialized models\n\n\nPrices per 1M tokens.\n",
            "Specialized models\n\n\n",
        )


@pytest.mark.parametrize("unit", ["Prices per 1M characters.", "Prices per minute."])
def test_tokens_that_are_sold_by_something_else_are_refused(unit: str) -> None:
    """A column of tokens with another unit is a page that we misunderstand."""
    with pytest.raises(PageChanged, match="is not one of tokens"):
        changed("2025-12-20.md", "Prices per 1M tokens.", unit)


def test_a_heading_and_a_column_that_name_two_units_are_refused() -> None:
    """`Prices per minute.` above a column `Price per second` leaves no certain unit."""
    with pytest.raises(PageChanged, match='column "Price per second": the unit "per minute"'):
        changed("2026-08-21.html", "Prices per second.", "Prices per minute.")


@pytest.mark.parametrize("name", ["2025-12-20.md", "2026-07-06.md", "2026-08-21.html"])
def test_another_currency_is_refused(name: str) -> None:
    """Amounts are dollars only where the page prints dollars."""
    with pytest.raises(PageChanged, match="not in US dollars"):
        changed(name, "$", "€")


def test_a_bare_number_in_a_plain_table_is_set_aside() -> None:
    """Only the page's own components print numbers as dollars."""
    reading = changed("2025-12-20.md", "| o1 | $15.00 |", "| o1 | 15.00 |")
    assert "openai o1 input USD/mtok (service_tier=standard) 15" not in lines(reading)
    assert "Text tokens › Standard › o1 › Input" in {a.where for a in reading.set_aside}


def test_an_unknown_column_is_refused_by_its_name() -> None:
    """A new column may change what the others mean."""
    with pytest.raises(PageChanged, match=r'table "Text tokens › Batch", column "Latency": unkn'):
        changed("2025-12-20.md", "| Model | Input | Cached input |", "| Model | Input | Latency |")


@pytest.mark.parametrize(
    "header",
    [
        "30m write",
        "30m cache writes",
        "cache writes (30m)",
        "cache write 30 min",
        "30-minute write",
    ],
)
def test_cache_writes_have_the_lifetime_that_their_header_names(header: str) -> None:
    """`30m write` and `12h write` are two prices of one meter."""
    reading = changed(
        "2026-09-03.md",
        "| Short context input | Short context output | Long context input |",
        f"| Short context input | Short context {header} | Long context 12h write |",
    )
    writes = {line(quote) for quote in reading.quotes if quote.series.get("cache_ttl")}
    conditions = "(cache_ttl=30m, context=<=272000, service_tier=standard)"
    assert writes == {f"openai gpt-5.6-cyber cache_write USD/mtok {conditions} 75"}


def test_two_columns_of_one_name_are_refused() -> None:
    """Under two columns called Input no price has a certain meaning."""
    with pytest.raises(PageChanged, match='column "Input": more than one'):
        changed("2025-12-20.md", "| Model | Input | Cached input |", "| Model | Input | Input |")


def test_a_table_without_rows_is_refused() -> None:
    """An emptied table is a page that changed, not a model that is no longer sold."""
    with pytest.raises(PageChanged, match="it has no rows"):
        changed("2025-12-20.md", "| text-embedding-3-small | $0.02 | $0.01 |", "")


def test_a_component_without_rows_is_refused() -> None:
    """The same holds for the tables that only a component holds."""
    with pytest.raises(PageChanged, match="it has no rows"):
        changed("2026-07-06.md", '["gpt-5.5 (<272K context length)", 12.5, "-", 75],', "")


def test_rows_of_unknown_length_are_refused() -> None:
    """Without headings four cells are input, cached input, output; five have cache writes too."""
    with pytest.raises(PageChanged, match="rows of 6 cells, and no headings"):
        changed("2026-07-06.md", "2.5, 0.25, 3.125, 15]", "2.5, 0.25, 3.125, 4, 15]")


@pytest.mark.parametrize("cells", ["5, 0.5, 0,3", "5, 0,5, 30", "5, null, 7,5", "2,5, 0.5, 30"])
def test_a_decimal_comma_makes_no_cache_writes(cells: str) -> None:
    """A row that seems to have a cell more than others, with an odd price for it, is set aside."""
    row = '["gpt-5.5 (<272K context length)", 5, 0.5, 30]'
    reading = changed("2026-07-06.md", row, row.replace("5, 0.5, 30", cells))

    gone = lines(read_file(CASES / "2026-07-06.md")) - lines(reading)
    assert 3 == len([text for text in gone if "gpt-5.5 " in text])
    assert lines(reading) < lines(read_file(CASES / "2026-07-06.md"))


def test_a_renamed_tier_is_refused_by_its_name() -> None:
    """Prices of an unknown tier are not prices of a known one."""
    with pytest.raises(PageChanged, match='the service tier "economy" is unknown'):
        changed("2026-08-21.html", 'data-value="batch"', 'data-value="economy"', times=1)


def test_a_table_that_lost_its_tier_is_refused() -> None:
    """Where a section tells tiers apart, a table without one is not taken for standard."""
    with pytest.raises(PageChanged, match="no service tier that we know is named"):
        changed("2026-09-03.md", "Fast mode\n\n\n### Grouped", "\n\n### Grouped")


def test_a_new_model_is_read_like_the_others() -> None:
    """Models come and go without a change of ours."""
    reading = changed("2025-12-20.md", "| o1 | $15.00 |", "| gpt-7.1-nova | $15.00 |")
    assert "openai gpt-7.1-nova input USD/mtok (service_tier=standard) 15" in lines(reading)


def test_footnotes_change_no_price() -> None:
    """A mark behind a model, a header or a price is no part of it."""
    reading = changed(
        "2025-12-20.md", "| o1 | $15.00 | $7.50 |", "| o1 [1] | $15.00* | $7.50<sup>2</sup> |"
    )
    assert lines(read_file(CASES / "2025-12-20.md")) == lines(reading)


def test_a_label_that_is_no_id_is_set_aside() -> None:
    """A display name that we don't know is not turned into an id by guessing."""
    reading = changed("2025-12-20.md", "| Whisper |", "| Whisper Next (preview) |")
    assert not [q for q in reading.quotes if q.series.product.startswith("whisper")]
    assert 'Whisper Next (preview)" is not the id' in " ".join(a.reason for a in reading.set_aside)


@pytest.mark.parametrize("cell", ["-", "", "N/A", "Not available"])
def test_what_is_not_sold_has_no_quote(cell: str) -> None:
    """A dash is neither free nor unreadable."""
    reading = changed("2025-12-20.md", "| o1 | $15.00 | $7.50 |", f"| o1 | $15.00 | {cell} |")
    assert lines(read_file(CASES / "2025-12-20.md")) - lines(reading) == {
        "openai o1 cache_read USD/mtok (service_tier=standard) 7.5"
    }
    assert len(read_file(CASES / "2025-12-20.md").set_aside) == len(reading.set_aside)


@pytest.mark.parametrize("cell", ["Contact us", "~~$7.50~~", "from $7.50", "$7.50 - $9"])
def test_what_is_no_single_price_is_set_aside(cell: str) -> None:
    """Text, struck-through prices and ranges are shown to a person instead of read."""
    reading = changed("2025-12-20.md", "| o1 | $15.00 | $7.50 |", f"| o1 | $15.00 | {cell} |")
    assert "openai o1 cache_read USD/mtok (service_tier=standard) 7.5" not in lines(reading)
    assert "Text tokens › Standard › o1 › Cached input" in {a.where for a in reading.set_aside}


def test_an_island_and_its_visible_row_that_disagree_are_both_set_aside() -> None:
    """The visible rows check the islands: of two prices for one series neither is believed."""
    reading = changed("2026-08-21.html", "<td>$30.00</td>", "<td>$31.00</td>")
    gone = "openai gpt-5.6-sol output USD/mtok (context=<=272000, service_tier=standard) 30"
    assert lines(read_file(CASES / "2026-08-21.html")) - lines(reading) == {gone}
    assert ["$30 | $31.00"] == [aside.text for aside in reading.set_aside]


def test_long_prompts_need_a_figure_of_the_page() -> None:
    """Where long context begins is said by the page, or the prices for it are set aside."""
    reading = changed("2026-09-03.md", " (<272K context length)", "")
    assert not [q for q in reading.quotes if q.series.get("context")]
    reasons = {aside.reason for aside in reading.set_aside}
    assert reasons == {"the page doesn't say how many tokens make a prompt long"}


def test_training_prices_elsewhere_are_set_aside() -> None:
    """A cut page may put the fine-tuning table into another section and tier."""
    reading = changed("2026-08-21.html", "<h2>Finetuning</h2>", "<h2>More models</h2>")
    assert not [q for q in reading.quotes if q.series.meter == "training"]
    assert "outside a section on fine-tuning" in reading.set_aside[0].reason


def test_rows_for_data_sharing_elsewhere_are_set_aside() -> None:
    """They are prices of fine-tuning, even when the column of training is lost."""
    text = (CASES / "2025-12-20.md").read_text(encoding="utf-8")
    cut = re.sub(r"(?m)^(\| o4-mini-2025-04-16[^|]*\|)[^|]*\|", r"\1", text)
    cut = cut.replace("| Model | Training |", "| Model |").replace("ine-tuning", "lagship models")

    reading = read_text(cut, "markdown")

    assert not [quote for quote in reading.quotes if quote.series.get("data_sharing")]
    assert any("data sharing outside" in aside.reason for aside in reading.set_aside)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("er second", "er minute", "no unit for video"),
        ("Size: Output resolution", "Details", "nothing tells the size"),
    ],
)
def test_a_video_without_its_unit_or_size_is_set_aside(old: str, new: str, reason: str) -> None:
    """Videos are sold by the second and by size: else the price is for something else."""
    reading = changed("2025-12-20.md", old, new)
    assert not [quote for quote in reading.quotes if quote.series.product.startswith("sora")]
    assert any(reason in aside.reason for aside in reading.set_aside)


def test_an_estimate_needs_the_columns_of_tokens() -> None:
    """Where a column is gone nobody knows whether a minute is billed or tokens are."""
    reading = changed(
        "2025-12-20.md", "| Input | Output | Estimated", "| Details | Output | Estimated"
    )
    transcribed = [q for q in reading.quotes if q.series.product == "gpt-4o-transcribe"]
    assert not [quote for quote in transcribed if quote.series.unit == "minute"]
    assert "nothing tells whether tokens are billed" in {a.reason for a in reading.set_aside}


def test_a_kind_of_web_search_that_lost_a_word_is_set_aside() -> None:
    """The kinds are told apart by their words alone."""
    reading = changed("2025-12-20.md", "Web search (all models)", "Web search ( models)")
    assert not [quote for quote in reading.quotes if quote.series.get("tool") == "web_search"]
    assert any("kind of web search" in aside.reason for aside in reading.set_aside)


def test_a_row_without_its_modality_is_set_aside() -> None:
    """Where a table tells modalities apart, a price of none of them means nothing."""
    reading = changed("2026-09-03.md", "| gpt-realtime-2.1 | Image |", "| gpt-realtime-2.1 |  |")
    gone = {text for text in lines(read_file(CASES / "2026-09-03.md")) if "modality=image" in text}
    assert gone == lines(read_file(CASES / "2026-09-03.md")) - lines(reading)
    assert len(reading.set_aside) == 2


def test_columns_half_of_which_name_a_context_are_refused() -> None:
    """A group header that went missing would move the others over the wrong columns."""
    with pytest.raises(PageChanged, match="some columns name a context"):
        changed("2026-09-03.md", "Short context input | Short context output", "Input | Output")


def test_tiers_may_be_headings() -> None:
    """`#### Batch` above a table says the same as a line `Batch`."""
    text = (CASES / "2025-12-20.md").read_text(encoding="utf-8")
    headed = re.sub(r"(?m)^(Batch|Standard)$", r"#### \1", text)
    assert headed != text
    assert lines(read_text(text, "markdown")) == lines(read_text(headed, "markdown"))


def test_an_unknown_tier_among_known_ones_is_refused() -> None:
    """`#### Economy` beside `#### Standard` is no section with standard prices."""
    text = (CASES / "2025-12-20.md").read_text(encoding="utf-8")
    headed = re.sub(r"(?m)^(Batch|Standard)$", r"#### \1", text).replace("# Batch", "# Economy")
    with pytest.raises(PageChanged, match="no service tier that we know is named"):
        read_text(headed, "markdown")


def test_line_ends_of_windows_change_nothing() -> None:
    """A file saved with other line ends says the same."""
    for name in ("2025-12-20.md", "2026-07-06.md", "2026-09-03.md"):
        text = (CASES / name).read_text(encoding="utf-8")
        windows = text.replace("\n", "\r\n")
        assert lines(read_text(text, "markdown")) == lines(read_text(windows, "markdown"))


# --- components -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("2026-07-06.md", '["gpt-5.2", 1.75, 0.175, 14],', "...legacyRows,"),
        ("2026-07-06.md", '["gpt-5.2", 1.75, 0.175, 14],', "[`gpt-${n}`, 1.75, 0.175, 14],"),
        ("2026-08-21.html", '[0,"gpt-5-pro"]', '[4,"gpt-5-pro"]'),
        ("2026-08-21.html", '{"tier":[0,"batch"],', "{{"),
        ("2026-08-21.html", '{"model":[0,"gpt-audio"],', '{"label":[0,"gpt-audio"],'),
    ],
)
def test_a_component_that_is_not_understood_is_refused(name: str, old: str, new: str) -> None:
    """Nothing is evaluated, and no row is left out because its neighbours could be read."""
    with pytest.raises(PageChanged, match="its properties are not those of a table"):
        changed(name, old, new)


def test_components_that_hold_no_prices_are_passed_over() -> None:
    """Text fields have rows and lists of links have groups."""
    extra = """<astro-island component-export="Feedback" props='{"rows":[0,3]}'></astro-island>
        <astro-island component-export="Links" props='{"groups":[1,[[0,{"title":[0,"x"]}]]]}'>"""
    reading = changed("2026-08-21.html", "<h2>Tools</h2>", f"{extra}</astro-island><h2>Tools</h2>")
    assert lines(read_file(CASES / "2026-08-21.html")) == lines(reading)


def test_a_component_may_have_a_closing_tag() -> None:
    """`<PricingTable ...></PricingTable>` is one table, not one with rows and one without."""
    reading = changed("2026-07-06.md", "]}\n      />", "]}\n      ></TextTokenPricingTables>")
    assert lines(read_file(CASES / "2026-07-06.md")) == lines(reading)


def test_a_section_of_the_html_that_lost_its_table_is_set_aside() -> None:
    """A heading with a sentence on prices and no table is named, not passed over."""
    path = CASES / "2026-08-21.html"
    text = re.sub(r"(Prices per second.</small>).*?(<h2>)", r"\1\2", path.read_text(), flags=re.S)
    assert ["Video generation models"] == [a.where for a in read_text(text, "html").set_aside]


def test_literals_are_read_as_javascript_reads_them() -> None:
    """Strings of all three kinds, numbers, null, nested lists, trailing commas and calls."""
    source = "{ model: 'it\\'s', \"rows\": [[`a`, -1.50, null, true,],], cell: html('<b>', {}) }"
    assert literal(source) == {
        "model": "it's",
        "rows": [["a", Decimal("-1.50"), None, True]],
        "cell": Call("html", ("<b>", {})),
    }


@pytest.mark.parametrize(
    "source", ["", "[1, 2", "rows", "1 + 1", "f(", "{a}", "() => 1", "[1 2]", "[000]"]
)
def test_what_is_more_than_a_literal_is_not_read(source: str) -> None:
    """An expression has no value that can be known without running it."""
    with pytest.raises(Unreadable):
        literal(source)


# --- documents without the page -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "form", "reason"),
    [
        ("<html><title>Just a moment...</title></html>", "html", "block page"),
        (
            "# Pricing\n\nText tokens\n\nPrices per 1M tokens.\n",
            "markdown",
            "no price table, it may",
        ),
        ("Markdown Content:\n\n| Model | Input |\n|---|---|\n", "markdown", "another site's"),
        ("gpt-4 $0.03 / 1K tokens", "json", "not as json"),
    ],
)
def test_a_document_without_the_page_is_refused(text: str, form: str, reason: str) -> None:
    """A block page, an emptied export, a rendering and another form say why they are not read."""
    with pytest.raises(DocumentRefused, match=reason):
        read_text(text, form)


def test_an_export_that_lost_its_main_tables_is_refused() -> None:
    """Prices of tools and speech alone are not the page."""
    text = (CASES / "2025-12-20.md").read_text(encoding="utf-8")
    head, rest = text.split("Batch\n\n|", 1)[0], text.split("### Audio tokens")[1]
    with pytest.raises(DocumentRefused, match="no standard prices of text models"):
        read_text(f"{head}### Audio tokens{rest}", "markdown")


# --- real pages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "quotes", "set_aside"),
    [
        ("2025-12-20_petehsu-platform-pricing.md", 434, 3),
        ("2026-04-03_piercecohen1-openai-docs.md", 255, 7),
        ("2026-05-29_piercecohen1-openai-docs.md", 273, 7),
        ("2026-06-14_pedroaz-pricing.html", 299, 1),
        ("2026-07-06_piercecohen1-openai-docs.md", 273, 7),
    ],
)
def test_other_real_pages_are_read(real_data: Path, name: str, quotes: int, set_aside: int) -> None:
    """Every form that the page has had gives its prices; counted by hand once, kept since."""
    reading = read_file(real_data / "pages/openai" / name)
    assert (quotes, set_aside) == (len(reading.quotes), len(reading.set_aside))


@pytest.mark.parametrize(
    "name",
    [
        "2026-02-26_piercecohen1-openai-docs.md",
        "2026-05-08_LoreHex-platform-pricing-cloudflare-block.html",
        "2026-05-08_LoreHex-platform-pricing-jina.md",
    ],
)
def test_real_documents_without_the_page_are_refused(real_data: Path, name: str) -> None:
    """No price is read from them, not even those that they hold."""
    with pytest.raises(DocumentRefused):
        read_file(real_data / "pages/openai" / name)


def test_what_is_set_aside_is_never_a_quote_of_the_main_lists(real_data: Path) -> None:
    """The real exports lose whole sections, but never a row of a service tier."""

    def in_main_list(aside: SetAside) -> bool:
        return aside.where.startswith(("Flagship models ›", "Text tokens ›"))

    reading = read_file(real_data / "pages/openai/2026-07-06_piercecohen1-openai-docs.md")
    assert [aside for aside in reading.set_aside if in_main_list(aside)] == []
