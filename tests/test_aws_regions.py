"""Prices of one machine across regions: the region that costs ten times the others is held."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.actions import accept
from breakeven.app import App
from breakeven.daemon import collect
from breakeven.demo.price_files import price_files
from breakeven.demo.price_list import Machine, price_list
from breakeven.demo.pricing_api import PricingApi
from breakeven.demo.world import PageServer, StoryClock
from breakeven.settings import Settings
from pricebook import book, runs
from pricebook.quote import Price, Quote, Series
from pricebook.schema import reading
from scraper.aws.regions import Regional, by_region, elsewhere
from scraper.document import Reading
from scraper.gate import JUMP, OUT_OF_LINE, Held, decide
from scraper.settings import GateSettings

GOV = "us-gov-west-1"
R7G = {"us-east-1": "1.0", "us-east-2": "1.1", "eu-west-1": "1.2", "sa-east-1": "1.8"}


def machine(region: str, product: str = "r7g.metal", **conditions: str) -> Series:
    said = {"region": region, "os": "Linux", "term": "on_demand", **conditions}
    currency = said.pop("currency", "USD")
    return Series.of("aws", product, "instance", "hour", currency=currency, **said)


def quote(series: Series, amount: str | Decimal) -> Quote:
    return Quote(series, Decimal(amount), str(amount), series.product)


def held(
    read: Quote, others: dict[Series, Decimal], latest: dict[Series, Price] | None = None
) -> tuple[Held, ...]:
    regional = by_region({**others, read.series: read.amount})
    return decide(Reading((read,)), latest or {}, GateSettings(), {}, regional=regional).held


def others(count: int = 4, **conditions: str) -> dict[Series, Decimal]:
    """The prices of the first regions."""
    amounts = [(machine(region, **conditions), Decimal(R7G[region])) for region in R7G]
    return dict(amounts[:count])


# What is compared


NAMED = st.builds(
    machine,
    st.sampled_from(("", "us-east-1", "eu-west-1", "sa-east-1")),
    st.sampled_from(("r7g.metal", "m5.large")),
    term=st.sampled_from(("on_demand", "reserved", "spot", "capacity_block")),
    os=st.sampled_from(("Linux", "Windows")),
)
AMOUNTS = st.sampled_from((None, *map(Decimal, ("-1", "0", "1", "1.50"))))


@given(prices=st.dictionaries(NAMED, AMOUNTS), asked=NAMED)
def test_others_are_those_that_differ_in_the_region_alone(
    prices: dict[Series, Decimal | None], asked: Series
) -> None:
    """Of list prices above zero, whatever else there is."""
    expected = [
        amount
        for other, amount in prices.items()
        if amount and amount > 0 and other.get("region") not in (None, asked.get("region"))
        if other.get("term") not in ("spot", "capacity_block")
        if _elsewhere(other) == _elsewhere(asked)
    ]

    assert expected == elsewhere(asked, by_region(prices))


def _elsewhere(one: Series) -> Series:
    return replace(one, qualifiers=tuple((n, v) for n, v in one.qualifiers if n != "region"))


# One price


@pytest.mark.parametrize("amount", ["11.5", "3.46", "0.38", "0.115"])
def test_a_region_far_from_the_others_is_held(amount: str) -> None:
    """More than three times their median, or less than a third; no later look cures it."""
    read = quote(machine(GOV), amount)
    text = f"{read.series}: {amount}, the median of 4 other regions is 1.15"
    assert (Held(read, OUT_OF_LINE, text),) == held(read, others())
    assert not held(read, others())[0].curable


@pytest.mark.parametrize("amount", ["3.45", "1.15", "0.384"])
def test_a_region_near_the_others_is_accepted(amount: str) -> None:
    """Regions differ, and up to three times is no misprint."""
    assert () == held(quote(machine(GOV), amount), others())


def test_fewer_than_three_other_regions_are_no_measure() -> None:
    """The region itself doesn't count, nor one whose amount is 0 (All Upfront, by the hour)."""
    read, free = quote(machine(GOV), "11.5"), {machine("us-west-1"): Decimal(0)}
    assert () == held(read, others(2) | free)
    assert [OUT_OF_LINE] == [one.reason for one in held(read, others(3) | free)]


