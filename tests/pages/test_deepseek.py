"""DeepSeek's price page: read right in every form it has had, or refused."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote
from scraper.document import Reading
from scraper.providers import deepseek
from tests.pages.conftest import REAL_PAGES, Cases, needs_real_pages, truth

PROMOTION = "2026-05-08.html"
PEAK = "2026-09-11.html"
CRAWL = "2025-12-20.md"

CASES = Cases(deepseek, PROMOTION)
read, page, changed = CASES.read, CASES.page, CASES.changed
read_file = CASES.read_file


def key(quote: Quote) -> str:
    """A quote's series and period in the words of the .toml files."""
    series = quote.series
    words = ["CNY"] if series.currency == "CNY" else []
    words += [series.product, series.meter]
    if window := series.get("window"):
        words.append(f"[{window}]")
    for word, moment in (("from", quote.valid_from), ("until", quote.valid_until)):
        if moment:
            words.append(f"{word} {moment:%Y-%m-%d %H:%M}")
    return " ".join(words)


def prices(reading: Reading) -> dict[str, tuple[str, Decimal]]:
    return {key(quote): (quote.series.currency, quote.amount) for quote in reading.quotes}


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_page_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of a page is quoted, no other is, and nothing is set aside."""
    reading = read_file(path)

    said = {
        name: (amount.split()[0], Decimal(amount.split()[1]))
        for name, amount in truth(path)["quotes"].items()
    }
    assert said == prices(reading)
    assert () == reading.set_aside


def test_a_quote_tells_where_it_stands() -> None:
    """Place, text and unit of a quote are those printed on the page."""
    quote = next(q for q in read(page()).quotes if key(q).startswith("deepseek-v4-pro input"))

    assert "Model Details › PRICING › 1M INPUT TOKENS (CACHE MISS) › deepseek-v4-pro" == quote.where
    assert ("$0.435 (75% off)", "1M INPUT TOKENS") == (quote.quoted, quote.printed_unit)
    assert ("USD", "mtok") == (quote.series.currency, quote.series.unit)
    assert "standard" == quote.series.get("service_tier")


# --- promotions and dates -----------------------------------------------------------------------

_PROMOTION = "is currently offered at a 75% discount, extended until 2026/05/31 15:59 UTC."


def test_a_discount_that_becomes_the_regular_price_has_no_end() -> None:
    """The promotion of May 2026 was made permanent: a quarter of the price struck through."""
    permanent = (
        "will be adjusted to 1/4 of the original price after it ends on 2026/05/31 15:59 UTC."
    )
    reading = read(changed(_PROMOTION, permanent))

    assert ("USD", Decimal("0.87")) == prices(reading)["deepseek-v4-pro output"]
    assert () == reading.set_aside


@pytest.mark.parametrize(
    "footnote",
    [
        "will be adjusted to 1/3 of the original price after 2026/05/31 15:59 UTC.",
        "is for contracts only.",
        "is currently offered at a 75% discount, extended until 2026/05/31.",
        "is currently offered at a 75% discount, extended until 2026/05/31 15:59.",
        "is currently offered at a 75% discount, extended until 2026/15/31 15:59 UTC.",
    ],
)
def test_a_price_with_a_footnote_that_may_set_a_condition_is_set_aside(footnote: str) -> None:
    """The prices with that mark are left out; those without it are read."""
    reading = read(changed(_PROMOTION, footnote))

    assert {"deepseek-v4-flash"} == {quote.series.product for quote in reading.quotes}
    assert 3 == len(reading.set_aside)


_OFFICIAL_NOTICE = (
    "We plan to raise the overall pricing in the near future. The specific pricing plan will be "
    "subject to official notice."
)


@pytest.mark.parametrize(
    "footnote",
    [
        _OFFICIAL_NOTICE,
        "API 服务即将采用峰谷定价策略，高峰时段价格为平时价格 2 倍，具体时间以正式通知为准。",
    ],
)
def test_a_change_of_prices_without_a_day_leaves_them_as_they_are(footnote: str) -> None:
    """What is subject to a notice to come is no condition of the prices on the page."""
    reading = read(changed(_PROMOTION, footnote))

    assert "deepseek-v4-pro output" in prices(reading)
    assert () == reading.set_aside

    dated = read(changed(_PROMOTION, f"{footnote} 2026/06/01"))
    assert "deepseek-v4-pro output" not in prices(dated)


def test_a_price_that_lost_the_name_of_its_hours_is_set_aside() -> None:
    """Beside prices by the hour one without hours isn't that of the whole day."""
    reading = read(changed("<td>PEAK</td><td>$1.2</td>", "<td></td><td>$1.2</td>", PEAK))

    assert {name for name in prices(read_file(CASES.folder / PEAK)) if " output " not in name} == {
        *prices(reading)
    }


