"""`rules test`: the user's own cases, what they may hold, and what is said when one fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from breakeven.cli import cli
from breakeven.rule_tests import RULE_TESTS

PAGE = Path(__file__).parents[1] / "docs" / "rules-test.md"
RULE = """
[[rule]]
name = "pays"
workload = "bot"
when = "ratio falls below 1"
critical = 0.5
receivers = []

[[rule]]
name = "cuts"
when = "a price falls by 10 %"
prices = { seller = "aws", product = "p5*" }
receivers = []

[[rule]]
name = "stale"
when = "a source is stale"
receivers = []
"""
PRICE = 'price = { seller = "aws", product = "p5.48xlarge", meter = "instance" }\n'


def case(looks: str, expect: str, *, rule: str = "pays", more: str = "") -> str:
    """One case as TOML."""
    return f'[[case]]\nname = "c"\nrule = "{rule}"\n{more}looks = {looks}\nexpect = {expect}\n'


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a configuration."""
    monkeypatch.chdir(tmp_path)


def outcome(text: str, *words: str) -> Result:
    """The command on a file with these cases and the rules above."""
    Path("cases.toml").write_text(RULE + text, encoding="utf-8")
    return CliRunner().invoke(cli, ["rules", "test", "cases.toml", *words])


PASSES = {
    "one wrong reading tells nothing": case("[1.2, 0.1, 1.2]", "[]"),
    "two looks in a row fire": case("[1.2, 0.9, 0.9]", '[{ after = "12h", kind = "fired" }]'),
    "a range across the threshold is undecided": case(
        "[1.2, [0.8, 0.9, 1.1], [0.8, 0.9, 1.1]]", "[]"
    ),
    "its dead band holds it": case(
        "[1.2, 0.9, 0.9, { value = 1.04, times = 5 }]", '[{ after = "12h", kind = "fired" }]'
    ),
    "what can't be looked at neither fires nor ends it": case(
        '[1.2, 0.9, "missing", "error", "stale", "quarantined", 0.9, "missing"]',
        '[{ after = "36h", kind = "fired", severity = "warn", sent = true }]',
    ),
    "a source that fails repeats no look": case('[1.2, 0.9, "error", "error"]', "[]"),
    "what is sold no more ends it": case(
        '[1.2, 0.9, 0.9, "gone"]',
        '[{ after = "12h", kind = "fired" }, { after = "18h", kind = "discontinued" }]',
    ),
    "at first sight it is recorded": case(
        "[0.9]", '[{ after = "0s", kind = "initial", sent = false }]'
    ),
    "days without a look begin anew": case(
        '[1.2, 0.9, { after = "3d", value = 0.9 }, 0.9]', '[{ after = "78h", kind = "fired" }]'
    ),
    "the second level is told": case(
        "[1.2, 0.9, 0.9, 0.4, 0.4]",
        '[{ after = "12h", kind = "fired" },'
        ' { after = "24h", kind = "worsened", severity = "critical" }]',
    ),
    "looks as close as one likes": case(
        "[1.2, 0.9, 0.9]", '[{ after = "2h", kind = "fired" }]', more='every = "1h"\n'
    ),
    "small cuts of a price add up": case(
        "[100, 95, 89, 89]", '[{ after = "12h", kind = "price_changed" }]', rule="cuts", more=PRICE
    ),
    "a price that isn't read hasn't changed": case(
        '[100, "missing", 100, "gone"]', "[]", rule="cuts", more=PRICE
    ),
    "a price that doesn't fit tells nothing": case(
        "[100, 50]", "[]", rule="cuts", more=PRICE.replace("p5.48", "g5.48")
    ),
}


@pytest.mark.parametrize("text", PASSES.values(), ids=list(PASSES))
def test_a_case_passes(text: str) -> None:
    """Exactly what is expected is told: exit 0."""
    result = outcome(text)
    assert (0, "1 case: 1 passed, 0 failed\n") == (result.exit_code, result.stderr), result.stdout


def test_a_case_fails() -> None:
    """What is missing and what is too much, by its time; the others' verdicts stay: exit 1."""
    wrong = case("[1.2, 0.9, 0.9]", '[{ after = "6h", kind = "fired", severity = "critical" }]')
    result = outcome(wrong + case("[1.2]", "[]"))
    assert (1, "2 cases: 1 passed, 1 failed\n") == (result.exit_code, result.stderr)
    assert [
        "ok    case  rule",
        "FAIL  c     pays",
        "    after 6h        expected  fired, critical",
        "    after 12h       told      fired, warn, sent, at 0.9",
        "ok    c     pays",
    ] == result.stdout.splitlines()


