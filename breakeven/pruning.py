"""`breakeven prune`: forget old heartbeats, and evidence that no price points to."""

from __future__ import annotations

from datetime import timedelta

from breakeven.app import App
from breakeven.archive import ARCHIVE
from breakeven.output import say
from pricebook.errors import EvidenceLost
from pricebook.pruning import Pruned, is_known, prune
from pricebook.schema import compact, reading
from scraper.evidence import Evidence


def run_prune(app: App, keep: timedelta, *, dry_run: bool, vacuum: bool) -> int:
    """Forget what is older than `keep`, and say what; gives the exit code, 3: files were left."""
    with app.engine.connect() as connection, connection.begin() as transaction:
        found = prune(connection, app.now() - keep, spared=(ARCHIVE,))
        if dry_run:
            transaction.rollback()
    say(_in_words(found, "would be forgotten" if dry_run else "forgotten"))
    if dry_run:
        return 0
    failed = _drop(app, found)
    if vacuum:
        compact(app.engine)
    return 3 if failed else 0


def _drop(app: App, found: Pruned) -> int:
    """Drop the files after the rows: one too many is harmless, one too few is not."""
    store, failed = app.settings.evidence_store(), 0
    for digest in found.digests:
        with reading(app.engine) as connection:
            came_again = is_known(connection, digest)
        if not came_again and not _dropped(store, digest):
            failed += 1
    if failed:
        say(f"{failed} documents couldn't be dropped; nothing points to them any more")
    return failed


def _dropped(store: Evidence, digest: str) -> bool:
    try:
        store.drop(digest)
    except (EvidenceLost, OSError) as error:
        say(str(error))
        return False
    return True


def _in_words(found: Pruned, verb: str) -> str:
    return (
        f"{verb}: {found.looks:,} looks that changed nothing, {found.answers:,} answers,"
        f" {len(found.digests):,} documents of {found.bytes // 10**6:,} MB"
    )
