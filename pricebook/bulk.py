"""The second way into the book: whole price lists, written by the batch.

It keeps what `pricebook.book` keeps: only changes are written; each has its `valid_from` and
`recorded_at`; `current` follows in the same transaction; what two complete looks miss is withdrawn;
amounts are whole 10^-10 units. It differs in this: a list announces nothing for later, so nothing
comes into force and nothing is cancelled; and what a list printed is not kept with each price.

Statements speak of `given`, the rows of a batch: a `VALUES` clause on SQLite, on PostgreSQL a
temporary table that is filled by `COPY`. What is new is inserted on SQLite by thousands, the
changes of a day row by row: that takes less there, as they lie all over an index
(`benchmarks.years`).
"""

# ruff: noqa: S608 - names and numbers of our own stand in the statements, all else is bound

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice, repeat
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, CursorResult, func, insert, literal, select, update

from pricebook.quote import CANCELLED, OBSERVED
from pricebook.tables import ListMemory, Partition, Run
from pricebook.tariffs import Key, Tariff, made_products, made_tariffs
from pricebook.types import Instant

Buffer: TypeAlias = Any
"""What holds bytes: bytes, an array, a view."""

_Row: TypeAlias = tuple[int, Any, int | None]
"""A change: the columns `_ROW`."""

_GIVEN = "FROM given WHERE true"
"""Without a condition SQLite takes `ON CONFLICT` for one of a join."""
_ROW = ("number", "since", "amount")
_SERIES = ("number", "product", "tariff")
_TYPES = {"since": "timestamptz"}
"""Of the columns of `given` on PostgreSQL that are no integers."""
_ROWS = 200
"""Of a `VALUES` clause: SQLite takes at most 32,766 parameters a statement."""
_AT_ONCE = 5000
"""So many new rows are written by one statement on SQLite, which takes a fifth less than row by
row, and less than fewer at a time."""
_BY_TARIFF = "ix_series_tariff_id"
_DO_NOTHING = "DO NOTHING"
# Two changes of mind within one second: the later one is what we know.
_REPLACE = (
    "(series_id, valid_from, recorded_at) DO UPDATE SET"
    " amount = excluded.amount, run_id = excluded.run_id, basis = excluded.basis"
)
_RENEW = (
    "(series_id) DO UPDATE SET valid_from = excluded.valid_from, amount = excluded.amount,"
    " recorded_at = excluded.recorded_at, basis = excluded.basis,"
    " partition_id = excluded.partition_id, unseen_since = NULL, missing_since = NULL"
)


class Standing(NamedTuple):
    """What the book has of a series. `partition_id` None: nobody has read it yet; `amount` in
    ticks, None when withdrawn; `since` as the database keeps times; `unseen`: the last look missed
    it or couldn't read it."""

    number: int
    amount: int | None = None
    since: Any = None
    partition_id: int | None = None
    unseen: bool = False


class Remembered(NamedTuple):
    """The memory of a partition's last list."""

    version: str
    run_id: int
    memory: bytes


@dataclass(slots=True)
class Counts:
    """What a writer has written."""

    new: int = 0
    changed: int = 0
    withdrawn: int = 0

    @property
    def all(self) -> int:
        """Rows of prices."""
        return self.new + self.changed + self.withdrawn


def remembered(
    connection: Connection, partition: int, *, with_memory: bool = True
) -> Remembered | None:
    """What was kept of the last list of a partition, None when there was none."""
    memory = ListMemory.memory if with_memory else literal(b"")
    query = select(ListMemory.version, ListMemory.run_id, memory)
    row = connection.execute(query.where(ListMemory.partition_id == partition)).one_or_none()
    return row and Remembered(*row)


def last_list(connection: Connection, partition: str) -> Remembered | None:
    """The same of a partition by its name."""
    query = select(Partition.id).where(Partition.name == partition)
    number = connection.execute(query).scalar()
    return None if number is None else remembered(connection, number)


