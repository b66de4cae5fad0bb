"""The cards of claude.com/pricing: read by their labels, or set aside."""

from __future__ import annotations

from decimal import Decimal

import pytest
from bs4 import BeautifulSoup

from pricebook.errors import DocumentRefused
from pricebook.quote import Quote
from scraper.document import Reading
from scraper.providers import anthropic
from scraper.reading import cell_of
from tests.pages.conftest import Cases

CASES = Cases(anthropic, "2025-11-13.html")
PAGE = CASES.page()
read = CASES.read


def changed(old: str, new: str, *, times: int = -1) -> Reading:
    """The reading of the page after one change, which must be one."""
    return read(CASES.changed(old, new, times=times))


def key(quote: Quote) -> str:
    return f"{quote.where.split(' › ')[0]} {str(quote.series).split(' ', 2)[2]}"


def prices(reading: Reading) -> dict[str, Decimal]:
    return {key(quote): quote.amount for quote in reading.quotes}


def titles(reading: Reading) -> set[str]:
    """What the cards with a price are about."""
    return {quote.where.split(" › ")[0] for quote in reading.quotes}


def test_a_quote_tells_where_it_stands() -> None:
    """Model, labels from the outermost in, the amount and its unit, all as printed."""
    quote = read(PAGE).quotes[11]

    assert "Sonnet 4.5 › Prompt caching › > 200K tokens › Read" == quote.where
    assert ("$0.60 / MTok", "/ MTok") == (quote.quoted, quote.printed_unit)


def test_classes_are_no_anchors() -> None:
    """Names of classes change with every release of the site, labels and headings stay."""
    reading = changed("tokens_main_label", "css-1x2y")

    assert prices(read(PAGE)) == prices(reading)


def test_amounts_may_stand_above_their_labels() -> None:
    """The cards of 2024 had the amount first, and the version before the family."""
    labels = ("Input", "Prompt caching write", "Prompt caching read", "Output")
    amounts = ("$3 / MTok", "$3.75 / MTok", "$0.30 / MTok", "$15 / MTok")
    body = "".join(f"<p>{a}</p><p>{la}</p>" for a, la in zip(amounts, labels, strict=True))
    reading = read(f"<article><h3>Claude 3.5 Sonnet</h3><p>Our newest</p>{body}</article>")

    assert [Decimal(15), Decimal("0.30"), Decimal("3.75"), Decimal(3)] == [
        quote.amount for quote in reading.quotes
    ]
    assert ["output", "cache_read", "cache_write", "input"] == [
        quote.series.meter for quote in reading.quotes
    ]
    assert {"claude-3-5-sonnet-latest"} == {quote.series.product for quote in reading.quotes}


def test_a_page_saved_as_text_says_the_same() -> None:
    """The text that a browser shows has each label and each amount on a line of its own."""
    text = cell_of(BeautifulSoup(PAGE, "html.parser")).text

    assert prices(read(PAGE)) == prices(read(text, "text"))


def test_a_text_with_a_model_that_is_not_known_is_no_card_of_the_model_above() -> None:
    """Amounts below a name that isn't known never go to the model before it."""
    text = cell_of(BeautifulSoup(PAGE, "html.parser")).text.replace("Sonnet 4.5", "Bard 4.5")
    reading = read(text, "text")

    assert {"Haiku 3.5", "Web search"} == titles(reading)
    assert ["Opus 4.1"] == [aside.where for aside in reading.set_aside]


def test_a_heading_without_words_is_passed_over() -> None:
    """A card that lost its title leaves the others as they are."""
    assert prices(read(PAGE)) == prices(read(f"{PAGE}<div><h3></h3><p>$20 a month</p></div>"))


def test_a_text_without_models_is_refused() -> None:
    """Some text on prices per MTok is no list of them."""
    with pytest.raises(DocumentRefused, match="cards of models"):
        read("Claude costs $5 / MTok.", "text")


def test_the_lifetime_of_cache_entries_is_read_from_the_page() -> None:
    """The sentence below the cards says which price of cache writes they show."""
    reading = changed("5-minute TTL", "1-hour TTL")
    lifetimes = {q.series.get("cache_ttl") for q in reading.quotes if "Write" in q.where}

    assert {"1h"} == lifetimes


