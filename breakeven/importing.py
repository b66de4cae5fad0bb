"""Statements of others about the past, into the book: a CSV file, a catalogue, our own list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakeven.app import App
from breakeven.output import say, write_json
from pricebook import book, runs, statements
from pricebook.asking import sqlite_file
from pricebook.config import naming
from pricebook.copying import copy_book
from pricebook.errors import ConfigError, DatabaseError
from pricebook.quote import digits, isoformat
from pricebook.schema import open_book
from pricebook.statements import Fault, Statements
from scraper import catalogs
from scraper.catalogs import genai_prices
from scraper.collect import decoded
from scraper.document import Document, Provider, reading_of

if TYPE_CHECKING:
    from sqlalchemy import Engine

CURATED = "curated"
"""The list that comes with breakeven: `scraper/catalogs/curated.csv`."""

PARTLY = 3
"""Exit code: some of it was not written (DESIGN section 11)."""

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: `statements` were believed, of which `changes` were news.

    `undated`: prices of a catalogue that gives no day for them, which is no history.
    """

    source: str
    statements: int
    changes: Sequence[book.Change]
    conflicts: Sequence[book.Conflict]
    faults: Sequence[Fault] = ()
    undated: int = 0

    @property
    def exit_code(self) -> int:
        """0 when everything is in the book now, 3 when some of it isn't."""
        return PARTLY if self.conflicts or self.faults else 0

    def as_dict(self) -> dict[str, Any]:
        """The answer of `import --json` (docs/json.md)."""
        return {
            "source": self.source,
            "statements": self.statements,
            "written": len(self.changes),
            "known": self.statements - len(self.changes) - len(self.conflicts),
            "undated": self.undated,
            "conflicts": [_conflict(one) for one in self.conflicts],
            "faults": [{"line": one.line, "sentence": one.sentence} for one in self.faults],
        }


def import_from(
    app: App, what: str, document: Path | None, at: datetime | None, *, partial: bool
) -> Imported:
    """What a CSV file, `curated` or a catalogue says of the past; ConfigError for anything else.

    `document` is a catalogue's saved answer, `at` the day that its undated prices are taken to
    hold from.
    """
    known = catalogs_by_name()
    if what in known:
        return _import_catalog(app, catalog_document(what, document, app.now()), known[what], at)
    if document is not None or at is not None:
        raise ConfigError(
            f"{what} is no catalogue, so it takes neither a document nor --at;"
            f" known: {', '.join(known)}"
        )
    if what == CURATED:
        return _import_curated(app)
    if not Path(what).is_file():
        raise ConfigError(f"{what} is no file and no list; known: {CURATED}, {', '.join(known)}")
    return _import_file(app, Path(what), partial=partial)


def catalogs_by_name() -> dict[str, Provider]:
    """The catalogues that can be read, by the names that users give them."""
    return {one.SELLER: one for one in map(catalogs.load, catalogs.names())}


def catalog_document(name: str, file: Path | None, now: datetime) -> Document:
    """What a catalogue says: its saved answer, or for genai-prices the installed package."""
    if file is None and name == genai_prices.SELLER:
        return genai_prices.installed(now)
    if file is None:
        raise ConfigError(f"{name} needs the file that its answer was saved in")
    with naming(file):
        text = _text(file)
    return Document(file.name, "json", text, now, sha256(text.encode()).hexdigest())


def _import_catalog(
    app: App, document: Document, catalog: Provider, at: datetime | None
) -> Imported:
    """Its dated prices; those without a day only when `at` gives one."""
    reading = reading_of(catalog, document)
    if reading.set_aside:
        say(f"{document.url}: {len(reading.set_aside)} prices were set aside")
    dated = [replace(one, valid_from=one.valid_from or at) for one in reading.quotes]
    past = tuple(one for one in dated if one.valid_from and one.valid_from <= app.now())
    undated = sum(one.valid_from is None for one in dated)
    return write(app, f"import/{catalog.SELLER}", Statements(past), undated=undated)


