"""Mistral's price pages in the forms that they have been served in, as one list of prices.

Cards in the HTML (mistral.ai/pricing/api), cards in the scripts (mistral.ai/pricing, 2026-03 to
2026-05), and the card of one model (docs.mistral.ai/models). Each card gives a line for each of
its prices in each currency.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bs4 import BeautifulSoup, Tag

from pricebook.errors import DocumentRefused, PageChanged
from scraper.document import Document
from scraper.reading import Cell, cell_of, html_tables, tidy
from scraper.rsc import Payload, payload

SIGNS = {"USD": "$", "EUR": "€"}

# The page's own names for a price in a currency. `price` beside `priceEur` is in US dollars:
# github.com/mistralai/platform-docs-public, src/schema/models/pricing-currency.ts.
_CURRENCIES = {
    "price_dollar": "USD", "priceUsd": "USD", "price": "USD",
    "price_euro": "EUR", "priceEur": "EUR",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """What is priced: its name, the ids that the API takes (none for tools), the part of it.

    `doubt` says why nothing on the card can be read with certainty.
    """

    name: str
    ids: tuple[str, ...]
    is_tool: bool = False
    part: str = ""
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One price of a card in one currency: `Input (/M tokens)`, column `price_euro`, `1.25€`.

    `quoted` is the price as the page has it, `text` the same with the sign of its currency, `note`
    what the page explains about it.
    """

    card: Card
    label: str
    column: str
    text: str
    quoted: str
    note: str = ""

    @property
    def currency(self) -> str:
        """`USD` or `EUR`; `PageChanged` for a column of another currency."""
        if self.column not in _CURRENCIES:
            raise PageChanged("mistral", f'{self.where}, column "{self.column}"', "unknown column")
        return _CURRENCIES[self.column]

    @property
    def where(self) -> str:
        """Card, label and column, as printed."""
        places = (self.card.name, self.card.part, self.label, self.column)
        return " › ".join(filter(None, places))


def lines(document: Document) -> list[Line]:
    """Every price of every card of the page, in its order.

    Raises `DocumentRefused` for a document without prices on cards.
    """
    if document.form != "html":
        raise DocumentRefused(
            f"mistral: the page is read as HTML, not as {document.form}; fetch it anew"
        )
    found = list(_html_lines(document.text)) or list(_payload_lines(payload(document.text)))
    if not found and any(
        {"Model", "Input"} <= {*each.columns} for each in html_tables(document.text)
    ):
        raise DocumentRefused(
            f"mistral: {document.url} names its models without the ids that the API takes; "
            "read https://mistral.ai/pricing/api instead"
        )
    if not found:
        raise DocumentRefused(
            f"mistral: {document.url} has no card with a price, it may be a block page or another"
        )
    return found


# --- cards in the HTML ----------------------------------------------------------------------------


def _html_lines(html: str) -> Iterator[Line]:
    if "model-item" in html:
        soup = BeautifulSoup(html, "html.parser")
        # Words like "Free" alone are what is left of cards whose prices were dropped.
        for item in soup.select("div.model-item") if soup.select("[data-prices]") else ():
            yield from _lines_of_item(item)


def _lines_of_item(item: Tag) -> Iterator[Line]:
    key = str(item.get("data-name"))
    titles = (_words(tag) for tag in item.find_all("p"))
    card = Card(
        name=next((title for title in titles if title.lower() == key), key),
        # The button that copies the id.
        ids=tuple(str(tag["data-text"]) for tag in item.select("[data-text]")),
        is_tool=item.get("data-capabilities") == "tools",
    )
    if item.select_one(".model-item"):
        doubt = "another card lies within this one: its id and prices may be those of the other"
        yield Line(replace(card, ids=(), doubt=doubt), "card", "priceUsd", "", card.name)
        return
    for tag in item.select("[data-prices], .js-tab-content > div > p + *"):
        label, note = _label_and_note(tag.find_previous_sibling())
        of_tag = _priced_lines if tag.get("data-prices") else _worded_lines
        yield from (replace(line, note=note) for line in of_tag(card, label, tag))


def _label_and_note(tag: Tag | None) -> tuple[str, str]:
    """The label, and what shows when one points at it."""
    if tag is None:
        return "", ""
    note = " ".join(_words(hidden.extract()) for hidden in tag.select('[style*="display: none"]'))
    return _words(tag), note


def _worded_lines(card: Card, label: str, tag: Tag) -> Iterator[Line]:
    """What is only said in words, for all currencies: `Free`, which may stand in the label."""
    words = _words(tag) or label
    for column in ("priceUsd", "priceEur"):
        yield Line(card, label, column, words, words)


def _priced_lines(card: Card, label: str, tag: Tag) -> Iterator[Line]:
    """Its prices in all currencies; the one that is shown must be shown as it is stored."""
    prices = _stored(tag, f"{card.name} › {label}")
    prefix, suffix = (str(prices.pop(part, None) or "") for part in ("prefix", "suffix"))
    texts = {
        column: tidy(f"{prefix} {_sign(card, label, column)}{figure} {suffix}")
        for column, figure in prices.items()
        if figure is not None
    }
    shown, column = _words(tag), f"price{str(tag.get('data-currency')).capitalize()}"
    if _letters(shown, column) != _letters(texts.get(column, ""), column):
        stored = f'"{shown}", but stored as "{texts.get(column)}"'
        yield Line(card, label, column, stored, shown)
        return
    for name, text in texts.items():
        yield Line(card, label, name, text, shown if name == column else text)


