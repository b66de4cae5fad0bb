"""`breakeven backtest`: what rules would have told, by the book and the history before it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from breakeven.app import App
from breakeven.discounts import discounted_past
from breakeven.output import Format, Row, Shape
from breakeven.shipped import continued, shipped
from comparator.backtest import Backtest, Told, refusal
from comparator.channels.wording import movement, spread
from comparator.rules.crossing import Crossing
from comparator.rules.price_change import PriceChange
from comparator.rules.rulebook import Rule, example_rules
from comparator.workload import Workload, examples
from pricebook.errors import ConfigError
from pricebook.offers import Offers, bare, offers
from pricebook.past import Past, known_series, past
from pricebook.question import Asked
from pricebook.quote import Series, isoformat
from pricebook.series import series_id

BACKTEST = Shape(
    ("at", "rule", "kind", "ratio", "told"),
    (
        *("rule", "workload", "kind", "state", "severity", "at", "since", "measure"),
        *("before", "ratio", "text", "why", "sent"),
    ),
)


@dataclass(frozen=True, slots=True)
class Tried:
    """What `rules` rules would have told between two times, oldest first; `left_out`: a clause for
    each of them that history can't try."""

    rules: int
    told: tuple[Told, ...]
    since: datetime
    until: datetime
    every: timedelta
    left_out: tuple[str, ...]

    @property
    def words(self) -> str:
        """How much that is, and how it was looked at."""
        if not self.rules:
            return "no [[rule]] is set; --examples tries those that come with breakeven"
        sent = sum(one.sent for one in self.told)
        events = f"{len(self.told)} events" if len(self.told) != 1 else "1 event"
        period = f"{self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"
        hours = self.every / timedelta(hours=1)
        looks = f"each change read on its day, then a look every {hours:g} h"
        return "; ".join([f"{events}, {sent} sent, {period}: {looks}", *self.left_out])


def backtest(
    app: App,
    names: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    *,
    shipped_rules: bool = False,
) -> Tried:
    """Try the rules of these names (default: all) on the past, as if they were set at `since`.

    `since`: the first price known when it is None. `shipped_rules`: those that come with breakeven,
    with their workloads, instead of the user's own. ConfigError for a name that no rule has.
    """
    known = example_rules() if shipped_rules else app.settings.rules
    workloads = examples() if shipped_rules else app.settings.workloads
    rules, end = _named(known, names), until or app.now()
    if since and since > end:
        raise ConfigError(f"--since is after {isoformat(end)}, the end of the time that is tried")
    with app.asking() as asked:
        trial = _trial(app, asked, rules, workloads, since, end)
        by_name = {one.name: one for one in workloads}
        found = [told for rule in rules for told in trial.told(rule, by_name)]
    left_out = tuple(f"not tried: {rule.name!r}, for {why}" for rule, why in _refused(rules))
    ordered = tuple(sorted(found, key=lambda one: one.event.at))
    return Tried(len(rules), ordered, trial.since, end, trial.every, left_out)


def told_row(one: Told, form: Format) -> Row:
    """In the documented shape, or shorter for people."""
    event = one.event
    if form.kind == "table":
        why = [movement(cause) for cause in event.why]
        return {
            "at": f"{event.at:%Y-%m-%d %H:%M}",
            "rule": event.rule,
            "kind": event.kind,
            "ratio": spread(event.after),
            "told": "sent" if one.sent else "recorded",
            "below": why or ([event.text] if event.text else []),
        }
    return {
        "rule": event.rule,
        "workload": event.workload,
        "kind": event.kind,
        "state": event.state,
        "severity": event.severity,
        "at": isoformat(event.at),
        "since": isoformat(event.since),
        "measure": event.measure,
        "before": event.before and event.before.as_dict(),
        "ratio": event.after and event.after.as_dict(),
        "text": event.text,
        "why": [cause.as_dict() for cause in event.why],
        "sent": one.sent,
    }


def _named(known: Sequence[Rule], names: Sequence[str]) -> list[Rule]:
    by_name = {rule.name: rule for rule in known}
    for name in names:
        if name not in by_name:
            close = difflib.get_close_matches(name, by_name, n=1)
            rest = f"known: {', '.join(by_name) or 'none is set; try --examples'}"
            hint = f"did you mean {close[0]!r}?" if close else rest
            raise ConfigError(f"there is no rule {name!r}; {hint}")
    return [by_name[name] for name in dict.fromkeys(names or by_name)]


def _refused(rules: Sequence[Rule]) -> Iterator[tuple[Rule, str]]:
    for rule in rules:
        why = refusal(rule)
        if why:
            yield rule, why


def _trial(
    app: App,
    asked: Asked,
    rules: Sequence[Rule],
    workloads: Sequence[Workload],
    since: datetime | None,
    until: datetime,
) -> Backtest:
    earlier = shipped(until)
    known = _offers(asked, until, earlier)
    watched = {rule.workload for rule in rules if isinstance(rule, Crossing)}
    needed = {series for one in workloads if one.name in watched for series in one.may_need(known)}
    patterns = [rule for rule in rules if isinstance(rule, PriceChange)]
    needed |= set(_fitting(asked, earlier, patterns))
    before = {series: held for series, held in earlier.items() if series in needed}
    prices = continued(before, past(asked, needed, until))
    discounts = app.settings.aws.discounts
    mine = discounted_past(prices, discounts) if discounts else prices
    firsts = [held[0].valid_from for held in (mine or earlier).values() if held]
    begin = since or min(firsts, default=until)
    return Backtest(asked, mine, known, begin, until, app.settings.every)


def _offers(asked: Asked, until: datetime, earlier: Past) -> Offers:
    """With prices by the length of the prompt as shipped, where the book has none of the kind."""
    known = offers(asked, until)

    def by_length(series: Series) -> Sequence[Series]:
        found = tuple(known.by_length(series))
        if found or series_id(asked, bare(series)) is not None:
            return found
        return [one for one in earlier if one.get("context") and bare(one) == bare(series)]

    return replace(known, by_length=cache(by_length))


def _fitting(asked: Asked, earlier: Past, rules: Sequence[PriceChange]) -> Iterator[Series]:
    """Every series that one of the rules is about."""
    if not rules:
        return
    yield from (one for one in earlier if any(rule.prices.fits(one) for rule in rules))
    sellers = {rule.prices.seller for rule in rules}
    named = not any("*" in one or "?" in one or "[" in one for one in sellers)
    for series in known_series(asked, sellers if named else None):
        if any(rule.prices.fits(series) for rule in rules):
            yield series