def _import_file(app: App, file: Path, *, partial: bool) -> Imported:
    """The statements of a CSV file (docs/import.md); ConfigError when a row of it is wrong.

    `partial`: rows that are wrong are left out instead.
    """
    with naming(file):
        found = statements.read(_text(file), app.now())
        if found.faults and not partial:
            _tell_faults(file.name, found.faults)
            raise ConfigError(
                f"nothing was imported; wrong rows: {len(found.faults)}; mend them,"
                " or leave them out with --partial"
            )
    return write(app, f"import/{file.name}", found)


def _import_curated(app: App) -> Imported:
    """The history that comes with breakeven: list prices since 2020, a source for each."""
    text = (files(catalogs) / f"{CURATED}.csv").read_text(encoding="utf-8")
    return write(app, f"import/{CURATED}", statements.read(text, app.now()))


def write(app: App, source: str, said: Statements, *, undated: int = 0) -> Imported:
    """Write what the book doesn't know yet, in one transaction; not even a run when that is all.

    Nothing is judged: what is learnt of the past raises no alerts.
    """
    now = app.now()
    with app.engine.connect() as connection, connection.begin() as transaction:
        run = runs.note_run(connection, source, now, "import", quotes=len(said))
        pairs = [(quote, None) for quote in said.quotes]
        look = book.Look(source, run, now, pairs, withdrawn=said.withdrawn)
        changes, conflicts = book.backfill(connection, look)
        runs.note_changes(connection, run, len(changes))
        if not changes:
            transaction.rollback()
    return Imported(source, len(said), changes, conflicts, said.faults, undated)


def import_book(app: App, url: str) -> None:
    """Copy all of the book at `url` into the app's own, which must be empty."""
    file = sqlite_file(url)
    if file and not file.is_file():
        raise ConfigError(f"there is no database {file}")
    source = _other_book(url)
    try:
        copied = copy_book(source, app.engine, lambda name, rows: say(f"{name}: {rows:,} rows"))
    finally:
        source.dispose()
    if not copied:
        raise ConfigError(f"{source.url.render_as_string()} holds nothing")


def _other_book(url: str) -> Engine:
    try:
        return open_book(url)
    except (ConfigError, DatabaseError) as error:
        # What is wrong is the argument here, not the setting.
        raise type(error)(re.sub(r"\[database\]:? url", "URL", str(error))) from None


def report(done: Imported, *, as_json: bool) -> int:
    """Tell what came of an import; its exit code."""
    if as_json:
        write_json(done.as_dict())
        return done.exit_code
    _tell_faults(done.source, done.faults)
    for one in done.conflicts:
        say(f"conflict: {_sentence(one)}")
    found = done.as_dict()
    counts = {
        "statements": found["statements"],
        "written": found["written"],
        "known already": found["known"],
        "in conflict": len(done.conflicts),
        "rows left out": len(done.faults),
        "without a day, which are no history": done.undated,
    }
    words = [f"{count} {name}" for name, count in counts.items() if count or name == "written"]
    say(f"{done.source}: {', '.join(words)}")
    return done.exit_code


def _text(file: Path) -> str:
    try:
        return decoded(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}") from None


def _sentence(one: book.Conflict) -> str:
    said = one.quote
    stated, known = (
        "withdrawn" if amount is None else digits(amount) for amount in (said.amount, one.observed)
    )
    return (
        f"{said.series}: {stated} from {isoformat(said.valid_from)} ({said.where}) was not"
        f" written; the book has {known} since {isoformat(one.since)}"
    )


def _conflict(one: book.Conflict) -> dict[str, Any]:
    said = one.quote
    return {
        **said.series.as_dict(),
        "amount": None if said.amount is None else digits(said.amount),
        "valid_from": isoformat(said.valid_from),
        "said_by": said.where,
        "known_amount": None if one.observed is None else digits(one.observed),
        "known_since": isoformat(one.since),
    }


def _tell_faults(name: str, faults: Sequence[Fault]) -> None:
    for fault in faults[:_SHOWN]:
        say(f"{name}, line {fault.line}: {fault.sentence}")
    if len(faults) > _SHOWN:
        say(f"{name}: {len(faults) - _SHOWN} more rows are wrong")
