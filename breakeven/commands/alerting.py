"""What rules have said, would have said, and are to be silent about: `alerts`, `rules`,
`backtest`."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import click

from breakeven.command import SPAN, WHEN, Context
from breakeven.output import Format, output_options, say, write_json, write_rows


@click.group(invoke_without_command=True)
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


@alerts.command("show")
@click.argument("event", default="")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def alerts_show(context: Context, event: str, as_json: bool) -> None:
    """One event whole: why, where it was read, who was told.

    EVENT is its number, or the beginning of it; the newest event without.
    """
    from breakeven.event_view import lines, shown

    found = shown(context.asked(), event)
    if as_json:
        write_json(found.as_dict())
    else:
        click.echo("\n".join(lines(found)))


@alerts.command("silence")
@click.argument("what")
@click.option("--until", type=WHEN, help="Nobody is told until then.")
@click.option("--for", "span", type=SPAN, help="Nobody is told for so long: 6h, 3d.")
@click.option("--reason", required=True, help="Why, for those who wonder.")
@click.pass_obj
def alerts_silence(
    context: Context, what: str, until: datetime | None, span: timedelta | None, reason: str
) -> None:
    """Tell nobody of WHAT for a while.

    WHAT is a rule's name, a workload's, or a pattern with * and ? that fits one of these or a price
    that moves ("openai *"). Events are recorded as ever; what is still so at the end is told then.
    """
    from breakeven.silencing import silence

    ends = until or span
    if ends is None or (until and span):
        raise click.UsageError("say how long: give either --until or --for")
    say(silence(context.app(), what, ends, reason))


@alerts.command("silences")
@output_options
@click.pass_obj
def alerts_silences(context: Context, form: Format) -> None:
    """Silences and maintenance that haven't ended."""
    from breakeven.silencing import SILENCES, silence_rows

    rows = silence_rows(context.asked(), form)
    write_rows(rows, SILENCES, form, empty="nothing is silenced")


@alerts.command("unsilence")
@click.argument("number", type=int)
@click.pass_obj
def alerts_unsilence(context: Context, number: int) -> None:
    """End silence NUMBER now."""
    from breakeven.silencing import unsilence

    say(unsilence(context.asked(), number))


@alerts.command("test")
@click.argument("receiver")
@click.pass_obj
def alerts_test(context: Context, receiver: str) -> None:
    """Send a real test message to RECEIVER, now and without the outbox."""
    from breakeven.actions import send_test

    say(send_test(context.settings(), receiver))


def _list_alerts(context: Context, since: datetime | None, form: Format) -> None:
    from breakeven.views import ALERTS, alert_rows

    rows = alert_rows(context.asked(), since, form)
    write_rows(rows, ALERTS, form, empty="no events yet")


@click.group()
def rules() -> None:
    """What rules make of figures that you make up."""


@rules.command("test")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@output_options
@click.pass_obj
def rules_test(context: Context, file: Path, form: Format) -> None:
    """Run the cases of FILE: made-up looks in, expected events out.

    docs/rules-test.md shows how they are written. Exit 1 when one fails.
    """
    from breakeven.rule_tests import RULE_TESTS, counted, run_tests, verdict_row

    found = run_tests(context.settings(), file)
    write_rows([verdict_row(one, form) for one in found], RULE_TESTS, form)
    say(counted(found))
    sys.exit(0 if all(one.passed for one in found) else 1)


@click.command()
@click.argument("names", metavar="[RULE]...", nargs=-1)
@click.option(
    "--since", type=WHEN, help="As if the rules were set then (default: the first price)."
)
@click.option("--until", type=WHEN, help="Up to that time (default: now).")
@click.option("--examples", "shipped", is_flag=True, help="Rules that come with breakeven.")
@output_options
@click.pass_obj
def backtest(
    context: Context,
    names: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    shipped: bool,
    form: Format,
) -> None:
    """What rules would have told in the past.

    By the book, and before its first price by the history that comes with breakeven. Nothing is
    stored or sent. docs/backtest.md says how the past is looked at.
    """
    from breakeven.backtesting import BACKTEST, told_row
    from breakeven.backtesting import backtest as tried

    found = tried(context.asked(), names, since, until, shipped_rules=shipped)
    rows = [told_row(one, form) for one in found.told]
    write_rows(rows, BACKTEST, form, empty="nothing would have been told")
    say(found.words)


COMMANDS = (alerts, rules, backtest)
