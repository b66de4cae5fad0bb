# ruff: noqa: S603 - only commands of our own are run
"""How soon rules are tried on the past: four rules on each of 100 workloads, through three years.

`python -m benchmarks.backtest [--workloads N] [--changes N] [--runs N]` makes a book in a folder of
its own, runs `breakeven backtest` on it as a whole process, in turn with what it is measured
against, and prints medians of CPU seconds (user and system), peak memory, and multiples of
`import boto3`. Every event on a ratio, on a break-even or on a price is checked against a naive
walk through the same prices, which looks at every time at which the backtest says that it looks.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeAlias

from sqlalchemy import insert

from benchmarks.desk import OURS, as_installed, say
from pricebook.entries import made_ids
from pricebook.quote import Series
from pricebook.schema import open_book
from pricebook.tables import Partition, PriceRow, Run

START = datetime(2023, 10, 1, tzinfo=UTC)
HOURS = 3 * 365 * 24
UNTIL = START + timedelta(hours=HOURS)
LOOK = 6
"""Hours from one look to the next: the default of `[collect] every`."""

_WORDS = ("--config", "breakeven.toml", "backtest", "--until", UNTIL.isoformat(), "--json")
BACKTEST = ["-m", "breakeven", *_WORDS]
_IMPORTS = "import breakeven.cli, breakeven.commands.alerting, breakeven.app, breakeven.backtesting"
_ROWS = """
import sqlite3
query = "SELECT series_id, valid_from, amount FROM price ORDER BY series_id, valid_from"
rows = sqlite3.connect("book.db").execute(query).fetchall()
"""
_SCRIPT = f"""{_ROWS}
held = {{}}
for number, at, amount in rows:
    held.setdefault(number, []).append((at, number % 3, amount))
now, past = [0, 0, 0], 0
for first in range(1, len(held), 3):
    for at, place, amount in sorted(held[first] + held[first + 1] + held[first + 2]):
        now[place] = amount
        if all(now):
            ratio = now[1] / 3.6 / ((3 * now[2] + now[0]) / 4)
            past += (ratio < 1) + (ratio > 1.5) + (not 1 < ratio < 1.5)
"""
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import boto3": ["-c", "import boto3"],
    "imports of the backtest": ["-c", _IMPORTS],
    "sqlite3 reads the rows": ["-c", _ROWS],
    "a script on these rows, floats and no states": ["-c", _SCRIPT],
    "backtest of the last moment": [*BACKTEST, "--since", UNTIL.isoformat()],
    "backtest": BACKTEST,
}
"""The last but one has all to load and little to try, so that the rest is what trying takes."""

_WORKLOAD = """
[[workload]]
name = "workload {number}"
kind = "inference"
tokens = {{ input = 3000, output = 1000 }}
api = {{ seller = "openai", product = "model-{number}" }}

