"""What a price is: a series (one thing sold under one set of conditions) and a quote of it.

Amounts are `Decimal` in the series' currency per unit; `None` is unknown or withdrawn, 0 is free.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from pricebook.errors import InexactAmount

METERS = {
    "input": "tokens sent",
    "output": "tokens generated",
    "cache_read": "tokens sent that were found in the provider's prompt cache",
    "cache_write": "tokens written into the provider's prompt cache",
    "cache_storage": "tokens kept in the provider's prompt cache",
    "training": "fine-tuning",
    "hosting": "a fine-tuned model kept ready",
    "instance": "a machine",
    "upfront": "a one-off fee at the start of a commitment",
    "request": "calls",
    "search": "web searches",
    "image": "images generated",
    "video": "video generated",
    "audio": "speech, transcribed or generated",
    "page": "pages read",
    "container": "sandboxed code execution",
    "storage": "files kept",
}

UNITS = {
    "mtok": "10^6 tokens",
    "mtok_hour": "10^6 tokens kept for an hour",
    "mchar": "10^6 characters",
    "hour": "an hour",
    "minute": "a minute",
    "second": "a second",
    "image": "an image",
    "page": "a page",
    "song": "a song",
    "video": "a video",
    "request": "a request",
    "kreq": "1,000 requests",
    "session": "a session",
    "gb_day": "a gigabyte kept for a day",
    "model_month": "a fine-tuned model kept for a month",
    "commitment": "one commitment, paid once",
}

QUALIFIERS = {
    "service_tier": "standard, batch, flex, priority, fast, ultrafast",
    "context": "length of the prompt in tokens that this price is for: <=200000, >=200000 ...",
    "cache_ttl": "how long a cache entry lives: 5m, 30m, 1h, 12h",
    "region": "AWS region code, or the seller's own region class: global, regional, us",
    "zone": "availability zone by its ID, the same for every account: use1-az4",
    "deployment": "where the seller may run the request: global, data_zone, geo, regional",
    "modality": "text, audio, image, video, or several joined by +",
    "window": "when it holds, in UTC: 16:30-00:30, mon-fri 01:00-04:00; `not ...` is the rest",
    "term": "on_demand, reserved, savings_plan, spot, capacity_block",
    "term_years": "1, 3",
    "payment": "none, partial, all: how much of a commitment is paid upfront",
    "offering_class": "standard, convertible",
    "os": "Linux, Windows, RHEL, SUSE, Ubuntu Pro",
    "tenancy": "shared, dedicated, host",
    "software": "what is installed and paid with the machine: SQL Std, SQL Web, SQL Ent",
    "license": "how software is licensed, where it isn't part of the price: bring your own",
    "capacity": "capacity reserved on demand: allocated (in use, paid as a machine), unused",
    "fine_tuned": "true for inference with a model that the user had fine-tuned",
    "data_sharing": "true for the price given to who shares inputs and outputs with the seller",
    "tool": "the tool that is billed: web_search, file_search, code_interpreter ...",
    "variant": "the seller's own word for what is left: image size and quality, voice, kind of "
    "Savings Plan (compute, ec2_instance); or which statistic of spot prices (median, mean_24h)",
}

TICKS_PER_UNIT = 10**10
"""The book counts 10^-10 currency units: AWS prints ten decimals, int64 holds $922 million."""

_TICKS = Decimal(TICKS_PER_UNIT)
_MAX_TICKS = 2**63 - 1


def to_ticks(amount: Decimal) -> int:
    """`amount` as a whole number of 10^-10 currency units; refused when it isn't one exactly."""
    if not amount.is_finite():
        raise InexactAmount(f"{amount} is not an amount of money")
    ticks = amount.scaleb(10)
    if ticks != ticks.to_integral_value() or abs(ticks) > _MAX_TICKS:
        raise InexactAmount(
            f"{amount} doesn't fit the price book, which keeps ten decimals and up to 922 million"
        )
    return int(ticks)


def from_ticks(ticks: int) -> Decimal:
    """The amount that `to_ticks` made `ticks` of, without trailing zeros: 15, 0.075, 32.7726."""
    # Exact: no more digits than the ticks have, which are 19 at most.
    return Decimal(ticks) / _TICKS


def plain(amount: Decimal) -> Decimal:
    """The same value without exponent or trailing zeros, so that equal prices print alike."""
    short = amount.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short


def digits(amount: Decimal) -> str:
    """The amount as programs read it: 32.7726, 0.0000000001; never with an exponent."""
    return f"{plain(amount):f}"


