"""The book against second opinions: which catalogues say the same, and who is likely stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from breakeven.app import App
from breakeven.importing import catalog_document, catalogs_by_name
from breakeven.output import Format, Row, Shape, say, write_rows
from breakeven.price_view import PRICES, series_words
from pricebook import book
from pricebook.errors import ConfigError
from pricebook.quote import Price, Quote, Series, digits, isoformat
from pricebook.schema import reading
from pricebook.series import Filter
from scraper.catalogs import genai_prices, openrouter
from scraper.document import Document, Provider, reading_of
from scraper.second_opinion import comparable, in_force, voices

AUDIT = Shape(
    ("seller", "product", "meter", "price", "unit", "conditions", "catalogues", "stale"),
    (*PRICES.fields, "opinions", "independent", "stale", "says"),
)

NOBODY, CATALOGUE, BOOK, UNKNOWN = "nobody", "catalogue", "book", "unknown"
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Finding:
    """A price of the book beside what catalogues say of it, by their names.

    `stale`: who is likely behind, when they differ; `says`: why, in words.
    """

    price: Price
    opinions: Mapping[str, Quote]
    stale: str | None = None
    says: str = ""

    @property
    def dissent(self) -> dict[str, Quote]:
        """The opinions that differ from the book."""
        return {
            name: quote
            for name, quote in self.opinions.items()
            if quote.amount != self.price.amount
        }

    def as_dict(self) -> dict[str, Any]:
        """One row of `sources audit --json` (docs/json.md)."""
        return {
            **self.price.as_dict(),
            "opinions": [
                {
                    "catalogue": name,
                    "amount": digits(quote.amount),
                    "valid_from": isoformat(quote.valid_from),
                }
                for name, quote in self.opinions.items()
            ],
            "independent": voices(self.opinions),
            "stale": self.stale,
            "says": self.says,
        }


def write_audit(app: App, given: Sequence[str], form: Format) -> None:
    """Compare the book with catalogues (`NAME=FILE`) and those installed; print what differs.

    Programs get the prices on which all agree, too.
    """
    documents = dict(_documents(given, app.now()))
    opinions = {name: _opinions(name, one) for name, one in documents.items()}
    with reading(app.engine) as connection:
        found = list(audit(connection, opinions, app.now()))
    differing = [one for one in found if one.dissent]
    shown = differing if form.kind == "table" else found
    names = ", ".join(documents)
    empty = f"nothing to compare with {names}" if not found else "no price differs"
    write_rows([_row(one, form) for one in shown], AUDIT, form, empty=empty)
    if found:
        agreeing = len(found) - len(differing)
        say(f"{len(found)} prices compared with {names}: {agreeing} agree, {len(differing)} differ")


def audit(
    connection: Connection, opinions: Mapping[str, Sequence[Quote]], at: datetime
) -> Iterator[Finding]:
    """The prices in force of which catalogues speak, with their opinions of them.

    A price that was imported from a catalogue is not compared with that one again.
    """
    stated = {name: in_force(quotes, at) for name, quotes in opinions.items()}
    for series, price in _comparable_prices(book.as_of(connection, at)):
        said = {
            name: found[series]
            for name, found in stated.items()
            if series in found and price.source != f"import/{name}"
        }
        if said:
            yield _judged(connection, Finding(price, said))


def _comparable_prices(prices: Sequence[Price]) -> Iterator[tuple[Series, Price]]:
    """Prices by their comparable series; none where the book has several different ones."""
    found: dict[Series, list[Price]] = {}
    for price in prices:
        series = comparable(price.series)
        if series is not None:
            found.setdefault(series, []).append(price)
    for series, same in found.items():
        if len({price.amount for price in same}) == 1:
            yield series, same[0]


def _judged(connection: Connection, finding: Finding) -> Finding:
    """With who is likely stale, where the opinions differ from the book."""
    if not finding.dissent:
        return finding
    stale, says = _who_is_stale(finding, _ended(connection, finding.price))
    return replace(finding, stale=stale, says=says)


def _who_is_stale(finding: Finding, ended: Mapping[Decimal, datetime]) -> tuple[str, str]:
    """Who, and why. `ended`: the amounts of before, and when each was given up."""
    price, dissent = finding.price, finding.dissent
    said = {quote.amount for quote in dissent.values()}
    if price.amount is not None and said == {price.amount.quantize(CENT, ROUND_HALF_UP)}:
        return NOBODY, "the same, rounded to cents"
    if said <= ended.keys():
        last = max(ended[amount] for amount in said)
        return CATALOGUE, f"what held until {isoformat(last)}"
    agreeing = [name for name in finding.opinions if name not in dissent]
    if agreeing:
        return UNKNOWN, f"the book is backed by {', '.join(agreeing)}"
    if price.verified_at is None:
        return BOOK, "its price was imported, and no page that shows it has been read"
    since = [quote.valid_from for quote in dissent.values() if quote.valid_from]
    if since and max(since) > price.verified_at:
        return BOOK, f"last verified {isoformat(price.verified_at)}, before the change they tell of"
    return UNKNOWN, _unclear(dissent)


def _ended(connection: Connection, price: Price) -> dict[Decimal, datetime]:
    """The amounts that the series had before, and when each was given up."""
    where = Filter(product=price.series.product, seller=price.series.seller)
    rows = [
        row
        for row in book.history(connection, where, until=price.valid_from)
        if row.series == price.series and row.basis != book.CANCELLED
    ]
    return {
        row.amount: then.valid_from
        for row, then in pairwise([*rows, price])
        if row.amount is not None and row.amount != price.amount
    }


def _unclear(dissent: Mapping[str, Quote]) -> str:
    if len({quote.amount for quote in dissent.values()}) > 1:
        return "the catalogues don't agree with each other either"
    count = voices(dissent)
    return "one voice" if count == 1 else f"{count} catalogues that don't copy each other agree"


def _documents(given: Sequence[str], now: datetime) -> Iterator[tuple[str, Document]]:
    """The catalogues that were named, `NAME=FILE`, and the installed one."""
    known = catalogs_by_name()
    names = [one.partition("=")[0] for one in given]
    for name in names:
        if name not in known:
            raise ConfigError(f"{name} is no catalogue; known: {', '.join(known)}")
    if genai_prices.SELLER not in names and find_spec("genai_prices"):
        given = [genai_prices.SELLER, *given]
    if not given:
        raise ConfigError(
            "there is no catalogue to compare with; install breakeven[catalogs],"
            " or name one with its file: models.dev=api.json, openrouter=models.json"
        )
    for one in given:
        name, _, file = one.partition("=")
        yield name, catalog_document(name, Path(file) if file else None, now)


def _opinions(name: str, document: Document) -> list[Quote]:
    """What a catalogue says of makers' own prices."""
    catalog: Provider = catalogs_by_name()[name]
    quotes = reading_of(catalog, document).quotes
    if name != openrouter.SELLER:
        return list(quotes)
    makers = [(openrouter.makers_series(quote.series), quote) for quote in quotes]
    return [replace(quote, series=series) for series, quote in makers if series is not None]


def _row(one: Finding, form: Format) -> Row:
    if form.kind != "table":
        return one.as_dict()
    said = [f"{name} {digits(quote.amount)}" for name, quote in one.dissent.items()]
    return series_words(one.price.series) | {
        "price": digits(one.price.amount or Decimal(0)),
        "catalogues": ", ".join(said),
        "stale": f"{one.stale}: {one.says}",
    }
