"""Capacity Blocks: what one machine costs by the hour when a day of it is paid at once."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from pricebook.errors import DocumentRefused, FetchFailed
from pricebook.quote import Series
from scraper.aws.capacity_blocks import read_blocks
from scraper.aws.query import Answer
from scraper.aws.settings import AwsSettings


@pytest.fixture
def ec2() -> Iterator[tuple[Any, Stubber]]:
    """A client of EC2 whose answers are laid down."""
    client = boto3.client(
        "ec2", "us-east-2", aws_access_key_id="test", aws_secret_access_key="test"
    )
    with Stubber(client) as stubber:
        yield client, stubber
    client.close()


def block(fee: str, **others: Any) -> dict[str, Any]:
    """One offering, as EC2 gives it."""
    return {
        "CapacityBlockOfferingId": "cb-1",
        "InstanceType": "p5e.48xlarge",
        "AvailabilityZone": "us-east-2a",
        "InstanceCount": 1,
        "CapacityBlockDurationHours": 24,
        "UpfrontFee": fee,
        "CurrencyCode": "USD",
        **others,
    }


def ask(ec2: tuple[Any, Stubber], *offers: dict[str, Any]) -> Answer:
    client, stubber = ec2
    stubber.add_response(
        "describe_capacity_block_offerings",
        {"CapacityBlockOfferings": list(offers)},
        {"InstanceType": "p5e.48xlarge", "InstanceCount": 1, "CapacityDurationHours": 24},
    )
    return read_blocks(AwsSettings(families=("p5e", "g6")), "us-east-2", client=client)


def test_the_fee_is_spread_over_machines_and_hours(ec2: tuple[Any, Stubber]) -> None:
    """955.20 for a machine and a day is 39.80 an hour; G machines aren't sold so, nor asked for."""
    (quote,) = ask(ec2, block("955.20")).reading.quotes
    series = Series.of(
        *("aws", "p5e.48xlarge", "instance", "hour"),
        region="us-east-2",
        os="Linux",
        tenancy="shared",
        term="capacity_block",
    )
    assert (series, Decimal("39.8")) == (quote.series, quote.amount)


def test_the_median_of_all_offerings_counts(ec2: tuple[Any, Stubber]) -> None:
    """Neither the dearest zone nor the cheapest; a block that begins today is a little shorter."""
    short = block("477.60", CapacityBlockDurationMinutes=12 * 60)
    (quote,) = ask(ec2, block("960"), short, block("900")).reading.quotes
    assert Decimal("39.8") == quote.amount
    assert "3 blocks of 1 machine for 24 hours: 37.5, 39.8, 40 an hour" == quote.quoted


@pytest.mark.parametrize(
    "change",
    [
        {"UpfrontFee": "0"},
        {"UpfrontFee": "free"},
        {"CapacityBlockDurationHours": 0},
        {"CurrencyCode": "CNY"},
    ],
)
def test_a_strange_offering_is_no_price(ec2: tuple[Any, Stubber], change: dict[str, Any]) -> None:
    """Free, without an amount or a time, or of two currencies: nothing of it is believed."""
    with pytest.raises(DocumentRefused, match=r"p5e\.48xlarge: a Capacity Block in an unknown sh"):
        ask(ec2, block("955.20"), block("955.20", **change))


def test_sold_out_is_no_price(ec2: tuple[Any, Stubber]) -> None:
    """Without any offering there is no answer, and it says how to stop asking."""
    with pytest.raises(DocumentRefused, match=r"capacity_blocks = false under \[aws\] stops"):
        ask(ec2)


def test_a_machine_that_isn_t_sold_so_is_left_out(ec2: tuple[Any, Stubber]) -> None:
    """AWS refuses the question; the others are still asked for."""
    client, stubber = ec2
    name = "describe_capacity_block_offerings"
    stubber.add_client_error(name, "InvalidParameterValue")
    stubber.add_response(name, {"CapacityBlockOfferings": [block("955.20")]})
    settings = AwsSettings(families=("p4d.24xlarge", "p5e.48xlarge"))
    (quote,) = read_blocks(settings, "us-east-2", client=client).reading.quotes
    assert "p5e.48xlarge" == quote.series.product


def test_who_may_not_ask_is_told(ec2: tuple[Any, Stubber]) -> None:
    """The operation that an IAM policy must allow is named."""
    client, stubber = ec2
    stubber.add_client_error("describe_capacity_block_offerings", "UnauthorizedOperation")
    with pytest.raises(FetchFailed, match="may not call DescribeCapacityBlockOfferings; allow"):
        read_blocks(AwsSettings(families=("p5e",)), "us-east-2", client=client)
