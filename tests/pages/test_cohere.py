"""Cohere's price page: the groups of models in its scripts, read right or refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import plain
from scraper.document import Reading
from scraper.providers import cohere
from tests.pages.conftest import REAL_PAGES, Cases, lines, needs_real_pages, truth

CASES = Cases(cohere, "2026-07-15.html")
read, page = CASES.read, CASES.page


def changed(old: str, new: str) -> str:
    """The case with every `old` made `new`, both with the quotes of a script; it must have it."""
    old, new = (words.replace('"', '\\"') for words in (old, new))
    return CASES.changed(old, new)


def amounts(reading: Reading) -> dict[tuple[str, str, str | None], Decimal]:
    return {
        (quote.series.product, quote.series.meter, quote.series.get("modality")): quote.amount
        for quote in reading.quotes
    }


def test_a_page_says_what_a_person_reads_in_it() -> None:
    """Every price of a model is quoted, no other is, and nothing is set aside."""
    reading = read(page())

    assert sorted(truth(CASES.files[0])["quotes"]) == lines(reading)
    assert () == reading.set_aside


def test_a_quote_tells_where_it_stands() -> None:
    """Group, model and label as printed, the figure, and the words of the unit."""
    quote = read(page()).quotes[0]

    assert "Generative models › Command A › Input" == quote.where
    assert ("2.5", "per 1M tokens") == (quote.quoted, quote.printed_unit)


def test_sides_may_change_places() -> None:
    """A figure belongs to the label of its side, whichever side that is."""
    text = changed('"inputLabel": "Input", "inputPrice"', '"outputLabel": "Input", "outputPrice"')
    text = text.replace(
        '\\"outputLabel\\": \\"Output\\", \\"outputPrice\\"',
        '\\"inputLabel\\": \\"Output\\", \\"inputPrice\\"',
    )

    assert lines(read(page())) == lines(read(text))


def test_prices_per_thousand_tokens_are_a_thousand_times_as_high() -> None:
    """The unit comes from the model's own words."""
    was, now = amounts(read(page())), amounts(read(changed("1M tokens", "1K tokens")))
    tokens = {key: amount * 1000 for key, amount in was.items() if key[1] != "search"}

    assert tokens == {key: amount for key, amount in now.items() if key[1] != "search"}
    assert was["rerank-v3.5", "search", None] == now["rerank-v3.5", "search", None]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"Command A", "per": "1M tokens"', '"Command A", "per": "1B tokens"', "not a unit"),
        ('"Command A", "per": "1M tokens"', '"Command A", "per": null', "not a unit"),
        ('"Command A", "per": "1M tokens"', '"Command A", "per": "hour"', "not understood"),
        ('"Input", "inputPrice": 2.5', '"Training", "inputPrice": 2.5', "not understood"),
        ('"inputPrice": 2.5', '"inputPrice": 0', "not a price"),
        ('"inputPrice": 2.5', '"inputPrice": "2.5"', "not a price"),
        ('"inputPrice": 2.5', '"inputPrice": 2.5, "minimum": 128000', "unknown fields"),
        ('"modelName": "Command A"', '"modelName": "Command Z"', "API id"),
        ('"modelName": "Command A"', '"modelName": "Command A (fine-tuned)"', "another kind"),
        ('"title": "Generative models"', '"title": "Model Vault"', "another kind"),
    ],
)
def test_a_strange_price_is_set_aside(old: str, new: str, reason: str) -> None:
    """What is not said clearly is not guessed; other models are read all the same."""
    was, reading = amounts(read(page())), read(changed(old, new))

    assert ("command-a-03-2025", "input", None) not in amounts(reading)
    assert amounts(reading).items() < was.items()
    assert any(reason in aside.reason for aside in reading.set_aside)


def test_a_price_may_have_a_unit_of_its_own() -> None:
    """`overridePer` holds instead of the unit of the model's card."""
    page = changed('"inputPrice": 2.5', '"inputPrice": 2.5, "overridePer": "1K tokens"')
    assert amounts(read(page))["command-a-03-2025", "input", None] == 2500

    page = changed('"inputPrice": 2.5', '"inputPrice": 2.5, "overridePer": "1K hours"')
    assert ("command-a-03-2025", "input", None) not in amounts(read(page))


@pytest.mark.parametrize(
    ("sentence", "product", "paid"),
    [
        (
            "Command-light pricing is $0.30/1M tokens for input and $0.60/1M tokens for output",
            "command-light",
            ("0.3", "0.6"),
        ),
        (
            "Command R 03-2024 pricing is $0.05/1K tokens for input and $0.1/1K tokens for output.",
            "command-r-03-2024",
            ("50", "100"),
        ),
    ],
)
def test_answers_tell_the_prices_of_older_models(
    sentence: str, product: str, paid: tuple[str, str]
) -> None:
    """A sentence of the known form gives both prices, by the unit that it names."""
    found = amounts(read(f'{page()}<script>self.__next_f.push([1,"{sentence}"])</script>'))

    assert paid == tuple(str(plain(found[product, side, None])) for side in ("input", "output"))


@pytest.mark.parametrize(
    "sentence",
    [
        "Command Z pricing is $1.00/1M tokens for input and $2.00/1M tokens for output",
        "Command pricing is $1.00/1M tokens for output and $2.00/1M tokens for input",
        "Command pricing is $1.00/1M tokens for input and $2.00/1M tokens for output. Over 8K, 2%",
        "Command pricing was $1.00/1M tokens",
    ],
)
def test_another_sentence_with_prices_is_set_aside(sentence: str) -> None:
    """What an answer says in other words is not guessed."""
    reading = read(f"{page()}<p>{sentence}</p>")

    assert lines(read(page())) == lines(reading)
    assert [sentence] == [aside.text for aside in reading.set_aside]


def test_a_side_without_a_figure_is_not_sold() -> None:
    """Reranking has no output."""
    assert {("rerank-v3.5", "search", None)} == {
        key for key in amounts(read(page())) if key[0] == "rerank-v3.5"
    }


def test_a_page_in_another_currency_is_refused() -> None:
    """The figures of the scripts have no sign, so that of the page counts."""
    text = page().replace("<body>", "<body><p>€2.50 / 1M tokens</p>")

    with pytest.raises(PageChanged, match="not in US dollars"):
        read(text)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (page().replace("pricings", "prices"), "html"),
        (page().replace("pricingGroups", "plans"), "html"),
        ("<html><body>Just a moment...</body></html>", "html"),
        ('<form action="/login"><input name="email"></form>', "html"),
        ("", "html"),
        ("| Model | Input |\n|---|---|\n| a | $1 |", "markdown"),
    ],
)
def test_a_document_without_groups_of_models_is_refused(text: str, form: str) -> None:
    """Emptied pages, block pages, login forms and other pages hold no price."""
    with pytest.raises(DocumentRefused, match="no groups of models|only html"):
        read(text, form)


@needs_real_pages
def test_the_real_piece_of_july_2026_is_read() -> None:
    """One model with two prices."""
    reading = CASES.read_file(REAL_PAGES / "cohere" / "2026-07-15_LoreHex-rsc-payload.html")

    assert [
        "embed-v4.0 input mtok 0.12 USD modality=text service_tier=standard",
        "embed-v4.0 input mtok 0.47 USD modality=image service_tier=standard",
    ] == lines(reading)
    assert () == reading.set_aside
