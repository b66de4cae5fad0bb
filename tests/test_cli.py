"""The command line as a newcomer and a cron job meet it: answers, sentences, exit codes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from breakeven import backtesting, price_view, ratio_history, ratio_view, views
from breakeven.app import App
from breakeven.cli import cli
from breakeven.commands import alerting, asking, measuring, moving, running, watching
from breakeven.daemon import run_pass
from breakeven.demo.facts import DAYS
from breakeven.demo.pages import pages
from breakeven.demo.story import story
from breakeven.demo.world import World, world
from breakeven.output import Shape
from breakeven.settings import Settings
from pricebook.runs import last_fetch
from pricebook.schema import reading

LISTS = {
    "prices": price_view.PRICES,
    "history gpt-4": price_view.HISTORY,
    "ratios --as-of 2023-11-08": ratio_view.RATIOS,
    "ratios history 'article: one run on demand'": ratio_history.RATIO_HISTORY,
    "alerts": views.ALERTS,
    "alerts list": views.ALERTS,
    "backtest --until 2024-01-01": backtesting.BACKTEST,
    "review": views.REVIEWS,
    "sources": views.SOURCES,
    "check": views.CHECKS,
}
MODULES = (alerting, asking, measuring, moving, running, watching)
NOBODY = 65534
SECRET = "hunter2"


@dataclass(frozen=True)
class Watched:
    """A database after two days of the demo's world: the second brought a jump under review."""

    folder: Path
    world: World

    def ask(self, *words: str) -> Result:
        return breakeven("--config", str(self.folder / "breakeven.toml"), *words)


