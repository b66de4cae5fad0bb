"""The cards of claude.com/pricing, where each model has a heading and below it labels and amounts.

`Input` `$15 / MTok`, and `Prompt caching`, in it `Write` and `Read`; a model whose price depends on
the prompt's length has a third level, `≤ 200K tokens`. Cards are found by their headings and read
by their labels, because the names of classes change with every release of the site. Batch prices
are not printed but computed by a script, and plans for people are no prices of models: neither is
read. The page has not been met in the form of 2024, where amounts stand above their labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from bs4 import BeautifulSoup, Tag

from pricebook.errors import PageChanged
from pricebook.quote import Quote, Series, SetAside
from scraper import anthropic_tools
from scraper.anthropic_models import SIGNS, Subject, subject_of
from scraper.document import Document
from scraper.reading import Cell, Unreadable, cell_of, leading_usd, tidy, unit

_SELLER = "anthropic"
_HEADINGS = ("h2", "h3", "h4")
_AMOUNT = re.compile(r"(?:US)?[$€£¥]? ?[0-9][0-9.,]* ?[€£¥]? ?(?:/|per\b).*")
_BAND = re.compile(r"(?:prompts )?(≤|<=|>) ?([0-9]+)k tokens", re.IGNORECASE)
_GROUPS = {
    "input": "input",
    "output": "output",
    "prompt caching": "",
    "prompt caching write": "cache_write",
    "prompt caching read": "cache_read",
}
_CACHE_METERS = {"write": "cache_write", "read": "cache_read"}


def are_in(document: Document) -> bool:
    """Whether a page shows its prices as cards: by a class that it had, or amounts and no table."""
    has_amounts = "MTok" in document.text and "<table" not in document.text
    return document.form in ("html", "text") and (has_amounts or "tokens_main_" in document.text)


def read(document: Document) -> Iterator[Quote | SetAside]:
    """The prices of all cards, in the HTML or in the text that a browser shows.

    Raises `PageChanged` when there is no card of a model.
    """
    if document.form == "text":
        text = tidy(document.text)
        cards = _cards_of_text(text)
    else:
        soup = BeautifulSoup(document.text, "html.parser")
        text, cards = cell_of(soup).text, [_card(found) for found in soup.find_all(_HEADINGS)]
    priced = [card for card in cards if _is_model(card.title) or "MTok" in card.text]
    if not priced:
        raise PageChanged(_SELLER, "cards of models", "are not on the page")
    items = [item for card in priced for item in _read_card(card, _lifetime(text))]
    yield from items
    # Tools alone are no reading of the page: what became of the models would go unseen.
    if any(isinstance(item, Quote) for item in items):
        yield from anthropic_tools.read_cards(text.split("\n"))


def _lifetime(text: str) -> str:
    """How long the cache entries live that the page prices: 5 minutes, unless it says otherwise.

    Before it said so there was no other lifetime.
    """
    said = re.search(r"([0-9]+)-(minute|hour) TTL", text)
    return f"{said[1]}{said[2][0]}" if said else "5m"


def _is_model(title: str) -> bool:
    try:
        return bool(subject_of(title))
    except Unreadable:
        return False


@dataclass(frozen=True, slots=True)
class _Card:
    """A title and the text below it; `element` is None for a page that was saved as text."""

    title: str
    text: str
    element: Tag | None = None

    @property
    def lines(self) -> list[str]:
        """The lines below the title, each amount after its label."""
        lines = Cell(self.text).lines
        labels = _GROUPS.keys() | _CACHE_METERS.keys()
        told = [line for line in lines if _AMOUNT.fullmatch(line) or line.lower() in labels]
        # Only when a label ends the card, too: the first label of the others may be lost.
        amounts_lead = told and _AMOUNT.fullmatch(told[0]) and told[-1].lower() in labels
        return lines[::-1] if amounts_lead else lines


def _card(heading: Tag) -> _Card:
    """The largest element that has this heading and no other."""
    card = heading
    while card.parent and len(card.parent.find_all(_HEADINGS)) == 1:
        card = card.parent
    title = cell_of(heading).text
    below = cell_of(card).text.partition(title)[2] if title else ""
    return _Card(title.replace("\n", " "), below.strip("\n"), card)


def _cards_of_text(text: str) -> list[_Card]:
    """The cards of a text: each begins with a line that is the name of a model."""
    lines = text.split("\n")
    starts = [at for at, line in enumerate(lines) if _is_model(line)]
    ends = [*starts[1:], len(lines)]
    return [
        _Card(lines[start], "\n".join(lines[start + 1 : end]))
        for start, end in zip(starts, ends, strict=False)
    ]


@dataclass(slots=True)
class _Place:
    """Where on a card a line stands: the labels that hold for the next amount."""

    meter: str = ""
    context: str = ""
    strange: str = ""
    labels: tuple[str, ...] = ()

    def go_to(self, label: str) -> None:
        """Take in one label; one that isn't known makes doubtful what follows in its group."""
        words = label.lower()
        if words in _GROUPS:
            self.meter, self.context, self.strange = _GROUPS[words], "", ""
            self.labels = (label,)
        elif words in _CACHE_METERS:
            self.meter = _CACHE_METERS[words]
            self.labels = (*self.labels[: 2 if self.context else 1], label)
        elif band := _BAND.fullmatch(words):
            self.context = f"{SIGNS[band[1]]}{band[2]}000"
            self.labels = (*self.labels[:1], label)
        else:
            self.strange = label


