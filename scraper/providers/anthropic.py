"""Anthropic's price page: what Claude models cost per token through Anthropic's own API.

Read are the tables of base prices and prompt caching, batch, fast mode and long prompts, and what
web search, code execution and sessions of managed agents cost (`scraper.anthropic_tools`), in the
markdown and in the HTML of the page; in a saved copy of claude.com/pricing the cards of models and
tools (`scraper.anthropic_cards`). A model is quoted as long as the page prices it, a retired one
too. Not read are prices that the page states only as a factor of others (1.1x for inference in the
US alone), the free hours of code execution, and what costs nothing but tokens (web fetch).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import METERS, Quote, Series, SetAside
from scraper import anthropic_cards, anthropic_tools
from scraper.anthropic_models import SIGNS, Subject, named_in, subject_of
from scraper.document import Document, Page
from scraper.reading import (
    Cell,
    Contents,
    Row,
    Table,
    Unreadable,
    html_contents,
    leading_usd,
    markdown_contents,
    unit,
)

SELLER = "anthropic"
PAGES = (
    Page("https://platform.claude.com/docs/en/about-claude/pricing.md", "markdown"),
    Page("https://platform.claude.com/docs/en/about-claude/pricing", "html"),
)


def read(document: Document) -> Iterator[Quote | SetAside]:
    """The prices of a price page; what isn't certain is set aside or refused.

    Raises `DocumentRefused` for a document without the table of base prices, and `PageChanged`
    when a table of a kind that is read has an unknown column, no rows or no readable price.
    """
    if anthropic_cards.are_in(document):
        yield from anthropic_cards.read(document)
    else:
        yield from _read_tables(document)


def _read_tables(document: Document) -> Iterator[Quote | SetAside]:
    contents = _contents(document)
    tables = [(table, _service_tier(table)) for table in contents.tables]
    ours = [(table, tier) for table, tier in tables if tier]
    for table, _ in ours:
        _check_columns(table)
    if not any(tier == "standard" and not _short_prompt(table) for table, tier in ours):
        raise _without_base_prices(document, bool(tables))
    bands = _length_bands(table for table, tier in tables if tier in ("standard", None))
    if not bands and _LONG_COSTS_MORE.search(re.sub(r"<[^>]*>", "", document.text)):
        raise PageChanged(SELLER, "the prices of long prompts", "are announced, but not found")
    for table, tier in ours:
        yield from _read_table(table, tier, {} if tier == "fast" else bands)
    for table, unknown_tier in tables:
        if not unknown_tier:
            yield from _not_ours(table)
    yield from anthropic_tools.read(contents)


# Without the table that follows, the prices of short prompts would pass for those of all.
_LONG_COSTS_MORE = re.compile(
    r"exceed [0-9]+k input tokens are automatically charged at premium", re.IGNORECASE
)


def _contents(document: Document) -> Contents:
    if document.form == "markdown":
        return markdown_contents(document.text)
    if document.form == "html":
        return html_contents(document.text)
    raise DocumentRefused(
        f"{SELLER}: {document.url} is {document.form}; only markdown and html can be read"
    )


def _without_base_prices(document: Document, has_tables: bool) -> DocumentRefused:
    if has_tables:
        return PageChanged(SELLER, 'table "Model pricing"', "is not on the page")
    return DocumentRefused(
        f"{SELLER}: {document.url} holds no table; it may be a block page or need JavaScript"
    )


# --- which tables hold token prices -------------------------------------------------------------

# All that the headings above a price table may say. Any other word ("AWS", "US-only", "priority")
# may set other conditions: such a table is set aside, never taken for the standard prices.
_HEADING_WORDS = {
    "pricing", "prices", "anthropic", "claude", "api", "model", "models", "token", "tokens",
    "standard", "base", "current", "latest", "legacy", "deprecated", "older", "feature",
    "specific", "batch", "processing", "fast", "mode", "long", "context",
}  # fmt: skip
# Tables with amounts that are no prices of tokens.
_LEFT_OUT = (
    {"line item", "calculation", "cost"},  # worked examples
    {"concept", "details"},  # how AWS and Azure bill for Anthropic: a unit of theirs is $0.01
)


def _service_tier(table: Table) -> str | None:
    """The tier that headings and headers name; None when it isn't a table of token prices."""
    headings = " ".join(table.headings).lower()
    if not set(re.findall(r"[a-z0-9]+", headings)) <= _HEADING_WORDS:
        return None
    if not any(_column(header) for header in table.columns):
        return None
    words = f"{headings} {' '.join(table.columns)}".lower()
    named = [tier for tier in ("batch", "fast") if re.search(rf"\b{tier}\b", words)]
    if len(named) > 1:
        raise PageChanged(SELLER, _place(table), f"is for both {' and '.join(named)}")
    # Without a heading, "Input" and "Output" alone could be those of any tier.
    says_standard = re.search(r"\b(base|model pricing|long context)\b", words)
    return named[0] if named else "standard" if says_standard else None