@dataclass(frozen=True, slots=True)
class Series:
    """One thing sold under one set of conditions; make it with `Series.of`.

    Two prices with different qualifiers belong to different series; nothing is encoded in the
    name of the product, which is the id that the seller's API takes.
    """

    seller: str
    product: str
    meter: str
    unit: str
    currency: str = "USD"
    qualifiers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        seller: str,
        product: str,
        meter: str,
        unit: str,
        *,
        currency: str = "USD",
        **qualifiers: str | None,
    ) -> Series:
        """A series from words; qualifiers given as None or "" are left out."""
        kept = {name: value for name, value in qualifiers.items() if value}
        return cls(seller, product, meter, unit, currency, tuple(sorted(kept.items())))

    def __post_init__(self) -> None:
        """A word outside the vocabulary is a fault of ours, found at once."""
        unknown = [name for name, _ in self.qualifiers if name not in QUALIFIERS]
        if self.meter not in METERS or self.unit not in UNITS or unknown:
            raise ValueError(f"not in the vocabulary: {self.meter}, {self.unit}, {unknown}")
        if not self.seller or not self.product:
            raise ValueError(f"a series needs a seller and a product: {self}")

    def get(self, qualifier: str) -> str | None:
        """The value of one qualifier, or None."""
        return dict(self.qualifiers).get(qualifier)

    def as_dict(self) -> dict[str, Any]:
        """The series' part of every JSON answer (docs/json.md)."""
        return {
            "seller": self.seller,
            "product": self.product,
            "meter": self.meter,
            "unit": self.unit,
            "currency": self.currency,
            "qualifiers": dict(self.qualifiers),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Series:
        """The inverse of `as_dict`."""
        return cls.of(
            fields["seller"],
            fields["product"],
            fields["meter"],
            fields["unit"],
            currency=fields["currency"],
            **fields["qualifiers"],
        )

    def __str__(self) -> str:
        """For people: `openai gpt-4o input USD/mtok (service_tier=batch)`."""
        conditions = ", ".join(f"{name}={value}" for name, value in self.qualifiers)
        words = f"{self.seller} {self.product} {self.meter} {self.currency}/{self.unit}"
        return f"{words} ({conditions})" if conditions else words


@dataclass(frozen=True, slots=True)
class Quote:
    """What one source said of one series at one time.

    `quoted` is the text of the cell, `printed_unit` the words that gave the unit, `where` the
    place: table, row and column by their names. `valid_from` is None when the page names no date:
    then the price holds from the time it was read (`basis` observed). `valid_until` is exclusive.
    """

    series: Series
    amount: Decimal
    quoted: str
    where: str
    printed_unit: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    basis: str = "observed"

    def as_dict(self) -> dict[str, Any]:
        """One row of `read --json` (docs/json.md)."""
        return {
            **self.series.as_dict(),
            "amount": digits(self.amount),
            "valid_from": isoformat(self.valid_from),
            "valid_until": isoformat(self.valid_until),
            "quoted": self.quoted,
            "printed_unit": self.printed_unit,
            "where": self.where,
        }


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What somebody says of the past: from `valid_from` on the series had no known price.

    Other fields as in `Quote`.
    """

    series: Series
    quoted: str
    where: str
    valid_from: datetime
    printed_unit: str = ""

    @property
    def amount(self) -> None:
        """None: withdrawn, or unknown."""
        return


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row or a price that was not read: why, where, and the text that stands there."""

    reason: str
    where: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """One row of `set_aside` in `read --json`."""
        return {"reason": self.reason, "where": self.where, "text": self.text}


ANNOUNCED, CANCELLED, IMPORTED, OBSERVED = "announced", "cancelled", "imported", "observed"
"""What a row of the book rests on: an announcement, that it was taken back, others, a reading."""


@dataclass(frozen=True, slots=True)
class Price:
    """A row of the book: what a series cost from `valid_from` on, as known since `recorded_at`.

    `amount` None: withdrawn. `verified_at`: the last complete look at the source that still
    showed it (None in answers about the past). `source` names the partition: `openai`,
    `aws-ec2/us-east-1`.
    """

    series: Series
    amount: Decimal | None
    valid_from: datetime
    basis: str
    recorded_at: datetime
    source: str
    verified_at: datetime | None = None
    quoted: str | None = field(default=None, compare=False)
    where: str | None = field(default=None, compare=False)
    url: str | None = field(default=None, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """One row of `prices --json` and `history --json` (docs/json.md)."""
        return {
            **self.series.as_dict(),
            "amount": None if self.amount is None else digits(self.amount),
            "valid_from": isoformat(self.valid_from),
            "basis": self.basis,
            "recorded_at": isoformat(self.recorded_at),
            "verified_at": isoformat(self.verified_at),
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """A series that changed in a look; `before` None: new or unknown, `after` None: withdrawn."""

    series: Series
    before: Decimal | None
    after: Decimal | None
    valid_from: datetime


def isoformat(at: datetime | None) -> str | None:
    """`2026-08-21T00:00:00Z`, the one way in which programs read times from us."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def canonical(value: object) -> str:
    """JSON that is the same text for the same value, so that it can be compared and keyed on."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
