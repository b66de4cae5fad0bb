"""`breakeven measure`: a load of the user's own server to a row of the throughput catalogue."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from breakeven.cli import INTERRUPTED
from breakeven.endpoint import Endpoint
from breakeven.measuring import Lengths, Plan, load, rehearsed, sampled
from breakeven.output import clean, say, table, write_json
from breakeven.steady import Figures, Load, Percentiles, figures_of
from breakeven.usage_log import Log, opened, rows_of
from comparator.measurement import Throughput, as_text, columns, read
from comparator.usage import rounded
from pricebook.errors import ConfigError

PARTLY = 3
"""Exit code: some answers failed, or weren't counted (DESIGN section 11)."""

BUSY = Decimal("0.8")
"""Of a processor: a load that takes more measures itself, as Python uses one processor only."""

_FILLED = (
    *("model", "gpu", "gpus", "precision", "engine", "load", "input_tokens", "output_tokens"),
    *("concurrency", "total_tokens_per_second", "output_tokens_per_second", "ttft_ms", "tpot_ms"),
    *("evidence", "date", "source", "note"),
)


@dataclass(frozen=True, slots=True)
class Server:
    """What the user says of the server: GPUs, their number, precision of the weights, engine."""

    gpu: str
    gpus: int
    precision: str
    engine: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A load and its figures; `row` is None where the catalogue could make no use of it."""

    plan: Plan
    load: Load
    figures: Figures
    interrupted: bool
    row: Throughput | None
    out: Path | None

    @property
    def exit_code(self) -> int:
        """0; 3 when answers failed or weren't counted; 130 when interrupted."""
        if self.interrupted:
            return INTERRUPTED
        return PARTLY if self.load.failures or self.figures.total_rate is None else 0

    def notes(self) -> Iterator[str]:
        """What limits the figures, a sentence each."""
        counted = [
            answer for answer in self.load.answers if None not in (answer.input, answer.output)
        ]
        if missing := len(self.load.answers) - len(counted):
            yield (
                f"{missing} of {len(self.load.answers)} answers came without usage, so tokens a"
                " second are unknown: chunks are no tokens"
            )
        for reason, times in self.load.failures.most_common(5):
            yield f"{times} failed: {reason}"
        if self.load.unanswered:
            yield f"{len(self.load.unanswered)} were not answered before the end"
        if self.interrupted:
            yield "interrupted: it was measured until then"
        if Decimal(self.load.busy) > BUSY:
            yield "asking took most of a processor: the server may be faster than this"
        asked = self.plan.lengths[0][1]
        written = self.figures.output_tokens
        if len(self.plan.lengths) == 1 and written is not None and written < asked * Decimal("0.9"):
            yield f"answers have {written:.0f} tokens, not the {asked} that were asked for"

    def as_dict(self) -> dict[str, Any]:
        """The answer of `measure --json` (docs/json.md)."""
        failures = self.load.failures.most_common()
        return {
            "url": str(self.plan.endpoint),
            "model": self.plan.endpoint.model,
            "concurrency": self.plan.concurrency,
            "answers": len(self.load.answers),
            "failed": [{"reason": clean(reason), "requests": times} for reason, times in failures],
            "unanswered": len(self.load.unanswered),
            "interrupted": self.interrupted,
            "steady": self.figures.as_dict(),
            "notes": [clean(note) for note in self.notes()],
            "row": as_text(self.row) if self.row else None,
        }

    def lines(self) -> Iterator[str]:
        """The same for people."""
        figures = self.figures
        yield f"{self.plan.endpoint}, {self.plan.endpoint.model}"
        yield (
            f"{figures.requests} requests in {figures.seconds:.1f} s of steady load,"
            f" {self.plan.concurrency} at a time; {len(self.load.answers)} answers in all"
        )
        if figures.total_rate is not None:
            yield f"{_figure(figures.input_tokens)} tokens in, {_figure(figures.output_tokens)} out"
        yield ""
        rates = [
            ["input and output", _figure(figures.total_rate)],
            ["output", _figure(figures.output_rate)],
            ["chunks, which are no tokens", _figure(figures.chunk_rate)],
        ]
        yield table(rates, ("tokens a second", ""))
        yield ""
        times = {
            "to the first token": figures.ttft,
            "for each further token": figures.tpot,
            "whole answer": figures.latency,
        }
        yield table(
            [[name, *_cells(percentiles)] for name, percentiles in times.items()],
            ("milliseconds", "p50", "p90", "p99"),
        )
        yield from (f"note: {clean(note)}" for note in self.notes())


