"""Prices within a family of machines: whoever costs ten times what the sisters do is held."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from pricebook.quote import Price, Quote, Series
from scraper.aws.sizes import size_of
from scraper.document import Reading
from scraper.gate import OUT_OF_PROPORTION, Held, decide
from scraper.settings import GateSettings

R7G = {"r7g.large": "0.1284", "r7g.xlarge": "0.2568", "r7g.2xlarge": "0.5136"}


def quote(product: str, amount: str, **conditions: str) -> Quote:
    said = {"region": "us-gov-west-1", "os": "Linux", "term": "on_demand", **conditions}
    series = Series.of("aws", product, "instance", "hour", **said)
    return Quote(series, Decimal(amount), amount, product)


def held(*quotes: Quote, latest: dict[Series, Price] | None = None) -> list[Held]:
    verdict = decide(Reading(quotes), latest or {}, GateSettings(), {})
    return [one for one in verdict.held if one.reason == OUT_OF_PROPORTION]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("t3.nano", Decimal("0.25")),
        ("m5.large", 4),
        ("m5.xlarge", 8),
        ("p5.48xlarge", 384),
        ("m7i.metal-24xl", 192),
        ("m5.metal", None),
        ("u-6tb1.112xlarge", 896),
        ("p5", None),
    ],
)
def test_a_size_is_read_from_the_name(name: str, size: Decimal | None) -> None:
    """AWS's own factors; a name without a figure has none."""
    assert size == size_of(name)


def test_a_size_at_ten_times_its_sisters_is_held() -> None:
    """The sisters are accepted; a person may accept the odd one, a second look doesn't."""
    wrong = quote("r7g.4xlarge", "10.2688")
    (one,) = held(*(quote(name, amount) for name, amount in R7G.items()), wrong)
    assert (wrong, False) == (one.quote, one.curable)
    assert one.text.endswith("10.2688, by size 10 times its family's price")


def test_a_size_at_a_tenth_is_held() -> None:
    """A misplaced point goes either way."""
    wrong = quote("r7g.4xlarge", "0.10272")
    assert [wrong] == [
        one.quote for one in held(*(quote(name, amount) for name, amount in R7G.items()), wrong)
    ]


def test_each_condition_has_a_family_of_its_own() -> None:
    """Reserved prices aren't measured by those on demand, nor one region by another."""
    cheap = [quote(name, amount) for name, amount in R7G.items()]
    dear = [
        quote(name, str(Decimal(amount) * 10), region="sa-east-1") for name, amount in R7G.items()
    ]
    assert [] == held(*cheap, *dear)


def test_one_sister_is_no_measure() -> None:
    """Of two, nobody knows which is wrong."""
    assert [] == held(quote("r7g.large", "0.1284"), quote("r7g.xlarge", "2.568"))


def test_spot_prices_follow_demand() -> None:
    """They aren't held for being out of proportion, nor is what is free."""
    spot = [quote(name, amount, term="spot") for name, amount in R7G.items()]
    assert [] == held(*spot, quote("r7g.4xlarge", "10.2688", term="spot"))
    fees = [quote(name, amount) for name, amount in R7G.items()]
    assert [] == held(*fees, quote("r7g.4xlarge", "0"))


def test_a_price_that_is_in_the_book_is_not_held_again(noon) -> None:  # type: ignore[no-untyped-def]
    """Once a person has accepted it, it is no news."""
    odd = quote("r7g.4xlarge", "10.2688")
    price = Price(odd.series, odd.amount, noon, "observed", noon, "aws-ec2/us-gov-west-1")
    sisters = (quote(name, amount) for name, amount in R7G.items())
    assert [] == held(*sisters, odd, latest={odd.series: price})


@pytest.mark.parametrize("table", ["ec2shop_linux_20210204.csv", "ec2shop_linux_20250405.csv"])
def test_no_real_price_is_held(real_data: Path, table: str) -> None:
    """All Linux prices of the largest regions and GovCloud, on demand and reserved."""
    regions = {"us-east-1", "us-gov-west-1"}
    looks = defaultdict(list)
    with (real_data / "aws/tables" / table).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["region"] in regions:
                place = {"region": row["region"], "variant": row["term"]}
                found = quote(row["instance_type"], row["usd_per_hour"], **place)
                looks[row["region"]].append(found)
    assert regions >= looks.keys()
    assert [] == [one.text for quotes in looks.values() for one in held(*quotes)]
