"""The catalogue of measurements: what is in it, what a workload takes of it, what it refuses."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from breakeven.cli import cli
from comparator.attribution import causes, parts
from comparator.catalogue import Catalogue, load
from comparator.comparison import Quantity
from comparator.cost import Service
from comparator.interpolation import Point, along, neighbours
from comparator.measured import (
    INTERPOLATION_ERROR,
    TENTH,
    MeasuredServing,
    MeasuredTraining,
    serving_from,
    training_from,
)
from comparator.measurement import TABLES, Fit, Throughput, columns, end_of, read
from comparator.ratio import Evaluation, evaluate
from comparator.way import Unknown, read_mix
from comparator.workload import Workload
from pricebook.config import Table
from pricebook.errors import ConfigError
from pricebook.quote import Price, Series

NOW = datetime(2026, 11, 22, tzinfo=UTC)
LLAMA = {"model": "llama-3.3-70b", "precision": "fp8", "engine": "TensorRT-LLM"}
GPT_OSS = {"model": "gpt-oss-120b", "precision": "fp4", "engine": "vLLM"}
DEEPSEEK = {"model": "deepseek-r1", "precision": "fp8", "engine": "SGLang", "concurrency": 16}
LORA = {"model": "llama-2-70b", "method": "lora", "sequence_tokens": 8192}

HEADER = "model,gpu,gpus,engine,load,evidence,date,source,precision,input_tokens,output_tokens"


def serving(
    measured: Mapping[str, Any],
    instance: str = "p5.48xlarge",
    tokens: tuple[int, int] = (3000, 1000),
    catalogue: Catalogue | None = None,
) -> MeasuredServing:
    table = Table({"instance": instance, "measured": dict(measured)}, "[self_host]")
    mix = read_mix(Table({"input": tokens[0], "output": tokens[1]}, "[tokens]"))
    return serving_from(table, catalogue or load(), mix)


def training(measured: Mapping[str, Any], instance: str, machines: int = 1) -> MeasuredTraining:
    table = Table({"instance": instance, "measured": dict(measured)}, "[self_host]")
    return training_from(table, load(), Decimal(machines))


def speed(way: MeasuredServing, at: datetime = NOW) -> Quantity:
    found = way.as_of(at)
    assert isinstance(found, Quantity)
    return found


def law(way: MeasuredServing, at: datetime = NOW) -> Service:
    found = way.as_of(at)
    assert isinstance(found, Service)
    return found


def evaluated(
    measured: Mapping[str, Any],
    instance: str,
    hourly: str,
    *times: datetime,
    tokens: tuple[int, int] = (3000, 1000),
) -> list[Evaluation]:
    """A whole workload at full use against gpt-4o-mini, at $0.15 and $0.60."""
    bounded = {} if "concurrency" not in measured else {"latency_derate": None}
    full = {"utilisation": 1, "redundancy": 1, "latency_derate": 1} | bounded
    machine = {"instance": instance, "hourly": Decimal(hourly), "measured": dict(measured), **full}
    text = {
        "name": "w",
        "kind": "inference",
        "tokens": {"input": tokens[0], "output": tokens[1]},
        "api": {"seller": "openai", "product": "gpt-4o-mini"},
        "self_host": {name: value for name, value in machine.items() if value is not None},
    }
    workload = Workload.from_table(Table(text, "[[workload]]"))
    amounts = {"input": Decimal("0.15"), "output": Decimal("0.60")}

    def price(series: Series) -> Price:
        return Price(series, amounts[series.meter], NOW, "observed", NOW, "openai")

    return [evaluate(workload, price, at) for at in times]


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T12:00:00+00:00")


def own(folder: Path, *rows: str, header: str = f"{HEADER},total_tokens_per_second") -> Path:
    file = folder / "own.csv"
    file.write_text("\n".join((header, *rows, "")), encoding="utf-8")
    return file


# What is in the catalogue


def test_every_row_names_its_source_and_date() -> None:
    """A figure without a source or a day is none; sources name no place on a disk."""
    rows = [row for row in load().rows if hasattr(row, "date")]

    assert all(row.source and date(2022, 1, 1) < row.date <= NOW.date() for row in rows)
    assert [] == [row for row in load().rows if row.source.startswith(("/", "file:"))]


def test_it_is_a_choice_and_no_dump() -> None:
    """A few hundred rows a table at most, none twice."""
    for kind in TABLES:
        rows = [row for row in load().rows if isinstance(row, kind)]
        assert 10 < len(rows) < 500
        assert len(set(rows)) == len(rows)


def test_only_gpus_that_aws_rents_are_in_it() -> None:
    """Each GPU of a measurement is one of an EC2 type that is known."""
    rented = {facts.gpu for facts in load().instances}
    measured = {row.gpu for row in (*load().throughput(), *load().finetuning(), *load().service())}

    assert set() == measured - rented


def test_the_popular_gpus_and_models_are_in_it() -> None:
    """What people rent and serve can be looked up."""
    gpus = {"A10G", "L40S", "A100-80GB", "H100", "H200", "B200", "Trainium1", "Inferentia2"}
    models = {"llama-3.1-8b", "llama-3.3-70b", "gpt-oss-120b", "deepseek-r1", "qwen3-32b"}

    assert gpus <= {row.gpu for row in load().throughput()}
    assert models <= set(load().models)


def test_every_fit_that_is_in_it_is_usable() -> None:
    """Five points or more, held out within 15 %, and no coefficient that isn't above 0."""
    assert all(
        fit.points >= 5
        and fit.leave_one_out_error <= Decimal("0.15")
        and fit.gpu_seconds_per_input_token > 0
        and fit.gpu_seconds_per_output_token > 0
        for fit in load().service()
    )