def breakeven(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def started(*words: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "breakeven", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The database, with the servers of its world still running."""
    folder = tmp_path_factory.mktemp("watched")
    with world(DAYS[0]) as around:
        config = folder / "breakeven.toml"
        rules = story().replace("falls below 0.25", 'falls below 0.4"\nfirst = "notify" #')
        config.write_text(around.config(folder, rules), encoding="utf-8")
        app = App.open(Settings.load(config), around.clock)
        for day in DAYS[:2]:
            around.turn_to(day)
            run_pass(app)
        app.engine.dispose()
        yield Watched(folder, around)


@pytest.fixture
def own(watched: Watched, tmp_path: Path) -> Watched:
    """A copy that a test may change."""
    for name in ("breakeven.db", "slack-webhook"):
        shutil.copy(watched.folder / name, tmp_path / name)
    text = (watched.folder / "breakeven.toml").read_text(encoding="utf-8")
    text = text.replace(watched.folder.as_posix(), tmp_path.as_posix())
    (tmp_path / "breakeven.toml").write_text(text, encoding="utf-8")
    return Watched(tmp_path, watched.world)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that the loopback price list takes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def configured(folder: Path, text: str) -> str:
    file = folder / "c.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def words_of(command: str) -> list[str]:
    before, quote, after = command.partition("'")
    return [*before.split(), *([after.rstrip("'")] if quote else [])]


# Answers


@pytest.mark.parametrize(("command", "shape"), LISTS.items(), ids=list(LISTS))
def test_programs_get_the_documented_fields(watched: Watched, command: str, shape: Shape) -> None:
    """JSON, NDJSON and CSV have the same rows, with the fields of the shape and no others."""
    answers = {form: watched.ask(*words_of(command), form) for form in ("--json", "--nl", "--csv")}
    rows = json.loads(answers["--json"].stdout)
    assert rows == [json.loads(line) for line in answers["--nl"].stdout.splitlines()]
    table = list(csv.DictReader(io.StringIO(answers["--csv"].stdout)))
    assert list(shape.fields) == list(table[0])
    assert len(rows) == len(table)
    optional = {"seller", "product", "meter", "unit", "currency", "qualifiers"}
    assert set(shape.fields) - set(rows[0]) <= (optional if command == "review" else set())
    assert set(rows[0]) <= set(shape.fields)


@pytest.mark.parametrize("command", LISTS)
def test_people_get_every_row(watched: Watched, command: str) -> None:
    """A table has a header and at least one line for each row, none wider than needed."""
    table = watched.ask(*words_of(command)).stdout.splitlines()
    rows = json.loads(watched.ask(*words_of(command), "--json").stdout)
    starts = [line for line in table[1:] if not line.startswith("    ")]
    assert len(rows) == len(starts)
    assert all(line == line.rstrip() for line in table)


def test_prices_are_exact_texts(watched: Watched) -> None:
    """Amounts are decimal texts, times end in Z, qualifiers that don't apply are absent."""
    answer = watched.ask("prices", "gpt-3.5", "--meter", "training", "--json").stdout
    (row,) = json.loads(answer)
    assert ("8", "2023-10-10T09:00:00Z", {}) == (
        row["amount"],
        row["valid_from"],
        row["qualifiers"],
    )


def test_prices_of_a_day(watched: Watched) -> None:
    """`--as-of` gives what held then, `--known-at` what was known of it then."""
    asked = ("prices", "gpt-3.5-turbo", "--meter", "input", "--tier", "standard", "--json")
    dates = [("2023-10-11",), ("2023-11-08",), ("2023-11-08", "--known-at", "2023-10-11")]
    answers = [json.loads(watched.ask(*asked, "--as-of", *date).stdout) for date in dates]
    plain = [
        [row["amount"] for row in rows if "fine_tuned" not in row["qualifiers"]] for rows in answers
    ]
    assert [["1.5"], ["1"], ["1.5"]] == plain


def test_history_is_in_order(watched: Watched) -> None:
    """`history` lists every change, oldest first, with its source."""
    rows = json.loads(watched.ask("history", "gpt-3.5-turbo", "--json").stdout)
    dates = [row["valid_from"] for row in rows]
    assert sorted(dates) == dates
    assert {"openai"} == {row["source"] for row in rows}
    since = json.loads(
        watched.ask("history", "gpt-3.5-turbo", "--since", "2023-11-01", "--json").stdout
    )
    assert [row for row in rows if row["valid_from"] > "2023-11"] == since


def test_table_is_readable(watched: Watched) -> None:
    """A price stands in one line of less than 120 columns, its usual conditions left out."""
    lines = watched.ask("prices").stdout.splitlines()
    assert max(map(len, lines)) < 120
    (p4d,) = [line.split("  ") for line in lines if " p4d.24xlarge " in line]
    assert {"32.7726", "USD/hour", "us-east-1, on demand"} <= {cell.strip() for cell in p4d}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("prices nothing-like-it", "no product's name contains 'nothing-like-it'"),
        ("prices --seller opnai", "no price has seller 'opnai'; known: aws, openai"),
        ("prices --meter inptu", "no price has meter 'inptu'; known: "),
        ("history gpt-4 --tier bacth", "no price has tier 'bacth'; known: standard"),
        ("history gpt-5", "no product's name contains 'gpt-5'"),
        ("prices gpt --region us-east-1", "no price matches all of this together"),
        ("alerts --since 2030-01-01", "no events yet"),
    ],
)
def test_nothing_found_says_why(watched: Watched, words: str, sentence: str) -> None:
    """An empty answer is `[]` and exit 0; stderr names the word that nothing matches."""
    result = watched.ask(*words.split(), "--json")
    assert (0, "[]\n") == (result.exit_code, result.stdout)
    assert sentence in result.stderr


@pytest.mark.parametrize(("threshold", "code"), [("10.6", 0), ("5.2", 4), ("0.1", 4), ("1e3", 0)])
def test_threshold_of_ratios(watched: Watched, threshold: str, code: int) -> None:
    """`--fail-over` ends with 4 when a ratio is above it, and prints the ratios all the same."""
    result = watched.ask("ratios", "--fail-over", threshold, "--json")
    assert code == result.exit_code
    assert json.loads(result.stdout)


