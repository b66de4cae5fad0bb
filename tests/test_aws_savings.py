"""Savings Plans rates, from the account's API and from a price list file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from breakeven.demo.price_files import Saving, savings_files
from pricebook.errors import DocumentRefused, FetchFailed
from pricebook.quote import Series
from scraper.aws.list_file import ListHead, lines_of
from scraper.aws.query import Answer
from scraper.aws.savings import ask_rates, cut_rates, read_rates
from scraper.aws.settings import AwsSettings

PUBLISHED = datetime(2026, 9, 10, 19, 55, 14, tzinfo=UTC)
P5 = Series.of(
    *("aws", "p5.48xlarge", "instance", "hour"),
    region="us-east-1",
    os="Linux",
    tenancy="shared",
    term="on_demand",
)
MACHINES = {"SKU1": P5}


@pytest.fixture
def savings() -> Iterator[tuple[Any, Stubber]]:
    """A client of Savings Plans whose answers are laid down."""
    client = boto3.client(
        "savingsplans",
        "us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with Stubber(client) as stubber:
        yield client, stubber
    client.close()


def rate(amount: str = "38.5", **changes: Any) -> dict[str, Any]:
    """A rate as the API gives it."""
    properties = {
        "region": "us-east-1",
        "instanceType": "p5.48xlarge",
        "instanceFamily": "p5",
        "productDescription": "Linux/UNIX",
        "tenancy": "shared",
        **changes.pop("properties", {}),
    }
    offering = {
        "offeringId": "8f0c1f7e-0000-4000-8000-000000000001",
        "paymentOption": "No Upfront",
        "planType": "Compute",
        "durationSeconds": 31_536_000,
        "currency": "USD",
        **changes.pop("offering", {}),
    }
    return {
        "savingsPlanOffering": offering,
        "rate": amount,
        "unit": "Hrs",
        "productType": "EC2",
        "serviceCode": "AmazonEC2",
        "usageType": "BoxUsage:p5.48xlarge",
        "operation": "RunInstances",
        "properties": [{"name": name, "value": value} for name, value in properties.items()],
        **changes,
    }


def ask(savings: tuple[Any, Stubber], *pages: list[dict[str, Any]]) -> Answer:
    client, stubber = savings
    for number, page in enumerate(pages, 1):
        more = {"nextToken": f"page {number + 1}"} if number < len(pages) else {}
        stubber.add_response(
            "describe_savings_plans_offering_rates", {"searchResults": page, **more}
        )
    return ask_rates(AwsSettings(families=("p5",)), "us-east-1", client=client)


def words(answer: Answer) -> dict[tuple[str | None, ...], str]:
    """(kind of plan, years, payment) -> printed amount."""
    names = ("variant", "term_years", "payment")
    return {
        tuple(quote.series.get(name) for name in names): quote.quoted
        for quote in answer.reading.quotes
    }


def test_each_plan_is_a_series(savings: tuple[Any, Stubber]) -> None:
    """Kind of plan, years and payment tell them apart; the rate is the whole hour's price."""
    three_years = {"durationSeconds": 94_608_000, "planType": "EC2Instance"}
    answer = ask(
        savings,
        [
            rate("38.5"),
            rate("36.1", offering={"paymentOption": "All Upfront"}),
            rate("20.25", offering={**three_years, "paymentOption": "Partial Upfront"}),
        ],
    )
    assert {
        ("compute", "1", "none"): "38.5",
        ("compute", "1", "all"): "36.1",
        ("ec2_instance", "3", "partial"): "20.25",
    } == words(answer)
    series = Series.of(
        *("aws", "p5.48xlarge", "instance", "hour"),
        region="us-east-1",
        os="Linux",
        tenancy="shared",
        term="savings_plan",
        term_years="1",
        payment="none",
        variant="compute",
    )
    assert series == next(quote.series for quote in answer.reading.quotes if quote.amount == 38.5)


def test_all_pages_are_asked_for(savings: tuple[Any, Stubber]) -> None:
    """boto3 has no paginator for this question; each page's token asks for the next."""
    client, stubber = savings
    question = {
        "savingsPlanTypes": ["Compute", "EC2Instance"],
        "products": ["EC2"],
        "serviceCodes": ["AmazonEC2"],
        "filters": ANY,
        "maxResults": 1000,
    }
    name = "describe_savings_plans_offering_rates"
    all_upfront = rate("36.1", offering={"paymentOption": "All Upfront"})
    stubber.add_response(name, {"searchResults": [rate()], "nextToken": "2"}, question)
    stubber.add_response(name, {"searchResults": [all_upfront]}, {**question, "nextToken": "2"})
    answer = ask_rates(AwsSettings(families=("p5",)), "us-east-1", client=client)
    assert 2 == len(answer.reading.quotes)


def test_pages_that_go_in_circles_are_refused(savings: tuple[Any, Stubber]) -> None:
    """The same token twice would never end."""
    client, stubber = savings
    for _ in range(2):
        stubber.add_response(
            "describe_savings_plans_offering_rates", {"searchResults": [rate()], "nextToken": "2"}
        )
    with pytest.raises(DocumentRefused, match="AWS's pages go in circles"):
        ask_rates(AwsSettings(families=("p5",)), "us-east-1", client=client)


