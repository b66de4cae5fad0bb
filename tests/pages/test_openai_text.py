"""OpenAI's price page of 2023 and 2024, saved as text without separators: read right or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pricebook.errors import DocumentRefused
from scraper.document import Reading
from scraper.providers import openai
from tests.pages.conftest import REAL_PAGES, Cases, needs_real_pages

CASES = Cases(openai, "2024-04-16.txt")
page, read = CASES.page, CASES.read


def changed(old: str, new: str, name: str = "", *, times: int = -1) -> Reading:
    """The reading of the page after one change, which must be one."""
    return read(CASES.changed(old, new, name, times=times))


def prices(reading: Reading) -> dict[str, Decimal]:
    return {str(quote.series): quote.amount for quote in reading.quotes}


def test_a_quote_tells_where_it_stands() -> None:
    """Section, label and column as printed, the amount with its unit, and the unit alone."""
    quote = read(page("2023-09-22.txt")).quotes[3]

    assert "GPT-4 › 32K context › Output" == quote.where
    assert ("$0.12 / 1K tokens", "/ 1K tokens") == (quote.quoted, quote.printed_unit)


def test_what_was_free_until_a_day_costs_from_that_day_on() -> None:
    """The first day of a price is the one until which the page says that there was none."""
    quote = next(quote for quote in read(page("2024-04-16.txt")).quotes if "$0.20" in quote.quoted)

    assert (datetime(2024, 4, 1, tzinfo=UTC), "announced") == (quote.valid_from, quote.basis)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_a_text_in_the_wrong_encoding_is_read_like_the_right_one(encoding: str) -> None:
    """UTF-8 that was taken for Latin-1 shows an Â before each space of the amounts."""
    text = page("2024-04-16.txt").encode("utf-8").decode(encoding)

    assert prices(read(page("2024-04-16.txt"))) == prices(read(text))


# --- mutations ----------------------------------------------------------------------------------


def test_columns_may_change_places() -> None:
    """A price without a name of its own is that of its column in the header."""
    text = page("2023-09-22.txt").replace("ModelInputOutput8K", "ModelOutputInput8K")

    assert Decimal(60) == prices(read(text))["openai gpt-4 input USD/mtok (service_tier=standard)"]


def test_prices_per_thousand_are_a_thousand_times_as_high() -> None:
    """The unit comes from the amount's own words."""
    reading = changed("1M tokens", "1K tokens")
    tokens = {name: price for name, price in prices(reading).items() if "mtok" in name}

    assert tokens == {
        name: amount * 1000
        for name, amount in prices(read(page("2024-04-16.txt"))).items()
        if "mtok" in name
    }


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("1M tokens", "1B tokens", "no unit that we know"),
        ("1M tokens", "hour", "no unit that we know"),
        ("$", "€", "without a table"),
        ("ModelInputOutputgpt-4$", "ModelInputCached inputOutputgpt-4$", "more prices"),
        ("ModelInputOutput", "ModelShortLong", "no header"),
        ("Older models", "Newer models", "no section that we know"),
        (
            "gpt-4$30.00\u00a0/ 1M tokens",
            "gpt-4$30\u00a0/ 1M tokens$1\u00a0/ 1M tokens",
            "more prices",
        ),
    ],
)
def test_what_is_not_known_is_refused(old: str, new: str, reason: str) -> None:
    """An unknown unit, currency, header or section never gives the old price."""
    with pytest.raises(DocumentRefused, match=reason):
        changed(old, new)


def test_an_amount_that_lost_its_unit_is_not_a_price() -> None:
    """A row with a price too few is set aside, and so is what the words around it became."""
    reading = changed("gpt-4-32k$60.00\u00a0/ 1M tokens", "gpt-4-32k$60.00")

    assert "openai gpt-4 input USD/mtok (service_tier=standard)" in prices(reading)
    assert reading.set_aside


def test_prints_that_disagree_are_both_set_aside() -> None:
    """Each table stands on the page twice; when the two differ neither price is believed."""
    reading = changed("gpt-4Input$30.00", "gpt-4Input$31.00")

    assert "openai gpt-4 input USD/mtok (service_tier=standard)" not in prices(reading)
    assert ["two prices for one series"] == [
        aside.reason.split(",")[0] for aside in reading.set_aside
    ]


def test_a_row_that_stands_in_one_print_only_is_set_aside() -> None:
    """A damaged label would be the name of a model that never was."""
    reading = changed("gpt-4-32kInput", "gpt-4-3kInput")

    assert not [name for name in prices(reading) if "gpt-4-3" in name]
    assert {"the other print has no such row"} == {aside.reason for aside in reading.set_aside}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("free until 04/01/2024", "from 04/01/2024", "may set a condition"),
        ("free until 04/01/2024", "free until 13/41/2024", "names no date"),
        ("$0.03\u00a0/ session", "$0.00\u00a0/ session", "no amount"),
    ],
)
def test_a_price_under_an_unknown_condition_is_set_aside(old: str, new: str, reason: str) -> None:
    """A note that isn't known is not overlooked, and no amount is not free of charge."""
    reading = changed(old, new)

    assert reason in reading.set_aside[0].reason
    assert prices(reading).items() < prices(read(page("2024-04-16.txt"))).items()


@pytest.mark.parametrize("label", ["GPT-4 large", "64K context", "gpt_4!"])
def test_a_label_without_a_known_id_is_set_aside(label: str) -> None:
    """Labels of other days name no product that we could be sure of; the other rows live."""
    reading = changed("32K context$", f"{label}$", "2023-09-22.txt")

    assert "openai gpt-4-32k input USD/mtok (service_tier=standard)" not in prices(reading)
    assert [f"GPT-4 › {label}"] == [aside.where for aside in reading.set_aside]


@pytest.mark.parametrize("text", ["", "Just a moment...", "Pricing. ChatGPT Plus is $20/month."])
def test_a_text_without_prices_per_unit_is_refused(text: str) -> None:
    """A block page or the page of subscriptions is no list of prices."""
    with pytest.raises(DocumentRefused, match="without a table"):
        read(text)


# --- real pages -----------------------------------------------------------------------------------


@needs_real_pages
@pytest.mark.parametrize(
    ("name", "quotes"),
    [
        ("2023-04-10_indrajitsadhukhan", 2 * 2 + 2 + 4 * 2 + 4 * 3 + 1 + 3 + 1),
        ("2023-12-20_jcarlarana", 3 * 2 * 2 + 2 + 3 * 3 + 1 + 2 * 2 + 7 + 3),
        ("2024-01-05_thltsui", 3 * 2 * 2 + 2 + 3 * 3 + 1 + 2 * 2 + 7 + 3),
    ],
)
def test_every_saved_text_is_read_whole(name: str, quotes: int) -> None:
    """Models times meters, counted by eye; nothing is set aside."""
    path = REAL_PAGES / "openai" / f"{name}-openai-com-pricing.txt"
    reading = read(path.read_text(encoding="utf-8"))

    assert (quotes, ()) == (len(reading.quotes), reading.set_aside)
