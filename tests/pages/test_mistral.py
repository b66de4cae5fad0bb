"""Mistral's price pages: cards in the HTML and in the scripts, read right or refused."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote
from scraper.document import Reading
from scraper.providers import mistral
from tests.pages.conftest import REAL_PAGES, Cases, lines, needs_real_pages, truth

CASES = Cases(mistral, "2026-08-03.html", day="2026-08-03")
SCRIPTS, CARDS, DOCS = CASES.files
read, read_file = CASES.read, cache(CASES.read_file)


def changed(old: str, new: str, path: Path = CARDS) -> str:
    """The text of a case with every `old` made `new`; the case must have it."""
    return CASES.changed(old, new, path.name)


def key(quote: Quote) -> str:
    """A quote's series: product, meter, unit, currency, qualifiers."""
    series = quote.series
    words = [series.product, series.meter, series.unit, series.currency]
    return " ".join([*words, *(f"{name}={value}" for name, value in series.qualifiers)])


def prices(reading: Reading) -> dict[str, Decimal]:
    return {key(quote): quote.amount for quote in reading.quotes}


def dollars(reading: Reading, product: str) -> dict[str, Decimal]:
    """The prices of a product in US dollars, by meter and unit."""
    return {
        f"{quote.series.meter} {quote.series.unit}": quote.amount
        for quote in reading.quotes
        if quote.series.product == product and quote.series.currency == "USD"
    }


# --- whole pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_a_page_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of a card is quoted in each currency, no other is, and nothing is set aside."""
    reading = read_file(path)

    assert sorted(truth(path)["quotes"]) == lines(reading)
    assert () == reading.set_aside


@pytest.mark.parametrize(
    ("path", "series", "quoted", "unit", "where"),
    [
        (CARDS, "mistral-ocr-4-0 page page USD service_tier=standard", "$4 / 1000 pages",
         "/ 1000 pages", "OCR 4 › OCR › priceUsd"),
        (SCRIPTS, "codestral-latest input mtok EUR fine_tuned=true service_tier=standard", "0.18€",
         "/M tokens", "Codestral › Fine-tuning › Input (/M tokens) › price_euro"),
        (DOCS, "mistral-large-4 cache_read mtok USD service_tier=standard", "0.07 /M Tokens",
         "/M Tokens", "Mistral Large 4 › Cached input (/M Tokens) › price"),
    ],
)  # fmt: skip
def test_a_quote_tells_where_it_stands(
    path: Path, series: str, quoted: str, unit: str, where: str
) -> None:
    """Card, label and column as printed, the text of the price, and the words of the unit."""
    found = next(quote for quote in read_file(path).quotes if key(quote) == series)

    assert (quoted, unit, where) == (found.quoted, found.printed_unit, found.where)


def test_models_that_share_an_id_go_by_their_own() -> None:
    """Two models of different prices behind one alias would be one series with two prices."""
    reading = read_file(SCRIPTS)

    assert {} == dollars(reading, "mistral-small-latest")
    assert Decimal("0.15") == dollars(reading, "mistral-small-2603")["input mtok"]
    assert Decimal("0.1") == dollars(reading, "mistral-small-2506")["input mtok"]


def test_a_model_that_lost_its_id_is_set_aside() -> None:
    """Only classifiers have no id; a model without one isn't taken for one of them."""
    card = 'data-text="mistral-medium-latest"'
    reading = read(changed(card, "", CARDS))

    assert {} == dollars(reading, "mistral-medium")
    assert "lost the id" in reading.set_aside[0].reason


def test_a_card_with_another_one_within_is_set_aside() -> None:
    """Where the end of a card got lost, the next one's id and prices seem to be its own."""
    lines = CARDS.read_text(encoding="utf-8").splitlines()
    end = lines.index("</mistral-block-card-model></div>")
    lines[end] = "</mistral-block-card-model>"
    reading = read("\n".join([*lines, "</div>"]))
    expected = {name for name in prices(read_file(CARDS)) if "mistral-medium-latest" not in name}

    assert expected == prices(reading).keys()
    assert ["another card lies within"] == [aside.reason[:24] for aside in reading.set_aside]


def test_a_card_that_lost_its_prices_still_shares_its_id() -> None:
    """The other model's prices don't become those of the alias."""
    text = SCRIPTS.read_text(encoding="utf-8")
    start = text.index('\\"name\\": \\"Mistral Small 3.2\\"')
    at = text.index('\\"price\\"', start)
    reading = read(f'{text[:at]}\\"\\"{text[at + len("xxprice") + 2 :]}')

    assert {} == dollars(reading, "mistral-small-latest")
    assert Decimal("0.15") == dollars(reading, "mistral-small-2603")["input mtok"]


