"""DeepSeek's price page: what its models cost per token, in US dollars and, in Chinese, in yuan.

One HTML table: models side by side, a row for each price, whose label holds the unit (`1M INPUT
TOKENS (CACHE HIT)`); until early 2025 the other way round. Read are promotions with their end,
lists that hold from or until a day, and peak hours (`window`, in UTC; the public holidays that
DeepSeek leaves out are named, not listed). Legacy ids that a footnote bills at the price of a model
are quoted with it. Struck-through list prices and the price after a promotion are not read. There
is no markdown of DeepSeek's own; a saved one is read where each price has its model for certain.

Pages that this reader has met: the HTML of 2026-05 and of autumn 2026, markdown of 2025-12, and a
clipping of the Chinese page of 2026-08-01.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import chain, dropwhile, takewhile

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote, Series, SetAside
from scraper import deepseek_notes as notes
from scraper.deepseek_notes import Period, without_marks
from scraper.document import Document, Page
from scraper.reading import (
    Cell,
    Table,
    Unit,
    Unreadable,
    check_struck,
    html_tables,
    leading_money,
    markdown_tables,
    unit,
    unit_in,
)

SELLER = "deepseek"
PAGES = (
    Page("https://api-docs.deepseek.com/quick_start/pricing", "html"),
    Page("https://api-docs.deepseek.com/zh-cn/quick_start/pricing", "html"),
)

_MONEY = re.compile(r"[$€£¥￥] ?[0-9.]|[0-9] ?元")


def read(document: Document) -> Iterator[Quote | SetAside]:
    """The token prices of the page; what isn't certain is set aside or refused.

    Raises `DocumentRefused` for a document without a price list, and `PageChanged` for a list with
    an unknown column, none that can be read, or two statements of its unit.
    """
    document = _without_clipper(document)
    tables = _tables(document)
    if not any(map(_is_price_list, tables)):
        raise DocumentRefused(
            f"{SELLER}: {document.url} holds no table of models and their prices; it may be a "
            "block page, another page, or need JavaScript"
        )
    for table in tables:
        if _is_price_list(table):
            yield from _read_list(table, document.form)
        elif any(_MONEY.search(cell.text) for cell in _all_cells(table)):
            text = " | ".join(cell.text for cell in _all_cells(table))
            yield SetAside("a table that we don't know", _place(table), text[:500])


def _without_clipper(document: Document) -> Document:
    """The page without what a clipper puts before it, which may have a day that isn't the list's.

    Clippers leave a table in HTML, with the text around it in markdown.
    """
    text = re.sub(r"\A---\n.*?\n---\n", "", document.text, flags=re.DOTALL)
    return replace(document, text=text, form="html" if "<table" in text else document.form)


def _tables(document: Document) -> list[Table]:
    if document.form == "html":
        return html_tables(document.text)
    if document.form == "markdown":
        return markdown_tables(_mended(document.text))
    raise DocumentRefused(
        f"{SELLER}: {document.url} is {document.form}; only html and markdown can be read"
    )


def _mended(markdown: str) -> str:
    """The text without lines that are the second line of a cell, which cut its table in two.

    Lines without outer pipes get them, so that an empty last cell is still one.
    """
    return re.sub(r"(?:.+\n)+.*", lambda paragraph: _mended_table(paragraph[0]), markdown)


def _mended_table(paragraph: str) -> str:
    lines = paragraph.split("\n")
    rulers = [
        at for at, line in enumerate(lines) if at and re.fullmatch(r"-[-:| ]*\|[-:| ]*-\s*", line)
    ]
    if not rulers:
        return paragraph
    start = rulers[0] - 1
    last = max(at for at, line in enumerate(lines) if "|" in line)
    table = [f"|{line}|" for line in lines[start : last + 1] if "|" in line]
    return "\n".join([*lines[:start], *table, *lines[last + 1 :]])


def _place(table: Table) -> str:
    return f'table "{table.heading or " | ".join(table.columns)}"'


def _all_cells(table: Table) -> Iterable[Cell]:
    return chain(*(row.cells for row in table.rows), *table.ragged)


# --- the shape of a list ------------------------------------------------------------------------

_ID = re.compile(r"[a-z][a-z0-9]*(?:[.-][a-z0-9]+)+")
_LABEL_HEADERS = ("", "model", "模型")


@dataclass(frozen=True, slots=True)
class _Price:
    """A cell, the labels that say what it is a price of, and its model."""

    labels: tuple[Cell, ...]
    model: Cell
    cell: Cell

    @property
    def where(self) -> str:
        """The place in words, without the table."""
        words = [" ".join(cell.lines) for cell in (*self.labels, self.model)]
        return " › ".join(dict.fromkeys(filter(None, words)))


def _plain(header: str) -> str:
    return without_marks(header).strip("*").lower()


def _is_price_list(table: Table) -> bool:
    """Whether a header says "model" and a label or a header what tokens are paid for."""
    headers = [_plain(header) for header in table.columns]
    labels = (*table.columns, *(cell.text for cell in _all_cells(table)))
    return bool({"model", "模型"} & set(headers)) and any(map(_names_meter, labels))


def _prices(table: Table, form: str) -> Iterator[_Price | SetAside]:
    if any(map(_names_meter, table.columns)):
        return _upright(table)
    pairs = zip(table.columns, table.notes, strict=True)
    headers = [Cell(header, note=note) for header, note in pairs]
    models = [header for header in headers if _plain(header.text) not in _LABEL_HEADERS]
    _check_models(table, models)
    rows = [list(zip(headers, row.cells, strict=True)) for row in table.rows]
    lost_labels = form == "markdown" and any(map(_is_price_row, table.ragged))
    if not lost_labels and not _is_shifted(table, models, rows):
        return _by_column(table, models, rows)
    if form == "html":
        raise PageChanged(SELLER, _place(table), "has labels below the name of a model")
    cells = [[cell for _, cell in row] for row in rows]
    return _by_count(table, models, [*cells, *map(list, table.ragged)])


def _is_shifted(
    table: Table, models: Sequence[Cell], rows: Iterable[Sequence[tuple[Cell, Cell]]]
) -> bool:
    """Whether labels stand below a model, as when spans get lost on the way to markdown."""
    long = chain(*(cells for cells in table.ragged if len(cells) > len(table.columns)))
    below = (cell for row in rows for header, cell in row if header in models)
    return any(_names_meter(cell.text) for cell in chain(long, below))


def _check_models(table: Table, models: Sequence[Cell]) -> None:
    names = [_plain(model.text) for model in models]
    for model, name in zip(models, names, strict=True):
        place = f'{_place(table)}, column "{model.text}"'
        if not _ID.fullmatch(name):
            raise PageChanged(SELLER, place, "is not the id of a model")
        if names.count(name) > 1:
            raise PageChanged(SELLER, place, "is there more than once")


def _upright(table: Table) -> Iterator[_Price | SetAside]:
    """The prices of a table with a row for each model, as it was until February 2025."""
    for row in table.rows:
        model = next(cell for header, cell in row.items() if _plain(header) in ("model", "模型"))
        for header, note, cell in zip(table.columns, table.notes, row.cells, strict=True):
            if _names_meter(header) or _MONEY.search(cell.text):
                yield _Price((Cell(header, note=note),), model, cell)
    yield from _ragged(table)


def _by_column(
    table: Table, models: Sequence[Cell], rows: Iterable[Sequence[tuple[Cell, Cell]]]
) -> Iterator[_Price | SetAside]:
    """The prices of a table with a column for each model."""
    for row in rows:
        labels = tuple(dict.fromkeys(cell for header, cell in row if header not in models))
        for header, cell in row:
            if header in models and (_is_price_row(labels) or _MONEY.search(cell.text)):
                yield _Price(labels, header, cell)
    yield from _ragged(table)


def _ragged(table: Table) -> Iterator[SetAside]:
    for cells in table.ragged:
        text = " | ".join(cell.text for cell in cells)
        if _is_price_row(cells) or _MONEY.search(text):
            reason = f"a row of {len(cells)} cells under {len(table.columns)} columns"
            yield SetAside(reason, _place(table), text)


def _by_count(
    table: Table, models: Sequence[Cell], rows: Iterable[Sequence[Cell]]
) -> Iterator[_Price | SetAside]:
    """The prices of a markdown table in which cells no longer span rows and columns.

    A row of one price in all is that of all models; as many prices as models are theirs in order.
    A row with fewer labels than another shared one that is lost.
    """
    rows = list(rows)
    split = [_split(row) for row in rows]
    split = [
        (labels, cells)
        for labels, cells in split
        if _is_price_row(labels) or any(_MONEY.search(cell.text) for cell in cells)
    ]
    depth = max((len(labels) for labels, _ in split), default=0)
    shared = tuple(cell for row in rows for cell in row if _plain(cell.text) in _HEADINGS)
    for labels, cells in split:
        certain = len(labels) == depth and len(cells) in (1, len(models))
        if certain and all(cell.text for cell in cells):
            each = cells if len(cells) > 1 else cells * len(models)
            for model, cell in zip(models, each, strict=True):
                yield _Price((*shared, *labels), model, cell)
        else:
            text = " | ".join(cell.text for cell in (*labels, *cells))
            yield SetAside("models and prices don't match for certain", _place(table), text)


def _split(row: Sequence[Cell]) -> tuple[tuple[Cell, ...], list[Cell]]:
    """Labels and prices of a row; "PRICING" says nothing and stands in the first row only."""
    row = list(dropwhile(lambda cell: not cell.text, row))
    labels = list(takewhile(lambda cell: cell.text and not _MONEY.search(cell.text), row))
    own = tuple(label for label in labels if _plain(label.text) not in _HEADINGS)
    return own, row[len(labels) :]


# --- labels -------------------------------------------------------------------------------------

_HEADINGS = ("pricing", "price", "价格")
_METERS = {
    ("input", "miss"): "input",
    ("input", ""): "input",
    ("input", "hit"): "cache_read",
    ("output", ""): "output",
}
_COUNTS = {"百万": "1M", "千": "1K"}
_TOKENS_OF = re.compile(
    r"(?P<count>[0-9]+[a-z]|百万|千) ?(?:tokens )?(?P<way>input|output)(?: tokens)?(?: price)?"
    r"(?: ?\(cache (?P<cache>hit|miss)\))?"
    r"|(?P<zh_count>[0-9]+[a-z]|百万|千) ?(?:tokens ?)?(?P<zh_way>输入|输出) ?(?:tokens)?(?:价格)?"
    r"(?: ?\(缓存(?P<zh_cache>命中|未命中)\))?",
    re.IGNORECASE,
)
_CHINESE = {"输入": "input", "输出": "output", "命中": "hit", "未命中": "miss"}
_PEAK = {"peak": "", "高峰时段": "", "off-peak": "not ", "空闲时段": "not "}
_HOURLY = re.compile(r"(?:standard|discount) price|(?:标准|优惠)时段(?:价格)?", re.IGNORECASE)


def _label(cell: Cell) -> str:
    words = without_marks(" ".join(cell.lines)).replace("（", "(").replace("）", ")")
    return words.strip("* ")


def _names_meter(label: str) -> bool:
    """Whether a label is about so many tokens of input or output, in whatever words."""
    counted = re.search(r"(?:\b[0-9]+ ?[a-z]|[百千万]).*(?:put\b|输[入出])", label, re.I | re.S)
    return bool(counted) and "token" in label.lower()


def _is_price_row(labels: Iterable[Cell]) -> bool:
    return any(_plain(cell.text) in _HEADINGS or _names_meter(cell.text) for cell in labels)


def _meter(labels: Iterable[Cell]) -> tuple[str, Unit]:
    """What the labels say is paid for, and the unit: `1M INPUT TOKENS (CACHE HIT)`."""
    found = [match for cell in labels if (match := _TOKENS_OF.fullmatch(_label(cell)))]
    if len(found) != 1:
        raise Unreadable("the labels don't say what is paid for, or say it twice")
    words = {name.removeprefix("zh_"): word for name, word in found[0].groupdict().items() if word}
    way, cache, count = words["way"].lower(), words.get("cache", "").lower(), words["count"]
    kind = (_CHINESE.get(way, way), _CHINESE.get(cache, cache))
    if kind not in _METERS:
        raise Unreadable(f"{' '.join(kind)} is not a meter that we know")
    printed = re.split(r" ?\(", found[0][0])[0]
    return _METERS[kind], replace(unit(f"{_COUNTS.get(count, count)} tokens"), printed=printed)


def _names_hours(cell: Cell) -> bool:
    label = _label(cell)
    return label.lower() in _PEAK or bool(_HOURLY.match(label))


def _window(labels: Iterable[Cell], prose: str) -> str | None:
    """The hours that the labels name, in UTC; None when a price holds all day."""
    windows = []
    for label in map(_label, labels):
        if label.lower() in _PEAK:
            windows.append(_PEAK[label.lower()] + notes.peak_hours(prose))
        elif _HOURLY.match(label):
            windows.append(notes.hours(_HOURLY.sub("", label)))
        elif label and label.lower() not in _HEADINGS and not _TOKENS_OF.fullmatch(label):
            raise Unreadable(f'the label "{label}" is not known')
    if len(windows) > 1:
        raise Unreadable("the labels name hours twice")
    return windows[0] if windows else None


# --- prices -------------------------------------------------------------------------------------

_NOT_SOLD = ("-", "–", "—", "n/a")
_OFF = re.compile(r"[(（](?:[0-9]+% off|[0-9.]+ ?折)[)）]", re.IGNORECASE)


def _read_list(table: Table, form: str) -> Iterator[Quote | SetAside]:
    try:
        holds, stated = notes.list_period(table.before), _stated_unit(table)
    except Unreadable as error:
        raise PageChanged(SELLER, _place(table), str(error)) from None
    listing = _Listing(table, holds, notes.footnotes(table.after), stated)
    items = [item for price in _prices(table, form) for item in listing.quotes(price)]
    if not any(isinstance(item, Quote) for item in items):
        problems = [item for item in items if isinstance(item, SetAside)]
        what = f"{problems[0].where}: {problems[0].reason}" if problems else "has no prices"
        raise PageChanged(SELLER, _place(table), what)
    yield from _of_whole_days(items, table.after) if form == "html" else items


def _of_whole_days(items: Sequence[Quote | SetAside], prose: str) -> Iterator[Quote | SetAside]:
    """The items; prices by the hour are set aside where those of a day don't belong together.

    Where rows got lost, the labels that span several rows stand beside other rows.
    """
    days: dict[object, list[Decimal]] = defaultdict(list)
    for item in items:
        if isinstance(item, Quote):
            days[_any_hour(item)].append(item.amount)
    for item in items:
        if not isinstance(item, Quote) or not item.series.get("window"):
            yield item
        elif doubt := _doubt(days[_any_hour(item)], prose):
            yield SetAside(doubt, item.where, item.quoted)
        else:
            yield item


def _doubt(amounts: Sequence[Decimal], prose: str) -> str:
    """Why the prices of a day, for all its hours, can't be right; "" when they can."""
    if len(amounts) == 1:
        return "no price for the other hours beside it"
    if notes.is_half_off_peak(prose) and max(amounts) != 2 * min(amounts):
        return "the text says that off-peak prices are half of those in peak hours"
    return ""


