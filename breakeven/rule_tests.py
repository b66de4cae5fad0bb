"""`breakeven rules test`: the user's own tests of rules, from a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from breakeven.output import Format, Row, Shape
from breakeven.settings import Settings
from comparator.channels.wording import spread
from comparator.rules.case import Case, Expected, Told, Verdict
from comparator.rules.case_file import read_cases
from comparator.rules.header import Collecting
from comparator.rules.rulebook import Rule, read_rule
from pricebook.config import Table, load, naming

RULE_TESTS = Shape(
    ("ok", "case", "rule"),
    ("case", "rule", "passed", "expected", "told"),
)


def run_tests(settings: Settings, file: Path) -> list[Verdict]:
    """Every case of the file, against its own rules, or where it has none those of the settings.

    ConfigError, with the file's name, when it can't be understood.
    """
    table = load(file)
    with naming(file):
        cases = _cases(settings, table)
        table.close()
    return [case.run() for case in cases]


def verdict_row(one: Verdict, form: Format) -> Row:
    """In the documented shape; for people with what differs under it."""
    case = one.case
    if form.kind == "table":
        well = "ok" if one.passed else "FAIL"
        below = list(_differences(one))
        return {"ok": well, "case": case.name, "rule": case.rule.name, "below": below}
    return {
        "case": case.name,
        "rule": case.rule.name,
        "passed": one.passed,
        "expected": [_expected_row(each) for each in case.expected],
        "told": [_told_row(each) for each in one.told],
    }


def counted(found: Sequence[Verdict]) -> str:
    """`3 cases: 2 passed, 1 failed`."""
    failed = sum(not one.passed for one in found)
    cases = "1 case" if len(found) == 1 else f"{len(found)} cases"
    return f"{cases}: {len(found) - failed} passed, {failed} failed"


def _cases(settings: Settings, table: Table) -> tuple[Case, ...]:
    collecting = Collecting(settings.every, settings.source_names)
    own = [read_rule(one, collecting) for one in table.tables("rule")]
    rules: Sequence[Rule] = own or settings.rules
    by_name = {rule.name: rule for rule in rules}
    if len(by_name) < len(rules):
        raise table.error("rule", "has two of one name; rename one")
    return read_cases(table, by_name, settings.every)


def _differences(one: Verdict) -> Iterator[str]:
    lines = [(each.after, f"expected  {_wanted(each)}") for each in one.missing]
    lines += [(each.after, f"told      {_got(each)}") for each in one.surplus]
    for after, words in sorted(lines, key=lambda line: line[0]):
        yield f"after {_span(after):<8}  {words}"


def _wanted(one: Expected) -> str:
    sent = {None: "", True: "sent", False: "only recorded"}[one.sent]
    return ", ".join(filter(None, (one.kind, one.severity, sent)))


def _got(one: Told) -> str:
    figure = f"at {spread(one.figure)}" if one.figure else ""
    sent = "sent" if one.sent else "only recorded"
    return ", ".join(filter(None, (one.kind, one.severity, sent, figure)))


def _expected_row(one: Expected) -> Row:
    known = {"severity": one.severity, "sent": one.sent}
    given = {name: value for name, value in known.items() if value is not None}
    return {"after": _span(one.after), "kind": one.kind, **given}


def _told_row(one: Told) -> Row:
    figure = one.figure and one.figure.as_dict()
    said = {"kind": one.kind, "severity": one.severity, "sent": one.sent, "figure": figure}
    return {"after": _span(one.after), **said}


def _span(time: timedelta) -> str:
    """As it is written in the file: `2d`, `36h`, `15min`, `90s`."""
    seconds = int(time.total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