def test_a_price_for_some_hours_without_that_for_the_others_is_set_aside() -> None:
    """Between two rows others got lost: the last one stands under the hours of the first."""
    old = page("2025-08-21.html")
    start = old.index("<tr><td>1M OUTPUT TOKENS</td><td>$1.10")
    reading = read(
        old[:start] + old[old.index("<tr><td>1M OUTPUT TOKENS</td><td colspan", start) :]
    )

    assert not [name for name in prices(reading) if "[" in name]
    assert "no price for the other hours beside it" in {one.reason for one in reading.set_aside}


def test_off_peak_prices_are_half_where_the_page_says_so() -> None:
    """A row that slipped below the label of another one would not be."""
    reading = read(changed("<td>PEAK</td><td>$1.2</td>", "<td>PEAK</td><td>$0.9</td>", PEAK))

    assert not [name for name in prices(reading) if name.startswith("deepseek-flash output")]
    assert prices(reading).items() < prices(read_file(CASES.folder / PEAK)).items()


def test_a_clipping_keeps_its_table_in_html() -> None:
    """The lines before the page, and their days, are the clipper's; the table is read as HTML."""
    table = page()[page().index("<table") : page().index("</table>") + len("</table>")]
    footnotes = re.sub(r"<[^<>]*>", " ", page()[page().index("</table>") :])
    clipping = f"---\ncreated: 2026-08-01\n---\n## 以下\n\n**\n\n{table}\n\n**\n\n{footnotes}"

    assert prices(read(page())) == prices(read(clipping, "markdown"))


@pytest.mark.parametrize(
    ("footnote", "is_read"), [(_OFFICIAL_NOTICE, True), ("Only on Sundays.", False)]
)
def test_the_footnote_of_all_prices_is_that_of_each_row(footnote: str, is_read: bool) -> None:
    """In markdown "PRICING(1)" stands in the first of its rows only."""
    text = f"""MODEL| deepseek-a1| deepseek-b2
---|---|---
PRICING(1)| 1M INPUT TOKENS (CACHE MISS)| $1| $2
1M OUTPUT TOKENS| $3| $6

(1) {footnote}
"""
    if is_read:
        assert 4 == len(prices(read(text, "markdown")))
    else:
        with pytest.raises(PageChanged, match="may set a condition"):
            read(text, "markdown")


def test_a_promotion_that_has_ended_is_no_price() -> None:
    """A page saved after the end of its own promotion doesn't say what is paid now."""
    reading = read(page(), day="2026-06-01")

    assert {"deepseek-v4-flash"} == {quote.series.product for quote in reading.quotes}


def test_a_list_with_a_day_that_is_not_understood_is_refused() -> None:
    """A price list for another time is never taken for today's."""
    text = changed(
        "Starting from 16:00 UTC Time on", "Ahead of 16:00 UTC Time on", "2025-08-21.html"
    )

    with pytest.raises(PageChanged, match="may say when the prices hold"):
        read(text)


def test_a_day_that_is_not_about_the_list_changes_nothing() -> None:
    """News above the table don't date its prices."""
    news = "<h2>Model Details</h2><p>V5 was announced on May 1, 2026.</p>"
    text = page().replace(
        '<h2>Model Details<a href="#model-details" title="Direct link">\u200b</a></h2>', news
    )

    assert prices(read(page())) == prices(read(text))


