"""AWS's archive of EC2 price lists, walked from old to new into the book: what `import aws` does.

Each list is one run, written whole or not at all, so a walk that was stopped goes on where it was.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import click
from sqlalchemy import Connection

from breakeven.app import App
from breakeven.output import say
from pricebook import book
from pricebook.errors import (
    ConfigError,
    CredentialsMissing,
    DocumentRefused,
    FetchFailed,
    SourceError,
)
from pricebook.quote import Quote, Withdrawal
from pricebook.runs import Fetched, last_count, note_changes, note_fetch, note_run, runs_of
from pricebook.series import Filter
from scraper.aws.bulk import cut_key, cut_list, read_list, sells_nothing
from scraper.aws.client import pricing_client
from scraper.aws.price_files import AccountLists, PriceFiles, PriceList
from scraper.aws.query import SELLER
from scraper.collect import COMPLETE, FAILED, PARTIAL, Tools
from scraper.document import Reading
from scraper.gate import decide

ARCHIVE = "import/aws-price-list"

_GONE = (403, 404, 410)
"""What the archive answers for a list that it doesn't have (any more)."""
_PAUSES = (5, 30)
"""Seconds before the second and the third try: hundreds of megabytes break off now and then."""


def import_aws(app: App, regions: Sequence[str], since: datetime) -> int:
    """Bring the EC2 prices of AWS's archive since then into the book; gives the exit code.

    A price holds from the publication of the first list that has it (`basis` imported). Lists that
    were walked before, for the same machines, are left out. 3: something of the archive isn't in
    the book, 1: nothing is.
    """
    if app.settings.aws.takes_whole_lists:
        raise ConfigError("[aws] families: the past is imported of families by name; write them")
    walks = [_Walk(app, app.tools(), region) for region in regions or app.settings.aws.regions]
    for walk in walks:
        walk.go(since)
        say(str(walk))
    if all(walk.stopped and not walk.read for walk in walks):
        return 1
    return 3 if any(walk.incomplete for walk in walks) else 0