@pytest.mark.parametrize(
    "other",
    [
        {"usageType": "UnusedBox:p5.48xlarge"},
        {"usageType": "DedicatedUsage:p5.48xlarge"},
        {"operation": "RunInstances:0002"},
        {"properties": {"productDescription": "Windows"}},
        {"properties": {"instanceType": "g6.xlarge"}},
    ],
)
def test_rates_for_something_else_are_left_out(
    savings: tuple[Any, Stubber], other: dict[str, Any]
) -> None:
    """Capacity that is reserved but unused has rates too, and so have other machines."""
    answer = ask(savings, [rate("1", **other), rate("38.5")])
    assert ["38.5"] == [quote.quoted for quote in answer.reading.quotes]
    assert () == answer.reading.set_aside


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"offering": {"durationSeconds": 63_072_000}}, "unknown plan: Compute, 63072000 years"),
        ({"offering": {"paymentOption": "Some Upfront"}}, "unknown plan: Compute, 1 years, Some"),
        ({"offering": {"planType": "SageMaker"}}, "unknown plan: SageMaker"),
        ({"unit": "Request"}, "no price of an hour: '1.5' per 'Request'"),
        ({"rate": "0"}, "no price of an hour: '0' per 'Hrs'"),
        ({"rate": "1e3"}, "no price of an hour: '1e3' per 'Hrs'"),
    ],
)
def test_a_strange_rate_is_set_aside(
    savings: tuple[Any, Stubber], change: dict[str, Any], reason: str
) -> None:
    """Nothing is guessed, and the other rates are read."""
    (aside,) = ask(savings, [rate("1.5", **change), rate("38.5")]).reading.set_aside
    assert f"p5.48xlarge: {reason}" in aside.reason


def test_two_rates_for_one_plan_are_both_set_aside(savings: tuple[Any, Stubber]) -> None:
    """Neither is better than the other."""
    all_upfront = rate("36.1", offering={"paymentOption": "All Upfront"})
    answer = ask(savings, [rate("38.5"), rate("39"), all_upfront])
    assert {("compute", "1", "all"): "36.1"} == words(answer)
    assert "two prices for one series" in answer.reading.set_aside[0].reason


def test_no_rate_at_all_is_no_answer(savings: tuple[Any, Stubber]) -> None:
    """It says how to stop asking."""
    with pytest.raises(DocumentRefused, match=r"savings_plans = false under \[aws\] stops asking"):
        ask(savings, [])


def test_who_may_not_ask_is_told(savings: tuple[Any, Stubber]) -> None:
    """The operation that an IAM policy must allow is named."""
    client, stubber = savings
    stubber.add_client_error("describe_savings_plans_offering_rates", "AccessDeniedException")
    with pytest.raises(FetchFailed, match="may not call DescribeSavingsPlansOfferingRates; allow"):
        ask_rates(AwsSettings(families=("p5",)), "us-east-1", client=client)


# Files


def listed(*savings: Saving) -> str:
    (text,) = (
        text
        for path, text in savings_files(PUBLISHED, "us-east-1", savings).items()
        if path.endswith(".csv")
    )
    return text


COMPUTE = Saving("SKU1", "p5.48xlarge", "ComputeSavingsPlans", 1, "No Upfront", Decimal("38.5"))
EC2 = Saving("SKU1", "p5.48xlarge", "EC2InstanceSavingsPlans", 3, "All Upfront", Decimal("19"))
OTHER = Saving("SKU2", "p5.48xlarge", "ComputeSavingsPlans", 1, "No Upfront", Decimal("40"))


def test_rates_of_a_file_are_joined_with_their_machine() -> None:
    """By its SKU: the same machine with another system or tenancy has another one."""
    raw = cut_rates(iter([listed(COMPUTE, OTHER, EC2).encode()]), MACHINES, "us-east-1")
    assert b"SKU2" not in raw
    assert {("compute", "1", "none"): "38.5", ("ec2_instance", "3", "all"): "19"} == words(
        read_rates(raw, MACHINES, "us-east-1")
    )


def test_both_ways_give_the_same_series(savings: tuple[Any, Stubber]) -> None:
    """A price doesn't become another one when credentials come or go."""
    by_file = read_rates(listed(COMPUTE).encode(), MACHINES, "us-east-1")
    by_api = ask(savings, [rate("38.5")])
    assert [quote.series for quote in by_file.reading.quotes] == [
        quote.series for quote in by_api.reading.quotes
    ]


def test_a_list_without_a_column_is_refused() -> None:
    """The column is named."""
    text = listed(COMPUTE).replace("DiscountedRate", "Rate")
    with pytest.raises(DocumentRefused, match="savings_plans: the price list has no column disco"):
        read_rates(text.encode(), MACHINES, "us-east-1")


def test_the_columns_are_those_of_a_real_list(real_data: Path) -> None:
    """A real list of Database Savings Plans: the columns are the same, so are its code's parts."""
    name = "RAW_bulk_AWSDatabaseSavingsPlans_ap-south-2_index.csv"
    lines = lines_of([(real_data / "aws/tables" / name).read_bytes()], name)
    real = ListHead.read(lines, "DatabaseSavingsPlan", name)
    made = ListHead.read(lines_of([listed(COMPUTE).encode()], name), "ComputeSavingsPlan", name)
    assert real.columns == made.columns
    rates = [real.row(line, name)["discountedrate"] for line in lines]
    assert ["10.9760000000", "1.824"] == rates[:2]
