"""Tables of HTML and markdown pages as rows keyed by header, and money and unit phrases as numbers.

Nothing here knows a provider. What can't be read with certainty raises `Unreadable`, which the
provider turns into a `SetAside` (one row) or a `PageChanged` (the page).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, takewhile, zip_longest

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement, PreformattedString

from pricebook.errors import DocumentRefused
from pricebook.quote import UNITS


class Unreadable(ValueError):
    """A text, a cell or a column that can't be read with certainty; users never see it as such."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one cell says: `<br>` is a newline; struck-through text and footnote marks stand apart.

    `$2 <del>$4</del><sup>1</sup>` has text `$2`, struck `$4` and note `1`.
    """

    text: str
    struck: str = ""
    note: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines of the text, without empty ones."""
        return self.text.split("\n") if self.text else []


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row, each under its column: `row["Output"]`."""

    columns: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def label(self) -> str:
        """The text of the first cell."""
        return self.cells[0].text

    def items(self) -> Iterator[tuple[str, Cell]]:
        """Column and cell, in the page's order."""
        return zip(self.columns, self.cells, strict=True)

    def __getitem__(self, column: str) -> Cell:
        """The cell of the one column of that name; `Unreadable` when there is none, or several."""
        if self.columns.count(column) != 1:
            raise Unreadable(f'{self.columns.count(column)} columns are called "{column}"')
        return self.cells[self.columns.index(column)]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading: its level (1 to 6), and the prose between it and the next heading or table."""

    level: int
    title: str
    anchor: str = ""
    prose: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, the sections it stands in (outermost first) and the prose before and after it.

    `before` and `after` reach to the neighbouring heading or table. `ragged` holds the rows with
    more or fewer cells than columns: none of their cells belongs to a column with certainty.
    Two header rows make one name for each column: `Long context › Input`; `notes` are the footnote
    marks that stand there. Rows of a markdown table that lost its header are a table without
    columns.
    """

    sections: tuple[Section, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    ragged: tuple[tuple[Cell, ...], ...] = ()
    before: str = ""
    after: str = ""
    notes: tuple[str, ...] = ()

    @property
    def headings(self) -> tuple[str, ...]:
        """The titles of the sections, outermost first."""
        return tuple(section.title for section in self.sections)

    @property
    def heading(self) -> str:
        """The title of the nearest section, or ""."""
        return self.sections[-1].title if self.sections else ""


@dataclass(frozen=True, slots=True)
class Passage:
    """Prose that no heading or table interrupts, and the sections it stands in, outermost first.

    Each paragraph and each item of a list is a line; `^1^` is a footnote's mark, `~~$9~~` struck.
    """

    sections: tuple[Section, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a page says beside its headings."""

    tables: list[Table]
    passages: list[Passage]


def html_tables(html: str) -> list[Table]:
    """Every table of a page; rowspan and colspan are filled in, layout tables are looked into.

    Raises `DocumentRefused` for a page nested deeper than any that is meant to be read.
    """
    return _tables(_html_page(html))


def html_contents(html: str) -> Contents:
    """Every table and every passage of a page; as `html_tables` otherwise."""
    page = _html_page(html)
    return Contents(_tables(page), _passages(page))


def cell_of(element: Tag) -> Cell:
    """What an element says that is no cell of a table; each block in it is a line of its own."""
    return _cell(element)


def markdown_tables(text: str) -> list[Table]:
    """Every pipe table of a markdown text; code blocks are passed over."""
    return _tables(_with_whole_prose(_markdown_blocks(text)))


def markdown_contents(text: str) -> Contents:
    """Every pipe table and every passage of a markdown text; emphasis stays as it is printed."""
    page = _with_whole_prose(_markdown_blocks(text))
    return Contents(_tables(page), _passages(page))


# --- a page is a line of sections, prose and grids ----------------------------------------------


@dataclass(frozen=True, slots=True)
class _Grid:
    header: Sequence[Sequence[Cell]]
    body: Sequence[Sequence[Cell]]


_Block = Section | _Grid | str


def _tables(page: Sequence[_Block]) -> list[Table]:
    return [_table(page, at, grid) for at, grid in enumerate(page) if isinstance(grid, _Grid)]


def _passages(page: Sequence[_Block]) -> list[Passage]:
    return [
        Passage(_path(page[:at]), text) for at, text in enumerate(page) if isinstance(text, str)
    ]


def _with_whole_prose(blocks: Iterable[_Block]) -> list[_Block]:
    """The blocks with neighbouring pieces of prose joined and blank prose left out."""
    page: list[_Block] = []
    for is_prose, run in groupby(blocks, key=lambda block: isinstance(block, str)):
        pieces = list(run)
        if not is_prose:
            page += pieces
        elif prose := tidy("".join(str(piece) for piece in pieces)):
            page.append(prose)
    return page


def _table(page: Sequence[_Block], at: int, grid: _Grid) -> Table:
    columns = _column_names(grid.header)
    fitting = [row for row in grid.body if len(row) == len(columns)]
    return Table(
        sections=_path(page[:at]),
        columns=columns,
        rows=tuple(Row(columns, tuple(row)) for row in fitting),
        ragged=tuple(tuple(row) for row in grid.body if len(row) != len(columns)),
        before=_prose_at(page, at - 1),
        after=_prose_at(page, at + 1),
        notes=tuple(" ".join(filter(None, marks)) for marks in _stacked(grid.header, "note")),
    )


def _column_names(header: Sequence[Sequence[Cell]]) -> tuple[str, ...]:
    return tuple(
        " › ".join(dict.fromkeys(filter(None, names))) for names in _stacked(header, "text")
    )


def _stacked(header: Sequence[Sequence[Cell]], part: str) -> Iterator[tuple[str, ...]]:
    """For each column, that part of its header cells, from top to bottom."""
    rows = ([getattr(cell, part).replace("\n", " ") for cell in row] for row in header)
    return zip_longest(*rows, fillvalue="")


def _path(page: Sequence[_Block]) -> tuple[Section, ...]:
    """The sections open at the end of `page`: a heading closes those of its level and below."""
    path: list[Section] = []
    for at, block in enumerate(page):
        if isinstance(block, Section):
            path = [outer for outer in path if outer.level < block.level]
            prose = _prose_at(page, at + 1)
            path.append(Section(block.level, block.title, block.anchor, prose))
    return tuple(path)


def _prose_at(page: Sequence[_Block], at: int) -> str:
    block = page[at] if 0 <= at < len(page) else ""
    return re.sub(r"\^([^^\n]*)\^", r"\1", block) if isinstance(block, str) else ""


# --- text ---------------------------------------------------------------------------------------

_ZERO_WIDTH = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


def tidy(text: str) -> str:
    """The text with single spaces for white space of any kind, and without empty lines."""
    lines = (" ".join(line.split()) for line in text.translate(_ZERO_WIDTH).split("\n"))
    return "\n".join(line for line in lines if line)


# What stands around them in prose: else $10 with footnote 1 became $101, and $9 that is struck
# through a price.
_MARKS = {None: "", "note": "^", "struck": "~~"}

# --- HTML ---------------------------------------------------------------------------------------

_UNSEEN = {"script", "style", "template", "noscript", "head", "svg", "button"}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LINE_BREAKS = {"br", "hr"}
_OWN_LINES = {
    "address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "footer", "header",
    "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul",
}  # fmt: skip


def _fill_placeholders(soup: BeautifulSoup) -> None:
    """Put streamed parts where they belong.

    React sends `<template id="P:3">` as a placeholder and its content later, as the children of the
    hidden element with id `S:3`; a script swaps them, so a reader without scripts must do it.
    """
    parts = {str(part["id"])[2:]: part for part in soup.find_all(id=re.compile("^S:"))}
    for placeholder in soup.find_all("template", id=re.compile("^P:")):
        if part := parts.get(str(placeholder["id"])[2:]):
            placeholder.replace_with(*list(part.children))


def _html_page(html: str) -> list[_Block]:
    soup = BeautifulSoup(html, "html.parser")
    try:
        _fill_placeholders(soup)
        return _with_whole_prose(_html_blocks(soup))
    except RecursionError:
        raise DocumentRefused("the page is nested too deeply to be read") from None


def _html_blocks(node: Tag) -> Iterator[_Block]:
    for child in node.children:
        if isinstance(child, Tag) and child.name not in _UNSEEN:
            yield from _blocks_of(child)
        elif _is_text(child):
            yield re.sub(r"\s+", " ", str(child))


def _blocks_of(tag: Tag) -> Iterator[_Block]:
    if tag.name in _HEADINGS:
        title = _cell(tag).text.replace("\n", " ")
        yield Section(_HEADINGS[tag.name], title, str(tag.get("id") or ""))
    elif tag.name == "table" and not tag.find("table"):
        yield from _grid(tag)
    elif tag.name == "code":
        yield f"`{tag.get_text()}`"
    else:
        edge = "\n" if tag.name in _OWN_LINES | _LINE_BREAKS else ""
        mark = _MARKS[_kind(tag)]
        yield edge + mark
        yield from _html_blocks(tag)
        yield mark + edge


def _is_text(node: PageElement) -> bool:
    """Whether it is text that a reader sees; comments and doctypes are strings to BeautifulSoup."""
    return isinstance(node, NavigableString) and not isinstance(node, PreformattedString)


def _cell(tag: Tag) -> Cell:
    kinds: dict[str, list[str]] = {"text": [], "struck": [], "note": []}
    for kind, piece in _pieces(tag, "text"):
        kinds[kind].append(piece)
    return Cell(*(tidy("".join(pieces)) for pieces in kinds.values()))


def _pieces(tag: Tag, kind: str) -> Iterator[tuple[str, str]]:
    for child in tag.children:
        if isinstance(child, Tag) and child.name not in _UNSEEN:
            edge = "\n" if child.name in _OWN_LINES | _LINE_BREAKS else ""
            yield kind, edge
            yield from _pieces(child, _kind(child) or kind)
            yield kind, edge
        elif _is_text(child):
            yield kind, re.sub(r"\s+", " ", str(child))


def _kind(tag: Tag) -> str | None:
    looks = f"{tag.get('style') or ''} {' '.join(tag.get_attribute_list('class'))}"
    if tag.name in {"del", "s", "strike"} or "line-through" in looks:
        return "struck"
    return "note" if tag.name == "sup" else None


def _grid(table: Tag) -> Iterator[_Grid]:
    rows = [row for row in table.find_all(["tr", "template"]) if _is_row(row)]
    if rows:
        filled = _filled(rows)
        header = _header_rows(table, rows)
        yield _Grid(filled[:header], filled[header:])


def _is_row(tag: Tag) -> bool:
    """Whether it is a row, or the placeholder of rows that were never sent."""
    parent = tag.find_parent(["tr", "table"])
    return tag.name == "tr" or (parent is not None and parent.name == "table")


def _header_rows(table: Tag, rows: Sequence[Tag]) -> int:
    """The rows of <thead>, else the first rows that are all <th>, else the first row."""
    if table.thead:
        return max(1, len(table.thead.find_all("tr")))
    return max(1, sum(1 for _ in takewhile(lambda row: row.th and not row.td, rows)))


def _filled(rows: Sequence[Tag]) -> list[list[Cell]]:
    """The rows with each spanning cell repeated wherever it reaches.

    A placeholder for rows that were never sent counts as a row without cells. A row with text
    between its cells is one cell: that text was torn from one of them, nobody knows which.
    """
    spanned: dict[tuple[int, int], Cell] = {}
    filled = []
    for y, row in enumerate(rows):
        cells: list[Cell] = []
        for tag in row.find_all(["td", "th"], recursive=False):
            _take_spanned(spanned, y, cells)
            cell = _cell(tag)
            down = _span(tag, "rowspan", len(rows) - y)
            for _ in range(_span(tag, "colspan", 1)):
                spanned.update({(y + step, len(cells)): cell for step in range(1, down)})
                cells.append(cell)
        _take_spanned(spanned, y, cells)
        filled.append([_cell(row)] if any(map(_is_torn, row.children)) else cells)
    return filled


def _is_torn(child: PageElement) -> bool:
    """Whether a child of a row is text, with or without tags, that stands in no cell."""
    if isinstance(child, Tag):
        is_row_or_cell = child.name in {"td", "th", "tr"} or bool(child.find(["td", "th"]))
        return not is_row_or_cell and child.name not in _UNSEEN and bool(_cell(child).text)
    return _is_text(child) and bool(tidy(str(child)))


def _take_spanned(spanned: dict[tuple[int, int], Cell], y: int, cells: list[Cell]) -> None:
    while (y, len(cells)) in spanned:
        cells.append(spanned[y, len(cells)])


def _span(tag: Tag, name: str, zero: int) -> int:
    """How far a cell reaches, at most 200; 0 stands for `zero`, as browsers have it."""
    printed = str(tag.get(name) or "1")
    return min(int(printed) or zero, 200) if re.fullmatch(r"[0-9]{1,9}", printed) else 1


# --- markdown -----------------------------------------------------------------------------------

_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*)")
# Some converters put the words of a heading on the line below its marks.
_SPLIT_HEADING = re.compile(r"(?m)^( {0,3}#{1,6})[ \t]*\n(?=[^\s|#`~][^|\n]*$)")
_LINK = re.compile(r"!?\[((?:[^\[\]\\]|\\.)*)\]\((?:[^()\s]|\([^()]*\))*(?:\s+\"[^\"]*\")?\)")
_NOTE = re.compile(r"</?sup\b[^<>]*>")
_STRUCK = re.compile(r"</?(?:del|s|strike)\b[^<>]*>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_ANCHOR = re.compile(r"\[[^\w\]]*\]\(#([^)]*)\)|\s*\{#([^}]*)\}")


def _markdown_blocks(text: str) -> Iterator[_Block]:
    lines = _without_code(_SPLIT_HEADING.sub(r"\1 ", text).splitlines())
    at = 0
    while at < len(lines):
        if heading := _HEADING.match(lines[at]):
            yield _markdown_section(len(heading[1]), heading[2])
        elif height := _table_height(lines, at):
            rows = [_markdown_row(line) for line in lines[at : at + height]]
            if not _starts_table(lines, at):
                yield _Grid([], rows)
            else:
                prose, header = _header_apart(lines[at], rows[0], len(rows[1]))
                yield prose
                yield _Grid([header], rows[2:]) if _names(header) else _Grid(rows[2:3], rows[3:])
            at += height - 1
        else:
            prose = _STRUCK.sub("~~", _NOTE.sub("^", _without_links(lines[at])))
            yield f"{_TAG.sub('', prose)}\n"
        at += 1


def _names(header: Iterable[Cell]) -> bool:
    """Whether a header says anything; for a table without one, exports write empty cells."""
    return any(cell.text for cell in header)


def _header_apart(line: str, header: list[Cell], width: int) -> tuple[str, list[Cell]]:
    """The prose that an export stuck to the header, `Prices per 1M tokens.| Model | Input |`."""
    if len(header) == width + 1 and not line.lstrip().startswith("|"):
        return f"{header[0].text}\n", header[1:]
    return "", header


def _table_height(lines: Sequence[str], at: int) -> int:
    """How many lines of a table begin here; rows without a header are one too, a broken one."""
    if not _starts_table(lines, at) and not re.match(r"\s*\|.*\|.*\|", lines[at]):
        return 0
    return next((n for n, line in enumerate(lines[at:]) if "|" not in line), len(lines) - at)


def _without_code(lines: Iterable[str]) -> list[str]:
    seen: list[str] = []
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if mark and fence in ("", mark[1]):
            fence = "" if fence else mark[1]
        elif not fence:
            seen.append(line)
    return seen


def _starts_table(lines: Sequence[str], at: int) -> bool:
    ruler = lines[at + 1].strip() if at + 1 < len(lines) else ""
    dashes = [cell.strip() for cell in ruler.strip("|").split("|")]
    is_ruler = "|" in ruler and all(re.fullmatch(":?-+:?", cell) for cell in dashes)
    return "|" in lines[at] and is_ruler


def _markdown_section(level: int, title: str) -> Section:
    anchor = _ANCHOR.search(title)
    bare = re.sub(r"\s#+$", "", _ANCHOR.sub("", title).rstrip())
    words = _markdown_cell(bare).text.replace("\n", " ")
    return Section(level, words, (anchor[1] or anchor[2]) if anchor else "")


def _markdown_row(line: str) -> list[Cell]:
    inner = re.sub(r"^\||(?<!\\)\|$", "", line.strip())
    return [_markdown_cell(printed) for printed in re.split(r"(?<!\\)\|", inner)]


def _markdown_cell(printed: str) -> Cell:
    """The cell with emphasis, links and code marks taken off; inline HTML counts as in HTML."""
    words = re.sub(r"\[\^(\w+)\]", r"<sup>\1</sup>", _without_links(printed))
    words = re.sub(r"(?<!\\)~~(.+?)(?<!\\)~~", r"<del>\1</del>", words)
    words = re.sub(r"(?<!\\)\*\*(.+?)(?<!\\)\*\*", r"\1", words).replace("`", "")
    seen = _cell(BeautifulSoup(f"<td>{words}</td>", "html.parser"))
    return Cell(*(_unescaped(kind) for kind in (seen.text, seen.struck, seen.note)))


def _without_links(printed: str) -> str:
    return _LINK.sub(r"\1", printed)


def _unescaped(text: str) -> str:
    return tidy(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text))


# --- money and units ----------------------------------------------------------------------------

# A comma behind a leading zero, 0,099, marks decimals and not thousands.
_FIGURE = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_USD = re.compile(rf"(?:(?:US)?\$|USD) ?({_FIGURE})(?![0-9.,]*[0-9])(?: USD\b)?")


def usd(text: str) -> Decimal:
    """US dollars, nothing beside them: `$1,234.50`, `US$5`, `USD 5`, `$5 USD`."""
    amount, rest = leading_usd(text)
    if rest:
        raise Unreadable(f'"{text}" is more than an amount in US dollars')
    return amount


def leading_usd(text: str) -> tuple[Decimal, str]:
    """The US dollars that a text begins with, and what follows: `$5 / MTok` is 5 and `/ MTok`."""
    words = tidy(text)
    found = _USD.match(words)
    if not found:
        raise Unreadable(f'"{words}" is not an amount in US dollars')
    return Decimal(found[1].replace(",", "")), words[found.end() :].strip()


_YUAN = re.compile(
    rf"(?:[¥￥]|RMB|CNY) ?({_FIGURE})(?![0-9.,]*[0-9])(?: ?元)?|({_FIGURE}) ?(?:元|RMB\b|CNY\b)"
)


def leading_money(text: str) -> tuple[str, Decimal, str]:
    """Currency and amount that a text begins with, and what follows, in US dollars or yuan.

    `$5 / MTok` is USD and 5, `¥0.70` and `0.02元` are CNY; no page that we read prices in yen.
    """
    words = tidy(text)
    if found := _YUAN.match(words):
        figure = (found[1] or found[2]).replace(",", "")
        return "CNY", Decimal(figure), words[found.end() :].strip()
    try:
        return "USD", *leading_usd(words)
    except Unreadable:
        raise Unreadable(f'"{words}" is not an amount in US dollars or yuan') from None


def check_struck(cell: Cell) -> None:
    """`Unreadable` when the price that is struck through is lower than the one beside it."""
    try:
        currency, struck, _ = leading_money(cell.struck)
        same, price, _ = leading_money(cell.text)
    except Unreadable:
        return
    if currency == same and struck < price:
        raise Unreadable("the price that is struck through is lower: they may have been mixed up")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of `pricebook.quote.UNITS` and how it is printed: `count` things, `base` to the unit.

    `per 1K tokens` is name `mtok`, base 10^6 (tokens to the mtok), count 1,000.
    """

    name: str
    base: int
    count: int
    printed: str

    def price(self, figure: Decimal) -> Decimal:
        """The printed figure for one unit: 0.03 per 1K tokens is 30 per mtok."""
        return figure * self.base / self.count


_REQUESTS = r"(?:requests?|calls?|search(?:es)?|quer(?:y|ies)|prompts?|uses?)"
# What is counted, how many of it make one unit, and the unit's name in `pricebook.quote.UNITS`.
_THINGS = {
    r"mtoks?": (1, "mtok"),
    r"(?:(?:input|output|training) )?tok(?:en)?s?": (10**6, "mtok"),
    r"char(?:acter)?s?": (10**6, "mchar"),
    r"(?:session-)?hours?|hrs?": (1, "hour"),
    r"min(?:ute)?s?": (1, "minute"),
    r"sec(?:ond)?s?": (1, "second"),
    r"images?": (1, "image"),
    r"pages?": (1, "page"),
    r"songs?": (1, "song"),
    r"videos?": (1, "video"),
    r"sessions?": (1, "session"),
    r"gb(?: of storage)?(?:-| per | ?/ ?)day": (1, "gb_day"),
    rf"(?:(?:grounded|grounding|search|tool|web) )?{_REQUESTS}": (1, "request"),
}
_COUNTS = {"": 1, "1": 1, "k": 10**3, "1,000": 10**3, "1000": 10**3, "thousand": 10**3,
           "m": 10**6, "1,000,000": 10**6, "1000000": 10**6, "million": 10**6}  # fmt: skip
_UNIT = (
    r"(?P<count>(?:1 ?)?(?:k|m|thousand|million)|1,000,000|1000000|1,000|1000|1|) ?"
    rf"(?P<thing>{'|'.join(_THINGS)})(?P<kept>(?: per | ?/ ?)(?:hour|hr))?\b"
    r"(?! ?/| per\b)"
)


def unit(phrase: str) -> Unit:
    """The unit that a phrase is, and nothing but: `/ MTok`, `per 1K tokens`, `1M input tokens`."""
    words = tidy(phrase)
    found = re.fullmatch(rf"(?:per |/ ?)?{_UNIT}", words, re.IGNORECASE)
    if not found:
        raise Unreadable(f'"{words}" is not a unit that we know')
    return _unit(found, words)


def unit_in(sentence: str) -> Unit:
    """The only unit named in a sentence after `per` or `/`: `Prices per 1M tokens, in USD`."""
    words = tidy(sentence)
    found = re.finditer(rf"(?:\bper |/ ?){_UNIT}", words, re.IGNORECASE)
    units = {_unit(match, match[0]) for match in found}
    if len({(found.name, found.base, found.count) for found in units}) != 1:
        raise Unreadable(f'"{words}" names {len(units) or "no"} units')
    return min(units, key=lambda found: found.printed)


def _unit(found: re.Match[str], printed: str) -> Unit:
    thing = found["thing"].lower()
    base, name = next(known for form, known in _THINGS.items() if re.fullmatch(form, thing))
    figure = found["count"].lower()
    count = _COUNTS[figure if figure in _COUNTS else figure.removeprefix("1").strip()]
    if found["kept"]:
        name = f"{name}_hour"
    elif name == "request" and count > 1:
        base, name = 1000, "kreq"
    # Google prints "$0.067 per 1K image": there 1K is the image's size, not a count.
    if name not in UNITS or (name == "image" and count > 1):
        raise Unreadable(f'"{printed}" is not a unit that we know')
    return Unit(name, base, count, printed)
