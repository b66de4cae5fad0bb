"""Into the book and out of it: `import`, `export`, `prune`."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import click

from breakeven.command import SPAN, WHEN, Context, Imports
from breakeven.output import Format, output_options


@click.group("import", cls=Imports)
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


@imports.command("book")
@click.argument("url")
@click.pass_obj
def import_book(context: Context, url: str) -> None:
    """All of another book, the one at URL, into an empty one.

    That is how a book moves from SQLite to PostgreSQL, or back: prices with their evidence, ratios,
    alerts, and where each rule stands. Let `[database] url` name the new book, and stop the daemon
    first: what it writes meanwhile stays behind. A password needs not stand in URL: PGPASSWORD and
    ~/.pgpass are asked, too.
    """
    from breakeven.importing import import_book

    import_book(context.app(), url)


@click.command()
@click.option("--since", type=WHEN, help="Changes from then on.")
@click.option(
    "--parquet",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Instead: add what is new since the last time to Parquet files in this folder.",
)
@output_options
@click.pass_obj
def export(context: Context, since: datetime | None, folder: Path | None, form: Format) -> None:
    """The book's history as CSV for `import`, JSON or Parquet."""
    from breakeven.exporting import export
    from breakeven.lake import export_parquet

    if folder is None:
        export(context.asked(), since, form)
        return
    if since:
        raise click.UsageError("--parquet knows itself since when; leave --since out")
    export_parquet(context.asked(), folder)


@click.command()
@click.option("--older-than", "keep", type=SPAN, default="90d", help="What may go (90d).")
@click.option("--dry-run", is_flag=True, help="Say what would go.")
@click.option("--vacuum/--no-vacuum", default=True, help="Give the space back (default).")
@click.pass_obj
def prune(context: Context, keep: timedelta, dry_run: bool, vacuum: bool) -> None:
    """Forget old looks that changed nothing, and their documents.

    Prices are never forgotten, nor what one points to: its document, its look. Of the other looks
    the last of each day stays. Documents without which nothing is unproved are deleted from the
    evidence folder or bucket. Exit 3 when some couldn't be.
    """
    from breakeven.pruning import run_prune

    sys.exit(run_prune(context.asked(), keep, dry_run=dry_run, vacuum=vacuum))


COMMANDS = (
    imports,
    export,
    prune,
)
