"""Perplexity's API price page: Sonar models, search, tools of agents and embeddings.

Read are, in the markdown (MDX) and the HTML of the page: tokens of Sonar models, those of citations
(`variant` citation, sent to the model) and of reasoning (`variant` reasoning, generated) apart; the
fee per request by size of the search context; Pro Search, which costs another fee; tools by the
call or session; Search API; embeddings. The ids of Sonar models follow their names: Sonar Pro is
`sonar-pro`; a name that isn't known is set aside. Models of other makers, which Perplexity resells
at their prices, are on other pages.

Pages that this reader has met: saved as markdown in autumn 2025 and autumn 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from pricebook.errors import PageChanged
from pricebook.quote import Quote, Series, SetAside
from scraper.document import Document, Page
from scraper.price_table import (
    NOT_SOLD,
    Priced,
    PricesIn,
    check_columns,
    no_prices,
    place,
    read_rows,
    tables_of,
    unknown_table,
)
from scraper.reading import Cell, Row, Table, Unit, Unreadable, leading_usd, unit, unit_in, usd

SELLER = "perplexity"
PAGES = (
    Page("https://docs.perplexity.ai/docs/getting-started/pricing.md", "markdown"),
    Page("https://docs.perplexity.ai/docs/getting-started/pricing", "html"),
)

_LABELS = ("model", "tool", "api", "search type")
_DETAILS = {*_LABELS, "description", "dimensions"}
_LEFT_OUT = (frozenset({"component", "cost"}),)  # worked examples
_SIZE = re.compile(r"(low|medium|high) context size")
_COUNTED = re.compile(
    r"(?P<name>.+) \((?P<printed>\$/(?P<count>[0-9]*[km])(?P<things> tokens)?)\)", re.IGNORECASE
)


def read(document: Document) -> Iterator[Quote | SetAside]:
    """The prices of the page; what isn't certain is set aside or refused.

    Raises `DocumentRefused` for a document without the prices of Sonar models, and `PageChanged`
    when a table has an unknown column, no rows or no unit.
    """
    # Tables and headings inside components are indented, and markdown knows no deep headings.
    flat = re.sub(r"(?m)^[ \t]+(?=[|#])", "", document.text)
    tables = tables_of(SELLER, replace(document, text=flat))
    if not any(_is_of_tokens(table) for table in tables):
        raise no_prices(SELLER, document)
    for table in tables:
        if prices_in := _reader(table, tables):
            check_columns(SELLER, table, _is_known)
            is_side = not _is_of_tokens(table)
            yield from read_rows(SELLER, table, _label(table), prices_in, is_side=is_side)
        else:
            yield from unknown_table(table, _LEFT_OUT)


def _headers(table: Table | Row) -> list[str]:
    return [header.lower() for header in table.columns]


def _label(table: Table | Row) -> str:
    """The column that names what a row is about."""
    return next(header for header in table.columns if header.lower() in _LABELS)


def _name(row: Row) -> str:
    if name := row[_label(row)].text:
        return name
    raise Unreadable("a row without a name")


def _names(table: Table) -> set[str]:
    """The models of a table, none for one of another kind."""
    if "model" not in _headers(table):
        return set()
    return {row[_label(table)].text for row in table.rows}


def _is_known(header: str) -> bool:
    words = header.lower()
    return (
        words in _DETAILS
        or words == "price"
        or bool(_SIZE.fullmatch(words) or _tokens(words) or _request_unit(words))
    )


def _is_of_tokens(table: Table) -> bool:
    headers = _headers(table)
    return "model" in headers and any(map(_tokens, headers))


def _reader(table: Table, tables: Sequence[Table]) -> PricesIn | None:
    """What reads the cells of a table of this kind; None when we know no such kind."""
    headers = _headers(table)
    if _is_of_tokens(table):
        return partial(_tokens_in, _ids_of(table, tables))
    if "model" in headers and any(map(_SIZE.fullmatch, headers)):
        return partial(_fees_in, _ids_of(table, tables), _fee_unit(table))
    if {"tool", "price"} <= {*headers}:
        return _tools_in
    if "search type" in headers and any(map(_request_unit, headers)):
        return partial(_pro_search_in, tables)
    return _search_in if "api" in headers and any(map(_request_unit, headers)) else None


# --- tokens ---------------------------------------------------------------------------------------

_METERS: dict[str, tuple[str, str | None, str]] = {
    "input tokens": ("input", None, " tokens"),
    "output tokens": ("output", None, " tokens"),
    "citation tokens": ("input", "citation", " tokens"),
    "reasoning tokens": ("output", "reasoning", " tokens"),
    "search queries": ("search", None, " queries"),
    "price": ("input", None, ""),  # of embeddings
}


def _tokens(header: str) -> tuple[str, str | None, Unit] | None:
    """Meter, variant and unit of `Input Tokens ($/1M)`; None when it is another header."""
    found = _COUNTED.fullmatch(header)
    if not found or found["name"].lower() not in _METERS:
        return None
    meter, variant, things = _METERS[found["name"].lower()]
    try:
        per = unit(f"per {found['count']}{things or found['things'] or ''}")
    except Unreadable:
        return None
    return meter, variant, replace(per, printed=found["printed"])


def _tokens_in(ids: _Ids, row: Row, header: str, cell: Cell) -> Iterator[Priced]:
    column = _tokens(header)
    if not column or cell.text.lower() in NOT_SOLD:
        return
    meter, variant, per = column
    series = Series.of(
        SELLER, _product(ids, row), meter, per.name, service_tier="standard", variant=variant
    )
    yield Priced(series, per.price(usd(cell.text)), per.printed)


# https://docs.perplexity.ai/docs/sonar/models
_IDS = {
    "Sonar": "sonar",
    "Sonar Pro": "sonar-pro",
    "Sonar Reasoning": "sonar-reasoning",
    "Sonar Reasoning Pro": "sonar-reasoning-pro",
    "Sonar Deep Research": "sonar-deep-research",
}
# It was sold until December 2025, never without its Pro.
_NEVER_ALONE = "Sonar Reasoning"

_Ids = Mapping[str, str]
"""The ids of the models of one table, by their names."""


def _ids_of(table: Table, tables: Iterable[Table]) -> _Ids:
    """Without a name that may be that of another table's `... Pro`, with that word lost."""
    own = _names(table)
    elsewhere = {f"{_NEVER_ALONE} Pro"}.union(*map(_names, tables)) - own
    return {name: _IDS[name] for name in own & _IDS.keys() if f"{name} Pro" not in elsewhere}


