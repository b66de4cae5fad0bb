"""News of prices: what is announced for a later day, and where a price that moved was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from comparator.closing import closings
from comparator.event import Cause
from comparator.ratio import evidence
from comparator.rules.ahead import Ahead, Coming, key_of
from comparator.rules.price_change import amount_words
from comparator.rules.told import News
from comparator.way import Prices
from pricebook.announcements import Scheduled, scheduled
from pricebook.answers import history
from pricebook.label import label
from pricebook.question import INSTANT, Asked
from pricebook.quote import Price
from pricebook.series import Filter


@dataclass(frozen=True)
class Announced:
    """What the book knew at `at` of later days; `prices` are those of that time."""

    asked: Asked
    prices: Prices
    at: datetime

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

    @cached_property
    def _scheduled(self) -> tuple[Scheduled, ...]:
        return scheduled(self.asked, self.at)

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
        rows = history(self.asked, where, since=one.day, until=one.day + INSTANT)
        return [row for row in rows if row.series == series][-1]


def with_evidence(news: News, prices: Prices) -> News:
    """The same with where the price was read that moved."""
    price = prices(news.series) if news.series else None
    if price is None:
        return news
    return replace(news, why=tuple(replace(one, evidence=evidence(price)) for one in news.why))
