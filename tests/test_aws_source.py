"""EC2 as a source: with an account, without one, and where neither helps."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from breakeven.demo.price_files import Saving, price_files, savings_files
from breakeven.demo.price_list import Machine, price_list
from breakeven.demo.world import PageServer
from pricebook.errors import CredentialsMissing, FetchFailed
from pricebook.runs import last_fetch
from pricebook.schema import reading
from scraper.aws import source
from scraper.aws.query import Answer, read_answer
from scraper.aws.settings import AwsSettings
from scraper.aws.source import Ec2Source
from scraper.collect import Taken, Tools, enter
from scraper.evidence import EvidenceFolder
from scraper.http import HttpClient
from scraper.settings import GateSettings, HttpSettings

PUBLISHED = datetime(2026, 9, 10, 19, 55, 14, tzinfo=UTC)
LIST = "/offers/v1.0/aws/AmazonEC2/20260910195514/us-east-1/index.csv"


def machine(price: str) -> Machine:
    return Machine("g6.xlarge", "us-east-1", 4, "16 GiB", Decimal(price), gpu="1")


@pytest.fixture
def host() -> Iterator[PageServer]:
    """A host of price list files."""
    with PageServer() as server:
        server.pages = price_files({PUBLISHED: price_list([machine("0.8048")], PUBLISHED)})
        yield server


class Collector:
    """Looks at a source and enters what it gives, an hour apart."""

    def __init__(self, engine: Engine, folder: Path, at: datetime) -> None:
        self.engine, self.at = engine, at
        http = HttpSettings(min_interval=timedelta(0), allow_loopback=True)
        self.tools = Tools(
            HttpClient(http), EvidenceFolder(folder), lambda: self.at, self._remembered
        )

    def look(self, settings: AwsSettings) -> list[Taken]:
        self.at += timedelta(hours=1)
        taken = list(Ec2Source(settings).take(self.tools))
        with self.engine.begin() as connection:
            for one in taken:
                enter(connection, one, GateSettings())
        return taken

    def _remembered(self, url: str):  # type: ignore[no-untyped-def]
        with reading(self.engine) as connection:
            return last_fetch(connection, url)


@pytest.fixture
def collector(sqlite_book: Engine, tmp_path: Path, noon: datetime) -> Collector:
    """Everything that a source needs."""
    return Collector(sqlite_book, tmp_path / "evidence", noon)


def settings_for(host: PageServer, **others: object) -> AwsSettings:
    given = {"families": ("g6",), "savings_plans": False, "spot": False, **others}
    return AwsSettings(price_files_url=host.url, **given)  # type: ignore[arg-type]


def test_without_an_account_the_public_files_are_read(
    host: PageServer, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """The list in force gives the prices, and one sentence says where they come from."""
    caplog.set_level(logging.INFO)
    (taken,) = collector.look(settings_for(host))
    assert [Decimal("0.8048")] == [quote.amount for quote, _ in taken.quotes]
    assert f"{host.url}{LIST}#g6;Linux" == taken.fetched[0].url
    assert caplog.messages == [
        "aws-ec2/us-east-1: without AWS credentials, read from AWS's public price list"
    ]


def test_a_list_that_was_read_is_not_fetched_again(host: PageServer, collector: Collector) -> None:
    """The version is asked for first; the same one is read again from what was kept of it."""
    collector.look(settings_for(host))
    (again,) = collector.look(settings_for(host))
    assert [200] == [status for path, status in host.answers if path == LIST]
    assert (1, collector.at) == (len(again.quotes), again.fetched[0].at)


def test_other_machines_want_another_part_of_the_list(
    host: PageServer, collector: Collector
) -> None:
    """What was kept for some families doesn't serve for others."""
    collector.look(settings_for(host))
    collector.look(settings_for(host, families=("g6", "p5")))
    assert 2 == len([path for path, _ in host.answers if path == LIST])


def test_a_new_version_is_read(host: PageServer, collector: Collector) -> None:
    """A price that another version changes is a change in the book."""
    collector.look(settings_for(host))
    later = PUBLISHED + timedelta(days=7)
    host.pages = price_files({later: price_list([machine("0.7")], later)})
    (taken,) = collector.look(settings_for(host))
    assert [Decimal("0.7")] == [quote.amount for quote, _ in taken.quotes]


def test_where_the_files_cant_be_reached_either_one_sentence_says_so(
    host: PageServer, collector: Collector
) -> None:
    """It says what is missing, what was tried instead, and what to do."""
    host.pages = {}
    (taken,) = collector.look(settings_for(host))
    assert isinstance(taken.error, FetchFailed)
    sentence = str(taken.error)
    assert sentence.startswith("aws-ec2/us-east-1: no AWS credentials (Unable to locate credent")
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in sentence
    assert "AWS's public price list was no help either: " in sentence
    assert sentence.endswith("is not there: the page has moved (HTTP 404)")


