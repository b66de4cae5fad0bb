"""The command line: thin bodies over the floors below. Heavy libraries are imported inside the
commands that need them, so that `--help` and questions answer at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from breakeven.command import AMOUNT, SPAN, WHEN, Commands, Context, Imports, Sources
from breakeven.output import Format, Shape, output_options, say, write_json, write_rows

if TYPE_CHECKING:
    from breakeven.daemon import Report
    from pricebook.quote import Price
    from scraper.collect import Entered

Command = TypeVar("Command", bound=Callable[..., Any])

NO_WORKLOAD = "no [[workload]] is set; `breakeven init` writes examples"

UNKNOWN, PASSED = 1, 4
"""Exit codes that aren't an error's own; DESIGN section 11 has all of them."""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file (default: breakeven.toml, where there is one).",
)
@click.option("-v", "--verbose", is_flag=True, help="Tell more; tracebacks for faults.")
@click.version_option(package_name="breakeven")
@click.pass_context
def cli(context: click.Context, file: Path | None, verbose: bool) -> None:
    """Tells the day when hosting an LLM yourself becomes cheaper than renting one by API.

    It collects the prices of AWS GPU machines and of LLM providers, keeps their history with
    evidence, recomputes the ratio self-host : API of your workloads, and sends a Slack message or
    an e-mail when a ratio crosses a threshold. `breakeven demo` shows all of it without an account.
    Times are UTC.
    """
    import logging

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for chatty in ("apscheduler", "botocore", "boto3", "urllib3", "alembic", "mail.log"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    context.obj = Context(file)


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no ₂ or › gets its code; a price must not fail for an ornament.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    cli(prog_name="breakeven")


def selection(command: Command) -> Command:
    """Add the options that choose series."""
    for name in ("term", "region", "tier", "meter", "seller"):
        key = "service_tier" if name == "tier" else name
        command = click.option(f"--{name}", key, default="", help=f"Only this {name}.")(command)
    return command


@cli.command()
@click.option("--fast", is_flag=True, help="Don't pause for reading.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the database in this folder.")
def demo(fast: bool, keep: Path | None) -> None:
    """Show all of it on recorded facts, 2023 until now; no account.

    Prices are collected, compared and alerted on over HTTP and mail servers on this machine.
    """
    from breakeven.demo.story import run

    sys.exit(run(fast=fast, keep=keep))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("breakeven.toml"))
def init(file: Path) -> None:
    """Write a commented configuration and create its database."""
    from breakeven.daemon import App
    from breakeven.settings import Settings
    from breakeven.starter import write_config

    write_config(file)
    settings = Settings.load(file)
    App.open(settings)
    say(f"wrote {file} and created {settings.database_url}")
    say("next: edit the workloads in it, then `breakeven check` and `breakeven run --once`")


@cli.command()
@click.option("--once", is_flag=True, help="One pass over what is due, for cron.")
@click.pass_obj
def run(context: Context, once: bool) -> None:
    """Collect what is due, compare, alert: as a daemon, or once."""
    from breakeven.daemon import Daemon, run_pass

    app = context.app()
    app.listen = _told
    if once:
        sys.exit(_reported(run_pass(app), "nothing is due; `breakeven collect` fetches now"))
    Daemon(app, context.settings).run()


@cli.command()
@click.argument("sources", nargs=-1)
@click.pass_obj
def collect(context: Context, sources: tuple[str, ...]) -> None:
    """Fetch now, whether due or not: all sources, or those named."""
    from breakeven import daemon

    app = context.app()
    app.listen = _told
    names = [source.name for source in app.settings.sources(sources)]
    sys.exit(_reported(daemon.collect(app, names), "no source is set in [collect] sources"))


@cli.command()
@click.argument("source")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--url", default="", help="The address the document came from.")
@click.option("--at", type=WHEN, help="When it was fetched (default: now).")
@output_options
def read(source: str, file: Path, url: str, at: datetime | None, form: Format) -> None:
    """Read a saved page and print its prices; stores nothing.

    Exit 3 when some rows were set aside, 1 with the reason when the whole document is refused.
    """
    from breakeven.saved import read_document

    sys.exit(read_document(source, file, url, at, form))


@cli.command()
@click.argument("pattern", default="")
@selection
@click.option("--as-of", type=WHEN, help="The prices at that time.")
@click.option("--known-at", type=WHEN, help="As far as they were known at that time.")
@output_options
@click.pass_obj
def prices(
    context: Context,
    /,
    pattern: str,
    as_of: datetime | None,
    known_at: datetime | None,
    form: Format,
    **where: str,
) -> None:
    """Prices in force, of products whose name contains PATTERN."""
    from breakeven.views import PRICES, nothing_found
    from pricebook import book
    from pricebook.schema import reading
    from pricebook.series import Filter

    app = context.asked()
    with reading(app.engine) as connection:
        found = book.as_of(connection, as_of or app.now(), known_at, Filter(pattern, **where))
        empty = "" if found else nothing_found(connection, pattern, where)
    _write_prices(found, PRICES, form, empty)


@cli.command()
@click.argument("product")
@selection
@click.option("--since", type=WHEN, help="Changes from then on.")
@click.option("--until", type=WHEN, help="Changes before then.")
@click.option("--chart", "drawn", is_flag=True, help="Draw each series.")
@output_options
@click.pass_obj
def history(
    context: Context,
    /,
    product: str,
    since: datetime | None,
    until: datetime | None,
    drawn: bool,
    form: Format,
    **where: str,
) -> None:
    """Every change of PRODUCT's prices, oldest first."""
    from breakeven.views import HISTORY, history_of, nothing_found, price_charts
    from pricebook.schema import reading

    app = context.asked()
    with reading(app.engine) as connection:
        found = history_of(connection, product, where, since, until)
        empty = "" if found else nothing_found(connection, product, where)
    if drawn and found:
        click.echo("\n".join(price_charts(found, until or app.now())))
        return
    _write_prices(found, HISTORY, form, empty)