def test_one_wrong_region_makes_no_other_suspect() -> None:
    """The median of three doesn't move for one of them."""
    wrong = {machine(GOV): Decimal(115)}
    assert () == held(quote(machine("us-west-2"), "1.1"), others(2) | wrong)


@pytest.mark.parametrize("term", ["spot", "capacity_block"])
def test_prices_by_demand_are_not_compared(term: str) -> None:
    """Each region has a demand of its own."""
    assert () == held(quote(machine(GOV, term=term), "11.5"), others(term=term))


@pytest.mark.parametrize(
    "other",
    [{"term": "reserved"}, {"os": "Windows"}, {"currency": "CNY"}, {"product": "r7g.8xlarge"}],
)
def test_only_the_same_thing_is_compared(other: dict[str, str]) -> None:
    """Another term, system, currency or size tells nothing."""
    amounts = {machine(region, **other): Decimal(R7G[region]) for region in R7G}  # type: ignore[arg-type]
    assert () == held(quote(machine(GOV), "11.5"), amounts)


def test_other_sellers_regions_are_not_compared() -> None:
    """A region class of a model's seller is a price policy."""
    amounts = {Series.of("google", "g", "input", "mtok", region=name): Decimal(1) for name in R7G}
    read = quote(Series.of("google", "g", "input", "mtok", region="global"), "9")
    assert ([], ()) == (elsewhere(read.series, by_region(amounts)), held(read, amounts))


def test_free_by_the_hour_is_no_misprint() -> None:
    """All Upfront leaves nothing to pay by the hour."""
    assert () == held(quote(machine(GOV), "0"), others())


def test_a_price_that_is_in_the_book_is_not_held_again(noon: datetime) -> None:
    """Once a person has accepted it, it is no news."""
    read = quote(machine(GOV), "11.5")
    price = Price(read.series, read.amount, noon, "observed", noon, f"aws-ec2/{GOV}")
    assert () == held(read, others(), {read.series: price})


# Runs, by both ways to the lists

REGIONS = (GOV, *R7G)
SIZES = {"r7g.large": 1, "r7g.xlarge": 2, "r7g.2xlarge": 4, "r7g.4xlarge": 8, "r7g.metal": 32}
PUBLISHED = datetime(2026, 11, 1, tzinfo=UTC)
CONFIG = """
[database]
url = "sqlite:///{folder}/book.db"
evidence = "{folder}/evidence"
[http]
allow_loopback = true
min_interval = "0s"
[aws]
families = ["r7g"]
endpoint_url = "{api}"
price_files_url = "{files}"
savings_plans = false
spot = false
instance_facts = false
"""


@dataclass
class Aws:
    """AWS's lists by API and by files, and a book that they are collected into."""

    app: App
    clock: StoryClock
    api: PricingApi
    files: PageServer
    lists: int = 0

    def publish(self, factors: Mapping[str, str]) -> None:
        """Each size of r7g in these regions at so many times $0.10 for a large one."""
        self.lists += 1
        published = PUBLISHED + timedelta(days=self.lists)
        machines = [
            Machine(name, region, 2, "16 GiB", Decimal(factor) * size / 10)
            for region, factor in factors.items()
            for name, size in SIZES.items()
        ]
        items = price_list(machines, published)
        self.api.publish(items)
        self.files.pages = price_files({published: items})

    def look(self, *regions: str) -> None:
        """One run over these regions."""
        self.app.settings = replace(
            self.app.settings, aws=replace(self.app.settings.aws, regions=regions)
        )
        self.clock.at += timedelta(hours=1)
        assert 0 == collect(self.app, ["aws-ec2"]).exit_code

    def sold(self) -> dict[str, int]:
        """How many sizes the book has a price of, by region."""
        found: dict[str, int] = defaultdict(int)
        with reading(self.app.engine) as connection:
            for price in book.as_of(connection, self.app.now()):
                found[price.series.get("region") or ""] += 1
        return found

    def reviews(self) -> list[tuple[str, str]]:
        """The reason of each open review, and the region."""
        with reading(self.app.engine) as connection:
            return [
                (row["reason"], row["qualifiers"]["region"]) for row in runs.reviews(connection)
            ]


