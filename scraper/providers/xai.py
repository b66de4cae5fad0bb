"""xAI's price page: tokens of Grok models, images and video, voice, and tools run by xAI.

Read are, in the markdown and the HTML of the page (and of the page of models, which has the same
tables): tokens by length of the prompt, in a row or in columns per length; images by resolution and
video by the second; voice; calls of tools. Voice without an id of its own goes by the name of its
mode, `text-to-speech`; the US endpoint where a sentence gives its figures. Not read are what the
page gives as a factor of other prices (batch, priority, other models at the US endpoint), storage
of files, and Grok Fast, which is not sold by the API. A page that reads "Loading models..." is a
shell without prices, and refused.

Pages that this reader has met: those of models of 2025-12 and 2026-05, and the page of prices of
autumn 2026 as markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from pricebook.errors import DocumentRefused, PageChanged
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
from scraper.xai_media import ID, STATUS, media_in, media_of, voice_in
from scraper.xai_region import us_prices

SELLER = "xai"
PAGES = (
    Page("https://docs.x.ai/developers/pricing.md", "markdown"),
    Page("https://docs.x.ai/developers/pricing", "html"),
)

_LABELS = ("model", "mode", "model or mode", "tool")
_DETAILS = {
    *_LABELS,
    "",
    "modalities",
    "capabilities",
    "context",
    "rate limits",
    "resolution",
    "tool name",
    "description",
}
_LEFT_OUT = (
    frozenset({"resource", "rate"}),  # storage and downloads of files
    # Grok Fast: billed through a plan of another product, "not available on the public xAI API".
    frozenset({"prompt tokens", "input", "cached input", "output"}),
)
# All that the heading of a table of standard prices may say: others are of other conditions.
_HEADING_WORDS = {
    "text", "chat", "language", "api", "model", "models", "pricing", "prices", "and", "key",
    "information", "xai", "docs",
}  # fmt: skip


def read(document: Document) -> Iterator[Quote | SetAside]:
    """The prices of the page; what isn't certain is set aside or refused.

    Raises `DocumentRefused` for a document without prices of tokens, and `PageChanged` when a table
    has an unknown column, no rows or no unit.
    """
    if "Loading models..." in document.text:
        raise DocumentRefused(
            f'{SELLER}: {document.url} reads "Loading models..." instead of prices: its tables are '
            f"filled by JavaScript; collect {PAGES[0].url} instead"
        )
    tables = tables_of(SELLER, replace(document, text=_with_codes_apart(document.text)))
    if not any(_is_of_tokens(table) for table in tables):
        raise no_prices(SELLER, document)
    for table in tables:
        if prices_in := _reader(table):
            check_columns(SELLER, table, _is_known)
            is_side = not _is_of_tokens(table)
            yield from read_rows(SELLER, table, _label(table), prices_in, is_side=is_side)
        else:
            yield from unknown_table(table, _LEFT_OUT)
    yield from us_prices(document)


def _with_codes_apart(text: str) -> str:
    """Two names of a tool that stick together are two names."""
    text = re.sub(r"(`\w+`)(?=`\w+`)", r"\1, ", text)
    return re.sub(r"</code>(?=\s*<code\b)", "</code>, ", text)


def _headers(table: Table | Row) -> list[str]:
    return [header.lower() for header in table.columns]


def _label(table: Table | Row) -> str:
    return next(header for header in table.columns if header.lower() in _LABELS)


def _name(row: Row) -> str:
    return " ".join(row[_label(row)].lines)


def _is_known(header: str) -> bool:
    words = header.lower()
    is_cost = words in {"cost", "media input"} or bool(_TOOL_COST.fullmatch(words))
    return words in _DETAILS or is_cost or bool(_TOKENS.fullmatch(words))


def _reader(table: Table) -> PricesIn | None:
    """What reads the cells of a table of this kind; None when we know no such kind."""
    headers = {*_headers(table)}
    if _is_of_tokens(table):
        return partial(_tokens_in, table)
    if "model" in headers and headers & {"media input", "cost"}:
        return media_in
    if "cost" in headers and headers & {"mode", "model or mode"}:
        return voice_in
    return _tools_in if "tool" in headers and any(map(_TOOL_COST.fullmatch, headers)) else None


# --- tokens ---------------------------------------------------------------------------------------

_TOKENS = re.compile(
    r"(?:(?P<band>short|long) context › )?"
    r"(?:(?P<meter>input|cached input|cached|output)|pricing \[in \(cached in\) / out\])"
    r"(?: ?/ ?(?P<unit>1[mk] tokens)| \((?P<per>per [^()]+)\))?",
    re.IGNORECASE,
)
_METERS = {"input": "input", "cached input": "cache_read", "cached": "cache_read",
           "output": "output"}  # fmt: skip


def _is_of_tokens(table: Table) -> bool:
    headers = _headers(table)
    words = set(re.findall(r"[a-z0-9]+", table.heading.lower()))
    is_ours = "model" in headers and words <= _HEADING_WORDS and "media input" not in headers
    return is_ours and any(map(_TOKENS.fullmatch, headers))


def _tokens_in(table: Table, row: Row, header: str, cell: Cell) -> Iterator[Priced]:
    column = _TOKENS.fullmatch(header)
    text = " ".join(cell.lines)
    if not column or text.lower() in NOT_SOLD:
        return
    if not column["meter"] and re.match(r"\$[0-9.]+ ?/ ?[a-z]", text):
        yield from media_of(row, "cost", text)
        return
    named = (column["meter"] or "").lower()
    meters = [_METERS[named]] if named else _meters_of(text)
    amounts = [text] if named else re.findall(r"\$[^ ()/]+", text)
    per = _unit_of(table, column["unit"] or column["per"])
    model = _model(_name(row))
    for meter, printed in zip(meters, amounts, strict=True):
        series = Series.of(
            SELLER, model.product, meter, "mtok", service_tier="standard",
            context=model.context(column["band"], _long_price(row, header)),
        )  # fmt: skip
        yield Priced(series, per.price(usd(printed)), per.printed)


def _meters_of(text: str) -> list[str]:
    """What is priced in `$2.00 ($0.20) / $6.00`, or in `$2.00 / $6.00`."""
    if re.fullmatch(r"\$[^ ()/]+ \(\$[^ ()/]+\) / \$[^ ()/]+", text):
        return ["input", "cache_read", "output"]
    if re.fullmatch(r"\$[^ ()/]+ / \$[^ ()/]+", text):
        return ["input", "output"]
    raise Unreadable(f'"{text}" is not prices in the order that the header tells')


def _unit_of(table: Table, of_header: str | None) -> Unit:
    """The unit of a header, or that of the sentence next to the table: `Prices per 1M tokens`."""
    said = re.findall(r"(?i)\bprices [^.\n]*per [^.\n]*", f"{table.before}\n{table.after}")
    try:
        per = unit(of_header) if of_header else unit_in(" ".join(said))
    except Unreadable as error:
        raise PageChanged(SELLER, place(table), f"its unit is not certain: {error}") from None
    if per.name != "mtok":
        raise PageChanged(SELLER, place(table), f'"{per.printed}" is no unit of tokens')
    return per


def _long_price(row: Row, header: str) -> bool:
    """Whether the row has a price for long prompts beside that of a column for short ones."""
    twin = header.lower().replace("short context", "long context")
    texts = [cell.text.lower() for name, cell in row.items() if name.lower() == twin]
    return any(text not in NOT_SOLD for text in texts)


_LENGTH = r"(?P<sign><=|>=|[<>≤≥]) ?(?P<figure>[0-9]+)(?P<count>[kM])"
_MODEL = re.compile(
    rf"(?P<id>{ID}) ?(?:\({_LENGTH} prompt tokens\)|Long context {_LENGTH.replace('P<', 'P<of_')}"
    rf" tokens|{STATUS})?"
)
_SIGNS = {"≤": "<=", "≥": ">="}
_SHORT = {">": "<=", ">=": "<"}


@dataclass(frozen=True, slots=True)
class _Model:
    """A model with the length that its row is for, or from which prompts are long."""

    product: str
    length: str | None
    long_from: tuple[str, str] | None

    def context(self, band: str | None, has_long_price: bool) -> str | None:
        """The `context` of a price in a column for short or long prompts, or for all."""
        if bool(self.long_from) > bool(band):
            raise Unreadable("the column doesn't tell whether it is for short or long prompts")
        if not band:
            return self.length
        if self.long_from and (sign := self.long_from[0]) in _SHORT:
            return f"{sign if band.lower() == 'long' else _SHORT[sign]}{self.long_from[1]}"
        if has_long_price:
            raise Unreadable("the row doesn't tell from which length a prompt is long")
        return None


def _model(printed: str) -> _Model:
    """`grok-4.6 (≥ 200k prompt tokens)`, `grok-4.7 Long context ≥ 200k tokens`, `grok-4.3`."""
    found = _MODEL.fullmatch(printed)
    if not found:
        raise Unreadable(f'"{printed}" names no model by its id')
    length = _length(found["sign"], found["figure"], found["count"])
    return _Model(
        found["id"],
        "".join(length) if length else None,
        _length(found["of_sign"], found["of_figure"], found["of_count"]),
    )


def _length(sign: str | None, figure: str, count: str) -> tuple[str, str] | None:
    if not sign:
        return None
    return _SIGNS.get(sign, sign), f"{figure}{'000' if count == 'k' else '000000'}"


# --- tools ----------------------------------------------------------------------------------------

_TOOL_COST = re.compile(r"cost (?:/|per) (.+)", re.IGNORECASE)
_BILLED_OTHERWISE = {"token-based", "token-based only", "imagine api rates"}


def _tools_in(row: Row, header: str, cell: Cell) -> Iterator[Priced]:
    column = _TOOL_COST.fullmatch(header)
    if not column or cell.text.lower() in {*NOT_SOLD, *_BILLED_OTHERWISE}:
        return
    amount, phrase = leading_usd(cell.text)
    per = unit(phrase or f"per {column[1]}")
    if per.name not in {"kreq", "request"}:
        raise Unreadable(f'"{per.printed}" is no unit of calls')
    for tool in _tools(row):
        meter = "search" if tool == "web_search" else "request"
        series = Series.of(SELLER, tool, meter, per.name, tool=tool)
        yield Priced(series, per.price(amount), per.printed)


# Tools whose id is their name; `File Attachments` and others have ids that no name tells.
_NAMED_LIKE_ID = {"Web Search", "X Search", "Code Execution", "Document Search",
                  "Collections Search"}  # fmt: skip


def _tools(row: Row) -> list[str]:
    """The ids of a tool: those in the column of them, which early pages lacked, or its name."""
    names = [cell.text for header, cell in row.items() if header.lower() == "tool name"]
    if not names and _name(row) not in _NAMED_LIKE_ID:
        raise Unreadable(f'no column tells the id of "{_name(row)}"')
    printed = names[0] if names else _name(row).lower().replace(" ", "_")
    tools = [re.sub(r"(?:†|\[object Object\])$", "", tool) for tool in printed.split(", ")]
    if not all(re.fullmatch(r"[a-z]+(?:_[a-z]+)*", tool) for tool in tools):
        raise Unreadable(f'"{printed}" is not the id of a tool')
    return tools
