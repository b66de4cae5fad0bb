"""What moved a ratio: `breakeven explain --since` and `--beside`."""

from __future__ import annotations

import json
from datetime import datetime

from breakeven.app import App
from breakeven.discounts import prices_at
from breakeven.ratio_view import workload_of
from comparator.change import Change, change_lines
from comparator.ratio import Evaluation, evaluate
from comparator.workload import Workload
from pricebook.errors import ConfigError
from pricebook.offers import offers


def changed(
    app: App, name: str, until: datetime | None, since: datetime | None, other: str | None
) -> Change:
    """From the workload at `since`, or from another workload, to the workload at `until`.

    ConfigError when `since` isn't before `until`.
    """
    workload, end = workload_of(app, name), until or app.now()
    start = since or end
    if start > end:
        raise ConfigError(f"--since is {start:%Y-%m-%d}, which is after {end:%Y-%m-%d}")
    first = workload_of(app, other) if other else workload
    return Change(_evaluated(app, first, start), _evaluated(app, workload, end))


def written(change: Change, *, as_json: bool) -> str:
    """In words, or as JSON."""
    if as_json:
        return json.dumps(change.as_dict(), indent=1, ensure_ascii=False)
    head = f"{change.after.workload.name}, {change.after.at:%Y-%m-%dT%H:%M:%SZ}"
    return "\n".join([head, f"  {change.after.verdict}", "", *change_lines(change)])


def _evaluated(app: App, workload: Workload, at: datetime) -> Evaluation:
    with app.asking() as asked:
        prices = prices_at(asked, app.settings, at)
        return evaluate(workload, prices, at, offers(asked, at))
