"""Z.ai's price page: read right in every form it has had, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from scraper.providers import zai
from tests.pages.conftest import REAL_PAGES, Cases, needs_real_pages, series_lines, truth

CASES = Cases(zai, "2026-08-18.md", day="2026-08-20")
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
    quote = read(page()).quotes[1]

    assert "Text Models › GLM-5.2 › Cached Input" == quote.where
    assert ("$0.26", "per 1M tokens") == (quote.quoted, quote.printed_unit)


def test_columns_may_change_places() -> None:
    """Cells are read by their header, wherever it stands."""
    lines = [
        "|" + "|".join(reversed(line.strip("|").split("|"))) + "|" if line[:1] == "|" else line
        for line in page().replace(" \\\\ ", " - ").splitlines()
    ]

    assert sorted(series_lines(read(page()))) == sorted(series_lines(read("\n".join(lines))))


def test_prices_per_thousand_tokens_are_a_thousand_times_as_high() -> None:
    """The unit comes from the line above the table."""
    reading = read(changed("Prices per 1M tokens.", "Prices per 1K tokens."))

    assert "zai glm-5.2 input USD/mtok (service_tier=standard) 1400" in series_lines(reading)
    assert "zai glm-4.5-flash input USD/mtok (service_tier=standard) 0" in series_lines(reading)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Prices per 1M tokens.", "", "names no units"),
        ("Prices per 1M tokens.", "Prices per 1B tokens.", "names no units"),
        ("Prices per 1M tokens.", "Prices per image.", "is not a unit of input here"),
        ("| Cached Input ", "| Cached Input (1h) ", "unknown column"),
        ("| Cached Input ", "| Input ", "more than once"),
        ("\\$", "€", "not an amount"),
        ("\\$", "", "not an amount"),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """An unknown column, unit or currency is named; it never gives the old price."""
    text = changed(old, new).replace("| Free ", "| ? ").replace("| Limited-time Free ", "| ? ")

    with pytest.raises(PageChanged, match=reason):
        read(text)


@pytest.mark.parametrize(
    "cell",
    ["Contact us", "", "~~\\$1.4~~", "\\$1.4<sup>1</sup>", "\\$1.4 / image", "\\$1.4 - \\$2"],
)
def test_a_strange_cell_is_set_aside_alone(cell: str) -> None:
    """What one cell doesn't say clearly is not guessed, and all others are read."""
    reading = read(changed("\\$1.4 ", f"{cell} "))

    assert series_lines(read(page()))[1:] == series_lines(reading)
    assert ["Text Models › GLM-5.2 › Input"] == [aside.where for aside in reading.set_aside]


def test_storage_is_priced_by_the_hour_or_not_at_all() -> None:
    """A price of storage per million tokens doesn't say for how long."""
    reading = read(changed("| \\$0.26       | Limited-time Free ", "| \\$0.26       | \\$0.5 "))

    assert ["Text Models › GLM-5.2 › Cached Input Storage"] == [a.where for a in reading.set_aside]


def test_agents_are_set_aside() -> None:
    """An agent isn't a model, and the page doesn't say which of its tokens are paid for."""
    agents = "\n### Agents\n\n| Agent | Price |\n| --- | --- |\n| Translation | \\$3 / MTok |\n"
    reading = read(page() + agents)

    assert series_lines(read(page())) == series_lines(reading)
    assert ["Agents › Translation › Price"] == [aside.where for aside in reading.set_aside]


def test_an_emptied_table_is_refused() -> None:
    """An export that lost its rows is no price list."""
    rows = [line for line in page().splitlines() if not line.startswith("| GLM")]

    with pytest.raises(PageChanged, match="has no rows"):
        read("\n".join(rows))


def test_an_unknown_table_with_amounts_is_set_aside() -> None:
    """No table with amounts is overlooked."""
    reading = read(page() + "\n### Plans\n\n| Plan | Monthly |\n|---|---|\n| Pro | \\$15 |\n")

    assert ['table "Plans"'] == [aside.where for aside in reading.set_aside]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("markdown", ""),
        ("markdown", "# GLM-4.6\n\n| Feature | Value |\n|---|---|\n| Context | 200K |\n"),
        ("html", "<title>Just a moment...</title><body>Verify you are human</body>"),
        ("html", "<form><input type=password><button>Log in</button></form>"),
        ("text", "GLM-5.2 $1.4"),
    ],
)
def test_another_page_is_refused(form: str, text: str) -> None:
    """A block page, a login form or another page is never a list without prices."""
    with pytest.raises(DocumentRefused):
        read(text, form)


@needs_real_pages
@pytest.mark.parametrize(
    ("name", "count"),
    [
        # Four prices a model but for one text and one vision model with two; tool, images, videos,
        # audio.
        ("2026-05-08_LoreHex-pricing-jina.md", 12 * 4 + 2 + 5 * 4 + 2 + 1 + 2 + 7 + 1),
        ("2026-08-18_lzc0403.html", 13 * 4 + 2 + 5 * 4 + 2 + 1 + 2 + 7 + 1),
    ],
)
def test_the_real_pages_are_read_but_for_agents(name: str, count: int) -> None:
    """All prices counted by hand are there, and only the three agents are set aside."""
    reading = read_file(REAL_PAGES / "zai" / name)

    assert count == len(reading.quotes)
    assert {"the price of an agent: which of its tokens are paid for isn't said"} == {
        aside.reason for aside in reading.set_aside
    }
    assert 3 == len(reading.set_aside)


@needs_real_pages
def test_the_two_real_pages_agree_on_what_did_not_change() -> None:
    """Between May and August 2026 GLM-5.2 came, and nothing else changed."""
    may = series_lines(read_file(REAL_PAGES / "zai" / "2026-05-08_LoreHex-pricing-jina.md"))
    august = series_lines(read_file(REAL_PAGES / "zai" / "2026-08-18_lzc0403.html"))

    assert {"zai glm-5.2"} == {" ".join(price.split()[:2]) for price in set(august) - set(may)}
    assert set() == set(may) - set(august)
