"""What the commands show of ratios: rows for programs in the documented shape, shorter ones for
people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from breakeven.app import App
from breakeven.discounts import prices_at
from breakeven.output import Format, Row, Shape
from comparator.channels.wording import spread
from comparator.ratio import Evaluation, evaluate
from comparator.workload import Workload
from pricebook.errors import ConfigError
from pricebook.offers import offers

RATIOS = Shape(
    ("workload", "ratio", "verdict"),
    ("workload", "at", "self_host", "api", "ratio", "unit", "health", "verdict", "notes", "inputs"),
)


def evaluated(app: App, at: datetime | None) -> list[Evaluation]:
    """Every workload at the prices of a time (default: now)."""
    when = at or app.now()
    with app.asking() as asked:
        prices = prices_at(asked, app.settings, when)
        known = offers(asked, when)
        return [evaluate(one, prices, when, known) for one in app.settings.workloads]


def ratio_row(one: Evaluation, form: Format) -> Row:
    """A ratio in the documented shape, or rounded for people."""
    if form.kind != "table":
        return one.as_dict()
    row = {"workload": one.workload.name, "ratio": spread(one.ratio) or "unknown"}
    if one.comparison is None:
        return row | {"below": [one.reason]}
    costs = (
        f"{way.title} {spread(cost)}"
        for way, cost in ((one.workload.self_host, one.self_host), (one.workload.api, one.api))
    )
    return row | {"verdict": one.verdict, "below": [f"{', '.join(costs)} {one.workload.unit}"]}


def passed(found: Sequence[Evaluation], threshold: Decimal | None) -> bool:
    """Whether any ratio's point is above a threshold that was given."""
    points = [one.ratio.point for one in found if one.ratio]
    return threshold is not None and any(point > threshold for point in points)


def explained(app: App, name: str, at: datetime | None, *, as_json: bool) -> tuple[str, str]:
    """Every input, assumption, formula and figure of a workload, in words or as JSON; and what is
    missing, "" when there is an answer."""
    from comparator.explain import explain, lines

    workload, when = workload_of(app, name), at or app.now()
    with app.asking() as asked:
        prices = prices_at(asked, app.settings, when)
        evaluation = evaluate(workload, prices, when, offers(asked, when))
        explanation = explain(evaluation, prices)
    missing = explanation.evaluation.reason
    if as_json:
        return json.dumps(explanation.as_dict(), indent=1, ensure_ascii=False), missing
    return "\n".join(lines(explanation)), missing


def workload_of(app: App, name: str) -> Workload:
    """The workload of that name, or the only one whose name contains it; ConfigError else."""
    known = {one.name: one for one in app.settings.workloads}
    if name in known:
        return known[name]
    near = [one for key, one in known.items() if name.lower() in key.lower()]
    if len(near) == 1:
        return near[0]
    if near:
        names = "; ".join(one.name for one in near)
        raise ConfigError(f"{name!r} fits {len(near)} workloads: {names}; write more of the name")
    names = "; ".join(known) or "none is set"
    raise ConfigError(f"there is no workload {name!r}; known: {names}")