def _not_ours(table: Table) -> Iterator[SetAside]:
    cells = [cell.text for row in table.rows for cell in row.cells]
    cells += [cell.text for cells_of_row in table.ragged for cell in cells_of_row]
    headers = {header.lower() for header in table.columns}
    left_out = headers in _LEFT_OUT or anthropic_tools.is_of_sessions(table)
    if not left_out and any(re.search(r"[$€£¥]|\bMTok", text) for text in cells):
        text = " | ".join([*table.columns, *cells])
        yield SetAside("a table that we don't know", _place(table), text[:500])


def _place(table: Table) -> str:
    return f'table "{table.heading or " | ".join(table.columns)}"'


# --- columns ------------------------------------------------------------------------------------

_LABELS = ("model", "models")
_METERS: dict[str, tuple[str, str | None]] = {
    "input": ("input", None),
    "output": ("output", None),
    "5m cache writes": ("cache_write", "5m"),
    "1h cache writes": ("cache_write", "1h"),
    "cache hits & refreshes": ("cache_read", None),
}
_BAND = re.compile(r"(≤|<=|>) ?([0-9]+)k input tokens(?:[ ›]+(input|output))?")


@dataclass(frozen=True, slots=True)
class _Column:
    """What a header says; `meter` is None where the cells name it: `Input: $3 / MTok`."""

    meter: str | None
    cache_ttl: str | None = None
    context: str | None = None


def _column(header: str) -> _Column | None:
    """The price column of that header, None when it is something else."""
    words = header.lower()
    if band := _BAND.fullmatch(words):
        return _Column(band[3], context=f"{SIGNS[band[1]]}{band[2]}000")
    meter = re.sub(r"^(base|batch) | tokens$", "", words).replace(" and ", " & ")
    return _Column(*_METERS[meter]) if meter in _METERS else None


def _check_columns(table: Table) -> None:
    for header in table.columns:
        place = f'{_place(table)}, column "{header}"'
        if header.lower() not in _LABELS and not _column(header):
            raise PageChanged(SELLER, place, "unknown column")
        if table.columns.count(header) > 1:
            raise PageChanged(SELLER, place, "is there more than once")
    if not table.rows and not table.ragged:
        raise PageChanged(SELLER, _place(table), "has no rows")


def _short_prompt(table: Table) -> str | None:
    """The `context` of the table's column for short prompts, if its prices depend on length."""
    contexts = [column.context for column in map(_column, table.columns) if column]
    return next((context for context in contexts if context and context[0] == "<"), None)


def _length_bands(tables: Iterable[Table]) -> dict[str, str]:
    """Of the ids whose price depends on the prompt's length: the context of their other prices.

    Batch and cache prices follow the long-context price, says the page: what is printed for such
    a model without a length holds for short prompts only.
    """
    bands: dict[str, str] = {}
    for table in tables:
        for subject, _ in _subjects(table):
            if isinstance(subject, Subject):
                context = _short_prompt(table) or subject.context
                if context and context[0] == "<":
                    bands |= dict.fromkeys(subject.products, context)
    return bands


# --- rows ---------------------------------------------------------------------------------------

_NOT_SOLD = ("-", "–", "—", "n/a", "not available")


