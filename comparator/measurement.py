"""What was measured: rows of speeds, fitted laws, fine-tuning, equivalents and machines, from CSV.

Column names are the fields below; rates say in their name of what they are. A date may be a day or
a month, which then counts from its last day: only then is it sure that the figure was known.
"""

from __future__ import annotations

import calendar
import csv
import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from pricebook.errors import ConfigError

LOADS = {
    "maximum": "as many requests as the engine takes, no latency bound",
    "burst": "all requests of a test at once, to the last answer",
    "concurrency": "so many requests at a time on the group of GPUs",
    "offline": "MLPerf: no latency bound",
    "server": "MLPerf: latency bounded by `slo`",
    "interactive": "MLPerf: latency bounded more tightly by `slo`",
}
EVIDENCE = ("measured", "vendor", "fitted")
"""Measured by somebody else than the seller of the thing; by its seller; fitted to such rows."""

_SAME = Decimal("0.01")
"""How far a rate per GPU and one of the group may differ and still be the same, by rounding."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """A speed of inference on a group of `gpus` that serve one copy of the model together.

    At least one of the four rates is set; `total` counts prompt and answer. `concurrency`: requests
    at a time on the group. `ttft_ms`, `tpot_ms`: median time to first, and per further, token.
    """

    table: ClassVar[str] = "throughput"

    model: str
    gpu: str
    gpus: Decimal
    engine: str
    load: str
    evidence: str
    date: date
    source: str
    precision: str = ""
    version: str = ""
    parallelism: str = ""
    input_tokens: Decimal | None = None
    output_tokens: Decimal | None = None
    concurrency: Decimal | None = None
    slo: str = ""
    total_tokens_per_second: Decimal | None = None
    output_tokens_per_second: Decimal | None = None
    total_tokens_per_second_per_gpu: Decimal | None = None
    output_tokens_per_second_per_gpu: Decimal | None = None
    ttft_ms: Decimal | None = None
    tpot_ms: Decimal | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a row without a rate, and rates that contradict each other."""
        _check_word("load", self.load, LOADS)
        if self.load == "concurrency" and self.concurrency is None:
            raise ValueError("load is concurrency, but concurrency is empty")
        for name in ("total_tokens_per_second", "output_tokens_per_second"):
            self._check_per_gpu(name)
        total, output = self.total_rate, self.output_rate
        if not (self.gpus and (total or output)):
            raise ValueError("has no rate: fill in gpus, and a column of tokens_per_second")
        if total is not None and output is not None and output > total * (1 + _SAME):
            raise ValueError(f"{output:.6g} output tokens a second of {total:.6g} in all")

    @property
    def output_rate(self) -> Decimal | None:
        """Output tokens a second of the group; None where it can't be told."""
        return self._group("output_tokens_per_second")

    @property
    def total_rate(self) -> Decimal | None:
        """Input and output tokens a second of the group; None where it can't be told.

        From the output alone it follows only where both lengths are known.
        """
        total, output = self._group("total_tokens_per_second"), self.output_rate
        if total is not None or output is None:
            return total
        if self.input_tokens is None or not self.output_tokens:
            return None
        return output * (self.input_tokens + self.output_tokens) / self.output_tokens

    @property
    def gpu_seconds_per_token(self) -> Decimal | None:
        """GPU time of one token of the request, prompt and answer alike."""
        return self.gpus / self.total_rate if self.total_rate else None

    def _group(self, name: str) -> Decimal | None:
        rate: Decimal | None = getattr(self, name)
        per_gpu: Decimal | None = getattr(self, f"{name}_per_gpu")
        return rate if rate is not None or per_gpu is None else per_gpu * self.gpus

    def _check_per_gpu(self, name: str) -> None:
        rate, per_gpu = getattr(self, name), getattr(self, f"{name}_per_gpu")
        if rate is None or per_gpu is None:
            return
        if abs(per_gpu * self.gpus - rate) > _SAME * rate:
            raise ValueError(f"{name} is {rate}, but {per_gpu} on each of {self.gpus} GPUs")


@dataclass(frozen=True, slots=True)
class Fit:
    """The law a I + b O + c O (I + O/2) GPU-seconds a request, fitted to `points` measurements.

    `leave_one_out_error`: root mean square of the relative errors at points that the fit hasn't
    seen. The law holds inside the range of lengths alone.
    """

    table: ClassVar[str] = "service"

    model: str
    gpu: str
    gpus: Decimal
    precision: str
    engine: str
    points: Decimal
    input_tokens_low: Decimal
    input_tokens_high: Decimal
    output_tokens_low: Decimal
    output_tokens_high: Decimal
    gpu_seconds_per_input_token: Decimal
    gpu_seconds_per_output_token: Decimal
    gpu_seconds_per_output_token_and_token_before: Decimal
    leave_one_out_error: Decimal
    evidence: str
    date: date
    source: str
    version: str = ""
    rms_error: Decimal | None = None
    leave_one_out_worst: Decimal | None = None
    note: str = ""

    def holds(self, input_tokens: Decimal, output_tokens: Decimal) -> bool:
        """Whether such a request is inside the measured lengths."""
        return (
            self.input_tokens_low <= input_tokens <= self.input_tokens_high
            and self.output_tokens_low <= output_tokens <= self.output_tokens_high
        )

    def gpu_seconds(self, input_tokens: Decimal, output_tokens: Decimal) -> Decimal:
        """Of one request."""
        before = input_tokens + output_tokens / 2
        return (
            self.gpu_seconds_per_input_token * input_tokens
            + self.gpu_seconds_per_output_token * output_tokens
            + self.gpu_seconds_per_output_token_and_token_before * output_tokens * before
        )


