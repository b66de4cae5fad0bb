"""AWS's archive of price lists, walked into the book: dates, resumption, what is left out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from breakeven import archive as aws_archive
from breakeven.app import App
from breakeven.archive import import_aws
from breakeven.cli import cli
from breakeven.demo.price_files import EC2, price_files
from breakeven.demo.price_list import Item, Machine, price_list
from breakeven.demo.pricing_api import PricingApi
from breakeven.demo.world import PageServer, StoryClock
from breakeven.settings import Settings
from pricebook import book
from pricebook.book import Look
from pricebook.errors import FetchFailed
from pricebook.quote import Price
from pricebook.runs import note_run, runs_of
from pricebook.schema import reading
from pricebook.series import Filter
from scraper.aws.price_files import Cut, PriceFiles, PriceList
from scraper.aws.query import read_answer
from scraper.http import Fetched

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
DAYS = [datetime(2021, month, 5, 8, 30, tzinfo=UTC) for month in (1, 2, 3, 4)]


def listed(at: datetime, price: str | None, instance_type: str = "p4d.24xlarge") -> list[Item]:
    """The price list of that time; None: the machine isn't sold yet, another one is."""
    machine = Machine("m5.large", "us-east-1", 2, "8 GiB", Decimal("0.096"))
    machines = [machine]
    if price is not None:
        machines.append(
            Machine(instance_type, "us-east-1", 96, "1152 GiB", Decimal(price), gpu="8")
        )
    return price_list(machines, at)


def archive(*prices: str | None) -> dict[datetime, list[Item]]:
    return {at: listed(at, price) for at, price in zip(DAYS, prices, strict=False)}


def path_of(at: datetime) -> str:
    return f"{EC2}/{at:%Y%m%d%H%M%S}/us-east-1/index.csv"


@pytest.fixture
def host() -> Iterator[PageServer]:
    """A host of price list files: before p4d, its first price, the same again, a cut."""
    with PageServer() as server:
        server.pages = price_files(archive(None, "32.7726", "32.7726", "21.957642"))
        yield server


CONFIG = """
[database]
url = "sqlite:///{folder}/book.db"
evidence = "{folder}/evidence"
[http]
allow_loopback = true
min_interval = "0s"
[aws]
families = ["p4d"]
price_files_url = "{host}"
"""


def configured(host: PageServer, folder: Path) -> Path:
    file = folder / "breakeven.toml"
    file.write_text(CONFIG.format(folder=folder.as_posix(), host=host.url), encoding="utf-8")
    return file


