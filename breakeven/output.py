"""Rows to a table for people, or to JSON, NDJSON and CSV for programs: data on stdout, talk on
stderr, nothing cut, `[]` when there is nothing."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from itertools import chain, islice
from typing import Any, TypeVar

import click

Row = Mapping[str, Any]
Command = TypeVar("Command", bound=Callable[..., Any])

_BLANK = re.compile(r"[\t\n\r\u2028\u2029]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_NUMBER = re.compile(r"[-−+]?[\d,]+(\.\d+)?(x| ?%)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_AT_ONCE = 1000
_NO_AMOUNT = {"", "-", "withdrawn", "cancelled", "unknown"}
"""What may stand among numbers without making the column one of words."""


@dataclass(frozen=True, slots=True)
class Format:
    """How rows are written: `kind` is table, json, nl or csv."""

    kind: str = "table"
    headers: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """What the rows of a command hold: `columns` of the table for people, `fields` for programs."""

    columns: tuple[str, ...]
    fields: tuple[str, ...]


def output_options(command: Command) -> Command:
    """Add `--json --nl --csv --no-headers`; the command gets one argument, `form`."""

    def choose(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
        if value and context.meta.setdefault("breakeven.kind", parameter.name) != parameter.name:
            raise click.UsageError("give one of --json, --nl and --csv", context)
        return value

    @wraps(command)
    def with_form(*args: Any, no_headers: bool, **rest: Any) -> Any:
        kind = click.get_current_context().meta.get("breakeven.kind", "table")
        return command(*args, form=Format(kind, headers=not no_headers), **rest)

    wrapped: Any = click.option("--no-headers", is_flag=True, help="Leave out the header line.")(
        with_form
    )
    for name, words in (
        ("csv", "Comma-separated values with a header line."),
        ("nl", "One JSON object a line."),
        ("json", "A JSON array."),
    ):
        option = click.option(
            f"--{name}", is_flag=True, expose_value=False, callback=choose, help=words
        )
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def write_rows(rows: Iterable[Row], shape: Shape, form: Format, *, empty: str = "nothing") -> None:
    """Write rows: a table shows `shape.columns`, programs get every field.

    A row of a table may have `below`: lines of its own under it. `empty` is what a person reads on
    stderr when there are no rows. All but a table is written as the rows come: they may be a
    million.
    """
    left = iter(rows)
    first = list(islice(left, 1))
    parts = _written(chain(first, left), shape, form)
    while some := "".join(islice(parts, _AT_ONCE)):
        click.echo(some, nl=False)
    if not first:
        say(empty)


def write_json(value: object) -> None:
    """One JSON document on stdout."""
    click.echo(_json(value))


def table(cells: Sequence[Sequence[str]], headers: Sequence[str] | None = None) -> str:
    """Aligned columns, numbers to the right, nothing cut."""
    return "\n".join(_aligned(cells, headers))


def clean(text: str) -> str:
    """Text from outside without control codes, so that it can't move a terminal's cursor."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub("", _BLANK.sub(" ", text))


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def say(text: str) -> None:
    """Talk to a person: on stderr. When nobody listens any more, the work goes on."""
    with suppress(BrokenPipeError):
        click.echo(text, err=True)


def bold(text: str) -> str:
    """Emphasis on a terminal, plain text elsewhere and under NO_COLOR."""
    styled = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return click.style(text, bold=True) if styled else text


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def _written(rows: Iterable[Row], shape: Shape, form: Format) -> Iterator[str]:
    """The text of the rows in parts."""
    if form.kind == "json":
        return _array(rows)
    if form.kind == "nl":
        return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if form.kind == "csv":
        return _csv(rows, shape.fields, form.headers)
    found = list(rows)
    lines = _lines(found, shape.columns, form.headers) if found else ()
    return (f"{line}\n" for line in lines)


def _array(rows: Iterable[Row]) -> Iterator[str]:
    """As `write_json` would write a list of them."""
    before = "["
    for row in rows:
        yield before + "\n " + _json(row).replace("\n", "\n ")
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _lines(rows: Sequence[Row], columns: Sequence[str], headers: bool) -> Iterator[str]:
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    lines = iter(_aligned(cells, [name.replace("_", " ") for name in columns] if headers else None))
    if headers:
        yield next(lines)
    for line, row in zip(lines, rows, strict=True):
        yield line
        yield from (f"    {clean(text)}" for text in row.get("below", ()))


def _aligned(cells: Sequence[Sequence[str]], headers: Sequence[str] | None) -> list[str]:
    rows = [[clean(cell) for cell in row] for row in cells]
    lines = [list(headers), *rows] if headers else rows
    sizes = [max(map(width, column)) for column in zip(*lines, strict=True)]
    to_the_right = [_is_numeric(column) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_padded, line, sizes, to_the_right)).rstrip() for line in lines]


def _is_numeric(cells: Iterable[str]) -> bool:
    amounts = set(cells) - _NO_AMOUNT
    return bool(amounts) and all(_NUMBER.fullmatch(cell) for cell in amounts)


def _padded(text: str, size: int, right: bool) -> str:
    space = " " * (size - width(text))
    return space + text if right else text + space


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={part}" for name, part in value.items())
    return str(value)


def _csv(rows: Iterable[Row], names: Sequence[str], headers: bool) -> Iterator[str]:
    if headers:
        yield _csv_line(names)
    for row in rows:
        yield _csv_line([_harmless(_flat(row.get(name))) for name in names])


def _csv_line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _flat(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _harmless(text: str) -> str:
    # Spreadsheets run a cell that begins like a formula; a negative number is none.
    risky = text.startswith(_FORMULA) and not _NUMBER.fullmatch(text)
    return f"'{text}" if risky else text
