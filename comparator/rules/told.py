"""Rules that tell each thing once: what they tell, and which prices they are about."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Protocol, TypeAlias

from comparator.event import Cause, Event
from pricebook.config import Table
from pricebook.quote import METERS, Series

Memory: TypeAlias = Mapping[str, Any]
"""What such a rule has told, as JSON: what a restart needs."""


class ToldOnce(Protocol):
    """What an event takes from such a rule."""

    @property
    def name(self) -> str:
        """As it is called in the configuration."""

    @property
    def severity(self) -> str:
        """A word in the message: warn or critical."""

    @property
    def threshold(self) -> str:
        """Its condition in words."""


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell: an event's kind, state and sentence, and what moved."""

    kind: str
    state: str
    text: str
    why: tuple[Cause, ...] = ()
    since: datetime | None = None
    series: Series | None = None

    def event(self, rule: ToldOnce, at: datetime) -> Event:
        """As people are told of it."""
        return Event(
            secrets.token_hex(8),
            rule.name,
            self.kind,
            self.state,
            at,
            severity=rule.severity,
            threshold=rule.threshold,
            since=self.since,
            why=self.why,
            text=self.text,
        )


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which series a rule is about; `*` and `?` stand for any letters, as in names of files."""

    seller: str = "*"
    product: str = "*"
    meter: str = "*"
    region: str = "*"

    @classmethod
    def read(cls, table: Table) -> Pattern:
        """From `prices = { seller = "openai", product = "gpt-5*" }`; empty is everything."""
        pattern = cls(*(table.text(key, "*") for key in ("seller", "product", "meter", "region")))
        if not any(fnmatchcase(meter, pattern.meter) for meter in METERS):
            known = f"no price has it; known: {', '.join(METERS)}"
            raise table.error("meter", f"is {pattern.meter!r}; {known}")
        table.close()
        return pattern

    def fits(self, series: Series) -> bool:
        """Whether the rule is about it."""
        return self.fits_meter(series.seller, series.meter) and all(
            fnmatchcase(text, pattern)
            for text, pattern in (
                (series.product, self.product),
                (series.get("region") or "", self.region),
            )
        )

    def fits_meter(self, seller: str, meter: str) -> bool:
        """Whether it may be about something that the seller sells under that meter."""
        return fnmatchcase(seller, self.seller) and fnmatchcase(meter, self.meter)


ANY = Pattern()
"""Every series."""