def test_a_model_that_shares_its_id_and_has_no_known_other_is_set_aside() -> None:
    """Nobody knows which of the two the alias leads to."""
    reading = read(changed("Mistral Small 3.2", "Mistral Small 9", SCRIPTS))

    assert {} == dollars(reading, "mistral-small-2506")
    assert {"Mistral Small 9 › Input (/M tokens)"} == {
        aside.where.rpartition(" › ")[0] for aside in reading.set_aside
    }


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (CARDS, "One-off training: Price per token on", "Until May, on"),
        (SCRIPTS, "Price per M token on", "Until May, on"),
        (CARDS, "We are keeping this endpoint", "For students we keep this endpoint"),
        (CARDS, "<p>Free</p>", "<p>Free for students</p>"),
        (CARDS, "<p>Free </p>", "<p>Free up to 1M tokens </p>"),
    ],
)
def test_a_price_with_strings_attached_is_set_aside(path: Path, old: str, new: str) -> None:
    """A note or a word that isn't known may set a condition."""
    reading = read(changed(old, new, path))

    assert {"USD", "EUR"} == {
        quote.series.currency for quote in {*read_file(path).quotes} - {*reading.quotes}
    }
    assert 2 == len(reading.set_aside)


# --- mutations ------------------------------------------------------------------------------------


def test_prices_may_change_places() -> None:
    """A price belongs to the label beside it, wherever on the card it stands."""
    lines = CARDS.read_text(encoding="utf-8").splitlines()
    at = next(at for at, text in enumerate(lines) if "<p>Input (/M tokens) </p>" in text)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]

    assert prices(read_file(CARDS)) == prices(read("\n".join(lines)))


@pytest.mark.parametrize("path", [CARDS, SCRIPTS], ids=["cards", "scripts"])
def test_prices_per_thousand_tokens_are_a_thousand_times_as_high(path: Path) -> None:
    """The unit comes from the label."""
    was = dollars(read_file(path), "mistral-medium-latest")
    reading = read(changed("(/M tokens)", "(per 1K tokens)", path))

    assert {name: amount * 1000 for name, amount in was.items()} == dollars(
        reading, "mistral-medium-latest"
    )


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        (CARDS, "Input (/M tokens) <", "Input <", "no unit is given"),
        (CARDS, "Input (/M tokens) <", "Input (/B tokens) <", "not a unit"),
        (CARDS, "Input (/M tokens) <", "Input (/M tokens) from 2027 <", "not understood"),
        (CARDS, "Input (/M tokens) <", "Long input (/M tokens) <", "not understood"),
        (CARDS, "Input (/M tokens) <", "Input (/image) <", "not understood"),
        (CARDS, "<span>$1.5</span>", "<span>€1.5</span>", "stored as"),
        (CARDS, "<span>$1.5</span>", "<span>$1.8</span>", "stored as"),
        (CARDS, "<span>$1.5</span>", "<span></span>", "stored as"),
        (CARDS, "<span>$1.5</span>", "<span>From $1.5</span>", "stored as"),
        (DOCS, '\\"price\\": 0.68', '\\"price\\": \\"0.68 from May\\"', "two units"),
        (DOCS, '\\"/M Tokens\\", \\"lab', 'null, \\"lab', "not a unit"),
        (SCRIPTS, "<p>$0.15", "<p>€0.15", "not an amount in USD"),
        (SCRIPTS, "<p>$0.15</p>", "<p><s>$0.15</s></p>", "struck through"),
        (SCRIPTS, "<p>$0.15", "<p>$0.15 / image", "two units"),
        (SCRIPTS, "<p>$0.15</p>", "<p>$0.15</p><p>until May</p>", "two units"),
    ],
)  # fmt: skip
def test_a_strange_price_is_set_aside(path: Path, old: str, new: str, reason: str) -> None:
    """What is not said clearly is not guessed; other cards are read all the same."""
    reading = read(changed(old, new, path))
    places = [aside.where for aside in reading.set_aside if reason in aside.reason]

    assert any(re.match("Mistral (Medium 3.5|Small 4|Large 4) › ", place) for place in places)
    assert prices(reading).items() < prices(read_file(path)).items()


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        (CARDS, "priceEur", "priceGbp", 'column "priceGbp": unknown column'),
        (CARDS, 'data-currency="usd"', 'data-currency="gbp"', "priceGbp.*unknown column"),
        (CARDS, 'data-prices="{', 'data-prices="', "unknown form"),
        (DOCS, "2c:[", '2b:{\\"names\\":[\\"b\\"]}\\n2c:[', "doesn't name one model"),
        (SCRIPTS, "price_euro", "price_pound", 'column "price_pound": unknown column'),
        (DOCS, "originalPrice", "minimumTokens", "unknown field"),
        (DOCS, '\\"type\\": \\"custom\\"', '\\"type\\": \\"tiered\\"', "unknown kind of price"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(path: Path, old: str, new: str, reason: str) -> None:
    """A currency, a field or a form that is new makes the whole page doubtful."""
    text = changed(old, new, path)

    with pytest.raises(PageChanged, match=reason):
        read(text)


def test_a_retired_model_is_no_offer() -> None:
    """Its page keeps the last price."""
    with pytest.raises(DocumentRefused, match="Mistral Large 4 is retired"):
        read(changed('\\"isRetired\\":false', '\\"isRetired\\":true', DOCS))


def test_only_a_model_called_free_costs_nothing() -> None:
    """A side that is not billed for has the figure 0, and is no free offer."""
    free = changed('\\"free\\": false', '\\"free\\": true', DOCS)

    assert "input minute" not in dollars(read_file(DOCS), "mistral-large-4")
    assert Decimal(0) == dollars(read(free), "mistral-large-4")["input minute"]


def test_of_a_struck_and_a_new_price_the_new_one_holds() -> None:
    """A list price that is crossed out is not what one pays."""
    reading = read(changed("<p>$1.5</p>", "<p><s>$3</s> $1.5</p>", SCRIPTS))

    assert prices(read_file(SCRIPTS)) == prices(reading)


def emptied_cards(text: str) -> str:
    return text.replace("data-prices", "data-old")


def emptied_scripts(text: str) -> str:
    return text.replace('\\"price\\"', '\\"cost\\"')


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (emptied_cards(CARDS.read_text(encoding="utf-8")), "html"),
        (emptied_scripts(SCRIPTS.read_text(encoding="utf-8")), "html"),
        ("<html><body>Just a moment...</body></html>", "html"),
        ('<form action="/login"><input name="email"></form>', "html"),
        ("<p>Mistral Large costs $2 / $6 per M tokens</p>", "html"),
        ("", "html"),
        ("| Model | Input |\n|---|---|\n| a | $1 |", "markdown"),
    ],
)
def test_a_document_without_cards_is_refused(text: str, form: str) -> None:
    """Emptied pages, block pages, login forms and other pages hold no price."""
    with pytest.raises(DocumentRefused, match="no card with a price|read as HTML"):
        read(text, form)


