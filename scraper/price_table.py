"""Plain price tables, a row per model and a column per price: what every reader of them checks.

A provider says what a header, a label and a cell mean; the refusals are the same for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote, Series, SetAside
from scraper.document import Document
from scraper.reading import (
    Cell,
    Row,
    Table,
    Unreadable,
    check_struck,
    html_tables,
    markdown_tables,
)

_PROSE = ("description",)  # sentences, which may repeat a price
NOT_SOLD = ("-", "–", "—", "n/a", "not available")


@dataclass(frozen=True, slots=True)
class Priced:
    """A price in a cell: what it is of, in the series' currency per unit, and the unit's words."""

    series: Series
    amount: Decimal
    printed_unit: str


PricesIn = Callable[[Row, str, Cell], Iterable[Priced]]
"""What the cell of a row under a header prices, nothing when it is a detail or not sold.

Raises `Unreadable` for what isn't certain.
"""


def tables_of(seller: str, document: Document) -> list[Table]:
    """The tables of a markdown or HTML document; `DocumentRefused` when there is none."""
    if document.form not in {"markdown", "html"}:
        raise DocumentRefused(
            f"{seller}: {document.url} is {document.form}; only markdown and html can be read"
        )
    parse = html_tables if document.form == "html" else markdown_tables
    tables = parse(document.text)
    if not tables:
        raise DocumentRefused(
            f"{seller}: {document.url} holds no table; it may be a block page or need JavaScript"
        )
    return tables


_TARGET = re.compile(r" ?\{([^{}]*)\}")
_IN_LINK = r"(?:(?!</?a\b|</t[dhr]\b)[\s\S])*"  # a link that is never closed ends with its cell


def with_targets(document: Document, address: str) -> Document:
    """The document with ` {target}` behind the text of each link whose address fits.

    Tables keep no addresses, and some pages tell the id of a model nowhere else. `address` is a
    pattern with one group, the target.
    """
    if document.form == "html":
        link, marked = rf'(<a\b[^>]*\bhref="{address}"[^>]*>{_IN_LINK})</a>', r"\1 {\2}</a>"
        return replace(document, text=re.sub(link, marked, document.text))
    text = re.sub(r"!\[[^\]\n]*\]\([^)\n]*\)", "", document.text)
    return replace(document, text=re.sub(rf"\[([^\]\n]*)\]\({address}\)", r"\1 {\2}", text))


def target_in(text: str) -> str | None:
    """The first target that `with_targets` wrote into a text, or None."""
    return next(iter(targets_in(text)), None)


def targets_in(text: str) -> list[str]:
    """All targets that a text holds in braces, in its order."""
    return _TARGET.findall(text)


def without_target(text: str) -> str:
    """The text as the page prints it."""
    return _TARGET.sub("", text)


def no_prices(seller: str, document: Document) -> DocumentRefused:
    """What to raise for a document with tables but none of the kinds that the seller prices in."""
    return DocumentRefused(
        f"{seller}: {document.url} has no price table that we know: it is another page, or its "
        "tables are filled by JavaScript; open it in a browser to see what is served"
    )


def place(table: Table) -> str:
    """A table in the words of an error: by its heading, or by its header."""
    return f'table "{table.heading or " | ".join(table.columns)}"'


def check_columns(seller: str, table: Table, is_known: Callable[[str], bool]) -> None:
    """`PageChanged` for an unknown or doubled column, and for a table without rows."""
    for header in table.columns:
        where = f'{place(table)}, column "{header}"'
        if not is_known(header):
            raise PageChanged(seller, where, "unknown column")
        if table.columns.count(header) > 1:
            raise PageChanged(seller, where, "is there more than once")
    if not table.rows and not table.ragged:
        raise PageChanged(seller, place(table), "has no rows")


def read_rows(
    seller: str, table: Table, label: str, prices_in: PricesIn, *, is_side: bool = False
) -> Iterator[Quote | SetAside]:
    """The quotes of a table whose rows are named by the column `label`.

    What a cell doesn't say for certain is set aside alone; `PageChanged` when that is all, unless
    the table is one beside those that the page is read for.
    """
    items = [*_ragged(table)]
    for row in table.rows:
        for header, cell in row.items():
            where = f"{table.heading or 'Pricing'} › {without_target(_line(row[label]))} › {header}"
            items += _quotes(prices_in, row, header, cell, where)
    problems = [item for item in items if isinstance(item, SetAside)]
    many = len(table.rows) + len(table.ragged) > 1
    if many and not is_side and problems and len(problems) == len(items):
        raise PageChanged(seller, problems[0].where, problems[0].reason)
    yield from items


def _quotes(
    prices_in: PricesIn, row: Row, header: str, cell: Cell, where: str
) -> list[Quote | SetAside]:
    try:
        priced = [] if _is_struck(cell) else list(prices_in(row, header, cell))
        _check(cell, priced, is_detail=cell is row.cells[0] or header.lower() in _PROSE)
    except Unreadable as error:
        return [SetAside(str(error), where, cell.text or cell.struck)]
    return [
        Quote(price.series, price.amount, cell.text, where, price.printed_unit) for price in priced
    ]


def _is_struck(cell: Cell) -> bool:
    return bool(cell.struck and not cell.text)


def _check(cell: Cell, priced: list[Priced], *, is_detail: bool) -> None:
    if _is_struck(cell):
        raise Unreadable("struck through")
    if priced:
        check_struck(cell)
    if cell.note and priced:
        raise Unreadable(f"footnote {cell.note} may set a condition")
    if not priced and not is_detail and holds_amount(cell.text):
        raise Unreadable("an amount in a column without prices")


def holds_amount(text: str) -> bool:
    """Whether a text has an amount of money in some currency."""
    return bool(re.search(r"[$€£¥￥₹₩] ?[0-9]|[0-9] ?[€£元]", text))


def _ragged(table: Table) -> Iterator[Quote | SetAside]:
    for cells in table.ragged:
        reason = f"a row of {len(cells)} cells under {len(table.columns)} columns"
        yield SetAside(reason, place(table), " | ".join(_line(cell) for cell in cells))


def _line(cell: Cell) -> str:
    return " ".join(cell.lines)


def unknown_table(table: Table, left_out: Collection[frozenset[str]]) -> Iterator[SetAside]:
    """A table that no reader takes, set aside when it holds amounts.

    `left_out` names those that are known to hold no price of a model, by their lower-case headers.
    """
    cells = [_line(cell) for cells in _all_rows(table) for cell in cells]
    if frozenset(map(str.lower, table.columns)) in left_out:
        return
    if any(holds_amount(text) for text in cells):
        text = " | ".join([*table.columns, *cells])
        yield SetAside("a table that we don't know", place(table), text[:500])


def _all_rows(table: Table) -> Iterator[tuple[Cell, ...]]:
    yield from (row.cells for row in table.rows)
    yield from table.ragged
