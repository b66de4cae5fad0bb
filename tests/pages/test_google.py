"""Google's pricing page: small pages of the same structure, changed pages, and the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote, plain
from scraper.document import Reading
from scraper.providers import google
from tests.pages import conftest
from tests.pages.conftest import FORMS, Cases, truth

CASES = Cases(google, "2026-10-01.md", day="2026-10-01")
HTML, MARKDOWN = CASES.files
read, read_file = CASES.read, CASES.read_file


def changed(old: str, new: str, path: Path = MARKDOWN) -> str:
    """The text of a case with every `old` made `new`; the case must have it."""
    return CASES.changed(old, new, path.name)


def line(quote: Quote) -> str:
    """A quote as it stands in a case: all are in US dollars."""
    return conftest.line(quote).replace(" USD", "", 1)


def lines(reading: Reading) -> list[str]:
    return sorted(line(quote) for quote in reading.quotes)


def table(*rows: str, unit: str = "Paid Tier, per 1M tokens in USD") -> str:
    """A page with one model, in one tier, whose paid tier has these `label: cell` rows."""
    body = "\n".join(f"| {row.replace(': ', ' | Not available | ', 1)} |" for row in rows)
    heading = "## Gemini 9 Flash\n\n*`gemini-9-flash`*\n"
    return f"{heading}\n| | Free Tier | {unit} |\n|---|---|---|\n{body}\n"


# --- whole pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_page_gives_exactly_the_quotes_that_a_person_reads_in_it(path: Path) -> None:
    """Every price of the paid tiers is read, and nothing else."""
    expected = truth(path)["quotes"]
    reading = read_file(path)
    assert lines(reading) == sorted(expected)
    assert reading.set_aside == ()


def test_every_form_that_is_fetched_can_be_read() -> None:
    """Each address of the source has a case in its form."""
    assert {page.form for page in google.PAGES} == {FORMS[path.suffix] for path in CASES.files}


def test_a_quote_names_its_place_and_shows_the_text_that_stands_there() -> None:
    """Model, tier, row and column as printed, the whole cell, and the words of the unit."""
    quote = read_file(MARKDOWN).quotes[0]
    assert quote.where == (
        "Gemini 3.8 Flash › Standard › Input price › Paid Tier, per 1M tokens in USD"
    )
    assert quote.quoted == "$0.75 through December 31, 2026. $1.50 starting January 1, 2027."
    assert quote.printed_unit == "per 1M tokens"


def test_a_price_with_a_unit_of_its_own_shows_the_words_of_its_own() -> None:
    """The unit's words are those of the cell when it has some, else those of the column."""
    printed = {
        quote.printed_unit
        for quote in read_file(MARKDOWN).quotes
        if quote.series.meter in {"cache_storage", "search"}
    }
    assert printed == {
        "/ 1,000,000 tokens per hour",
        "per 1,000 requests",
        "/ 1,000 grounded prompts",
        "/ 1,000 search queries",
    }


# --- dates ----------------------------------------------------------------------------------------


def test_a_price_that_starts_later_is_announced() -> None:
    """Only a price with a printed first day says when it began; the other was seen today."""
    basis = {bool(quote.valid_from): quote.basis for quote in read_file(MARKDOWN).quotes}
    assert basis == {True: "announced", False: "observed"}


@pytest.mark.parametrize(
    ("day", "amounts"),
    [
        ("2026-12-31T23:59", ["0.75", "1.5"]),
        ("2027-01-01", ["1.5"]),
    ],
)
def test_a_price_is_not_quoted_after_its_last_day(day: str, amounts: list[str]) -> None:
    """A page that is late to take an old price down doesn't bring it back."""
    page = table("Input price: $0.75 through December 31, 2026. $1.50 starting January 1, 2027.")
    assert [str(plain(quote.amount)) for quote in read(page, day=day).quotes] == amounts


# --- units, currencies, columns -------------------------------------------------------------------


