"""Prices within a family of machines: whoever costs ten times what the sisters do is held."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricebook.quote import Price, Quote, Series
from scraper import gate
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


# All at once


@st.composite
def lists(draw: st.DrawFn) -> list[Quote]:
    """Machines of two families on two conditions; some sizes twice, some without a figure."""
    sizes = st.sampled_from(("nano", "large", "xlarge", "2xlarge", "metal", "metal-24xl"))
    amounts = st.sampled_from(("0", "1", "1.0", "2", "4", "9.5", "40", "100"))
    terms = st.sampled_from(("on_demand", "reserved", "spot"))
    return [
        quote(f"{draw(st.sampled_from(('m5', 'r7g')))}.{size}", amount, term=draw(terms))
        for size, amount in draw(st.lists(st.tuples(sizes, amounts), max_size=25))
    ]


@settings(deadline=None)
@given(quotes=lists(), data=st.data())
def test_who_is_held_is_told_by_the_plain_definition(
    quotes: list[Quote], data: st.DataObject
) -> None:
    """Each new price beside the median of all others of its family, worked out one by one."""
    fresh = data.draw(st.lists(st.sampled_from(quotes), unique=True) if quotes else st.just([]))

    found = gate._out_of_proportion(quotes, fresh)
    assert {one: _factor(one, quotes) for one in fresh if _is_odd(one, quotes)} == {
        one.quote: one.text.partition(", by size ")[2].partition(" ")[0] for one in found
    }


def _is_odd(one: Quote, quotes: list[Quote]) -> bool:
    rates = _sisters(one, quotes)
    return len(rates) >= 2 and not median(rates) / 5 <= _rate(one) <= median(rates) * 5


def _factor(one: Quote, quotes: list[Quote]) -> str:
    return f"{_rate(one) / median(_sisters(one, quotes)):.2g}"


def _sisters(one: Quote, quotes: list[Quote]) -> list[Decimal]:
    """What the others of the family cost by size; none of a machine that can't be compared."""
    if not size_of(one.series.product) or not one.amount or one.series.get("term") == "spot":
        return []
    others = [other for other in dict.fromkeys(quotes) if other != one and other.amount]
    return [
        _rate(other)
        for other in others
        if size_of(other.series.product)
        and other.series.qualifiers == one.series.qualifiers
        and other.series.product.partition(".")[0] == one.series.product.partition(".")[0]
    ]


def _rate(one: Quote) -> Decimal:
    return one.amount / (size_of(one.series.product) or 1)
