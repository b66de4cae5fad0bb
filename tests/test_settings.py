"""The configuration as a whole: what is refused, in which words, and what asking may touch."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from breakeven.settings import Settings
from comparator.silence import Silence
from pricebook.config import Table
from pricebook.errors import ConfigError

WORKLOAD = """
[[workload]]
name = "w"
kind = "api"
tokens = { input = 3, output = 1 }
candidate = { seller = "openai", product = "a" }
api = { seller = "openai", product = "b" }
"""


def settings(folder: Path, text: str) -> Settings:
    file = folder / "c.toml"
    file.write_text(text, encoding="utf-8")
    return Settings.load(file)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[collect]\nsuorces = ["openai"]', "did you mean sources?"),
        ('[colect]\nsources = ["openai"]', "did you mean collect?"),
        ('[collect]\nsources = ["opnai"]', "sources has 'opnai'; known: aws-ec2,"),
        ('[collect]\nevery = "1min"', "every is below 5min"),
        ('[collect]\nevery = "often"', "write a span such as 90s, 15min, 6h or 2d"),
        ("[collect]\nsources = 3", "sources is 3; it must be a list of texts"),
        (WORKLOAD + WORKLOAD, "two are called 'w'; rename one"),
        ("x = = 3", "is not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    """A wrong setting is one sentence that begins with the file and names the place."""
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, text)
    words = str(caught.value)
    assert words.startswith(f"{tmp_path / 'c.toml'}")
    assert sentence in words
    assert 1 == words.count("c.toml")


def test_missing_file_says_what_to_do(tmp_path: Path) -> None:
    """A configuration that isn't there is named once, with the command that writes one."""
    with pytest.raises(ConfigError) as caught:
        Settings.load(tmp_path / "none.toml")
    expected = f"{tmp_path}/none.toml doesn't exist; write one with `breakeven init`"
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("url", "missing"),
    [
        ("sqlite:///{folder}/new.db", "new.db"),
        ("sqlite:///{folder}/there.db", None),
        ("sqlite:///{folder}/nofolder/new.db", None),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("postgresql://localhost/prices", None),
    ],
)
def test_missing_database_is_known(tmp_path: Path, url: str, missing: str | None) -> None:
    """Only an SQLite file that could be made, but isn't yet, is missing."""
    (tmp_path / "there.db").touch()
    read = settings(tmp_path, f'[database]\nurl = "{url.format(folder=tmp_path)}"')
    assert (tmp_path / missing if missing else None) == read.missing_file


def test_asking_makes_no_database(tmp_path: Path) -> None:
    """Commands that ask get a database in memory where there is none, else the one that is set."""
    url = f"sqlite:///{tmp_path}/new.db"
    read = settings(tmp_path, f'[database]\nurl = "{url}"')
    assert "sqlite://" == read.to_ask().database_url
    (tmp_path / "new.db").touch()
    assert url == read.to_ask().database_url


def test_addresses_may_be_replaced(tmp_path: Path) -> None:
    """`[collect.pages.X]` replaces the official addresses of a source, form by form."""
    read = settings(tmp_path, '[collect.pages.openai]\nmarkdown = "http://127.0.0.1/p.md"')
    (source,) = read.sources(["openai"])
    assert [("http://127.0.0.1/p.md", "markdown")] == [(p.url, p.form) for p in source.pages]  # type: ignore[attr-defined]


def test_unknown_source_is_named(tmp_path: Path) -> None:
    """A source that is asked for by a wrong name is refused with the names that there are."""
    with pytest.raises(ConfigError, match="nope is no source; known: aws-ec2, "):
        settings(tmp_path, "").sources(["nope"])


MAINTENANCE = """
[[maintenance]]
start = 2026-12-24T12:00:00Z
end = 2026-12-27T08:00:00+02:00
reason = "nobody is in the office"
seller = "openai"
"""


def read(toml: str) -> Settings:
    """A configuration."""
    return Settings.read(Table(tomllib.loads(toml, parse_float=Decimal), "top level"))


def test_a_maintenance_window_has_times_and_a_reason() -> None:
    """Times are TOML's own, in any zone."""
    begin = datetime(2026, 12, 24, 12, tzinfo=UTC)
    end = datetime(2026, 12, 27, 6, tzinfo=UTC)

    assert read(MAINTENANCE).windows == (
        Silence(begin, end, "nobody is in the office", seller="openai"),
    )


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (MAINTENANCE.replace("start", "begin"), "start must be a time such as"),
        (MAINTENANCE.replace("2026-12-27T08:00:00+02:00", '"soon"'), "end must be a time such as"),
        (MAINTENANCE.replace("12-27", "12-23"), "end isn't after start"),
        (MAINTENANCE.replace("reason =", "why ="), "reason is missing"),
        (MAINTENANCE + 'rules = "x"', "rules is not a setting (did you mean rule?)"),
        ('[delivery]\nreport = "ops"', "[delivery]: report is 'ops', no receiver; known: none"),
        ('[delivery]\nping = "https://x"', "[delivery]: ping is 'https://x'; it must be a table"),
    ],
)
def test_delivery_that_makes_no_sense_is_refused(toml: str, words: str) -> None:
    """One sentence, with the table and the key."""
    with pytest.raises(ConfigError) as caught:
        read(toml)
    assert words in str(caught.value)