@pytest.fixture
def app(host: PageServer, tmp_path: Path, noon: datetime) -> Iterator[App]:
    """An empty book, and the settings that lead to the host."""
    opened = App.open(Settings.load(configured(host, tmp_path)), StoryClock(noon))
    yield opened
    opened.engine.dispose()


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between tries."""
    monkeypatch.setattr(aws_archive, "_PAUSES", (0, 0))


def history(app: App) -> list[Price]:
    with reading(app.engine) as connection:
        return book.history(connection, Filter(product="p4d.24xlarge"))


def told(app: App) -> list[tuple[datetime, Decimal | None, str]]:
    return [(price.valid_from, price.amount, price.basis) for price in history(app)]


def asked_for(host: PageServer) -> list[str]:
    return [path for path, _ in host.answers if path.endswith(".csv")]


IMPORTED = [
    (DAYS[1], Decimal("32.7726"), "imported"),
    (DAYS[3], Decimal("21.957642"), "imported"),
]


def test_a_price_holds_from_the_list_that_has_it_first(app: App) -> None:
    """Only changes are written, each from the day its list was published, with where it stood."""
    assert 0 == import_aws(app, [], SINCE)
    assert IMPORTED == told(app)
    first, _ = history(app)
    assert ("import/aws-price-list/us-east-1", "32.7726000000") == (first.source, first.quoted)
    assert path_of(DAYS[1]) in str(first.url)


def test_what_was_known_before_the_import_stays_what_was_known(app: App, noon: datetime) -> None:
    """An imported price was recorded today: it is no part of what the book said yesterday."""
    import_aws(app, [], SINCE)
    with reading(app.engine) as connection:
        now = book.as_of(connection, DAYS[2], noon)
        yesterday = book.as_of(connection, DAYS[2], noon - timedelta(days=1))
    assert ([Decimal("32.7726")], []) == ([price.amount for price in now], yesterday)


def test_a_list_is_fetched_once(app: App, host: PageServer) -> None:
    """A second walk finds everything done, a new list is all that it reads."""
    import_aws(app, [], SINCE)
    assert [path_of(at) for at in DAYS] == asked_for(host)
    assert 0 == import_aws(app, [], SINCE)
    assert 4 == len(asked_for(host))
    later = datetime(2021, 5, 1, tzinfo=UTC)
    host.pages |= price_files({**archive(None, "1", "1", "1"), later: listed(later, "20")})
    import_aws(app, [], SINCE)
    assert [path_of(later)] == asked_for(host)[4:]
    assert [*IMPORTED, (later, Decimal(20), "imported")] == told(app)


def test_the_walk_begins_with_the_list_in_force_then(app: App, host: PageServer) -> None:
    """What was published before and still held is the first price."""
    import_aws(app, [], DAYS[2] + timedelta(days=1))
    assert [path_of(DAYS[2]), path_of(DAYS[3])] == asked_for(host)


def test_an_earlier_start_completes_the_history(app: App, host: PageServer) -> None:
    """Lists before those that were read can be added at any time."""
    import_aws(app, [], DAYS[2])
    import_aws(app, [], SINCE)
    amounts = [(since, amount) for since, amount, _ in told(app)]
    assert Decimal("32.7726") == dict(amounts)[DAYS[1]]
    assert [DAYS[1], DAYS[2], DAYS[3]] == [since for since, _ in amounts]


def test_other_machines_are_walked_anew(app: App, host: PageServer, tmp_path: Path) -> None:
    """What was kept of the lists holds only the machines that were wanted then."""
    import_aws(app, [], SINCE)
    file = configured(host, tmp_path)
    file.write_text(file.read_text().replace('["p4d"]', '["p4d", "m5"]'), encoding="utf-8")
    app.settings = Settings.load(file)
    import_aws(app, [], SINCE)
    assert 8 == len(asked_for(host))
    assert IMPORTED == told(app)


def two(at: datetime, *products: str) -> list[Item]:
    """A list with these machines, five sizes each."""
    return [
        item
        for product in products
        for size in ("xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")
        for item in price_list(
            [Machine(f"{product}.{size}", "us-east-1", 4, "16 GiB", Decimal(size[:-6] or 1))], at
        )
    ]


def test_what_a_list_has_no_more_is_withdrawn(app: App, host: PageServer) -> None:
    """From the publication of the list on the price is unknown, until a list has it again."""
    with_one_less = [
        item
        for item in two(DAYS[1], "p4d")
        if item["product"]["attributes"]["instanceType"] != "p4d.xlarge"
    ]
    host.pages = price_files(
        {DAYS[0]: two(DAYS[0], "p4d"), DAYS[1]: with_one_less, DAYS[2]: two(DAYS[2], "p4d")}
    )
    assert 0 == import_aws(app, [], SINCE)
    with reading(app.engine) as connection:
        found = book.history(connection, Filter(product="p4d.xlarge"))
    assert [(DAYS[0], 1), (DAYS[1], None), (DAYS[2], 1)] == [
        (price.valid_from, price.amount) for price in found
    ]


def test_a_list_that_lost_much_withdraws_nothing(app: App, host: PageServer) -> None:
    """It may be cut short; only a further list that is as short is believed."""
    lists = {DAYS[0]: two(DAYS[0], "p4d"), DAYS[1]: two(DAYS[1], "p4d")[:2]}
    host.pages = price_files(lists)
    import_aws(app, [], SINCE)
    with reading(app.engine) as connection:
        assert 5 == len(book.as_of(connection, DAYS[2]))
    host.pages = price_files(lists | {DAYS[2]: two(DAYS[2], "p4d")[:2]})
    import_aws(app, [], SINCE)
    with reading(app.engine) as connection:
        assert 2 == len(book.as_of(connection, DAYS[2]))


def test_an_observed_price_is_never_overridden(
    app: App, host: PageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the book has read itself stands; a list that says otherwise is told and left out."""
    raw = b'{"PriceList": [%s]}' % _entry(DAYS[2], "30")
    quote = read_answer(raw, app.settings.aws, "us-east-1").reading.quotes[0]
    with app.engine.begin() as connection:
        run = note_run(connection, "aws-ec2/us-east-1", DAYS[2], "complete")
        book.record(connection, Look("aws-ec2/us-east-1", run, DAYS[2], [(quote, None)]))
    assert 3 == import_aws(app, [], SINCE)
    assert [
        (DAYS[1], Decimal("32.7726"), "imported"),
        (DAYS[2], Decimal(30), "observed"),
    ] == told(app)
    assert "2 contradict what the book has and are left out" in capsys.readouterr().err


def _entry(at: datetime, price: str) -> bytes:
    return json.dumps(json.dumps(listed(at, price)[1])).encode()


@pytest.mark.parametrize("damage", [None, "<html>a block page</html>\n"])
def test_a_list_that_is_gone_or_damaged_is_passed_over_for_good(
    app: App, host: PageServer, capsys: pytest.CaptureFixture[str], damage: str | None
) -> None:
    """It says so and goes on, with exit code 3; filled in later, it could hide a change back."""
    good = host.pages.pop(path_of(DAYS[1]))
    if damage:
        host.pages[path_of(DAYS[1])] = damage
    assert 3 == import_aws(app, [], SINCE)
    error = capsys.readouterr().err
    assert "us-east-1: the list of 2021-02-05 is passed over: " in error
    assert "us-east-1: 3 price lists read, 2 prices written; 1 lists passed over" in error
    host.pages[path_of(DAYS[1])] = good
    assert 0 == import_aws(app, [], SINCE)
    assert [DAYS[2], DAYS[3]] == [since for since, _, _ in told(app)]


