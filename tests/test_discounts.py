"""A discount that the user has agreed with AWS: in ratios, not in the book, and never unseen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from breakeven.app import App
from breakeven.demo.world import StoryClock
from breakeven.discounts import discounted_past, prices_at
from breakeven.ratio_view import evaluated, explained
from breakeven.settings import Settings
from pricebook import book
from pricebook.book import Look
from pricebook.config import Table
from pricebook.errors import ConfigError
from pricebook.quote import Price, Quote, Series
from pricebook.runs import note_run
from pricebook.schema import reading
from scraper.aws.settings import AwsSettings, Discount

DAY = timedelta(days=1)
P5 = {"region": "us-east-1", "os": "Linux", "tenancy": "shared"}


def machine(product: str = "p5.48xlarge", **conditions: str) -> Series:
    return Series.of(
        "aws", product, "instance", "hour", **{**P5, "term": "on_demand", **conditions}
    )


API = Series.of("openai", "gpt-x", "output", "mtok", service_tier="standard")

CONFIG = """
[database]
url = "sqlite:///{folder}/book.db"
[[aws.discount]]
families = ["p5"]
percent = 12
[[workload]]
name = "chat"
kind = "inference"
tokens = {{ input = 0, output = 1000 }}
self_host = {{ instance = "p5.48xlarge", tokens_per_second = 10_000 }}
api = {{ seller = "openai", product = "gpt-x" }}
"""


@pytest.fixture
def app(tmp_path: Path, noon: datetime) -> Iterator[App]:
    """A book with a machine at 55.04 and an API, and a discount on the machine."""
    file = tmp_path / "breakeven.toml"
    file.write_text(CONFIG.format(folder=tmp_path.as_posix()), encoding="utf-8")
    opened = App.open(Settings.load(file), StoryClock(noon))
    prices = {machine(): "55.04", machine("g6.xlarge"): "0.8048", API: "10"}
    prices |= {machine(term=term): "20" for term in ("spot", "capacity_block", "savings_plan")}
    with opened.engine.begin() as connection:
        run = note_run(connection, "aws-ec2/us-east-1", noon, "complete")
        quotes = [(Quote(one, Decimal(price), price, ""), None) for one, price in prices.items()]
        book.record(connection, Look("aws-ec2/us-east-1", run, noon, quotes))
    yield opened
    opened.engine.dispose()


def price_of(app: App, series: Series) -> Price | None:
    with reading(app.engine) as connection:
        return prices_at(connection, app.settings, app.now())(series)


def test_a_discount_is_taken_off_and_says_so(app: App) -> None:
    """55.04 less 12 % is 48.4352; the source names the setting, all else stays as it was read."""
    price = price_of(app, machine())
    assert price is not None
    assert (Decimal("48.4352"), "55.04") == (price.amount, price.quoted)
    assert "aws-ec2/us-east-1, less 12 % ([[aws.discount]])" == price.source


def test_the_book_keeps_list_prices(app: App) -> None:
    """`prices` and `history` show what AWS prints."""
    with reading(app.engine) as connection:
        found = {price.series: price.amount for price in book.as_of(connection, app.now())}
    assert Decimal("55.04") == found[machine()]


@pytest.mark.parametrize(
    ("series", "amount"),
    [
        (machine("g6.xlarge"), "0.8048"),
        (machine(term="spot"), "20"),
        (machine(term="capacity_block"), "20"),
        (machine(term="savings_plan"), "17.6"),
        (API, "10"),
    ],
)
def test_only_list_prices_of_these_machines_are_cheaper(
    app: App, series: Series, amount: str
) -> None:
    """Other families, spot prices, Capacity Blocks and other sellers stay as they are."""
    price = price_of(app, series)
    assert price is not None
    assert Decimal(amount) == price.amount


def test_an_unknown_price_stays_unknown(app: App) -> None:
    """There is nothing to take a discount off."""
    assert None is price_of(app, machine("p5.4xlarge"))


def test_the_machine_itself_goes_before_its_family(app: App) -> None:
    """A discount on one type replaces that on its family."""
    own = Discount(("p5.48xlarge",), Decimal(50))
    aws = replace(app.settings.aws, discounts=(*app.settings.aws.discounts, own))
    app.settings = replace(app.settings, aws=aws)
    price = price_of(app, machine())
    assert price is not None
    assert Decimal("27.52") == price.amount


def test_ratios_count_with_it_and_explain_it(app: App) -> None:
    """The ratio falls by what the machine is cheaper, and the input says why."""
    (with_discount,) = evaluated(app, None)
    text, _ = explained(app, "chat", None, as_json=False)
    app.settings = replace(app.settings, aws=replace(app.settings.aws, discounts=()))
    (without,) = evaluated(app, None)
    assert with_discount.ratio is not None
    assert without.ratio is not None
    share = with_discount.ratio.point / without.ratio.point
    assert Decimal("0.88") == share.quantize(Decimal("1e-20"))
    assert "less 12 % ([[aws.discount]])" in text
    assert "less 12 %" in json.dumps(with_discount.as_dict())


@pytest.mark.parametrize(
    ("discount", "sentence"),
    [
        ({"families": ["p5"], "percent": 100}, "percent is 100; it must be above 0 and below 100"),
        ({"families": ["p5"], "percent": -3}, "percent is -3"),
        ({"families": ["p5"]}, "percent is missing"),
        ({"percent": 12}, "families is missing"),
        ({"families": ["p5", "p5"], "percent": 12}, "discount is given twice for p5"),
        ({"families": ["P5!"], "percent": 12}, "families has 'P5!'"),
        ({"families": ["p5"], "percent": 12, "rate": 1}, "rate is not a setting"),
    ],
)
def test_a_discount_that_can_t_be_right_is_refused(discount: object, sentence: str) -> None:
    """With the key that is wrong."""
    with pytest.raises(ConfigError) as caught:
        AwsSettings.from_table(Table({"discount": [discount]}, "[aws]"))
    assert sentence in str(caught.value)


def test_the_past_with_a_discount(noon: datetime) -> None:
    """Each price of a machine that it is agreed on is less; other series are left as they are."""
    steps = (("10", 0), ("20", 1), (None, 2))
    known = {
        series: [
            Price(series, amount and Decimal(amount), noon + n * DAY, "observed", noon, "aws")
            for amount, n in steps
        ]
        for series in (machine(), API)
    }
    mine = discounted_past(known, [Discount(("p5",), Decimal(12))])
    assert [Decimal("8.8"), Decimal("17.6"), None] == [one.amount for one in mine[machine()]]
    assert mine[API] is known[API]