def _sign(card: Card, label: str, column: str) -> str:
    return SIGNS[Line(card, label, column, "", "").currency]


def _stored(tag: Tag, where: str) -> dict[str, Any]:
    try:
        prices = json.loads(str(tag["data-prices"]), parse_float=Decimal, parse_int=Decimal)
    except json.JSONDecodeError:
        prices = None
    if not isinstance(prices, dict):
        raise PageChanged("mistral", where, "stores its prices in an unknown form")
    return prices


def _letters(text: str, column: str) -> tuple[str, int]:
    """The text without blanks and the sign of its currency, which may stand on either side."""
    sign = SIGNS[_CURRENCIES[column]] if column in _CURRENCIES else ""
    return re.sub(rf"\s|{re.escape(sign)}", "", text), text.count(sign)


def _words(tag: Tag) -> str:
    return " ".join(cell_of(tag).lines)


# --- cards in the scripts -------------------------------------------------------------------------


def _payload_lines(page: Payload) -> Iterator[Line]:
    cards = [found for found in page.objects("price") if _rows(found["price"])]
    for card in cards:
        yield from _lines_of_object(card)
    yield from _emptied(page) if cards else _docs_lines(page)


def _emptied(page: Payload) -> Iterator[Line]:
    """Cards that lost their prices; the ids that they share with others they still tell."""
    for name in ("api", "api_endpoint"):
        for found in page.objects(name, "name"):
            if "price" not in found:
                doubt = "the card has no prices"
                card = Card(str(found["name"]), (str(found[name]),), doubt=doubt)
                yield Line(card, "card", "price_dollar", "", card.name)


def _lines_of_object(found: Mapping[str, Any]) -> Iterator[Line]:
    product = found.get("api") or found.get("api_endpoint")
    name = str(found.get("name") or product)
    for part, rows in (("", found["price"]), ("Fine-tuning", found.get("fine_tuning"))):
        card = Card(name, (str(product),) if product else (), found.get("type") == "Tools", part)
        for row in _rows(rows):
            label, note = tidy(str(row.get("value"))), " ".join(_cell(row.get("detail")).lines)
            for column in (key for key in row if key.startswith("price_") and row[key]):
                cell = _cell(row[column])
                quoted = " ".join(cell.lines) or cell.struck
                yield Line(card, label, column, _price_of(cell), quoted, note)


def _cell(html: Any) -> Cell:
    return cell_of(BeautifulSoup(f"<p>{html or ''}</p>", "html.parser"))


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _price_of(cell: Cell) -> str:
    """The text of a cell without the note that batches cost half: that sets no condition."""
    if cell.struck and not cell.text:
        return f'struck through: "{cell.struck}"'
    lines = [line for line in cell.lines if not re.fullmatch(r"\+ 50% off with batch-APIs", line)]
    return " ".join(lines)


# --- the card of one model ------------------------------------------------------------------------

_FIELDS = {"type", "price", "priceEur", "denominator", "label", "originalPrice"}


def _docs_lines(page: Payload) -> Iterator[Line]:
    found = [card for card in page.objects("pricing", "isRetired") if card["pricing"]]
    if not found:
        return
    offers = _distinct(card["pricing"] for card in found)
    ids = _distinct(card["names"] for card in page.objects("names") if card["names"])
    titles = _distinct(str(card["currentModelName"]) for card in page.objects("currentModelName"))
    if [len(offers), len(ids), len(titles)] != [1, 1, 1]:
        raise PageChanged("mistral", "model card", "doesn't name one model, its ids and one offer")
    if any(card["isRetired"] for card in found):
        raise DocumentRefused(f"mistral: {titles[0]} is retired, its price is no offer any more")
    yield from _lines_of_offer(Card(titles[0], _ids(ids[0])), offers[0])


def _ids(names: Any) -> tuple[str, ...]:
    return tuple(map(str, names)) if isinstance(names, list) else (str(names),)


def _lines_of_offer(card: Card, offer: Mapping[str, Any]) -> Iterator[Line]:
    if offer.get("type") != "custom":
        raise PageChanged("mistral", card.name, f"unknown kind of price: {offer.get('type')}")
    for side in ("input", "output"):
        for row in _rows(offer.get(side)):
            if unknown := row.keys() - _FIELDS:
                raise PageChanged("mistral", f"{card.name} › {side}", f"unknown field {unknown}")
            label = f"{row.get('label') or side.capitalize()} ({row.get('denominator')})"
            for column in ("price", "priceEur"):
                figure = row.get(column)
                # 0 on one side of a model that isn't free: that side is not billed for.
                if figure or (figure is not None and offer.get("free")):
                    text = f"{SIGNS[_CURRENCIES[column]]}{figure}"
                    yield Line(card, label, column, text, f"{figure} {row.get('denominator')}")


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
