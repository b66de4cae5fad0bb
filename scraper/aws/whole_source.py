"""Whole price lists as looks of the EC2 source: asked for by version, compared as they stream."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from pricebook.book import partition_id
from pricebook.bulk import Remembered
from pricebook.errors import SourceError
from pricebook.runs import Fetched, note_run
from scraper.aws.compared_list import ComparedList, compare_list
from scraper.aws.list_entry import TakenList, enter_list
from scraper.aws.price_files import PriceFiles, PriceList
from scraper.collect import FAILED, Entered, Taken, Tools
from scraper.settings import GateSettings

log = logging.getLogger("breakeven")

WHOLE = "*"
"""The part of an address that says that a list was read as a whole."""

_SHOWN_BYTES = 100 * 1000**2


def look_at_list(files: PriceFiles, partition: str, region: str, tools: Tools) -> Taken:
    """One look at a region's whole list; nothing is fetched when its version has been read.

    What is new is kept as it came, unless it is more than 16 MB, as a first list is: AWS keeps its
    lists for good, at the address that the fetch names.
    """
    at = tools.clock()
    try:
        current = files.current(region)
        last = tools.last_list(partition)
        based_on = last and last.run_id
        taken = TakenList(partition, region, current.version, at, based_on)
        if last is None or last.version != current.version:
            taken = _compared(files, current, taken, last, tools)
    except SourceError as error:
        return Taken(partition, at, error=error)
    return Taken(partition, at, entry=_entry(taken))


def _compared(
    files: PriceFiles, current: PriceList, taken: TakenList, last: Remembered | None, tools: Tools
) -> TakenList:
    reader = _Reader(taken, last and last.memory)
    body = files.fetch(current, reader.keep).body
    url = f"{current.url.partition('?')[0]}#{WHOLE}"
    kept = Fetched(url, "csv", taken.at, tools.evidence.put(body), len(body))
    return replace(taken, fetched=kept, compared=reader.compared)


@dataclass(slots=True)
class _Reader:
    taken: TakenList
    last: bytes | None
    compared: ComparedList | None = None

    def keep(self, chunks: Iterator[bytes]) -> bytes:
        """Compare the list, and give what is kept of it."""
        self.compared = compare_list(self._shown(chunks), self.taken.region, self.last)
        return self.compared.kept

    def _shown(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same, with a word on how far it is now and then."""
        size = 0
        for chunk in chunks:
            if size // _SHOWN_BYTES < (size + len(chunk)) // _SHOWN_BYTES:
                log.info("%s: %d MB of its list read", self.taken.partition, size // 1000**2)
            size += len(chunk)
            yield chunk


def _entry(taken: TakenList) -> Callable[[Connection, GateSettings], Entered]:
    def enter(connection: Connection, settings: GateSettings) -> Entered:
        partition, at = taken.partition, taken.at
        try:
            with connection.begin_nested():
                number = partition_id(connection, partition)
                done = enter_list(connection, number, taken, settings)
        except SourceError as error:
            note_run(connection, partition, at, FAILED, reason=str(error))
            return Entered(partition, at, FAILED, error=error)
        return Entered(partition, at, done.outcome, done.quotes, done.changes, done.held)

    return enter