def points(fit: Fit) -> dict[Point, Decimal]:
    """The packaged measurements that a fit was made of: GPU-seconds of a request by its lengths."""
    rows = load().throughput(fit.model, fit.gpu, fit.precision, fit.engine)
    found = {}
    for row in rows:
        if row.load == "maximum" and row.version == fit.version:
            assert row.input_tokens is not None
            assert row.output_tokens is not None
            assert row.gpu_seconds_per_token is not None
            lengths = (row.input_tokens, row.output_tokens)
            found[lengths] = row.gpu_seconds_per_token * sum(lengths)
    return found


def least_squares(seconds: Mapping[Point, Decimal]) -> list[Decimal]:
    """The coefficients a, b, c with the least sum of squared relative errors."""
    rows = [
        (length / s, answer / s, answer * (length + answer / 2) / s)
        for (length, answer), s in seconds.items()
    ]
    matrix = [
        [*(sum(row[i] * row[j] for row in rows) for j in range(3)), sum(row[i] for row in rows)]
        for i in range(3)
    ]
    for i in range(3):
        matrix[i] = [cell / matrix[i][i] for cell in matrix[i]]
        for k in {0, 1, 2} - {i}:
            factor = matrix[k][i]
            matrix[k] = [a - factor * b for a, b in zip(matrix[k], matrix[i], strict=True)]
    return [Decimal(row[3]) for row in matrix]


def of_law(coefficients: Sequence[Decimal], lengths: Point) -> Decimal:
    a, b, c = coefficients
    length, answer = lengths
    return a * length + b * answer + c * answer * (length + answer / 2)


def rms(errors: Sequence[Decimal]) -> Decimal:
    return (sum((error**2 for error in errors), Decimal(0)) / len(errors)).sqrt()


@pytest.mark.parametrize("fit", load().service(), ids=lambda fit: f"{fit.model}-{fit.gpu}")
def test_a_fit_follows_from_the_packaged_points(fit: Fit) -> None:
    """Coefficients and errors, those of held-out points too, come out again as they are printed."""
    seconds = points(fit)
    found = least_squares(seconds)
    held_out = [
        of_law(least_squares({k: v for k, v in seconds.items() if k != at}), at) / s - 1
        for at, s in seconds.items()
    ]
    seen = [of_law(found, at) / s - 1 for at, s in seconds.items()]

    printed = (
        fit.gpu_seconds_per_input_token,
        fit.gpu_seconds_per_output_token,
        fit.gpu_seconds_per_output_token_and_token_before,
    )
    assert fit.points == len(seconds)
    assert all(abs(a / b - 1) < Decimal("0.01") for a, b in zip(found, printed, strict=True))
    assert fit.rms_error == round(rms(seen), 3)
    assert fit.leave_one_out_error == round(rms(held_out), 3)
    assert fit.leave_one_out_worst == round(max(map(abs, held_out)), 3)


