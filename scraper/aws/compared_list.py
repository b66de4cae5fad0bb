"""A whole price list beside the last one: compared, and what is new read, while it streams."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from pricebook.errors import DocumentRefused
from pricebook.garbage import nothing_collected
from pricebook.quote import Quote, digits, from_ticks
from pricebook.tariffs import series_of_key
from scraper.aws.line_memory import NO_DATE, Comparison, Memory, compare, digest_of
from scraper.aws.list_file import ListHead
from scraper.aws.whole_list import Rates, RowReader

_OFFER = "AmazonEC2"
_HEAD_BYTES = 65_536
_PUBLISHED = re.compile(rb'Publication Date"?,"?(\d{4}-\d\d-\d\d)')
_KEPT_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class ComparedList:
    """A list beside the last one: what `found` has fresh was read by `reader`; `text` are these
    rows as they came, None when they are more than 16 MB."""

    head: ListHead
    reader: RowReader
    found: Comparison
    text: bytes | None

    @property
    def rates(self) -> Rates:
        """What the fresh rows say."""
        return self.reader.rates

    @property
    def kept(self) -> bytes:
        """What is to be kept of the list: its head, and the fresh rows unless they are too many."""
        return b"\n".join(self.head.lines) + b"\n" + (self.text or b"")

    def quotes(self, rows: Collection[int]) -> dict[Quote, int]:
        """Fresh rows in full, for whoever judges them."""
        if self.text is None:
            return {self._quote(row): row for row in sorted(rows)}
        lines = self.text.split(b"\n")
        return {self.reader.quote(lines[row]): row for row in sorted(rows)}

    def _quote(self, row: int) -> Quote:
        place = bisect_left(self.rates.rows, row)
        series = series_of_key((self.rates.products[place], self.rates.tariffs[place]))
        price = from_ticks(self.rates.ticks[place])
        line = len(self.head.lines) + self.found.fresh[row] + 1
        return Quote(series, price, digits(price), f"line {line}")


@nothing_collected()
def compare_list(chunks: Iterable[bytes], region: str, last: bytes | None) -> ComparedList:
    """Compare a list that comes in pieces with the memory of the last one, and read what is new.

    DocumentRefused when it is no EC2 list, lacks a column, has rows with more or fewer cells than
    columns, or breaks off.
    """
    source = f"aws-ec2/{region}"
    head, rows = _beheaded(iter(chunks), source)
    fresh = _Fresh(RowReader(head, region))
    columns = digest_of(fresh.reader.columns)
    old = Memory.unpack(last) if last else Memory()
    # AWS moves the dates of most rates to that of the publication.
    published = _PUBLISHED.search(b"\n".join(head.lines))
    date = published[1] if published else NO_DATE
    found = compare(rows, old, date, columns, source, fresh.read)
    if fresh.reader.rates.count != len(found.fresh):
        raise DocumentRefused(f"{source}: a line of the price list ends within quotes")
    return ComparedList(head, fresh.reader, found, fresh.text)


class _Fresh:
    """Reads the fresh rows, and keeps them as they come unless they are many."""

    def __init__(self, reader: RowReader) -> None:
        self.reader = reader
        self._text: bytearray | None = bytearray()

    def read(self, rows: bytes) -> None:
        self.reader.read(rows)
        if self._text is not None:
            self._text += rows
            if len(self._text) > _KEPT_BYTES:
                self._text = None

    @property
    def text(self) -> bytes | None:
        return None if self._text is None else bytes(self._text)


def _beheaded(chunks: Iterator[bytes], source: str) -> tuple[ListHead, Iterator[bytes]]:
    start = b""
    while len(start) < _HEAD_BYTES and (chunk := next(chunks, b"")):
        start += chunk
    head = ListHead.read(iter(start.split(b"\n")), _OFFER, source)
    rows = start[sum(len(line) + 1 for line in head.lines) :]
    return head, chain([rows], chunks)