def test_threshold_is_exact(own: Watched) -> None:
    """A ratio that equals the threshold is not above it, to the last of its digits."""
    config = own.folder / "breakeven.toml"
    text = config.read_text(encoding="utf-8")
    one_run = text[: text.index('[[workload]]\nname = "article: a dense')]
    config.write_text(one_run, encoding="utf-8")
    assert 0 == own.ask("ratios", "--fail-over", "5.12071875").exit_code
    assert 4 == own.ask("ratios", "--fail-over", "5.12071874999999999999").exit_code


def test_ratio_history_by_part_of_a_name(watched: Watched) -> None:
    """A workload may be called by any part of its name that only it has."""
    whole = watched.ask("ratios", "history", "article: one run on demand", "--json").stdout
    assert whole == watched.ask("ratios", "history", "one run", "--json").stdout
    assert json.loads(whole)[0]["point"] == "5.12071875"


def test_explain_without_a_price(watched: Watched) -> None:
    """Where a price is missing `explain` names it and ends with 1, in words and as JSON."""
    result = watched.ask("explain", "a 70B model on p5 against Luna")
    assert 1 == result.exit_code
    assert "unknown: no price known for openai gpt-5.6-luna input" in result.stdout
    as_json = watched.ask("explain", "a 70B model on p5 against Luna", "--json")
    assert (1, None) == (as_json.exit_code, json.loads(as_json.stdout)["ratio"])


# What a user gets wrong


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("explain nope", "there is no workload 'nope'; known: article: one run on demand;"),
        ("explain article", "'article' fits 4 workloads: article: one run on demand;"),
        ("ratios history nope", "there is no workload 'nope'"),
        ("sources nope", "nope is no source; known: aws-ec2,"),
        ("collect nope", "nope is no source; known: aws-ec2,"),
        ("alerts test nope", "there is no receiver 'nope'; known: ml-slack, finops-mail"),
        ("review accept 99", "review 99 is not open; `breakeven review` lists those that are"),
        ("review reject 99", "review 99 is not open"),
        ("review accept x", "'x' is not a valid integer"),
        ("prices --as-of yesterday", "'yesterday' is no time; write 2026-11-23 or"),
        ("prices --as-of 2026-02-30", "'2026-02-30' is no time"),
        ("prices --as-of 0001-01-01T00:00+05:00", "is no time"),
        ("ratios --fail-over 1,5", "'1,5' is no number; write for example 1.5"),
        ("ratios --fail-over nan", "'nan' is no number"),
        ("prices --sellers openai", "No such option '--sellers'"),
        ("prices --config x.toml", "--config goes before the command"),
        ("price", "No such command 'price'"),
        ("read nope page.html", "nope is no source; known: aws-ec2,"),
        ("read openai none.html", "none.html can't be read: No such file or directory"),
        ("read openai . ", ". can't be read: Is a directory"),
    ],
)
def test_wrong_words_are_usage_errors(watched: Watched, words: str, sentence: str) -> None:
    """A wrong word is one sentence on stderr and exit 2; nothing is printed, nothing changes."""
    database = watched.folder / "breakeven.db"
    before = hashlib.sha256(database.read_bytes()).digest()
    result = watched.ask(*words.split())
    assert (2, "") == (result.exit_code, result.stdout)
    assert sentence in result.stderr
    assert before == hashlib.sha256(database.read_bytes()).digest()


@pytest.mark.parametrize("command", ["prices", "collect", "run --once", "ratios", "status"])
def test_wrong_configuration_stops_every_command(tmp_path: Path, command: str) -> None:
    """A misspelt key is exit 2 with the key that is meant, before anything is done."""
    config = configured(tmp_path, '[collect]\nsuorces = ["openai"]')
    result = breakeven("--config", config, *command.split())
    assert (2, "") == (result.exit_code, result.stdout)
    expected = "[collect]: suorces is not a setting (did you mean sources?)"
    assert result.stderr.startswith(f"Error: {config}: {expected}")
    assert 1 == len(result.stderr.splitlines())
    assert ["c.toml"] == [path.name for path in tmp_path.iterdir()]