# --- hours --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "window"),
    [
        (
            "01:00 - 04:00 and 06:00 - 10:00 UTC (all other hours are off-peak)",
            "01:00-04:00,06:00-10:00",
        ),
        ("22:00 - 04:00 UTC (all other hours are off-peak)", "22:00-04:00"),
        ("Monday through Friday, 9:00 - 12:00 Beijing Time", "mon-fri 01:00-04:00"),
        ("2:00 - 6:00 Beijing Time", "18:00-22:00"),
        ("01:00 to 04:00 UTC (all other hours, including weekends, are off-peak)", "01:00-04:00"),
        ("01:00 - 04:00 UTC; all other hours, including holidays, are off-peak", "01:00-04:00"),
        (
            "01:00-04:00 UTC, Monday through Friday, excluding Chinese public holidays",
            "mon-fri except cn-holidays 01:00-04:00",
        ),
    ],
)
def test_peak_hours_are_those_of_the_footnote_in_utc(hours: str, window: str) -> None:
    """Beijing is eight hours ahead of UTC."""
    known = (
        "01:00 - 04:00 and 06:00 - 10:00 UTC, Monday through Friday (all other hours are off-peak)"
    )
    reading = read(changed(known, hours, PEAK), day="2026-09-11")

    assert {window, f"not {window}"} == {quote.series.get("window") for quote in reading.quotes}


@pytest.mark.parametrize(
    "hours",
    ["01:00 - 04:00, Monday through Friday", "01:00 - 04:00 UTC on the last Sunday of the month",
     "02:00 - 06:00 Beijing Time, Monday through Friday", "25:00 - 26:00 UTC", "shown in the app"],
)  # fmt: skip
def test_hours_that_are_not_understood_give_no_prices(hours: str) -> None:
    """Without its hours a price is not a price."""
    known = (
        "01:00 - 04:00 and 06:00 - 10:00 UTC, Monday through Friday (all other hours are off-peak)"
    )

    with pytest.raises(PageChanged, match="OFF-PEAK"):
        read(changed(known, hours, PEAK), day="2026-09-11")


def test_a_model_whose_footnote_speaks_of_its_price_is_set_aside() -> None:
    """What a footnote of a model says of billing is understood, or the model isn't quoted."""
    known = "After 12:00 Beijing Time on September 14, 2026, requests to"
    reading = read(changed(known, "At busy times requests to", PEAK), day="2026-09-11")

    assert "deepseek-v4-pro" not in {quote.series.product for quote in reading.quotes}
    assert 4 == len(reading.set_aside)


def test_a_footnote_that_confirms_a_model_changes_nothing() -> None:
    """DeepSeek took the retirement of V4 Pro back in such a footnote."""
    known = page(PEAK).split("(2) ")[1].split("<br>")[0]
    kept = "We go on after September 14, 2026, with the billing method remaining unchanged."
    reading = read(changed(known, kept, PEAK), day="2026-09-11")

    assert {None} == {quote.valid_until for quote in reading.quotes}
    assert () == reading.set_aside


# --- mutations ----------------------------------------------------------------------------------


def test_models_may_change_places() -> None:
    """Cells are read by the model above them."""
    text = page()
    for left, right in (
        ("deepseek-v4-flash<sup>(1)</sup>", "deepseek-v4-pro"),
        ("$0.0028", "$0.003625 (75% off<sup>(3)</sup>)<del>$0.0145</del>"),
        ("$0.14", "$0.435 (75% off<sup>(3)</sup>)<del>$1.74</del>"),
        ("$0.28", "$0.87 (75% off<sup>(3)</sup>)<del>$3.48</del>"),
    ):
        pair = f"<td>{left}</td><td>{right}</td>"
        assert pair in text
        text = text.replace(pair, f"<td>{right}</td><td>{left}</td>")

    assert prices(read(page())) == prices(read(text))


def test_prices_per_thousand_tokens_are_a_thousand_times_as_high() -> None:
    """The unit comes from the label, and the text above must not deny it."""
    expected = {name: (cny, amount * 1000) for name, (cny, amount) in prices(read(page())).items()}

    assert expected == prices(read(changed("1M", "1K")))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("1M INPUT", "1K INPUT", 'the label says "1K INPUT TOKENS", the text "per 1M tokens"'),
        ("1M INPUT", "1B INPUT", "is not a unit that we know"),
        ("1M INPUT TOKENS (CACHE HIT)", "1M INPUT TOKENS (CACHE WRITE)", "what is paid for"),
    ],
)
def test_a_row_that_is_not_understood_is_set_aside_alone(old: str, new: str, reason: str) -> None:
    """A label says unit and meter, or its prices are left out."""
    reading = read(changed(old, new))

    assert ("USD", Decimal("0.28")) == prices(reading)["deepseek-v4-flash output"]
    assert reason in reading.set_aside[0].reason


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("$", "€", "not an amount"),
        ("$", "", "not an amount"),
        ("1M", "1B", '"per 1B tokens" names no units'),
        ("deepseek-v4-pro</td>", "V4 (beta)</td>", "is not the id of a model"),
        ("deepseek-v4-pro</td>", "deepseek-v4-flash</td>", "more than once"),
        ("PRICING</td>", "BATCH PRICING</td>", 'label "BATCH PRICING" is not known'),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """An unknown column, unit, currency or heading is named; it never gives the old price."""
    with pytest.raises(PageChanged, match=reason):
        read(changed(old, new))