# --- real pages -----------------------------------------------------------------------------------


@needs_real_pages
def test_the_real_page_of_may_2026_is_read_whole() -> None:
    """Counted by eye; on the page itself one price has no unit and one is none at all."""
    reading = read_file(REAL_PAGES / "mistral" / "2026-05-08_LoreHex-pricing.html")

    assert 83 == sum(quote.series.currency == "USD" for quote in reading.quotes)
    assert [
        "Pixtral Large › Input (/M tokens) › price_euro",
        "Pixtral 12B › Fine-tuning › Storage Cost › price_dollar",
        "Pixtral 12B › Fine-tuning › Storage Cost › price_euro",
    ] == [aside.where for aside in reading.set_aside]
    large = dollars(reading, "mistral-large-latest")
    assert {"input mtok": Decimal("0.5"), "output mtok": Decimal("1.5")} == large


REAL = [
    ("2026-03-10_benyue1978-rsc-payload", "mistral-medium-latest", "0.4", "2"),
    ("2026-08-03_Simon-LM-pricing-api-cards", "mistral-medium-latest", "1.5", "7.5"),
    ("2026-08-03_Simon-LM-pricing-api-cards", "mistral-small-latest", "0.15", "0.6"),
    ("2026-08-17_Simon-LM-docs-mistral-large-3-25-12", "mistral-large-2512", "0.5", "1.5"),
]


@needs_real_pages
@pytest.mark.parametrize(("name", "product", "input_price", "output_price"), REAL)
def test_real_pages_of_other_months_are_read(
    name: str, product: str, input_price: str, output_price: str
) -> None:
    """Pieces of pages in each form, figures read by eye; nothing in them is set aside."""
    reading = read_file(REAL_PAGES / "mistral" / f"{name}.html")

    assert {
        "input mtok": Decimal(input_price),
        "output mtok": Decimal(output_price),
    } == dollars(reading, product)
    assert () == reading.set_aside


@needs_real_pages
@pytest.mark.parametrize(
    ("name", "product", "expected"),
    [
        ("2026-08-03_Simon-LM-pricing-api-cards", "libraries", "page page 0.003"),
        ("2026-08-17_Simon-LM-docs-ocr-4-1", "mistral-ocr-latest", "page page 0.005"),
        ("2026-08-17_Simon-LM-docs-voxtral-mini-transcribe-26-02", "voxtral-mini-2602",
         "input minute 0.003"),
    ],
)  # fmt: skip
def test_prices_by_page_and_minute_are_read(name: str, product: str, expected: str) -> None:
    """A tool's price for OCR is not the one of the OCR model."""
    found = dollars(read_file(REAL_PAGES / "mistral" / f"{name}.html"), product)

    assert expected in {f"{name} {amount}" for name, amount in found.items()}


def test_a_table_of_names_without_ids_is_refused() -> None:
    """The table of docs.mistral.ai says which model it means, and not what the API calls it."""
    table = (
        "<table><thead><tr><th>Model</th><th>Input</th><th>Output</th></tr></thead>"
        '<tr><td><a href="/models/mistral-large-3-25-12">Mistral Large 3</a></td>'
        "<td>$0.5</td><td>$1.5</td></tr></table>"
    )
    with pytest.raises(DocumentRefused, match="without the ids"):
        read(table)