def measure(plan: Plan, server: Server, out: Path | None) -> Measured:
    """Load the server, and append what was measured to `out`, a table of the catalogue.

    Raises MeasurementFailed when there is nothing to measure, ConfigError when `out` can't take it.
    """
    if out:
        _check(out, server)
    deadline = time.monotonic() + plan.seconds
    plan = rehearsed(plan, deadline)
    say(
        f"{plan.concurrency} at a time, at most {plan.requests} in {plan.seconds} s; Ctrl-C ends it"
    )
    done, interrupted = load(plan, deadline)
    figures = figures_of(done)
    row = _row(plan, done, figures, server) if server.gpu and server.engine else None
    measured = Measured(plan, done, figures, interrupted, row, out)
    if out and row:
        _append(out, row)
    return measured


def write_measured(measured: Measured, *, as_json: bool) -> int:
    """Print it; the exit code."""
    if as_json:
        write_json(measured.as_dict())
    else:
        click.echo("\n".join(measured.lines()))
    if measured.out:
        done = f"appended to {measured.out}" if measured.row else f"not written to {measured.out}"
        say(done)
    return measured.exit_code


def endpoint_of(url: str, model: str, key_name: str | None) -> Endpoint:
    """The server, with the key from the environment."""
    key = os.environ.get(key_name, "") if key_name else ""
    if key_name and not key:
        raise ConfigError(f"--api-key-env: environment variable {key_name} is empty or missing")
    return Endpoint.of(url, model, key, key_name or "")


def lengths_of(input_tokens: int | None, output_tokens: int | None, log: Path | None) -> Lengths:
    """The lengths to ask for: two figures, or those of a log."""
    if log is None:
        if not (input_tokens and output_tokens) or min(input_tokens, output_tokens) < 1:
            raise ConfigError("give --input-tokens and --output-tokens, at least 1, or --usage LOG")
        return [(input_tokens, output_tokens)]
    if input_tokens is not None or output_tokens is not None:
        raise ConfigError("give lengths or --usage LOG, not both")
    reading = Log()
    with opened(log) as stream:
        lengths = sampled(reading.requests(rows_of(stream, None, str(log))))
    if not lengths:
        raise ConfigError(f"{log} has no request with tokens in it")
    return lengths


def _row(plan: Plan, done: Load, figures: Figures, server: Server) -> Throughput | None:
    if figures.total_rate is None or figures.output_rate is None:
        return None
    failed = f", {done.failures.total()} failed" if done.failures else ""
    lengths = "" if len(plan.lengths) == 1 else "; means of a mix of lengths"
    return Throughput(
        plan.endpoint.model,
        server.gpu,
        Decimal(server.gpus),
        server.engine,
        "concurrency",
        "measured",
        datetime.now(UTC).date(),
        f"breakeven measure {plan.endpoint}",
        server.precision,
        input_tokens=_rounded(figures.input_tokens),
        output_tokens=_rounded(figures.output_tokens),
        concurrency=Decimal(plan.concurrency),
        total_tokens_per_second=_rounded(figures.total_rate),
        output_tokens_per_second=_rounded(figures.output_rate),
        ttft_ms=figures.ttft.p50 if figures.ttft else None,
        tpot_ms=figures.tpot.p50 if figures.tpot else None,
        note=f"{figures.requests} requests in {figures.seconds:.1f} s{failed}{lengths}",
    )


def _check(out: Path, server: Server) -> None:
    """Refuse before the load what would be refused after it."""
    if not (server.gpu and server.engine):
        raise ConfigError(
            "--out needs --gpu and --engine: a speed of unknown machines helps nobody"
        )
    if not out.exists():
        return
    if any(not isinstance(row, Throughput) for row in read(out)):
        raise ConfigError(f"{out} is no table of throughput")
    missing = [name for name in _FILLED if name not in _header(out)]
    if missing:
        raise ConfigError(f"{out} lacks the columns {', '.join(missing)}")


def _header(out: Path) -> list[str]:
    with out.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def _append(out: Path, row: Throughput) -> None:
    new = not out.exists()
    names = columns(Throughput) if new else _header(out)
    broken_off = not new and not out.read_bytes().endswith(b"\n")
    with out.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        if broken_off:
            file.write("\n")
        if new:
            writer.writeheader()
        writer.writerow(as_text(row))


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else rounded(value, 6)


def _figure(value: Decimal | None) -> str:
    return "unknown" if value is None else f"{rounded(value, 4):,f}"


def _cells(percentiles: Percentiles | None) -> list[str]:
    if percentiles is None:
        return ["unknown"] * 3
    return [f"{value:,.1f}" for value in (percentiles.p50, percentiles.p90, percentiles.p99)]
