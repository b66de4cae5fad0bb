"""What reading a document gives, whoever reads it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pricebook.errors import DocumentRefused
from pricebook.quote import Quote, Series, SetAside
from scraper.document import Document, Page, Reading, reading_of, sorted_out

AT = datetime(2026, 11, 23, tzinfo=UTC)


class LastWord:
    """A seller whose page is one price, the last word of it."""

    SELLER = "openai"
    PAGES: tuple[Page, ...] = ()

    def read(self, document: Document) -> Iterator[Quote | SetAside]:
        word = document.text.split()[-1].rstrip("|>")
        if not word.replace(".", "").isdigit():
            yield SetAside("not an amount", "the last word", word)
            return
        series = Series.of("openai", "gpt-4o", "input", "mtok")
        yield Quote(series, Decimal(word), word, "the last word")


def read(text: str, form: str) -> Reading:
    return reading_of(LastWord(), Document("https://example.com", form, text, AT, "0"))


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_an_amount_that_a_page_breaks_off_in_is_not_read(form: str) -> None:
    """$0.2 may be the beginning of $0.28."""
    with pytest.raises(DocumentRefused, match="not an amount"):
        read("input 0.2", form)


@pytest.mark.parametrize("end", ["\n", "|", ">"])
def test_a_page_that_ends_with_a_line_a_row_or_a_tag_is_whole(end: str) -> None:
    """Then no amount can have lost its end."""
    (quote,) = read(f"input 0.28{end}", "markdown").quotes

    assert Decimal("0.28") == quote.amount


@pytest.mark.parametrize(
    "product", ["sonar-", "-by-call", "zeta/-by-call", "voxtral--latest", "gpt-4o ", "v1-.6b"]
)
def test_an_id_that_lost_a_part_is_set_aside(product: str) -> None:
    """What is left beside a separator may be another model's id, or nobody's."""
    broken = Quote(Series.of("openai", product, "input", "mtok"), Decimal(1), "$1", "there")
    whole = Quote(Series.of("openai", "gpt-4o", "input", "mtok"), Decimal(1), "$1", "here")

    reading = sorted_out([broken, whole])

    assert (whole,) == reading.quotes
    assert ["there"] == [aside.where for aside in reading.set_aside]


@pytest.mark.parametrize("product", ["z-ai/glm-5:free", "gpt-4o-2024-08-06", "~x/auto", "a.b_c"])
def test_separators_within_an_id_are_its_own(product: str) -> None:
    """Sellers use all of them."""
    quote = Quote(Series.of("openrouter", product, "input", "mtok"), Decimal(1), "$1", "here")

    assert (quote,) == sorted_out([quote]).quotes
