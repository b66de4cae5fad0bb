"""What a run knows besides ratios, for the rules that ask: each thing is looked up once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from comparator.news import Announced
from comparator.way import Prices
from pricebook.announcements import came_into_force
from pricebook.quote import Change, Series
from pricebook.standing import Standing, Waiting, standings, waiting

FAILING = 3
"""Failures in a row after which a source is said to fail."""


@dataclass(frozen=True)
class Facts:
    """The book at `at`, in a run that has made these changes of prices."""

    connection: Connection
    prices: Prices
    at: datetime
    changes: Sequence[Change] = ()

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """How every source stands."""
        return standings(self.connection)

    @cached_property
    def failing(self) -> frozenset[str]:
        """The sources that fail again and again."""
        return frozenset(one.source for one in self.standings if one.failures >= FAILING)

    @cached_property
    def waiting(self) -> tuple[Waiting, ...]:
        """What the gate has set aside."""
        return waiting(self.connection)

    @cached_property
    def doubted(self) -> frozenset[Series]:
        """The series of which it has set a price aside."""
        return frozenset(one.series for one in self.waiting if one.series)

    @cached_property
    def announced(self) -> Announced:
        """What is announced for later days."""
        return Announced(self.connection, self.prices, self.at)

    def changes_since(self, since: datetime) -> list[Change]:
        """What changed of prices in force: by this run, or as announced, after `since`."""
        came = came_into_force(self.connection, since, self.at)
        return [*came, *(one for one in self.changes if one.valid_from <= self.at)]