def test_columns_are_found_by_name() -> None:
    """Swapping the free and the paid column changes nothing."""
    rows = (row.split("|") for row in MARKDOWN.read_text().splitlines())
    swapped = (
        "|".join([*row[:2], row[3], row[2], *row[4:]]) if row[4:] else "|".join(row) for row in rows
    )
    assert lines(read("\n".join(swapped))) == lines(read_file(MARKDOWN))


def test_prices_per_thousand_tokens_are_a_thousand_times_more_per_million() -> None:
    """The column's unit is read, not assumed."""
    page = table("Input price: $0.30", unit="Paid Tier, per 1K tokens in USD")
    assert lines(read(page)) == ["gemini-9-flash input mtok 300 service_tier=standard"]


@pytest.mark.parametrize(
    "column",
    [
        "Paid Tier",
        "Paid Tier, in USD",
        "Paid Tier, per 1M tokens in EUR",
        "Paid Tier, per 1M characters in USD and tokens",
        "Paid Tier, per 1M words in USD",
        "Pay as you go, per 1M tokens in USD",
        "Paid Tier, per 1M tokens in USD | Paid Tier, per 1M tokens in USD",
    ],
)
def test_a_column_without_a_known_unit_in_dollars_refuses_the_page(column: str) -> None:
    """No unit, another currency, another name or a second paid column: nothing is read."""
    with pytest.raises(PageChanged, match="google, table"):
        read(changed("Paid Tier, per 1M tokens in USD", column))


def test_an_unknown_column_is_named() -> None:
    """The refusal says which column of which table is new."""
    page = table("Input price: $0.30").replace("Free Tier |", "Free Tier | Long context |")
    with pytest.raises(PageChanged, match='"Gemini 9 Flash › standard", column "Long context"'):
        read(page)


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
@pytest.mark.parametrize("sign", ["€", "£", "¥"])
def test_another_currency_refuses_the_page(sign: str, path: Path) -> None:
    """A price in euros is never taken for one in dollars."""
    with pytest.raises(PageChanged, match=f'currency "{sign}"'):
        read(changed("$", sign, path), FORMS[path.suffix])


@pytest.mark.parametrize(
    "cell",
    [
        "C$0.30",
        "0.30",
        "$0,30",
        "$0.30 / $0.60",
        "$0.30 per 1M words",
        "$0.30 (smell)",
        "$0.30 (text) $1.00",
        "(text) $1.00 (audio)",
        "$0.30 per tokens",
        "$0.30, prompts <= 200k tokens , prompts > 200k tokens",
        "$0.30 (text / image), prompts <= 200k / 1,000,000 tokens per hour (storage price)",
        "$0.30 through Smarch 31, 2026.",
        "$0.30 through December 31, 2026. starting January 1, 2027.",
        "from $0.30",
        "$0.30 Equivalent to $0.1 per 10s audio or so",
    ],
)
def test_a_cell_that_is_not_understood_to_its_end_is_set_aside(cell: str) -> None:
    """One strange cell gives no quote and doesn't take the other rows with it."""
    reading = read(table(f"Input price: {cell}", "Output price: $2.50"))
    assert lines(reading) == ["gemini-9-flash output mtok 2.5 service_tier=standard"]
    assert [aside.text for aside in reading.set_aside] == [cell]


@pytest.mark.parametrize(
    "equivalent",
    [
        "Equivalent to $0.0336 per 1K resolution image^\\*^",
        "Equivalent to $0.045 per 0.5K image, $0.067 per 1K image, and $0.151 per 4K image.",
        "Equivalent to $0.002 per 10s audio through December 31, 2026. "
        "Equivalent to $0.004 per 10s audio starting January 1, 2027.",
    ],
)
def test_a_price_in_other_words_is_no_second_price(equivalent: str) -> None:
    """What an image or ten seconds come to is said beside the price of tokens, which is billed."""
    reading = read(table(f"Output price: $9.00 {equivalent}"))
    assert lines(reading) == ["gemini-9-flash output mtok 9 service_tier=standard"]
    assert reading.set_aside == ()


def test_grounding_may_be_priced_per_thousand_grounding_requests() -> None:
    """As the page of spring 2025 had it for the models of the 1.5 series."""
    reading = read(table("Grounding with Google Search: $35 / 1K grounding requests"))
    assert lines(reading) == [
        "gemini-9-flash search kreq 35 service_tier=standard tool=google_search"
    ]


