"""The speed that a workload takes from the catalogue: at each time the newest measurement that
fits, interpolated inside what was measured and never beyond."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol, TypeAlias, TypeVar

from comparator.assumption import ASSUMPTIONS
from comparator.catalogue import Catalogue, GpuFacts, nearest
from comparator.comparison import Quantity
from comparator.cost import Mix, Service
from comparator.interpolation import Point, along, neighbours
from comparator.interval import Interval
from comparator.measurement import Fit, Throughput, TrainingRate, end_of
from comparator.way import Unknown
from pricebook.config import Table

TENTH = Decimal("1.2816")
"""Standard deviations from p50 to p10 and p90, which an assumption's low and high are."""

INTERPOLATION_ERROR = Decimal("0.087")
"""Root mean square of the relative errors when each of the 101 inner points of NVIDIA's max-load
tables is left out and interpolated from the others; tests/test_measured.py does it again."""

FULL_LOAD = ("maximum", "burst")

_ONE_FIT = "error of the fitted service times"
"""Why the three coefficients of a fit are too high, or too low, together."""


class _OfADay(Protocol):
    @property
    def date(self) -> date: ...


_Any = TypeVar("_Any")
_Dated = TypeVar("_Dated", bound=_OfADay)
_Speeds: TypeAlias = Sequence[Fit | Throughput]


@dataclass(frozen=True, slots=True)
class MeasuredServing:
    """The speed of an open model on a machine, as it was measured.

    `concurrency`: requests at a time on each group of GPUs; `tpot_ms`: what a further token of an
    answer may take, in milliseconds. With neither, the machine is at full load.
    """

    model: str
    precision: str
    engine: str
    machine: GpuFacts
    mix: Mix
    concurrency: Decimal | None
    tpot_ms: Decimal | None
    catalogue: Catalogue = field(repr=False)

    @property
    def bounded(self) -> bool:
        """Whether latency is bounded already by what was asked for."""
        return self.concurrency is not None or self.tpot_ms is not None

    def as_of(self, at: datetime) -> Service | Quantity:
        """GPU-seconds by the fitted law that was newest then, or tokens a second by the tables.

        Of one day, the law goes before its tables. Unknown, with a sentence, before the first
        measurement and outside what was measured.
        """
        known = _known(self._rows(), at, self._what)
        for of_day in _newest_first(known):
            found = self._law(of_day) or self._table(of_day)
            if found:
                return found
        raise Unknown(f"{self._what} was measured for {_ranges(known)}, not for {self._request}")

    @property
    def changes(self) -> tuple[datetime, ...]:
        """The times at which `as_of` may begin to give something else; none where it never does."""
        return _changes(self._rows)

    @property
    def _what(self) -> str:
        return f"{self.model} ({self.precision}, {self.engine}) on {self.machine.gpu}"

    @property
    def _lengths(self) -> Point:
        return self.mix.input.value.point, self.mix.output.value.point

    @property
    def _request(self) -> str:
        lengths = "{:f} and {:f} tokens".format(*self._lengths)
        if self.concurrency is not None:
            return f"{lengths} at concurrency {self.concurrency:f}"
        return lengths if self.tpot_ms is None else f"{lengths} at {self.tpot_ms:f} ms a token"

    def _rows(self) -> _Speeds:
        names = (self.model, self.machine.gpu, self.precision, self.engine)
        fits, tables = self.catalogue.service(*names), self.catalogue.throughput(*names)
        rows: _Speeds = [*fits, *tables]
        known = _some(rows, f"{self._what} was never measured{self._elsewhere()}")
        usable = [row for row in known if self._usable(row)]
        load = "at a given concurrency" if self.bounded else "at full load"
        _some(usable, f"{self._what} was never measured {load}, with the lengths of its requests")
        sizes = _listed(row.gpus for row in usable)
        has = f"{self.machine.instance} has {self.machine.gpus:f}"
        return _some(
            [row for row in usable if self.machine.groups(row.gpus)],
            f"{self._what} was measured with {sizes} GPUs together, {has}",
        )

    def _elsewhere(self) -> str:
        rows = self.catalogue.throughput(self.model)
        others = {f"{row.gpu} ({row.precision}, {row.engine})" for row in rows if row.precision}
        return f", only on {', '.join(sorted(others))}" if others else ""

    def _usable(self, row: Fit | Throughput) -> bool:
        if isinstance(row, Fit):
            return not self.bounded
        if None in (row.gpu_seconds_per_token, row.input_tokens, row.output_tokens):
            return False
        if not self.bounded:
            return row.load in FULL_LOAD
        return row.load == "concurrency" and (self.tpot_ms is None or row.tpot_ms is not None)

    def _law(self, rows: _Speeds) -> Service | None:
        laws = [row for row in rows if isinstance(row, Fit) and row.holds(*self._lengths)]
        if not laws:
            return None
        return _service(min(laws, key=lambda law: law.leave_one_out_error), self.machine)

    def _table(self, rows: _Speeds) -> Quantity | None:
        tables = [row for row in rows if isinstance(row, Throughput)]
        found = [one for sweep in _by(_setup, tables) if (one := self._read(sweep))]
        return self._speed(min(found, key=lambda one: one.seconds)) if found else None

    def _read(self, sweep: Sequence[Throughput]) -> Reading | None:
        readings = [one for rows in _by(_lengths_of, sweep) if (one := self._at_load(rows))]
        points = {_lengths_of(one.row): one for one in readings}
        return _mean(points, neighbours(points, self._lengths))

    def _at_load(self, rows: Sequence[Throughput]) -> Reading | None:
        wanted = self.tpot_ms if self.concurrency is None else self.concurrency
        if wanted is None:
            return min(map(Reading.of, rows), key=lambda one: one.seconds)
        name = "tpot_ms" if self.concurrency is None else "concurrency"
        readings = {getattr(row, name): Reading.of(row) for row in rows}
        return _mean(readings, along(readings, wanted))

    def _speed(self, reading: Reading) -> Quantity:
        row = reading.row
        measured = None if reading.between else row.total_rate
        rate = self.machine.groups(row.gpus) * (measured or row.gpus / reading.seconds)
        error = TENTH * INTERPOLATION_ERROR if reading.between else Decimal(0)
        return ASSUMPTIONS["tokens_per_second"].quantity(_around(rate, error), reading.source)