@cli.command()
@click.argument("product")
@selection
@click.option("--as-of", type=WHEN, help="Of the prices at that time.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the document to this file, or each to this folder, as it came.",
)
@output_options
@click.pass_obj
def evidence(
    context: Context,
    /,
    product: str,
    as_of: datetime | None,
    out: Path | None,
    form: Format,
    **where: str,
) -> None:
    """Where PRODUCT's prices were read: cell, document, time, digest.

    Exit 1 when the document is lost or there is none to write, 3 when some are lost.
    """
    from breakeven.evidence import show_evidence

    sys.exit(show_evidence(context.asked(), product, where, as_of, out, form))


@cli.group(invoke_without_command=True)
@click.option("--as-of", type=WHEN, help="At the prices of that time.")
@click.option("--fail-over", type=AMOUNT, help="Exit 4 when a ratio's point is above this.")
@output_options
@click.pass_context
def ratios(
    context: click.Context, as_of: datetime | None, fail_over: Decimal | None, form: Format
) -> None:
    """Cost of self-hosting : cost of the API, of every workload.

    Above 1 the API is cheaper.
    """
    from breakeven.views import RATIOS, evaluated, passed, ratio_row

    if context.invoked_subcommand:
        return
    found = evaluated(context.obj.asked(), as_of)
    write_rows([ratio_row(one, form) for one in found], RATIOS, form, empty=NO_WORKLOAD)
    sys.exit(PASSED if passed(found, fail_over) else 0)


@ratios.command("history")
@click.argument("workload")
@click.option("--until", type=WHEN, help="Up to that time (default: now).")
@click.option("--chart", "drawn", is_flag=True, help="Draw it.")
@output_options
@click.pass_obj
def ratio_history(
    context: Context, workload: str, until: datetime | None, drawn: bool, form: Format
) -> None:
    """A workload's ratio at every change of a price in the book's past."""
    from breakeven.ratio_history import RATIO_HISTORY, moment_row, moments, ratio_chart
    from breakeven.views import workload_of

    app = context.asked()
    one, end = workload_of(app, workload), until or app.now()
    found = moments(app, one, end)
    if drawn:
        click.echo("\n".join(ratio_chart(found, end) or ["nothing is known to draw"]))
        return
    rows = [moment_row(one, each, form) for each in found]
    write_rows(rows, RATIO_HISTORY, form, empty="no price of this workload is in the book")


