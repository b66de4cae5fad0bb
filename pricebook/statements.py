"""What others say of past prices, as a CSV file: the format that `import` reads and `export`
writes (docs/import.md)."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from pricebook.errors import ConfigError, InexactAmount
from pricebook.quote import (
    METERS,
    QUALIFIERS,
    UNITS,
    Price,
    Quote,
    Series,
    Withdrawal,
    digits,
    isoformat,
    plain,
    to_ticks,
)

COLUMNS = ("seller", "product", "meter", "unit", "currency", "amount", "valid_from", "source")
"""What every file has, in any order; any of `QUALIFIERS` may stand beside them."""

_FIRST_YEAR = 2000
_TRUE_OR_ABSENT = ("fine_tuned", "data_sharing")
_SMALL_LETTERS = ("service_tier", "term", "payment", "offering_class", "tenancy")
_MAY_BE_EMPTY = {"amount", *QUALIFIERS}
_SLUG = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?")
# What our own CSV puts before a cell that a spreadsheet would run.
_GUARD = re.compile(r"'(?=[=+\-@])")


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that can't be believed: its line in the file, and why, in one sentence."""

    line: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Statements:
    """What a file says; a row with a fault is in neither of the other two."""

    quotes: tuple[Quote, ...]
    withdrawn: tuple[Withdrawal, ...] = ()
    faults: tuple[Fault, ...] = ()

    def __len__(self) -> int:
        return len(self.quotes) + len(self.withdrawn)


def read(text: str, until: datetime) -> Statements:
    """The statements of a file, none of them later than `until`.

    Raises ConfigError when the header is not one of ours.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    reader = _Reader(_header(rows), until)
    found: list[Quote | Withdrawal] = []
    faults: list[Fault] = []
    for line, cells in _lines(rows, faults):
        try:
            found.append(reader.statement(line, cells))
        except _Wrong as wrong:
            faults.append(Fault(line, str(wrong)))
    distinct = dict.fromkeys(found)
    return Statements(
        tuple(one for one in distinct if isinstance(one, Quote)),
        tuple(one for one in distinct if isinstance(one, Withdrawal)),
        tuple(faults),
    )


def columns_of(used: Collection[str]) -> tuple[str, ...]:
    """The columns of a file of prices that have no other qualifiers than these."""
    return (*COLUMNS[:5], *(name for name in QUALIFIERS if name in used), *COLUMNS[5:])


def row_of(price: Price) -> dict[str, str | None]:
    """A price as a row of the file; who told it, in words."""
    series = price.series
    told = [price.source, price.url, price.where]
    if price.basis == "imported" and price.where:
        told = [price.where]
    return {
        "seller": series.seller,
        "product": series.product,
        "meter": series.meter,
        "unit": series.unit,
        "currency": series.currency,
        **dict(series.qualifiers),
        "amount": "" if price.amount is None else digits(price.amount),
        "valid_from": isoformat(price.valid_from),
        "source": _printable(", ".join(word for word in told if word)),
    }


def _tidy(text: str) -> str:
    """One space for every run of spaces, tabs and ends of lines."""
    return " ".join(text.split())


def _printable(text: str) -> str:
    tidy = _tidy(text)
    return tidy if tidy.isprintable() else "".join(char for char in tidy if char.isprintable())


class _Wrong(Exception):
    """One sentence about a row."""


def _header(rows: Iterator[list[str]]) -> list[str]:
    names = [name.strip() for name in next(rows, [])]
    known = [*COLUMNS, *QUALIFIERS]
    for name in names:
        if name not in known:
            raise ConfigError(f"line 1: the column {name!r} is unknown{_hint(name, known)}")
        if names.count(name) > 1:
            raise ConfigError(f"line 1: the column {name!r} stands there twice")
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ConfigError(
            f"line 1: no column {missing[0]!r}; the first line must name the columns"
            f" {', '.join(COLUMNS)}, separated by commas"
        )
    return names


def _lines(rows: Iterator[list[str]], faults: list[Fault]) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of their last line, up to one that is no CSV."""
    line = 1
    try:
        for cells in rows:
            line = rows.line_num  # type: ignore[attr-defined]
            if any(cell.strip() for cell in cells):
                yield line, cells
    except csv.Error as error:
        faults.append(Fault(line + 1, f"no CSV from here on ({error})"))


