"""benchmarks.get_products: what its readers find is what stands in its pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.get_products import reader, served
from benchmarks.get_products_pages import bodies
from benchmarks.price_list import measured
from benchmarks.price_list_files import FIRST, REPUBLISHED


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Two pages of each day; every third machine can be reserved."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("NO_PROXY", "*")
    with served(2, 3) as address:
        yield address


def found(name: str, *words: str) -> dict[str, Any]:
    _, _, out = measured(reader(name, *words))
    answer: dict[str, Any] = json.loads(out)
    return answer


def test_breakeven_reads_every_price_that_was_counted(url: str) -> None:
    """Number and sum are those of a count that knows nothing of breakeven; none is set aside."""
    truth = found("count", f"{url}/1", f"{url}/2")
    assert truth["changed"] > 0
    assert {**truth, "set_aside": 0} == {
        "changed": truth["changed"],
        **found("quotes", f"{url}/2", "2"),
    }


def test_a_reader_without_botocores_parser_goes_through_all_pages(url: str) -> None:
    """It finds the next page's token, and every price, in the bytes."""
    truth = found("count", f"{url}/1", f"{url}/2")
    assert {"prices": truth["prices"]} == found("codes", f"{url}/2")


def test_pages_are_the_same_whenever_they_are_made() -> None:
    """The next day's differ, even where no price has changed: its dates have moved."""
    assert list(bodies(1, 3, FIRST)) == list(bodies(1, 3, FIRST))
    assert list(bodies(1, 3, FIRST)) != list(bodies(1, 3, REPUBLISHED))