@dataclass(frozen=True, slots=True)
class Reading:
    """GPU-seconds of a token, prompt and answer alike: of a row, or `between` rows like it."""

    seconds: Decimal
    row: Throughput
    between: bool = False

    @classmethod
    def of(cls, row: Throughput) -> Reading:
        """As it was measured; ValueError for a row that doesn't tell."""
        if row.gpu_seconds_per_token is None:
            raise ValueError(f"no time of a token: {row}")
        return cls(row.gpu_seconds_per_token, row)

    @property
    def source(self) -> str:
        """Who measured it, when, with what."""
        row = self.row
        how = "between measurements" if self.between else row.evidence
        return f"{how}: {_set_up(row)}; {row.source}"


@dataclass(frozen=True, slots=True)
class MeasuredTraining:
    """The speed of fine-tuning an open model on `gpus` GPUs together, as it was measured."""

    model: str
    method: str
    sequence_tokens: Decimal
    precision: str
    packing: str
    gpu: str
    gpus: Decimal
    catalogue: Catalogue = field(repr=False)

    def as_of(self, at: datetime) -> Quantity:
        """Trained tokens a second of all machines of a run, by the newest measurement that fits.

        Unknown, with a sentence, before the first measurement and outside what was measured.
        """
        known = _known(self._rows(), at, self._what)
        for of_day in _newest_first(known):
            setups = _by(lambda row: (row.framework, row.precision), of_day)
            found = [one for rows in setups if (one := self._speed(rows))]
            if found:
                return max(found, key=lambda one: one.value.point)
        lengths = _span(row.sequence_tokens for row in known)
        raise Unknown(
            f"{self._what} was measured with sequences of {lengths} tokens, "
            f"not of {self.sequence_tokens:f}"
        )

    @property
    def changes(self) -> tuple[datetime, ...]:
        """The times at which `as_of` may begin to give something else; none where it never does."""
        return _changes(self._rows)

    @property
    def _what(self) -> str:
        return f"fine-tuning of {self.model} ({self._how}) on {self.gpu}"

    @property
    def _how(self) -> str:
        return ", ".join(filter(None, (self.method, self.precision, self.packing)))

    def _rows(self) -> Sequence[TrainingRate]:
        rows = [
            row
            for row in self.catalogue.finetuning(self.model, self.gpu, self.method)
            if row.packing == self.packing and self.precision in ("", row.precision)
        ]
        _some(rows, f"{self._what} was never measured{self._elsewhere()}")
        sizes = _listed(row.gpus for row in rows)
        return _some(
            [row for row in rows if row.gpus == self.gpus],
            f"{self._what} was measured with {sizes} GPUs together, not with {self.gpus:f}",
        )

    def _elsewhere(self) -> str:
        rows = self.catalogue.finetuning(self.model)
        others = {f"{row.gpu} ({row.method}, {row.precision}, {row.packing})" for row in rows}
        return f", only on {', '.join(sorted(others))}" if others else ""

    def _speed(self, rows: Sequence[TrainingRate]) -> Quantity | None:
        rates = {row.sequence_tokens: row.rate for row in rows}
        weights = along(rates, self.sequence_tokens)
        if weights is None:
            return None
        rate = sum((weight * rates[length] for length, weight in weights.items()), Decimal(0))
        how = rows[0].evidence if len(weights) == 1 else "between measurements"
        source = f"{how}: {rows[0].framework} {rows[0].precision}, {rows[0].date}; {rows[0].source}"
        return ASSUMPTIONS["tokens_per_second"].quantity(Interval.exactly(rate), source)