def _read_card(card: _Card, ttl: str) -> Iterator[Quote | SetAside]:
    try:
        model = subject_of(card.title)
        _check_one(card.lines)
        _check_as_stored(card.element)
    except Unreadable as error:
        yield SetAside(str(error), card.title, " | ".join(card.lines)[:500])
        return
    items = list(_read_lines(card, model, ttl))
    yield from items or [SetAside("a card without prices", card.title, " | ".join(card.lines))]


def _check_one(lines: list[str]) -> None:
    groups = [line.lower() for line in lines if line.lower() in _GROUPS]
    if len(set(groups)) != len(groups):
        raise Unreadable("one label twice, so these are several cards or several kinds of prices")


def _check_as_stored(element: Tag | None) -> None:
    """Refuse a page saved with a switch on it set, such as that for batch processing."""
    for shown in element.select("[data-value]") if element else []:
        stored, text = str(shown["data-value"]), shown.get_text(strip=True)
        try:
            if Decimal(stored) != Decimal(text):
                raise Unreadable(f"shows {text}, but {stored} is the price without the discount")
        except InvalidOperation:
            raise Unreadable(f'"{text}" or "{stored}" is no number') from None


def _read_lines(card: _Card, model: Subject, ttl: str) -> Iterator[Quote | SetAside]:
    place = _Place()
    for line in card.lines:
        if not _AMOUNT.fullmatch(line):
            place.go_to(line)
            continue
        where = " › ".join([card.title, *place.labels])
        try:
            yield from _quotes(line, place, model, ttl, where)
        except Unreadable as error:
            yield SetAside(str(error), where, line)


def _quotes(line: str, place: _Place, model: Subject, ttl: str, where: str) -> Iterator[Quote]:
    if place.strange or not place.meter:
        raise Unreadable(f'the label "{place.strange}" is not known')
    figure, phrase = leading_usd(line)
    per = unit(phrase)
    if per.name != "mtok" or per.base > 1000 * per.count:
        raise Unreadable(f'"{phrase}" is no unit of tokens')
    for product in model.products:
        series = Series.of(
            _SELLER,
            product,
            place.meter,
            "mtok",
            service_tier="standard",
            context=place.context,
            cache_ttl=ttl if place.meter == "cache_write" else None,
        )
        yield Quote(series, per.price(figure), line, where, phrase, *model.period)