def test_input_caching_names_the_cache() -> None:
    """`(input caching)` is no modality: it says which of the two caching prices it is."""
    cell = "$0.125 (input caching) $0.50 / 1,000,000 tokens per hour (storage price)"
    reading = read(table(f"Context caching price: {cell}"))
    assert lines(reading) == [
        "gemini-9-flash cache_read mtok 0.125 service_tier=standard",
        "gemini-9-flash cache_storage mtok_hour 0.5 service_tier=standard",
    ]


def test_an_unknown_row_with_a_price_is_set_aside() -> None:
    """A row that we don't know is shown, not skipped and not guessed."""
    reading = read(table("Thinking price: $9.00", "Input price: $0.30"))
    assert lines(reading) == ["gemini-9-flash input mtok 0.3 service_tier=standard"]
    assert [aside.where.split(" › ")[2] for aside in reading.set_aside] == ["Thinking price"]


@pytest.mark.parametrize("label", ["API", "Live", "Input price", ""])
def test_only_a_row_of_the_live_api_says_input_and_output_in_its_cell(label: str) -> None:
    """A label that lost a word leaves prices of another API, which are not those of tokens."""
    cell = "Input: $0.50 (text), $3.00 (audio) Output: $2.00 (text), $12.00 (audio)"
    reading = read(table("Output price: $2.50", f"{label}: {cell}"))
    assert lines(reading) == ["gemini-9-flash output mtok 2.5 service_tier=standard"]
    assert [aside.text for aside in reading.set_aside] == [cell]


def test_a_modality_that_lost_a_word_is_set_aside() -> None:
    """`(/image)` is neither text nor images."""
    reading = read(table("Input price: $3.60 (/image)", "Output price: $2.50"))
    assert lines(reading) == ["gemini-9-flash output mtok 2.5 service_tier=standard"]


def test_a_section_with_fewer_tables_than_tabs_is_set_aside() -> None:
    """Nobody knows which tier's table was lost."""
    tabs = "*`gemini-9-flash`*\n\nStandardBatch\n"
    page = table("Input price: $0.30").replace("*`gemini-9-flash`*\n", tabs)
    other = table("Input price: $0.10").replace("-9-", "-8-").replace(" 9 ", " 8 ")
    reading = read(page + other)
    assert lines(reading) == ["gemini-8-flash input mtok 0.1 service_tier=standard"]
    assert [aside.reason for aside in reading.set_aside] == [
        "1 tables for the tiers standard, batch"
    ]


def test_storage_without_its_hour_is_set_aside() -> None:
    """A storage price per token would be off by the hours that it is kept."""
    reading = read(table("Input price: $0.30", "Context caching price: $1.00 (storage price)"))
    assert lines(reading) == ["gemini-9-flash input mtok 0.3 service_tier=standard"]
    assert len(reading.set_aside) == 1


def test_a_row_with_too_few_cells_is_set_aside() -> None:
    """Its cells can't be given a column with certainty."""
    reading = read(table("Input price: $0.30", "Output price $2.50"))
    assert lines(reading) == ["gemini-9-flash input mtok 0.3 service_tier=standard"]
    assert [aside.reason for aside in reading.set_aside] == ["1 cells for 3 columns"]


def test_an_emptied_table_refuses_the_page() -> None:
    """A table that lost its rows is a fault of the page, not the end of the prices."""
    with pytest.raises(PageChanged, match="no rows"):
        read(MARKDOWN.read_text() + "\n" + table())


@pytest.mark.parametrize(
    "cell", ["Not available", "Not available ([shut down](https://x.test))", "-", "", "Coming soon"]
)
def test_what_is_not_sold_gives_no_quote(cell: str) -> None:
    """Not sold is neither free nor strange."""
    reading = read(table(f"Input price: {cell}", "Output price: $2.50"))
    assert lines(reading) == ["gemini-9-flash output mtok 2.5 service_tier=standard"]
    assert reading.set_aside == ()