def _product(ids: _Ids, row: Row) -> str:
    """The id of a model: as printed in code type, or that of its name."""
    name = _name(row)
    if re.fullmatch(r"[a-z0-9]+(?:[-.][a-z0-9.]+)+", name):
        return name
    if name not in ids:
        why = "it may have lost a word" if name in _IDS else "it is not known"
        raise Unreadable(f'the API id of "{name}" is not certain: {why}')
    return ids[name]


# --- fees for requests ----------------------------------------------------------------------------


def _fee_unit(table: Table) -> Unit:
    """`The request fee for each model for every **1000 requests**`."""
    try:
        per = unit_in(re.sub(r"\bevery ", "per ", table.before.replace("*", "")))
    except Unreadable as error:
        raise PageChanged(SELLER, place(table), f"its unit is not certain: {error}") from None
    if per.name not in {"kreq", "request"}:
        raise PageChanged(SELLER, place(table), f'"{per.printed}" is no unit of requests')
    return per


def _request_unit(header: str) -> Unit | None:
    """The unit of `Request Fee (per 1K)` or `Price per 1K requests`; None for another header."""
    words = r"(?:Request Fee \(|Price )(per [0-9,]*K?)(?: requests)?\)?"
    found = re.fullmatch(words, header, re.IGNORECASE)
    try:
        return unit(f"{found[1]} requests") if found else None
    except Unreadable:
        return None


