"""Questions about prices and ratios: `prices`, `history`, `ratios`, `explain` and more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from breakeven.command import AMOUNT, WHEN, Context
from breakeven.output import Format, Shape, output_options, write_json, write_rows

if TYPE_CHECKING:
    from pricebook.quote import Price

Command = TypeVar("Command", bound=Callable[..., Any])

NO_WORKLOAD = "no [[workload]] is set; `breakeven init` writes examples"

UNKNOWN, PASSED = 1, 4
"""Exit codes that aren't an error's own; DESIGN section 11 has all of them."""


def selection(command: Command) -> Command:
    """Add the options that choose series."""
    for name in ("term", "region", "tier", "meter", "seller"):
        key = "service_tier" if name == "tier" else name
        command = click.option(f"--{name}", key, default="", help=f"Only this {name}.")(command)
    return command


@click.command()
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
    from breakeven.price_question import nothing_found
    from breakeven.price_view import PRICES
    from pricebook import answers
    from pricebook.series import Filter

    with context.asking() as asked:
        at = as_of or datetime.now(UTC)
        found = answers.as_of(asked, at, known_at, Filter(pattern, **where))
        empty = "" if found else nothing_found(asked, pattern, where)
    _write_prices(found, PRICES, form, empty)


@click.command()
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
    from breakeven.price_question import history_of, nothing_found
    from breakeven.price_view import HISTORY, price_charts

    with context.asking() as asked:
        found = history_of(asked, product, where, since, until)
        empty = "" if found else nothing_found(asked, product, where)
    if drawn and found:
        click.echo("\n".join(price_charts(found, until or datetime.now(UTC))))
        return
    _write_prices(found, HISTORY, form, empty)


@click.command()
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
    """Where PRODUCT's prices were read: cell, document and time.

    Exit 1 when the document is lost or there is none to write, 3 when some are lost.
    """
    from breakeven.evidence import show_evidence

    sys.exit(show_evidence(context.asked(), product, where, as_of, out, form))


@click.group(invoke_without_command=True)
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
    from breakeven.ratio_view import RATIOS, evaluated, passed, ratio_row

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
    from breakeven.ratio_view import workload_of

    app = context.asked()
    one, end = workload_of(app, workload), until or app.now()
    found = moments(app, one, end)
    if drawn:
        click.echo("\n".join(ratio_chart(found, end) or ["nothing is known to draw"]))
        return
    rows = [moment_row(one, each, form) for each in found]
    write_rows(rows, RATIO_HISTORY, form, empty="no price of this workload is in the book")


@click.command()
@click.argument("workload")
@click.option("--as-of", type=WHEN, help="At the prices of that time.")
@click.option("--since", type=WHEN, help="Instead: what moved the ratio since that time.")
@click.option("--beside", metavar="WORKLOAD", help="Instead: why it isn't the ratio of that one.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def explain(
    context: Context,
    workload: str,
    as_of: datetime | None,
    since: datetime | None,
    beside: str | None,
    as_json: bool,
) -> None:
    """What stands behind a ratio: inputs, working, break-even.

    Exit 1 when there is no ratio because a price is missing.
    """
    if since or beside:
        from breakeven.explaining import changed, written

        change = changed(context.asked(), workload, as_of, since, beside)
        click.echo(written(change, as_json=as_json))
        sys.exit(UNKNOWN if change.factor is None else 0)
    from breakeven.ratio_view import explained

    text, missing = explained(context.asked(), workload, as_of, as_json=as_json)
    click.echo(text)
    sys.exit(UNKNOWN if missing else 0)


@click.command()
@click.option("--as-of", type=WHEN, help="Up to that time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_obj
def article(context: Context, as_of: datetime | None, as_json: bool) -> None:
    """Claims of the article of 2023 at each quarter's prices.

    "OpenAI is too cheap to beat" began breakeven; its claims are worked out again. Needs no book:
    before its first price the history that comes with breakeven holds.
    """
    from breakeven.article import lines, recompute

    app = context.asked()
    found = recompute(app, as_of or app.now())
    if as_json:
        write_json([one.as_dict() for one in found])
    else:
        click.echo("\n".join(lines(found)))


@click.command()
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
    """What reservations of MACHINE are worth, and how many to take.

    Savings Plans, too.
    """
    from breakeven.commitments import COMMITMENTS, commitment_rows, read_needs

    hourly = read_needs(needs) if needs else ()
    rows = commitment_rows(context.asked(), machine, region, as_of, hourly, form)
    nothing = (
        f"no reservation or Savings Plan of {machine} in {region} is in the book;"
        " `breakeven collect aws-ec2` brings them"
    )
    write_rows(rows, COMMITMENTS, form, empty=nothing)


def _write_prices(found: Sequence[Price], shape: Shape, form: Format, empty: str) -> None:
    from breakeven.price_view import price_row

    write_rows((price_row(price, form) for price in found), shape, form, empty=empty)


COMMANDS = (
    prices,
    history,
    evidence,
    ratios,
    explain,
    article,
    commitments,
)
