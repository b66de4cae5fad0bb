"""Google Cloud's price page of generative AI on Vertex AI (now called Agent Platform), in HTML.

Read are Gemini, Claude and the other makers' models per token, in all service tiers, regions and
lengths of prompts, caching and its storage, embeddings, tuning, images, video and music, and what
grounding in search results costs. Provisioned throughput (per GSU, a unit of Google's own), the
ranges of the Model Optimizer and frames of video are set aside; prices per modality, which the page
calls "for reference only", are not read.

`scraper.vertex_page` brings the rows, `scraper.vertex_order` says which of them stand below another
model's name, `scraper.vertex_table` what columns, types and cells mean, `scraper.vertex_offer` what
a price is for, `scraper.vertex_models` which ids the models have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote, Series, SetAside
from scraper.document import Document, Page
from scraper.reading import Cell, Table, Unreadable
from scraper.vertex_offer import Offer, without_needless_lengths
from scraper.vertex_order import disorder, doubtful_models, is_cut
from scraper.vertex_page import (
    Row,
    VertexPage,
    all_rows,
    day_in,
    is_price_table,
    place,
    tables,
    text_of,
)
from scraper.vertex_table import (
    NOT_SOLD,
    Claim,
    Column,
    asked_per_thousand,
    lines,
    without_marks,
)

SELLER = "google-vertex"
PAGES = (
    Page("https://cloud.google.com/gemini-enterprise-agent-platform/generative-ai/pricing", "html"),
)


def read(document: Document) -> Iterator[Quote | SetAside]:
    """The prices of all tables.

    Raises `DocumentRefused` for a document without a table of models and prices, and `PageChanged`
    when such a table has an unknown column, no rows, or not one price that can be read.
    """
    page = VertexPage.of(tables(document))
    if not any(map(is_price_table, page.tables)):
        raise DocumentRefused(
            f"{SELLER}: {document.url} has no table of models and prices: it is another page, a "
            "block page, or one that needs JavaScript; open it in a browser to see what is served"
        )
    items = [item for table in page.tables for item in _read_table(page, table)]
    yield from (item for item in items if isinstance(item, SetAside))
    yield from without_needless_lengths(item for item in items if isinstance(item, Quote))


# --- tables and rows ------------------------------------------------------------------------------


def _read_table(page: VertexPage, table: Table) -> Iterator[Quote | SetAside]:
    if table.heading == "Modality-based pricing" and "for reference only" in table.before:
        return
    if is_price_table(table):
        yield from _read_prices(page, table)
    elif "Pricing" in table.columns or set(table.columns) == {"Tool", "Price"}:
        for cells in all_rows(table):
            yield from _read_tool(table, cells[0].text, cells[-1].text)
    elif "$" in text_of(table):
        yield SetAside("a table of a kind that is not read", place(table), text_of(table)[:500])


def _read_prices(page: VertexPage, table: Table) -> Iterator[Quote | SetAside]:
    try:
        columns = _columns(table)
    except PageChanged as error:
        if "Description" not in table.columns:  # the many kinds of media have a table each
            raise
        yield SetAside(error.what, error.where, text_of(table)[:500])
        return
    if what := disorder(table) or _units_disagree(columns):
        yield SetAside(what, place(table), text_of(table)[:500])
        return
    items = list(_read_rows(page, table, columns))
    if not items:
        raise PageChanged(SELLER, place(table), "no rows with prices")
    problems = [item for item in items if isinstance(item, SetAside)]
    if len(problems) == len(items) > 1:
        raise PageChanged(SELLER, problems[0].where, problems[0].reason)
    yield from items


def _units_disagree(columns: Sequence[Column | None]) -> str:
    """Why the units of the columns can't all be right, or ""; storage is counted in its own."""
    units = {column.unit for column in columns if column and column.unit and not column.stored}
    if len({(per.name, per.base, per.count) for per in units}) <= 1:
        return ""
    return f"columns in several units: {', '.join(sorted(per.printed for per in units))}"


def _read_rows(
    page: VertexPage, table: Table, columns: Sequence[Column | None]
) -> Iterator[Quote | SetAside]:
    above: Row | None = None
    doubtful = doubtful_models(table)
    for cells in all_rows(table):
        if _is_tool(cells):
            yield from _read_tool(table, cells[0].text, cells[1].text)
            continue
        row = Row.of(page, table, columns, cells, above)
        above = row
        if trouble := row.trouble or _doubt(row, doubtful):
            text = " | ".join(cell.text for cell in cells)
            yield SetAside(trouble, f"{place(table)}, {row.name}", text[:500])
        else:
            yield from _read_row(row)


