"""The house rules that a machine can hold: who imports whom, how long, with which words."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import alembic
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pricebook", "scraper", "comparator", "breakeven")
MODULES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
MIGRATIONS = sorted((ROOT / "alembic").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

LONGEST = 45
SPANS_OF_TIME = {
    "pricebook/errors.py",
    "scraper/aws/client.py",
    "scraper/clock.py",
    "scraper/guard.py",
    "scraper/http.py",
    "comparator/channels/__init__.py",
    "comparator/channels/email.py",
    "comparator/channels/posting.py",
    "comparator/dispatch.py",
    "breakeven/demo/pricing_api.py",
    "breakeven/demo/sinks.py",
    "breakeven/demo/story.py",
    "breakeven/demo/world.py",
    "breakeven/endpoint.py",
    "breakeven/measuring.py",
    "breakeven/steady.py",
}
"""Where floats are seconds, as the standard library wants them. A new file comes here only when
its floats are, too."""


FACTORS = {"comparator/spread.py", "comparator/channels/chart.py", "breakeven/chart.py"}
"""Where floats are factors on an amount, drawn or only looked at, never the amount itself."""
ESTIMATES = {"comparator/estimate.py"}
"""Where floats choose what is worked out exactly; none of them is stored or told."""


def named(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How long a function is, from `def` to its end, without its docstring."""
    length = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return length
    docstring = function.body[0]
    return length - ((docstring.end_lineno or 0) - docstring.lineno + 1)


def test_imports_go_one_way() -> None:
    """The arrows of the house, as pyproject.toml has them, are kept."""
    command = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert "2 kept, 0 broken" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_our_migrations_dont_hide_the_library() -> None:
    """Without __init__.py our folder alembic/ never stands before the library of that name."""
    assert not (ROOT / "alembic" / "__init__.py").exists()
    assert not (ROOT / "alembic.py").exists()
    assert ROOT / "alembic" not in Path(str(alembic.__file__)).parents


def test_no_tests_are_taken_for_a_package() -> None:
    """No folder or file of tests has the name of a package, and none is a package itself."""
    names = {path.stem for path in (ROOT / "tests").rglob("*")}

    assert set() == names & {*PACKAGES, "alembic", "__init__"}


def test_functions_are_short() -> None:
    """Half have fewer than 8 lines, nine in ten at most 25, and none is a novel."""
    lengths = {
        f"{named(file)}:{one.name}": lines_of(one) for file in MODULES for one in functions(file)
    }
    deciles = quantiles(lengths.values(), n=10)
    longest = sorted(lengths, key=lambda name: lengths[name])[-5:]

    assert deciles[4] < 8
    assert deciles[8] <= 25
    assert lengths[longest[-1]] <= LONGEST, [f"{name}: {lengths[name]} lines" for name in longest]


@pytest.mark.parametrize("file", [*MODULES, *MIGRATIONS, *TESTS], ids=named)
def test_a_module_says_what_it_is_for(file: Path) -> None:
    """Each begins with a docstring: one or two sentences."""
    assert ast.get_docstring(parsed(file))


@pytest.mark.parametrize("file", TESTS, ids=named)
def test_a_test_states_its_rule(file: Path) -> None:
    """The docstring of a test is the rule that it holds."""
    tests = [one for one in functions(file) if one.name.startswith("test_")]

    assert [] == [one.name for one in tests if not ast.get_docstring(one)]


@pytest.mark.parametrize("file", MODULES, ids=named)
def test_what_is_public_is_explained(file: Path) -> None:
    """Classes and functions without a leading underscore have a docstring, methods too."""
    nodes = [parsed(file)]
    bare = []
    while nodes:
        for node in nodes.pop().body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                bare.append(node.name)
            if isinstance(node, ast.ClassDef):
                nodes.append(ast.Module(node.body, []))

    assert [] == bare


def test_no_money_is_a_float() -> None:
    """A float, written or named, is a span of time or a factor in a few files, never an amount."""
    with_floats = {
        named(file)
        for file in MODULES
        for node in ast.walk(parsed(file))
        if (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
    }

    assert set() == with_floats - SPANS_OF_TIME - FACTORS - ESTIMATES


def test_nothing_is_called_utils() -> None:
    """A helper lives with its one user, or has earned a noun."""
    shapeless = {"utils", "util", "helpers", "common", "misc"}

    assert [] == [named(file) for file in MODULES if file.stem in shapeless]


HEAVY = {
    *("alembic", "apscheduler", "boto3", "botocore", "bs4", "requests", "smtplib", "urllib3"),
    *("sqlalchemy.dialects.postgresql", "sqlalchemy.orm"),
}
"""What takes longer to import than a question takes to answer."""


def loaded(folder: Path, *commands: list[str]) -> set[str]:
    """The modules that these commands have imported, in a process of their own."""
    program = f"""
import sys
from contextlib import suppress
from breakeven.cli import cli
for arguments in {commands!r}:
    with suppress(SystemExit):
        cli.main(arguments, standalone_mode=False)
print("loaded:", *sys.modules)
"""
    paths = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=paths,
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()[-1].split()
    assert words[0] == "loaded:"
    return set(words)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a book and a configuration: workloads, rules, a receiver in Slack."""
    folder = tmp_path_factory.mktemp("book")
    loaded(folder, ["init"])
    with (folder / "breakeven.toml").open("a", encoding="utf-8") as file:
        file.write('[[receiver]]\nname = "team"\nslack.webhook = { env = "SLACK_WEBHOOK" }\n')
    loaded(folder, ["import", "curated"])
    return folder


def test_help_loads_no_heavy_library() -> None:
    """`breakeven --help` answers at once: neither a database nor a cloud library is imported."""
    found = loaded(ROOT, ["--help"], ["collect", "--help"], ["prices", "--help"])

    assert set() == found & {*HEAVY, "sqlalchemy", "comparator", "scraper"}


@pytest.mark.parametrize("question", ["prices gpt", "history gpt-4o", "history gpt"])
def test_questions_about_prices_load_no_comparator(book: Path, question: str) -> None:
    """`prices` and `history` import the book and nothing that compares, tells or collects."""
    found = loaded(book, question.split())

    assert "pricebook.answers" in found
    assert set() == found & {*HEAVY, "sqlalchemy", "comparator", "scraper.collect", "scraper.http"}


@pytest.mark.parametrize(
    "question",
    ["ratios", "explain 70B", "ratios history 70B", "article", "backtest", "backtest --examples"],
)
def test_questions_about_ratios_load_no_heavy_library(book: Path, question: str) -> None:
    """They import what compares, and nothing that tells or collects; a SQLite file is asked by its
    own driver."""
    found = loaded(book, question.split())

    heavy = {*HEAVY, "sqlalchemy", "comparator.outbox", "scraper.collect", "scraper.http"}
    assert "comparator.ratio" in found
    assert set() == found & heavy


def test_a_command_loads_its_own_part_of_the_command_line(book: Path) -> None:
    """`history` imports no module of commands but its own."""
    found = loaded(book, ["history", "gpt-4o"])

    parts = {name for name in found if name.startswith("breakeven.commands.")}
    assert {"breakeven.commands.asking"} == parts