def test_free_of_charge_is_a_price_of_zero_only_in_the_paid_column() -> None:
    """What is free on trial isn't free."""
    page = table("Input price: Free of charge", "Output price: $2.50")
    assert lines(read(page)) == [
        "gemini-9-flash input mtok 0 service_tier=standard",
        "gemini-9-flash output mtok 2.5 service_tier=standard",
    ]
    assert not [quote for quote in read_file(MARKDOWN).quotes if quote.amount == 0]


def test_a_price_that_is_struck_through_is_not_in_force() -> None:
    """Only the price beside it counts."""
    page = table("Input price: ~~$0.60~~ $0.30")
    assert lines(read(page)) == ["gemini-9-flash input mtok 0.3 service_tier=standard"]


def test_a_service_that_will_be_billed_later_is_set_aside() -> None:
    """A price without its first day isn't in force today."""
    page = table(
        "Input price: $0.30",
        "Grounding with Google Search: 5,000 RPD (free), then (Coming soon) $14 / 1,000 requests",
    )
    assert lines(read(page)) == ["gemini-9-flash input mtok 0.3 service_tier=standard"]


# --- images ---------------------------------------------------------------------------------------


def test_a_footnote_can_make_a_price_one_per_image() -> None:
    """In a column per 1M tokens, `$0.0006 (image)*` is per image by its footnote's words."""
    quotes = {line(quote): quote.printed_unit for quote in read_file(HTML).quotes}
    image = "gemini-3-pro-image-preview input image 0.0006 modality=image service_tier=batch"
    assert quotes[image] == "per image"


def test_a_price_with_a_lost_footnote_is_set_aside() -> None:
    """Without the footnote the unit of `$0.0006 (image)*` isn't known."""
    page = changed("Image input is set at", "Pictures are set at", HTML)
    reading = read(page, "html")
    assert [aside.where.split(" › ")[:3] for aside in reading.set_aside] == [
        ["Gemini 3 Pro Image Preview 🍌", "Batch", "Input price"]
    ]
    assert set(lines(reading)) < set(lines(read_file(HTML)))


def test_a_thousand_images_are_not_an_image_of_that_size() -> None:
    """`per 1K image` is a size, `per 1K images` a count that is not read."""
    reading = read(table("Input price: $0.30", "Output price: $39 per 1K images"))
    assert lines(reading) == ["gemini-9-flash input mtok 0.3 service_tier=standard"]
    assert len(reading.set_aside) == 1


# --- models and tiers -----------------------------------------------------------------------------


def test_a_row_of_a_model_whose_id_is_not_printed_is_set_aside() -> None:
    """A row named after a model goes to that model's id or to none."""
    page = changed("Imagen 4 Ultra image price", "Imagen 4 Mega image price", HTML)
    reading = read(page, "html")
    assert "imagen-4.0-ultra-generate-001" not in {q.series.product for q in reading.quotes}
    assert [aside.where.split(" › ")[2] for aside in reading.set_aside] == [
        "Imagen 4 Mega image price"
    ]


def test_a_stable_model_without_a_printed_id_is_named_by_its_heading() -> None:
    """Until August 2025 the page printed no ids; a preview's id can't be made of its heading."""
    page = table("Input price: $0.30").replace("*`gemini-9-flash`*", "")
    assert lines(read(page)) == ["gemini-9-flash input mtok 0.3 service_tier=standard"]
    with pytest.raises(DocumentRefused, match="prints no id"):
        read(page.replace("9 Flash", "9 Flash Preview"))


def test_ids_may_stand_on_several_lines() -> None:
    """All ids right below the heading are the section's, but not code in the text below."""
    page = table("Input price: $0.30").replace(
        "*`gemini-9-flash`*", "`gemini-9-flash`\n\n, `gemini-9-flash-live`\n\nSend `text` to it."
    )
    assert lines(read(page)) == [
        "gemini-9-flash input mtok 0.3 service_tier=standard",
        "gemini-9-flash-live input mtok 0.3 service_tier=standard",
    ]


def test_the_tier_of_one_model_is_not_that_of_the_next() -> None:
    """A model without tier headings is sold in the standard tier, whatever stood above it."""
    tiers = {q.series.product: q.series.get("service_tier") for q in read_file(MARKDOWN).quotes}
    assert tiers["veo-3.1-generate-preview"] == "standard"


