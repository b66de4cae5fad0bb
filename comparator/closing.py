"""Offers that end for reasons no price list prints: who may still buy, and until when."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from comparator.way import Discontinued

_SOLD = {"training": "new fine-tuning jobs"}
"""What a seller stops taking, by meter."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of all that a seller has under one meter, told on the day `announced`.

    `whose`: for whom it ends on the day `closes`; "" is for everybody.
    """

    seller: str
    meter: str
    announced: datetime
    closes: datetime
    whose: str
    source: str

    def told(self, at: datetime) -> str:
        """One sentence, as it is put at that time."""
        jobs = f"{_SOLD[self.meter]} of {self.whose}" if self.whose else _SOLD[self.meter]
        if self.closes <= at:
            return f"{self.seller} has taken no {jobs} since {self.closes:%Y-%m-%d} ({self.source})"
        return f"{self.seller} takes no {jobs} from {self.closes:%Y-%m-%d} on ({self.source})"


def refuse_closed(seller: str, meter: str, at: datetime) -> None:
    """Discontinued when the seller doesn't sell it to anybody any more."""
    for closing in _announced(seller, meter, at):
        if closing.closes <= at and not closing.whose:
            raise Discontinued(closing.told(at))


def closing_days(seller: str, meter: str) -> tuple[datetime, ...]:
    """The days from which on a seller sells it to nobody any more."""
    wanted = seller, meter, ""
    return tuple(one.closes for one in _closings() if (one.seller, one.meter, one.whose) == wanted)


def closings(at: datetime) -> tuple[Closing, ...]:
    """What was announced by `at`, the first end first."""
    return tuple(closing for closing in _closings() if closing.announced <= at)


def closing_notes(seller: str, meter: str, at: datetime) -> tuple[str, ...]:
    """What was announced by then of the end of an offer, the first end first."""
    return tuple(closing.told(at) for closing in _announced(seller, meter, at))


def _announced(seller: str, meter: str, at: datetime) -> Iterator[Closing]:
    for closing in _closings():
        if (closing.seller, closing.meter) == (seller, meter) and closing.announced <= at:
            yield closing


@cache
def _closings() -> tuple[Closing, ...]:
    with (Path(__file__).parent / "data" / "closings.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file)
        closings = [_closing(**row) for row in rows]
    return tuple(sorted(closings, key=lambda closing: closing.closes))


def _closing(
    seller: str, meter: str, announced: str, closes: str, whose: str, source: str
) -> Closing:
    return Closing(seller, meter, _day(announced), _day(closes), whose, source)


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
