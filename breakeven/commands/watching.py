"""What needs a person: `review`, `sources`."""

from __future__ import annotations

import click

from breakeven.command import Context, Sources
from breakeven.output import Format, output_options, say, write_rows


@click.group(invoke_without_command=True)
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


@click.group(cls=Sources)
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


COMMANDS = (
    review,
    sources,
)