def _any_hour(quote: Quote) -> tuple[Series, datetime | None]:
    series = quote.series
    rest = tuple(said for said in series.qualifiers if said[0] != "window")
    return replace(series, qualifiers=rest), quote.valid_from


def _stated_unit(table: Table) -> Unit | None:
    """The unit that the text above the table gives for all prices, if there is such a sentence."""
    prose = "\n".join([*(section.prose for section in table.sections), table.before])
    if found := re.search(r"prices listed below are in unit\w* of ([^.]*)\.", prose):
        return unit_in(found[1])
    if found := re.search(r"价格以[“\"]([^”\"]*?) ?tokens[”\"]为单位", prose):
        return unit(f"{_COUNTS.get(found[1], found[1])} tokens")
    return None


@dataclass(frozen=True, slots=True)
class _Listing:
    """One price list: what its text says of all prices in it."""

    table: Table
    holds: Period
    footnotes: dict[str, str]
    stated: Unit | None

    @property
    def by_the_hour(self) -> bool:
        """Whether labels name hours."""
        return any(_names_hours(cell) for cell in _all_cells(self.table))

    def quotes(self, price: _Price | SetAside) -> Iterator[Quote | SetAside]:
        """The quotes of one cell: its model's, and those of the ids that are billed like it."""
        if isinstance(price, SetAside):
            yield price
            return
        if price.cell.text.lower() in _NOT_SOLD:
            return
        where = f"{self.table.heading or 'Pricing'} › {price.where}"
        try:
            yield from self._quotes(price, where)
        except Unreadable as error:
            yield SetAside(str(error), where, price.cell.text or price.cell.struck)

    def _quotes(self, price: _Price, where: str) -> Iterator[Quote]:
        meter, per = _meter(price.labels)
        if self.stated and (self.stated.base, self.stated.count) != (per.base, per.count):
            raise Unreadable(f'the label says "{per.printed}", the text "{self.stated.printed}"')
        check_struck(price.cell)
        currency, figure = _money(price.cell)
        period = self._period(price, figure)
        window = _window(price.labels, self.table.after)
        if self.by_the_hour and not window:
            raise Unreadable("the hours are not named, as those of other prices are")
        for product in self._products(price.model):
            series = Series.of(
                SELLER,
                product,
                meter,
                per.name,
                currency=currency,
                service_tier="standard",
                window=window,
            )
            yield Quote(
                series,
                per.price(figure),
                price.cell.text,
                where,
                per.printed,
                period.valid_from,
                period.valid_until,
                "announced" if period.valid_from else "observed",
            )

    def _period(self, price: _Price, figure: Decimal) -> Period:
        list_price = _money(Cell(price.cell.struck))[1] if price.cell.struck else None
        period = Period()
        for mark in sorted(set().union(*map(notes.marks, (price.cell, *price.labels)))):
            period = period.within(notes.period(self.footnotes.get(mark, ""), figure, list_price))
        for note in self._notes(price.model):
            period = period.within(notes.model_period(note))
        return period.within(self.holds)

    def _products(self, model: Cell) -> list[str]:
        product = _plain(model.text)
        if not _ID.fullmatch(product):
            raise Unreadable(f'"{model.text}" is not the id of a model')
        columns = {_plain(header) for header in self.table.columns}
        others = chain.from_iterable(map(notes.aliases, self._notes(model)))
        return [product, *(other for other in others if other not in columns)]

    def _notes(self, model: Cell) -> list[str]:
        return [self.footnotes.get(mark, "") for mark in sorted(notes.marks(model))]


def _money(cell: Cell) -> tuple[str, Decimal]:
    """Currency and figure of `$0.435 (75% off(3))`."""
    currency, figure, rest = leading_money(without_marks(cell.text))
    if _OFF.sub("", rest).strip():
        raise Unreadable(f'"{cell.text}" says more than a price')
    return currency, figure
