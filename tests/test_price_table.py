"""What all readers of plain price tables share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote, Series, SetAside
from scraper.document import Document
from scraper.price_table import (
    Priced,
    check_columns,
    read_rows,
    tables_of,
    target_in,
    unknown_table,
    with_targets,
    without_target,
)
from scraper.reading import Cell, Row, Table, markdown_tables, usd

PAGE = r"(?:https://example\.com)?/models/([\w/-]+)"


def document(text: str, form: str = "markdown") -> Document:
    return Document("https://example.com", form, text, datetime(2026, 10, 1, tzinfo=UTC), "0")


def table(*rows: str) -> Table:
    return markdown_tables("\n".join(["## Prices", "| Model | Input |", "|---|---|", *rows]))[0]


def prices_in(row: Row, header: str, cell: Cell) -> Iterator[Priced]:
    if header == "Input":
        yield Priced(Series.of("x", row.label, "input", "mtok"), usd(cell.text), "per 1M tokens")


def read(*rows: str, is_side: bool = False) -> list[Quote | SetAside]:
    return list(read_rows("x", table(*rows), "Model", prices_in, is_side=is_side))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("[![logo](/a.png)A 1](https://example.com/models/me/a-1)", "markdown"),
        ('<a class="x" href="/models/me/a-1"><b>A 1</b></a>', "html"),
    ],
)
def test_a_link_tells_its_target_to_who_asks(text: str, form: str) -> None:
    """The target stands behind the text of the link, and can be taken off again."""
    marked = with_targets(document(text, form), PAGE).text

    assert "me/a-1" == target_in(marked)
    assert "A 1 {me/a-1}" in marked.replace("<b>", "").replace("</b>", "")
    assert "A 1" == without_target("A 1 {me/a-1}")


def test_a_link_without_an_end_marks_no_other_cell() -> None:
    """A target is never written into the cell after its own."""
    text = '<td><a href="/models/a">A</td><td><a href="/other">B</a></td>'

    assert text == with_targets(document(text, "html"), PAGE).text


def test_a_row_becomes_quotes_with_their_place() -> None:
    """Heading, label as printed and header are the place of a quote."""
    (quote,) = read("| A {me/a} | $2 |")

    assert isinstance(quote, Quote)
    assert ("Prices › A › Input", Decimal(2)) == (quote.where, quote.amount)


def test_a_strange_row_is_set_aside_and_the_others_live() -> None:
    """Cells that can't be read and rows of another length are told with their reason."""
    items = read("| A | $2 |", "| B | soon |", "| C | $2 | $3 |")

    assert [Quote] == [type(item) for item in items if not isinstance(item, SetAside)]
    assert {"Prices › B › Input", 'table "Prices"'} == {
        item.where for item in items if isinstance(item, SetAside)
    }


def test_a_discount_is_lower_than_what_is_struck_through() -> None:
    """Where it isn't, the two were mixed up."""
    items = read("| a | ~~$2~~ $1 |", "| b | ~~$1~~ $2 |")

    assert ["a"] == [item.series.product for item in items if isinstance(item, Quote)]
    assert ["mixed up"] == [item.reason[-8:] for item in items if isinstance(item, SetAside)]


def test_a_table_of_strange_rows_only_is_refused_unless_it_is_a_side_table() -> None:
    """A page is not read past a table that it is read for."""
    rows = ("| A | soon |", "| B | €2 |")

    with pytest.raises(PageChanged, match="not an amount"):
        read(*rows)
    assert 2 == len(read(*rows, is_side=True))


def test_columns_must_be_known_and_there_must_be_rows() -> None:
    """The unknown column is named; a table without rows is no price list."""
    with pytest.raises(PageChanged, match='"Input": unknown column'):
        check_columns("x", table("| A | $2 |"), lambda header: header == "Model")
    with pytest.raises(PageChanged, match="has no rows"):
        check_columns("x", table(), lambda header: True)


def test_amounts_in_unknown_tables_are_told() -> None:
    """Unless the table is known to hold no price of a model, or has no amounts."""
    assert 1 == len([*unknown_table(table("| A | $2 |"), ())])
    assert [] == [*unknown_table(table("| A | 2 |"), ())]
    assert [] == [*unknown_table(table("| A | $2 |"), [frozenset({"model", "input"})])]


def test_only_markdown_and_html_have_tables() -> None:
    """Other forms, and documents without a table, are refused."""
    with pytest.raises(DocumentRefused, match="is text"):
        tables_of("x", document("| a |\n|---|", "text"))
    with pytest.raises(DocumentRefused, match="holds no table"):
        tables_of("x", document("nothing"))
