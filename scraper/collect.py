"""One run of one source: take (fetch, keep, read), then enter (gate, book) in one transaction.

Taking touches the network and the evidence store but not the database; entering the reverse. So a
process that dies leaves either nothing or everything of a look.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from sqlalchemy import Connection

from pricebook import book
from pricebook.accepted import Accepted
from pricebook.book import Change, Look
from pricebook.bulk import Remembered
from pricebook.errors import EvidenceLost, FetchFailed, SourceError
from pricebook.garbage import nothing_collected
from pricebook.quote import Quote, Series, SetAside, digits
from pricebook.runs import (
    Fetched,
    Held,
    last_count,
    note_changes,
    note_fetch,
    note_held,
    note_run,
    pending,
    rejected,
)
from scraper import gate
from scraper.aws.regions import Regional, by_region, is_regional
from scraper.document import Document, Page, Provider, Reading, reading_of
from scraper.evidence import Evidence
from scraper.gate import UNIT_CHANGED, Verdict, decide
from scraper.http import HttpClient, NotModified
from scraper.settings import GateSettings

COMPLETE, PARTIAL, FAILED = "complete", "partial", "failed"

MAX_PAGES = 100
"""An answer that goes on for longer is taken to go in circles."""

_DATED = re.compile(r"-(latest|\d{8}|\d{4}-\d{2}-\d{2})$")
_WORD = re.compile(r"[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Tools:
    """What taking needs from outside. `remembered` tells what an address gave the last time,
    `last_list` what was kept of a partition's last whole price list."""

    client: HttpClient
    evidence: Evidence
    clock: Callable[[], datetime]
    remembered: Callable[[str], Fetched | None]
    last_list: Callable[[str], Remembered | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Taken:
    """What a look brought home: `quotes` are paired with the place of their answer in `fetched`.

    `error` says why nothing was read, or why the look is not complete. `facts` are properties of
    products, by product. `entry` brings in what doesn't come as quotes: a whole price list.
    """

    partition: str
    at: datetime
    fetched: tuple[Fetched, ...] = ()
    quotes: tuple[tuple[Quote, int], ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    error: SourceError | None = None
    seller: str = ""
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    entry: Callable[[Connection, GateSettings], Entered] | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """What a look did to the book."""

    partition: str
    at: datetime
    outcome: str
    quotes: int = 0
    changes: Sequence[Change] = ()
    held: Sequence[Held] = ()
    error: SourceError | None = None


class Source(Protocol):
    """Something that prices are collected from; `take` gives one `Taken` for each partition."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def partitions(self) -> tuple[str, ...]:
        """What `take` gives a `Taken` for."""

    def take(self, tools: Tools) -> Iterator[Taken]:
        """Fetch, keep and read; errors of the source are part of the answer, not raised."""
        ...


@dataclass(frozen=True, slots=True)
class PageSource:
    """A provider's pricing page in all its forms; `pages` may replace the official addresses."""

    name: str
    provider: Provider
    pages: tuple[Page, ...]

    @property
    def partitions(self) -> tuple[str, ...]:
        """A page is one partition."""
        return (self.name,)

    def take(self, tools: Tools) -> Iterator[Taken]:
        """Read every form; the first is believed, the others complete it and must not differ."""
        at = tools.clock()
        readings: list[Reading] = []
        fetched: list[Fetched] = []
        errors: list[SourceError] = []
        for page in self.pages:
            try:
                for answer, document in _answers(tools, self.provider, page):
                    readings.append(reading_of(self.provider, document))
                    fetched.append(answer)
            except SourceError as error:
                errors.append(error)
        quotes, set_aside = merge(readings)
        yield Taken(
            self.name,
            at,
            tuple(fetched),
            tuple(quotes),
            tuple(set_aside),
            error=errors[0] if errors else None,
            seller=self.provider.SELLER,
        )


def merge(readings: Sequence[Reading]) -> tuple[list[tuple[Quote, int]], list[SetAside]]:
    """The quotes of several forms of one page as one list; where they differ, neither is kept."""
    merged: dict[tuple[Series, datetime | None], tuple[Quote, int]] = {}
    set_aside = [item for reading in readings for item in reading.set_aside]
    contested = set()
    for number, reading in enumerate(readings):
        for quote in reading.quotes:
            key = (quote.series, quote.valid_from)
            kept, _ = merged.setdefault(key, (quote, number))
            if kept.amount != quote.amount:
                contested.add(key)
                set_aside.append(_disagreement(kept, quote))
    return [pair for key, pair in merged.items() if key not in contested], set_aside


@nothing_collected()
def enter_all(
    connection: Connection, looks: Sequence[Taken], settings: GateSettings
) -> list[Entered]:
    """Bring the looks of one run into the book, inside the caller's transaction.

    What they say of the same machine in several regions is compared, whichever comes first.
    """
    regional = _regional(connection, looks)
    return [_enter(connection, taken, settings, regional) for taken in looks]


def enter(connection: Connection, taken: Taken, settings: GateSettings) -> Entered:
    """Bring a single look into the book."""
    (entered,) = enter_all(connection, [taken], settings)
    return entered


def _enter(
    connection: Connection, taken: Taken, settings: GateSettings, regional: Regional
) -> Entered:
    if taken.entry:
        return taken.entry(connection, settings)
    if not taken.quotes:
        reason = str(taken.error or "nothing was read")
        note_run(connection, taken.partition, taken.at, FAILED, reason=reason)
        return Entered(taken.partition, taken.at, FAILED, error=taken.error)
    read = {quote.series for quote, _ in taken.quotes}
    book.put_in_force(connection, taken.partition, taken.at)
    latest = book.latest(connection, taken.partition, read)
    verdict = _verdict(connection, taken, latest, settings, regional)
    refused = rejected(connection, taken.partition)
    left_out = {one.quote for one in verdict.held if one.quote}
    left_out |= {q for q in verdict.accepted if refused and (q.series, q.amount) in refused}
    held = [*map(_held, verdict.held), *map(_unread, taken.set_aside)]
    complete = verdict.complete and taken.error is None
    outcome = COMPLETE if complete and not held else PARTIAL
    run = _note_run(connection, taken, outcome, len(read), len(held))
    fetches = [note_fetch(connection, run, answer) for answer in taken.fetched]
    pairs = [(quote, fetches[place]) for quote, place in taken.quotes if quote not in left_out]
    unread = {quote.series for quote in left_out}
    unread |= _mentioned(latest, taken.set_aside) | _in_other_units(latest, verdict, refused)
    look = Look(taken.partition, run, taken.at, pairs, complete, unread)
    changes = book.record(connection, look, latest)
    note_changes(connection, run, len(changes))
    note_held(connection, taken.partition, run, taken.at, held)
    for product, facts in taken.facts.items():
        book.note_facts(connection, taken.seller, product, facts, taken.at)
    return Entered(
        taken.partition, taken.at, outcome, len(taken.quotes), changes, held, taken.error
    )


def _regional(connection: Connection, looks: Iterable[Taken]) -> Regional:
    """What machines cost by region: as these looks say or, where none of them went, the book."""
    said = {
        quote.series: quote.amount
        for taken in looks
        for quote, _ in taken.quotes
        if is_regional(quote.series)
    }
    if not said:
        return {}
    products = {series.product for series in said}
    went = [taken.partition for taken in looks if taken.quotes]
    known = book.latest_elsewhere(connection, products, went)
    return by_region({series: price.amount for series, price in known.items()} | said)


def _verdict(
    connection: Connection,
    taken: Taken,
    latest: Mapping[Series, Accepted],
    settings: GateSettings,
    regional: Regional,
) -> Verdict:
    return decide(
        Reading(tuple(quote for quote, _ in taken.quotes), taken.set_aside),
        latest,
        settings,
        pending(connection, taken.partition, before=taken.at),
        book.announced(connection, taken.partition, taken.at),
        last_count(connection, taken.partition),
        regional,
    )


def _note_run(connection: Connection, taken: Taken, outcome: str, read: int, held: int) -> int:
    return note_run(
        connection,
        taken.partition,
        taken.at,
        outcome,
        reason=str(taken.error or ""),
        quotes=read,
        held=held,
    )


def _held(one: gate.Held) -> Held:
    where = one.quote.where if one.quote else "the whole page"
    text = f"{one.quote.quoted}: {one.text}" if one.quote else one.text
    return Held(one.reason, where, text, one.quote, one.curable)


def _unread(aside: SetAside) -> Held:
    return Held(aside.reason, aside.where, aside.text)


def _answers(tools: Tools, provider: Provider, page: Page) -> Iterator[tuple[Fetched, Document]]:
    """A page, and those that it says continue it, which must be at the same host."""
    next_page: Callable[[Document], str | None] = getattr(provider, "next_page", lambda _: None)
    for _ in range(MAX_PAGES):
        answer, document = _fetch_page(tools, page)
        yield answer, document
        link = next_page(document)
        if link is None:
            return
        there = urljoin(page.url, link)
        if _host(there) != _host(page.url):
            raise FetchFailed(f"{_host(page.url)} goes on at {_host(there)}: not followed")
        page = replace(page, url=there)
    raise FetchFailed(f"{page.url} goes on after {MAX_PAGES} pages: ask for less of it")


def _host(url: str) -> str:
    """`https://prices.azure.com`, also of an address with the port that goes without saying."""
    parts = urlsplit(url)
    usual = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}"


def _fetch_page(tools: Tools, page: Page) -> tuple[Fetched, Document]:
    before, body = kept(tools, page.url)
    etag, last_modified = (before.etag, before.last_modified) if before else (None, None)
    answer = tools.client.fetch(page.url, etag=etag, last_modified=last_modified)
    if isinstance(answer, NotModified):
        if before is None:
            raise FetchFailed(f"{page.url} answers 304 to a request that named no version")
        # Read again all the same: the reader may have learnt something since.
        fetched = replace(before, at=answer.at)
        return fetched, _document(page, fetched, body)
    fetched = Fetched(
        page.url,
        page.form,
        answer.at,
        tools.evidence.put(answer.body),
        len(answer.body),
        answer.etag,
        answer.last_modified,
    )
    return fetched, _document(page, fetched, answer.body)


def kept(tools: Tools, url: str) -> tuple[Fetched | None, bytes]:
    """The last answer of an address, if its bytes are still there to be read again."""
    before = tools.remembered(url)
    if before is None:
        return None, b""
    try:
        return before, tools.evidence.get(before.sha256)
    except EvidenceLost:
        return None, b""


def _document(page: Page, fetched: Fetched, body: bytes) -> Document:
    return Document(page.url, page.form, decoded(body), fetched.at, fetched.sha256)


def decoded(body: bytes) -> str:
    """A page's text: all that we read are UTF-8; a stray byte is marked, never guessed."""
    return body.decode("utf-8-sig", errors="replace")


def _disagreement(one: Quote, other: Quote) -> SetAside:
    return SetAside(
        f"two forms of the page differ on {one.series}:"
        f" {digits(one.amount)} and {digits(other.amount)}",
        f"{one.where}; {other.where}",
        f"{one.quoted} | {other.quoted}",
    )


def _mentioned(known: Iterable[Series], set_aside: Iterable[SetAside]) -> set[Series]:
    """Those whose product what could not be read may be about: not missing, only unread."""
    unread = [
        set(_WORD.findall(f"{item.where} {item.text} {item.reason}".lower())) for item in set_aside
    ]
    series_of: dict[str, set[Series]] = defaultdict(set)
    for series in known if unread else ():
        series_of[series.product].add(series)
    found = set()
    for product, sold in series_of.items():
        words = set(_WORD.findall(_DATED.sub("", product.lower())))
        if any(words <= said for said in unread):
            found |= sold
    return found


def _in_other_units(
    known: Iterable[Series], verdict: Verdict, refused: Collection[tuple[Series, Decimal]]
) -> set[Series]:
    """Those of which a price in a new unit or currency may speak, until a person rejects it."""
    quotes = (one.quote for one in verdict.held if one.quote and one.reason == UNIT_CHANGED)
    said = {_meter(q.series) for q in quotes if (q.series, q.amount) not in refused}
    return {series for series in known if _meter(series) in said}


def _meter(series: Series) -> tuple[str, str, str]:
    return series.seller, series.product, series.meter
