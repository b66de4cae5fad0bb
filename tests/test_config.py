"""TOML to settings: what is right is read exactly, what is wrong is refused with its place."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from breakeven.book_settings import known_sources
from breakeven.settings import Settings
from pricebook.config import TOP, Secret, Table, load, naming
from pricebook.errors import ConfigError


def table(**values: Any) -> Table:
    return Table(values, "[collect]")


@pytest.mark.parametrize(
    ("span", "seconds"), [("90s", 90), ("15min", 900), ("6 h", 21_600), ("2d", 172_800)]
)
def test_a_span_of_time_has_a_number_and_a_unit(span: str, seconds: int) -> None:
    """Seconds, minutes, hours and days are understood."""
    assert timedelta(seconds=seconds) == table(every=span).duration("every", "6h")


@pytest.mark.parametrize("span", ["", "6", "h", "1.5h", "6 hours", "-1h", "6h30min"])
def test_another_span_is_refused_with_examples(span: str) -> None:
    """A span that could be misread is refused, and the sentence shows right ones."""
    with pytest.raises(ConfigError, match=r"\[collect\]: every .* such as 90s, 15min, 6h or 2d"):
        table(every=span).duration("every", "6h")


@pytest.mark.parametrize(
    ("ask", "value"),
    [
        ("text", 1),
        ("text", True),
        ("texts", "openai"),
        ("texts", ["openai", 1]),
        ("integer", "1"),
        ("integer", Decimal("1.5")),
        ("integer", True),
        ("decimal", "1.5"),
        ("decimal", False),
        ("table", "openai"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(ask: str, value: object) -> None:
    """No value is converted: text is no number, and true is not 1."""
    with pytest.raises(ConfigError, match=r"\[collect\]: key .*must be "):
        getattr(table(key=value), ask)("key")


def test_true_and_false_are_no_words() -> None:
    """A flag wants true or false without quotes."""
    with pytest.raises(ConfigError, match="key is 'yes'; it must be true or false"):
        table(key="yes").flag("key", False)


def test_a_key_without_default_is_required() -> None:
    """The sentence says which key is missing, and what it must be."""
    with pytest.raises(ConfigError, match=r"\[collect\]: name is missing; it must be a text"):
        table().text("name")


def test_a_choice_names_its_nearest_option() -> None:
    """A slip of the pen is answered with the word that was meant, and with all that are known."""
    with pytest.raises(ConfigError, match=r"did you mean starttls\?\); known here: tls, starttls"):
        table(security="startls").choice("security", ["tls", "starttls"])


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    """What nobody asked for is no setting."""
    given = table(evry="6h")
    given.duration("every", "6h")

    with pytest.raises(ConfigError, match=r"evry is not a setting \(did you mean every\?\)"):
        given.close()


def test_a_table_is_called_as_the_file_writes_it() -> None:
    """[http] is called [http] in errors, and what lies within it by its path."""
    http = Table({"http": {"deep": {"x": 1}}}, TOP).table("http")

    assert ("[http]", "[http] deep") == (http.where, http.table("deep").where)


def test_an_entry_of_an_array_is_called_by_its_name() -> None:
    """[[rule]] "x" tells which of several rules is wrong; one without a name is numbered."""
    rules = Table({"rule": [{"name": "x"}, {}]}, TOP).tables("rule")

    assert ['[[rule]] "x"', '[[rule]] "number 2"'] == [rule.where for rule in rules]


@pytest.mark.parametrize("rules", [{"name": "x"}, ["x"], "x"])
def test_an_array_of_tables_has_two_brackets(rules: object) -> None:
    """[rule] instead of [[rule]] is told so."""
    with pytest.raises(ConfigError, match=r"written as \[\[rule\]\]"):
        list(Table({"rule": rules}, TOP).tables("rule"))


def test_a_number_keeps_its_decimals(tmp_path: Path) -> None:
    """0.1 in the file is Decimal("0.1"), never the float beside it."""
    file = tmp_path / "c.toml"
    file.write_text("[gate]\nshare = 0.1\n")

    assert str(load(file).table("gate").decimal("share")) == "0.1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "doesn't exist; write one with `breakeven init`"),
        (b"[collect", "is not TOML: "),
        (b"\xff", "is not TOML: "),
    ],
)
def test_a_file_that_cant_be_read_says_why(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    """One sentence with the file's name, and no traceback."""
    file = tmp_path / "c.toml"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load(file)

    assert str(file) in str(caught.value)
    assert said in str(caught.value)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    """A path that can't be opened is told in the system's words."""
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load(tmp_path)


