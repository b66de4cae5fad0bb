"""Z.ai's price page: what its language, image, video and audio models and web search cost.

Tables in US dollars with a row per model; the line above a table ("Prices per 1M tokens.") or the
cell names the unit. The id that the API takes is the printed name in small letters. Storage of
cached input that is free for a limited time is quoted as 0; of a promotion the price in force is
read, not its end. Agents are set aside: the page doesn't say which of their tokens are paid for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote, Series, SetAside
from scraper.document import Document, Page
from scraper.reading import (
    Cell,
    Row,
    Table,
    Unit,
    Unreadable,
    check_struck,
    html_tables,
    leading_usd,
    markdown_tables,
    unit,
    unit_in,
)

SELLER = "zai"
PAGES = (
    Page("https://docs.z.ai/guides/overview/pricing.md", "markdown"),
    Page("https://docs.z.ai/guides/overview/pricing", "html"),
)

_LABELS = ("model", "tool", "agent")
_TOKEN_METERS = {
    "input": "input",
    "cached input": "cache_read",
    "cached input storage": "cache_storage",
    "output": "output",
}
_SINGLE = ("price", "cost")


def read(document: Document) -> Iterator[Quote | SetAside]:
    """The prices of the page; what isn't certain is set aside or refused.

    Raises `DocumentRefused` for a document without a price table, and `PageChanged` when one has
    an unknown column, no unit, no rows or no readable price.
    """
    tables = _tables(document)
    if not any(map(_is_price_table, tables)):
        raise DocumentRefused(
            f"{SELLER}: {document.url} holds no price table; it may be a block page, another page, "
            "or need JavaScript"
        )
    for table in tables:
        if _is_price_table(table):
            yield from _read_table(table)
        else:
            yield from _not_ours(table)


def _tables(document: Document) -> list[Table]:
    if document.form == "markdown":
        return markdown_tables(document.text)
    if document.form == "html":
        return html_tables(document.text)
    raise DocumentRefused(
        f"{SELLER}: {document.url} is {document.form}; only markdown and html can be read"
    )


def _not_ours(table: Table) -> Iterator[SetAside]:
    text = " | ".join(cell.text for row in table.rows for cell in row.cells)
    if re.search(r"[$€£¥]", text):
        yield SetAside("a table that we don't know", _place(table), text[:500])


def _heading(table: Table) -> str:
    """The title above the table; a rendering by r.jina.ai prints it on the line after its mark."""
    return table.heading or table.before.split("\n")[0] or " | ".join(table.columns)


def _place(table: Table) -> str:
    return f'table "{_heading(table)}"'


def _is_price_table(table: Table) -> bool:
    columns = {column.lower() for column in table.columns}
    return bool(columns & set(_LABELS)) and bool(columns & {*_TOKEN_METERS, *_SINGLE})


def _read_table(table: Table) -> Iterator[Quote | SetAside]:
    _check_columns(table)
    items = [*_ragged(table), *(item for row in table.rows for item in _read_row(table, row))]
    problems = [item for item in items if isinstance(item, SetAside)]
    if 1 < len(problems) == len(items) and not _is_of_agents(table):
        raise PageChanged(SELLER, problems[0].where, problems[0].reason)
    yield from items


def _check_columns(table: Table) -> None:
    for column in table.columns:
        place = f'{_place(table)}, column "{column}"'
        if column.lower() not in {*_LABELS, *_TOKEN_METERS, *_SINGLE}:
            raise PageChanged(SELLER, place, "unknown column")
        if table.columns.count(column) > 1:
            raise PageChanged(SELLER, place, "is there more than once")
    if not table.rows and not table.ragged:
        raise PageChanged(SELLER, _place(table), "has no rows")


def _ragged(table: Table) -> Iterator[SetAside]:
    for cells in table.ragged:
        reason = f"a row of {len(cells)} cells under {len(table.columns)} columns"
        yield SetAside(reason, _place(table), " | ".join(cell.text for cell in cells))


def _is_of_agents(table: Table) -> bool:
    return "agent" in map(str.lower, table.columns)


# --- cells --------------------------------------------------------------------------------------

# A lone backslash is how the page prints a dash in the row of GLM-OCR.
_NOT_SOLD = ("-", "–", "—", "/", "\\", "n/a")
_FREE = ("free", "limited-time free")
_APPROXIMATELY = re.compile(r" ?\(equivalent to approximately [^()]*\)$")


def _read_row(table: Table, row: Row) -> Iterator[Quote | SetAside]:
    label = next(cell for column, cell in row.items() if column.lower() in _LABELS)
    for column, cell in row.items():
        if column.lower() in _LABELS or cell.text.lower() in _NOT_SOLD:
            continue
        where = f"{_heading(table)} › {label.text} › {column}"
        try:
            yield _quote(table, label, column, cell, where)
        except Unreadable as error:
            yield SetAside(str(error), where, cell.text or cell.struck)


def _quote(table: Table, label: Cell, column: str, cell: Cell, where: str) -> Quote:
    if _is_of_agents(table):
        raise Unreadable("the price of an agent: which of its tokens are paid for isn't said")
    if label.note or cell.note:
        raise Unreadable(f"footnote {label.note or cell.note} may set a condition")
    storage = _TOKEN_METERS.get(column.lower()) == "cache_storage"
    amount, per = _price(cell, table.before, storage)
    series = _series(table, label, column, per)
    return Quote(series, amount, cell.text, where, per.printed)


def _price(cell: Cell, above: str, storage: bool) -> tuple[Decimal, Unit]:
    """US dollars per unit; what is free is so in any unit, also storage by the hour."""
    if cell.text.lower() in _FREE:
        per = unit_in(above)
        return Decimal(0), Unit("mtok_hour", per.base, per.count, per.printed) if storage else per
    check_struck(cell)
    figure, phrase = leading_usd(_APPROXIMATELY.sub("", cell.text))
    per = unit(phrase) if phrase else unit_in(above)
    return per.price(figure), per


_ONE_PRICE = {"image": "image", "video": "video"}


def _series(table: Table, label: Cell, column: str, per: Unit) -> Series:
    name = label.text.lower()
    if name == "web search" and per.name in ("request", "kreq"):
        return Series.of(SELLER, "web_search", "search", per.name, tool="web_search")
    meter = _TOKEN_METERS.get(column.lower()) or _ONE_PRICE.get(per.name)
    if not meter and re.search(r"\baudio\b", _heading(table), re.IGNORECASE) and per.name == "mtok":
        meter = "audio"
    if column.lower() in _TOKEN_METERS:
        wanted = "mtok_hour" if meter == "cache_storage" else "mtok"
        meter = meter if per.name == wanted else None
    if not meter:
        raise Unreadable(f'"{per.printed}" is not a unit of {column.lower()} here')
    return Series.of(SELLER, _product(label.text), meter, per.name, service_tier="standard")


# The one id that has a version behind the name:
# https://docs.z.ai/api-reference/image/generate-image
_IDS = {"cogview-4": "cogview-4-250304"}


def _product(name: str) -> str:
    product = name.lower()
    if not re.fullmatch(r"[a-z][a-z0-9]*(?:[.-][a-z0-9]+)*", product):
        raise Unreadable(f'"{name}" is not the name of a model')
    return _IDS.get(product, product)
