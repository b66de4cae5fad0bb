"""What a look is compared with: the last accepted reading of each series, found once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from pricebook.accepted import Accepted, latest, latest_of_series
from pricebook.book import Look, accept, partition_id, put_in_force, record
from pricebook.quote import Quote, Series
from pricebook.runs import note_run
from scraper.collect import Fetched, Taken, enter
from scraper.settings import GateSettings

HOUR = timedelta(hours=1)
PARTITIONS = ("openai", "openai/batch")
SERIES = tuple(Series.of("openai", name, "input", "mtok", context="<=200000") for name in "abcd")


def quote(series: Series, amount: int) -> Quote:
    """A quote as a page would give it."""
    return Quote(series, Decimal(amount), f"${amount}", "table")


def look(
    connection: Connection,
    at: datetime,
    amounts: dict[Series, int],
    partition: str = PARTITIONS[0],
    *,
    complete: bool = True,
    held: frozenset[Series] = frozenset(),
) -> Look:
    """A look that found these prices."""
    run = note_run(connection, partition, at, "complete" if complete else "partial")
    pairs = [(quote(series, amount), None) for series, amount in amounts.items()]
    return Look(partition, run, at, pairs, complete, held)


# Finding


def test_what_was_read_is_known_under_its_own_series(book: Engine, noon: datetime) -> None:
    """Not under a copy of it; the rest of the partition is put together from the columns."""
    read = replace(SERIES[0])
    with book.begin() as connection:
        record(connection, look(connection, noon, {SERIES[0]: 1, SERIES[1]: 2}))
        found = latest(connection, PARTITIONS[0], [read])

    assert {SERIES[0]: 1, SERIES[1]: 2} == {series: row.amount for series, row in found.items()}
    assert [read] == [series for series in found if series is read]


def test_what_was_read_is_known_wherever_it_was_seen(book: Engine, noon: datetime) -> None:
    """Of what was not read only the partition's own."""
    with book.begin() as connection:
        record(connection, look(connection, noon, {SERIES[0]: 1, SERIES[1]: 2}, PARTITIONS[1]))
        record(connection, look(connection, noon, {SERIES[2]: 3}))
        found = latest(connection, PARTITIONS[0], [SERIES[0], SERIES[3]])
        numbers = {name: partition_id(connection, name) for name in PARTITIONS}
        alone = latest_of_series(connection, [SERIES[0], SERIES[3]])

    places = {series: row.partition_id for series, row in found.items()}
    assert {SERIES[0]: numbers[PARTITIONS[1]], SERIES[2]: numbers[PARTITIONS[0]]} == places
    assert {SERIES[0]: found[SERIES[0]]} == alone


# Recording


@dataclass(frozen=True, slots=True)
class Day:
    """One look: what it read of which partition, and how far it is believed."""

    partition: str
    amounts: dict[Series, int]
    complete: bool
    held: frozenset[Series]
    hours: int


days = st.builds(
    Day,
    st.sampled_from(PARTITIONS),
    st.dictionaries(st.sampled_from(SERIES), st.integers(1, 2)),
    st.booleans(),
    st.frozensets(st.sampled_from(SERIES), max_size=1),
    st.integers(0, 2),
)


@dataclass(frozen=True, slots=True)
class State:
    """What the rules say of a series."""

    partition: str
    amount: int | None
    unseen_since: datetime | None = None
    missing_since: datetime | None = None


def told(known: dict[Series, State], day: Day, at: datetime) -> dict[Series, State]:
    """The rules of `record`, one series after the other."""
    states = {series: State(day.partition, amount) for series, amount in day.amounts.items()}
    for series, state in known.items():
        if series not in states:
            may_be_gone = day.complete and series not in day.held
            is_due = state.partition == day.partition and state.amount is not None
            states[series] = missed(state, at, may_be_gone=may_be_gone) if is_due else state
    return states


