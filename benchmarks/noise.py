"""How often a rule speaks when there is nothing to say: a ratio that wanders round its threshold.

`python -m benchmarks.noise [--years N] [--hours N]` prints messages a year. The ratio is looked at
every hour. It wanders with a standard deviation of 4 % round the threshold (Ornstein-Uhlenbeck; it
forgets within `--hours`), 2 % of the looks find nothing, and 0.3 % read a tenth of it, as a page
does that is read wrong once. Then the same looks at a ratio that stays where it is.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from benchmarks.desk import say
from comparator.event import Range
from comparator.rules.bounds import Bounds
from comparator.rules.crossing import Crossing
from comparator.rules.machine import step
from comparator.rules.state import Observation, State

HOURS = 365 * 24
DEVIATION, MISSING, GLITCH = 0.04, 0.02, 0.003
TENTH = Decimal("0.1")
ALLOWED = Decimal("0.5")
"""Messages a year from single wrong readings alone."""

START = datetime(2026, 1, 1, tzinfo=UTC)
THRESHOLD = Bounds(low=Decimal(1))
OURS = Crossing("noise", "", THRESHOLD, THRESHOLD.dead_band())

Year: TypeAlias = Sequence[Decimal | None]
"""What each hour's look reads; None: nothing."""

Count: TypeAlias = Callable[[Year], int]
"""Messages in a year."""


def main() -> int:
    """Print both tables; 1 when wrong readings alone bring more messages than are allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=10, help="that wander")
    parser.add_argument("--still", type=int, default=100, help="years that don't")
    parser.add_argument("--hours", type=int, default=50)
    chosen = parser.parse_args()
    wandering = [_looked_at(_wander(seed, chosen.hours), seed) for seed in range(chosen.years)]
    say(f"Messages a year, when the ratio wanders round the threshold ({chosen.years} years):")
    for name, count in _COUNTS.items():
        _tell(name, _mean(wandering, count))
    say(f"The same, when it stays and single readings are wrong ({chosen.still} years):")
    worst = Decimal(0)
    for words, level in _LEVELS.items():
        still = [_looked_at([level] * HOURS, seed) for seed in range(chosen.still)]
        _tell(f"{_NAIVE}, {words}", _mean(still, _COUNTS[_NAIVE]))
        _tell(f"{_DEFAULTS}, {words}", ours := _mean(still, _COUNTS[_DEFAULTS]))
        worst = max(worst, ours)
    return int(worst > ALLOWED)


def _wander(seed: int, hours: int) -> Iterator[Decimal]:
    chance = random.Random(f"wander {seed}")  # noqa: S311, as nothing here is secret
    kept = math.exp(-1 / hours)
    place = chance.gauss(0, DEVIATION)
    for _ in range(HOURS):
        yield Decimal(1 + place).quantize(Decimal("0.000001"))
        place = kept * place + chance.gauss(0, DEVIATION * math.sqrt(1 - kept * kept))


def _looked_at(ratios: Iterable[Decimal], seed: int) -> Year:
    chance = random.Random(f"look {seed}")  # noqa: S311
    return [_read(ratio, chance.random()) for ratio in ratios]


def _read(ratio: Decimal, luck: float) -> Decimal | None:
    if luck < MISSING:
        return None
    return ratio * TENTH if luck < MISSING + GLITCH else ratio


def _while_below(year: Year) -> int:
    return sum(ratio is not None and ratio < 1 for ratio in year)


def _crossings(year: Year) -> int:
    """A message whenever the last reading was on the other side."""
    read = [ratio < 1 for ratio in year if ratio is not None]
    return sum(before != after for before, after in itertools.pairwise(read))


def _by(rule: Crossing, every: int = 1) -> Count:
    """What a rule of ours sends, of looks that are so many hours apart."""

    def count(year: Year) -> int:
        state, sent = State(), 0
        for hour in range(0, len(year), every):
            ratio = year[hour]
            at = START + timedelta(hours=hour)
            health = "unknown" if ratio is None else "fresh"
            seen = Observation(at, None if ratio is None else Range.exactly(ratio), health)
            state, told = step(rule, state, seen)
            sent += sum(each.send for each in told)
        return sent

    return count


_LEVELS = {"calm at 1.2": Decimal("1.2"), "firing at 0.8": Decimal("0.8")}
_NO_BAND = replace(OURS, clear=THRESHOLD, renotify_step=Decimal(0))
_NAIVE, _DEFAULTS = "naive crossing", "breakeven's defaults"
_COUNTS: dict[str, Count] = {
    "every check while below": _while_below,
    _NAIVE: _crossings,
    "confirmed by 2 looks, no dead band": _by(_NO_BAND),
    "dead band of 5 %, not confirmed": _by(replace(OURS, confirm=1, confirm_clear=1)),
    _DEFAULTS: _by(OURS),
    f"{_DEFAULTS}, a look every 6 h": _by(OURS, every=6),
    "dead band of 10 %, confirmed by 6 looks": _by(
        replace(OURS, clear=Bounds(low=Decimal("1.1")), confirm=6, confirm_clear=6)
    ),
}


def _tell(name: str, messages: Decimal) -> None:
    say(f"  {name:<46}{messages:>10.2f}")


def _mean(years: Sequence[Year], count: Count) -> Decimal:
    return Decimal(sum(map(count, years))) / len(years)


if __name__ == "__main__":
    raise SystemExit(main())