@dataclass(frozen=True, slots=True)
class TrainingRate:
    """A speed of fine-tuning, in trained tokens: of all `gpus` of the run, or of each."""

    table: ClassVar[str] = "finetuning"

    model: str
    method: str
    gpu: str
    gpus: Decimal
    sequence_tokens: Decimal
    evidence: str
    date: date
    source: str
    precision: str = ""
    framework: str = ""
    packing: str = ""
    tokens_per_second: Decimal | None = None
    tokens_per_second_per_gpu: Decimal | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a row without a rate, and rates that contradict each other."""
        whole, each = self.tokens_per_second, self.tokens_per_second_per_gpu
        if not (self.gpus and (whole or each)):
            raise ValueError("has no rate: fill in gpus, and a column of tokens_per_second")
        if whole is not None and each is not None and abs(each * self.gpus - whole) > _SAME * whole:
            raise ValueError(f"tokens_per_second is {whole}, but {each} on each of {self.gpus}")

    @property
    def rate(self) -> Decimal:
        """Trained tokens a second of all GPUs of the run."""
        if self.tokens_per_second is not None:
            return self.tokens_per_second
        return (self.tokens_per_second_per_gpu or Decimal(0)) * self.gpus


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A whole fine-tuning run: its minutes, and what its authors say that it cost."""

    table: ClassVar[str] = "finetuning_runs"

    model: str
    method: str
    gpu: str
    gpus: Decimal
    dataset: str
    minutes: Decimal
    evidence: str
    date: date
    source: str
    epochs: Decimal | None = None
    trained_tokens: Decimal | None = None
    published_cost_usd: Decimal | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What one test says of an API's model and an open one; no scores: they were called equal."""

    table: ClassVar[str] = "equivalents"

    api_model: str
    open_model: str
    basis: str
    test: str
    evidence: str
    date: date
    source: str
    score_unit: str = ""
    api_score: Decimal | None = None
    open_score: Decimal | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """What EC2 says of a type's GPUs; `gpus` 0: it has a part of one."""

    table: ClassVar[str] = "instances"

    instance: str
    gpu: str
    gpus: Decimal
    gpu_memory_mib: Decimal
    source: str
    note: str = ""


Row: TypeAlias = Throughput | Fit | TrainingRate | TrainingRun | Score | Instance
TABLES: tuple[type[Row], ...] = (Throughput, Fit, TrainingRate, TrainingRun, Score, Instance)

_WHOLE_DAY = len("2026-01-31")


def read(file: Path) -> Iterator[Row]:
    """The rows of one CSV file, told by its columns; ConfigError with the file and line."""
    try:
        with file.open(encoding="utf-8", newline="") as text:
            lines = csv.DictReader(text, strict=True)
            kind = _kind(file, lines.fieldnames or ())
            for line in lines:
                yield _row(kind, line, f"{file}, line {lines.line_num}")
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{file} is no CSV file in UTF-8: {error}") from None


def columns(kind: type[Row]) -> tuple[str, ...]:
    """Of a table, as its files have them."""
    return tuple(field.name for field in fields(kind))


def as_text(row: Row) -> dict[str, str]:
    """A row as its file has it: what isn't known is empty."""
    return {name: "" if value is None else str(value) for name, value in asdict(row).items()}


def end_of(day: date) -> datetime:
    """The time from which a row of that date is known: the end of its day, UTC."""
    return datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)


def _kind(file: Path, names: Iterable[str]) -> type[Row]:
    given = set(names)
    nearest = max(TABLES, key=lambda kind: len(given & set(columns(kind))))
    required = {field.name for field in fields(nearest) if field.default is MISSING}
    for name in sorted(given - set(columns(nearest))):
        close = difflib.get_close_matches(name, columns(nearest), n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise ConfigError(f"{file}: column {name!r} is none of table {nearest.table}{hint}")
    if required - given:
        missing = ", ".join(sorted(required - given))
        raise ConfigError(f"{file}: as a table {nearest.table} it lacks the columns {missing}")
    return nearest


def _row(kind: type[Row], line: Mapping[str | None, Any], where: str) -> Row:
    if None in line or None in line.values():
        raise ConfigError(f"{where}: has more or fewer cells than there are columns")
    try:
        cells = {field.name: _cell(field, line.get(field.name, "")) for field in fields(kind)}
        _check_word("evidence", cells.get("evidence", EVIDENCE[0]), EVIDENCE)
        return kind(**cells)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _cell(field: Field[Any], text: str) -> Any:
    value = text.strip()
    if not value:
        if field.default is MISSING:
            raise ValueError(f"{field.name} is empty")
        return field.default
    if field.type == "date":
        return _date(field.name, value)
    return _number(field.name, value) if str(field.type).startswith("Decimal") else value


def _number(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{name} is {text!r}; it must be a number") from None
    if not value.is_finite() or value < 0:
        raise ValueError(f"{name} is {text}; it can't be negative")
    return value


def _date(name: str, text: str) -> date:
    try:
        if len(text) == _WHOLE_DAY:
            return date.fromisoformat(text)
        first = date.fromisoformat(f"{text}-01")
        return first.replace(day=calendar.monthrange(first.year, first.month)[1])
    except ValueError:
        raise ValueError(f"{name} is {text!r}; write 2026-01-31, or 2026-01") from None


def _check_word(name: str, word: str, known: Iterable[str]) -> None:
    if word not in known:
        raise ValueError(f"{name} is {word!r}; known: {', '.join(known)}")
