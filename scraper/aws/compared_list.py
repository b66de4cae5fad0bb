"""A whole price list beside the last one: compared, and what is new read, while it streams."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
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


class ComparedList:
    """A list beside the last one: what `found` has fresh was read by `reader`, and is kept as it
    came unless that is much."""

    def __init__(self, head: ListHead, region: str) -> None:
        self.head, self.reader = head, RowReader(head, region)
        self.found = Comparison(Memory())
        self.text: bytearray | None = bytearray()
        """The fresh rows; None when they are more than 16 MB."""

    @property
    def rates(self) -> Rates:
        """What the fresh rows say."""
        return self.reader.rates

    def read(self, rows: bytes) -> None:
        """Read more of the fresh rows."""
        self.reader.read(rows)
        if self.text is not None:
            self.text += rows
            if len(self.text) > _KEPT_BYTES:
                self.text = None

    @property
    def kept(self) -> bytes:
        """What is to be kept of the list: its head, and the fresh rows unless they are too many."""
        return b"\n".join(self.head.lines) + b"\n" + (self.text or b"")

    def quotes(self, rows: Collection[int]) -> dict[Quote, int]:
        """Fresh rows in full, for whoever judges them."""
        if self.text is None:
            return {self._quote(row): row for row in sorted(rows)}
        lines = self.text.split(b"\n")
        return {self.reader.quote(bytes(lines[row])): row for row in sorted(rows)}

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
    compared = ComparedList(head, region)
    columns = digest_of(compared.reader.columns)
    old = Memory.unpack(last) if last else Memory()
    # AWS moves the dates of most rates to that of the publication.
    published = _PUBLISHED.search(b"\n".join(head.lines))
    date = published[1] if published else NO_DATE
    compared.found = compare(rows, old, date, columns, source, compared.read)
    if compared.rates.count != len(compared.found.fresh):
        raise DocumentRefused(f"{source}: a line of the price list ends within quotes")
    return compared


def _beheaded(chunks: Iterator[bytes], source: str) -> tuple[ListHead, Iterator[bytes]]:
    start = b""
    while len(start) < _HEAD_BYTES and (chunk := next(chunks, b"")):
        start += chunk
    head = ListHead.read(iter(start.split(b"\n")), _OFFER, source)
    rows = start[sum(len(line) + 1 for line in head.lines) :]
    return head, chain([rows], chunks)