def serving_from(table: Table, catalogue: Catalogue, mix: Mix) -> MeasuredServing:
    """From `self_host`: its `instance`, and `measured = { model, precision, engine }` with perhaps
    a `concurrency` or a `tpot_ms`."""
    asked = table.table("measured")
    every: _Speeds = (*catalogue.throughput(), *catalogue.service())
    model = _model(asked, {row.model for row in every}, "inference")
    rows = [row for row in every if row.model == model]
    precision = _choice(asked, "precision", {row.precision for row in rows})
    engine = _choice(asked, "engine", {row.engine for row in rows if row.precision == precision})
    concurrency, tpot = (_positive(asked, key) for key in ("concurrency", "tpot_ms"))
    asked.close()
    if concurrency and tpot:
        raise asked.error("tpot_ms", "and concurrency exclude each other: one follows the other")
    machine = _machine(table, catalogue)
    return MeasuredServing(model, precision, engine, machine, mix, concurrency, tpot, catalogue)


def training_from(table: Table, catalogue: Catalogue, machines: Decimal) -> MeasuredTraining:
    """From `self_host`: its `instance`, and `measured = { model, method, sequence_tokens }` with
    perhaps a `precision` and a `packing`."""
    asked = table.table("measured")
    model = _model(asked, {row.model for row in catalogue.finetuning()}, "fine-tuning")
    method = _choice(asked, "method", {row.method for row in catalogue.finetuning(model)})
    length = _positive(asked, "sequence_tokens")
    precision = asked.text("precision", "")
    packing = asked.choice("packing", ("packed", "unpacked"), "packed")
    asked.close()
    if length is None:
        raise asked.error("sequence_tokens", "is missing: the speed depends on it")
    machine = _machine(table, catalogue)
    gpus = machine.gpus * machines
    return MeasuredTraining(model, method, length, precision, packing, machine.gpu, gpus, catalogue)


def _model(asked: Table, known: Iterable[str], work: str) -> str:
    name = asked.text("model")
    if name not in known:
        what = f"is {name!r}, whose speed of {work} was never measured{nearest(name, known)}"
        raise asked.error("model", f"{what} (`breakeven throughput` lists all)")
    return name


def _choice(asked: Table, key: str, known: Iterable[str]) -> str:
    words = sorted(filter(None, known))
    if not asked.has(key):
        raise asked.error(key, f"is missing; measured: {', '.join(words)}")
    return asked.choice(key, words)


def _positive(asked: Table, key: str) -> Decimal | None:
    if not asked.has(key):
        return None
    value = asked.decimal(key)
    if not (value.is_finite() and value > 0):
        raise asked.error(key, f"is {value}; it must be above 0")
    return value


def _machine(table: Table, catalogue: Catalogue) -> GpuFacts:
    try:
        return catalogue.instance(table.text("instance"))
    except Unknown as error:
        raise table.error("instance", f"can't be measured by: {error}") from None


