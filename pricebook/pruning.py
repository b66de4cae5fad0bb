"""What a book may forget: heartbeats of long ago, and answers that no price points to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, delete, func, select, type_coerce

from pricebook.answers import LOOKED
from pricebook.entries import chunks
from pricebook.tables import Evidence, Fetch, ListMemory, Partition, Quoted, Review, Run

_LOOKS = (*LOOKED, "failed")


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many looks and answers were forgotten, and the digests of what no answer is any more."""

    looks: int
    answers: int
    digests: tuple[str, ...]
    bytes: int


def prune(connection: Connection, before: datetime, spared: Collection[str] = ()) -> Pruned:
    """Forget what is older than `before` and nothing needs, in the caller's transaction.

    Never forgotten: prices; looks that changed one, with their answers; what waits for review or
    was decided; the last answer of each address; the last look of each partition, outcome and day
    (UTC), so that "last verified" is a day too old in the past at most; anything of partitions of
    which the source is `spared`: what was walked through is remembered by it.
    """
    answers = _ids(connection, _answers(before, spared))
    _delete(connection, Fetch, answers)
    unused = Evidence.id.not_in(select(Fetch.evidence_id))
    query = select(Evidence.id, Evidence.sha256, Evidence.bytes)
    rows = connection.execute(query.where(Evidence.stored_at < before, unused)).all()
    _delete(connection, Evidence, [row.id for row in rows])
    looks = _ids(connection, _looks(connection, before, spared))
    _delete(connection, Run, looks)
    size = sum(row.bytes for row in rows)
    return Pruned(len(looks), len(answers), tuple(row.sha256 for row in rows), size)


def is_known(connection: Connection, digest: str) -> bool:
    """Whether an answer is that evidence."""
    query = select(Evidence.id).where(Evidence.sha256 == digest)
    return connection.execute(query).scalar() is not None


def _answers(before: datetime, spared: Collection[str]) -> Any:
    pointed_at = select(Quoted.fetch_id).where(Quoted.fetch_id.is_not(None))
    newest = select(func.max(Fetch.id)).group_by(Fetch.url)
    return (
        select(Fetch.id)
        .join(Run, Run.id == Fetch.run_id)
        .where(
            Fetch.at < before,
            *_changed_nothing(spared),
            Fetch.id.not_in(pointed_at),
            Fetch.id.not_in(newest),
        )
    )


def _looks(connection: Connection, before: datetime, spared: Collection[str]) -> Any:
    last = select(func.max(Run.id)).group_by(Run.partition_id, Run.outcome, _day(connection))
    return select(Run.id).where(
        Run.at < before,
        *_changed_nothing(spared),
        Run.id.not_in(last),
        Run.id.not_in(select(Fetch.run_id)),
        Run.id.not_in(select(ListMemory.run_id)),
    )


def _changed_nothing(spared: Collection[str]) -> list[ColumnElement[bool]]:
    remembering = (Partition.name.startswith(f"{source}/", autoescape=True) for source in spared)
    return [
        Run.outcome.in_(_LOOKS),
        Run.changes == 0,
        Run.id.not_in(select(Review.run_id)),
        *(Run.partition_id.not_in(select(Partition.id).where(one)) for one in remembering),
    ]


def _day(connection: Connection) -> Any:
    if connection.dialect.name == "postgresql":
        return func.date_trunc("day", Run.at, "UTC")
    return type_coerce(Run.at, Integer) // 86400


def _ids(connection: Connection, query: Any) -> list[int]:
    return list(connection.execute(query).scalars())


def _delete(connection: Connection, table: Any, ids: Iterable[int]) -> None:
    for chunk in chunks(ids):
        connection.execute(delete(table).where(table.id.in_(chunk)))