def test_prices_per_thousand_tokens_are_a_thousand_times_as_high() -> None:
    """The unit comes from the words behind the amount."""
    expected = {name: amount * 1000 for name, amount in prices(read(PAGE)).items()}
    expected["Web search search USD/kreq (tool=web_search)"] = Decimal(10)

    assert expected == prices(changed("<span> / MTok", "<span> / 1K tokens"))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("/ MTok", "/ BTok", "not a unit"),
        ("/ MTok", "/ hour", "no unit of tokens"),
        ("/ MTok", "/ token", "no unit of tokens"),
        ('<span class="cur">$', '<span class="cur">€', "not an amount in US dollars"),
        ('<span class="cur">$</span>', "", "not an amount in US dollars"),
        ("<h3>", "<h5>", "names no model"),
    ],
)
def test_a_page_in_another_unit_or_currency_is_refused(old: str, new: str, reason: str) -> None:
    """It never gives the old price."""
    with pytest.raises(DocumentRefused, match=reason):
        changed(old, new)


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("Write</div>", "1h write</div>", "cache_write"),
        ("Output</div>", "Thinking</div>", "output"),
        ("≤ 200K", "Short", "<=200000"),
    ],
)
def test_an_amount_below_an_unknown_label_is_set_aside(old: str, new: str, missing: str) -> None:
    """It never passes for the price of the label above; all others are read."""
    reading = changed(old, new)
    kept = prices(reading)

    assert not [name for name in kept if missing in name]
    assert kept.items() <= prices(read(PAGE)).items()
    assert reading.set_aside


def test_a_card_saved_with_a_discount_switched_on_is_set_aside() -> None:
    """The page's script halves what is shown, and keeps the price itself in an attribute."""
    reading = changed('data-value="15">15', 'data-value="15">7.50', times=1)

    assert not [quote for quote in reading.quotes if "Opus 4.1" in quote.where]
    assert ["Opus 4.1"] == [aside.where for aside in reading.set_aside]


def test_two_cards_in_one_are_set_aside() -> None:
    """When a heading is lost, nobody knows which amounts belong to the model above."""
    reading = changed("<h3>Sonnet 4.5</h3>", "Sonnet 4.5")

    assert ["Opus 4.1"] == [aside.where for aside in reading.set_aside]
    assert {"Haiku 3.5", "Web search"} == titles(reading)


def test_an_amount_that_lost_its_label_never_takes_the_next_one() -> None:
    """The order of a card is turned only when its last label stands below its last amount."""
    start = PAGE.index("<h3>Haiku 3.5")
    reading = read(PAGE[:start] + PAGE[start:].replace(">Input</div>", "></div>", 1))

    assert ["Haiku 3.5"] == [aside.where for aside in reading.set_aside]
    assert prices(reading).items() < prices(read(PAGE)).items()


def test_a_model_that_is_not_known_is_set_aside() -> None:
    """Only a name with a known id gives quotes."""
    reading = changed("<h3>Haiku 3.5", "<h3>Bard 3.5")

    assert ["Bard 3.5"] == [aside.where for aside in reading.set_aside]


def test_a_card_without_amounts_is_told() -> None:
    """A script that didn't run leaves labels and no amounts."""
    reading = changed('<span class="cur">$</span><span data-value="0.80">0.80</span>', "", times=1)

    assert "Haiku 3.5 input USD/mtok (service_tier=standard)" not in prices(reading)


# --- tools --------------------------------------------------------------------------------------

CODE_EXECUTION = (
    "<div><p>Code execution</p><p>50 free hours daily.</p><p>Additional hours</p>"
    "<p>$0.05 per hour per container</p></div>"
)


def test_a_tool_has_a_name_a_label_and_an_amount() -> None:
    """Its name need not be a heading, and a description may stand below it."""
    quote = changed("<h4>Web search", f"{CODE_EXECUTION}<h4>Web search").quotes[-2]

    assert "anthropic code_execution container USD/hour (tool=code_execution)" == str(quote.series)
    assert (Decimal("0.05"), "per hour per container") == (quote.amount, quote.printed_unit)
    assert "Code execution › Additional hours" == quote.where


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<h4>Web search", "<h4>Mind reading", "no price of a tool"),
        ("<p>Cost", "<p>From", "no price of a tool"),
        ("/ 1K searches", "/ 1K web hours", "not a unit"),
        ("/ 1K searches", "/ hour", "no unit of web search"),
        ("$10 /", "€10 /", "not an amount in US dollars"),
    ],
)
def test_a_strange_tool_is_set_aside(old: str, new: str, reason: str) -> None:
    """It never takes the price of another tool, in another unit or currency."""
    reading = changed(old, new)

    assert {"web_search"}.isdisjoint(quote.series.product for quote in reading.quotes)
    assert [True] == [reason in aside.reason for aside in reading.set_aside]