def test_errors_begin_with_the_file(tmp_path: Path) -> None:
    """Whoever has several configurations is told which one is wrong."""
    with (
        pytest.raises(ConfigError, match="one.toml: .collect.: every is wrong"),
        naming(Path("one.toml")),
    ):
        raise table().error("every", "is wrong")


def test_a_secret_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """{ env = "NAME" } is the value of that variable."""
    monkeypatch.setenv("HOOK", "https://hooks.example.com/1")

    assert Secret.read(table(env="HOOK")).reveal() == "https://hooks.example.com/1"


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    """{ file = "PATH" } is the file's text without the line's end."""
    file = tmp_path / "secret"
    file.write_text("hush\n")

    assert Secret.read(table(file=str(file))).reveal() == "hush"


@pytest.mark.parametrize("given", [{}, {"env": "A", "file": "b"}])
def test_a_secret_has_one_place(given: dict[str, str]) -> None:
    """Neither place, or both, is refused with the two ways to write it."""
    with pytest.raises(ConfigError, match='give either env = "NAME" or file = "PATH"'):
        Secret.read(table(**given))


def test_a_secret_in_the_file_itself_is_refused() -> None:
    """The configuration may be committed, so it never holds a secret."""
    with pytest.raises(ConfigError, match="value is not a setting"):
        Secret.read(table(value="hush"))


def test_a_missing_secret_names_its_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says where the secret was looked for."""
    monkeypatch.delenv("HOOK", raising=False)

    with pytest.raises(ConfigError, match="environment variable HOOK is empty or missing"):
        Secret.read(table(env="HOOK")).reveal()


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """The same for a file, in the system's words."""
    with pytest.raises(ConfigError, match="absent: No such file"):
        Secret.read(table(file=str(tmp_path / "absent"))).reveal()


def test_without_a_file_everything_has_a_default() -> None:
    """breakeven works without a configuration: all sources, no workloads, nobody to tell."""
    settings = Settings.read(Table({}, TOP))

    assert tuple(known_sources()) == settings.source_names
    assert ((), (), {}) == (settings.workloads, settings.rules, settings.receivers)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[colect]", r"top level: colect is not a setting \(did you mean collect\?\)"),
        ("[collect]\nsources = ['opnai']", r"\[collect\]: sources has 'opnai'; known: "),
        ("[collect]\nevery = '1min'", r"\[collect\]: every is below 5min"),
        ("[collect.pages]\nopnai = {}", r"\[collect\] pages: opnai is not a setting"),
        ("[http]\ntimout = '1s'", r"\[http\]: timout is not a setting"),
        ("[gate]\nmax_jump = 1", r"\[gate\]: max_jump must be a factor above 1"),
        ("[aws]\nregions = ['US']", r"\[aws\]: regions has 'US'"),
    ],
)
def test_a_wrong_setting_is_told_with_its_place(tmp_path: Path, toml: str, said: str) -> None:
    """Every floor's errors read alike: the file, the table, the key, what to do."""
    file = tmp_path / "c.toml"
    file.write_text(toml)

    with pytest.raises(ConfigError, match=rf"c\.toml: {said}"):
        Settings.load(file)


API = """
[[workload]]
name = "w"
kind = "api"
tokens = { input = 1, output = 1 }
api = { seller = "openai", product = "a" }
candidate = { seller = "openai", product = "b" }
"""
RULE = '[[rule]]\nname = "r"\nworkload = "w"\nwhen = "ratio falls below 1"\nreceivers = []\n'


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (API + API, "two are called 'w'; rename one"),
        (API + RULE + RULE, "two are called 'r'; rename one"),
        (RULE, "there is no workload 'w'"),
        (API + RULE.replace("[]", "['x']"), "there is no receiver 'x'"),
    ],
)
def test_names_fit_together(tmp_path: Path, toml: str, said: str) -> None:
    """Names are unique, and a rule's workload and receivers exist, before anything is fetched."""
    file = tmp_path / "c.toml"
    file.write_text(toml)

    with pytest.raises(ConfigError, match=said):
        Settings.load(file)