@pytest.mark.parametrize("how", [{"without_credentials": "fail"}, {"profile": "nobody"}])
def test_the_files_are_no_substitute_for_the_account_that_was_meant(
    host: PageServer, collector: Collector, how: dict[str, str]
) -> None:
    """On request, and where a profile is named, missing credentials are an error."""
    (taken,) = collector.look(settings_for(host, **how))
    assert isinstance(taken.error, CredentialsMissing)
    assert [] == host.answers


def test_a_region_without_a_list_doesnt_stop_the_others(
    host: PageServer, collector: Collector
) -> None:
    """It says so, and the next region is read."""
    gone, found = collector.look(settings_for(host, regions=("eu-west-9", "us-east-1")))
    assert "AWS publishes no price list of eu-west-9; check its code" in str(gone.error)
    assert 1 == len(found.quotes)


SAVINGS = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/20260910195514/us-east-1/index.csv"


def with_savings(host: PageServer) -> None:
    (item,) = price_list([machine("0.8048")], PUBLISHED)
    plan = Saving(
        *(item["product"]["sku"], "g6.xlarge", "ComputeSavingsPlans", 1, "No Upfront"),
        rate=Decimal("0.5835"),
    )
    host.pages |= savings_files(PUBLISHED, "us-east-1", [plan])


def test_without_an_account_savings_plans_come_from_files_too(
    host: PageServer, collector: Collector
) -> None:
    """A partition of its own, fetched once a version; spot prices need an account."""
    with_savings(host)
    settings = settings_for(host, savings_plans=True, spot=True)
    prices, savings = collector.look(settings)
    collector.look(settings)
    assert "aws-ec2/us-east-1/savings_plans" == savings.partition
    assert [Decimal("0.5835")] == [quote.amount for quote, _ in savings.quotes]
    assert (None, None) == (prices.error, savings.error)
    assert 1 == len([path for path, _ in host.answers if path == SAVINGS])


def test_a_region_that_failed_has_no_more_to_say(host: PageServer, collector: Collector) -> None:
    """One sentence for a region: without its price list there are no machines to ask for."""
    host.pages = {}
    assert 1 == len(collector.look(settings_for(host, savings_plans=True, spot=True)))


def test_savings_plans_that_fail_leave_the_prices_alone(
    host: PageServer, collector: Collector
) -> None:
    """The region's prices are complete; the partition of the plans says what is wrong."""
    prices, savings = collector.look(settings_for(host, savings_plans=True))
    assert (None, 1) == (prices.error, len(prices.quotes))
    assert "AWSComputeSavingsPlan/current/region_index.json is not there" in str(savings.error)


def test_every_partition_is_named_in_advance(host: PageServer) -> None:
    """What a run of the source owes: of a zone only its price list."""
    settings = settings_for(
        host, regions=("us-east-1", "us-east-1-atl-1"), savings_plans=True, spot=True
    )
    assert Ec2Source(settings).partitions == (
        *("aws-ec2/us-east-1", "aws-ec2/us-east-1/savings_plans", "aws-ec2/us-east-1/spot"),
        "aws-ec2/us-east-1-atl-1",
    )


def test_an_account_is_asked_for_everything(
    host: PageServer, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prices, Savings Plans and spot prices, each by its own API, one client each."""
    asked = []

    def answered(name: str) -> Callable[..., Answer]:
        def answer(*_: object, client: object, **__: object) -> Answer:
            asked.append((name, client))
            (item,) = price_list([machine("0.8048")], PUBLISHED)
            raw = json.dumps({"PriceList": [json.dumps(item)]}).encode()
            return read_answer(raw, AwsSettings(families=("g6",)), "us-east-1")

        return answer

    for name in ("read_prices", "ask_rates", "read_spot"):
        monkeypatch.setattr(source, name, answered(name))
    looked = collector.look(settings_for(host, savings_plans=True, spot=True))
    assert ["read_prices", "ask_rates", "read_spot"] == [name for name, _ in asked]
    services = [client.meta.service_model.service_name for _, client in asked]  # type: ignore[attr-defined]
    assert ["pricing", "savingsplans", "ec2"] == services
    assert [
        "aws-pricing:GetProducts/AmazonEC2/us-east-1",
        "aws-savingsplans:DescribeSavingsPlansOfferingRates/us-east-1",
        "aws-ec2:DescribeSpotPriceHistory/us-east-1",
    ] == [taken.fetched[0].url for taken in looked]


def test_capacity_blocks_are_asked_for_on_request_only(host: PageServer) -> None:
    """They are a partition when `capacity_blocks` is set."""
    asked = Ec2Source(settings_for(host, capacity_blocks=True)).partitions
    assert ("aws-ec2/us-east-1", "aws-ec2/us-east-1/capacity_blocks") == asked
