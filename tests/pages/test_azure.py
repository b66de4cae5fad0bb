"""Azure's Retail Prices API: a meter's name is read in whole, or the meter is set aside."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from scraper.azure_meter import read_meter
from scraper.document import Reading
from scraper.providers import azure
from scraper.reading import Unreadable
from tests.pages.conftest import REAL_PAGES, Cases, needs_real_pages

CASES = Cases(azure, "2026-09-15-models.json", words=("product", "meter", "price", "qualifiers"))
REAL_ITEMS = REAL_PAGES / "azure" / "2026-08-11_azure-genai-prices-0.2.0-retail-snapshot.json"
document, read, prices = CASES.document, CASES.read, CASES.prices


def answer(*items: dict[str, Any]) -> str:
    return json.dumps({"Items": items, "NextPageLink": None})


def item(**fields: Any) -> dict[str, Any]:
    """An item of the API; `fields` set it apart."""
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": 0.0025,
        "armRegionName": "eastus2",
        "meterName": "gpt 4o 1120 Inp glbl Tokens",
        "productName": "Azure OpenAI",
        "serviceName": "Foundry Models",
        "unitOfMeasure": "1K",
        "type": "Consumption",
    } | fields


@pytest.mark.parametrize("path", CASES.files, ids=lambda path: path.name)
def test_an_answer_says_what_a_person_reads_in_it(path: Path) -> None:
    """Every price of an answer is quoted, no other is, and nothing is set aside."""
    reading = CASES.read_file(path)

    assert CASES.expected(path) == prices(reading)
    assert () == reading.set_aside


def test_a_quote_tells_where_it_stands() -> None:
    """Price list, meter, region, figure and unit of a quote are those of its item."""
    (quote,) = read(answer(item())).quotes

    assert "Azure OpenAI › gpt 4o 1120 Inp glbl Tokens › eastus2" == quote.where
    assert ("0.0025", "per 1K") == (quote.quoted, quote.printed_unit)
    assert "eastus2" == quote.series.get("region")


def test_the_order_of_fields_means_nothing() -> None:
    """An item is read by the names of its fields."""
    assert read(answer(item())) == read(answer(dict(reversed(item().items()))))


def test_the_unit_sets_the_price() -> None:
    """The same figure per 1M tokens is a thousandth of that per 1K."""
    (per_thousand,) = read(answer(item())).quotes
    (per_million,) = read(answer(item(unitOfMeasure="1M"))).quotes

    assert Decimal("2.5") == per_thousand.amount == 1000 * per_million.amount


@pytest.mark.parametrize(
    "odd",
    [
        {"unitOfMeasure": "1B"},
        {"unitOfMeasure": "1 Hour"},
        {"unitOfMeasure": "1K", "meterName": "5.4 inp Gl 1M Tokens", "productName": "Azure OpenAI"},
        {"tierMinimumUnits": 1000},
        {"retailPrice": 0},
        {"retailPrice": "0.0025"},
        {"retailPrice": -1},
        {"type": "Reservation"},
        {"effectiveStartDate": "soon"},
        {"meterName": "gpt 4o 1120 Inp glbl turbocharged Tokens"},
        {"meterName": "gpt 4o 1120 glbl Tokens"},
        {"meterName": "gpt 4o 1120 Inp Outp glbl Tokens"},
        {"meterName": "gpt 4o 1120 cd Outp glbl Tokens"},
        {"meterName": "gpt 4o 1120 Inp glbl DZone Tokens"},
        {"meterName": "gpt 4o 1121 Inp glbl Tokens"},
        {"meterName": "gpt-4o-0806-Batch-FT-Trng-glbl tkn Tokens"},
        {"meterName": "gpt-4o-ft model grader glbl Tokens"},
        {"meterName": "gpt-4o-0806-FT-Hstng-glbl Tokens"},
        {"productName": "Azure Llama Models"},
        {"productName": "Azure OpenAI GPT9", "meterName": "9 LongCo inp Gl 1M Tokens"},
        {"serviceName": "Virtual Machines"},
    ],
    ids=str,
)
def test_what_is_not_understood_is_set_aside(odd: dict[str, Any]) -> None:
    """One strange item leaves the others alone, and no price is made of it."""
    usual = item(meterName="gpt 4o 1120 Outp glbl Tokens")

    reading = read(answer(usual, item(**odd)))

    assert ["gpt-4o-2024-11-20 output USD/mtok global standard"] == [*prices(reading)]
    assert 1 == len(reading.set_aside)


def test_a_price_that_may_be_for_short_prompts_only_is_set_aside() -> None:
    """A model with a price for long prompts of unknown length has no other that we understand."""
    new = {"productName": "Azure OpenAI GPT9", "unitOfMeasure": "1M"}
    reading = read(
        answer(
            item(),
            item(meterName="9 inp Gl 1M Tokens", **new),
            item(meterName="9 LongCo inp Gl 1M Tokens", **new),
        )
    )

    assert 1 == len(reading.quotes)
    assert 2 == len(reading.set_aside)


def test_two_prices_for_one_series_are_both_set_aside() -> None:
    """Of two meters that we can't tell apart neither is believed."""
    with pytest.raises(DocumentRefused, match="two prices for one series"):
        read(answer(item(), item(retailPrice=0.003)))