def test_a_fit_holds_where_it_was_measured() -> None:
    """Its range is that of its points."""
    for fit in load().service():
        inputs, outputs = zip(*points(fit), strict=True)
        low, high = (fit.input_tokens_low, fit.input_tokens_high)
        assert (min(inputs), max(inputs)) == (low, high)
        assert (min(outputs), max(outputs)) == (fit.output_tokens_low, fit.output_tokens_high)


def test_the_error_of_interpolation_is_what_held_out_points_show() -> None:
    """Each inner point of the max-load tables, interpolated from the others."""
    tables: dict[Any, dict[Point, Decimal]] = defaultdict(dict)
    for row in load().throughput():
        if row.load == "maximum" and row.input_tokens and row.output_tokens:
            lengths = (row.input_tokens, row.output_tokens)
            tables[row.model, row.gpu, row.version][lengths] = row.gpu_seconds_per_token or Decimal(
                0
            )
    errors = [
        sum((weight * table[each] for each, weight in near.items()), Decimal(0)) / seconds - 1
        for table in tables.values()
        for at, seconds in table.items()
        if (near := neighbours(table.keys() - {at}, at))
    ]

    assert len(errors) == 101
    assert round(rms(errors), 3) == INTERPOLATION_ERROR


# Traps


def test_total_output_and_group_are_told_apart() -> None:
    """TensorRT-LLM 1.0 prints output tokens a second of a group of two: 4,205 of 1,000 + 1,000."""
    (row,) = [
        each
        for each in load().throughput("llama-3.3-70b", "H100")
        if (each.input_tokens, each.output_tokens) == (1000, 1000)
    ]

    assert row.total_tokens_per_second is None
    assert (row.gpus, row.output_rate, row.total_rate) == (2, 4205, 8410)
    assert row.gpu_seconds_per_token == Decimal(2) / 8410


def test_a_rate_per_gpu_is_none_of_the_group() -> None:
    """TensorRT-LLM 1.2 prints per GPU: 4,685 on each of four H100 are 18,740 of them."""
    rows = load().throughput("gpt-oss-120b", "H100", engine="TensorRT-LLM")
    (row,) = [each for each in rows if each.input_tokens == 1000]

    assert row.output_tokens_per_second_per_gpu == 4685
    assert (row.gpus, row.output_rate) == (4, 18740)


def test_rates_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    """4,205 of the group can't be 4,205 on each of its two GPUs."""
    header = f"{HEADER},output_tokens_per_second,output_tokens_per_second_per_gpu"
    row = "m,H100,2,vLLM,maximum,measured,2026-01-01,us,fp8,1000,1000,4205,4205"

    with pytest.raises(ConfigError, match="own.csv, line 2: output_tokens_per_second is 4205"):
        load([own(tmp_path, row, header=header)])


def test_no_disaggregated_run_is_in_it() -> None:
    """Its output was divided by the GPUs that decode alone, and its counts of GPUs are unsure."""
    rows = load().throughput()

    assert [] == [row for row in rows if "disagg" in f"{row.parallelism}{row.engine}".lower()]
    assert [] == [row for row in rows if row.engine.startswith(("dynamo", "mori"))]


def test_mlperf_prices_no_mix_of_lengths() -> None:
    """It states no input length, so the time of a token is unknown, not the output's."""
    rows = [row for row in load().throughput() if row.load in ("offline", "server", "interactive")]

    assert rows
    assert {None} == {row.gpu_seconds_per_token for row in rows}


def test_latencies_are_milliseconds() -> None:
    """A column of seconds under a header of ms would lie far below."""
    rows = load().throughput()

    assert all(row.tpot_ms > 1 for row in rows if row.tpot_ms is not None)
    assert all(row.ttft_ms > 10 for row in rows if row.ttft_ms is not None)


def test_a_p4d_is_none_of_80_gb() -> None:
    """Benchmarks of the A100 with 80 GB say nothing of one with 40."""
    mistral = {"model": "mistral-7b", "precision": "fp16", "engine": "TensorRT-LLM"}

    assert speed(serving(mistral, "p4de.24xlarge", (128, 128))).value.point > 0
    with pytest.raises(Unknown, match="on A100-40GB was never measured, only on A100-80GB"):
        serving(mistral, "p4d.24xlarge", (128, 128)).as_of(NOW)


