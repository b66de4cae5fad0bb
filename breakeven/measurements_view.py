"""What `breakeven throughput` shows: measurements, fitted laws, equivalents and machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

from breakeven.output import Format, Row, Shape
from comparator.catalogue import Catalogue, Equivalence, GpuFacts, nearest
from comparator.measurement import (
    Fit,
    Score,
    Throughput,
    TrainingRate,
    TrainingRun,
    columns,
)
from comparator.way import Unknown
from pricebook.errors import ConfigError

MODELS = Shape(
    ("model", "throughput", "service", "finetuning", "runs", "newest", "on"),
    ("model", "throughput", "service", "finetuning", "runs", "newest", "gpus"),
)
EQUIVALENTS = Shape(
    ("api_model", "open_model", "verdict", "agreeing", "differing"),
    ("api_model", "open_model", "verdict", "agreeing", "differing", "scores"),
)
SHAPES = {
    "throughput": Shape(
        (
            *("model", "gpus", "gpu", "precision", "engine", "load", "input", "output"),
            *("tokens_a_second_per_GPU", "of_them_output", "evidence", "date", "source"),
        ),
        columns(Throughput),
    ),
    "service": Shape(
        (
            *("model", "gpus", "gpu", "precision", "engine", "input", "output"),
            *("input_us", "output_us", "attention_ns", "error", "points", "date", "source"),
        ),
        columns(Fit),
    ),
    "finetuning": Shape(
        (
            *("model", "method", "gpus", "gpu", "precision", "framework", "sequence", "packing"),
            *("tokens_a_second", "evidence", "date", "source"),
        ),
        columns(TrainingRate),
    ),
    "runs": Shape(
        (
            *("model", "method", "gpus", "gpu", "dataset", "epochs", "trained_tokens", "minutes"),
            *("published_cost_usd", "evidence", "date", "source"),
        ),
        columns(TrainingRun),
    ),
    "instances": Shape(
        ("instance", "gpus", "gpu", "gpu_memory_mib", "source"),
        ("instance", "gpu", "gpus", "gpu_memory_mib", "source"),
    ),
}
"""What `--show` may name, and how it is shown."""

Speed: TypeAlias = Throughput | Fit | TrainingRate | TrainingRun

_MICRO, _NANO = Decimal(10) ** 6, Decimal(10) ** 9


def measurements(
    catalogue: Catalogue, show: str, model: str, gpu: str, instance: str, form: Format
) -> list[Row]:
    """The rows of one table, of a model, a GPU or a machine; ConfigError for unknown names."""
    if show == "instances":
        return [_plain(one) for one in catalogue.instances if instance in ("", one.instance)]
    if model:
        _check(model, catalogue.models, "there is no measurement of")
    if gpu:
        _check(gpu, catalogue.gpus, "nothing was measured on")
    rows = _tables(catalogue, model, gpu or _gpu_of(catalogue, instance))[show]
    return [_shown(row) if form.kind == "table" else _plain(row) for row in rows]


def models(catalogue: Catalogue, form: Format) -> list[Row]:
    """Every open model, and how much is known of it."""
    return [_model(catalogue, name, form) for name in catalogue.models]


def equivalents(catalogue: Catalogue, api_model: str, form: Format) -> list[Row]:
    """Open models that were compared with an API's model; ConfigError when there is none."""
    found = catalogue.equivalents(api_model)
    if not found:
        _check(api_model, catalogue.api_models, "no open model was compared with")
    show = _equivalent if form.kind == "table" else _equivalent_fields
    return [show(one) for one in found]


def also(catalogue: Catalogue, show: str, model: str) -> str:
    """What else is known of a model, for people; empty when nothing is."""
    others = [
        f"--show {name} ({len(rows)})"
        for name, rows in _tables(catalogue, model).items()
        if rows and name != show
    ]
    return f"of {model} there is more: {', '.join(others)}" if others else ""


def _tables(catalogue: Catalogue, model: str, gpu: str = "") -> Mapping[str, Sequence[Speed]]:
    return {
        "throughput": catalogue.throughput(model, gpu),
        "service": catalogue.service(model, gpu),
        "finetuning": catalogue.finetuning(model, gpu),
        "runs": catalogue.runs(model, gpu),
    }


