# ruff: noqa: S608 - only figures of our own stand in the statements
"""A price book of any size for measurements, made by the database itself from a formula.

Every figure of it can be computed again without the book, so that each answer can be checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, insert, text

from pricebook.quote import Series, canonical
from pricebook.series import TARIFF
from pricebook.tables import Partition, Product, Run, SeriesRow
from pricebook.tariffs import Tariff, made_products, made_tariffs

START = datetime(2016, 1, 1, tzinfo=UTC)
DAYS_BETWEEN = 70
REGIONS = tuple(f"region-{number:02}" for number in range(25))
GPU_FAMILIES = ("g6", "p5")
_FAMILIES = (*GPU_FAMILIES, *(f"m{number}" for number in range(38)))
_SYSTEMS = ("Linux", "RHEL", "SUSE", "Windows", "Ubuntu Pro")
_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class MadeBook:
    """`series` numbered from 1, each with `changes` prices, `DAYS_BETWEEN` days apart.

    A look a day changes some of them; `looks` are made in a day, at each region in turn.
    """

    series: int
    changes: int
    looks: int = 1

    @property
    def runs(self) -> int:
        """All looks."""
        return self.changes * DAYS_BETWEEN * self.looks

    def fill(self, connection: Connection) -> None:
        """Write all of it into an empty book."""
        self._sources(connection)
        for rows in self._batches():
            products = made_products(connection, (row["product"] for row in rows))
            tariffs = made_tariffs(connection, map(_tariff, rows))
            named = (
                {
                    "id": row["id"],
                    "product_id": products[row["product"]],
                    "tariff_id": tariffs[_tariff(row)],
                }
                for row in rows
            )
            connection.execute(insert(SeriesRow), list(named))
        step = max(1, 2_000_000 // self.changes)
        for first in range(1, self.series + 1, step):
            self._prices(connection, first, min(first + step, self.series + 1))
        self._current(connection)
        if connection.dialect.name == "postgresql":
            # The ids were given: what comes after them has to be told.
            for table in ("partition", "run", "series"):
                last = f"SELECT max(id) FROM {table}"
                connection.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), ({last}))"
                )

    def sample(self, engine: Engine) -> None:
        """Let the database learn how its rows are spread, as it does in a book that is used."""
        learn = "ANALYZE" if engine.dialect.name == "sqlite" else "VACUUM ANALYZE"
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(learn)

    def one(self, number: int) -> Series:
        """The series of that number."""
        row = _row(number)
        rest = json.loads(row["more"])
        return Series.of(
            "aws",
            row["product"],
            "instance",
            "hour",
            region=row["region"],
            term=row["term"],
            **rest,
        )

    def changed_at(self, number: int, change: int) -> datetime:
        """When the price of that number, counted from 0, begins."""
        return START + timedelta(days=change * DAYS_BETWEEN + number % DAYS_BETWEEN)

    def amount(self, number: int, change: int) -> Decimal:
        """That price, in USD."""
        return Decimal((number * 7919 + change * 104_729) % 1_000_003 + 1) / 10_000

    def last_at(self, number: int, at: datetime) -> int | None:
        """Which price of a series holds at a time; None before the first."""
        days = (at - START).days - number % DAYS_BETWEEN
        return None if days < 0 else min(days // DAYS_BETWEEN, self.changes - 1)

    def region_of(self, number: int) -> str:
        """Where the series is sold."""
        return str(_row(number)["region"])

    def is_gpu(self, number: int) -> bool:
        """Whether the machine of that series has GPUs."""
        return _is_gpu(str(_row(number)["product"]))

    def _sources(self, connection: Connection) -> None:
        names = [{"id": 1 + n, "name": f"aws-ec2/{region}"} for n, region in enumerate(REGIONS)]
        connection.execute(insert(Partition), names)
        rows = [
            {
                "id": 1 + n,
                "partition_id": 1 + n % len(REGIONS),
                "at": START + timedelta(days=n) / self.looks,
                "outcome": "complete",
                "reason": "",
                "quotes": self.series // len(REGIONS),
                "changes": int(n % self.looks == 0),
                "held": 0,
            }
            for n in range(self.runs)
        ]
        connection.execute(insert(Run), rows)
        facts = [
            {
                "seller": "aws",
                "product": product,
                "recorded_at": START,
                "facts": {"accelerators": [{"kind": "gpu"}] if _is_gpu(product) else []},
            }
            for product in sorted({str(_row(n)["product"]) for n in range(1, 1 + self.series)})
        ]
        connection.execute(insert(Product), facts)

    def _batches(self) -> Iterator[list[dict[str, Any]]]:
        for first in range(1, self.series + 1, _BATCH):
            last = min(first + _BATCH, self.series + 1)
            yield [{"id": number, **_row(number)} for number in range(first, last)]

    def _prices(self, connection: Connection, first: int, last: int) -> None:
        connection.execute(
            text(
                f"""
                WITH RECURSIVE change(n) AS (
                    SELECT 0 UNION ALL SELECT n + 1 FROM change WHERE n + 1 < :changes
                )
                INSERT INTO price (series_id, valid_from, recorded_at, amount, run_id, basis)
                SELECT id, {_at(connection)}, {_at(connection)},
                    ((CAST(id AS bigint) * 7919 + n * 104729) % 1000003 + 1) * 1000000,
                    (n * {DAYS_BETWEEN} + id % {DAYS_BETWEEN}) * {self.looks} + 1, 'observed'
                FROM series CROSS JOIN change
                WHERE id >= :first AND id < :last ORDER BY id, n
                """
            ),
            {"changes": self.changes, "first": first, "last": last},
        )

    def _current(self, connection: Connection) -> None:
        connection.execute(
            text(
                f"""
                INSERT INTO current
                    (series_id, partition_id, amount, valid_from, recorded_at, basis)
                SELECT s.id, (s.id - 1) % {len(REGIONS)} + 1,
                    ((CAST(s.id AS bigint) * 7919 + c.n * 104729) % 1000003 + 1) * 1000000,
                    {_at(connection)}, {_at(connection)}, 'observed'
                FROM series s CROSS JOIN (SELECT CAST(:last AS integer) AS n) c
                """
            ),
            {"last": self.changes - 1},
        )


def _at(connection: Connection) -> str:
    seconds = f"({int(START.timestamp())} + (n * {DAYS_BETWEEN} + id % {DAYS_BETWEEN}) * 86400)"
    return f"to_timestamp({seconds})" if connection.dialect.name == "postgresql" else seconds


def _is_gpu(product: str) -> bool:
    return product.split(".", maxsplit=1)[0] in GPU_FAMILIES


def _tariff(row: Mapping[str, Any]) -> Tariff:
    return tuple(row[name] for name in TARIFF)


def _row(number: int) -> dict[str, str]:
    """The columns of a series: regions in turn, then families, systems and sizes in turn."""
    rest, region = divmod(number - 1, len(REGIONS))
    rest, system = divmod(rest, len(_SYSTEMS))
    rest, family = divmod(rest, len(_FAMILIES))
    size, term = divmod(rest, 2)
    more = {"os": _SYSTEMS[system], "tenancy": "shared"}
    if term:
        more |= {"payment": "none", "term_years": "1"}
    return {
        "seller": "aws",
        "product": f"{_FAMILIES[family]}.{size}xlarge",
        "meter": "instance",
        "unit": "hour",
        "currency": "USD",
        "service_tier": "",
        "region": REGIONS[region],
        "term": "reserved" if term else "on_demand",
        "more": canonical(more),
    }