@pytest.mark.parametrize(
    ("instance", "gpus"),
    [
        ("g6f.large", "0.125"),
        ("g6f.2xlarge", "0.25"),
        ("gr6f.4xlarge", "0.5"),
        ("g6.xlarge", "1"),
        ("p5.48xlarge", "8"),
    ],
)
def test_a_part_of_a_gpu_shows_in_its_memory(instance: str, gpus: str) -> None:
    """EC2 counts 0 GPUs where a machine has a part of one."""
    assert Decimal(gpus) == load().instance(instance).gpus


def test_torchtune_prints_totals() -> None:
    """Per GPU, 3,497 tokens a second of a 70B model would be more than the peak of an A100."""
    (row,) = load().finetuning("llama-3.1-70b", "A100-80GB", "lora")

    assert (row.gpus, row.rate, row.tokens_per_second_per_gpu) == (8, 3497, None)


def test_suspect_figures_are_left_out() -> None:
    """An A6000 at 91 % of its peak; four A10G that train no faster than one."""
    runs = load().runs(gpu="A10G")

    assert () == load().finetuning(gpu="A6000")
    assert {Decimal(1)} == {row.gpus for row in runs}


def test_load_is_never_mixed_up() -> None:
    """gpt-oss at full load is more than twice as fast as at 64 requests: each is asked for."""
    full = serving({**GPT_OSS, "precision": "fp8", "engine": "TensorRT-LLM"}, tokens=(1000, 1000))
    at_64 = serving({**GPT_OSS, "concurrency": 64}, tokens=(1024, 1024))

    assert speed(full).value.point == 2 * Decimal(8) * 4685
    assert speed(at_64).value.point < speed(full).value.point / 2
    with pytest.raises(Unknown, match="was never measured at full load"):
        serving(GPT_OSS, tokens=(1024, 1024)).as_of(NOW)


def test_speculative_decoding_is_no_plain_run() -> None:
    """Rows of it would pass for the engine itself."""
    notes = [f"{row.load} {row.note} {row.engine}".lower() for row in load().throughput()]

    assert [] == [each for each in notes if "mtp" in each or "spec" in each]


# Between measurements

LENGTHS = st.decimals(1, 40_000, places=0)
POINTS = st.tuples(LENGTHS, LENGTHS)


@given(st.dictionaries(POINTS, st.decimals("0.00001", 1, places=5), min_size=1, max_size=7), POINTS)
def test_interpolation_stays_between_the_neighbours(
    seconds: dict[Point, Decimal], at: Point
) -> None:
    """Weights add up to 1, none is negative, and the mean of the places is the place asked for."""
    weights = neighbours(seconds, at)
    if weights is None:
        return
    mean = sum((weight * seconds[each] for each, weight in weights.items()), Decimal(0))
    place = [sum((w * each[i] for each, w in weights.items()), Decimal(0)) for i in (0, 1)]

    around = [seconds[each] for each in weights]
    slack = Decimal("1e-20")
    assert min(around) - slack <= mean <= max(around) + slack
    assert all(weight >= 0 for weight in weights.values())
    assert abs(sum(weights.values()) - 1) < slack
    assert all(abs(a - b) < Decimal("1e-15") for a, b in zip(place, at, strict=True))


@given(st.lists(POINTS, min_size=1, max_size=7), POINTS)
def test_nothing_is_known_outside(places: list[Point], at: Point) -> None:
    """Beyond the longest, or before the shortest, there are no neighbours."""
    inputs, outputs = zip(*places, strict=True)
    outside = not (min(inputs) <= at[0] <= max(inputs) and min(outputs) <= at[1] <= max(outputs))

    assert neighbours(places, at) is None or not outside


@given(st.lists(LENGTHS, min_size=1, max_size=7), LENGTHS)
def test_a_line_is_known_from_end_to_end(values: list[Decimal], at: Decimal) -> None:
    """On a line there are neighbours exactly when the value is inside."""
    assert (along(values, at) is not None) == (min(values) <= at <= max(values))


