"""Every `[[rule]]` of a configuration: read by its `when`, checked against what exists."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeAlias

from comparator import measure
from comparator.rules.ahead import Ahead, read_ahead
from comparator.rules.crossing import Crossing, read_crossing
from comparator.rules.header import Collecting
from comparator.rules.price_change import PriceChange, read_price_change
from comparator.rules.source_health import Reviews, SourceHealth, read_sources
from comparator.workload import Workload
from pricebook.config import Table, load
from pricebook.errors import ConfigError

Rule: TypeAlias = Crossing | PriceChange | Ahead | SourceHealth | Reviews

EXAMPLES = (
    "ratio falls below 1",
    "ratio rises above 1.2",
    "ratio leaves 0.8 to 1.2",
    "break-even volume falls below ours",
    "break-even utilisation rises above 0.6",
    "a price changes",
    "a price falls by 10 %",
    "a scheduled price comes within 14 days",
    "an offer closes within 30 days",
    "a source is stale or fails",
    "something needs review",
)
"""A condition of every kind, as people write it."""

_KINDS: tuple[Callable[[Table, str, Collecting], Rule | None], ...] = (
    read_crossing,
    read_price_change,
    read_ahead,
    read_sources,
)


def read_rule(table: Table, collecting: Collecting) -> Rule:
    """One `[[rule]]`; ConfigError when it is unreadable or could never fire."""
    words = table.text("when")
    for read in _KINDS:
        rule = read(table, words, collecting)
        if rule:
            table.close()
            return rule
    near = difflib.get_close_matches(words, EXAMPLES, n=1) or EXAMPLES
    what = f'write it like "{near[0]}"; docs/rules.md has every condition'
    raise table.error("when", f"is {words!r}; {what}")


def example_rules() -> tuple[Rule, ...]:
    """The rules that are shipped with breakeven, on the workloads that are."""
    file = Path(__file__).parents[1] / "examples.toml"
    return tuple(read_rule(one, Collecting()) for one in load(file).tables("rule"))


def check_rules(
    rules: Iterable[Rule], workloads: Iterable[Workload], receivers: Collection[str]
) -> None:
    """ConfigError for a workload or a receiver that doesn't exist, with the nearest name, and for
    a figure that the workload never has.
    """
    known = {workload.name: workload for workload in workloads}
    for rule in rules:
        if isinstance(rule, Crossing):
            _check_known(rule, "workload", rule.workload, known)
            _check_figure(rule, known[rule.workload])
        for receiver in rule.receivers:
            _check_known(rule, "receiver", receiver, receivers)


def _check_figure(rule: Crossing, workload: Workload) -> None:
    why = measure.refusal(rule.measure, workload, ours=rule.ours)
    if why:
        raise ConfigError(
            f'[[rule]] "{rule.name}": workload {workload.name!r}: {why}, so it would never fire'
        )


def _check_known(rule: Rule, key: str, name: str, known: Collection[str]) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known) or 'none'}"
    raise ConfigError(f'[[rule]] "{rule.name}": there is no {key} {name!r}; {hint}')
