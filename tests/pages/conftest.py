"""What the tests of all sellers' pages do alike: read a page, change it, name its quotes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pricebook.quote import Quote, Series, plain
from scraper.document import Document, Reading, reading_of

REAL_PAGES = Path(__file__).parents[2] / "../shared/data/pages"
FORMS = {".md": "markdown", ".html": "html", ".json": "json", ".csv": "csv", ".txt": "text"}

needs_real_pages = pytest.mark.skipif(
    not REAL_PAGES.exists(), reason="the saved pages are not part of the repository"
)


@dataclass(frozen=True)
class Cases:
    """The pages written for a provider's tests, in the folder of its name.

    `usual` is the page that is meant where no other is named, `day` when pages are read (without
    it, on the day in their names); `words` are the fields and qualifiers that name a quote in the
    .toml beside a page, `qualifiers` all of them but the region.
    """

    provider: ModuleType
    usual: str
    day: str = ""
    words: tuple[str, ...] = ("product", "meter", "unit")

    @property
    def folder(self) -> Path:
        return Path(__file__).parent / self.provider.__name__.rpartition(".")[2]

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.suffix != ".toml")

    def page(self, name: str = "") -> str:
        return (self.folder / (name or self.usual)).read_text(encoding="utf-8")

    def changed(self, old: str, new: str, name: str = "", *, times: int = -1) -> str:
        """The page with every `old` made `new`, or only the first ones; it must have it."""
        assert old in self.page(name)
        return self.page(name).replace(old, new, times)

    def document(self, text: str, form: str = "", day: str = "") -> Document:
        at = datetime.fromisoformat(day or self.day or self.usual[:10]).replace(tzinfo=UTC)
        form = form or FORMS[Path(self.usual).suffix]
        return Document("https://example.com/pricing", form, text, at, "0")

    def read(self, text: str, form: str = "", day: str = "") -> Reading:
        return reading_of(self.provider, self.document(text, form, day))

    def read_file(self, path: Path) -> Reading:
        text = path.read_text(encoding="utf-8")
        return self.read(text, FORMS[path.suffix], self.day or path.name[:10])

    def key(self, quote: Quote) -> str:
        """A quote's series in the words of the .toml files, and its last and first day."""
        said = _words(quote.series)
        return " ".join([*(said[word] for word in self.words if said.get(word)), *period(quote)])

    def prices(self, reading: Reading) -> dict[str, Decimal]:
        return {self.key(quote): quote.amount for quote in reading.quotes}

    def expected(self, path: Path) -> dict[str, Decimal]:
        """What a person read in the page: the amounts of its .toml."""
        return {name: Decimal(amount) for name, amount in truth(path)["quotes"].items()}


def _words(series: Series) -> dict[str, str]:
    others = [pair for pair in series.qualifiers if pair[0] != "region"]
    return {
        **dict(series.qualifiers),
        "product": series.product,
        "meter": series.meter,
        "unit": series.unit,
        "price": f"{series.currency}/{series.unit}",
        "qualifiers": " ".join(name if value == "true" else value for name, value in others),
    }


def truth(path: Path) -> dict[str, Any]:
    """The .toml beside a page."""
    return tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))


def period(quote: Quote, sign: str = " ") -> Iterator[str]:
    """`until 2026-09-01` and `from 2026-09-01`, where the quote has that day."""
    for word, day in (("until", quote.valid_until), ("from", quote.valid_from)):
        if day:
            yield f"{word}{sign}{day:%Y-%m-%d}"


def line(quote: Quote) -> str:
    """A quote with all its words: product, meter, unit, amount, currency, qualifiers, days."""
    series = quote.series
    words = [series.product, series.meter, series.unit, str(plain(quote.amount)), series.currency]
    words += [f"{name}={value}" for name, value in series.qualifiers]
    return " ".join([*words, *period(quote, "=")])


def lines(reading: Reading) -> list[str]:
    """Every quote of a reading as a line, in order."""
    return sorted(map(line, reading.quotes))


def series_lines(reading: Reading) -> list[str]:
    """Every quote of a reading as its series says itself, with the amount, in the page's order."""
    return [f"{quote.series} {plain(quote.amount)}" for quote in reading.quotes]
