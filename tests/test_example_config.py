"""config.example.toml: it loads, it says everything there is to say, and its defaults are true."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from breakeven.cli import cli
from breakeven.settings import Settings
from breakeven.starter import example, write_config
from comparator.api import ApiTokens
from comparator.assumption import ASSUMPTIONS
from comparator.receivers import CHANNELS
from comparator.workload import KINDS
from pricebook.config import TOP, Table
from pricebook.errors import ConfigError
from scraper import providers
from scraper.document import Document, reading_of

SETTING = re.compile(r"^#(?=\[|[a-z_]+ = )", re.MULTILINE)
ANYWHERE = {"env", "file", "low", "point", "high", "source"}
"""Keys of every secret and of every range: shown once is enough."""


def switched_on(text: str) -> str:
    """The example with every key and table that is commented out put in force."""
    return SETTING.sub("", text)


def settings(text: str) -> Settings:
    return Settings.read(Table(tomllib.loads(text, parse_float=Decimal), TOP))


def settled(text: str) -> str:
    """All settings in words, everything switched on, but not where assumptions come from: that
    changes when they are written out."""
    found = settings(switched_on(text))
    return re.sub(r"""source=('[^']*'|"[^"]*")""", "", repr(found))


def given(values: Mapping[str, Any], where: str = TOP) -> Iterator[tuple[str, str]]:
    """Every key of a configuration with its table, called as errors call it, without names."""
    for key, value in values.items():
        yield where, key
        if isinstance(value, dict):
            yield from given(value, f"[{key}]" if where == TOP else f"{where} {key}")
        for entry in value if isinstance(value, list) else []:
            if isinstance(entry, dict):
                yield from given(entry, f"[[{key}]]")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The keys that the floors ask for while settings are read, by table."""
    found: dict[str, set[str]] = defaultdict(set)
    begin = Table.__init__

    def remember(self: Table, values: Mapping[str, Any], where: str) -> None:
        begin(self, values, where)
        self._asked = found[re.sub(' ".*?"', "", where)]

    monkeypatch.setattr(Table, "__init__", remember)
    return found


def defaults() -> list[int]:
    """The lines that the example calls a default: a commented key of a table that is in force, or
    one whose comment says (default). Pages have a test of their own."""
    lines, found, table = example().splitlines(), [], ""
    for number, line in enumerate(lines):
        if line.startswith(("[", "#[")):
            table = line
        is_default = table.startswith("[") or "(default)" in lines[number - 1]
        if re.match("#[a-z_]+ = ", line) and is_default and table != "[collect.pages]":
            found.append(number)
    return found


def test_it_loads_as_it_is() -> None:
    """What `breakeven init` writes is a valid configuration with something to compare."""
    found = settings(example())

    assert found.workloads
    assert {rule.workload for rule in found.rules} <= {one.name for one in found.workloads}


def test_it_loads_with_everything_switched_on() -> None:
    """The examples that are commented out are right, too."""
    found = settings(switched_on(example()))

    assert len(CHANNELS) + 1 == len(found.receivers)  # Slack has two ways
    assert set(KINDS) == {workload.kind for workload in found.workloads}


def test_it_names_every_key_that_is_asked_for(asked: dict[str, set[str]]) -> None:
    """A setting that the example doesn't show is one that nobody finds."""
    text = switched_on(example())
    settings(text)

    shown = set(given(tomllib.loads(text)))
    # One seller's pages stand for all, in the forms that the comment lists.
    asked["[collect] pages"] &= {"openai"}
    (forms,) = re.findall(r"Forms: (.*?)\.", example())
    assert asked.pop("[collect] pages openai") == set(forms.split(", "))
    # A candidate takes the keys of an API.
    known = {(where.replace("candidate", "api"), key) for where in asked for key in asked[where]}
    shown = {(where.replace("candidate", "api"), key) for where, key in shown}

    assert set() == ANYWHERE - {key for _, key in shown}
    assert [] == sorted(pair for pair in known - shown if pair[1] not in ANYWHERE)


def test_it_names_every_assumption() -> None:
    """Each assumption of the formulas is shown with its unit and, where it has one, its default."""
    shown = {key for _, key in given(tomllib.loads(switched_on(example())))}

    assert set() == set(ASSUMPTIONS) - shown


@pytest.mark.parametrize("number", defaults(), ids=lambda number: f"line {number + 1}")
def test_a_default_is_the_real_one(number: int) -> None:
    """With a default written out or left out, everything else switched on, all is the same."""
    lines = example().splitlines()
    without = "\n".join(lines[:number] + lines[number + 1 :])

    assert settled(without) == settled("\n".join(lines)), lines[number]


def test_the_pages_it_shows_are_the_official_ones() -> None:
    """Switching on the addresses of the example changes nothing about what is fetched."""
    shown = settings(switched_on(example())).pages

    assert shown
    assert {name: providers.load(name).PAGES for name in shown} == shown


def test_a_newcomer_needs_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `init`, `check` finds no fault, and says that nobody is told yet."""
    monkeypatch.chdir(tmp_path)
    written = CliRunner().invoke(cli, ["init"])
    checked = CliRunner().invoke(cli, ["check"])

    assert (0, 0) == (written.exit_code, checked.exit_code)
    assert "none is set: events are only listed by `breakeven alerts`" in checked.stdout
    assert (tmp_path / "breakeven.db").exists()


def test_a_missing_secret_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the example's Slack receiver switched on, `check` says which variable is missing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
    slack = re.sub('#(\\[\\[receiver\\]\\]\n)#(name = "ml-slack")', r"\1\2", example())
    Path("breakeven.toml").write_text(slack.replace("#slack = ", "slack = "))

    checked = CliRunner().invoke(cli, ["check"])

    assert checked.exit_code == 2
    assert "environment variable SLACK_WEBHOOK_URL is empty or missing" in checked.output


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """`init` refuses a file that is there, and leaves it as it was."""
    file = tmp_path / "breakeven.toml"
    file.write_text("# mine\n")

    with pytest.raises(ConfigError, match="exists already"):
        write_config(file)

    assert file.read_text() == "# mine\n"


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    """A path that can't be written is one sentence."""
    with pytest.raises(ConfigError, match="can't be written: No such file or directory"):
        write_config(tmp_path / "absent" / "breakeven.toml")


def test_the_apis_prices_are_on_the_real_pages(real_data: Path) -> None:
    """What the shipped workloads ask of OpenAI and Anthropic is what their readers find."""
    from datetime import UTC, datetime

    at = datetime(2026, 8, 21, tzinfo=UTC)
    found = set()
    for name in ("openai", "anthropic"):
        newest = max((real_data / "pages" / name).glob("*.[hm][td]*"))
        form = "html" if newest.suffix == ".html" else "markdown"
        document = Document(newest.as_uri(), form, newest.read_text(), at, "")
        found |= {quote.series for quote in reading_of(providers.load(name), document).quotes}

    for workload in settings(example()).workloads:
        for way in (workload.self_host, workload.api):
            if isinstance(way, ApiTokens):
                assert set() == set(way.needs()) - found
