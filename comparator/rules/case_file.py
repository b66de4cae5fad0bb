"""The `[[case]]` tables of a file of tests: read, and refused with a sentence where they make no
sense."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from comparator.event import KINDS, Range
from comparator.rules.case import WORDS, Case, Expected, Look
from comparator.rules.crossing import Crossing
from comparator.rules.header import SEVERITIES
from comparator.rules.price_change import PriceChange
from comparator.rules.rulebook import Rule
from pricebook.config import Table
from pricebook.quote import METERS, Series

_MOST = 100_000
"""Looks of one case: eleven years of hours."""

_FIGURE = f"a number, [low, point, high], or one of {', '.join(WORDS)}"


def read_cases(root: Table, rules: Mapping[str, Rule], every: timedelta) -> tuple[Case, ...]:
    """All of a file, which has at least one; `every`: from look to look where a case says nothing.

    ConfigError when a case can't be understood, or its rule isn't among `rules`.
    """
    cases = tuple(_case(table, rules, every) for table in root.tables("case"))
    if not cases:
        raise root.error("case", "is missing; a test is a [[case]], docs/rules-test.md shows one")
    return cases


def _case(table: Table, rules: Mapping[str, Rule], every: timedelta) -> Case:
    if table.has("every"):
        every = table.duration("every", "")
    if not every:
        raise table.error("every", "is 0; looks need some time between them")
    rule = _rule(table, rules)
    looks = tuple(_looks(table, every))
    series = _series(table) if isinstance(rule, PriceChange) else None
    case = Case(table.text("name"), rule, looks, tuple(_expected(table)), series)
    table.close()
    return case


def _rule(table: Table, rules: Mapping[str, Rule]) -> Crossing | PriceChange:
    name = table.text("rule")
    if name not in rules:
        close = difflib.get_close_matches(name, rules, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(rules) or 'none'}"
        raise table.error("rule", f"is {name!r}, which is no rule; {hint}")
    rule = rules[name]
    if not isinstance(rule, Crossing | PriceChange):
        about = f"{name!r} is about “{rule.threshold}”"
        raise table.error("rule", f"{about}; only figures and prices can be made up")
    return rule


def _looks(table: Table, every: timedelta) -> Iterator[Look]:
    entries = table.raw("looks")
    if not isinstance(entries, list) or not entries:
        raise table.error("looks", f"must be a list; each entry is {_FIGURE}, or a table")
    due, count = timedelta(0), 0
    for place, entry in enumerate(entries, 1):
        here = Table(entry if isinstance(entry, dict) else {"value": entry}, _at(table, place))
        due, times = _due(here, due), _times(here)
        found = _found(here)
        here.close()
        count += times
        if count > _MOST:
            raise table.error("looks", f"are more than {_MOST:,}; take a longer `every`")
        for _ in range(times):
            yield Look(due, found)
            due += every


def _at(table: Table, place: int) -> str:
    return f"{table.where} looks, entry {place}"


def _due(here: Table, due: timedelta) -> timedelta:
    if not here.has("after"):
        return due
    after = here.duration("after", "")
    if after < due:
        raise here.error("after", f"is {here.raw('after')!r}, which isn't after the look before it")
    return after


def _times(here: Table) -> int:
    times = here.integer("times", 1)
    if times < 1:
        raise here.error("times", f"is {times}; at least once")
    return times


def _found(here: Table) -> Range | str:
    value = here.raw("value")
    if isinstance(value, str) and value in WORDS:
        return value
    ends = value if isinstance(value, list) and len(value) == 3 else [value] * 3
    if not all(_is_number(end) for end in ends):
        raise here.error("value", f"is {_shown(value)}; write {_FIGURE}")
    try:
        return Range(*map(Decimal, ends))
    except ValueError:
        words = "low, point and high are in this order, and none is negative"
        raise here.error("value", f"is {_shown(value)}; {words}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return repr(value) if isinstance(value, str) else "missing" if value is None else str(value)


def _series(table: Table) -> Series:
    """The price that is looked at: what a rule's pattern may ask of it."""
    price = table.table("price")
    region = price.text("region", "")
    series = Series.of(
        price.text("seller"),
        price.text("product"),
        price.choice("meter", METERS),
        "mtok",
        **({"region": region} if region else {}),
    )
    price.close()
    return series


def _expected(table: Table) -> Iterator[Expected]:
    entries = table.raw("expect")
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        example = 'expect = [{ after = "12h", kind = "fired" }]'
        raise table.error("expect", f"must be a list of tables: {example}, or [] for nothing")
    for place, entry in enumerate(entries, 1):
        here = Table(entry, f"{table.where} expect, entry {place}")
        yield Expected(
            here.duration("after", here.text("after")),
            here.choice("kind", KINDS),
            here.choice("severity", SEVERITIES) if here.has("severity") else None,
            here.flag("sent", default=True) if here.has("sent") else None,
        )
        here.close()