def test_a_table_of_empty_cells_is_refused() -> None:
    """A table whose prices were dropped is not one where nothing is sold."""
    text = page()
    for row in text.split("<tr>"):
        if "1M " in row and "TOKENS" in row:
            label = row.split("<td>$")[0]
            text = text.replace(row, f"{label}<td></td><td></td></tr>")

    with pytest.raises(PageChanged, match="not an amount"):
        read(text)


@pytest.mark.parametrize(
    "cell",
    ["Contact us", "$0.14 / image", "<del>$0.14</del>", "from $0.14", "$0.14<sup>9</sup>", ""],
)
def test_a_strange_cell_is_set_aside_alone(cell: str) -> None:
    """What one cell doesn't say clearly is not guessed, and all others are read."""
    reading = read(changed("<td>$0.14</td>", f"<td>{cell}</td>"))
    expected = prices(read(page()))
    del expected["deepseek-v4-flash input"]

    assert expected == prices(reading)
    assert ["Model Details › PRICING › 1M INPUT TOKENS (CACHE MISS) › deepseek-v4-flash"] == [
        aside.where for aside in reading.set_aside
    ]


def test_a_dash_is_not_sold() -> None:
    """A dash is no price and no problem."""
    reading = read(changed("<td>$0.14</td>", "<td>-</td>"))

    assert "deepseek-v4-flash input" not in prices(reading)
    assert () == reading.set_aside


def test_two_lists_that_contradict_each_other_give_no_price() -> None:
    """A second list without a day leaves the prices that differ unknown."""
    second = page()[page().index("<div><b><table>") : page().index("<p>(1)")].replace(
        "$0.28", "$0.56"
    )
    reading = read(page().replace("<p>(1)", f"{second}<p>(1)"))

    assert "deepseek-v4-flash output" not in prices(reading)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1M OUTPUT TOKENS| $0.42  ", "1M OUTPUT TOKENS| $0.42| "),
        ("1M OUTPUT TOKENS| $0.42  ", "1M OUTPUT TOKENS| | $0.42"),
        ("1M OUTPUT TOKENS| $0.42  ", "1M OUTPUT TOKENS| $0.42| $0.42| $0.42"),
    ],
)
def test_markdown_without_spans_is_read_only_where_it_is_certain(old: str, new: str) -> None:
    """A price beside an empty cell, or one too many, belongs to no model for certain."""
    reading = read(changed(old, new, CRAWL), "markdown")

    assert not [name for name in prices(reading) if "output" in name]
    assert ["models and prices don't match for certain"] == [a.reason for a in reading.set_aside]


def test_markdown_rows_that_lost_a_label_are_set_aside() -> None:
    """Which tokens a row of peak prices is about stood in a cell that spanned two rows."""
    table = """MODEL| deepseek-a1| deepseek-b2
---|---|---
PRICING| 1M INPUT TOKENS (CACHE MISS)| OFF-PEAK| $1| $2
PEAK| $2| $4
1M OUTPUT TOKENS| OFF-PEAK| $3| $6
PEAK| $6| $12

Peak hours are 01:00 - 04:00 UTC.
"""
    reading = read(table, "markdown")

    assert {
        "deepseek-a1 input [not 01:00-04:00]": ("USD", Decimal(1)),
        "deepseek-b2 input [not 01:00-04:00]": ("USD", Decimal(2)),
        "deepseek-a1 output [not 01:00-04:00]": ("USD", Decimal(3)),
        "deepseek-b2 output [not 01:00-04:00]": ("USD", Decimal(6)),
    } == prices(reading)
    assert ["PEAK | $2 | $4", "PEAK | $6 | $12"] == [aside.text for aside in reading.set_aside]