def _check(name: str, known: Sequence[str], what: str) -> None:
    if name.casefold() not in (one.casefold() for one in known):
        hint = nearest(name, known) or f"; known: {', '.join(known)}"
        raise ConfigError(f"{what} {name}{hint}")


def _gpu_of(catalogue: Catalogue, instance: str) -> str:
    try:
        return catalogue.instance(instance).gpu if instance else ""
    except Unknown as error:
        raise ConfigError(str(error)) from None


def _model(catalogue: Catalogue, name: str, form: Format) -> Row:
    tables = _tables(catalogue, name)
    rows = [row for of_table in tables.values() for row in of_table]
    gpus = sorted({row.gpu for row in rows})
    counts = {table: len(of_table) for table, of_table in tables.items()}
    on = {"on": ", ".join(gpus)} if form.kind == "table" else {"gpus": gpus}
    return {"model": name, **counts, "newest": f"{max(row.date for row in rows)}", **on}


def _plain(row: Speed | GpuFacts | Score) -> dict[str, str | None]:
    return {name: _value(value) for name, value in asdict(row).items()}


def _value(value: Decimal | date | str | None) -> str | None:
    if value is None or value == "":
        return None
    return f"{value:f}" if isinstance(value, Decimal) else f"{value}"


def _shown(row: Speed) -> dict[str, Any]:
    if isinstance(row, Throughput):
        return _plain(row) | _throughput_words(row)
    if isinstance(row, Fit):
        return _plain(row) | _fit_words(row)
    if isinstance(row, TrainingRate):
        words = {"sequence": f"{row.sequence_tokens:f}", "tokens_a_second": _round(row.rate)}
        return _plain(row) | words
    return _plain(row)


def _throughput_words(row: Throughput) -> dict[str, str | None]:
    at = f"{row.load} {row.concurrency:f}" if row.load == "concurrency" else row.load
    return {
        "engine": f"{row.engine} {row.version}".strip(),
        "load": at,
        "input": _value(row.input_tokens),
        "output": _value(row.output_tokens),
        "tokens_a_second_per_GPU": _round(row.total_rate and row.total_rate / row.gpus),
        "of_them_output": _round(row.output_rate and row.output_rate / row.gpus),
    }


def _fit_words(row: Fit) -> dict[str, str | None]:
    return {
        "engine": f"{row.engine} {row.version}".strip(),
        "input": f"{row.input_tokens_low:f} to {row.input_tokens_high:f}",
        "output": f"{row.output_tokens_low:f} to {row.output_tokens_high:f}",
        "input_us": _round(row.gpu_seconds_per_input_token * _MICRO),
        "output_us": _round(row.gpu_seconds_per_output_token * _MICRO),
        "attention_ns": _round(row.gpu_seconds_per_output_token_and_token_before * _NANO),
        "error": f"{100 * row.leave_one_out_error:.1f} %",
    }


def _round(value: Decimal | None) -> str:
    return "unknown" if value is None else f"{value:.4g}" if value < 1000 else f"{value:.0f}"


def _equivalent_fields(one: Equivalence) -> dict[str, Any]:
    named = ("api_model", "open_model")
    return {
        "api_model": one.api_model,
        "open_model": one.open_model,
        "verdict": one.verdict,
        "agreeing": list(one.agreeing),
        "differing": list(one.differing),
        "scores": [
            {name: value for name, value in _plain(score).items() if name not in named}
            for score in one.scores
        ],
    }


def _equivalent(one: Equivalence) -> Row:
    return _equivalent_fields(one) | {
        "agreeing": ", ".join(one.agreeing),
        "differing": ", ".join(one.differing),
        "below": [_score_words(score) for score in one.scores],
    }


def _score_words(score: Score) -> str:
    if score.api_score is None or score.open_score is None:
        return f"{score.basis}, {score.date}: {score.test}"
    scores = f"{score.api_score:f} and {score.open_score:f} {score.score_unit}"
    return f"{score.basis}, {score.date}, {score.test}: {scores}"
