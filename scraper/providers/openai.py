"""OpenAI's API pricing page: tokens in all service tiers, fine-tuning, tools, speech and video.

`scraper.openai_page` brings the page's forms, markdown and HTML, to one list of tables, and
`scraper.openai_table` says what their columns and labels mean; here the rows become quotes.
The page of 2023 and 2024, which is left only as text, is read by `scraper.openai_text`.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain

from pricebook.errors import DocumentRefused
from pricebook.quote import Quote, Series, SetAside
from scraper import openai_text
from scraper.document import Document, Page
from scraper.openai_page import TIERS, tables
from scraper.openai_table import (
    NOT_SOLD,
    SIZE_COLUMNS,
    TIMED_METERS,
    Column,
    Label,
    Line,
    PriceTable,
    tokens,
    without_footnotes,
)
from scraper.reading import Cell, Unit, Unreadable, leading_usd, unit_in

SELLER = "openai"
PAGES = (
    Page("https://developers.openai.com/api/docs/pricing.md", "markdown"),
    Page("https://developers.openai.com/api/docs/pricing", "html"),
)
_MODALITIES = {"text", "audio", "image", "video"}


def read(document: Document) -> Iterator[Quote | SetAside]:
    """Every price of the page; `DocumentRefused` for one without the list of standard prices."""
    if document.form == "text":
        yield from openai_text.read(document)
    else:
        yield from _read_tables(document)


def _read_tables(document: Document) -> Iterator[Quote | SetAside]:
    found = tables(document)
    asides = [item for item in found if isinstance(item, SetAside)]
    page = _Page.of(document.text, [PriceTable(t) for t in found if not isinstance(t, SetAside)])
    if not any(map(_is_standard_list, page.tables)):
        tiers = ", ".join(dict.fromkeys(table.tier_label or "none" for table in page.tables))
        raise DocumentRefused(
            f"{SELLER}: {document.url} has no standard prices of text models, so it is an export "
            f"that lost its tables, or another page (service tiers on it: {tiers})"
        )
    for table in page.tables:
        yield from _read_table(table, page)
    yield from asides


@dataclass(frozen=True, slots=True)
class _Page:
    """What a row's meaning depends on outside its own table.

    `long_from`: the only length of prompt that the page names as the limit of short context.
    `split`: models with a price for short and another for long prompts. `modalities`: the sections
    of text, image and audio tokens that list a model. `tiered`: sections that name service tiers.
    """

    tables: list[PriceTable]
    long_from: int | None
    split: set[str] = field(default_factory=set)
    modalities: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    tiered: set[tuple[str, ...]] = field(default_factory=set)

    @classmethod
    def of(cls, text: str, found: Iterable[PriceTable]) -> _Page:
        limits = set(re.findall(r"[<>≤] ?([0-9]+[KM]) (?:context|input)", html.unescape(text)))
        page = cls(list(found), tokens(limits.pop()) if len(limits) == 1 else None)
        for table in page.tables:
            page._take_in(table)
        return page

    def _take_in(self, table: PriceTable) -> None:
        if table.tier_label:
            self.tiered.add(table.section)
        for line in table.lines:
            if line.label.short_up_to or line.has_long_prices:
                self.split.add(line.label.name)
            if table.modality:
                self.modalities[line.label.name].add(table.modality)
        # A broken row still shows that a model is sold in more than text.
        for cell in chain.from_iterable(table.table.ragged if table.modality else ()):
            self.modalities[Label.of(cell.text).name].add(table.modality)


def _is_standard_list(table: PriceTable) -> bool:
    """Whether it is a list of models with standard prices, which every page with prices has."""
    names = set(table.names)
    return (
        (table.tier_label or "").lower() == "standard"
        and "model" in names
        and bool(names & {"input", "short context input"})
        and not names & {"modality", "category", "use case", "training"}
        and bool(table.lines)
    )


# --- tables and rows ------------------------------------------------------------------------------


def _read_table(table: PriceTable, page: _Page) -> Iterator[Quote | SetAside]:
    columns = table.columns()
    if reason := _reason_against(table, columns):
        if re.search(r"\$ ?[0-9]", table.text):
            yield SetAside(reason, table.where(), table.text[:500])
        return
    _check(table, columns, page)
    for cells in table.table.ragged:
        text = " | ".join(cell.text for cell in cells)
        yield SetAside("the cells are more or fewer than the columns", table.where(), text)
    for line in table.lines:
        yield from _read_line(_Place(page, table, line), columns)


def _reason_against(table: PriceTable, columns: list[Column | None]) -> str:
    """Why a table is not of a kind that is read here; or ""."""
    names = set(table.names)
    if not names & {"model", "tool"} or not any(columns):
        return "a table of a kind that is not read"
    is_shared = any(line.label.data_sharing for line in table.lines)
    if ("training" in names or is_shared) and not table.is_fine_tuning:
        return "prices of training or data sharing outside a section on fine-tuning"
    if table.is_fine_tuning and "training" not in names:
        return "a table on fine-tuning without prices of training"
    return ""


def _check(table: PriceTable, columns: list[Column | None], page: _Page) -> None:
    """Refuse the page when a table of its main kinds can't be read with certainty."""
    table.check_columns(columns)
    label = table.tier_label
    in_tiers = any(table.section[: len(section)] == section for section in page.tiered)
    if label is None and in_tiers and "model" in table.names:
        raise table.changed("no service tier that we know is named above it")
    if (label or "standard").lower() not in TIERS:
        raise table.changed(f'the service tier "{label}" is unknown')
    if not table.lines and not table.table.ragged:
        raise table.changed("it has no rows")


