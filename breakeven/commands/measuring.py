"""How fast models are: `throughput`, `measure`, and what a log of requests tells: `usage`."""

from __future__ import annotations

import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from breakeven.command import AMOUNT, SPAN, Context
from breakeven.output import Format, output_options, say, write_rows


@click.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), help="Of LOG, if unclear.")
@click.option("--window", type=SPAN, default="1h", help="The peak is the fullest one (1h).")
@click.option("--input-field", "input", help="Where the input tokens are, cached ones included.")
@click.option("--output-field", "output", help="Where the output tokens are.")
@click.option("--cached-field", "cached", help="Where the cached part of the input is.")
@click.option("--time-field", "time", help="Where the time is; without a zone it is UTC.")
@click.option(
    "--machine-speed", type=AMOUNT, help="Tokens a second of one machine, to count steps."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def usage(
    log: Path,
    kind: str | None,
    window: timedelta,
    machine_speed: Decimal | None,
    as_json: bool,
    **names: str | None,
) -> None:
    """Lengths, load and utilisation from LOG, your own requests.

    LOG is JSONL or CSV with the tokens of each request and its time, as OpenAI's usage objects and
    most gateways have them; `-` is standard input. Other fields are named by flags, with dots for
    fields in fields. Prints what to paste into a workload. Exit 3 when some entries can't be used,
    2 when more than one in twenty can't.
    """
    from breakeven.usage_log import Names
    from breakeven.usage_report import read_usage, write_usage

    report = read_usage(log, kind, Names(**names), window, machine_speed)
    sys.exit(write_usage(report, as_json=as_json))


@click.command()
@click.argument("model", default="")
@click.option("--gpu", default="", help="Only on this GPU: H100, A100-80GB.")
@click.option("--instance", default="", help="Only on the GPU of this EC2 type.")
@click.option(
    "--show",
    type=click.Choice(["throughput", "service", "finetuning", "runs", "instances"]),
    default="throughput",
    help="Speeds of inference (default), fitted laws, fine-tuning, whole runs, machines.",
)
@click.option("--equivalents-of", metavar="API_MODEL", help="Open models that may stand for it.")
@output_options
@click.pass_obj
def throughput(
    context: Context,
    model: str,
    gpu: str,
    instance: str,
    show: str,
    equivalents_of: str | None,
    form: Format,
) -> None:
    """What was measured of MODEL, or of all, with its sources.

    Rates are of a group of GPUs, or per GPU where the column says so. Fitted laws hold inside the
    lengths that are shown. An open model is called equivalent when two tests say so and none
    differs; whether it is for your work, you decide.
    """
    from breakeven import measurements_view as view
    from comparator.catalogue import load

    catalogue = load(context.settings().throughput_files)
    if equivalents_of:
        rows = view.equivalents(catalogue, equivalents_of, form)
        write_rows(rows, view.EQUIVALENTS, form)
    elif not (model or gpu or instance) and show == "throughput":
        write_rows(view.models(catalogue, form), view.MODELS, form)
    else:
        rows = view.measurements(catalogue, show, model, gpu, instance, form)
        write_rows(rows, view.SHAPES[show], form, empty="nothing of that was measured")
        more = view.also(catalogue, show, model) if model and form.kind == "table" else ""
        if more:
            say(more)


@click.command()
@click.argument("url")
@click.option("--model", required=True, help="As the server calls it.")
@click.option("--input-tokens", type=int, help="Of each request, as near as words come to it.")
@click.option("--output-tokens", type=int, help="Of each answer.")
@click.option("--usage", "log", type=click.Path(path_type=Path), help="Or: lengths of this log.")
@click.option("--concurrency", type=int, default=8, help="Requests at a time (8).")
@click.option("--requests", type=int, default=200, help="At most so many (200).")
@click.option("--seconds", type=int, default=120, help="For no longer than that (120).")
@click.option("--api-key-env", help="Environment variable with the server's key.")
@click.option("--gpu", default="", help="What it runs on, as in `throughput`: H100.")
@click.option("--gpus", type=click.IntRange(1), default=1, help="How many serve the model (1).")
@click.option("--precision", default="", help="Of the weights: fp8, bf16.")
@click.option("--engine", default="", help="vLLM, SGLang, llama.cpp.")
@click.option("--out", type=click.Path(path_type=Path), help="Append a row to this CSV file.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def measure(url: str, model: str, as_json: bool, out: Path | None, **given: Any) -> None:
    """Load your own server at URL and measure its speed.

    URL is that of an OpenAI-compatible server: http://localhost:8000. It gets streamed requests of
    random words, --concurrency at a time, until --requests or --seconds are used up; tokens are
    those that it counts itself. The rate is that of the time in which all workers were busy, after
    each had its first answer. Ctrl-C ends it and keeps what was measured. With --out, which needs
    --gpu and --engine, a row is appended to a CSV file, which `[throughput] files` may name. Exit 3
    when some requests failed or the server doesn't count tokens.
    """
    from breakeven import measure_report as report
    from breakeven.measuring import Plan

    endpoint = report.endpoint_of(url, model, given["api_key_env"])
    lengths = report.lengths_of(given["input_tokens"], given["output_tokens"], given["log"])
    plan = Plan(endpoint, lengths, given["concurrency"], given["requests"], given["seconds"])
    server = report.Server(*(given[name] for name in ("gpu", "gpus", "precision", "engine")))
    sys.exit(report.write_measured(report.measure(plan, server, out), as_json=as_json))


COMMANDS = (
    usage,
    throughput,
    measure,
)
