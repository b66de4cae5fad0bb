"""`export --parquet`: the book as Parquet files for DuckDB, ClickHouse or a lake, a part each time.

A folder gets `seller=S/year=Y/export-N-I.parquet`, by the year from which a price holds, and
`_exported.json`: the number of the last export and the runs that are in the files. Each export adds
what runs have recorded that are in none; so it doesn't matter in which order they ended.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, or_, select

from breakeven.app import App
from breakeven.output import say
from pricebook.answers import LOOKED
from pricebook.entries import chunks
from pricebook.errors import ConfigError
from pricebook.schema import reading
from pricebook.tables import NAMED_SERIES, SERIES, Partition, PriceRow, Run, SeriesRow

COLUMNS = (
    *("seller", "year", "product", "meter", "unit", "currency"),
    *("service_tier", "region", "term", "qualifiers"),
    *("amount", "valid_from", "recorded_at", "basis", "source"),
)
"""`qualifiers` are the others as JSON, "" when there are none; `amount` NULL: withdrawn."""

_BATCH = 50_000


def export_parquet(app: App, folder: Path) -> None:
    """Write what was recorded since the last export into the folder.

    ConfigError without pyarrow, and when the folder can't be written to. The table
    of prices is read whole: it has no index by the time they were learnt.
    """
    try:
        _export(app, Lake(folder))
    except OSError as error:
        raise ConfigError(f"{folder} can't be written to: {error.strerror or error}") from None


def _export(app: App, lake: Lake) -> None:
    lake.sweep()
    with reading(app.engine) as connection:
        # A look says what it changed; what people accept and others say is always a change.
        wrote = or_(Run.changes > 0, Run.outcome.not_in((*LOOKED, "failed")))
        changed = connection.execute(select(Run.id).where(wrote)).scalars()
        new = sorted(set(changed) - lake.runs)
        written = lake.add(_batches(connection, new, everything=not lake.runs)) if new else 0
    lake.note(new)
    say(f"{written:,} rows of {len(new):,} runs added to {lake.folder}")


@dataclass(frozen=True)
class Lake:
    """A folder of exports."""

    folder: Path

    @cached_property
    def _noted(self) -> dict[str, Any]:
        file = self.folder / "_exported.json"
        try:
            noted: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"exports": 0, "runs": []}
        except ValueError:
            raise ConfigError(f"{file} is damaged; export into a new folder") from None
        return noted

    @property
    def runs(self) -> set[int]:
        """The runs that are in the files."""
        return set(self._noted["runs"])

    def sweep(self) -> None:
        """Remove what an export left behind that was broken off."""
        shutil.rmtree(self._draft, ignore_errors=True)
        for file in self.folder.glob(f"*/*/export-{self._next}-*.parquet"):
            file.unlink()

    def add(self, batches: Iterable[Any]) -> int:
        """Write batches of rows; gives how many rows it were."""
        arrow, dataset = _pyarrow()
        counted = _Counted(batches)
        schema = _schema(arrow)
        dataset.write_dataset(
            (arrow.RecordBatch.from_pylist(rows, schema) for rows in counted),
            self._draft,
            schema=schema,
            format="parquet",
            partitioning=["seller", "year"],
            partitioning_flavor="hive",
            basename_template=f"export-{self._next}-{{i}}.parquet",
        )
        for file in sorted(self._draft.rglob("*.parquet")):
            place = self.folder / file.relative_to(self._draft)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
        shutil.rmtree(self._draft)
        return counted.rows

    def note(self, runs: Iterable[int]) -> None:
        """Note that these are in the files now: the last step, in one."""
        noted = {"exports": self._next, "runs": sorted({*self.runs, *runs})}
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / "_exported.draft"
        draft.write_text(json.dumps(noted), encoding="utf-8")
        draft.replace(self.folder / "_exported.json")

    @property
    def _next(self) -> int:
        return int(self._noted["exports"]) + 1

    @property
    def _draft(self) -> Path:
        return self.folder / ".draft"


class _Counted:
    """Lists of rows, counted as they go by."""

    def __init__(self, batches: Iterable[list[dict[str, Any]]]) -> None:
        self._batches, self.rows = batches, 0

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        for rows in self._batches:
            self.rows += len(rows)
            yield rows


def _batches(
    connection: Connection, runs: list[int], *, everything: bool
) -> Iterator[list[dict[str, Any]]]:
    wanted = set(runs)
    conditions = [()] if everything else [(PriceRow.run_id.in_(part),) for part in chunks(runs)]
    for condition in conditions:
        query = _rows().where(*condition).execution_options(yield_per=_BATCH)
        rows = (row for row in connection.execute(query) if row.run_id in wanted)
        while batch := [_as_dict(row) for row in islice(rows, _BATCH)]:
            yield batch


def _rows() -> Any:
    _, *names = SERIES
    return (
        select(*names, PriceRow.__table__, Partition.name.label("source"))
        .select_from(NAMED_SERIES)
        .join(PriceRow, PriceRow.series_id == SeriesRow.id)
        .join(Run, Run.id == PriceRow.run_id)
        .join(Partition, Partition.id == Run.partition_id)
    )


def _as_dict(row: Any) -> dict[str, Any]:
    found = dict(row._mapping)
    return found | {"year": row.valid_from.year, "qualifiers": row.more}


def _schema(arrow: Any) -> Any:
    """Ten decimals, as in the book; times in UTC."""
    time = arrow.timestamp("ms", tz="UTC")
    kinds = {
        "year": arrow.int32(),
        "amount": arrow.decimal128(29, 10),
        "valid_from": time,
        "recorded_at": time,
    }
    return arrow.schema([(name, kinds.get(name, arrow.string())) for name in COLUMNS])


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.dataset")
    except ModuleNotFoundError:
        raise ConfigError("--parquet needs the package pyarrow: breakeven[parquet]") from None