def test_lists_that_are_gone_at_the_end_may_still_come(app: App, host: PageServer) -> None:
    """Nothing is given up until a later list has been compared past it: all 403 is no archive."""
    last = host.pages.pop(path_of(DAYS[3]))
    assert 3 == import_aws(app, [], SINCE)
    host.pages[path_of(DAYS[3])] = last
    assert 0 == import_aws(app, [], SINCE)
    assert IMPORTED == told(app)


def test_where_the_host_fails_the_walk_stops_and_goes_on_later(
    app: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing after the list that didn't come is read, so that no change is dated too late."""
    with monkeypatch.context() as broken:
        broken.setattr(PriceFiles, "fetch", failing_from(DAYS[2]))
        assert 3 == import_aws(app, [], SINCE)
    error = capsys.readouterr().err
    assert "us-east-1: 2 price lists read, 1 prices written; stopped with 2 lists to do" in error
    assert "run it again to go on" in error
    assert 0 == import_aws(app, [], SINCE)
    assert IMPORTED == told(app)


def failing_from(at: datetime) -> Callable[[PriceFiles, PriceList, Cut], Fetched]:
    """A host that breaks down before the list of that time."""
    fetch = PriceFiles.fetch

    def failing(files: PriceFiles, price_list: PriceList, cut: Cut) -> Fetched:
        if price_list.published >= at:
            raise FetchFailed("the connection broke off")
        return fetch(files, price_list, cut)

    return failing


def test_without_the_public_index_and_an_account_there_is_one_sentence(
    app: App, host: PageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1: nothing was read."""
    host.pages = {}
    assert 1 == import_aws(app, [], SINCE)
    assert "/offers/v1.0/aws/AmazonEC2/index.json is not there" in capsys.readouterr().err


def test_an_account_finds_the_lists_where_the_public_index_is_closed(
    app: App, host: PageServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """ListPriceLists is asked for the list of a time until all between are found."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    del host.pages[f"{EC2}/index.json"]
    with PricingApi() as api:
        api.archive(host.url, DAYS)
        file = configured(host, tmp_path)
        text = file.read_text(encoding="utf-8") + f'endpoint_url = "{api.url}"\n'
        file.write_text(text, encoding="utf-8")
        app.settings = Settings.load(file)
        assert 0 == import_aws(app, [], SINCE)
        assert 4 == api.calls.count("GetPriceListFileUrl")
    assert IMPORTED == told(app)
    assert [path_of(at) for at in DAYS] == asked_for(host)


WALK = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from breakeven.archive import import_aws
from breakeven.cli import cli
from breakeven.app import App
from breakeven.settings import Settings
import_aws(App.open(Settings.load(Path(sys.argv[1]))), [], datetime(2020, 1, 1, tzinfo=UTC))
"""


def test_a_walk_that_is_killed_goes_on_where_it_was(
    app: App, host: PageServer, tmp_path: Path
) -> None:
    """kill -9 at any list: the book has whole lists only, and the rest comes with the next walk."""
    app.engine.dispose()
    later = [DAYS[3] + timedelta(days=number) for number in range(1, 31)]
    lists = archive(None, "32.7726", "32.7726", "21.957642")
    host.pages = price_files(lists | {at: listed(at, "21.957642") for at in later})
    for killed_at in DAYS[:3]:
        process = subprocess.Popen([sys.executable, "-c", WALK, str(tmp_path / "breakeven.toml")])
        wait_until(lambda at=killed_at: path_of(at) in asked_for(host))  # type: ignore[misc]
        os.kill(process.pid, signal.SIGKILL)
        assert -signal.SIGKILL == process.wait()
    assert 0 == import_aws(app, [], SINCE)
    assert IMPORTED == told(app)
    with app.engine.connect() as connection:
        runs = runs_of(connection, "import/aws-price-list/us-east-1")
    assert 34 == len({run.url for run in runs}) == len(runs)


def wait_until(happened) -> None:  # type: ignore[no-untyped-def]
    until = time.monotonic() + 20
    while not happened() and time.monotonic() < until:
        time.sleep(0.01)


def test_the_command_walks_the_regions_that_are_named(
    app: App, host: PageServer, tmp_path: Path
) -> None:
    """`import aws` takes the start and the regions, and gives the exit code."""
    config = str(tmp_path / "breakeven.toml")
    arguments = ["--config", config, "import", "aws", "--since", "2020-01-01", "--region"]
    assert 0 == CliRunner().invoke(cli, [*arguments, "us-east-1"]).exit_code
    assert IMPORTED == told(app)
    result = CliRunner().invoke(cli, [*arguments, "eu-west-9"])
    assert (3, 4) == (result.exit_code, len(host.pages) - 2)
    assert "eu-west-9: 0 price lists read, 0 prices written; 4 lists passed over" in result.stderr
