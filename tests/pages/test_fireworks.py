"""Fireworks' serverless price page: several prices in a cell, read in the order that it tells."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from scraper.document import Reading
from scraper.providers import fireworks
from tests.pages.conftest import REAL_PAGES, Cases, needs_real_pages

CASES = Cases(fireworks, "2026-09-05.md", words=("product", "service_tier", "meter", "region"))
ACCOUNT = "accounts/fireworks/models/"
read, page, changed = CASES.read, CASES.page, CASES.changed


def prices(reading: Reading) -> dict[str, Decimal]:
    """As the .toml files have them: without the account, which all models share."""
    return {name.removeprefix(ACCOUNT): amount for name, amount in CASES.prices(reading).items()}


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_page_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of a page is quoted, no other is, and nothing is set aside."""
    reading = CASES.read_file(path)

    assert CASES.expected(path) == prices(reading)
    assert () == reading.set_aside


def test_a_quote_tells_where_it_stands() -> None:
    """The product is the id that the API takes; place and text are those printed on the page."""
    quote = read(page()).quotes[3]

    assert "accounts/fireworks/models/kimi-k3" == quote.series.product
    assert "Text and vision models › Kimi K3 › Priority" == quote.where
    assert ("$3.75 / $0.375 / $18.75", "per 1M tokens") == (quote.quoted, quote.printed_unit)


# --- mutations ----------------------------------------------------------------------------------


def test_columns_may_change_places() -> None:
    """Cells are read by their header, wherever it stands."""
    lines = page().splitlines()
    for at, line in enumerate(lines):
        if line.startswith("|") and line.count("|") == 4:
            lines[at] = "|" + "|".join(reversed(line.strip().strip("|").split("|"))) + "|"

    assert prices(read(page())) == prices(read("\n".join(lines)))


def test_prices_in_a_cell_follow_the_order_that_the_page_tells() -> None:
    """The order is read and not remembered."""
    found = prices(read(changed("input / cached input / output", "cached input / output / input")))

    assert Decimal("3.00") == found["kimi-k3 standard cache_read"]
    assert Decimal("0.30") == found["kimi-k3 standard output"]


def test_the_header_may_tell_the_order() -> None:
    """Words in the header come before those in the text above."""
    text = changed("| Model | Standard |", "| Model | Standard (output / input / cached input) |")

    assert Decimal("3.00") == prices(read(text))["kimi-k3 standard output"]
    assert Decimal("3.75") == prices(read(text))["kimi-k3 priority input"]


def test_prices_per_thousand_tokens_are_a_thousand_times_as_high() -> None:
    """The unit comes from the text."""
    found = prices(read(changed("(USD per 1M tokens)", "(USD per 1K tokens)")))

    assert Decimal(3000) == found["kimi-k3 standard input"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("| Priority |", "| Reserved |", 'column "Reserved": unknown column'),
        ("| Priority |", "| Standard |", "more than once"),
        ("\\$", "€", "not an amount in US dollars"),
        ("input / cached input / output", "as usual", "tells the order"),
        ("per 1", "for 1", "its unit is not on the page"),
        ("(https://app.fireworks.ai", "(https://example.com", "links to no page"),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """Unknown columns and currencies, lost units, orders and ids never give a price."""
    with pytest.raises(PageChanged, match=reason):
        read(changed(old, new))


@pytest.mark.parametrize(
    "cell", ["\\$3.00 / \\$15.00", "\\$3.00 / \\$0.30 / \\$15.00 / \\$20.00", "\\$3.00", "Free",
             "\\$3.00 / ~~\\$0.30~~ / \\$15.00", "\\$3.00 / \\$0.30* / \\$15.00"]
)  # fmt: skip
def test_a_strange_cell_is_set_aside_alone(cell: str) -> None:
    """A cell with more or less than its three prices gives none, and all others are read."""
    reading = read(changed("| \\$3.00 / \\$0.30 / \\$15.00 |", f"| {cell} |"))
    expected = prices(read(page()))
    for meter in ("input", "cache_read", "output"):
        del expected[f"kimi-k3 standard {meter}"]

    assert expected == prices(reading)
    assert ["Text and vision models › Kimi K3 › Standard"] == [
        aside.where for aside in reading.set_aside
    ]


@pytest.mark.parametrize("name", ["Kimi K3 (EU)", "Kimi K3 Turbo", "Kimi family", "Kimi K3.5"])
def test_a_variant_that_is_not_known_is_set_aside(name: str) -> None:
    """It links to the model that it is made of, and its price is not that model's."""
    reading = read(changed("Kimi K3 (US)", name))
    expected = {key: amount for key, amount in prices(read(page())).items() if " us" not in key}

    assert expected == prices(reading)
    assert [f"Text and vision models › {name} › Standard"] == [
        aside.where for aside in reading.set_aside
    ]


def test_a_price_table_of_another_kind_is_set_aside() -> None:
    """Amounts in a table that no reader knows are told, not overlooked."""
    table = "## Images\n\n| Model | Price |\n|---|---|\n| Flux | \\$0.03 |\n"
    reading = read(f"{page()}\n{table}")

    assert prices(read(page())) == prices(reading)
    assert ["a table that we don't know"] == [aside.reason for aside in reading.set_aside]


def test_a_table_without_rows_is_refused() -> None:
    """An export that lost its rows is no price list."""
    rows = [line for line in page().splitlines() if not line.startswith("| [")]

    with pytest.raises(PageChanged, match="has no rows"):
        read("\n".join(rows))


@pytest.mark.parametrize(
    ("text", "form", "reason"),
    [
        ("<html><body>Just a moment...</body></html>", "html", "holds no table"),
        ('<form action="/login"><input name="password"></form>', "html", "holds no table"),
        ("", "markdown", "holds no table"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "markdown", "no price table"),
    ],
)
def test_a_document_without_prices_is_refused(text: str, form: str, reason: str) -> None:
    """Block pages, login forms and other pages are refused with the reason."""
    with pytest.raises(DocumentRefused, match=reason):
        read(text, form)


@needs_real_pages
def test_the_saved_text_of_june_2026_is_refused() -> None:
    """It lost the table, the unit and the ids: nothing in it is certain."""
    path = REAL_PAGES / "fireworks" / "2026-06-19_LoreHex-serverless-pricing-text.txt"
    text = path.read_text(encoding="utf-8")

    with pytest.raises(DocumentRefused, match="only markdown and html"):
        read(text, "text")
    with pytest.raises(DocumentRefused, match="holds no table"):
        read(text)
