# ruff: noqa: S608 - statements are put together of our own words; what is asked for is bound
"""Prices that were announced for a later day: which are ahead, and what they changed on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pricebook.answers import price_at
from pricebook.question import INSTANT, Asked, Question, amount, instant
from pricebook.quote import ANNOUNCED, Change, Series
from pricebook.series import JOIN_NAMES, SELECTED, series_from


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A price that is announced to hold from `day` on; `amount` None: none is known from then."""

    series: Series
    day: datetime
    amount: Decimal | None


def scheduled(asked: Asked, at: datetime) -> tuple[Scheduled, ...]:
    """Every price that, as known at `at`, is announced for a later time, soonest first."""
    return tuple(map(_scheduled, _AHEAD.rows(asked, known=at)))


def announced_since(asked: Asked) -> datetime | None:
    """When the first announcement was recorded; None: there never was one."""
    ((first,),) = _FIRST.rows(asked)
    return None if first is None else instant(first)


def came_into_force(asked: Asked, since: datetime, until: datetime) -> tuple[Change, ...]:
    """What announced prices changed when their day came, after `since` and up to `until`."""
    said = map(_scheduled, _CAME.rows(asked, since=since, known=until))
    changes = (_change(asked, one) for one in said)
    return tuple(change for change in changes if change)


def _scheduled(row: tuple[Any, ...]) -> Scheduled:
    day, ticks, *series = row
    return Scheduled(series_from(*series), instant(day), amount(ticks))


def _change(asked: Asked, said: Scheduled) -> Change | None:
    before = price_at(asked, said.series, said.day - INSTANT)
    was = before.amount if before else None
    return None if was == said.amount else Change(said.series, was, said.amount, said.day)


# The kind is written out, so that the index of the announced prices serves.
_IS_ANNOUNCED = f"price.basis = '{ANNOUNCED}'"
_LAST_SAID = f"""
    SELECT price.valid_from, price.amount, {SELECTED}
    FROM price
    JOIN series ON series.id = price.series_id {JOIN_NAMES}
    WHERE {_IS_ANNOUNCED} AND price.recorded_at <= :known
      AND NOT EXISTS (
          SELECT 1 FROM price AS later
          WHERE later.series_id = price.series_id AND later.valid_from = price.valid_from
            AND later.recorded_at > price.recorded_at AND later.recorded_at <= :known)
"""
"""Announced prices that, as known then, nothing recorded later for the same day superseded."""

_AHEAD = Question(f"{_LAST_SAID} AND price.valid_from > :known ORDER BY price.valid_from")
_CAME = Question(f"""{_LAST_SAID}
    AND price.valid_from > :since AND price.valid_from <= :known ORDER BY price.valid_from
""")
_FIRST = Question(f"SELECT min(price.recorded_at) FROM price WHERE {_IS_ANNOUNCED}")
