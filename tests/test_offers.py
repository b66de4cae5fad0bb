"""pricebook.offers: twins by length of prompt, and ends that are announced; on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Connection, Engine

from comparator.ratio import Evaluation, evaluate
from comparator.workload import Workload
from pricebook.book import Look, lookup, record
from pricebook.config import Table
from pricebook.offers import bare, by_length, end, offers
from pricebook.quote import Quote, Series
from pricebook.runs import note_run

DAY = timedelta(days=1)


def series(meter: str, **more: str) -> Series:
    """A price of one model, standard unless told otherwise."""
    return Series.of("openai", "luna", meter, "mtok", **{"service_tier": "standard", **more})


SHORT, LONG = (series("input", context=context) for context in ("<=272000", ">272000"))
OUTPUT = series("output")


def quote(of: Series, amount: str, **more: datetime) -> Quote:
    """What a page says."""
    return Quote(of, Decimal(amount), f"${amount}", "Standard", "per 1M tokens", **more)


def look(connection: Connection, at: datetime, *quotes: Quote) -> None:
    """A complete look at a page."""
    run = note_run(connection, "openai", at, "complete")
    record(connection, Look("openai", run, at, [(one, None) for one in quotes]))


def evaluated(connection: Connection, at: datetime, tokens: int) -> Evaluation:
    """One model against itself, which costs as much, at prompts of so many tokens."""
    model = {"seller": "openai", "product": "luna"}
    mix = {"input": tokens, "output": 1000}
    values = {"name": "w", "kind": "api", "tokens": mix, "candidate": model, "api": model}
    one = Workload.from_table(Table(values, "[[workload]]"))
    return evaluate(one, lookup(connection, at), at, offers(connection, at))


def test_twins_differ_in_context_alone(book: Engine, noon: datetime) -> None:
    """Not in the tier, nor in what else is said; the one for all lengths isn't among them."""
    batch, cached = series("input", context=">272000", service_tier="batch"), series("cache_read")
    with book.begin() as connection:
        amounts = (SHORT, LONG, batch, cached, series("input"))
        look(connection, noon, *(quote(one, "1") for one in amounts))

        assert set(by_length(connection, series("input"))) == {SHORT, LONG}
        assert set(by_length(connection, SHORT)) == {SHORT, LONG}
        assert by_length(connection, series("cache_read")) == ()


def test_bare_has_no_context() -> None:
    """And all the rest."""
    assert bare(LONG) == series("input")


@pytest.mark.parametrize(("tokens", "amount"), [(272_000, 2), (272_001, 4)])
def test_the_book_gives_the_price_of_the_length(
    book: Engine, noon: datetime, tokens: int, amount: int
) -> None:
    """At the limit the lower price, one token above it the higher one; output has one price."""
    with book.begin() as connection:
        look(connection, noon, quote(SHORT, "2"), quote(LONG, "4"), quote(OUTPUT, "8"))
        found = evaluated(connection, noon, tokens)

    assert [price.amount for price in found.prices] == [amount, 8]


def test_an_announced_end_is_noted_until_it_comes(book: Engine, noon: datetime) -> None:
    """Nobody knows before it is announced; then it is noted, and on its day it is the reason."""
    last = noon + 10 * DAY
    with book.begin() as connection:
        look(connection, noon, quote(SHORT, "2"), quote(OUTPUT, "8"))
        look(connection, noon + DAY, quote(SHORT, "2"), quote(OUTPUT, "8", valid_until=last))

        notes = [evaluated(connection, noon + days * DAY, 3000).notes for days in (0, 1)]
        assert end(connection, OUTPUT, noon + DAY) == last
        assert notes == [
            (),
            (f"no price is known from {last:%Y-%m-%d} on for {OUTPUT}",),
        ]
        assert evaluated(connection, last, 3000).reason == (
            f"withdrawn on {last:%Y-%m-%d}: {OUTPUT}"
        )


def test_a_cancelled_end_is_no_end(book: Engine, noon: datetime) -> None:
    """A page that takes the end back leaves nothing to note."""
    with book.begin() as connection:
        look(connection, noon, quote(OUTPUT, "8", valid_until=noon + 10 * DAY))
        look(connection, noon + DAY, quote(OUTPUT, "8"))

        assert end(connection, OUTPUT, noon + DAY) is None


def test_a_withdrawal_is_not_known_before_it_is_seen(book: Engine, noon: datetime) -> None:
    """What the book learnt later is no announcement when it is asked about the past."""
    with book.begin() as connection:
        look(connection, noon, quote(SHORT, "2"), quote(OUTPUT, "8"))
        for days in (1, 2):
            look(connection, noon + days * DAY, quote(SHORT, "2"))

        assert end(connection, OUTPUT, noon) is None