def test_missing_configuration(tmp_path: Path) -> None:
    """A configuration that isn't there is exit 2 with the command that writes one."""
    result = breakeven("--config", str(tmp_path / "none.toml"), "prices")
    expected = f"Error: {tmp_path}/none.toml doesn't exist; write one with `breakeven init`\n"
    assert (2, expected) == (result.exit_code, result.stderr)


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("sqlite:///{folder}/text.db", 1, "is not a database (file is not a database); check"),
        ("sqlite:///{folder}/other.db", 1, "is a database of another program (table notes)"),
        ("sqlite:///{folder}", 1, "can't be reached (unable to open database file)"),
        ("sqlite:///{folder}/none/x.db", 1, "can't be reached (unable to open database file)"),
        (f"postgresql://me:{SECRET}@127.0.0.1:9/x", 1, "can't be reached (connection failed"),
        ("prices.db", 2, "url is not a database address; write sqlite:///FILE"),
    ],
)
def test_database_that_is_none(tmp_path: Path, url: str, code: int, sentence: str) -> None:
    """What isn't a price book is refused in one sentence, left as it is, its password untold."""
    (tmp_path / "text.db").write_text("hello", encoding="utf-8")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE notes (text)")
    other.close()
    config = configured(tmp_path, f'[database]\nurl = "{url.format(folder=tmp_path)}"')
    result = breakeven("--config", config, "prices")
    assert (code, "", 1) == (result.exit_code, result.stdout, len(result.stderr.splitlines()))
    assert sentence in result.stderr
    assert SECRET not in result.stderr
    assert {"text.db", "other.db", "c.toml"} == {path.name for path in tmp_path.iterdir()}
    assert "hello" == (tmp_path / "text.db").read_text(encoding="utf-8")
    with sqlite3.connect(tmp_path / "other.db") as other:
        tables = other.execute("SELECT name FROM sqlite_master").fetchall()
    other.close()
    assert [("notes",)] == tables


def another_user() -> dict[str, Any]:
    """Whom to start a process as, so that permissions hold for root, too."""
    if os.geteuid():
        return {}
    nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY}
    try:
        subprocess.run([sys.executable, "-c", ""], check=True, cwd="/", **nobody)
    except PermissionError:
        pytest.skip(f"no other user may start {sys.executable}")
    return nobody