def test_concurrency_is_interpolated() -> None:
    """48 requests at a time are faster than 32 and slower than 64; a measured one is itself."""
    at = {
        n: speed(serving({**GPT_OSS, "concurrency": n}, tokens=(1024, 1024))) for n in (32, 48, 64)
    }

    assert at[32].value.point < at[48].value.point < at[64].value.point
    assert at[32].value.certain
    assert at[32].value.point == Decimal("5592.536") * 4
    assert at[48].value.low == at[48].value.point * (1 - TENTH * INTERPOLATION_ERROR)


def test_a_bound_on_latency_chooses_the_load() -> None:
    """The time of a token that was measured at 32 requests gives the speed at 32."""
    bound = serving({**GPT_OSS, "tpot_ms": Decimal("11.11")}, tokens=(1024, 1024))

    assert Decimal("5592.536") * 4 == speed(bound).value.point


@pytest.mark.parametrize(
    ("measured", "instance", "tokens", "why"),
    [
        (LLAMA, "p5.48xlarge", (3000, 9000), "for 128 to 20000 input and 128 to 4096 output"),
        (LLAMA, "p5.48xlarge", (3000, 9000), "not for 3000 and 9000 tokens"),
        (LLAMA, "p5.4xlarge", (3000, 1000), "with 2 GPUs together, p5.4xlarge has 1"),
        (LLAMA, "g6e.48xlarge", (3000, 1000), "on L40S was never measured, only on B200"),
        ({**LLAMA, "concurrency": 8}, "p5.48xlarge", (3000, 1000), "at a given concurrency"),
        (
            {**GPT_OSS, "concurrency": 500},
            "p5.48xlarge",
            (1024, 1024),
            "at concurrency 4 to 64, not for 1024 and 1024 tokens at concurrency 500",
        ),
    ],
)
def test_what_wasnt_measured_is_unknown(
    measured: Mapping[str, Any], instance: str, tokens: tuple[int, int], why: str
) -> None:
    """Never extrapolated: a sentence names what was measured."""
    with pytest.raises(Unknown, match=why):
        serving(measured, instance, tokens).as_of(NOW)


def test_before_the_first_measurement_it_is_unknown() -> None:
    """What was published in September 2025 was known to nobody in June."""
    way = serving(LLAMA)

    assert (end_of(date(2025, 9, 30)),) == way.changes
    with pytest.raises(Unknown, match=r"llama-3.3-70b .* was first measured on 2025-09-30"):
        way.as_of(day("2025-06-01"))


# What a workload takes


def test_the_fitted_law_goes_before_its_tables() -> None:
    """The coefficients of the worked example, p10 to p90 by the error at held-out points."""
    found = law(serving(LLAMA))

    assert (8, Decimal("1.37256E-4")) == (found.gpus.value.point, found.input.value.point)
    assert Decimal("1.41947E-4") == found.output.value.point
    assert Decimal("1.36714E-7") == found.attention.value.point
    spread = 1 - found.input.value.low / found.input.value.point
    assert abs(spread - TENTH * Decimal("0.053")) < Decimal("1e-20")
    assert "leave-one-out error 5.3 %" in found.input.source


def test_the_coefficients_of_a_fit_err_together() -> None:
    """One cause, so that their errors don't cancel out."""
    found = law(serving(LLAMA))
    causes = {each.cause for each in (found.input, found.output, found.attention)}

    assert len(causes) == 1
    assert "" not in causes


def test_a_machine_uses_whole_groups() -> None:
    """Four groups of two on eight GPUs; a table's speed is that of all groups."""
    one = speed(serving({**DEEPSEEK, "concurrency": 64}, "p5en.48xlarge", (8192, 1024)))

    assert Decimal("10887.008") == one.value.point


def test_a_newer_measurement_takes_over() -> None:
    """DeepSeek-R1 on eight H200: the newest run holds, whether faster or slower."""
    way = serving(DEEPSEEK, "p5en.48xlarge", (1024, 1024))
    days = ("2026-01-01", "2026-03-26", "2026-05-18", "2026-06-12")

    found = [speed(way, day(each)) for each in days]
    rates = [Decimal(rate) for rate in ("1767.224", "1865.32", "2036.672", "1739.06")]
    assert rates == [one.value.point for one in found]
    assert {"throughput"} == {one.name for one in found}


