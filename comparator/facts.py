"""What a run knows besides ratios, for the rules that ask: each thing is looked up once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import Connection

from comparator.closing import closings
from comparator.event import Cause
from comparator.ratio import evidence
from comparator.rules.ahead import Ahead, Coming, key_of
from comparator.rules.price_change import amount_words
from comparator.rules.told import News
from comparator.way import Prices
from pricebook.book import Change, history
from pricebook.label import label
from pricebook.quote import Price, Series
from pricebook.series import Filter
from pricebook.standing import (
    Scheduled,
    Standing,
    Waiting,
    came_into_force,
    scheduled,
    standings,
    waiting,
)

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
    def _scheduled(self) -> tuple[Scheduled, ...]:
        return scheduled(self.connection, self.at)

    def changes_since(self, since: datetime) -> list[Change]:
        """What changed of prices in force: by this run, or as announced, after `since`."""
        came = came_into_force(self.connection, since, self.at)
        return [*came, *(one for one in self.changes if one.valid_from <= self.at)]

    def coming(self, rule: Ahead) -> Iterator[Coming]:
        """Everything announced that the rule is about."""
        for one in self._scheduled:
            if rule.prices.fits(one.series) and rule.ends == (one.amount is None):
                yield from self._price(one)
        for end in closings(self.at) if rule.ends else ():
            if rule.prices.fits_meter(end.seller, end.meter):
                words = key_of(end.closes, end.seller, end.meter, end.whose)
                news = News("offer_closes", "ahead", f"{end.told(self.at)}.")
                yield Coming(words, end.closes, news)

    def with_evidence(self, news: News) -> News:
        """The same with where the price was read that moved."""
        price = self.prices(news.series) if news.series else None
        if price is None:
            return news
        return replace(news, why=tuple(replace(one, evidence=evidence(price)) for one in news.why))

    def _price(self, one: Scheduled) -> Iterator[Coming]:
        now = self.prices(one.series)
        amount = now.amount if now else None
        if amount == one.amount:
            return
        name, was = label(one.series), amount_words(one.series, amount)
        then = amount_words(one.series, one.amount)
        why = (Cause(name, was, then, None, evidence(self._announced(one))),)
        kind = "offer_closes" if one.amount is None else "price_scheduled"
        text = f"{name}: {then} is known from {one.day:%Y-%m-%d} on; now it is {was}."
        if one.amount is not None:
            text = f"{name} will cost {then} from {one.day:%Y-%m-%d} on; now it is {was}."
        news = News(kind, "ahead", text, why, since=one.day)
        yield Coming(key_of(one.day, one.series, one.amount), one.day, news)

    def _announced(self, one: Scheduled) -> Price:
        series = one.series
        where = Filter(product=series.product, seller=series.seller, meter=series.meter)
        rows = history(self.connection, where, since=one.day, until=one.day + _INSTANT)
        return [row for row in rows if row.series == series][-1]


_INSTANT = timedelta(seconds=1)
