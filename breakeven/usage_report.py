"""`breakeven usage`: what a log of requests says, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from breakeven.output import bold, clean, say, table, write_json
from breakeven.usage_log import Log, Names, opened, rows_of
from comparator.usage import PEAK_LOAD, WEEKDAYS, Arrivals, Lengths, Load, Usage, rounded, usage_of
from pricebook.errors import ConfigError
from pricebook.quote import digits, isoformat

PARTLY = 3
"""Exit code: some of it could not be used (DESIGN section 11)."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """A log's usage beside what became of its entries; `speed`: tokens a second of a machine."""

    usage: Usage
    log: Log
    speed: Decimal | None = None

    @property
    def exit_code(self) -> int:
        """0, or 3 when entries were left out."""
        return PARTLY if self.log.bad else 0

    def as_dict(self) -> dict[str, Any]:
        """The answer of `usage --json` (docs/json.md)."""
        usage, arrivals = self.usage, self.usage.arrivals
        share = usage.cached_share
        return {
            "requests": usage.requests,
            "failed": self.log.failed,
            "bad": [_bad(one) for one in self.log.bad.values()],
            "input": usage.input.as_dict(),
            "output": usage.output.as_dict(),
            "cached_share": None if share is None else digits(rounded(share, 6)),
            "arrivals": _arrivals(arrivals, self.speed) if arrivals else None,
            "unknown": list(usage.unknown),
            "notes": list(usage.notes),
            "toml": usage.as_toml(self.speed),
        }

    def lines(self) -> Iterator[str]:
        """The same for people."""
        usage = self.usage
        share = usage.cached_share
        failed = f", and {self.log.failed} that failed" if self.log.failed else ""
        yield f"{usage.requests} requests{failed}"
        yield ""
        rows = [_cells("input", usage.input), _cells("output", usage.output)]
        yield table(rows, ("tokens", "mean", "p50", "p90", "p99"))
        yield "" if share is None else f"{digits(rounded(share))} of the input came from a cache"
        if usage.arrivals:
            yield from _told(usage.arrivals, self.speed)
        yield from (f"unknown: {reason}" for reason in usage.unknown)
        yield from (f"note: {note}" for note in usage.notes)
        yield f"\n{bold('To paste into a [[workload]]')}\n\n{usage.as_toml(self.speed)}"


def read_usage(
    file: Path, form: str | None, names: Names, window: timedelta, speed: Decimal | None
) -> UsageReport:
    """The usage that a log tells; `form` as in `rows_of`, `speed` tokens a second of a machine.

    Raises ConfigError when the file is no such log, or more than a twentieth of it is bad.
    """
    if speed is not None and speed <= 0:
        raise ConfigError(f"--machine-speed is {speed}; it must be above 0")
    log = Log(names)
    with opened(file) as stream:
        usage = usage_of(log.requests(rows_of(stream, form, str(file))), window)
    return UsageReport(usage, log, speed)


def write_usage(report: UsageReport, *, as_json: bool) -> int:
    """Print it; 3 when entries were left out, which stderr tells."""
    for one in report.log.bad.values():
        say(clean(f"of {report.log.entries} entries {one}"))
    if as_json:
        write_json(report.as_dict())
    else:
        click.echo("\n".join(report.lines()), nl=False)
    return report.exit_code


def _bad(one: Any) -> dict[str, Any]:
    return {"reason": one.reason, "entries": one.entries, "first": one.first}


def _arrivals(arrivals: Arrivals, speed: Decimal | None) -> dict[str, Any]:
    whole = arrivals.whole_machines(speed) if speed else None
    return {
        "from": isoformat(arrivals.since),
        "until": isoformat(arrivals.until),
        "window_seconds": arrivals.window // timedelta(seconds=1),
        "tokens_per_second": digits(rounded(arrivals.mean, 6)),
        "peak_tokens_per_second": digits(rounded(arrivals.peak, 6)),
        "tokens_per_month": digits(rounded(arrivals.tokens_per_month, 6)),
        "load_factor": _range(arrivals.factor),
        "whole_machines": None if whole is None else digits(rounded(whole, 6)),
        "peak_load": PEAK_LOAD.as_dict(),
        "utilisation": _range(arrivals.utilisation(speed)),
        "by_hour": [{"hour": hour} | load.as_dict() for hour, load in arrivals.by_hour.items()],
        "by_weekday": [
            {"weekday": WEEKDAYS[day]} | load.as_dict() for day, load in arrivals.by_weekday.items()
        ],
    }


def _range(interval: Any) -> dict[str, str]:
    return {name: digits(rounded(getattr(interval, name), 6)) for name in ("low", "point", "high")}


def _cells(name: str, lengths: Lengths) -> list[str]:
    percentiles = (f"{each:,}" for each in (lengths.p50, lengths.p90, lengths.p99))
    return [name, _figure(lengths.mean), *percentiles]


def _told(arrivals: Arrivals, speed: Decimal | None) -> Iterator[str]:
    yield f"{arrivals.since:%Y-%m-%d %H:%M} to {arrivals.until:%Y-%m-%d %H:%M}, UTC"
    yield ""
    yield _curve("hour", {f"{hour:02}": load for hour, load in arrivals.by_hour.items()})
    yield ""
    yield _curve("day", {WEEKDAYS[day]: load for day, load in arrivals.by_weekday.items()})
    yield ""
    mean, peak = _figure(arrivals.mean), _figure(arrivals.peak)
    yield f"load factor {_words(arrivals.factor)}: {mean} tokens a second, {peak} at the peak"
    steps = f"x {_figure(arrivals.whole_machines(speed))} by whole machines" if speed else ""
    parts = " ".join(word for word in ("load factor", steps) if word)
    result = _words(arrivals.utilisation(speed))
    yield f"utilisation {result}: {parts} x {_words(PEAK_LOAD)} at the peak"
    yield f"{_figure(arrivals.tokens_per_month)} tokens a month"


def _curve(name: str, loads: Mapping[str, Load]) -> str:
    rows = [
        [
            each,
            _figure(load.requests),
            f"{load.peak_requests:,}",
            _figure(load.tokens),
            f"{load.peak_tokens:,}",
        ]
        for each, load in loads.items()
    ]
    return table(rows, (name, "requests/hour", "peak", "tokens/hour", "peak"))


def _words(interval: Any) -> str:
    low, point, high = (_figure(getattr(interval, name)) for name in ("low", "point", "high"))
    return f"{point} ({low} to {high})"


def _figure(value: Decimal) -> str:
    return f"{rounded(value, 4):,f}"