def test_tables_that_lost_the_headings_of_their_tiers_refuse_the_page() -> None:
    """Without them the price of one tier would be taken for that of another."""
    with pytest.raises(PageChanged, match="several tables for one tier"):
        read(changed("### Batch\n", "").replace("### Standard\n", ""))


def test_a_tier_of_an_unknown_name_is_set_aside() -> None:
    """A new tier isn't the standard one."""
    reading = read(changed("### Priority", "### Turbo"))
    expected = [quote for quote in lines(read_file(MARKDOWN)) if "priority" not in quote]
    assert lines(reading) == expected
    assert [aside.where.split(" › ")[0] for aside in reading.set_aside] == ["Turbo"]


def test_tab_labels_in_one_line_name_the_tables_below() -> None:
    """Renderings by r.jina.ai keep the tabs as a line of links and lose the tiers' headings."""
    second = table("Input price: $0.15").split("\n\n", 2)[2]
    page = table("Input price: $0.30").replace(
        "*`gemini-9-flash`*\n", "_`gemini-9-flash`_\n\n[Standard](#standard)[Batch](#batch)More\n"
    )
    assert lines(read(f"{page}\n{second}")) == [
        "gemini-9-flash input mtok 0.15 service_tier=batch",
        "gemini-9-flash input mtok 0.3 service_tier=standard",
    ]


def test_an_unknown_table_with_prices_is_set_aside() -> None:
    """A table of another kind is shown with its heading."""
    page = MARKDOWN.read_text() + "\n## Plans\n\n| Plan | Price |\n|---|---|\n| Pro | $20 |\n"
    reading = read(page)
    assert lines(reading) == lines(read_file(MARKDOWN))
    assert [(aside.where, aside.text) for aside in reading.set_aside] == [("Plans", "Pro | $20")]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("html", "<html><body><h1>Sorry, you have been blocked</h1></body></html>"),
        ("html", '<html><body><div id="root"></div><script>let p = "$1"</script></body></html>'),
        ("markdown", "# Gemini Developer API pricing\n\n## Gemini 2.5 Pro\n\n### Standard\n"),
        ("markdown", "| SKU | Price |\n|---|---|\n| Gemini 2.5 Pro input | $1.25 |\n"),
        ("html", ""),
    ],
)
def test_a_document_that_is_not_the_pricing_page_is_refused(form: str, text: str) -> None:
    """A block page, a shell for scripts, an emptied export, another page: refused with a reason."""
    with pytest.raises(DocumentRefused, match="no table with a paid tier"):
        read(text, form)


# --- real pages -----------------------------------------------------------------------------------


def real(real_data: Path, name: str) -> Reading:
    return read_file(real_data / "pages" / "google" / name)


def test_the_export_of_december_2025_is_read_but_for_what_was_coming_soon(real_data: Path) -> None:
    """Its cells have spaces where the page has line breaks, and escaped comparison signs."""
    reading = real(real_data, "2025-12-21_am0n666-gemini-pricing.md")
    assert {
        "gemini-3-pro-preview input mtok 4 context=>200000 service_tier=standard",
        "gemini-2.5-pro cache_storage mtok_hour 4.5 service_tier=batch",
        "veo-3.1-fast-generate-preview video second 0.15 service_tier=standard",
        "gemini-3-pro-image-preview input image 0.0006 modality=image service_tier=batch",
    } <= set(lines(reading))
    assert len(reading.quotes) == 168
    assert {"Coming soon" in aside.text for aside in reading.set_aside} == {True}


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("2026-05-08_LoreHex-gemini-pricing-jina.md", 391),
        ("2026-06-02_LoreHex-gemini-pricing-jina.md", 387),
    ],
)
def test_renderings_by_another_party_are_read(real_data: Path, name: str, count: int) -> None:
    """r.jina.ai keeps the tables and the labels of the tabs."""
    reading = real(real_data, name)
    assert len(reading.quotes) == count
    assert reading.set_aside == ()