def remember(
    connection: Connection,
    partition: int,
    run_id: int,
    version: str,
    memory: Sequence[Buffer] | None,
) -> None:
    """Keep what is to be known when the next list comes, its memory in pieces; None: as before."""
    is_sqlite = connection.dialect.name == "sqlite"
    values: dict[str, Any] = {"run_id": run_id, "version": version}
    if memory is not None:
        values["memory"] = b"" if is_sqlite else b"".join(memory)
    known = update(ListMemory).where(ListMemory.partition_id == partition)
    if connection.execute(known.values(**values)).rowcount == 0:
        connection.execute(insert(ListMemory).values(partition_id=partition, **values))
    if memory and is_sqlite:
        _fill(connection, partition, memory)


def _fill(connection: Connection, partition: int, memory: Sequence[Buffer]) -> None:
    """Write an emptied memory piece by piece: it takes the pages that it had, which a larger one
    beside it would not, and SQLite doesn't hold it twice more, as it does a parameter."""
    size = sum(memoryview(piece).nbytes for piece in memory)
    known = update(ListMemory).where(ListMemory.partition_id == partition)
    connection.execute(known.values(memory=func.zeroblob(size)))
    driver: Any = connection.connection.driver_connection
    with driver.blobopen(ListMemory.__tablename__, "memory", partition) as blob:
        for piece in memory:
            blob.write(piece)


def outcome_of(connection: Connection, run_id: int | None) -> str:
    """The outcome of a run."""
    return connection.execute(select(Run.outcome).where(Run.id == run_id)).scalar_one()


def note_outcome(connection: Connection, run_id: int, **values: Any) -> None:
    """Complete a run's row: `outcome`, `quotes`, `changes`, `held`."""
    connection.execute(update(Run).where(Run.id == run_id).values(**values))


