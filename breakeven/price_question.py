"""Questions about prices by words that may be parts of names, and why one has no answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from pricebook.answers import history
from pricebook.question import Asked, Question
from pricebook.quote import Price
from pricebook.series import Filter


def history_of(
    asked: Asked,
    product: str,
    where: Mapping[str, str],
    since: datetime | None,
    until: datetime | None,
) -> list[Price]:
    """Changes of the product of that exact name; where there is none, of names that contain it."""
    exact = history(asked, Filter(product=product, **where), since, until)
    return exact or history(asked, Filter(pattern=product, **where), since, until)


def nothing_found(asked: Asked, pattern: str, where: Mapping[str, str]) -> str:
    """Why a question about prices has no answer: which of its words the book doesn't know."""
    known = _known(asked, "product")
    if not known:
        return "no prices yet; collect them with `breakeven collect`, or try `breakeven demo`"
    unknown = list(_unknown_words(asked, where))
    if pattern and not any(pattern.lower() in product.lower() for product in known):
        unknown.insert(0, f"no product's name contains {pattern!r}; `breakeven prices` lists all")
    return "; ".join(unknown) or "no price matches all of this together"


def _unknown_words(asked: Asked, where: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each condition that no price in the book fulfils."""
    for name, value in where.items():
        known = sorted(_known(asked, name))
        if value and value not in known:
            words = ", ".join(word for word in known if word)
            yield f"no price has {name.removeprefix('service_')} {value!r}; known: {words}"


def _known(asked: Asked, column: str) -> list[str]:
    """What the book has in a column of its series."""
    table = "product_name" if column == "product" else "tariff"
    rows = Question(f"SELECT DISTINCT {column} FROM {table}").rows(asked)  # noqa: S608 - our own
    return [value for (value,) in rows]