@cli.command()
@click.argument("workload")
@click.option("--as-of", type=WHEN, help="At the prices of that time.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def explain(context: Context, workload: str, as_of: datetime | None, as_json: bool) -> None:
    """What stands behind a ratio: inputs, working, break-even.

    Exit 1 when there is no ratio because a price is missing.
    """
    from breakeven.views import explained

    text, missing = explained(context.asked(), workload, as_of, as_json=as_json)
    click.echo(text)
    sys.exit(UNKNOWN if missing else 0)


@cli.command()
@click.option("--as-of", type=WHEN, help="Up to that time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_obj
def article(context: Context, as_of: datetime | None, as_json: bool) -> None:
    """What "OpenAI is too cheap to beat" said in October 2023, at the prices of each quarter since.

    Needs no book: before its first price the history that comes with breakeven holds.
    """
    from breakeven.article import lines, recompute

    app = context.asked()
    found = recompute(app, as_of or app.now())
    if as_json:
        write_json([one.as_dict() for one in found])
    else:
        click.echo("\n".join(lines(found)))


@cli.command()
@click.argument("machine")
@click.option("--region", default="us-east-1", show_default=True, help="Where it is rented.")
@click.option("--as-of", type=WHEN, help="At the prices of that time.")
@click.option(
    "--needs",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the machines needed in each hour, one number a line; it repeats.",
)
@output_options
@click.pass_obj
def commitments(
    context: Context,
    machine: str,
    region: str,
    as_of: datetime | None,
    needs: Path | None,
    form: Format,
) -> None:
    """What each reservation and Savings Plan of MACHINE is worth, and how many to take."""
    from breakeven.commitments import COMMITMENTS, commitment_rows, read_needs

    hourly = read_needs(needs) if needs else ()
    rows = commitment_rows(context.asked(), machine, region, as_of, hourly, form)
    nothing = f"no reservation or Savings Plan of {machine} in {region} is in the book"
    write_rows(rows, COMMITMENTS, form, empty=nothing)


@cli.group(invoke_without_command=True)
@click.option("--since", type=WHEN, help="Events from then on.")
@output_options
@click.pass_context
def alerts(context: click.Context, since: datetime | None, form: Format) -> None:
    """Events and what became of their messages."""
    if not context.invoked_subcommand:
        _list_alerts(context.obj, since, form)


@alerts.command("list")
@click.option("--since", type=WHEN, help="Events from then on.")
@output_options
@click.pass_obj
def alerts_list(context: Context, since: datetime | None, form: Format) -> None:
    """The same as `alerts` alone."""
    _list_alerts(context, since, form)


@alerts.command("test")
@click.argument("receiver")
@click.pass_obj
def alerts_test(context: Context, receiver: str) -> None:
    """Send a real test message to RECEIVER, now and without the outbox."""
    from breakeven.actions import send_test

    say(send_test(context.settings(), receiver))


@cli.group(invoke_without_command=True)
@output_options
@click.pass_context
def review(context: click.Context, form: Format) -> None:
    """What was set aside, for you to accept or reject.

    It is never compared or alerted on until you say.
    """
    from breakeven.views import REVIEWS, review_rows

    if context.invoked_subcommand:
        return
    rows = review_rows(context.obj.asked(), form)
    write_rows(rows, REVIEWS, form, empty="nothing waits for review")


@review.command("accept")
@click.argument("number", type=int)
@click.pass_obj
def review_accept(context: Context, number: int) -> None:
    """Believe it: the price is written with the time it was first read, and judged."""
    from breakeven.actions import accept

    say(accept(context.asked(), number))


@review.command("reject")
@click.argument("number", type=int)
@click.pass_obj
def review_reject(context: Context, number: int) -> None:
    """Don't believe it: this amount stays out, however often it is read."""
    from breakeven.actions import reject

    say(reject(context.asked(), number))


@cli.group(cls=Sources)
def sources() -> None:
    """What is collected, and whether others say the same."""


@sources.command("list")
@click.argument("name", required=False)
@output_options
@click.pass_obj
def sources_list(context: Context, name: str | None, form: Format) -> None:
    """What is collected, how old it is, how the last run ended.

    `list` may be left out: `breakeven sources`, `breakeven sources openai`.
    """
    from breakeven.views import SOURCES, source_rows

    rows = source_rows(context.asked(), name, form)
    write_rows(rows, SOURCES, form, empty="no source is set in [collect] sources")


@sources.command("audit")
@click.argument("catalogues", metavar="[CATALOGUE=FILE]...", nargs=-1)
@output_options
@click.pass_obj
def sources_audit(context: Context, catalogues: tuple[str, ...], form: Format) -> None:
    """The book's prices beside those of catalogues, and who is likely stale.

    Catalogues are genai-prices, when it is installed, and the saved answers of models.dev and
    openrouter: models.dev=api.json. People are shown what differs, programs all of it.
    """
    from breakeven.auditing import write_audit

    write_audit(context.asked(), catalogues, form)


@cli.group("import", cls=Imports)
def imports() -> None:
    """Bring in what others say of past prices; docs/import.md.

    It never overrides what breakeven has read itself: conflicts are shown, and exit is 3. Nothing
    that is learnt of the past raises an alert.
    """


@imports.command("from")
@click.argument("what")
@click.argument("document", type=click.Path(path_type=Path), required=False)
@click.option("--at", type=WHEN, help="The day the document was saved: its undated prices' day.")
@click.option("--partial", is_flag=True, help="Leave out rows of a CSV file that are wrong.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def import_from(
    context: Context,
    what: str,
    document: Path | None,
    at: datetime | None,
    partial: bool,
    as_json: bool,
) -> None:
    """Statements from WHAT: a CSV file, `curated`, or a catalogue.

    `curated` is the history that comes with breakeven: GPU machines since 2020, models since 2022.
    Catalogues are genai-prices, as installed, or the saved DOCUMENT of models.dev or openrouter. A
    CSV file is as `breakeven export` writes it; when a row is wrong nothing is written. `from` may
    be left out.
    """
    from breakeven.importing import import_from, report

    done = import_from(context.app(), what, document, at, partial=partial)
    sys.exit(report(done, as_json=as_json))


@imports.command("aws")
@click.option("--since", type=WHEN, required=True, help="From the list in force then on.")
@click.option("--region", "regions", multiple=True, help="These (default: [aws] regions).")
@click.pass_obj
def import_aws(context: Context, since: datetime, regions: tuple[str, ...]) -> None:
    """EC2 prices of the past, from AWS's archive of price lists.

    Each list of a large region has hundreds of megabytes. It may be stopped at any time: run again,
    it goes on where it was. Needs no account.
    """
    from breakeven.archive import import_aws

    sys.exit(import_aws(context.app(), regions, since))


@cli.command()
@click.option("--since", type=WHEN, help="Changes from then on.")
@output_options
@click.pass_obj
def export(context: Context, since: datetime | None, form: Format) -> None:
    """The book's history as a CSV file that `import` takes, or as JSON."""
    from breakeven.exporting import export

    export(context.asked(), since, form)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Health of sources, daemon and messages; exit 1 when ill."""
    from breakeven.health import health, write_health

    report = health(context.asked())
    write_health(report, as_json=as_json)
    sys.exit(0 if report["healthy"] else 1)


@cli.command()
@output_options
@click.pass_obj
def check(context: Context, form: Format) -> None:
    """Try configuration, database, account and receivers.

    Says what to do about each; sends nothing. Exit 2 when a setting is wrong, 1 when something
    else is.
    """
    from breakeven.health import checks
    from breakeven.views import CHECKS, check_row

    found = list(checks(context.settings))
    write_rows([check_row(one, form) for one in found], CHECKS, form)
    sys.exit(max(one.error.exit_code if one.error else 0 for one in found))


@cli.command()
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


@cli.command()
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
    """What was measured of MODEL, with sources; without it, of which models.

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


@cli.command()
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


def _list_alerts(context: Context, since: datetime | None, form: Format) -> None:
    from breakeven.views import ALERTS, alert_rows

    rows = alert_rows(context.asked(), since, form)
    write_rows(rows, ALERTS, form, empty="no events yet")


def _write_prices(found: Sequence[Price], shape: Shape, form: Format, empty: str) -> None:
    from breakeven.views import price_row

    write_rows([price_row(price, form) for price in found], shape, form, empty=empty)


def _told(entered: Entered) -> None:
    """One line on stderr for each partition of a run."""
    words = [f"{entered.quotes} prices", f"{len(entered.changes)} changed"]
    if entered.held:
        reasons = ", ".join(dict.fromkeys(one.reason for one in entered.held))
        words.append(f"{len(entered.held)} need review ({reasons})")
    if entered.error:
        sentence = str(entered.error).removeprefix(f"{entered.partition}: ")
        words = [sentence] if entered.outcome == "failed" else [*words, sentence]
    say(f"{entered.partition:<20} {entered.outcome:<9} {'; '.join(words)}")


def _reported(report: Report, nothing: str) -> int:
    if not report.entered:
        say(nothing)
    for event in report.events:
        subject = ", ".join(word for word in (event.rule, event.workload) if word)
        say(f"event: {subject}: {event.kind}")
    for one in report.deliveries:
        reason = "" if one.result == "delivered" else f" ({one.reason})"
        say(f"message to {one.receiver}: {one.result}{reason}")
    return report.exit_code