def test_the_price_that_began_last_is_in_force() -> None:
    """Of several dates for one meter the latest counts; one that is to come is announced."""
    dates = {"2025-01-01T00:00:00Z": 1, "2026-09-01T00:00:00Z": 2, "2026-10-01T00:00:00Z": 3}
    items = [item(effectiveStartDate=date, retailPrice=price) for date, price in dates.items()]

    quotes = read(answer(*items)).quotes

    assert [(2000, "documented"), (3000, "announced")] == [
        (quote.amount, quote.basis) for quote in quotes
    ]


def test_another_currency_stays_what_it_is() -> None:
    """A price in euros is one in euros."""
    (quote,) = read(answer(item(currencyCode="EUR"))).quotes

    assert "EUR" == quote.series.currency


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (answer(item(tax="19 %")), 'field "tax" is unknown'),
        (answer({"meterName": "gpt"}), "an item without armRegionName"),
        (answer(item(meterName=None)), 'field "meterName" is no text'),
        ("[" * 100_000, "has no Items"),
        (answer({**item(), "currencyCode": "USD"} | {"type": "DevTestConsumption"}), "no price"),
        (answer(), "is empty"),
        ("<html>Please sign in</html>", "has no Items"),
        ('{"error": "throttled"}', "has no Items"),
        ("[]", "has no Items"),
    ],
)
def test_what_is_no_answer_is_refused(text: str, reason: str) -> None:
    """An emptied answer, another shape or a page instead of an answer is no price list."""
    with pytest.raises(DocumentRefused, match=reason):
        read(text)


def test_another_form_is_refused() -> None:
    """Only JSON is served by the API."""
    with pytest.raises(DocumentRefused, match="only json"):
        read("{}", "html")


def test_an_unknown_field_says_so() -> None:
    """A new field may be a new condition: the whole answer waits until we know it."""
    with pytest.raises(PageChanged, match='azure, Items: field "discount"'):
        read(answer(item(discount=0.5)))


def test_an_answer_names_the_next_one() -> None:
    """The rest of a long answer is at its NextPageLink."""
    first = CASES.page()
    last = CASES.page("2026-09-15-machines.json")

    assert str(azure.next_page(document(first))).endswith("$skip=1000")
    assert azure.next_page(document(last)) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"armSkuName": "Standard_D4s_v5", "productName": "Virtual Machines Dsv5 Series"},
        {"productName": "ND H100 v5 Series Dedicated Host"},
        {"type": "Reservation", "reservationTerm": "2 Years"},
        {"unitOfMeasure": "1/Month"},
        {"savingsPlan": ["1 Year"]},
    ],
    ids=str,
)
def test_an_odd_machine_is_set_aside(odd: dict[str, Any]) -> None:
    """Other machines, terms and units are not taken for the ones that we know."""
    machine = item(
        serviceName="Virtual Machines",
        armSkuName="Standard_ND96isr_H100_v5",
        productName="Virtual Machines NDsr H100 v5 Series",
        meterName="ND96isrH100v5",
        unitOfMeasure="1 Hour",
    )

    reading = read(answer(machine, machine | odd))

    assert (1, 1) == (len(reading.quotes), len(reading.set_aside))


