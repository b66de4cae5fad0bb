"""How fast ratios are: 100 workloads through three years of price changes, and one `explain`.

`python -m benchmarks.ratios [--workloads N] [--changes N]` prints CPU seconds. The workloads are
the shipped ones in turn, each with prices of its own that change on about a thousand days; every
hundredth moment is checked against `evaluate`, which knows nothing of shortcuts.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from benchmarks.desk import say
from comparator.ratio import evaluate
from comparator.timeline import Moment, timeline
from comparator.workload import Workload, examples
from pricebook.past import Past
from pricebook.quote import Price, Series

START = datetime(2023, 10, 1, tzinfo=UTC)
DAYS = 3 * 365


def main() -> None:
    """Print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=100)
    parser.add_argument("--changes", type=int, default=1000)
    chosen = parser.parse_args()
    cases = list(_cases(chosen.workloads, chosen.changes))
    until = START + timedelta(days=DAYS)
    began = time.process_time()
    found = [list(timeline(workload, past, until)) for workload, past in cases]
    spent = time.process_time() - began
    moments = sum(map(len, found))
    say(f"{len(cases)} workloads, {moments} moments: {spent:.2f} s CPU")
    say(f"a moment: {spent / moments * 1e6:.1f} us")
    checked = sum(_check(*case, one) for case, one in zip(cases, found, strict=True))
    say(f"checked against evaluate: {checked} moments agree")


def _cases(workloads: int, changes: int) -> Iterator[tuple[Workload, Past]]:
    """Workloads and the past of their prices, the same every time."""
    shipped, chance = examples(), random.Random(1)  # noqa: S311, as nothing here is secret
    for number in range(workloads):
        workload = replace(shipped[number % len(shipped)], name=f"workload {number}")
        needs = workload.needs()
        share = max(1, changes // max(1, len(needs)))
        yield workload, {series: tuple(_changes(series, share, chance)) for series in needs}


def _changes(series: Series, count: int, chance: random.Random) -> Iterator[Price]:
    amount = Decimal(chance.randint(100, 5000)) / 100
    for day in [0, *sorted(chance.sample(range(1, DAYS), min(count, DAYS) - 1))]:
        amount = max(Decimal("0.01"), amount + Decimal(chance.randint(-50, 50)) / 100)
        at = START + timedelta(days=day)
        yield Price(series, amount, at, "observed", at, series.seller)


def _check(workload: Workload, past: Past, found: list[Moment]) -> int:
    for moment in found[::100]:

        def in_force(series: Series, at: datetime = moment.at) -> Price | None:
            return next((p for p in reversed(past[series]) if p.valid_from <= at), None)

        expected = evaluate(workload, in_force, moment.at).ratio
        if (expected is None) != (moment.ratio is None):
            raise SystemExit(f"{workload.name}, {moment.at}: {moment} is not {expected}")
        if expected and moment.ratio and abs(moment.ratio.point / expected.point - 1) > 1e-20:
            raise SystemExit(f"{workload.name}, {moment.at}: {moment} is not {expected}")
    return len(found[::100])


if __name__ == "__main__":
    main()