@dataclass
class _Walk:
    """Through the lists of a region, and what came of it; `stopped` says why it didn't end."""

    app: App
    tools: Tools
    region: str
    lists: int = 0
    read: int = 0
    changes: int = 0
    contradicted: int = 0
    gone: list[tuple[PriceList, SourceError]] = field(default_factory=list)
    """Lists that couldn't be had since the last one that could."""
    passed_over: int = 0
    stopped: str = ""

    @property
    def partition(self) -> str:
        """What its runs are about."""
        return f"{ARCHIVE}/{self.region}"

    @property
    def incomplete(self) -> bool:
        """Whether something of the archive isn't in the book."""
        return bool(self.stopped or self.passed_over or self.contradicted)

    def go(self, since: datetime) -> None:
        """Read every list that is still to do."""
        try:
            lists = self.to_do(since)
            self.lists = len(lists)
            for number, one in enumerate(lists, 1):
                _show(f"{self.region}: list {number} of {len(lists)}, of {one.published:%Y-%m-%d}")
                self.take(one)
        except SourceError as error:
            self.stopped = str(error)
        finally:
            _show("")

    def to_do(self, since: datetime) -> list[PriceList]:
        """The lists since then that no earlier walk has read or passed over, oldest first."""
        with self.app.engine.connect() as connection:
            runs = runs_of(connection, self.partition)
        read = {run.url for run in runs if run.url}
        passed_over = {run.reason.partition(":")[0] for run in runs if run.outcome == FAILED}
        return [
            one
            for one in self.archive(since)
            if self.address(one) not in read and one.version not in passed_over
        ]

    def archive(self, since: datetime) -> Collection[PriceList]:
        """By the public index; by the account, where there is one, when that can't be read."""
        aws = self.app.settings.aws
        try:
            return PriceFiles(self.tools.client, aws.price_files_url).versions(self.region, since)
        except SourceError as public:
            try:
                with closing(pricing_client(aws)) as client:
                    found = AccountLists(client).versions(self.region, since, self.app.now())
                    return list(found)
            except CredentialsMissing:
                raise public from None

    def address(self, one: PriceList) -> str:
        """Which part of which list: its address without the query, which may be a signature."""
        return f"{one.url.partition('?')[0]}#{cut_key(self.app.settings.aws)}"

    def take(self, one: PriceList) -> None:
        """Read one list into the book, or set it aside as gone; FetchFailed: it may come later."""
        try:
            raw = self.fetch(one)
            reading = Reading(()) if sells_nothing(raw) else self.read_list(raw)
        except SourceError as error:
            if not isinstance(error, DocumentRefused) and not _is_gone(error):
                raise
            self.gone.append((one, error))
            self.passed_over += 1
            say(f"{self.region}: the list of {one.published:%Y-%m-%d} is passed over: {error}")
            return
        digest = self.tools.evidence.put(raw)
        kept = Fetched(self.address(one), "csv", self.app.now(), digest, len(raw))
        with self.app.engine.begin() as connection:
            self.give_up_what_is_gone(connection)
            self.enter(connection, one, kept, reading)
        self.read += 1
        self.gone.clear()

    def fetch(self, one: PriceList) -> bytes:
        """The rows of the machines wanted; tried again where the network fails."""
        aws = self.app.settings.aws
        files = PriceFiles(self.tools.client, aws.price_files_url)
        fetch = partial(files.fetch, one, partial(cut_list, settings=aws, region=self.region))
        for pause in _PAUSES:
            try:
                return fetch().body
            except FetchFailed as error:
                if _is_gone(error):
                    raise
                self.app.clock.sleep(pause)
        return fetch().body

    def read_list(self, raw: bytes) -> Reading:
        """What the rows say."""
        return read_list(raw, self.app.settings.aws, self.region).reading

    def give_up_what_is_gone(self, connection: Connection) -> None:
        """Note the lists that a later one is now compared past: filled in afterwards, they could
        hide that a price went there and back. Until then they may still come."""
        for one, error in self.gone:
            reason = f"{one.version}: {error}"
            note_run(connection, self.partition, self.app.now(), FAILED, reason=reason)

    def enter(
        self, connection: Connection, one: PriceList, kept: Fetched, reading: Reading
    ) -> None:
        """One list into the book, in the caller's transaction."""
        # Judged by itself: the prices in force are of another time.
        expected = last_count(connection, self.partition)
        verdict = decide(reading, {}, self.app.settings.gate, {}, expected=expected)
        held = len(verdict.held) + len(reading.set_aside)
        outcome = PARTIAL if held else COMPLETE
        count = len(reading.quotes)
        run = note_run(connection, self.partition, kept.at, outcome, quotes=count, held=held)
        fetch = note_fetch(connection, run, kept)
        pairs = [(_imported(quote, one), fetch) for quote in verdict.accepted]
        withdrawn = () if held else self.withdrawn(connection, one, reading)
        look = book.Look(self.partition, run, kept.at, pairs, withdrawn=withdrawn)
        changes, conflicts = book.backfill(connection, look)
        note_changes(connection, run, len(changes))
        self.changes += len(changes)
        self.contradicted += len(conflicts)

    def withdrawn(
        self, connection: Connection, one: PriceList, reading: Reading
    ) -> tuple[Withdrawal, ...]:
        """What earlier lists had and this one, read without a doubt, has no more."""
        aws = self.app.settings.aws
        listed = {quote.series for quote in reading.quotes}
        where = Filter(seller=SELLER, region=self.region)
        return tuple(
            Withdrawal(price.series, "", f"not in the list of {one.version}", one.published)
            for price in book.as_of(connection, one.published, self.app.now(), where)
            if price.source == self.partition
            and price.series not in listed
            and aws.wants(price.series.product)
            and price.series.get("os") in aws.operating_systems
        )

    def __str__(self) -> str:
        """The sentence at its end."""
        words = [f"{self.region}: {self.read} price lists read, {self.changes} prices written"]
        if self.contradicted:
            words.append(f"{self.contradicted} contradict what the book has and are left out")
        if self.passed_over:
            words.append(f"{self.passed_over} lists passed over")
        if self.stopped:
            left = self.lists - self.read - self.passed_over
            still = f" with {left} lists to do" if left else ""
            words.append(f"stopped{still} ({self.stopped}); run it again to go on")
        return "; ".join(words)


def _is_gone(error: SourceError) -> bool:
    return isinstance(error, FetchFailed) and error.status in _GONE


def _imported(quote: Quote, one: PriceList) -> Quote:
    return replace(quote, valid_from=one.published, basis=book.IMPORTED)


def _show(line: str) -> None:
    """Progress on stderr: one line that changes where a person watches, else a line each."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{line}", err=True, nl=False)
    elif line:
        say(line)