@pytest.fixture(params=["api", "files"])
def aws(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    noon: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Aws]:
    """With an account, which is answered by the API, and without one."""
    if request.param == "api":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with PricingApi() as api, PageServer() as files:
        file = tmp_path / "breakeven.toml"
        text = CONFIG.format(folder=tmp_path.as_posix(), api=api.url, files=files.url)
        file.write_text(text, encoding="utf-8")
        clock = StoryClock(noon)
        app = App.open(Settings.load(file), clock)
        yield Aws(app, clock, api, files)
        app.engine.dispose()


def test_a_region_at_ten_times_is_held_on_the_first_day(aws: Aws) -> None:
    """All its sizes, although they agree with each other and it is looked at before the others."""
    aws.publish({**R7G, GOV: "11"})
    aws.look(*REGIONS)
    assert dict.fromkeys(R7G, 5) == aws.sold()
    assert [(OUT_OF_LINE, GOV)] * 5 == aws.reviews()


def test_a_look_at_one_region_is_compared_with_the_book(aws: Aws) -> None:
    """A region that is added later has no others in its look."""
    aws.publish({**R7G, GOV: "11"})
    aws.look(*R7G)
    aws.look(GOV)
    assert dict.fromkeys(R7G, 5) == aws.sold()
    assert [(OUT_OF_LINE, GOV)] * 5 == aws.reviews()


def test_the_right_price_of_a_later_look_is_accepted(aws: Aws) -> None:
    """What had been held is no more, and its reviews are closed."""
    aws.publish({**R7G, GOV: "11"})
    aws.look(*REGIONS)
    aws.look(*REGIONS)
    assert [(OUT_OF_LINE, GOV)] * 5 == aws.reviews()
    aws.publish({**R7G, GOV: "1.1"})
    aws.look(*REGIONS)
    assert dict.fromkeys(REGIONS, 5) == aws.sold()
    assert [] == aws.reviews()


def test_a_person_may_know_better(aws: Aws) -> None:
    """A price that is accepted by hand is in the book from then on, and not asked about again."""
    aws.publish({**R7G, GOV: "11"})
    aws.look(*REGIONS)
    with reading(aws.app.engine) as connection:
        (first, *_) = runs.reviews(connection)
    accept(aws.app, first["id"])
    aws.look(*REGIONS)
    assert 1 == aws.sold()[GOV]
    assert [(OUT_OF_LINE, GOV)] * 4 == aws.reviews()


def test_a_cut_in_all_regions_is_no_matter_of_regions(aws: Aws) -> None:
    """The look counts, not what the book had: the cut is a jump, which a second look cures."""
    aws.publish({**R7G, GOV: "1.1"})
    aws.look(*REGIONS)
    aws.publish({name: str(Decimal(price) / 4) for name, price in {**R7G, GOV: "1.1"}.items()})
    aws.look(*REGIONS)
    assert {JUMP} == {reason for reason, _ in aws.reviews()}
    aws.look(*REGIONS)
    assert [] == aws.reviews()


# Real prices


@pytest.mark.parametrize("table", ["ec2shop_linux_20210204.csv", "ec2shop_linux_20250405.csv"])
def test_no_real_price_is_held_but_all_at_ten_times(real_data: Path, table: str) -> None:
    """Every region and zone among its others; then GovCloud with a point misplaced."""
    amounts = {}
    with (real_data / "aws/tables" / table).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not row["region"].startswith("cn-"):
                series = machine(row["region"], row["instance_type"], variant=row["term"])
                amounts[series] = Decimal(row["usd_per_hour"])
    regional = by_region(amounts)
    assert {} == _suspects(amounts, regional)
    gov = {one: amount for one, amount in amounts.items() if one.get("region") == GOV}
    judged = {one for one in gov if len(elsewhere(one, regional)) >= 3}
    for factor in (Decimal(10), Decimal("0.1")):
        wrong = {one: amount * factor for one, amount in gov.items()}
        assert judged == set(_suspects(wrong, regional))
        assert len(judged) > 100


def _suspects(amounts: Mapping[Series, Decimal], regional: Regional) -> dict[Series, str]:
    quotes = tuple(quote(series, amount) for series, amount in amounts.items())
    verdict = decide(Reading(quotes), {}, GateSettings(), {}, regional=regional)
    return {
        one.quote.series: one.text
        for one in verdict.held
        if one.quote and one.reason == OUT_OF_LINE
    }