class BulkWriter:
    """Writes one look at a partition, inside the caller's transaction."""

    def __init__(self, connection: Connection, partition: int, run_id: int, at: datetime) -> None:
        self._connection, self.partition, self.run_id = connection, partition, run_id
        self._dialect = connection.dialect
        self._at = Instant().process_bind_param(at, self._dialect)
        self._now = str(self._at) if self._is_sqlite else f"'{self._at}'::timestamptz"
        self._products: dict[str, int] = {}
        self._tariffs: dict[Tariff, int] = {}
        self.counts = Counts()
        self.is_first_look = not self._any_current()

    @property
    def _is_sqlite(self) -> bool:
        return self._dialect.name == "sqlite"

    def standings(self, keys: Sequence[Key]) -> list[Standing]:
        """What the book has of these series, in their order; the unknown ones are made."""
        if self.is_first_look and (numbers := self._add(keys)):
            return [Standing(number) for number in numbers]
        found = self._find(keys)
        missing = [key for key, standing in zip(keys, found, strict=True) if standing is None]
        made = self._made(list(dict.fromkeys(missing)))
        return [one or made[key] for key, one in zip(keys, found, strict=True)]

    @contextmanager
    def filling(self, count: int) -> Iterator[None]:
        """Where up to so many series are made. When they are more than a SQLite file has, its index
        by tariff is built anew behind them, which takes half of what it takes to let it grow."""
        if not self._is_sqlite or count <= self._last_number():
            yield
            return
        execute = self._connection.exec_driver_sql
        index = execute(f"SELECT sql FROM sqlite_master WHERE name = '{_BY_TARIFF}'").scalar_one()
        execute(f"DROP INDEX {_BY_TARIFF}")
        yield
        execute(index)

    def enter_new(self, keys: Sequence[Key], amounts: Sequence[int]) -> Sequence[int]:
        """Make series that nobody has read, at these prices in ticks, and give their numbers; none,
        and no price is written, when one of them exists or comes twice."""
        numbers = self._add(keys)
        if numbers:
            self._write_new([*zip(numbers, repeat(self._at), amounts, strict=False)])
            self.counts.new += len(numbers)
        return numbers

    def enter(self, changes: Iterable[tuple[Standing, int]]) -> None:
        """Write the prices (in ticks) of series that cost something else until now."""
        new: list[_Row] = []
        known: list[_Row] = []
        moved = []
        for standing, amount in changes:
            since = self._at if standing.since is None else max(self._at, standing.since)
            row = standing.number, since, amount
            (new if standing.partition_id is None else known).append(row)
            if standing.partition_id not in (None, self.partition):
                moved.append((standing.number,))
            if standing.amount is None:
                self.counts.new += 1
            else:
                self.counts.changed += 1
        self._write_new(new)
        self._write(known)
        self._update(moved, f"partition_id = {self.partition}")

    def see(self, standings: Iterable[Standing]) -> None:
        """Note that these were read again at their price."""
        back, moved = [], []
        for one in standings:
            if one.unseen:
                back.append((one.number,))
            if one.partition_id != self.partition:
                moved.append((one.number,))
        self._update(back, "unseen_since = NULL, missing_since = NULL")
        # Another partition saw it until now: a page has moved.
        self._update(moved, f"partition_id = {self.partition}")

    def miss(self, lost: Collection[int], held: Collection[int], *, complete: bool) -> None:
        """Note which series were not seen; withdraw those that two complete looks missed.

        `lost` are those that the list has no more, `held` those of which it says something that
        isn't believed. Called last: what is noted as unseen by now was not seen today either.
        """
        still = [(number, since) for number, since in self._unseen() if number not in held]
        overdue = [(number, since) for number, since in still if since and since < self._at]
        if complete:
            self._write([(number, since, None) for number, since in overdue])
            self.counts.withdrawn += len(overdue)
            missing = [(number,) for number, since in still if since is None]
            self._update(missing, f"missing_since = {self._now}")
        ours = f"partition_id = {self.partition} AND amount IS NOT NULL AND unseen_since IS NULL"
        unseen = f"unseen_since = {self._now}"
        self._update([(number,) for number in held], unseen, ours)
        if complete:
            unseen = f"{unseen}, missing_since = {self._now}"
        self._update([(number,) for number in {*lost} - {*held}], unseen, ours)

    def take_back(self, numbers: Collection[int]) -> None:
        """Undo what this look wrote of series that nobody had read before."""
        rows = [(number,) for number in numbers]
        among = "series_id IN (SELECT number FROM given)"
        self._do(
            ("number",),
            rows,
            f"{{given}} DELETE FROM price WHERE run_id = {self.run_id} AND {among}",
        )
        self._do(("number",), rows, f"{{given}} DELETE FROM current WHERE {among}")
        self.counts.new -= len(rows)

    def products(self, numbers: Collection[int]) -> dict[int, str]:
        """The products of these series."""
        query = (
            "SELECT series.id, product FROM given JOIN series ON series.id = number"
            " JOIN product_name ON product_name.id = product_id"
        )
        return dict(self._ask(("number",), [(number,) for number in numbers], query))

    def in_force(self) -> list[int]:
        """Every series that the partition had before this look and that isn't withdrawn; those
        that the look has read may be among them."""
        if self.is_first_look:
            return []
        ours = f"partition_id = {self.partition} AND amount IS NOT NULL"
        query = f"SELECT series_id FROM current WHERE {ours}"
        return list(self._connection.exec_driver_sql(query).scalars())

    def unseen(self) -> list[int]:
        """The series that earlier looks missed, and this one so far."""
        return [number for number, _ in self._unseen()]

    def _find(self, keys: Sequence[Key]) -> list[Standing | None]:
        # What others said of a series that was never read holds since then at the earliest.
        said = (
            "SELECT max(valid_from) FROM price WHERE price.series_id = series.id"
            f" AND valid_from <= {self._now} AND basis <> '{CANCELLED}'"
        )
        found = self._ask(
            _SERIES,
            list(self._series(range(len(keys)), keys)),
            "SELECT given.number, series.id, current.amount,"
            f" CASE WHEN current.series_id IS NULL THEN ({said}) ELSE current.valid_from END,"
            " current.partition_id, current.unseen_since IS NOT NULL"
            f" FROM given CROSS JOIN series LEFT JOIN current ON current.series_id = series.id"
            " WHERE series.product_id = given.product AND series.tariff_id = given.tariff",
        )
        standings: list[Standing | None] = [None] * len(keys)
        for place, *standing in found:
            standings[place] = Standing(*standing)
        return standings

    def _made(self, keys: Sequence[Key]) -> dict[Key, Standing]:
        if not keys:
            return {}
        numbers = self._add(keys)
        if numbers:
            return {key: Standing(number) for key, number in zip(keys, numbers, strict=True)}
        # On PostgreSQL another process may have made some of them in this moment.
        return {key: one for key, one in zip(keys, self._find(keys), strict=True) if one}

    def _add(self, keys: Sequence[Key]) -> list[int]:
        """Make these series; none is given back when one of them exists or comes twice: then the
        others are made, and are to be found."""
        numbers = self._new_numbers(len(keys))
        into, rows = "series (id, product_id, tariff_id)", self._series(numbers, keys)
        made = self._insert(into, _SERIES, _SERIES, rows, _DO_NOTHING)
        return numbers if made == len(keys) else []

    def _series(self, numbers: Sequence[int], keys: Sequence[Key]) -> list[tuple[Any, ...]]:
        """Rows `_SERIES` of these keys; their products and tariffs are made."""
        products, tariffs = self._products, self._tariffs
        try:
            pairs = zip(numbers, keys, strict=True)
            return [(number, products[one], tariffs[other]) for number, (one, other) in pairs]
        except KeyError:
            names, terms = map(set, zip(*keys, strict=True))
            products |= made_products(self._connection, names - products.keys())
            tariffs |= made_tariffs(self._connection, terms - tariffs.keys())
            return self._series(numbers, keys)

    def _new_numbers(self, count: int) -> list[int]:
        if self._is_sqlite:
            first = self._last_number() + 1
            return list(range(first, first + count))
        sequence = "nextval(pg_get_serial_sequence('series', 'id'))"
        query = f"SELECT {sequence} FROM generate_series(1, {count})"
        return list(self._connection.exec_driver_sql(query).scalars())

    def _last_number(self) -> int:
        query = "SELECT coalesce(max(id), 0) FROM series"
        return int(self._connection.exec_driver_sql(query).scalar_one())

    def _write_new(self, rows: Collection[_Row]) -> None:
        """Append the prices of series that `current` doesn't have, and add them to it."""
        self._append(rows)
        into = "current (series_id, valid_from, amount, recorded_at, basis, partition_id)"
        values = (*_ROW, self._now, f"'{OBSERVED}'", str(self.partition))
        self._insert(into, _ROW, values, rows, _RENEW)

    def _write(self, rows: Collection[_Row]) -> None:
        """Append the prices of series that `current` has, and let it follow."""
        self._append(rows)
        # Not its partition, as long as that is the same: to renew an index takes as long again.
        now = (
            f"recorded_at = {self._now}, basis = '{OBSERVED}',"
            " unseen_since = NULL, missing_since = NULL"
        )
        if self._is_sqlite:
            row = f"valid_from = ?2, amount = ?3, {now}"
            self._each(rows, f"UPDATE current SET {row} WHERE series_id = ?1")
        else:
            row = f"valid_from = since, amount = given.amount, {now}"
            self._do(_ROW, rows, f"UPDATE current SET {row} FROM given WHERE series_id = number")

    def _append(self, rows: Collection[_Row]) -> None:
        into = "price (series_id, valid_from, amount, recorded_at, run_id, basis)"
        values = (*_ROW, self._now, str(self.run_id), f"'{OBSERVED}'")
        self._insert(into, _ROW, values, rows, _REPLACE)

    def _insert(
        self,
        into: str,
        columns: Sequence[str],
        values: Sequence[str],
        rows: Iterable[Sequence[Any]],
        conflict: str,
    ) -> int:
        """Insert a row of these values for each of the given ones, whose columns come first among
        them; gives how many were written."""
        if not self._is_sqlite:
            given = f"SELECT {', '.join(values)} {_GIVEN}"
            return self._do(columns, rows, f"INSERT INTO {into} {given} ON CONFLICT {conflict}")
        row = f"({', '.join([*('?' for _ in columns), *values[len(columns) :]])})"
        statement = f"INSERT INTO {into} VALUES {{}} ON CONFLICT {conflict}"
        if conflict == _DO_NOTHING:
            # This one can't fail half way, so SQLite doesn't copy the pages that it touches.
            statement = f"INSERT OR IGNORE INTO {into} VALUES {{}}"
        written, left = 0, iter(rows)
        while some := list(islice(left, _AT_ONCE)):
            if len(some) < _AT_ONCE:
                written += self._each(some, statement.format(row))
            else:
                flat = tuple(chain.from_iterable(some))
                every = statement.format(", ".join([row] * _AT_ONCE))
                written += self._connection.exec_driver_sql(every, flat).rowcount
        return written

    def _each(self, rows: Collection[Sequence[Any]], statement: str) -> int:
        """Execute a statement row by row; gives how many it changed."""
        return self._connection.exec_driver_sql(statement, list(rows)).rowcount if rows else 0

    def _update(self, rows: Sequence[tuple[int]], values: str, where: str = "true") -> None:
        among = "series_id IN (SELECT number FROM given)"
        self._do(
            ("number",), rows, f"{{given}} UPDATE current SET {values} WHERE {where} AND {among}"
        )

    def _unseen(self) -> list[tuple[int, Any]]:
        """The series that earlier looks missed, each with the time since when it is missing."""
        query = (
            "SELECT series_id, missing_since FROM current"
            f" WHERE partition_id = {self.partition} AND unseen_since IS NOT NULL"
            " AND amount IS NOT NULL"
        )
        return [tuple(row) for row in self._connection.exec_driver_sql(query)]

    def _any_current(self) -> bool:
        query = f"SELECT 1 FROM current WHERE partition_id = {self.partition} LIMIT 1"
        return self._connection.exec_driver_sql(query).scalar() is not None

    def _do(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], statement: str) -> int:
        """Execute a statement about the rows; gives how many it changed."""
        return sum(result.rowcount for result in self._run(columns, rows, statement))

    def _ask(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], question: str
    ) -> list[Any]:
        results = self._run(columns, rows, f"{{given}} {question}")
        return [row for result in results for row in result]

    def _run(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], statement: str
    ) -> Iterator[CursorResult[Any]]:
        """Execute a statement about the rows, which are `given` where it says so."""
        if not rows:
            return
        if not self._is_sqlite:
            yield self._with_copy(columns, rows, statement.format(given=""))
            return
        names, places = ", ".join(columns), ", ".join("?" * len(columns))
        left = iter(rows)
        while some := list(islice(left, _ROWS)):
            values = ", ".join([f"({places})"] * len(some))
            given = f"WITH given ({names}) AS (VALUES {values})"
            flat = tuple(chain.from_iterable(some))
            yield self._connection.exec_driver_sql(statement.format(given=given), flat)

    def _with_copy(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], statement: str
    ) -> CursorResult[Any]:
        types = ", ".join(f"{name} {_TYPES.get(name, 'bigint')}" for name in columns)
        execute = self._connection.exec_driver_sql
        execute("DROP TABLE IF EXISTS given")
        execute(f"CREATE TEMPORARY TABLE given ({types}) ON COMMIT DROP")
        driver: Any = self._connection.connection.cursor()
        with closing(driver) as cursor, cursor.copy("COPY given FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return execute(statement)