def _service(law: Fit, machine: GpuFacts) -> Service:
    """The law's coefficients, low and high by the error at points that it had not seen."""
    gpus = machine.groups(law.gpus) * law.gpus
    percent = (100 * law.leave_one_out_error).normalize()
    source = f"fitted, leave-one-out error {percent:f} %: {_set_up(law)}; {law.source}"

    def coefficient(key: str, value: Decimal) -> Quantity:
        known = ASSUMPTIONS[key]
        around = _around(value, TENTH * law.leave_one_out_error)
        return Quantity(known.name, known.unit, around, source, known.kind, cause=_ONE_FIT)

    return Service(
        ASSUMPTIONS["gpus"].quantity(Interval.exactly(gpus), machine.source),
        coefficient("input", law.gpu_seconds_per_input_token),
        coefficient("output", law.gpu_seconds_per_output_token),
        coefficient("attention", law.gpu_seconds_per_output_token_and_token_before),
    )


def _around(value: Decimal, error: Decimal) -> Interval:
    return Interval(value * (1 - error), value, value * (1 + error))


def _mean(
    readings: Mapping[_Any, Reading], weights: Mapping[_Any, Decimal] | None
) -> Reading | None:
    """The weighted mean of times: linear between two lengths, as the time of a token nearly is."""
    if weights is None:
        return None
    near = {key: readings[key] for key in weights}
    seconds = sum((weight * near[key].seconds for key, weight in weights.items()), Decimal(0))
    likest = near[max(weights, key=lambda key: weights[key])]
    between = len(near) > 1 or likest.between
    return Reading(seconds, likest.row, between)


def _known(rows: Sequence[_Dated], at: datetime, what: str) -> Sequence[_Dated]:
    first = min(row.date for row in rows)
    return _some(
        [row for row in rows if end_of(row.date) <= at], f"{what} was first measured on {first}"
    )


def _some(rows: Sequence[_Any], otherwise: str) -> Sequence[_Any]:
    if not rows:
        raise Unknown(otherwise)
    return rows


def _newest_first(rows: Sequence[_Dated]) -> Iterator[Sequence[_Dated]]:
    for day in sorted({row.date for row in rows}, reverse=True):
        yield [row for row in rows if row.date == day]


def _changes(rows_of: Callable[[], Sequence[_OfADay]]) -> tuple[datetime, ...]:
    try:
        return tuple(sorted({end_of(row.date) for row in rows_of()}))
    except Unknown:
        return ()


def _by(key: Callable[[_Any], Hashable], rows: Iterable[_Any]) -> Iterable[Sequence[_Any]]:
    groups: dict[Hashable, list[_Any]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups.values()


def _setup(row: Throughput) -> Hashable:
    """What rows must share for a value between them to mean something."""
    return row.version, row.gpus, row.parallelism, row.load


def _lengths_of(row: Throughput) -> Point:
    return row.input_tokens or Decimal(0), row.output_tokens or Decimal(0)


def _set_up(row: Fit | Throughput) -> str:
    engine = f"{row.engine} {row.version}".strip()
    return f"{engine}, {row.precision}, {row.gpus:f} {row.gpu}, {row.date}"


def _listed(sizes: Iterable[Decimal]) -> str:
    return " or ".join(f"{size:f}" for size in sorted(set(sizes)))


def _span(values: Iterable[Decimal]) -> str:
    known = sorted(values)
    return f"{known[0]:f} to {known[-1]:f}"


def _ranges(rows: _Speeds) -> str:
    """The measured lengths, and loads where they bound what can be asked."""
    tables = [row for row in rows if isinstance(row, Throughput)]
    fits = [row for row in rows if isinstance(row, Fit)]
    inputs = [row.input_tokens or Decimal(0) for row in tables]
    outputs = [row.output_tokens or Decimal(0) for row in tables]
    for fit in fits:
        inputs += [fit.input_tokens_low, fit.input_tokens_high]
        outputs += [fit.output_tokens_low, fit.output_tokens_high]
    said = f"{_span(inputs)} input and {_span(outputs)} output tokens"
    loads = [row.concurrency for row in tables if row.concurrency is not None]
    return f"{said} at concurrency {_span(loads)}" if loads else said