@pytest.mark.parametrize("command", ["prices luna", "review reject 1", "collect openai"])
def test_read_only_folder(own: Watched, command: str) -> None:
    """A database in a folder that can't be written to is one sentence, without a traceback."""
    nobody = another_user()
    for path in (own.folder, *own.folder.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in own.folder.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    config = str(own.folder / "breakeven.toml")
    out, err = started("--config", config, *command.split(), **nobody, cwd="/").communicate()
    own.folder.chmod(0o755)
    assert ("", 1) == (out, len(err.splitlines()))
    assert "attempt to write a readonly database" in err
    assert "let this user write to its folder" in err


def test_asking_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder every question is answered, and none leaves a file there."""
    monkeypatch.chdir(tmp_path)
    commands = ("prices", "ratios", "alerts", "review")
    answers = [breakeven(name, "--json") for name in commands]
    assert [(0, "[]\n")] * 4 == [(one.exit_code, one.stdout) for one in answers]
    assert "no prices yet; collect them with `breakeven collect`" in answers[0].stderr
    assert 1 == breakeven("status").exit_code
    assert [] == list(tmp_path.iterdir())


def test_unforeseen_fault_is_one_sentence(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the program itself is one sentence too; `-v` shows where it is."""

    def broken(*_: object) -> None:
        raise KeyError("amount")

    monkeypatch.setattr(price_view, "price_row", broken)
    result = watched.ask("prices")
    assert (1, 1) == (result.exit_code, len(result.stderr.splitlines()))
    assert "a fault of breakeven's own (KeyError: 'amount'); `breakeven -v ...`" in result.stderr
    assert isinstance(breakeven("-v", *_config(watched), "prices").exception, KeyError)


def _config(watched: Watched) -> list[str]:
    return ["--config", str(watched.folder / "breakeven.toml")]


# Documents


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """OpenAI's page of November 2023, saved."""
    file = tmp_path / "pricing.md"
    (text,) = (text for path, text in pages(DAYS[1]).items() if path == "/openai/pricing.md")
    file.write_text(text, encoding="utf-8")
    return file


def test_read_a_saved_page(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`read` gives every price with the text of its cell, and stores nothing."""
    monkeypatch.chdir(page.parent)
    words = ("--url", "https://example.com/p", "--at", "2023-11-07", "--json")
    result = breakeven("read", "openai", str(page), *words)
    answer = json.loads(result.stdout)
    assert (0, "openai", []) == (result.exit_code, answer["source"], answer["set_aside"])
    assert {
        "url": "https://example.com/p",
        "sha256": hashlib.sha256(page.read_bytes()).hexdigest(),
        "at": "2023-11-07T00:00:00Z",
        "form": "markdown",
    } == answer["document"]
    (row,) = (row for row in answer["quotes"] if row["amount"] == "3")
    assert ("$3", None) == (row["quoted"], row["valid_until"])
    assert ["pricing.md"] == [path.name for path in page.parent.iterdir()]


def test_read_with_something_strange(page: Path) -> None:
    """A page of which one row can't be read is exit 3: the others are there, that one is told."""
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("$30", "$30 (call us)"), encoding="utf-8")
    result = breakeven("read", "openai", str(page), "--json")
    answer = json.loads(result.stdout)
    assert (3, True) == (result.exit_code, bool(answer["quotes"]))
    assert all({"reason", "where", "text"} == set(aside) for aside in answer["set_aside"])
    assert "set aside: " in breakeven("read", "openai", str(page)).stderr


@pytest.mark.parametrize("source", ["openai", "anthropic", "google"])
def test_read_a_login_form(tmp_path: Path, source: str) -> None:
    """A login form is refused: exit 1, the reason as JSON or as a sentence."""
    file = tmp_path / "page.html"
    file.write_text('<html><form action="/login"><input name="user"></form></html>')
    result = breakeven("read", source, str(file), "--json")
    assert (1, {"refused"}) == (result.exit_code, set(json.loads(result.stdout)))
    in_words = breakeven("read", source, str(file), "--csv")
    assert (1, "") == (in_words.exit_code, in_words.stdout)
    assert in_words.stderr.startswith(f"Error: {source}: {file}")


@pytest.fixture
def aws_answer(watched: Watched, tmp_path: Path) -> Path:
    """What AWS had answered, from the evidence."""
    settings = Settings.load(watched.folder / "breakeven.toml")
    app = App.open(settings)
    with reading(app.engine) as connection:
        fetched = last_fetch(connection, "aws-pricing:GetProducts/AmazonEC2/us-east-1")
    app.engine.dispose()
    assert fetched is not None
    file = tmp_path / "aws.json"
    file.write_bytes(settings.evidence_store().get(fetched.sha256))
    return file


def test_read_an_answer_of_aws(aws_answer: Path) -> None:
    """A saved answer of GetProducts is read as the pages are, all machines that it holds."""
    result = breakeven("read", "aws-ec2", str(aws_answer), "--json")
    quotes = json.loads(result.stdout)["quotes"]
    found = {row["product"]: row["amount"] for row in quotes}
    assert {name: str(price) for name, price in DAYS[1].machines.items()} == found
    assert 0 == result.exit_code


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda text: text[: len(text) // 2], "is cut off, or no answer of GetProducts"),
        (lambda text: '{"FormatVersion": "aws_v1", "PriceList": []}', "its PriceList is empty"),
        (lambda text: text.replace("us-east-1", "us-west-2", 1), "holds prices of 2 regions"),
        (lambda text: "<html>Sign in</html>", "is cut off, or no answer of GetProducts"),
    ],
)
def test_read_a_damaged_answer_of_aws(aws_answer: Path, damage: Any, sentence: str) -> None:
    """An answer that is cut, empty or of two regions is refused as a whole."""
    aws_answer.write_text(damage(aws_answer.read_text(encoding="utf-8")), encoding="utf-8")
    result = breakeven("read", "aws-ec2", str(aws_answer), "--json")
    assert 1 == result.exit_code
    assert sentence in json.loads(result.stdout)["refused"]