@dataclass(frozen=True, slots=True)
class _Place:
    """A row, its table and its page."""

    page: _Page
    table: PriceTable
    line: Line

    def where(self, column: Column) -> str:
        described = ["category", "tool", "model", "modality", "size", "details"]
        return self.table.where(*map(self.line.text, described), column.printed)


def _read_line(place: _Place, columns: list[Column | None]) -> Iterator[Quote | SetAside]:
    quotes_of = _tool_quotes if "tool" in place.table.names else _model_quotes
    for column, cell in zip(columns, place.line.row.cells, strict=True):
        if column is None or (cell.text in NOT_SOLD and not cell.struck):
            continue
        try:
            yield from quotes_of(place, column, cell)
        except Unreadable as error:
            yield SetAside(str(error), place.where(column), cell.text or cell.struck)


# --- models ---------------------------------------------------------------------------------------


def _model_quotes(place: _Place, column: Column, cell: Cell) -> Iterator[Quote]:
    figure, unit = _figure(cell, column.unit)
    meter = _meter(place.table, column, unit)
    label = place.line.label
    qualifiers = _qualifiers(place, column, label, meter)
    series = Series.of(SELLER, label.product, meter, unit.name, currency="USD", **qualifiers)
    yield Quote(series, unit.price(figure), cell.text, place.where(column), unit.printed)


def _qualifiers(place: _Place, column: Column, label: Label, meter: str) -> dict[str, str | None]:
    data_sharing = "true" if label.data_sharing else None
    if meter == "training":
        # It is no inference, so it has no tier: the panes of all tiers print the same price.
        return {"data_sharing": data_sharing}
    return {
        "service_tier": place.table.tier,
        "context": _context(place, column, label),
        "modality": None if meter in TIMED_METERS.values() else _modality(place, label),
        "variant": _variant(place.line, column, meter),
        "data_sharing": data_sharing,
        "fine_tuned": "true" if place.table.is_fine_tuning else None,
        **column.qualifiers,
    }


def _figure(cell: Cell, unit: Unit | None) -> tuple[Decimal, Unit]:
    """The printed figure and its unit: the cell's own, or else that of the column."""
    words = without_footnotes(cell.text)
    figure, rest = (Decimal(0), "") if words.lower() == "free" else leading_usd(words)
    unit = unit_in(rest) if rest else unit
    if unit is None:
        raise Unreadable(f'"{words}" names no unit')
    return figure, unit


def _meter(table: PriceTable, column: Column, unit: Unit) -> str:
    """The column's meter, if the unit fits it; columns called "Cost" get theirs from the unit."""
    if column.meter == "training":
        fits = unit.name in {"mtok", "hour"}
    elif unit.name in TIMED_METERS:
        return _timed_meter(table, unit)
    elif column.meter is None and (unit.name == "mchar" or table.heading == "Embeddings"):
        return "input"
    else:
        fits = column.meter is not None and unit.name in {"mtok", "mchar"}
    if not fits or column.meter is None:
        raise Unreadable(f'"{unit.printed}" is no unit for this column')
    return column.meter


def _timed_meter(table: PriceTable, unit: Unit) -> str:
    meter = TIMED_METERS[unit.name]
    if table.is_of_video != (meter == "video"):
        other = "video" if table.is_of_video else "what is no video"
        raise Unreadable(f'"{unit.printed}" is no unit for {other}')
    return meter


