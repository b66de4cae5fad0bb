"""`breakeven status`: what is ill, and what only looks so."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Engine

from breakeven.app import App
from breakeven.demo.world import StoryClock
from breakeven.health import health
from breakeven.settings import Settings
from pricebook.runs import note_run

HOUR = timedelta(hours=1)


@pytest.fixture
def app(sqlite_book: Engine, noon: datetime) -> App:
    """One source, of one region."""
    source = SimpleNamespace(name="aws-ec2", partitions=("aws-ec2/us-east-1",))
    settings = SimpleNamespace(
        source_names=("aws-ec2",), every=6 * HOUR, sources=lambda names: [source for _ in names]
    )
    return App(cast(Settings, settings), sqlite_book, StoryClock(noon))


def told(app: App, *looks: tuple[str, timedelta, str, str]) -> dict[str, Any]:
    """What `status` says of the source after these runs: partition, age, outcome, reason."""
    with app.engine.begin() as connection:
        for partition, age, outcome, reason in looks:
            note_run(connection, partition, app.now() - age, outcome, reason=reason)
    (found,) = health(app)["sources"]
    return cast("dict[str, Any]", found)


def test_a_region_that_is_no_longer_collected_grows_not_stale(app: App) -> None:
    """What was taken out of the configuration is nobody's illness."""
    gone = ("aws-ec2/eu-west-1", 900 * HOUR, "complete", "")
    found = told(app, gone, ("aws-ec2/us-east-1", HOUR, "complete", ""))

    assert found["state"] == "fresh"


def test_a_look_that_is_not_whole_says_why(app: App) -> None:
    """A source of which a part can't be read is fresh, and its trouble is told."""
    found = told(app, ("aws-ec2/us-east-1", HOUR, "partial", "the second form is gone"))

    assert found["state"] == "fresh"
    assert found["says"].endswith("; the second form is gone")


def test_a_source_that_fails_says_why(app: App) -> None:
    """A failed run after a good one is told with its reason."""
    good = ("aws-ec2/us-east-1", 2 * HOUR, "complete", "")
    found = told(app, good, ("aws-ec2/us-east-1", HOUR, "failed", "HTTP 403"))

    assert (found["state"], found["says"].endswith("; HTTP 403")) == ("failing", True)