def missed(state: State, at: datetime, *, may_be_gone: bool) -> State:
    """One more look without it; the second that may mean something withdraws it."""
    if not may_be_gone:
        return replace(state, unseen_since=state.unseen_since or at)
    if state.missing_since and state.missing_since < at:
        return State(state.partition, None)
    return replace(
        state,
        unseen_since=state.unseen_since or at,
        missing_since=state.missing_since or at,
    )


def as_state(row: Accepted, names: dict[int, str]) -> State:
    """A row of the book in the words of the rules."""
    amount = None if row.amount is None else int(row.amount)
    return State(names[row.partition_id], amount, row.unseen_since, row.missing_since)


@contextmanager
def undone(engine: Engine) -> Iterator[Connection]:
    """A transaction that leaves nothing."""
    with engine.connect() as connection:
        yield connection
        connection.rollback()


@given(st.lists(days, max_size=8))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_each_series_follows_the_rules(sqlite_book: Engine, told_days: list[Day]) -> None:
    """Seen, unseen, missing, withdrawn, moved: whatever looks come, in whatever order; and it is
    the same whether what is known is given or asked for."""
    at = datetime.fromisoformat("2026-11-23T12:00:00+00:00")
    known: dict[Series, State] = {}
    with undone(sqlite_book) as connection:
        names = {partition_id(connection, name): name for name in PARTITIONS}
        for number, day in enumerate(told_days):
            at += day.hours * HOUR
            known = told(known, day, at)
            found = look(
                connection, at, day.amounts, day.partition, complete=day.complete, held=day.held
            )
            if number % 2:
                put_in_force(connection, day.partition, at)
                read = {*day.amounts, *day.held}
                record(connection, found, latest(connection, day.partition, read))
            else:
                record(connection, found)

            rows = latest_of_series(connection, SERIES)
            assert known == {series: as_state(row, names) for series, row in rows.items()}


def test_one_accepted_price_says_nothing_of_the_others(book: Engine, noon: datetime) -> None:
    """A person's word for one series leaves those that it doesn't name as they were."""
    with book.begin() as connection:
        record(connection, look(connection, noon, {SERIES[0]: 1, SERIES[1]: 2}))
        before = latest(connection, PARTITIONS[0])
        accept(connection, look(connection, noon + HOUR, {SERIES[0]: 9}))
        after = latest(connection, PARTITIONS[0])

    assert (Decimal(9), before[SERIES[1]]) == (after[SERIES[0]].amount, after[SERIES[1]])


# How much is asked


@pytest.mark.parametrize("changed", [0, 3])
def test_a_look_asks_no_more_of_a_large_page(
    sqlite_book: Engine, noon: datetime, changed: int
) -> None:
    """The same number of statements for 30 prices as for 300, where as many of them changed."""
    counts = []
    for place, size in (("small", 30), ("large", 300)):
        products = [Series.of(place, f"model-{n}", "input", "mtok") for n in range(size)]
        before = [quote(series, 10) for series in products]
        after = [quote(series, 11) for series in products[:changed]] + before[changed:]
        with sqlite_book.begin() as connection:
            enter(connection, taken(place, noon, before), GateSettings())
        with sqlite_book.begin() as connection, traced(connection) as said:
            entered = enter(connection, taken(place, noon + HOUR, after), GateSettings())
        assert (changed, "complete") == (len(entered.changes), entered.outcome)
        counts.append(len(said))

    assert counts[0] == counts[1]


def taken(partition: str, at: datetime, quotes: list[Quote]) -> Taken:
    """What a look brought home from one page."""
    page = Fetched(f"https://{partition}.example/", "html", at, "0" * 64, 1)
    return Taken(partition, at, (page,), tuple((one, 0) for one in quotes))


@contextmanager
def traced(connection: Connection) -> Iterator[list[str]]:
    """Every statement that the database is given, whoever gives it."""
    driver = connection.connection.driver_connection
    assert driver is not None
    said: list[str] = []
    driver.set_trace_callback(said.append)
    yield said
    driver.set_trace_callback(None)
