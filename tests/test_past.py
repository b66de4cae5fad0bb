"""pricebook.past: prices that are made when somebody looks at them, from columns."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Connection, Engine, insert

from breakeven.shipped import continued
from pricebook.book import Look, record
from pricebook.entries import made_ids
from pricebook.past import History, known_series, past
from pricebook.quote import CANCELLED, OBSERVED, Price, Quote, Series
from pricebook.runs import note_run
from pricebook.schema import reading
from pricebook.tables import PriceRow

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OURS = Series.of("deepseek", "v3", "input", "mtok", service_tier="standard")
THEIRS = Series.of("openai", "gpt", "input", "mtok", context="<=200000")


def day(number: int) -> datetime:
    """Of the history."""
    return BEGIN + timedelta(days=number)


def price(number: int, usd: str | None) -> Price:
    """Of `OURS`, from a day on."""
    amount = None if usd is None else Decimal(usd)
    return Price(OURS, amount, day(number), OBSERVED, day(number), "deepseek")


GIVEN = (price(0, "1"), price(3, "0.5"), price(9, None))


def entered(connection: Connection, number: int, *told: Quote) -> None:
    """A look on a day, at all prices."""
    run = note_run(connection, "pages", day(number), "complete")
    record(connection, Look("pages", run, day(number), [(each, None) for each in told]))


# A history


def test_a_history_is_a_sequence_of_prices() -> None:
    """By number from either end, in slices, one after the other."""
    history = History.of(GIVEN)
    assert list(GIVEN) == list(history)
    assert (GIVEN[1], GIVEN[-1], 3) == (history[1], history[-1], len(history))
    assert list(GIVEN[1:]) == list(history[1:])
    with pytest.raises(IndexError):
        history[3]


def test_its_columns() -> None:
    """Times in seconds, amounts in 10^-10, None for withdrawn."""
    history = History.of(GIVEN)
    assert [int(one.valid_from.timestamp()) for one in GIVEN] == list(history.begins)
    assert [10**10, 5 * 10**9, None] == list(history.ticks)


def test_a_discount_may_leave_a_part_of_a_tick() -> None:
    """What is no price of the book keeps all its digits."""
    (ticks,) = History.of([price(0, "0.00000000015")]).ticks
    assert Decimal("1.5") == ticks


def test_what_has_columns_is_left_as_it_is() -> None:
    """It isn't copied."""
    history = History.of(GIVEN)
    assert History.of(history) is history


def test_of_two_from_one_time_the_later_counts() -> None:
    """In the order in which they are given."""
    said_twice = (GIVEN[0], price(3, "0.7"), GIVEN[1], GIVEN[2])
    assert list(GIVEN) == list(History.of(said_twice))


@pytest.mark.parametrize(
    ("second", "held"), [(-1, None), (0, 0), (1, 0), (3 * 86400 - 1, 0), (3 * 86400, 1), (10**7, 2)]
)
def test_the_price_that_held(second: int, held: int | None) -> None:
    """From its time on, up to that of the next one; before the first there was none."""
    found = History.of(GIVEN).held_at(BEGIN + timedelta(seconds=second))
    assert found == (None if held is None else GIVEN[held])


# From the book


def test_prices_of_the_book_are_whole(book: Engine) -> None:
    """Each with its amount, its time, what it rests on, since when it is known and from where; on
    either database."""
    with book.begin() as connection:
        entered(connection, 0, Quote(OURS, Decimal(1), "$1", ""))
        entered(connection, 3, Quote(OURS, Decimal("0.5"), "$0.50", ""))
    with reading(book) as connection:
        held = past(connection, [OURS], day(20))[OURS]
    expected = [Price(OURS, Decimal(1), day(0), OBSERVED, day(0), "pages")]
    expected += [Price(OURS, Decimal("0.5"), day(3), OBSERVED, day(3), "pages")]
    assert expected == list(held)
    assert isinstance(held, History)
    assert [int(one.valid_from.timestamp()) for one in held] == list(held.begins)
    assert [10**10, 5 * 10**9] == list(held.ticks)


def test_a_price_is_made_once(sqlite_book: Engine) -> None:
    """A price that is looked at again and again is the same object."""
    with sqlite_book.begin() as connection:
        entered(connection, 0, Quote(OURS, Decimal(1), "$1", ""))
        held = past(connection, [OURS], day(20))[OURS]
        assert held[0] is held[0]


def test_last_words(sqlite_book: Engine) -> None:
    """Of all that was recorded of a time the last counts, and it may be that nothing held; of two
    series, none has anything of the other."""
    chance, said = random.Random(1), dict[Series, list[Price]]()
    with sqlite_book.begin() as connection:
        run = note_run(connection, "pages", day(0), "complete")
        for series, number in made_ids(connection, [OURS, THEIRS]).items():
            said[series] = [drawn(chance, series, second) for second in range(200)]
            connection.execute(insert(PriceRow), [row(number, run, one) for one in said[series]])
        found = past(connection, [OURS, THEIRS], day(20))
    for series, held in found.items():
        assert expected(said[series], day(20)) == list(held)
        assert len(held) > 5


def drawn(chance: random.Random, series: Series, second: int) -> Price:
    """Anything that a look could have recorded, a second after the last."""
    basis = chance.choice([OBSERVED, OBSERVED, CANCELLED])
    amount = chance.choice([None, *map(Decimal, range(9))])
    recorded_at = BEGIN + timedelta(seconds=second)
    return Price(series, amount, day(chance.randrange(30)), basis, recorded_at, "pages")


def row(number: int, run: int, said: Price) -> dict[str, object]:
    """As it is stored."""
    names = ("amount", "valid_from", "basis", "recorded_at")
    return {"series_id": number, "run_id": run} | {name: getattr(said, name) for name in names}


def expected(said: Sequence[Price], until: datetime) -> list[Price]:
    """Day by day, the last word that was said of it."""
    days = sorted({one.valid_from for one in said if one.valid_from <= until})
    words = ([one for one in said if one.valid_from == at][-1] for at in days)
    return [one for one in words if one.basis != CANCELLED]


def test_which_series_the_book_knows(book: Engine) -> None:
    """All of them, or those of some sellers; of a stranger none."""
    with book.begin() as connection:
        made_ids(connection, [OURS, THEIRS])
        assert {OURS, THEIRS} == set(known_series(connection))
        assert [THEIRS] == list(known_series(connection, ["openai", "nobody"]))
        assert [] == list(known_series(connection, []))


# Before the book


def test_what_is_shipped_comes_before_the_first_price_of_the_book() -> None:
    """And only before it; a series of which nothing is earlier stays as it is."""
    history = History.of(GIVEN)
    earlier = (price(-5, "2"), price(1, "3"))
    assert [earlier[0], *GIVEN] == list(continued({OURS: earlier}, {OURS: history})[OURS])
    assert continued({OURS: earlier[1:]}, {OURS: history})[OURS] is history
    assert earlier == tuple(continued({OURS: earlier}, {})[OURS])
