"""Together's page of serverless models: tokens, video and speech of open models.

Read are, in the markdown and the HTML of the page, the tables of chat and vision models, of
embeddings and moderation (their one price is that of input), of video and of speech. Not read are
images, which are sold per megapixel. "Free" is a price of 0: it stands in the price list itself.
Discounts for batches are on another page. The API's list of models (api.together.xyz/v1/models)
needs an account and prints no unit, so that it is no source.

Of the page only its tables of chat models and images of autumn 2026 have been met; the rest is
written from the form of the markdown that docs.together.ai served in summer 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from pricebook.quote import Quote, Series, SetAside
from scraper.document import Document, Page
from scraper.price_table import (
    NOT_SOLD,
    Priced,
    check_columns,
    no_prices,
    read_rows,
    tables_of,
    unknown_table,
)
from scraper.reading import Cell, Row, Table, Unit, Unreadable, leading_usd, unit, usd

SELLER = "together"
PAGES = (
    Page("https://docs.together.ai/docs/serverless/models.md", "markdown"),
    Page("https://docs.together.ai/docs/serverless/models", "html"),
)

_IDS = {"api model string", "model string for api"}
_NAMES = ("model name", *_IDS)
_DETAILS = {
    *_NAMES,
    "organization",
    "modality",
    "context length",
    "context window",
    "quantization",
    "function calling",
    "structured outputs",
    "resolution / duration",
    "model size",
    "embedding dimension",
}
_METERS = {"input": "input", "cached input": "cache_read", "output": "output", "": "input"}
_PRICE = re.compile(
    r"(?:(input|cached input|output) )?pricing(?: \((per .+)\))?|price (per .+)", re.IGNORECASE
)
# Images cost by the megapixel, which is no unit of ours, and more with more steps.
_LEFT_OUT = (
    frozenset({"organization", "model name", "model string for api", "price per mp",
               "default steps"}),
)  # fmt: skip


def read(document: Document) -> Iterator[Quote | SetAside]:
    """The prices of each model; what isn't certain is set aside or refused.

    Raises `DocumentRefused` for a document without a table of priced models, and `PageChanged`
    when one has an unknown column or no rows.
    """
    tables = tables_of(SELLER, document)
    ours = [table for table in tables if _is_price_table(table)]
    if not ours:
        raise no_prices(SELLER, document)
    for table in ours:
        check_columns(SELLER, table, _is_known)
        label, is_side = _column(table, _NAMES), not _is_of_tokens(table)
        yield from read_rows(SELLER, table, label, _prices_in, is_side=is_side)
    for table in tables:
        if table not in ours:
            yield from unknown_table(table, _LEFT_OUT)


def _is_price_table(table: Table) -> bool:
    headers = frozenset(map(str.lower, table.columns))
    is_priced = any(map(_PRICE.fullmatch, headers))
    return is_priced and bool(headers & _IDS) and headers not in _LEFT_OUT


def _is_of_tokens(table: Table) -> bool:
    return any(header.lower().startswith("input pric") for header in table.columns)


def _is_known(header: str) -> bool:
    return header.lower() in _DETAILS or bool(_PRICE.fullmatch(header))


def _column(table: Table | Row, names: tuple[str, ...]) -> str:
    by_name = {header.lower(): header for header in table.columns}
    return next(by_name[name] for name in names if name in by_name)


def _prices_in(row: Row, header: str, cell: Cell) -> Iterator[Priced]:
    """The price of a cell, in the unit of its header or its own: `$15.00 per 1M chars`."""
    priced = _PRICE.fullmatch(header)
    if not priced or cell.text.lower() in NOT_SOLD:
        return
    amount, phrase = _amount(cell.text, priced[2] or priced[3])
    per = unit(phrase)
    meter, variant = _paid_for(per, (priced[1] or "").lower(), row)
    series = Series.of(
        SELLER, _product(row), meter, per.name, service_tier="standard", variant=variant
    )
    yield Priced(series, per.price(amount), phrase)


def _amount(printed: str, of_header: str | None) -> tuple[Decimal, str]:
    """Amount and unit of a cell; only the header or only the cell may name the unit."""
    if of_header:
        return (Decimal(0) if printed.lower() == "free" else usd(printed)), of_header
    amount, phrase = leading_usd(printed)
    return amount, phrase.replace("audio min", "min")


def _paid_for(per: Unit, named: str, row: Row) -> tuple[str, str | None]:
    """Meter and variant: tokens by the header, a video by its length, speech by its unit."""
    if per.name == "mtok":
        return _METERS[named], None
    if per.name == "video":
        return "video", _length(row)
    is_speech = (_detail(row, "modality") or "-") not in NOT_SOLD
    if is_speech and per.name in {"minute", "hour", "second", "mchar"}:
        return "audio", None
    raise Unreadable(f'"{per.printed}" is no unit of this table')


def _length(row: Row) -> str | None:
    """Size and length of a video, None for a dash."""
    text = _detail(row, "resolution / duration")
    if not text:
        raise Unreadable("nothing says how long the video is, not even a dash")
    return None if text.lower() in NOT_SOLD else text


def _detail(row: Row, name: str) -> str | None:
    """The text under a header, None when there is no such column."""
    return next((cell.text for header, cell in row.items() if header.lower() == name), None)


def _product(row: Row) -> str:
    printed = row[_column(row, tuple(_IDS))].text
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", printed):
        raise Unreadable(f'"{printed}" is not the id of a model')
    return printed