def test_an_older_measurement_stays_where_the_newer_has_none() -> None:
    """The run of May has no long answers, so that of March still holds for them."""
    way = serving(DEEPSEEK, "p5en.48xlarge", (1024, 8192))

    assert Decimal("1107.712") == speed(way, day("2026-11-01")).value.point


def test_the_worked_example_comes_out() -> None:
    """Llama 3.3 70B on p5 against gpt-4o-mini (3,000 and 1,000 tokens, full load): 1.878739."""
    (found,) = evaluated(LLAMA, "p5.48xlarge", "55.04", day("2026-11-01"))

    assert found.outlook is not None
    assert round(found.outlook.ratio.point, 6) == Decimal("1.878739")


def test_without_a_measurement_there_is_no_ratio() -> None:
    """Unknown, and the reason says since when there is one."""
    (found,) = evaluated(LLAMA, "p5.48xlarge", "55.04", day("2025-06-01"))

    assert found.ratio is None
    assert "was first measured on 2025-09-30" in found.reason


def test_a_newer_measurement_is_attributed_like_a_price() -> None:
    """All of a ratio's move comes from the speed, when nothing else moved."""
    times = (day("2026-01-01"), day("2026-03-26"))
    before, after = evaluated(DEEPSEEK, "p5en.48xlarge", "63.3", *times, tokens=(1024, 1024))

    (cause,) = causes(before.snapshot(), after.snapshot())
    moved = parts(before.snapshot(), after.snapshot())
    assert (cause.input, cause.share) == ("throughput", 1)
    slack = abs(moved["throughput"] - (Decimal("1767.224") / Decimal("1865.32")).ln())
    assert slack < Decimal("1e-24")


def test_ones_own_measurement_counts_beside_the_others(tmp_path: Path) -> None:
    """A file of the user's has rows of the same table; the newest that fits is taken."""
    row = "llama-3.3-70b,H100,2,TensorRT-LLM,maximum,measured,2026-10-01,us,fp8,3000,1000,6000"
    way = serving(LLAMA, catalogue=load([own(tmp_path, row)]))

    assert Decimal(4) * 6000 == speed(way).value.point
    assert isinstance(way.as_of(day("2026-09-30")), Service)


def test_ones_own_law_needs_no_table_beside_it(tmp_path: Path) -> None:
    """A model of which there is a fitted law alone has a speed, too."""
    names = [name for name in columns(Fit) if name not in ("version", "note")]
    file = tmp_path / "laws.csv"
    row = "ours,H100,2,fp8,vLLM,9,1,9000,1,9000,1e-4,1e-4,1e-7,0.05,fitted,2026-10-01,us,,"
    file.write_text(f"{','.join(names)}\n{row}\n", encoding="utf-8")
    way = serving({"model": "ours", "precision": "fp8", "engine": "vLLM"}, catalogue=load([file]))

    assert isinstance(way.as_of(NOW), Service)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("m,H100,2,vLLM,flat out,measured,2026-01-01,us,fp8,1,1,9", "load is 'flat out'; known:"),
        ("m,H100,2,vLLM,maximum,guessed,2026-01-01,us,fp8,1,1,9", "evidence is 'guessed'; known:"),
        ("m,H100,2,vLLM,maximum,measured,01.02.26,us,fp8,1,1,9", "date is '01.02.26'; write 2026"),
        ("m,H100,2,vLLM,maximum,measured,2026-01-01,,fp8,1,1,9", "source is empty"),
        ("m,H100,two,vLLM,maximum,measured,2026-01-01,us,fp8,1,1,9", "gpus is 'two'; it must be"),
        ("m,H100,2,vLLM,maximum,measured,2026-01-01,us,fp8,1,1,-9", "is -9; it can't be negative"),
        ("m,H100,2,vLLM,maximum,measured,2026-01-01,us,fp8,1,1,", "has no rate"),
        ("m,H100,2,vLLM,concurrency,measured,2026-01-01,us,fp8,1,1,9", "concurrency is empty"),
        ("m,H100,2,vLLM,maximum,measured,2026-01-01,us,fp8,1,1,9,9", "more or fewer cells"),
    ],
)
def test_a_wrong_row_is_refused(row: str, why: str, tmp_path: Path) -> None:
    """With its file, its line and what is wrong."""
    with pytest.raises(ConfigError, match=f"own.csv, line 2: .*{why}"):
        load([own(tmp_path, row)])


