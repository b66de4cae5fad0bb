"""The command line: thin bodies over the floors below. Heavy libraries are imported inside the
commands that need them, so that `--help` and questions answer at once."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from breakeven.command import Commands, Context
from breakeven.commands import alerting, asking, measuring, moving, running, watching


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


for _part in (running, asking, alerting, watching, moving, measuring):
    for _command in _part.COMMANDS:
        cli.add_command(_command)