def _fees_in(ids: _Ids, per: Unit, row: Row, header: str, cell: Cell) -> Iterator[Priced]:
    size = _SIZE.fullmatch(header.lower())
    if size and cell.text.lower() not in NOT_SOLD:
        yield _fee(_product(ids, row), f"{size[1]} search context", usd(cell.text), per)


def _fee(product: str, variant: str, amount: Decimal, per: Unit) -> Priced:
    series = Series.of(
        SELLER, product, "request", per.name, service_tier="standard", variant=variant
    )
    return Priced(series, per.price(amount), per.printed)


def _pro_search_in(tables: Sequence[Table], row: Row, header: str, cell: Cell) -> Iterator[Priced]:
    """Fees of Pro Search, which is Sonar Pro, by size of the search context: `$6 / $10 / $14`."""
    per = _request_unit(header)
    if not per or cell.text.lower().startswith("varies"):
        return
    sizes = _sizes(header, tables)
    amounts = [usd(printed) for printed in cell.text.split(" / ")]
    if len(amounts) != len(sizes):
        raise Unreadable(f"{len(amounts)} fees for {len(sizes)} sizes of the search context")
    for size, amount in zip(sizes, amounts, strict=True):
        variant = f"{_name(row)} search, {size} search context"
        yield _fee("sonar-pro", variant, amount, per)


def _sizes(header: str, tables: Sequence[Table]) -> list[str]:
    """The sizes that the fees in a cell are for, in their order.

    The page tells the order nowhere in the table, but one row is the standard behaviour of Sonar
    Pro, whose fee for each size stands in another table.
    """
    size_of = _sizes_by_fee_of_sonar_pro(tables)
    for row in (row for table in tables if header in table.columns for row in table.rows):
        if any("Standard Sonar Pro behavior" in " ".join(cell.lines) for cell in row.cells):
            fees = row[header].text.split(" / ")
            if sorted(fees) == sorted(size_of):
                return [size_of[fee] for fee in fees]
    raise Unreadable("no row with the fees of Sonar Pro tells which fee is for which size")


def _sizes_by_fee_of_sonar_pro(tables: Sequence[Table]) -> dict[str, str]:
    size_of = {}
    for row in (row for table in tables for row in table.rows):
        if any(cell.text == "Sonar Pro" for cell in row.cells):
            for header, cell in row.items():
                if size := _SIZE.fullmatch(header.lower()):
                    size_of[cell.text] = size[1]
    return size_of


# --- tools and search -----------------------------------------------------------------------------


def _tools_in(row: Row, header: str, cell: Cell) -> Iterator[Priced]:
    if header.lower() == "price" and cell.text.lower() not in NOT_SOLD:
        tool = _name(row)
        if not re.fullmatch(r"[a-z][a-z_]+", tool):
            raise Unreadable(f'"{tool}" is not the id of a tool')
        amount, phrase = leading_usd(cell.text)
        per = unit(phrase.replace("invocation", "call"))
        meter = "container" if per.name == "session" else "request"
        meter = "search" if tool == "web_search" else meter
        series = Series.of(SELLER, tool, meter, per.name, tool=tool)
        yield Priced(series, per.price(amount), phrase)


def _search_in(row: Row, header: str, cell: Cell) -> Iterator[Priced]:
    if per := _request_unit(header):
        if not re.fullmatch(r"[A-Z][a-z]+ API", _name(row)):
            raise Unreadable(f'"{_name(row)}" is not the name of an API')
        product = _name(row).lower().replace(" ", "-")
        series = Series.of(SELLER, product, "request", per.name)
        yield Priced(series, per.price(usd(cell.text)), per.printed)
