"""Setting up, running and looking after it: `init`, `run`, `collect`, `status`, `check`, `demo`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakeven.command import WHEN, Context
from breakeven.output import Format, output_options, say, write_rows

if TYPE_CHECKING:
    from breakeven.daemon import Report
    from scraper.collect import Entered


@click.command()
@click.option("--fast", is_flag=True, help="Don't pause for reading.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the database in this folder.")
def demo(fast: bool, keep: Path | None) -> None:
    """Show all of it on recorded facts, 2023 until now; no account.

    Prices are collected, compared and alerted on over HTTP and mail servers on this machine.
    """
    from breakeven.demo.story import run

    sys.exit(run(fast=fast, keep=keep))


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("breakeven.toml"))
def init(file: Path) -> None:
    """Write a commented configuration and create its database."""
    from breakeven.app import App
    from breakeven.settings import Settings
    from breakeven.starter import write_config

    write_config(file)
    settings = Settings.load(file)
    App.open(settings).engine.dispose()
    say(f"wrote {file} and created {settings.database_url}")
    say("next: edit the workloads in it, then `breakeven check` and `breakeven run --once`")


@click.command()
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


@click.command()
@click.argument("sources", nargs=-1)
@click.pass_obj
def collect(context: Context, sources: tuple[str, ...]) -> None:
    """Fetch now, whether due or not: all sources, or those named."""
    from breakeven import daemon

    app = context.app()
    app.listen = _told
    names = [source.name for source in app.settings.sources(sources)]
    sys.exit(_reported(daemon.collect(app, names), "no source is set in [collect] sources"))


@click.command()
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


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Health of sources, daemon and messages; exit 1 when ill."""
    from breakeven.health import health, write_health

    report = health(context.asked())
    write_health(report, as_json=as_json)
    sys.exit(0 if report["healthy"] else 1)


@click.command()
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


COMMANDS = (
    demo,
    init,
    run,
    collect,
    read,
    status,
    check,
)
