"""One question to a SQLite file without SQLAlchemy, whose import takes Python's own start twenty
times over (benchmarks/prompt.py): the history of a product, which people ask at a prompt.

What it says is what `pricebook.answers.history` says (tests/test_quick.py). Where it can't say
anything, the book is opened as ever, and that explains why.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pricebook.quote import Price, Series, from_ticks
from pricebook.revisions import head

_HISTORY = """
SELECT seller, product, meter, unit, currency, service_tier, region, term, more,
       price.amount, price.valid_from, price.basis, price.recorded_at,
       partition.name AS source, quoted.text, quoted.location, fetch.url
FROM series
JOIN price ON price.series_id = series.id
JOIN run ON run.id = price.run_id
JOIN partition ON partition.id = run.partition_id
LEFT JOIN quoted ON quoted.series_id = price.series_id
                AND quoted.valid_from = price.valid_from
                AND quoted.recorded_at = price.recorded_at
LEFT JOIN fetch ON fetch.id = quoted.fetch_id
WHERE product = :product
  AND :seller IN ('', seller) AND :meter IN ('', meter) AND :term IN ('', term)
  AND :service_tier IN ('', service_tier) AND :region IN ('', region)
  AND (:since IS NULL OR price.valid_from >= :since)
  AND (:until IS NULL OR price.valid_from < :until)
ORDER BY price.valid_from, price.recorded_at
"""
_ANY = dict.fromkeys(("seller", "meter", "term", "service_tier", "region"), "")


def history(
    file: Path,
    product: str,
    where: Mapping[str, str],
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Price]:
    """Every row of the product of that exact name, oldest first; `where`: fields of a `Filter`.

    Empty, too, where the file is none of this program's newest schema, or can't be read.
    """
    times = {"since": _seconds(since), "until": _seconds(until)}
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            if found is None or found["version_num"] != head():
                return []
            rows = connection.execute(_HISTORY, {**_ANY, **where, **times, "product": product})
            return [_price(row) for row in rows]
    except sqlite3.Error:
        return []


def _price(row: sqlite3.Row) -> Price:
    return Price(
        _series(row),
        None if row["amount"] is None else from_ticks(row["amount"]),
        datetime.fromtimestamp(row["valid_from"], UTC),
        row["basis"],
        datetime.fromtimestamp(row["recorded_at"], UTC),
        row["source"],
        quoted=row["text"],
        where=row["location"],
        url=row["url"],
    )


def _series(row: sqlite3.Row) -> Series:
    qualifiers = {name: row[name] for name in ("service_tier", "region", "term")}
    if row["more"]:
        qualifiers |= json.loads(row["more"])
    return Series.of(
        row["seller"],
        row["product"],
        row["meter"],
        row["unit"],
        currency=row["currency"],
        **qualifiers,
    )


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