# Collecting


@pytest.mark.usefixtures("account")
def test_collect_tells_each_source(own: Watched) -> None:
    """`collect` says for each source what it brought, on stderr."""
    result = own.ask("collect", "openai", "aws-ec2")
    assert (0, "") == (result.exit_code, result.stdout)
    names = [line.split()[:2] for line in result.stderr.splitlines()]
    assert ["openai", "complete"] in names
    assert ["aws-ec2/us-east-1", "complete"] in names


def test_collect_without_credentials(own: Watched) -> None:
    """Without an AWS account the others go on: exit 3, and one sentence says what to do."""
    result = own.ask("collect", "aws-ec2", "openai")
    lines = [line for line in result.stderr.splitlines() if not line.startswith(("event", "mess"))]
    assert (3, 2) == (result.exit_code, len(lines))
    assert "no AWS credentials" in lines[0]
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in lines[0]
    assert 1 == lines[0].count("aws-ec2/us-east-1")
    assert lines[1].startswith("openai")


def test_collect_without_network(own: Watched) -> None:
    """When nothing can be reached: one line for each source, exit 1, the prices stay."""
    config = own.folder / "breakeven.toml"
    text = config.read_text(encoding="utf-8").replace(own.world.site.url, "http://127.0.0.1:9")
    text = text.replace("[http]", '[http]\ntimeout = "1s"')
    config.write_text(text, encoding="utf-8")
    before = own.ask("prices", "--as-of", "2023-11-08", "--json").stdout
    result = own.ask("collect", "openai", "anthropic", "aws-ec2")
    assert 1 == result.exit_code
    outcomes = [line.split()[:2] for line in result.stderr.splitlines()]
    names = ("openai", "anthropic", "aws-ec2/us-east-1")
    assert [[name, "failed"] for name in names] == outcomes
    assert before == own.ask("prices", "--as-of", "2023-11-08", "--json").stdout
    sources = json.loads(own.ask("sources", "openai", "--json").stdout)
    assert ["failed"] == [one["outcome"] for one in sources]


def test_unknown_machine_is_told(own: Watched, account: None) -> None:
    """A machine that AWS doesn't have is told by `collect`, `review` and `check`."""
    config = own.folder / "breakeven.toml"
    text = config.read_text(encoding="utf-8")
    text = text.replace('families = ["p4d.24xlarge"', 'families = ["p4d.24xlarge", "p55"')
    config.write_text(text.replace('"p5.48xlarge"\nregion', '"p55.48xlarge"\nregion'))
    collected = own.ask("collect", "aws-ec2")
    assert "boto3 knows no such family or type" in collected.stderr
    (row,) = [row for row in json.loads(own.ask("review", "--json").stdout) if "p55" in row["text"]]
    assert "aws-ec2/us-east-1" == row["partition"]


# By hand


