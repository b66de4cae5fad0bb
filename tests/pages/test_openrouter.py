"""OpenRouter's list of models: prices per token with their conditions, or set aside."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pricebook.errors import DocumentRefused
from pricebook.quote import Series
from scraper import catalogs
from scraper.catalogs.openrouter import makers_series
from scraper.providers import openrouter
from tests.pages.conftest import REAL_PAGES, Cases, needs_real_pages

CASES = Cases(openrouter, "2026-09-10.json", words=("product", "meter", "unit", "qualifiers"))
document, read, prices = CASES.document, CASES.read, CASES.prices


def answer(**pricing: Any) -> str:
    """A list of a usual model and one with this pricing."""
    usual = {"id": "a/usual", "pricing": {"prompt": "0.000001", "completion": "0.000002"}}
    odd = {"id": "a/odd", "pricing": {"prompt": "0.000003", "completion": "0.000004"} | pricing}
    return json.dumps({"data": [usual, odd]})


def test_a_list_says_what_a_person_reads_in_it() -> None:
    """Every price of the list is quoted, no other is, and nothing is set aside."""
    reading = read(CASES.page())

    assert CASES.expected(CASES.files[0]) == prices(reading)
    assert () == reading.set_aside


def test_a_quote_tells_where_it_stands() -> None:
    """Model, key and condition are the place; the figure is the string of the answer."""
    overrides = [{"min_prompt_tokens": 1000, "prompt": "0.000006"}]
    quotes = read(answer(overrides=overrides)).quotes

    assert "a/odd › prompt › >1000" == quotes[3].where
    assert ("0.000006", "per token") == (quotes[3].quoted, quotes[3].printed_unit)


@pytest.mark.parametrize(
    "pricing",
    [
        {"prompt": "-1", "completion": "-1"},
        {"prompt": "0", "completion": "0"},
        {"prompt": "0.0", "completion": "0", "request": "0.04"},
        {"discount": 0.25},
        {"per_song": "0.08"},
        {"overrides": [{"min_prompt_tokens": 1000, "region": "eu", "prompt": "0.1"}]},
        {"overrides": [{"min_prompt_tokens": "200k", "prompt": "0.1"}]},
        {"overrides": [{"prompt": "0.1", "utc_start": 2460, "utc_end": 0}]},
        {"overrides": [{"prompt": "0.1", "utc_start": 0, "utc_end": 100, "utc_days": ["someday"]}]},
        {
            "overrides": [
                {"prompt": "0.1", "utc_start": 0, "utc_end": 1200},
                {"completion": "0.1", "utc_start": 1200, "utc_end": 0},
            ]
        },
        {
            "overrides": [
                {"min_prompt_tokens": 9, "prompt": "0.1"},
                {"min_prompt_tokens": 8, "prompt": "0.2"},
            ]
        },
        {
            "overrides": [
                {"min_prompt_tokens": 9, "prompt": "0.1"},
                {"utc_start": 0, "utc_end": 1200, "prompt": "0.2"},
            ]
        },
    ],
    ids=str,
)
def test_a_model_that_is_not_understood_is_set_aside(pricing: dict[str, Any]) -> None:
    """A dynamic price, an unknown key or condition makes no price of that model, others live."""
    reading = read(answer(**pricing))

    assert {"a/usual"} == {quote.series.product for quote in reading.quotes}
    assert ["a/odd"] == [aside.where for aside in reading.set_aside]


@pytest.mark.parametrize(
    ("pricing", "where"),
    [
        ({"input_cache_read": "n/a"}, "a/odd › input_cache_read"),
        ({"input_cache_read": 0.1}, "a/odd › input_cache_read"),
        ({"input_cache_write": "0.00000008333333333333334"}, "a/odd › input_cache_write"),
        ({"image": "0.001"}, "a/odd › image"),
    ],
)
def test_one_odd_price_leaves_the_others(pricing: dict[str, Any], where: str) -> None:
    """What can't be read or kept exactly is set aside alone."""
    reading = read(answer(**pricing))

    assert 4 == len(reading.quotes)
    assert [where] == [aside.where for aside in reading.set_aside]


def test_zero_is_no_price_of_what_a_model_may_not_do() -> None:
    """A key at 0 beside others that cost something is neither free nor strange."""
    reading = read(answer(request="0", image="0.001", web_search="0"))

    assert {"input", "output"} == {quote.series.meter for quote in reading.quotes}


@pytest.mark.parametrize(
    "text",
    ['{"data": []}', '{"error": {"code": 429}}', "[]", "<html></html>", '{"data": [{"id": "a"}]}'],
)
def test_what_is_no_list_is_refused(text: str) -> None:
    """An emptied list, an error or a page instead of a list is no list."""
    with pytest.raises(DocumentRefused):
        read(text)


def test_another_form_is_refused() -> None:
    """Only JSON is served."""
    with pytest.raises(DocumentRefused, match="no list of models in JSON"):
        read(answer(), "html")


def test_a_list_names_its_next_page() -> None:
    """A long list goes on at `links.next`."""
    assert openrouter.next_page(document('{"links": {"next": "/api/v1/models?offset=5"}}')) == (
        "/api/v1/models?offset=5"
    )
    assert openrouter.next_page(document('{"data": []}')) is None


@pytest.mark.parametrize(
    ("product", "seller", "makers"),
    [
        ("anthropic/claude-haiku-4.5", "anthropic", "claude-haiku-4-5"),
        ("openai/gpt-5.5", "openai", "gpt-5.5"),
        ("x-ai/grok-4.3", "xai", "grok-4.3"),
    ],
)
def test_a_price_speaks_of_the_makers_own(product: str, seller: str, makers: str) -> None:
    """A reseller's price is a second opinion on one of the maker's, under the same conditions."""
    conditions = {"service_tier": "standard", "context": "<=272000"}
    series = Series.of("openrouter", product, "input", "mtok", **conditions)

    assert Series.of(seller, makers, "input", "mtok", **conditions) == makers_series(series)


@pytest.mark.parametrize(
    "product", ["~openai/gpt-latest", "openai/gpt-oss:free", "anthropic/claude-opus-4.7-fast", "z"]
)
def test_what_is_not_certain_speaks_of_nothing(product: str) -> None:
    """Aliases, variants and unknown makers give no second opinion."""
    assert makers_series(Series.of("openrouter", product, "input", "mtok")) is None


def test_catalogues_are_found_by_name() -> None:
    """The folder tells which there are."""
    assert ["openrouter"] == [name for name in catalogs.names() if name == "openrouter"]
    assert "openrouter" == catalogs.load("openrouter").SELLER
    with pytest.raises(KeyError):
        catalogs.load("nowhere")


# --- the real lists -----------------------------------------------------------------------------


@needs_real_pages
@pytest.mark.parametrize(
    ("name", "models", "unread"),
    [
        ("2026-05-15_models.dev-repo-models", 357, 7),
        ("2026-07-18_lzc0403-openrouter-raw", 335, 8),
    ],
)
def test_real_lists_are_read_but_for_what_has_no_price(name: str, models: int, unread: int) -> None:
    """All models are read but routers and those that are paid for in another way."""
    stored = json.loads((REAL_PAGES / "openrouter" / f"{name}.json").read_text(encoding="utf-8"))
    reading = read(json.dumps(stored.get("body", stored)))

    assert models == len({quote.series.product for quote in reading.quotes})
    assert unread == sum("›" not in aside.where for aside in reading.set_aside)
    assert Decimal(5) in {
        quote.amount
        for quote in reading.quotes
        if quote.series.product == "openai/gpt-5.5" and quote.series.meter == "input"
    }