def test_a_wrong_column_is_refused(tmp_path: Path) -> None:
    """With the one that was meant; a table that lacks one says which."""
    with pytest.raises(ConfigError, match="'tokens' is none of table throughput"):
        load([own(tmp_path, header=f"{HEADER},tokens")])
    with pytest.raises(ConfigError, match="it lacks the columns source"):
        load([own(tmp_path, header=HEADER.replace(",source", ""))])
    with pytest.raises(ConfigError, match="nowhere.csv can't be read"):
        load([tmp_path / "nowhere.csv"])


@pytest.mark.parametrize(
    ("measured", "why"),
    [
        ({"model": "lama-3.3-70b"}, "never measured; did you mean llama-3.3-70b"),
        ({"model": "llama-3.3-70b"}, "precision is missing; measured: fp4, fp8"),
        ({"model": "llama-3.3-70b", "precision": "fp8"}, "engine is missing; measured: TensorRT"),
        ({**LLAMA, "engine": "vLLM"}, "engine is 'vLLM'"),
        ({**LLAMA, "concurrency": 0}, "concurrency is 0; it must be above 0"),
        (
            {**GPT_OSS, "concurrency": 8, "tpot_ms": 20},
            "tpot_ms and concurrency exclude each other",
        ),
    ],
)
def test_a_contradictory_setting_is_refused(measured: Mapping[str, Any], why: str) -> None:
    """What can't be looked up says so when the configuration is read."""
    with pytest.raises(ConfigError, match=why):
        serving(measured)


def test_an_unknown_machine_is_refused() -> None:
    """With the names that look like it."""
    with pytest.raises(ConfigError, match=r"p5.49xlarge has isn't known; did you mean p5.4xlarge"):
        serving(LLAMA, "p5.49xlarge")


# Fine-tuning


def test_a_run_takes_the_newest_rate() -> None:
    """70B LoRA on eight H100 by MLPerf, of June and of November 2024."""
    way = training(LORA, "p5.48xlarge")

    assert Decimal("17643.7") == way.as_of(day("2024-07-01")).value.point
    assert Decimal("17882.7") == way.as_of(NOW).value.point


def test_two_machines_train_as_measured_on_sixteen_gpus() -> None:
    """Not as twice what eight do."""
    way = training(LORA, "p5.48xlarge", machines=2)

    assert Decimal("29955.7") == way.as_of(NOW).value.point


def test_rates_are_interpolated_between_sequence_lengths() -> None:
    """From 2,048 to 4,096 tokens on eight A100 with 40 GB."""
    mpt = {"model": "mpt-7b", "method": "full", "sequence_tokens": 3072}

    assert Decimal((29436 + 26930) / 2) == training(mpt, "p4d.24xlarge").as_of(NOW).value.point


@pytest.mark.parametrize(
    ("measured", "instance", "why"),
    [
        ({**LORA, "sequence_tokens": 512}, "p5.48xlarge", "4096 to 8192 tokens, not of 512"),
        ({**LORA, "model": "llama-3-8b"}, "p4de.24xlarge", "with 1 or 2 or 4 GPUs together, not"),
        ({**LORA, "model": "llama-3-8b"}, "p4d.24xlarge", "on A100-40GB was never measured, only"),
        ({**LORA, "packing": "unpacked"}, "p5.48xlarge", "unpacked.* was never measured"),
    ],
)
def test_training_that_wasnt_measured_is_unknown(
    measured: Mapping[str, Any], instance: str, why: str
) -> None:
    """Neither other lengths, nor more GPUs, nor another GPU, nor unpacked data are guessed."""
    with pytest.raises(Unknown, match=why):
        training(measured, instance).as_of(NOW)


def test_training_has_no_rate_before_it_was_measured() -> None:
    """Unknown, with the day."""
    with pytest.raises(Unknown, match="was first measured on 2024-06-12"):
        training(LORA, "p5.48xlarge").as_of(day("2024-01-01"))


# Equivalents