def test_review_is_accepted(own: Watched) -> None:
    """An accepted price holds from when it was first read; the review is closed."""
    (row,) = json.loads(own.ask("review", "--json").stdout)
    assert ("price jump", "3") == (row["reason"], row["amount"])
    result = own.ask("review", "accept", str(row["id"]))
    assert (0, "") == (result.exit_code, result.stdout)
    assert result.stderr.startswith("accepted: openai gpt-3.5-turbo input USD/mtok (fine_tuned")
    changes = json.loads(own.ask("history", "gpt-3.5-turbo", "--json").stdout)
    assert ("3", "2023-11-07T09:00:00Z") in [(c["amount"], c["valid_from"]) for c in changes]
    assert "[]\n" == own.ask("review", "--json").stdout
    assert 2 == own.ask("review", "accept", str(row["id"])).exit_code


@pytest.mark.usefixtures("account")
def test_review_is_rejected(own: Watched) -> None:
    """A rejected price stays out, also when it is read again."""
    (row,) = json.loads(own.ask("review", "--json").stdout)
    assert 0 == own.ask("review", "reject", str(row["id"])).exit_code
    assert 0 == own.ask("collect", "openai").exit_code
    changes = json.loads(own.ask("history", "gpt-3.5-turbo", "--json").stdout)
    assert "3" not in [change["amount"] for change in changes]
    assert "[]\n" == own.ask("review", "--json").stdout


def test_receiver_is_tried(watched: Watched) -> None:
    """`alerts test` sends one message that says it is a test."""
    before = len(watched.world.slack.messages)
    result = watched.ask("alerts", "test", "ml-slack")
    assert (0, "ml-slack took the test message\n") == (result.exit_code, result.stderr)
    assert before + 1 == len(watched.world.slack.messages)
    assert "This is a test" in json.dumps(watched.world.slack.messages[-1])


def test_dead_receiver_is_told(own: Watched) -> None:
    """A receiver that can't be reached is one sentence without its secret, exit 1."""
    (own.folder / "slack-webhook").write_text(f"http://127.0.0.1:9/services/T/B/{SECRET}")
    result = own.ask("alerts", "test", "ml-slack")
    assert (1, 1) == (result.exit_code, len(result.stderr.splitlines()))
    assert "Slack can't be reached" in result.stderr
    assert SECRET not in result.stderr


@pytest.mark.usefixtures("account")
def test_health(own: Watched) -> None:
    """`status` is ill while a source is old, and well when all have just been read."""
    ill = own.ask("status", "--json")
    assert (1, False) == (ill.exit_code, json.loads(ill.stdout)["healthy"])
    config = own.folder / "breakeven.toml"
    text = config.read_text(encoding="utf-8")
    line = 'sources = ["openai", "anthropic", "google", "aws-ec2"]'
    config.write_text(text.replace(line, 'sources = ["openai", "aws-ec2"]'), encoding="utf-8")
    own.ask("collect")
    well = own.ask("status")
    assert 0 == well.exit_code
    assert "health                   well" == well.stdout.splitlines()[0]


@pytest.mark.usefixtures("account")
def test_check(own: Watched) -> None:
    """`check` looks at everything, says what is missing, and sends nothing."""
    before = len(own.world.slack.messages)
    result = own.ask("check", "--json")
    rows = {row["what"]: row for row in json.loads(result.stdout)}
    assert 1 == result.exit_code
    assert {"configuration", "database", "AWS credentials", "receiver ml-slack"} <= set(rows)
    luna = rows["workload a 70B model on p5 against Luna"]
    assert not luna["ok"]
    assert "no price known for openai gpt-5.6-luna" in luna["says"]
    assert before == len(own.world.slack.messages)


def test_check_of_a_machine_that_is_not_collected(own: Watched) -> None:
    """A workload on a machine that `[aws]` leaves out would wait for ever: exit 2 says so."""
    config = own.folder / "breakeven.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('instance = "p5.48xlarge"', 'instance = "p9.48xlarge"'))
    result = own.ask("check")
    assert 2 == result.exit_code
    assert "[aws] families doesn't have p9.48xlarge; add it there" in result.stdout