def _context(place: _Place, column: Column, label: Label) -> str | None:
    """`<=272000`, `>272000`, or None when one price holds for prompts of all lengths.

    The lists of service tiers hold every model, with "-" for long prompts where one price holds
    for all; other tables, such as that of Cyber models, mean what their headers say.
    """
    is_split = label.short_up_to or label.name in place.page.split
    is_said = column.context == "short" and place.table.tier_label is None
    if column.context != "long" and not is_split and not is_said:
        return None
    limit = label.short_up_to or place.page.long_from
    if limit is None:
        raise Unreadable("the page doesn't say how many tokens make a prompt long")
    return f"{'>' if column.context == 'long' else '<='}{limit}"


def _modality(place: _Place, label: Label) -> str | None:
    """The row's or the section's modality; None for a model that is sold in text alone."""
    printed = place.line.text("modality").lower()
    if "modality" in place.table.names and printed not in _MODALITIES:
        raise Unreadable(f'the modality "{printed}" is unknown')
    only_text = place.page.modalities[label.name] == {"text"}
    return printed or (None if only_text else place.table.modality)


def _variant(line: Line, column: Column, meter: str) -> str:
    """The size of a video; `estimate` for what a minute costs about where tokens are billed."""
    if column.printed.lower() == "estimated cost" and _is_billed_by_token(line):
        return "estimate"
    size = line.text(*SIZE_COLUMNS)
    if meter == "video" and not size:
        raise Unreadable("nothing tells the size of the video")
    return size


def _is_billed_by_token(line: Line) -> bool:
    sides = {"input", "output"}
    if not sides <= {name for name, _ in line.cells()}:
        raise Unreadable("nothing tells whether tokens are billed")
    return any(line.text(side) not in NOT_SOLD for side in sides)


# --- tools ----------------------------------------------------------------------------------------

_TOOLS = {
    "web search": "web_search",
    "file search": "file_search",
    "code interpreter": "code_interpreter",
    "chatkit": "chatkit",
}
_TOOL_METERS = {"gb_day": "storage", "kreq": "request", "session": "container"}
_SIZES = re.compile(r"([0-9]+ GB) (\$[0-9.]+)(?:, )?")
_SESSION = Unit("session", 1, 1, "per 20-minute session per container")
_MODELS = r"(?:all|(?:non-)?reasoning) models|(?:including )?[a-z0-9][a-z0-9.-]*"
# `Web search preview (reasoning models, including gpt-5, o-series)`
_WEB_SEARCH = re.compile(
    rf"(?:Image )?Web search(?: preview)?(?: \((?:{_MODELS})(?:, (?:{_MODELS}))*\))?"
)


def _tool_quotes(place: _Place, column: Column, cell: Cell) -> Iterator[Quote]:
    described = f"{place.line.text('tool')} {place.line.text('details')}".strip()
    tool = next((slug for words, slug in _TOOLS.items() if words in described.lower()), None)
    if tool is None:
        raise Unreadable(f'"{described}" is not a tool that we know')
    kind = without_footnotes(place.line.text("details", "tool"))
    if tool == "web_search" and not _WEB_SEARCH.fullmatch(kind):
        raise Unreadable(f'"{kind}" is not a kind of web search that we know')
    for figure, unit, size in _tool_figures(cell):
        # One tool has one price a call, but for web search, whose kinds are priced apart.
        variant = size or (kind if tool == "web_search" else "")
        meter = "search" if tool == "web_search" else _TOOL_METERS[unit.name]
        series = Series.of(SELLER, tool, meter, unit.name, tool=tool, variant=variant)
        yield Quote(series, unit.price(figure), cell.text, place.where(column), unit.printed)


def _tool_figures(cell: Cell) -> Iterator[tuple[Decimal, Unit, str]]:
    """The prices of a cell: one, or one for each size of container."""
    words = " ".join(cell.text.split())
    sizes = _SIZES.findall(words)
    if sizes and _SIZES.sub("", words).strip(" .") == _SESSION.printed:
        yield from ((leading_usd(price)[0], _SESSION, size) for size, price in sizes)
        return
    figure, rest = leading_usd(words)
    unit = unit_in(rest)
    if unit.name not in _TOOL_METERS:
        raise Unreadable(f'"{unit.printed}" is no unit for a tool')
    yield figure, unit, ""
