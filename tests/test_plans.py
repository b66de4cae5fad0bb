"""No question goes through a large table: the plans of both databases say so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, insert, literal, select

from benchmarks.made_book import REGIONS, START, MadeBook
from comparator.workload import examples
from pricebook import announcements, book
from pricebook.past import past
from pricebook.runs import last_fetch
from pricebook.schema import open_book, reading
from pricebook.series import Filter, series_ids
from pricebook.tables import Evidence, Fetch, PriceRow, Quoted
from pricebook.writer import put_in_force

MADE = MadeBook(series=20_000, changes=3, looks=50)
LARGE = ("price", "series", "current", "run", "quoted", "fetch")
FEW = ("ix_price_announced", "ix_current_unseen")
"""Partial indexes: to go through one is to go through a few rows."""

THEN = START + timedelta(days=200)
SERIES = [MADE.one(number) for number in range(1, MADE.series, 397)]
NEEDS = {series for workload in examples() for series in workload.needs()}

Ask = Callable[[Connection], Any]
ASKED: dict[str, Ask] = {
    "price of a series at a time": lambda c: book.price_at(c, SERIES[0], THEN),
    "history of a series": lambda c: past(c, SERIES[:1], THEN),
    "history of a product": lambda c: book.history(
        c, Filter(product=SERIES[0].product, region=REGIONS[3])
    ),
    "GPU prices of a region at a time": lambda c: book.as_of(
        c, THEN, where=Filter(region=REGIONS[3]), products=book.machines_with(c)
    ),
    "the same as known then": lambda c: book.as_of(
        c, THEN, THEN, Filter(region=REGIONS[3]), products=book.machines_with(c)
    ),
    "prices by a part of a name": lambda c: book.as_of(c, THEN, where=Filter(pattern="P5.1x")),
    "history by a part of a name": lambda c: book.history(
        c, Filter(pattern="P5.1x", region=REGIONS[3])
    ),
    "latest of 100 series": lambda c: book.latest_of(c, range(1, MADE.series, 200)),
    "ratio history: what workloads need": lambda c: past(c, [*NEEDS, *SERIES[:20]], THEN),
    "ids of 50 series": lambda c: series_ids(c, SERIES),
    "announced prices": lambda c: book.announced(c, "aws-ec2/region-03", THEN),
    "announced prices of all": lambda c: announcements.scheduled(c, THEN),
    "when anything was first announced": announcements.announced_since,
    "what came into force": lambda c: announcements.came_into_force(c, START, THEN),
    "what comes into force": lambda c: put_in_force(c, "aws-ec2/region-03", THEN),
    "the last answer of an address": lambda c: last_fetch(c, "https://example.com/7"),
}


@pytest.fixture(scope="module")
def large_book(lasting_book_url: str) -> Iterator[Engine]:
    """60,000 prices and 10,000 looks, sampled by the database as in a book that is used."""
    engine = open_book(lasting_book_url)
    with engine.begin() as connection:
        MADE.fill(connection)
        print_all(connection)
    MADE.sample(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("question", ASKED)
def test_no_question_reads_a_large_table_whole(large_book: Engine, question: str) -> None:
    """Neither a table nor a whole index of it."""
    with reading(large_book) as connection:
        plans = plans_of(connection, ASKED[question])

    assert plans
    assert [] == [step for plan in plans for step in plan if is_whole(step)]


def test_a_whole_table_is_noticed(large_book: Engine) -> None:
    """The test itself can fail: a question without an index is found out."""
    with reading(large_book) as connection:
        plans = plans_of(connection, lambda c: c.exec_driver_sql("SELECT sum(amount) FROM price"))

    assert [step for plan in plans for step in plan if is_whole(step)]


def test_the_answers_are_those_of_the_formula(large_book: Engine) -> None:
    """What is found by index is what was put in."""
    numbers = range(1, MADE.series, 397)
    last = MADE.changes - 1
    with reading(large_book) as connection:
        found = [book.price_at(connection, series, THEN) for series in SERIES]
        latest = book.latest_of(connection, numbers)
        gpus = book.machines_with(connection)
        where = Filter(region=REGIONS[3])
        in_region = book.as_of(connection, THEN, where=where, products=gpus)

    expected = [MADE.amount(number, MADE.last_at(number, THEN) or 0) for number in numbers]
    assert expected == [price and price.amount for price in found]
    assert {number: MADE.amount(number, last) for number in numbers} == latest
    assert {
        MADE.one(number)
        for number in range(1, MADE.series + 1)
        if MADE.is_gpu(number) and MADE.region_of(number) == REGIONS[3]
    } == {price.series for price in in_region}


def print_all(connection: Connection) -> None:
    """What each look was answered, and what was printed of the prices."""
    answer = {"id": 1, "sha256": "0" * 64, "bytes": 1, "stored_at": START}
    connection.execute(insert(Evidence), [answer])
    fetches = [
        {
            "id": number,
            "run_id": number,
            "evidence_id": 1,
            "url": f"https://example.com/{number % len(REGIONS)}",
            "form": "json",
            "at": START + timedelta(hours=number),
        }
        for number in range(1, 1 + MADE.runs)
    ]
    connection.execute(insert(Fetch), fetches)
    printed = select(
        *(getattr(PriceRow, name) for name in ("series_id", "valid_from", "recorded_at")),
        *(literal("$1"), literal("per hour"), literal("row")),
        PriceRow.run_id,
    )
    names = [column.name for column in Quoted.__table__.c]
    connection.execute(insert(Quoted).from_select(names, printed))


def plans_of(connection: Connection, ask: Ask) -> list[list[str]]:
    """The steps of each statement that a question makes."""
    if connection.dialect.name == "sqlite":
        return _plans_of_sqlite(connection, ask)
    return _plans_of_postgres(connection, ask)


def is_whole(step: str) -> bool:
    """Whether a step goes through all rows of a large table or index."""
    found = re.match(r"SCAN (\w+)", step)
    return found is not None and found[1] in LARGE and not any(index in step for index in FEW)


def _plans_of_sqlite(connection: Connection, ask: Ask) -> list[list[str]]:
    driver: Any = connection.connection.driver_connection
    said: list[str] = []
    driver.set_trace_callback(said.append)
    ask(connection)
    driver.set_trace_callback(None)
    plans = []
    for sql in said:
        if not sql.startswith(("BEGIN", "PRAGMA")):
            steps = driver.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
            names = dict(re.findall(r"\b(\w+) AS (\w+)\b", sql))
            tables = {alias: table for table, alias in names.items()}
            plans.append([_named(step[3], tables) for step in steps])
    return plans


def _named(step: str, tables: dict[str, str]) -> str:
    """SQLite speaks of aliases: `SCAN price_1`."""
    return re.sub(r"^(SCAN|SEARCH) (\w+)", lambda m: f"{m[1]} {tables.get(m[2], m[2])}", step)


def _plans_of_postgres(connection: Connection, ask: Ask) -> list[list[str]]:
    said: list[tuple[Any, Any]] = []

    class Listening(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            said.append((query, params))
            return super().execute(query, params, **options)

    driver: Any = connection.connection.driver_connection
    usual, driver.cursor_factory = driver.cursor_factory, Listening
    ask(connection)
    driver.cursor_factory = usual
    plans = []
    for query, params in said:
        ((plan,),) = driver.execute(f"EXPLAIN (FORMAT JSON) {query}", params).fetchall()
        tree = json.loads(plan) if isinstance(plan, str) else plan
        plans.append(list(_steps(tree[0]["Plan"])))
    return plans


def _steps(node: dict[str, Any]) -> Iterator[str]:
    searched = "Index Cond" in node or node["Node Type"] == "Bitmap Heap Scan"
    index = node.get("Index Name", "")
    if "Relation Name" in node or index:
        verb = "SEARCH" if searched else "SCAN"
        yield f"{verb} {node.get('Relation Name', index)} {node['Node Type']} {index}"
    for inner in node.get("Plans", ()):
        yield from _steps(inner)


def test_times_are_those_of_the_formula() -> None:
    """A price begins where the next one ends; before the first there is none."""
    first = MADE.changed_at(7, 0)

    assert MADE.last_at(7, first) == 0
    assert MADE.last_at(7, first - timedelta(seconds=1)) is None
    assert MADE.last_at(7, datetime(2030, 1, 1, tzinfo=UTC)) == MADE.changes - 1