def test_check_before_the_first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first run missing prices are no fault, and no database is made."""
    monkeypatch.chdir(tmp_path)
    rules = story().replace('receivers = ["ml-slack", "finops-mail"]', "receivers = []")
    config = configured(tmp_path, '[collect]\nsources = ["openai"]\n' + rules)
    result = breakeven("--config", config, "check")
    assert "no prices yet; `breakeven collect` fetches them" in result.stdout
    assert "none is set: events are only listed by `breakeven alerts`" in result.stdout
    assert 0 == result.exit_code
    assert ["c.toml"] == [path.name for path in tmp_path.iterdir()]


def test_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init` writes a configuration that works and its database, and never over a file."""
    monkeypatch.chdir(tmp_path)
    assert 0 == breakeven("init").exit_code
    assert {"breakeven.toml", "breakeven.db"} <= {path.name for path in tmp_path.iterdir()}
    written = (tmp_path / "breakeven.toml").read_bytes()
    assert 0 == breakeven("prices").exit_code
    again = breakeven("init")
    assert (2, "Error: breakeven.toml exists already; edit it, or name another file\n") == (
        again.exit_code,
        again.stderr,
    )
    assert written == (tmp_path / "breakeven.toml").read_bytes()


# The process


def test_help_is_quick() -> None:
    """`--help` and `--version` import neither boto3 nor SQLAlchemy nor any other heavy library."""
    heavy = ("alembic", "apscheduler", "boto3", "bs4", "requests", "sqlalchemy")
    program = (
        "import sys; from click.testing import CliRunner; from breakeven.cli import cli\n"
        "codes = [CliRunner().invoke(cli, [o]).exit_code for o in ('--help', '--version')]\n"
        f"print(codes, [name for name in {heavy} if name in sys.modules])"
    )
    found = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert "[0, 0] []\n" == found


@pytest.mark.parametrize(
    ("name", "hint"), [("hisory", " Did you mean 'history'?"), ("xyz", ""), ("Prices", " Did you")]
)
def test_a_command_that_is_none(name: str, hint: str) -> None:
    """A misspelt command is answered with the nearest that there is."""
    found = breakeven(name, "gpt")
    assert (2, "") == (found.exit_code, found.stdout)
    assert f"No such command {name!r}.{hint}" in found.stderr


def test_help_names_every_command() -> None:
    """The list of commands is whole, and each has the first line of its own help, not cut."""
    lines = breakeven("--help").stdout.partition("Commands:\n")[2].splitlines()
    context = click.Context(cli)
    known = {one.name: one for part in MODULES for one in part.COMMANDS}

    assert sorted(known) == [line.split()[0] for line in lines]
    assert known == {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    helps = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert {name: one.get_short_help_str(80) for name, one in known.items()} == helps


def test_terminal_without_unicode(page: Path) -> None:
    """Where an ornament can't be shown its code is, and the prices are there."""
    process = started("read", "openai", str(page), env={**os.environ, "PYTHONIOENCODING": "latin1"})
    out, err = process.communicate(timeout=30)
    assert (0, "") == (process.returncode, err)
    assert "Fine-tuning \\u203a Standard" in out


@pytest.mark.parametrize("lines", [0, 1])
def test_reader_that_goes_away(watched: Watched, lines: int) -> None:
    """`breakeven prices --json | head -1` ends quietly with 0."""
    process = started(*_config(watched), "history", "g", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(lines):
        assert "[\n" == process.stdout.readline()
    process.stdout.close()
    assert ("", 0) == (process.stderr.read(), process.wait(20))
    process.stderr.close()


def test_interrupt(tmp_path: Path) -> None:
    """Ctrl-C ends with 130 and one word, whatever is going on."""
    process = started("demo", "--keep", str(tmp_path / "kept"))
    assert process.stdout is not None
    while "10 October 2023" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (130, "interrupted\n") == (process.returncode, err)