def verdicts(api_model: str, at: datetime | None = None) -> dict[str, str]:
    return {one.open_model: one.verdict for one in load().equivalents(api_model, at)}


def test_two_bases_make_an_equivalent() -> None:
    """gpt-4o-mini and Llama 3.1 70B: the same table of tests, and the same arena."""
    found = verdicts("gpt-4o-mini")

    assert found["llama-3.1-70b"] == "equivalent"
    assert found["gpt-oss-20b"] == "one basis only"


def test_one_rating_alone_makes_no_equivalent() -> None:
    """The arena puts GPT-4 of 2023 beside a model of four billion parameters."""
    assert verdicts("gpt-4-0613")["gemma-3-4b"] == "one basis only"


def test_a_vendors_word_against_two_tests_doesnt_count() -> None:
    """gpt-oss-120b is near o4-mini by its maker's statement, and far by arena and Aider."""
    assert verdicts("o4-mini")["gpt-oss-120b"] == "the bases disagree"


def test_scores_count_from_their_day() -> None:
    """Before the arena's table of December 2025 there is one basis."""
    assert verdicts("gpt-4o-mini", day("2025-09-01"))["llama-3.1-70b"] == "one basis only"
    assert verdicts("gpt-4o-mini", day("2024-09-01")) == {}


def test_another_model_is_no_version() -> None:
    """gpt-4o is gpt-4o of some day, and not gpt-4o-mini."""
    models = {one.api_model for one in load().equivalents("gpt-4o")}

    assert models == {"gpt-4o-2024-05-13", "gpt-4o-2024-08-06"}


# breakeven throughput


def ran(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["throughput", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_shows_a_model() -> None:
    """With what else is known of it."""
    code, table, said = ran("llama-3.3-70b", "--gpu", "h100")

    assert code == 0
    assert len(table.splitlines()) == 11
    assert "NVIDIA TensorRT-LLM 1.0 performance overview" in table
    assert "--show service (3)" in said


def test_the_command_names_what_was_meant() -> None:
    """An unknown model, machine or API model is refused with names that look like it."""
    assert ran("lama-3-8b")[0] == 2
    assert "did you mean llama-3-8b" in ran("lama-3-8b")[2]
    assert "did you mean p5.4xlarge" in ran("--instance", "p5.4xlarg")[2]
    assert "no open model was compared with gpt-4o-min" in ran("--equivalents-of", "gpt-4o-min")[2]


def test_nothing_measured_is_an_empty_list() -> None:
    """Known names without a row between them are no error."""
    assert (0, "[]\n", "nothing of that was measured\n") == ran(
        "llama-3.3-70b", "--gpu", "A10G", "--json"
    )


def test_what_the_command_writes_can_be_read_again(tmp_path: Path) -> None:
    """Its CSV is a file for `[throughput] files`."""
    file = tmp_path / "h100.csv"
    file.write_text(ran("llama-3.3-70b", "--gpu", "H100", "--csv")[1], encoding="utf-8")

    assert load().throughput("llama-3.3-70b", "H100") == tuple(read(file))


def test_a_gpu_that_nothing_was_measured_on() -> None:
    """A misspelt one is named with the nearest; nothing found would read as nothing known."""
    done = CliRunner().invoke(cli, ["throughput", "llama-3.3-70b", "--gpu", "H10"])
    assert (2, True) == (
        done.exit_code,
        "nothing was measured on H10; did you mean H100" in done.stderr,
    )


@pytest.mark.parametrize("table", ["throughput", "service", "finetuning", "runs", "instances"])
def test_programs_get_every_column(table: str) -> None:
    """By the names that the files have."""
    model = [] if table == "instances" else ["llama-3-8b" if table == "runs" else "llama-2-70b"]
    model = ["llama-3.3-70b"] if table == "service" else model
    rows = json.loads(ran(*model, "--show", table, "--json")[1])
    header = next(csv.reader([ran(*model, "--show", table, "--csv")[1].splitlines()[0]]))

    assert rows
    assert all(list(row) == header for row in rows)


def test_columns_are_those_of_the_packaged_files() -> None:
    """A file that is written by the columns of its class is one that can be read."""
    assert {"total_tokens_per_second", "output_tokens_per_second_per_gpu"} <= set(
        columns(Throughput)
    )
