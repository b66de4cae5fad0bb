"""The price book: change-only, bitemporal prices.

Two time axes: `valid_from` (when a price holds in the world) and `recorded_at` (when we learnt of
it). `as_of(valid, known)` answers "what was the price at T" and "what did we know of it at K".
Questions stand in `answers`, what a look is compared with in `accepted`, what it writes in
`writer`, what others say in `backfill`.
"""

from pricebook.accepted import announced, latest, latest_elsewhere
from pricebook.answers import (
    LOOKED,
    as_of,
    each_change,
    facts_of,
    history,
    latest_of,
    lookup,
    machines_with,
    price_at,
)
from pricebook.backfill import Conflict, backfill
from pricebook.quote import ANNOUNCED, CANCELLED, IMPORTED, OBSERVED, Change
from pricebook.series import Filter
from pricebook.writer import (
    Look,
    accept,
    note_facts,
    partition_id,
    put_in_force,
    record,
)

__all__ = [
    "ANNOUNCED",
    "CANCELLED",
    "IMPORTED",
    "LOOKED",
    "OBSERVED",
    "Change",
    "Conflict",
    "Filter",
    "Look",
    "accept",
    "announced",
    "as_of",
    "backfill",
    "each_change",
    "facts_of",
    "history",
    "latest",
    "latest_elsewhere",
    "latest_of",
    "lookup",
    "machines_with",
    "note_facts",
    "partition_id",
    "price_at",
    "put_in_force",
    "record",
]