def test_for_programs() -> None:
    """As JSON a case has what was expected and all that was told."""
    (row,) = json.loads(outcome(case("[1.2, 0.9, 0.9]", "[]"), "--json").stdout)
    figure = {"low": "0.9", "point": "0.9", "high": "0.9"}
    told = {"after": "12h", "kind": "fired", "severity": "warn", "sent": True, "figure": figure}
    assert {"case": "c", "rule": "pays", "passed": False, "expected": [], "told": [told]} == row
    assert list(RULE_TESTS.fields) == list(row)


def test_the_rules_of_the_configuration() -> None:
    """A file without rules tests those of the configuration, with its time between looks."""
    workload = """
[collect]
every = "1h"
[[workload]]
name = "bot"
kind = "api"
tokens = { input = 1_000, output = 0 }
candidate = { seller = "deepseek", product = "v3" }
api = { seller = "openai", product = "gpt" }
[[rule]]
name = "ours"
workload = "bot"
when = "ratio falls below 1"
receivers = []
"""
    Path("breakeven.toml").write_text(workload, encoding="utf-8")
    text = case("[1.2, 0.9, 0.9]", '[{ after = "2h", kind = "fired" }]', rule="ours")
    Path("cases.toml").write_text(text, encoding="utf-8")
    assert 0 == CliRunner().invoke(cli, ["rules", "test", "cases.toml"]).exit_code


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "top level: case is missing"),
        ("[[cases]]\n", "case is missing"),
        (case("[1]", "[]", rule="pay"), "rule is 'pay', which is no rule; did you mean 'pays'?"),
        (case("[1]", "[]", rule="stale"), "only figures and prices can be made up"),
        (case("[]", "[]"), "looks must be a list"),
        (case('["mising"]', "[]"), "looks, entry 1: value is 'mising'; write a number,"),
        (case("[true]", "[]"), "write a number"),
        (case("[1, [1, 2]]", "[]"), "looks, entry 2: value is [1, 2]; write a number"),
        (case("[[0.9, 0.8, 1]]", "[]"), "value is [0.9, 0.8, 1]; low, point and high are in this"),
        (case("[-1]", "[]"), "none is negative"),
        (case("[nan]", "[]"), "value is NaN; low, point and high"),
        (case("[{ after = '1h' }]", "[]"), "value is missing; write a number"),
        (case("[1, 1, { after = '6h', value = 1 }]", "[]"), "which isn't after the look before it"),
        (case("[{ value = 1, times = 0 }]", "[]"), "times is 0; at least once"),
        (case("[{ value = 1, times = 100_001 }]", "[]"), "looks are more than 100,000"),
        (case("[{ value = 1, time = 2 }]", "[]"), "time is not a setting (did you mean times?)"),
        (case("[1]", '["fired"]'), "expect must be a list of tables"),
        (
            case("[1]", '[{ after = "1h", kind = "fires" }]'),
            "kind is 'fires' (did you mean fired?)",
        ),
        (
            case("[1]", '[{ kind = "fired" }]'),
            "expect, entry 1: after is missing; it must be a text",
        ),
        (case("[1]", "[]", more='every = "0s"\n'), "every is 0"),
        (case("[1]", "[]", rule="cuts"), "seller is missing"),
        ("[[case]\n", "is not TOML"),
        (RULE, "rule has two of one name"),
    ],
)
def test_a_file_that_makes_no_sense(text: str, sentence: str) -> None:
    """One sentence that begins with the file's name and says where, exit 2."""
    result = outcome(text)
    assert (2, 1) == (result.exit_code, len(result.stderr.splitlines())), result.stderr
    assert result.stderr.startswith("Error: cases.toml")
    assert sentence in result.stderr


def test_the_documented_file() -> None:
    """The file of docs/rules-test.md tells what the page shows."""
    page = PAGE.read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    (shown,) = re.findall(r"```console\n\$ breakeven rules test cases.toml\n(.*?)```", page, re.S)
    Path("cases.toml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(cli, ["rules", "test", "cases.toml"])
    assert shown == result.stdout + result.stderr


def test_no_file() -> None:
    """A file that isn't there is a usage error."""
    result = CliRunner().invoke(cli, ["rules", "test", "none.toml"])
    assert 2 == result.exit_code
    assert "'none.toml' does not exist" in result.stderr
