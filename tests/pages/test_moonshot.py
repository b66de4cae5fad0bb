"""Moonshot's price pages: read right in every form they have had, or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import plain
from scraper.providers import moonshot
from tests.pages.conftest import REAL_PAGES, Cases, needs_real_pages, series_lines, truth

CASES = Cases(moonshot, "2026-03-26.md", day="2026-07-17")
read, read_file, page, changed = CASES.read, CASES.read_file, CASES.page, CASES.changed


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_page_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of a page is quoted, no other is, and nothing is set aside."""
    expected = truth(path)["quotes"]

    reading = read_file(path)

    assert expected == series_lines(reading)
    assert () == reading.set_aside


def test_a_quote_tells_where_it_stands() -> None:
    """Place, text and unit of a quote are those printed on the page."""
    quote = read_file(CASES.folder / "2026-07-17.html").quotes[2]

    assert "产品定价 › kimi-k2.7-code › 输出价格" == quote.where
    assert ("¥27.00", "1M tokens") == (quote.quoted, quote.printed_unit)


def test_columns_may_change_places() -> None:
    """Cells are read by their header, wherever it stands."""
    lines = [
        "|" + "|".join(reversed(line.strip("|").split("|"))) + "|" if line[:1] == "|" else line
        for line in page().splitlines()
    ]

    assert sorted(series_lines(read(page()))) == sorted(series_lines(read("\n".join(lines))))


@pytest.mark.parametrize(
    ("old", "new", "price"),
    [
        ("1M tokens", "1K tokens", "output USD/mtok (service_tier=standard) 2500"),
        ("Pricing Explanation", "Pricing: Batch", "output USD/mtok (service_tier=batch) 2.5"),
        (
            "Input Price (Cache Hit)",
            "Cache Write Price (5 minutes)",
            "cache_write USD/mtok (cache_ttl=5m, service_tier=standard) 0.15",
        ),
        (
            "Input Price (Cache Hit)",
            "缓存写入价格（1 小时）",
            "cache_write USD/mtok (cache_ttl=1h, service_tier=standard) 0.15",
        ),
    ],
)
def test_conditions_are_read_from_the_page(old: str, new: str, price: str) -> None:
    """Unit, tier and cache lifetime are what the page says."""
    assert f"moonshot kimi-k2-0905-preview {price}" in series_lines(read(changed(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<>{"$"}3.00</>', "<Price of={3} />"),
        ('<>{"$"}3.00</>', "price(3)"),
        ('{"$"}', '{"€"}'),
        ('"Output Price"', "title(3)"),
        ("Cached Input", "Promotional"),
    ],
)
def test_a_component_is_read_only_when_it_is_all_literals(old: str, new: str) -> None:
    """What a browser would have to work out, and what the page renamed, is refused."""
    source = page("2026-10-06.md")
    assert old in source

    with pytest.raises(PageChanged):
        read(source.replace(old, new))


def test_a_discontinued_series_is_quoted_until_its_day() -> None:
    """`kimi-k2` is the series of `kimi-k2-0905-preview`, and not that of other models."""
    note = (
        "\n\n> `kimi-k2` series models will be officially discontinued on **May 25, 2026**.\n\n###"
    )
    text = page().replace("\n\n### Generation Model moonshot", f"{note} Generation Model moonshot")
    text = text.replace("| moonshot-v1-8k |", "| kimi-k2.6 |")
    reading = read(text, day="2026-05-01")

    ends = {quote.series.product: quote.valid_until for quote in reading.quotes}
    assert {"kimi-k2-0905-preview": datetime(2026, 5, 25, tzinfo=UTC), "kimi-k2.6": None} == ends


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("1M tokens", "1B tokens", "not a unit"),
        ("1M tokens", "", "not a unit"),
        ("1M tokens", "image", "no unit of tokens"),
        ("| Unit |", "| Per |", 'column "Per": unknown column'),
        ("| Unit |", "| Context Window |", "more than once"),
        ("(Cache Hit)", "(Off-peak)", "unknown column"),
        ("\\$", "€", "not an amount"),
        ("\\$", "", "not an amount"),
        ("## Product Pricing", "## Promotion", "special conditions"),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """An unknown column, unit, currency or heading is named; it never gives the old price."""
    with pytest.raises(PageChanged, match=reason):
        read(changed(old, new))


@pytest.mark.parametrize(
    "cell", ["Contact us", "", "~~\\$0.60~~", "\\$0.60<sup>1</sup>", "\\$0.60 / image", "Free"]
)
def test_a_strange_cell_is_set_aside_alone(cell: str) -> None:
    """What one cell doesn't say clearly is not guessed, and all others are read."""
    reading = read(changed("\\$0.60", cell))

    expected = [said for said in series_lines(read(page())) if not said.endswith(" 0.6")]

    assert expected == series_lines(reading)
    assert 1 == len(reading.set_aside)


def test_an_emptied_table_is_refused() -> None:
    """An export that lost its rows is no price list."""
    rows = [line for line in page().splitlines() if "1M" not in line]

    with pytest.raises(PageChanged, match="has no rows"):
        read("\n".join(rows))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("markdown", ""),
        ("markdown", '# Pricing\n\n<Card title="Kimi K2.6" href="/pricing/chat-k26">\n</Card>\n'),
        ("html", "<title>Just a moment...</title><body>Verify you are human</body>"),
        ("html", "<form><input type=password><button>Log in</button></form>"),
        ("text", "kimi-k2.6 $0.95"),
    ],
)
def test_another_page_is_refused(form: str, text: str) -> None:
    """A block page, a login form or a page of links is never a list without prices."""
    with pytest.raises(DocumentRefused):
        read(text, form)


@needs_real_pages
@pytest.mark.parametrize(
    ("name", "amounts"),
    [
        ("2026-07-17_lzc0403-chat-k25.html", ["0.7", "4", "21"]),
        ("2026-07-17_lzc0403-chat-k26.html", ["1.1", "6.5", "27"]),
        ("2026-07-17_lzc0403-chat-k27-code.html", ["1.3", "6.5", "27", "2.6", "13", "54"]),
    ],
)
def test_the_real_pages_of_july_2026_are_read(name: str, amounts: list[str]) -> None:
    """The amounts in yuan, as a person reads them from left to right."""
    reading = read_file(REAL_PAGES / "moonshot" / name)

    assert amounts == [str(plain(quote.amount)) for quote in reading.quotes]
    assert {"CNY"} == {quote.series.currency for quote in reading.quotes}
    assert () == reading.set_aside