def _doubt(row: Row, doubtful: set[str]) -> str:
    """Why the prices of a row may be those of another model or column, or ""."""
    if row.name in doubtful:
        return "the model has two rows for the same"
    return "fewer cells than columns" if is_cut(row) else ""


def _columns(table: Table) -> list[Column | None]:
    columns = []
    for header in table.columns:
        try:
            columns.append(Column.of(header))
        except Unreadable as error:
            raise PageChanged(SELLER, f'{place(table)}, column "{header}"', str(error)) from None
        if table.columns.count(header) > 1:
            raise PageChanged(SELLER, f'{place(table)}, column "{header}"', "is there twice")
        if not _explains(header.removeprefix(without_marks(header)).strip(), table.after):
            what = "a footnote that may set a condition"
            raise PageChanged(SELLER, f'{place(table)}, column "{header}"', what)
    return columns


# What the columns for short and long prompts say anyway.
_LONG_RATES = (
    r"If a query input context is longer than (?:or equal to )?[0-9]+k tokens, all tokens "
    r"\(input and output\) are charged at long context rates\."
)


def _explains(mark: str, notes: str) -> bool:
    """Whether every footnote of that mark below a table only explains the columns."""
    found = re.findall(rf"(?m)^{re.escape(mark)} (?!\*)(.+)$", notes) if mark else []
    return not mark or (
        bool(found) and all(re.fullmatch(_LONG_RATES, note, re.IGNORECASE) for note in found)
    )


def _is_tool(cells: Sequence[Cell]) -> bool:
    return len(cells) > 1 and bool(re.match(r"(?:Web )?Grounding\b", cells[0].text))


# --- prices ---------------------------------------------------------------------------------------


def _read_row(row: Row) -> Iterator[Quote | SetAside]:
    for column, cell in row.prices:
        if cell.text.lower() in NOT_SOLD and not cell.struck:
            continue
        try:
            yield from list(_quotes(row, column, cell))
        except Unreadable as error:
            yield SetAside(str(error), row.where(column), cell.text or cell.struck)


def _quotes(row: Row, column: Column, cell: Cell) -> Iterator[Quote]:
    found = lines(cell)
    kinds = row.kinds
    if len(kinds) > 1 and len(kinds) != len(found):
        raise Unreadable(f"{len(found)} prices for {len(kinds)} types")
    if len(kinds) <= 1 and len({(line.label, line.region) for line in found}) != len(found):
        raise Unreadable("two prices without a word that tells them apart")
    for at, line in enumerate(found):
        kind = kinds[at if len(kinds) > 1 else 0] if kinds else None
        yield from Offer(row, column, line, kind, Claim.of(line.label)).quotes(cell)


# --- tools ----------------------------------------------------------------------------------------

_TOOLS = {
    r"Google (?:Web )?Search\b": "google_search",
    r"Web Grounding for Enterprise": "enterprise_web_search",
    r"Google Maps": "google_maps",
    r"your data": "grounding_with_your_data",
    r"^Web Search Request$": "web_search",
}
_SEARCHES = {"search queries", "grounded queries", "grounded prompts", "grounded requests"}
_COUNTED = {
    "google_search": _SEARCHES,
    "enterprise_web_search": _SEARCHES,
    "google_maps": {"queries", "grounded queries", "grounded prompts"},
    "grounding_with_your_data": {"prompts", "requests"},
    "web_search": {"searches"},
}


def _read_tool(table: Table, label: str, text: str) -> Iterator[Quote | SetAside]:
    """What 1,000 calls cost beyond those that are free; the prose says what a call is."""
    where = f"{table.heading} › {' '.join(label.split())}"
    if "$" not in text:
        return
    tools = [slug for form, slug in _TOOLS.items() if re.search(form, label, re.IGNORECASE)]
    asked = set(asked_per_thousand(text))
    if not tools or len(asked) != 1 or text.count("$") != 1:
        yield SetAside("not the one price of a tool that we know", where, text[:500])
        return
    amount, thing = asked.pop()
    if not all(thing in _COUNTED[tool] for tool in tools):
        yield SetAside(f'"{thing}" is not what this tool is counted in', where, text[:500])
        return
    start = day_in(text, r"(?:\bstarting|will start) {day}")
    basis = "announced" if start else "observed"
    for tool in tools:
        meter = "request" if tool == "grounding_with_your_data" else "search"
        series = Series.of(SELLER, tool, meter, "kreq", tool=tool, variant=thing)
        yield Quote(series, amount, text, where, f"per 1,000 {thing}", start, basis=basis)
