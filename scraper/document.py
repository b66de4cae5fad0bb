"""What was fetched, and what reading it gave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from pricebook.errors import DocumentRefused, InexactAmount
from pricebook.quote import Quote, SetAside, isoformat, to_ticks


@dataclass(frozen=True, slots=True)
class Page:
    """An address that a source is served at. `form`: `markdown`, `html`, `text`, `json` or `csv`.

    The first page of a source is its main one; the others are second readings of the same prices.
    """

    url: str
    form: str


@dataclass(frozen=True, slots=True)
class Document:
    """One answer, decoded: `sha256` is of the raw bytes, `at` when it was fetched (aware UTC)."""

    url: str
    form: str
    text: str
    at: datetime
    sha256: str

    def as_dict(self) -> dict[str, str | None]:
        """The `document` of `read --json` (docs/json.md)."""
        return {"url": self.url, "sha256": self.sha256, "at": isoformat(self.at), "form": self.form}


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a document says: its quotes, and what was set aside instead of guessed."""

    quotes: tuple[Quote, ...]
    set_aside: tuple[SetAside, ...] = ()


class Provider(Protocol):
    """What a module in `scraper.providers` offers.

    A provider whose pages go on elsewhere offers `next_page` too: the address that a document
    says it goes on at, None at its end (`scraper.collect` follows it on the same host).
    """

    @property
    def SELLER(self) -> str:  # noqa: N802 - a constant of the module
        """The seller's slug."""

    @property
    def PAGES(self) -> tuple[Page, ...]:  # noqa: N802
        """Where it is served, the believed form first."""

    @property
    def read(self) -> Callable[[Document], Iterator[Quote | SetAside]]:
        """The reader: every price of a document, and what it could not read."""


def reading_of(provider: Provider, document: Document) -> Reading:
    """Read a document; refuse it when it holds not one price."""
    read = provider.read(_with_its_cut_marked(document))
    reading = sorted_out(item for item in read if not _is_over(item, document.at))
    if not reading.quotes:
        reasons = "; ".join(aside.reason for aside in reading.set_aside[:3])
        raise DocumentRefused(
            f"{provider.SELLER}: {document.url} holds no price that could be read"
            + (f" ({reasons})" if reasons else "; it may be a block page or need JavaScript")
        )
    return reading


def _with_its_cut_marked(document: Document) -> Document:
    """The document; one that ends within a text or a row gets an ellipsis there.

    A transfer that broke off may have left $0.2 of $0.28: with the mark no reader takes it for an
    amount.
    """
    ends_within = not document.text.endswith(("\n", ">", "|"))
    marked = document.form in ("html", "markdown") and ends_within
    return replace(document, text=f"{document.text}…") if marked else document


def _is_over(item: Quote | SetAside, at: datetime) -> bool:
    """Whether a page still prints a price whose end has passed."""
    return isinstance(item, Quote) and item.valid_until is not None and item.valid_until <= at


# No seller's id begins or ends with a separator, has two in a row, or blanks.
_LOST_PART = re.compile(r"^[-._/:]|[-._/:]{2}|[-._/:]$|\s")


def sorted_out(items: Iterable[Quote | SetAside]) -> Reading:
    """A reading of these items; a series with two different prices is set aside, both of them, and
    an amount that the book can't hold, and an id that has lost a part."""
    quotes: dict[Any, Quote] = {}
    set_aside: list[SetAside] = []
    contested: set[Any] = set()
    for item in items:
        if isinstance(item, SetAside):
            set_aside.append(item)
            continue
        if _LOST_PART.search(product := item.series.product):
            reason = f'"{product}" is no id of a product, it may have lost a part'
            set_aside.append(SetAside(reason, item.where, item.quoted))
            continue
        try:
            to_ticks(item.amount)
        except InexactAmount as error:
            set_aside.append(SetAside(str(error), item.where, item.quoted))
            continue
        key = (item.series, item.valid_from)
        known = quotes.setdefault(key, item)
        if known.amount != item.amount:
            contested.add(key)
            set_aside.append(_two_prices(known, item))
    kept = tuple(quote for key, quote in quotes.items() if key not in contested)
    return Reading(kept, tuple(set_aside))


def _two_prices(one: Quote, other: Quote) -> SetAside:
    return SetAside(
        f"two prices for one series, {one.series}",
        f"{one.where}; {other.where}",
        f"{one.quoted} | {other.quoted}",
    )
