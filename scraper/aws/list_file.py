"""The CSV form of AWS's price list files: lines about the list, a header, and a row for each rate.

A file of a large region has hundreds of megabytes, so it is cut while it streams: most lines are
dropped unparsed, and only the rows that somebody wants are kept, as they came.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from pricebook.errors import DocumentRefused

Row: TypeAlias = dict[str, str]
"""One row by its columns: their names in lower case, letters and digits only."""

_FORMAT = "v1.0"
_LINES_BEFORE_HEADER = 20
_NOT_A_LETTER = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, slots=True)
class ListHead:
    """What stands above the rows; `lines` are the same as they came."""

    columns: tuple[str, ...]
    lines: tuple[bytes, ...]

    @classmethod
    def read(cls, lines: Iterator[bytes], offer: str, source: str) -> ListHead:
        """Take the head off the lines; DocumentRefused when it isn't one of that offer.

        `offer` need only be a part of the code in the file: AWSDatabaseSavingsPlans calls itself
        AmazonDatabaseSavingsPlans.
        """
        came: list[bytes] = []
        said: dict[str, str] = {}
        for line in lines:
            came.append(line)
            name, *values = cells = _cells(line, source) or [""]
            if name == "SKU":
                return cls._of(said, cells, came, offer, source)
            said[name] = values[0] if values else ""
            if len(came) == _LINES_BEFORE_HEADER:
                break
        raise DocumentRefused(f"{source}: no AWS price list: it has no line of columns")

    @classmethod
    def _of(
        cls, said: dict[str, str], cells: list[str], came: list[bytes], offer: str, source: str
    ) -> ListHead:
        form, code = said.get("FormatVersion", ""), said.get("OfferCode", "")
        if form != _FORMAT or offer not in code:
            words = f"{code} in format {form}, not of {offer} in {_FORMAT}"
            raise DocumentRefused(f"{source}: a price list of {words}")
        columns = tuple(_NOT_A_LETTER.sub("", cell.lower()) for cell in cells)
        return cls(columns, tuple(came))

    def require(self, columns: Iterable[str], source: str) -> None:
        """DocumentRefused when one of these columns is missing, or there twice."""
        for column in sorted(columns):
            if column not in self.columns:
                raise DocumentRefused(f"{source}: the price list has no column {column}")
            if self.columns.count(column) > 1:
                raise DocumentRefused(f"{source}: the price list has two columns {column}")

    def row(self, line: bytes, source: str) -> Row:
        """One line by its columns; DocumentRefused when it has more or fewer."""
        return dict(zip(self.columns, self.cells(line, source), strict=True))

    def cells(self, line: bytes, source: str) -> list[str]:
        """The same in the order of the columns."""
        cells = _cells(line, source)
        if len(cells) != len(self.columns):
            words = f"{len(cells)} cells under {len(self.columns)} columns"
            raise DocumentRefused(f"{source}: a row of the price list has {words}")
        return cells


def cut(
    chunks: Iterable[bytes],
    offer: str,
    needles: Iterable[str],
    wanted: Callable[[Row], bool],
    source: str,
) -> bytes:
    """The head of a price list and the rows that are wanted, as they came, in their order.

    A line without any of the `needles` isn't even parsed: that takes most of the time away.
    """
    lines = lines_of(chunks, source)
    head = ListHead.read(lines, offer, source)
    sought = [needle.encode() for needle in needles]
    kept = [
        line
        for line in lines
        if any(needle in line for needle in sought) and wanted(head.row(line, source))
    ]
    return b"\n".join([*head.lines, *kept, b""])


def lines_of(chunks: Iterable[bytes], source: str) -> Iterator[bytes]:
    """The lines of a file that comes in pieces; DocumentRefused when the last one has no end."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        raise DocumentRefused(f"{source}: the price list breaks off within a line")


def _cells(line: bytes, source: str) -> list[str]:
    # A tenth of the time of the codec utf-8-sig.
    text = line.decode(errors="replace").removeprefix("\ufeff")
    try:
        return next(csv.reader([text]), [])
    except csv.Error as error:
        # Behind the dash Python advises its own programmer.
        reason, *_ = str(error).split(" - ")
        raise DocumentRefused(f"{source}: a line of the price list is no CSV: {reason}") from error