[workload.self_host]
instance = "machine-{number}"
tokens_per_second = 2000
utilisation = {{ low = 0.4, point = 0.5, high = 0.625 }}
latency_derate = 1
redundancy = 1
"""
_RULE = """
[[rule]]
name = "{name} {number}"
workload = "workload {number}"
when = "{when}"
{more}
receivers = []
"""
_PRICE_RULE = """
[[rule]]
name = "price"
when = "a price rises by 20 %"
prices = { seller = "aws" }
receivers = []
"""

Times: TypeAlias = Sequence[tuple[int, Decimal]]
"""Prices by the hour, counted from `START`, from which they held."""

Found: TypeAlias = tuple[str, str, str, str]
"""Time, rule, kind, and the point of the figure (or, of a price rule, its sentence's way)."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A crossing rule, as the benchmark reads its own configuration.

    `fire` and `clear`: the levels below and above; None where that side is open. `spread`: how
    much of the figure's point its low and its high are.
    """

    name: str
    when: str
    fire: tuple[Fraction | None, Fraction | None]
    clear: tuple[Fraction | None, Fraction | None]
    certainty: str = "definite"
    spread: tuple[Fraction, Fraction] = (Fraction(1), Fraction(1))
    share: Fraction = Fraction(1)
    """What the figure's point is of the ratio's."""

    def is_past(self, figure: Fraction) -> bool:
        """Whether all of the range is past a level."""
        low, high = (figure * part for part in self.spread)
        below = self.fire[0] is not None and high < self.fire[0]
        return below or (self.fire[1] is not None and low > self.fire[1])

    def is_back(self, figure: Fraction) -> bool:
        """Whether all of the range is back across the dead band."""
        low, high = (figure * part for part in self.spread)
        above = self.clear[0] is None or low > self.clear[0]
        return above and (self.clear[1] is None or high < self.clear[1])


_UTILISATION = (Fraction(4, 5), Fraction(5, 4))
"""Of the ratio's point, at 0.5 / 0.625 and 0.5 / 0.4 of the central utilisation."""
WATCHES = (
    Watch(
        "cheaper",
        "ratio falls below 1",
        (Fraction(1), None),
        (Fraction(105, 100), None),
        spread=_UTILISATION,
    ),
    Watch(
        "dearer",
        "ratio rises above 1.5",
        (None, Fraction(15, 10)),
        (None, Fraction(1425, 1000)),
        spread=_UTILISATION,
    ),
    Watch(
        "busy",
        "break-even utilisation rises above 0.8",
        (None, Fraction(8, 10)),
        (None, Fraction(76, 100)),
        share=Fraction(1, 2),
    ),
)


@dataclass(frozen=True, slots=True)
class Prices:
    """Of one workload: its machine's hour, and 10^6 tokens in and out."""

    machine: Times
    sent: Times
    answered: Times

    @property
    def by_series(self) -> Mapping[str, Times]:
        return {"instance": self.machine, "input": self.sent, "output": self.answered}


def main() -> None:
    """Print one line for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=100)
    parser.add_argument("--changes", type=int, default=2000, help="Of a workload's prices.")
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    made = [_made(number, chosen.changes) for number in range(chosen.workloads)]
    with TemporaryDirectory(prefix="breakeven-bench-") as name:
        folder = Path(name)
        _write(folder, made)
        _check(made, json.loads(_run(folder, BACKTEST)[2]))
        points = sum(len(times) for one in made for times in one.by_series.values())
        rules = 1 + len(WATCHES) * len(made)
        say(f"{rules} rules on {len(made)} workloads, {points:,} price changes in three years")
        _print(_measured(folder, chosen.runs))


def _made(number: int, changes: int) -> Prices:
    """Each price goes up or down by up to 1.5 % at a time; the machine's is half of the changes."""
    chance = random.Random(number)  # noqa: S311 - nothing here is secret
    level = Decimal(chance.randint(400, 1600)) / 100
    return Prices(
        _walk(chance, level, changes // 2),
        _walk(chance, Decimal(1), changes // 4),
        _walk(chance, Decimal(5), changes // 4),
    )


def _walk(chance: random.Random, amount: Decimal, changes: int) -> Times:
    steps = []
    for hour in [0, *sorted(chance.sample(range(1, HOURS), changes - 1))]:
        steps.append((hour, amount))
        moved = amount * (1 + Decimal(chance.randint(-15, 15)) / 1000)
        amount = moved.quantize(Decimal("0.0001"))
    return steps


def _write(folder: Path, made: Sequence[Prices]) -> None:
    (folder / "breakeven.toml").write_text("".join(_config(len(made))), encoding="utf-8")
    engine = open_book(f"sqlite:///{folder / 'book.db'}")
    with engine.begin() as connection:
        connection.execute(insert(Partition), [{"id": 1, "name": "made"}])
        run = {"id": 1, "partition_id": 1, "at": START, "outcome": "complete"}
        connection.execute(insert(Run), [run])
        for number, prices in enumerate(made):
            for meter, times in prices.by_series.items():
                series = _series(number, meter)
                known = made_ids(connection, [series])[series]
                connection.execute(insert(PriceRow), [*_rows(known, times)])
    engine.dispose()


def _config(workloads: int) -> Iterator[str]:
    yield '[database]\nurl = "sqlite:///book.db"\n'
    for number in range(workloads):
        yield _WORKLOAD.format(number=number)
        for watch in WATCHES:
            more = f'certainty = "{watch.certainty}"\nrenotify_step = 0'
            yield _RULE.format(number=number, name=watch.name, when=watch.when, more=more)
    yield _PRICE_RULE


def _series(number: int, meter: str) -> Series:
    if meter != "instance":
        return Series.of("openai", f"model-{number}", meter, "mtok", service_tier="standard")
    place = {"region": "us-east-1", "os": "Linux", "tenancy": "shared", "term": "on_demand"}
    return Series.of("aws", f"machine-{number}", meter, "hour", **place)


def _rows(series: int, times: Times) -> Iterator[dict[str, object]]:
    for hour, amount in times:
        at = START + timedelta(hours=hour)
        known = {"series_id": series, "valid_from": at, "recorded_at": at}
        yield known | {"amount": amount, "run_id": 1, "basis": "observed"}


# The naive walk


def _check(made: Sequence[Prices], told: Sequence[Mapping[str, object]]) -> None:
    expected = Counter(one for number, prices in enumerate(made) for one in _events(number, prices))
    found = Counter(map(_found, told))
    for one in [*(expected - found), *(found - expected)]:
        where = "told, and not there" if one in found else "there, and not told"
        raise SystemExit(f"{where}: {one}")
    kinds = Counter(kind for _, _, kind, _ in found.elements())
    words = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    say(f"{found.total()} events agree with the naive walk: {words}")


def _found(row: Mapping[str, object]) -> Found:
    ratio = row["ratio"]
    figure = _short(Fraction(ratio["point"])) if isinstance(ratio, dict) else str(row["state"])
    return str(row["at"]), str(row["rule"]), str(row["kind"]), figure


def _short(figure: Fraction) -> str:
    return f"{float(figure):.12g}"


def _events(number: int, prices: Prices) -> Iterator[Found]:
    looks = [*_looks(prices)]
    for watch in WATCHES:
        for hour, kind, figure in _crossings(watch, looks):
            yield _at(hour), f"{watch.name} {number}", kind, _short(figure)
    for hour in _rises(prices.machine):
        yield _at(hour), "price", "price_changed", "rose"


def _at(hour: int) -> str:
    return (START + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _looks(prices: Prices) -> Iterator[tuple[int, Fraction]]:
    """The ratio at every look: at each change, and from then on every six hours."""
    changes: dict[int, dict[str, Fraction]] = {}
    for meter, times in prices.by_series.items():
        for hour, amount in times:
            changes.setdefault(hour, {})[meter] = Fraction(amount)
    hours, held = sorted(changes), dict[str, Fraction]()
    for hour, end in zip(hours, [*hours[1:], HOURS + 1], strict=True):
        held |= changes[hour]
        api = (3 * held["input"] + held["output"]) / 4
        ratio = held["instance"] * 10**6 / (3600 * 2000 * Fraction(1, 2)) / api
        yield from ((look, ratio) for look in range(hour, end, LOOK))


def _crossings(
    watch: Watch, looks: Iterable[tuple[int, Fraction]]
) -> Iterator[tuple[int, str, Fraction]]:
    """Two looks in a row open an episode or end it; the first look of all is judged alone."""
    is_open, count, first = False, 0, True
    for hour, ratio in looks:
        figure = ratio * watch.share
        asked = watch.is_back(figure) if is_open else watch.is_past(figure)
        count = count + 1 if asked else 0
        if count == 2 or (first and count):
            is_open, count = not is_open, 0
            yield hour, "initial" if first else "fired" if is_open else "resolved", figure
        first = False


def _rises(times: Times) -> Iterator[int]:
    """When a price is 20 % above the one that was told last, or from which it has come since."""
    reference: Decimal | None = None
    for (_, before), (hour, after) in pairwise(times):
        reference = before if reference is None else reference
        if after >= reference * Decimal("1.2"):
            yield hour
            reference = None


# Measuring


def _measured(folder: Path, runs: int) -> dict[str, list[tuple[float, float]]]:
    """CPU seconds and MB of each run; in turn, since machines drift; the first isn't kept."""
    spent: dict[str, list[tuple[float, float]]] = {command: [] for command in COMMANDS}
    for run in range(1 + runs):
        for command, words in COMMANDS.items():
            seconds, size, _ = _run(folder, words)
            if run:
                spent[command].append((seconds, size))
    return spent


def _run(folder: Path, words: Sequence[str]) -> tuple[float, float, str]:
    """CPU seconds, peak memory in MB, and what was said."""
    done = subprocess.run(
        [sys.executable, "-c", _METER, sys.executable, *words],
        cwd=folder,
        env=as_installed() | OURS,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}")
    seconds, kilobytes = done.stderr.split()[-2:]
    return float(seconds), int(kilobytes) / 1024, done.stdout


_METER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
"""Started between us and the command, since a command's peak begins with that of who starts it."""


def _print(spent: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    middle = {command: median(seconds for seconds, _ in runs) for command, runs in spent.items()}
    say("| command | CPU s | x `import boto3` | peak MB |\n|---|---|---|---|")
    for command, runs in spent.items():
        size, seconds = max(size for _, size in runs), middle[command]
        times = seconds / middle["import boto3"]
        say(f"| {command} | {seconds:.3f} | {times:.2f} | {size:.0f} |")


if __name__ == "__main__":
    main()