@dataclass(slots=True)
class _Reader:
    """Rows to statements, each checked on its own and against those before it."""

    header: Sequence[str]
    until: datetime
    said: dict[tuple[Series, datetime], tuple[int, Decimal | None]] = field(default_factory=dict)

    def statement(self, line: int, cells: Sequence[str]) -> Quote | Withdrawal:
        """The statement of one row; `_Wrong` when it can't be believed."""
        row = self._row(cells)
        series, amount = _series(row), _amount(row["amount"])
        since = _since(row["valid_from"], self.until)
        before, said = self.said.setdefault((series, since), (line, amount))
        if said != amount:
            raise _Wrong(f"line {before} has another amount for the same series and day")
        if amount is None:
            return Withdrawal(series, "", row["source"], since)
        return Quote(series, amount, row["amount"], row["source"], valid_from=since)

    def _row(self, cells: Sequence[str]) -> dict[str, str]:
        if len(cells) != len(self.header):
            raise _Wrong(f"{len(cells)} cells under {len(self.header)} columns; quote commas")
        row = {
            name: _GUARD.sub("", _tidy(cell), count=1)
            for name, cell in zip(self.header, cells, strict=True)
        }
        for name, cell in row.items():
            if not cell and name not in _MAY_BE_EMPTY:
                raise _Wrong(f"no {name}")
            if cell != _printable(cell) or "\ufffd" in cell:
                raise _Wrong(f"{name} has characters that are no text; is the file UTF-8?")
        return row


def _series(row: Mapping[str, str]) -> Series:
    for name, words in (("meter", METERS), ("unit", UNITS)):
        if row[name] not in words:
            raise _Wrong(f"{name} is {row[name]!r}{_hint(row[name], [*words])}")
    if not _SLUG.fullmatch(row["seller"]):
        raise _Wrong(f"seller is {row['seller']!r}; write it in small letters: openai, aws")
    if not _CURRENCY.fullmatch(row["currency"]):
        raise _Wrong(f"currency is {row['currency']!r}; write its code: USD, EUR")
    qualifiers = {name: row[name] for name in row.keys() & QUALIFIERS.keys()}
    _check_words(qualifiers)
    return Series.of(
        row["seller"],
        row["product"],
        row["meter"],
        row["unit"],
        currency=row["currency"],
        **qualifiers,
    )


def _check_words(qualifiers: Mapping[str, str]) -> None:
    """Spreadsheets write TRUE for true, people Standard for standard: another series to us."""
    for name, value in qualifiers.items():
        if name in _TRUE_OR_ABSENT and value not in ("", "true"):
            raise _Wrong(f"{name} is {value!r}; write true, or leave it empty")
        if name in _SMALL_LETTERS and value != value.lower():
            raise _Wrong(f"{name} is {value!r}; write it in small letters")


def _amount(text: str) -> Decimal | None:
    if not text:
        return None
    if not _AMOUNT.fullmatch(text):
        raise _Wrong(f"amount is {text!r}; write it as 1234.5, or leave it empty when withdrawn")
    try:
        to_ticks(Decimal(text))
    except InexactAmount as error:
        raise _Wrong(str(error)) from None
    return plain(Decimal(text))


def _since(text: str, until: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        since = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Wrong(f"valid_from is {text!r}; write 2024-05-13 or 2024-05-13T16:00:00Z") from None
    if since > until:
        raise _Wrong(f"valid_from is {text!r}, which is still to come; import takes the past only")
    if since.year < _FIRST_YEAR:
        raise _Wrong(f"valid_from is {text!r}, which is too long ago to be meant")
    return since.replace(microsecond=0)


def _hint(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"
