"""Mistral's price pages: its models per token, page and minute, fine-tuning, and its tools.

Read are the cards of mistral.ai/pricing/api, the cards that mistral.ai/pricing carries in its
scripts (2026-03 to 2026-05), and the page of one model at docs.mistral.ai/models, all as HTML, in
US dollars and in euros, which are prices of their own and no conversions. Not read are
subscriptions, questions and answers (their prices are old ones), and the discounts for batches
and cached input where they have no figure of their own: the browser works those out. The table of
docs.mistral.ai/inference/pricing (met as of autumn 2026) names its models without the ids that the
API takes, and is refused.

The product is the id that a card prints. What has none goes by its name: `web_search`, or
`classifier-api-model-8b`, whose prices are for classifiers that the user trains.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from pricebook.quote import Quote, Series, SetAside
from scraper.document import Document, Page
from scraper.mistral_page import SIGNS, Card, Line, lines
from scraper.reading import Unit, Unreadable, tidy, unit

SELLER = "mistral"
PAGES = (Page("https://mistral.ai/pricing/api", "html"),)


def read(document: Document) -> Iterator[Quote | SetAside]:
    """The prices on the page's cards; what isn't certain is set aside or refused.

    Raises `DocumentRefused` for a document without cards, and `PageChanged` when a card has a
    price in a currency that isn't known, or may show another model's.
    """
    found = lines(document)
    shared = _shared_ids(line.card for line in found)
    for line in found:
        try:
            yield from _quotes(line, shared)
        except Unreadable as error:
            yield SetAside(str(error), line.where, line.quoted)


def _quotes(line: Line, shared: set[str]) -> Iterator[Quote]:
    if line.card.doubt:
        raise Unreadable(line.card.doubt)
    if line.text.lower() in _NO_PRICES or line.label.lower() in _NO_PRICE_LABELS:
        return
    for price in _prices(line):
        meter = _METERS.get((price.kind, price.unit.name))
        if meter is None:
            raise Unreadable(f'"{line.label}" by {price.unit.name} is not understood')
        amount = price.unit.price(price.figure)
        for series in _series(line, price, meter, shared):
            yield Quote(series, amount, line.quoted, line.where, price.unit.printed)


# --- prices ---------------------------------------------------------------------------------------

_NO_PRICES = {"", "-", "n/a", "contact us", "not available", "model cost per m token + tool call"}
_NO_PRICE_LABELS = {"available on"}  # it is followed by a path of the API
_LABEL = re.compile(r"(?P<kind>[^(/]+?)(?: ?\((?P<units>[^()]+)\)|(?P<per> ?/ ?min))?")
# Notes that say what is paid for, and set no condition for the price.
_EXPLAINS = re.compile(
    r"(?:One-off training:? )?Price per (?:M )?token on the data .*"
    r"|(?:Storage:? )?Price per month per model for storage .*"
    r"|We are keeping this endpoint highly accessible for a limited period .*"
)
_ALL_FREE = {"free", "api endpoint"}  # labels beside "Free"
_BY_MODALITY = re.compile(r"(.+) \((audio|text)\) / (.+) \((audio|text)\)")
_FIGURE = r"((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?)"
_UNITS_OF = {"audio": "minute", "text": "mtok"}
_ANY_UNIT = Unit("mtok", 10**6, 10**6, "")


@dataclass(frozen=True, slots=True)
class _Price:
    """A figure, its unit, and what it is for: `input`, `training cost`, with its modality."""

    kind: str
    figure: Decimal
    unit: Unit
    modality: str | None = None


def _prices(line: Line) -> Iterator[_Price]:
    """The prices of a line: mostly one; two where the cell says `$0.004 (audio) / $0.1 (text)`."""
    label = _LABEL.fullmatch(line.label)
    if not label:
        raise Unreadable(f'"{line.label}" is not understood')
    if line.note and not _EXPLAINS.fullmatch(line.note):
        raise Unreadable(f"a note may set a condition for the price: {line.note}")
    units = label["units"] or label["per"] or ""
    kind = "annotations" if "annotated" in units.lower() else label["kind"].lower()
    if kind in _ALL_FREE and line.text == "Free":
        yield from (_Price(side, Decimal(0), _ANY_UNIT) for side in ("input", "output"))
        return
    named = re.fullmatch(r"(audio|text) (input)", kind)
    kind, modality = (named[2], named[1]) if named else (kind, None)
    for text, said in _by_modality(line.text):
        figure, behind = _money(text, line.currency)
        paid_for = _unit(units, behind, said or modality)
        by_time = "audio" if paid_for.name == "minute" else None
        yield _Price(kind, figure, paid_for, said or modality or by_time)


def _by_modality(text: str) -> list[tuple[str, str | None]]:
    found = _BY_MODALITY.fullmatch(text)
    return [(found[1], found[2]), (found[3], found[4])] if found else [(text, None)]


def _money(text: str, currency: str) -> tuple[Decimal, str]:
    """The figure, and what follows it: `$2 / 1000 pages`, `1$`, `€2`, `0.01€ per 1k characters`."""
    if text == "Free":
        return Decimal(0), ""
    sign = re.escape(SIGNS[currency])
    found = re.match(rf"(?:{sign} ?{_FIGURE}(?![0-9.,]*[0-9])|{_FIGURE} ?{sign})(.*)", text)
    if not found:
        raise Unreadable(f'"{text}" is not an amount in {currency}')
    return Decimal((found[1] or found[2]).replace(",", "")), found[3].strip()


def _unit(by_label: str, by_cell: str, modality: str | None) -> Unit:
    """The one unit that label or cell names; of `per min / per M tok` that of the modality."""
    if not by_label and not by_cell:
        raise Unreadable("no unit is given")
    if by_label and by_cell:
        raise Unreadable(f'two units are given, "{by_label}" and "{by_cell}"')
    units = [_one_unit(phrase) for phrase in (by_label or by_cell).split(" / ")]
    if len(units) > 1:
        units = [unit for unit in units if unit.name == _UNITS_OF.get(modality or "")]
    if len(units) != 1:
        raise Unreadable(f'"{by_label or by_cell}" names several units')
    return units[0]


def _one_unit(phrase: str) -> Unit:
    words = re.sub(r"^/ ?per ", "per ", tidy(phrase).lower()).replace("annotated ", "")
    if re.fullmatch(r"(?:per |/ ?)month per model", words):
        return Unit("model_month", 1, 1, phrase)
    # `unit` refuses "1K image", which at Google is a size; here it is a count.
    if re.fullmatch(r"(?:per |/ ?)(?:1k|1,?000) images", words):
        return Unit("image", 1, 1000, phrase)
    return replace(unit(words), printed=phrase)


# --- series ---------------------------------------------------------------------------------------

# The meter of a kind of price by its unit; any other pair is not understood.
_METERS = {
    ("input", "mtok"): "input",
    ("input", "minute"): "input",
    ("input", "page"): "page",
    ("cached input", "mtok"): "cache_read",
    ("output", "mtok"): "output",
    ("output", "mchar"): "audio",
    ("audio generation", "mchar"): "audio",
    ("ocr", "page"): "page",
    ("annotations", "page"): "page",
    ("document ai", "page"): "page",
    ("training cost", "mtok"): "training",
    ("storage cost", "model_month"): "storage",
    ("indexing", "mtok"): "input",
    ("call", "request"): "request",
    ("price", "kreq"): "request",
    ("price", "image"): "image",
    ("price", "mtok"): "input",
}
_VARIANTS = {"annotations": "annotations", "document ai": "document_ai", "indexing": "indexing"}
# Of models that shared an id with another one on a page: the id that is theirs alone.
# https://docs.mistral.ai/models
_OWN_IDS = {
    "Mistral Small 4": "mistral-small-2603",
    "Mistral Small 3.2": "mistral-small-2506",
    "Voxtral Mini": "voxtral-mini-2507",
    "Voxtral Mini Transcribe 2": "voxtral-mini-2602",
    "Voxtral Mini Transcribe Realtime": "voxtral-mini-transcribe-realtime-2602",
    "Voxtral Realtime": "voxtral-mini-transcribe-realtime-2602",
}


def _shared_ids(cards: Iterable[Card]) -> set[str]:
    """The ids that cards of different names print: `mistral-small-latest` in May 2026."""
    names = defaultdict(set)
    for card in cards:
        for product in card.ids:
            names[product].add(card.name)
    return {product for product, of in names.items() if len(of) > 1}


def _series(line: Line, price: _Price, meter: str, shared: set[str]) -> Iterator[Series]:
    qualifiers = {"modality": price.modality, "variant": _VARIANTS.get(price.kind)}
    if line.card.is_tool:
        qualifiers["tool"] = _slug(line.card.name, "_")
    elif meter not in ("training", "storage"):
        qualifiers["service_tier"] = "standard"
        qualifiers["fine_tuned"] = "true" if line.card.part or _is_classifier(line.card) else None
    for product in _products(line.card, shared):
        named = "search" if (product, meter) == ("web_search", "request") else meter
        yield Series.of(
            SELLER, product, named, price.unit.name, currency=line.currency, **qualifiers
        )


def _is_classifier(card: Card) -> bool:
    """Classifiers have no id: they are used once they are trained. Other models have one."""
    if not card.ids and "classifier" not in card.name.lower():
        raise Unreadable(f'the card "{card.name}" has lost the id that the API takes')
    return not card.ids


def _products(card: Card, shared: set[str]) -> list[str]:
    if not card.ids:
        return [_slug(card.name, "_" if card.is_tool else "-")]
    return [_own_id(card.name, product) if product in shared else product for product in card.ids]


def _own_id(name: str, product: str) -> str:
    if name not in _OWN_IDS:
        raise Unreadable(f'several models print the id "{product}", and "{name}" has no other')
    return _OWN_IDS[name]


def _slug(name: str, joint: str) -> str:
    return re.sub(r"[^a-z0-9.]+", joint, name.lower()).strip(joint)