# --- the real list ------------------------------------------------------------------------------


@cache
def real_items() -> list[dict[str, Any]]:
    """The stored items, one for each region again, with the fields that had been dropped."""
    stored = json.loads(REAL_ITEMS.read_text(encoding="utf-8"))["items"]
    return [
        item(**{name: value for name, value in one.items() if name != "regions"})
        | {"armRegionName": region}
        for one in stored
        for region in one["regions"]
        if region in ("eastus2", "swedencentral")
    ]


@cache
def real_reading() -> Reading:
    return read(answer(*real_items()))


@needs_real_pages
def test_nearly_all_token_meters_are_understood() -> None:
    """Of the real meters that count tokens all but a few without a clear meaning are read."""
    names = {(one["productName"], one["meterName"]) for one in real_items()}
    tokens = [name for name in names if name[1].endswith("Tokens")]
    unread = {aside.where.split(" › ")[1] for aside in real_reading().set_aside}

    assert 1170 < len(tokens)
    assert 0.995 < 1 - sum(meter in unread for _, meter in tokens) / len(tokens)


@needs_real_pages
def test_real_prices_are_those_that_people_know() -> None:
    """Prices of the price pages of OpenAI and Azure, found under the same conditions."""
    found = {
        CASES.key(quote).partition(" from ")[0]: quote.amount
        for quote in real_reading().quotes
        if quote.series.get("region") == "eastus2"
    }
    known = {
        "gpt-4.1 training USD/mtok global": "25",
        "gpt-4.1-mini input USD/mtok global standard": "0.4",
        "gpt-4o-2024-08-06 hosting USD/hour regional": "1.7",
        "gpt-5.4 input USD/mtok <=272000 global standard": "2.5",
        "gpt-5.4 input USD/mtok >272000 global standard": "5",
        "gpt-5.5 cache_read USD/mtok <=272000 global standard": "0.5",
        "gpt-5.6-luna output USD/mtok <=272000 data_zone standard": "6.6",
        "o4-mini training USD/hour global reinforcement": "100",
        "DeepSeek-R1 output USD/mtok global standard": "5.4",
    }

    assert {name: Decimal(amount) for name, amount in known.items()} == {
        name: found.get(name) for name in known
    }


@needs_real_pages
def test_batch_is_cheaper_and_priority_dearer_than_standard() -> None:
    """No tier was mistaken for another anywhere in the real list."""
    amounts = {quote.series: quote.amount for quote in real_reading().quotes}
    wrong = []
    for series, amount in amounts.items():
        tier = series.get("service_tier")
        usual = amounts.get(
            type(series)(
                *(series.seller, series.product, series.meter, series.unit, series.currency),
                tuple((n, "standard" if n == "service_tier" else v) for n, v in series.qualifiers),
            )
        )
        if usual and tier in ("batch", "priority") and (amount < usual) != (tier == "batch"):
            wrong.append(str(series))

    assert [] == wrong


@pytest.mark.parametrize("name", ["Grok4  Inp glbl Tokens", "Grok4--Inp-glbl Tokens"])
def test_a_name_with_a_gap_is_unreadable(name: str) -> None:
    """`Grok4 Fast` without its second word is another model."""
    with pytest.raises(Unreadable, match="has lost a word"):
        read_meter("Azure Grok Models", name)


def test_a_name_that_says_two_things_is_unreadable() -> None:
    """A contradiction in a name is told in words."""
    with pytest.raises(Unreadable, match="says both global and data_zone"):
        read_meter("Azure OpenAI", "gpt 4.1 Inp glbl DZone Tokens")