def _read_table(table: Table, tier: str, bands: dict[str, str]) -> Iterator[Quote | SetAside]:
    items = [*_ragged(table), *_read_rows(table, tier, bands)]
    problems = [item for item in items if isinstance(item, SetAside)]
    if len(table.rows) > 1 and problems and len(problems) == len(items):
        raise PageChanged(SELLER, problems[0].where, problems[0].reason)
    yield from items


def _ragged(table: Table) -> Iterator[SetAside]:
    for cells in table.ragged:
        reason = f"a row of {len(cells)} cells under {len(table.columns)} columns"
        yield SetAside(reason, _place(table), " | ".join(cell.text for cell in cells))


def _read_rows(table: Table, tier: str, bands: dict[str, str]) -> Iterator[Quote | SetAside]:
    for subject, row in _subjects(table):
        if isinstance(subject, SetAside):
            yield subject
            continue
        for header, cell in row.items():
            column = _column(header)
            if column and cell.text.lower() not in _NOT_SOLD:
                where = f"{table.heading or 'Pricing'} › {subject.printed} › {header}"
                offer = _Offer(subject, column, tier, bands)
                yield from _quotes(offer, cell, where, table.after)


def _quotes(offer: _Offer, cell: Cell, where: str, notes: str) -> Iterator[Quote | SetAside]:
    try:
        _check_footnotes(cell.note, notes)
        meter, amount, printed_unit = _price(cell, offer.column)
    except Unreadable as error:
        yield SetAside(str(error), where, cell.text or cell.struck)
        return
    for series in offer.series(meter):
        yield Quote(series, amount, cell.text, where, printed_unit, *offer.subject.period)


def _price(cell: Cell, column: _Column) -> tuple[str, Decimal, str]:
    """Meter, US dollars per mtok and the unit as printed, of `$5 / MTok` or `Input: $5 / MTok`."""
    if cell.struck and not cell.text:
        raise Unreadable("struck through")
    named, _, rest = cell.text.rpartition(":")
    meter = column.meter or named.lower()
    if meter not in METERS or (named and column.meter):
        raise Unreadable("what is paid for is said neither by header nor cell, or by both")
    figure, phrase = leading_usd(rest)
    per = unit(phrase)
    if per.name != "mtok":
        raise Unreadable(f'"{phrase}" is no unit of tokens')
    return meter, per.price(figure), phrase


# Footnotes that explain a price and set no condition for it; any other may.
_EXPLAINS = re.compile(
    r".* priced at [0-9.]+x the base input price\."
    r"(?: All other models use the standard [0-9.]+x multiplier\.)?"
    r"|.* is now the standard price\."
)


def _check_footnotes(marks: str, notes: str) -> None:
    for mark in re.findall(r"[^\s,]+", marks):
        found = re.search(rf"^[\W_]*{re.escape(mark)}\b\W*(\w.*)", notes, re.MULTILINE)
        text = found[1].rstrip("*_ ") if found else "not found below the table"
        if not _EXPLAINS.fullmatch(text):
            raise Unreadable(f"footnote {mark} may set a condition: {text}")


@dataclass(frozen=True, slots=True)
class _Offer:
    """What the price in one cell is for, but for the meter."""

    subject: Subject
    column: _Column
    tier: str
    bands: dict[str, str]

    def series(self, meter: str) -> Iterator[Series]:
        """One series for each model that the row names."""
        for product in self.subject.products:
            yield Series.of(
                SELLER,
                product,
                meter,
                "mtok",
                service_tier=self.tier,
                context=self.column.context or self.subject.context or self.bands.get(product),
                cache_ttl=self.column.cache_ttl,
            )


def _subjects(table: Table) -> Iterator[tuple[Subject | SetAside, Row]]:
    """Each row with what it is about; without a column of models, the prose above names them."""
    header = next((header for header in table.columns if header.lower() in _LABELS), None)
    cells_name_meters = any(column and not column.meter for column in map(_column, table.columns))
    above = ""
    for row in table.rows:
        try:
            printed = row[header].text if header else named_in(table.before)
            # "Input: $3" and "Output: $15" stand below each other, the model beside the first.
            above = printed or (above if cells_name_meters else "")
            yield subject_of(above.replace("\n", " ")), row
        except Unreadable as error:
            text = " | ".join(cell.text for cell in row.cells)
            yield SetAside(str(error), _place(table), text), row