def test_markdown_rows_that_lost_the_heading_of_prices_are_read() -> None:
    """Rows below "PRICING" are a cell short; as many prices as models are theirs in order."""
    table = """|  |  |  |  |
| --- | --- | --- | --- |
| MODEL | | deepseek-a1 | deepseek-b2 |
| CONTEXT LENGTH | | 1M | |
| PRICING | 1M INPUT TOKENS (CACHE MISS) | $1 | $2 |
| 1M OUTPUT TOKENS | $3 | $6 |
"""
    assert {
        "deepseek-a1 input": ("USD", Decimal(1)),
        "deepseek-b2 input": ("USD", Decimal(2)),
        "deepseek-a1 output": ("USD", Decimal(3)),
        "deepseek-b2 output": ("USD", Decimal(6)),
    } == prices(read(table, "markdown"))

    reading = read(table.replace("| $3 | $6 |", "| $3 |  |"), "markdown")
    assert 2 == len(reading.quotes)
    assert ["1M OUTPUT TOKENS | $3 | "] == [aside.text for aside in reading.set_aside]


def test_a_shifted_table_is_refused() -> None:
    """Labels below the name of a model mean that prices stand below another one too."""
    text = changed('<td colspan="2">MODEL</td>', "<td>MODEL</td><td>deepseek-v5</td>")

    with pytest.raises(PageChanged, match="labels below the name of a model"):
        read(text)


def test_markdown_with_all_its_cells_is_read_by_column() -> None:
    """A table without spanning cells needs no guess in markdown either."""
    text = """## Model Details

| MODEL | | deepseek-a1 | deepseek-b2 |
|---|---|---|---|
| PRICING | 1M INPUT TOKENS (CACHE MISS) | | $2 |
| | 1M OUTPUT TOKENS | $3 ~~$9~~ | $4 |
"""
    reading = read(text, "markdown")

    assert {
        "deepseek-b2 input": ("USD", Decimal(2)),
        "deepseek-a1 output": ("USD", Decimal(3)),
        "deepseek-b2 output": ("USD", Decimal(4)),
    } == prices(reading)
    assert 1 == len(reading.set_aside)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html><title>Just a moment...</title><body>Verify you are human</body></html>",
        "<form><input name=email><input type=password><button>Log in</button></form>",
        "<h1>Rate limits</h1><table><tr><td>MODEL</td><td>deepseek-a1</td></tr>"
        "<tr><td>Concurrency</td><td>500</td></tr></table>",
        "<table><tr><td>Plan</td><td>Price</td></tr><tr><td>Pro</td><td>$20</td></tr></table>",
    ],
)
def test_another_page_is_refused(text: str) -> None:
    """A block page, a login form or another page is never a list without prices."""
    with pytest.raises(DocumentRefused, match="no table of models and their prices"):
        read(text)


# --- the real pages -----------------------------------------------------------------------------


@needs_real_pages
@pytest.mark.parametrize(
    ("name", "currency", "amounts"),
    [
        ("2025-12-20_petehsu-en.md", "USD", ["0.028", "0.28", "0.42"]),
        ("2025-12-20_petehsu-zh.md", "CNY", ["0.2", "2", "3"]),
    ],
)
def test_the_crawls_of_december_2025_are_read(name: str, currency: str, amounts: list[str]) -> None:
    """Both models cost the same then, in dollars and in yuan."""
    reading = read_file(REAL_PAGES / "deepseek" / name)

    meters = ("cache_read", "input", "output")
    assert {
        (product, meter): (currency, Decimal(amount))
        for product in ("deepseek-chat", "deepseek-reasoner")
        for meter, amount in zip(meters, amounts, strict=True)
    } == {(q.series.product, q.series.meter): (q.series.currency, q.amount) for q in reading.quotes}


@needs_real_pages
def test_text_without_cells_is_refused() -> None:
    """Glued text doesn't say which model a price belongs to."""
    with pytest.raises(DocumentRefused, match="only html and markdown"):
        read_file(REAL_PAGES / "deepseek/2025-09-15_pages-corpus-v3.1.txt")
