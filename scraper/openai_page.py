"""OpenAI's pricing page in the forms that it has been served in, as one list of tables.

The page shows a few rows of each table and keeps the others in the properties of its components:
Astro islands in the HTML, MDX in the markdown. They are written out here as ordinary tables at the
place where they stand, so that each gets the headings and the sentences around it. Later markdown
has the tables written out already, under titles like `### Batch pricing data`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import takewhile
from typing import Any, Protocol

from bs4 import BeautifulSoup
from bs4.element import NavigableString, Tag

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import SetAside
from scraper.astro import islands
from scraper.document import Document
from scraper.mdx import Call, components, without_tags
from scraper.reading import Table, Unreadable, html_tables, leading_usd, markdown_tables

TIER_MARK = "Service tier: "
"""Begins the line that is written above a table whose service tier the page says in its code."""

# Priority processing was renamed Fast mode on 2026-07-30; the API takes both words.
TIERS = {
    "standard": "standard",
    "batch": "batch",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
    "fast mode": "priority",
    "ultrafast": "ultrafast",
}
# The headers that the component puts on these rows; the length of a row says which of them it has.
_TEXT_TOKENS = {
    4: ("Model", "Input", "Cached input", "Output"),
    5: ("Model", "Input", "Cached input", "Cache writes", "Output"),
}
_TIER_NAMES = f"(?:{'|'.join(sorted(TIERS, key=len, reverse=True))})"
_SWITCHER = re.compile(rf"{_TIER_NAMES}(?:\s*{_TIER_NAMES})+", re.IGNORECASE)
_DATA_TITLE = re.compile(
    r"#+\s+(?:(?:Grouped )?Pricing Table data|(?P<tier>.+) pricing data)", re.IGNORECASE
)
# Labels of buttons and the like, which begin no section.
_NO_SECTION = re.compile(
    rf"{TIER_MARK}.*|{_TIER_NAMES}|All models|Copy page|Learn more", re.IGNORECASE
)
_SECTION = re.compile(r"[A-Z][^|<>{}()$\"]*[^|<>{}()$\".:;,]")
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_PROMISE = r"Prices? per "
_NO_TABLE = "no table stands in this section, or only a piece of one without its columns"


class _Component(Protocol):
    """What an Astro island and an MDX component have in common."""

    @property
    def name(self) -> str: ...

    @property
    def props(self) -> Mapping[str, Any]: ...

    def prop(self, name: str) -> Any: ...


_Grid = list[tuple[str, ...]]


def tables(document: Document) -> list[Table | SetAside]:
    """Every table of the page, and what stands where a table is missing.

    Raises `DocumentRefused` for a document without tables and for forms that are not read.
    """
    if money := re.search(r"[€£¥₹]\s?[0-9]", document.text):
        raise PageChanged("openai", f'price "{money[0]}..."', "not in US dollars")
    if document.form == "html":
        found = list(_html_form(document.text))
    elif document.form == "markdown":
        found = list(_markdown_form(document.text))
    else:
        raise DocumentRefused(
            f"openai: the page is read as markdown or HTML, not as {document.form}; fetch it anew"
        )
    if not any(isinstance(item, Table) for item in found):
        raise DocumentRefused(
            f"openai: {document.url} has no price table, it may be a block page or need JavaScript"
        )
    return found


# --- HTML -----------------------------------------------------------------------------------------


def _html_form(text: str) -> Iterator[Table | SetAside]:
    soup = BeautifulSoup(text, "html.parser")
    for island in islands(soup):
        if _holds_prices(island):
            for grid in _grids(island):
                written = f"{_mark(island.prop('tier'))}{_as_html(grid)}"
                island.element.insert_before(BeautifulSoup(written, "html.parser"))
    for table in soup.find_all("table"):
        if pane := table.find_parent(attrs={"data-content-switcher-pane": True}):
            mark = _mark(str(pane.get("data-value") or ""))
            table.insert_before(BeautifulSoup(mark, "html.parser"))
    yield from html_tables(str(soup))
    yield from _headings_without_table(soup)


def _headings_without_table(soup: BeautifulSoup) -> Iterator[SetAside]:
    for heading in soup.find_all(_HEADINGS):
        below = list(takewhile(lambda node: not _is_tag(node, _HEADINGS), heading.next_elements))
        text = " ".join(" ".join(n for n in below if isinstance(n, NavigableString)).split())
        if re.search(_PROMISE, text) and not any(_is_tag(node, ["table"]) for node in below):
            yield SetAside(_NO_TABLE, " ".join(heading.get_text().split()), text[:500])


def _is_tag(node: object, names: Sequence[str]) -> bool:
    return isinstance(node, Tag) and node.name in names


def _mark(tier: str | None) -> str:
    return f"<p>{TIER_MARK}{html.escape(tier)}</p>" if tier else ""


def _as_html(grid: _Grid) -> str:
    header, *rows = [[html.escape(cell) for cell in row] for row in grid]
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


# --- markdown -------------------------------------------------------------------------------------


def _markdown_form(text: str) -> Iterator[Table | SetAside]:
    if re.search(r"^Markdown Content:$", text, re.MULTILINE):
        raise DocumentRefused(
            "openai: the document is another site's rendering of the page, which loses header "
            "rows and joined cells; fetch the page itself"
        )
    plain = _with_headings(without_tags(_with_components_written_out(text)))
    yield from markdown_tables(plain)
    yield from _sections_without_table(plain)


def _with_components_written_out(text: str) -> str:
    written, at = [], 0
    for component in components(text):
        if _holds_prices(component):
            written.append(text[at : component.start])
            written += [_as_markdown(component.prop("tier"), grid) for grid in _grids(component)]
            at = component.end
    return "".join([*written, text[at:]])


def _as_markdown(tier: str | None, grid: _Grid) -> str:
    header, *rows = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in grid]
    ruler = "|---" * len(grid[0]) + "|"
    return "\n".join(["", f"{TIER_MARK}{tier}" if tier else "", "", header, ruler, *rows, "", ""])


def _with_headings(text: str) -> str:
    """The text with its section names, which stand alone on lines of their own, as headings.

    A name that follows another at once becomes its subsection: `Multimodal models`, then
    `Image generation models`.
    """
    lines = ["", *(line.strip() for line in text.splitlines()), ""]
    written = []
    follows_a_name = False
    for at in range(1, len(lines) - 1):
        line = lines[at]
        title = _DATA_TITLE.fullmatch(line)
        if title:
            line = f"{TIER_MARK}{title['tier']}" if title["tier"] else ""
        elif not lines[at - 1] and not lines[at + 1] and _is_section_name(line):
            line = f"{'###' if follows_a_name else '##'} {line}"
            follows_a_name = True
        elif line:
            follows_a_name = False
        written.append(line)
    return "\n".join(written)


def _is_section_name(line: str) -> bool:
    return bool(
        _SECTION.fullmatch(line)
        and len(line.split()) <= 6
        and not _SWITCHER.fullmatch(line)
        and not _NO_SECTION.fullmatch(line)
    )


def _sections_without_table(text: str) -> Iterator[SetAside]:
    """Sections that promise prices and show none: exports drop components, whole or in part."""
    parts = re.split(r"(?m)^(?=#{1,6} )", text)
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        depth, following_depth = (len(p) - len(p.lstrip("#")) for p in (part, following))
        promises = re.search(rf"{_PROMISE}|\$[0-9]", part)
        has_table = re.search(r"(?m)^\|", part)
        if depth and promises and not has_table and following_depth <= depth:
            title, _, rest = part.partition("\n")
            yield SetAside(_NO_TABLE, title.strip("# "), " ".join(rest.split())[:500])


# --- components -----------------------------------------------------------------------------------


def _holds_prices(component: _Component) -> bool:
    """Other components have rows and groups too: text fields, lists of links."""
    is_table = {"rows", "groups"} & set(component.props) and "headings" in component.props
    return bool(is_table or re.search("pricing_?tables?$", component.name, re.IGNORECASE))


def _grids(component: _Component) -> Iterator[_Grid]:
    """The tables of a component, header first: one, or one for each length of row."""
    try:
        yield from _grids_of(component)
    except (Unreadable, KeyError, TypeError) as error:
        what = f"its properties are not those of a table ({error})"
        raise PageChanged("openai", f"component {component.name}", what) from error


def _grids_of(component: _Component) -> Iterator[_Grid]:
    groups, headings = component.prop("groups"), component.prop("headings")
    rows = component.prop("rows")
    if groups is not None:
        rows = [[group["model"], *row] for group in groups for row in group["rows"]]
    printed = [tuple(map(_printed, row)) for row in rows]
    if headings:
        yield [tuple(map(_printed, headings)), *printed]
    else:
        yield from _text_token_grids(printed)


def _text_token_grids(rows: Sequence[tuple[str, ...]]) -> Iterator[_Grid]:
    lengths = {len(row) for row in rows}
    if strange := lengths - set(_TEXT_TOKENS):
        raise Unreadable(f"rows of {min(strange)} cells, and no headings say what they are")
    widths = {_width(row) for row in rows}
    for width in sorted(widths or _TEXT_TOKENS):
        yield [_TEXT_TOKENS[width], *(row for row in rows if _width(row) == width)]


def _width(row: tuple[str, ...]) -> int:
    """How many columns a row is for: its cells, or one less with a decimal comma in it, `0,3`.

    Then the cells are no such prices: all cache writes so far cost 1.25 times the input.
    """
    if len(row) != 5:
        return len(row)
    _, sent, found, written, answered = (_dollars(cell) for cell in row)
    if not (sent and written and answered):
        return 4 if 0 in (sent, written, answered) else 5
    return 5 if sent < written < min(2 * sent, answered) and found != 0 else 4


def _dollars(printed: str) -> Decimal | None:
    try:
        return leading_usd(printed)[0]
    except Unreadable:
        return None


def _printed(value: Any) -> str:
    """A cell as the page's script prints it: a bare number is an amount in US dollars."""
    match value:
        case None:
            shown = "-"
        case Decimal():
            shown = f"${value:f}"
        case str(text) | {"__pricingTooltipHeading": {"label": str(text)}}:
            shown = text
        case {"__pricingHtml": str(source)} | Call("pricingHtml", (str(source), *_)):
            shown = BeautifulSoup(source.replace("<br />", " "), "html.parser").get_text()
        case Call("pricingTooltipHeading", (str(text), *_)):
            shown = text
        case Call("withDataSharing" | "withLegacy" as name, (str(text), *_)):
            shown = f"{text} {'Legacy' if name == 'withLegacy' else 'with data sharing'}"
        case _:
            raise Unreadable(f"a cell holds {value}")
    return " ".join(shown.split())
