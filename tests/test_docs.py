"""README.md and docs/: what they show is what the program does, tried on the demo's database."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from benchmarks.token_server import Behaviour, serving
from breakeven.cli import cli
from breakeven.settings import Settings
from comparator.rules.crossing import Crossing
from comparator.silence import Silence
from comparator.silences import add_silence
from comparator.workload import Workload
from pricebook.book import Look, record
from pricebook.config import TOP, Table
from pricebook.quote import Quote, Series
from pricebook.runs import Held, note_held, note_run
from pricebook.schema import open_book
from scraper.listing import renewed

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CLAIM = """
[[workload.claim]]
id = "S04"
figure = "ratio, highest"
printed = "8x"
note = "the dear and short run alone"
"""
CASE = """
[[case]]
name = "two looks in a row"
rule = "tuning it ourselves pays"
looks = [1.2, 0.9, 0.9]
expect = [{ after = "12h", kind = "fired", severity = "warn", sent = true }]
"""
CATALOGUE = '{"openai": {"models": {"gpt-4o-mini": {"cost": {"input": 0.15, "output": 0.5}}}}}'


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the demo keeps, and what it told."""
    folder = tmp_path_factory.mktemp("docs") / "demo"
    command = [sys.executable, "-m", "breakeven", "demo", "--fast", "--keep", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    return folder, done.stdout


@pytest.fixture(scope="module")
def book_for_json(demo: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo's folder with what the demo has none of: a claim, a review, documents."""
    folder = tmp_path_factory.mktemp("json")
    database = f"sqlite:///{folder}/breakeven.db"
    (folder / "breakeven.db").write_bytes((demo[0] / "breakeven.db").read_bytes())
    settings = (demo[0] / "breakeven.toml").read_text(encoding="utf-8")
    settings = re.sub('url = "sqlite.*"', f'url = "{database}"', settings)
    before, second, after = settings.partition('\n[[workload]]\nname = "fine-tuned GPT-3.5')
    (folder / "breakeven.toml").write_text(before + CLAIM + second + after, encoding="utf-8")
    _hold_a_price(database)
    page = ROOT / "tests" / "pages" / "openai" / "2026-09-03.md"
    (folder / "pricing.md").write_bytes(page.read_bytes())
    (folder / "empty.html").write_text("hello\n")
    (folder / "models.json").write_text(CATALOGUE, encoding="utf-8")
    _reserve(database)
    _silence(database)
    (folder / "cases.toml").write_text(CASE, encoding="utf-8")
    (folder / "needs.txt").write_text("0\n1\n1\n2\n")
    (folder / "requests.jsonl").write_text("".join(_requests()), encoding="utf-8")
    return folder


def _requests() -> Iterator[str]:
    """A log of 30 hours, a request each, and a line that is none."""
    for hour in range(30):
        counts = {"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 3}
        yield json.dumps({"created": 1_790_000_000 + hour * 3600, "usage": counts}) + "\n"
    yield "not JSON\n"


def _reserve(database: str) -> None:
    at = datetime(2026, 8, 21, 22, tzinfo=UTC)
    place = {"region": "us-east-1", "os": "Linux", "tenancy": "shared"}
    terms = {"term": "reserved", "term_years": "1", "payment": "none", "offering_class": "standard"}
    series = Series.of("aws", "p4d.24xlarge", "instance", "hour", **place, **terms)
    engine = open_book(database)
    with engine.begin() as connection:
        run = note_run(connection, "aws-ec2/reserved", at, "complete")
        look = Look("aws-ec2/reserved", run, at, [(Quote(series, Decimal("19.22"), "", ""), None)])
        record(connection, look)
    engine.dispose()


def _silence(database: str) -> None:
    starts, ends = datetime(2026, 8, 21, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    engine = open_book(database)
    with engine.begin() as connection:
        add_silence(connection, Silence(starts, ends, "we are moving house", pattern="openai *"))
    engine.dispose()


def _hold_a_price(database: str) -> None:
    at = datetime(2026, 8, 21, 23, tzinfo=UTC)
    series = Series.of("openai", "gpt-5.6-luna", "output", "mtok", service_tier="standard")
    where = "Text tokens › Standard › gpt-5.6-luna › Output"
    quote = Quote(series, Decimal("0.2"), "$0.20", where, "per 1M tokens")
    engine = open_book(database)
    with engine.begin() as connection:
        run = note_run(connection, "openai", at, "partial")
        held = Held("price jump", where, "$0.20: 1.2 before", quote, curable=True)
        note_held(connection, "openai", run, at, [held])
    engine.dispose()


def consoles(file: Path) -> list[tuple[str, str]]:
    """The commands of a page's console blocks, each with what the page shows of its output."""
    blocks = re.findall(r"```console\n\$ breakeven (.*)\n((?:.*\n)*?)```", file.read_text("utf-8"))
    return [(command, shown) for command, shown in blocks]


def answer(folder: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    with serving(Behaviour(fails=9)) as server:
        command = command.replace("http://localhost:8000", server)
        return CliRunner().invoke(cli, shlex.split(command)).stdout


def shape(value: Any, path: str = "") -> Iterator[str]:
    """The path of every key in it; what lies in a map of free names is not looked at."""
    free = path.endswith(("qualifiers", "figures", "messages"))
    for key, inner in value.items() if isinstance(value, dict) and not free else []:
        yield f"{path}.{key}"
        yield from shape(inner, f"{path}.{key}")
    for inner in value if isinstance(value, list) else []:
        yield from shape(inner, f"{path}[]")


@pytest.mark.parametrize(("command", "shown"), consoles(ROOT / "README.md"))
def test_the_readme_shows_real_output(
    command: str, shown: str, demo: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line of an excerpt is in the output of its command, in that order."""
    is_demo = command.startswith("demo")
    lines = iter((demo[1] if is_demo else answer(demo[0], command, monkeypatch)).splitlines())

    missing = [line for line in shown.splitlines() if line != "…" and line not in lines]

    assert [] == missing


@pytest.mark.parametrize(("command", "shown"), consoles(ROOT / "docs" / "json.md"))
def test_json_has_the_documented_keys(
    command: str, shown: str, book_for_json: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/json.md shows of a command has the keys of its answer, no more and no less."""
    found = json.loads(answer(book_for_json, command, monkeypatch))

    assert set(shape(found)) == set(shape(json.loads(shown)))


@pytest.mark.parametrize("command", [one for one, _ in consoles(ROOT / "docs" / "json.md")])
def test_json_money_is_text(
    command: str, book_for_json: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No number of an answer has a decimal point: such figures are strings."""
    points: list[str] = []
    json.loads(answer(book_for_json, command, monkeypatch), parse_float=points.append)

    assert [] == points


def test_every_command_with_json_is_documented() -> None:
    """A shape that programs may read stands in docs/json.md."""
    documented = {command for command, _ in consoles(ROOT / "docs" / "json.md")}
    with_json = {
        name
        for name, command in commands()
        if any("--json" in one.opts for one in command.params) and not name.endswith(" list")
    }

    assert set() == {
        name for name in with_json if not any(each.startswith(name) for each in documented)
    }


def test_every_command_is_in_the_readme() -> None:
    """README's table misses no command."""
    named = set(re.findall("`([a-z ]+)`", (ROOT / "README.md").read_text("utf-8")))
    leaves = {name for name, _ in commands() if not name.endswith(" list")}

    assert set() == leaves - named


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_every_command_that_is_named_exists(file: Path) -> None:
    """A page names no command that the program doesn't have."""
    known = {name.split()[0] for name, _ in commands()}
    code = "\n".join(
        re.findall(r"```(?:sh|ini|console)?\n.*?```|`[^`]+`", file.read_text("utf-8"), re.S)
    )
    named = set(re.findall(r"(?:^|`|\$ |bin/)breakeven ([a-z]+)", code, re.M))

    assert set() == named - known


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_links_lead_somewhere(file: Path) -> None:
    """A link to another file of the repository finds it."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text("utf-8"))

    assert [] == [link for link in links if not (file.parent / link).exists()]


def test_the_readmes_configuration_works() -> None:
    """The sketch of a configuration is a valid one."""
    (sketch,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)

    found = Settings.read(Table(tomllib.loads(sketch, parse_float=Decimal), TOP))

    assert [Workload] == [type(one) for one in found.workloads]
    assert [Crossing] == [type(one) for one in found.rules]


def test_every_dependency_is_explained() -> None:
    """docs/dependencies.md has a line for each package that is needed at run time, and no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"]]
    needed += [
        one for extra in extras if extra not in ("test", "catalogs") for one in extras[extra]
    ]
    table = (ROOT / "docs" / "dependencies.md").read_text("utf-8")

    assert {re.split(r"[\[<>=]", one)[0] for one in needed} == set(
        re.findall(r"^\| ([a-z0-9]+)[,| ]", table.partition("|---|")[2], re.M)
    )


def test_the_lock_pins_every_dependency() -> None:
    """requirements.lock has a version of each package that pyproject.toml names, no address."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    lock = (ROOT / "requirements.lock").read_text("utf-8")

    named = {re.split(r"[\[<>=]", one)[0] for one in needed} - {"breakeven"}
    assert set() == named - set(re.findall(r"^([a-z0-9-]+)==", lock, re.M))
    assert "://" not in lock


def commands(group: click.Group = cli, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its whole name: `ratios history`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{before}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")


def test_the_list_of_sellers_is_the_providers_own() -> None:
    """docs/sources.md says of each seller what its file says; `make docs` brings it up to date."""
    written = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")

    assert renewed(written) == written
