"""The command line: thin bodies over the floors below.

A command's module is imported when the command is asked for, and heavy libraries inside the bodies
that need them, so that `--help` and questions answer at once.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count."""

COMMANDS = {
    "alerts": ("alerting", "Events and what became of their messages."),
    "article": ("asking", "Claims of the article of 2023 at each quarter's prices."),
    "backtest": ("alerting", "What rules would have told in the past."),
    "check": ("running", "Try configuration, database, account and receivers."),
    "collect": ("running", "Fetch now, whether due or not: all sources, or those named."),
    "commitments": ("asking", "What reservations of MACHINE are worth, and how many to take."),
    "demo": ("running", "Show all of it on recorded facts, 2023 until now; no account."),
    "evidence": ("asking", "Where PRODUCT's prices were read: cell, document and time."),
    "explain": ("asking", "What stands behind a ratio: inputs, working, break-even."),
    "export": ("moving", "The book's history as CSV for `import`, JSON or Parquet."),
    "history": ("asking", "Every change of PRODUCT's prices, oldest first."),
    "import": ("moving", "Bring in what others say of past prices; docs/import.md."),
    "init": ("running", "Write a commented configuration and create its database."),
    "measure": ("measuring", "Load your own server at URL and measure its speed."),
    "prices": ("asking", "Prices in force, of products whose name contains PATTERN."),
    "prune": ("moving", "Forget old looks that changed nothing, and their documents."),
    "ratios": ("asking", "Cost of self-hosting : cost of the API, of every workload."),
    "read": ("running", "Read a saved page and print its prices; stores nothing."),
    "review": ("watching", "What was set aside, for you to accept or reject."),
    "rules": ("alerting", "What rules make of figures that you make up."),
    "run": ("running", "Collect what is due, compare, alert: as a daemon, or once."),
    "sources": ("watching", "What is collected, and whether others say the same."),
    "status": ("running", "Health of sources, daemon and messages; exit 1 when ill."),
    "throughput": ("measuring", "What was measured of MODEL, or of all, with its sources."),
    "usage": ("measuring", "Lengths, load and utilisation from LOG, your own requests."),
}
"""The module in `breakeven.commands` that has a command, and the first line of its help, which
`--help` shows without importing it."""


class Commands(click.Group):
    """The commands, with every error of theirs told in one sentence and as its exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        part = import_module(f"breakeven.commands.{COMMANDS[cmd_name][0]}")
        known: dict[str, click.Command] = {one.name: one for one in part.COMMANDS}
        return known[cmd_name]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is asked for; a UsageError names the nearest where there is none."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, does) for name, (_, does) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit) as error:
            raise _advised(error) from None
        except BrokenPipeError:
            # The reader of our output has gone, as `head` does; nothing more may be flushed to it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)
        except Exception as error:
            from breakeven.command import sentence
            from breakeven.output import say
            from pricebook.errors import BreakevenError

            if ctx.params["verbose"] and not isinstance(error, BreakevenError):
                raise
            say(f"Error: {sentence(error)}")
            sys.exit(getattr(error, "exit_code", 1))


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

    from breakeven.command import Context

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
    # What is left at the end goes with the process: to search it for cycles takes 50 ms.
    atexit.register(gc.freeze)
    cli(prog_name="breakeven")


def _advised(error: Exception) -> Exception:
    if isinstance(error, click.NoSuchOption) and error.option_name == "--config":
        words = "--config goes before the command: breakeven --config FILE COMMAND"
        return click.UsageError(words, error.ctx)
    return error
