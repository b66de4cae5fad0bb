"""What EC2 machines cost on the spot market, by DescribeSpotPriceHistory.

A price for each availability zone, by the zone's ID: its name means another zone in every account.
For the region as a whole the median over its zones and the mean of the last 24 hours; never the
minimum, which is the price of a zone where there may be no machine.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from pricebook.errors import DocumentRefused
from pricebook.quote import Quote, Series, SetAside, plain
from scraper.aws.client import Client, in_plain_words
from scraper.aws.query import MONEY, SELLER, Answer
from scraper.aws.settings import PRODUCT_DESCRIPTIONS
from scraper.document import sorted_out

_HOURS = 24
_TYPES_AT_ONCE = 100
_REGIONAL_ZONE = re.compile(r"[a-z0-9]+-az[0-9]+")
_VPC = " (Amazon VPC)"
_MICRO = Decimal("0.000001")
"""AWS prints spot prices with six decimals; statistics of them get no more."""


@dataclass(frozen=True, slots=True)
class _Point:
    """From `at` on, a machine cost `amount` in a zone."""

    machine: str
    system: str
    zone: str
    at: datetime
    amount: Decimal


def read_spot(
    machines: Iterable[str],
    systems: Iterable[str],
    region: str,
    now: datetime,
    *,
    client: Client,
) -> Answer:
    """The spot prices of a region at `now` (aware UTC) and the statistics of the day before it.

    `machines` are instance types, `systems` operating systems as in `AwsSettings`. A machine
    without a spot price has no series. Raises CredentialsMissing, FetchFailed, or DocumentRefused
    when there is no price at all.
    """
    wanted = {PRODUCT_DESCRIPTIONS[name]: name for name in systems if name in PRODUCT_DESCRIPTIONS}
    with in_plain_words(_source(region)):
        entries = list(_asked(sorted(machines), wanted, now, client))
    raw = json.dumps({"SpotPriceHistory": entries}, default=_isoformat, sort_keys=True).encode()
    reading = sorted_out(_read(entries, wanted, region, now))
    if not reading.quotes:
        reasons = "; ".join(aside.reason for aside in reading.set_aside[:3])
        raise DocumentRefused(
            f"{_source(region)}: AWS gives no spot price of these machines"
            f" ({reasons or 'spot = false under [aws] stops asking'})"
        )
    return Answer(raw, reading)


def _source(region: str) -> str:
    return f"aws-ec2/{region}/spot"


def _asked(
    machines: Sequence[str], systems: Mapping[str, str], now: datetime, client: Client
) -> Iterator[dict[str, Any]]:
    paginator = client.get_paginator("describe_spot_price_history")
    for start in range(0, len(machines), _TYPES_AT_ONCE):
        pages = paginator.paginate(
            StartTime=now - timedelta(hours=_HOURS),
            EndTime=now,
            InstanceTypes=machines[start : start + _TYPES_AT_ONCE],
            ProductDescriptions=[form for name in systems for form in (name, name + _VPC)],
        )
        for page in pages:
            yield from page["SpotPriceHistory"]


def _read(
    entries: Iterable[Mapping[str, Any]], systems: Mapping[str, str], region: str, now: datetime
) -> Iterator[Quote | SetAside]:
    machines: dict[tuple[str, str], dict[str, list[_Point]]]
    machines = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        point = _point(entry, systems)
        if isinstance(point, SetAside):
            yield point
        elif point:
            machines[point.machine, point.system][point.zone].append(point)
    for zones in machines.values():
        yield from _quotes([_steps(points) for points in zones.values()], region, now)


def _steps(points: Iterable[_Point]) -> list[_Point]:
    """The changes of a zone's price, oldest first."""
    return sorted(points, key=lambda point: point.at)


def _point(entry: Mapping[str, Any], systems: Mapping[str, str]) -> _Point | SetAside | None:
    """One change of price; None for one in a Local or Wavelength Zone, which is no part of the
    region."""
    name, text = str(entry.get("InstanceType")), str(entry.get("SpotPrice"))
    system = systems.get(str(entry.get("ProductDescription")).removesuffix(_VPC))
    zone, at = entry.get("AvailabilityZoneId"), entry.get("Timestamp")
    where = f"{name} {system} {zone or entry.get('AvailabilityZone')}"
    if not system or not zone or not isinstance(at, datetime):
        return SetAside(f"{name}: a spot price without zone ID, system or time", where, text)
    if not _REGIONAL_ZONE.fullmatch(zone):
        return None
    # At 0 nothing is for sale: others have taken that for a price.
    if not MONEY.fullmatch(text) or not Decimal(text):
        return SetAside(f"{name}: a spot price that is no amount", where, text)
    return _Point(name, system, zone, at, Decimal(text))


def _quotes(zones: Sequence[list[_Point]], region: str, now: datetime) -> Iterator[Quote]:
    """The prices of one machine: by zone, and for the region."""
    latest = [steps[-1] for steps in zones]
    for point in latest:
        words = f"{plain(point.amount)} since {_isoformat(point.at)}"
        yield _quote(point, region, point.amount, words, zone=point.zone)
    prices = sorted(point.amount for point in latest)
    count = f"{len(prices)} zones" if len(prices) > 1 else "1 zone"
    words = f"of {count}: {', '.join(str(plain(price)) for price in prices)}"
    yield _quote(latest[0], region, _rounded(median(prices)), words, variant="median")
    means = [_mean(steps, now) for steps in zones]
    words = f"of {count} over {_HOURS} hours"
    yield _quote(latest[0], region, _rounded(_average(means)), words, variant="mean_24h")


def _quote(point: _Point, region: str, amount: Decimal, quoted: str, **which: str) -> Quote:
    series = Series.of(
        *(SELLER, point.machine, "instance", "hour"),
        region=region,
        os=point.system,
        tenancy="shared",
        term="spot",
        **which,
    )
    where = f"{point.machine} {' '.join(which.values())}"
    return Quote(series, amount, quoted, where, "hour")


def _mean(steps: Sequence[_Point], now: datetime) -> Decimal:
    """The mean of a zone's price, each second of the last 24 hours alike.

    AWS gives the last change before the time asked for, too: it counts from the start of that. A
    zone that came later counts from its first price.
    """
    start = now - timedelta(hours=_HOURS)
    ends = [*(step.at for step in steps[1:]), now]
    lengths = [
        max(Decimal(0), Decimal(int((end - max(step.at, start)).total_seconds())))
        for step, end in zip(steps, ends, strict=True)
    ]
    if not any(lengths):
        return steps[-1].amount
    weighed = (step.amount * length for step, length in zip(steps, lengths, strict=True))
    return sum(weighed, Decimal(0)) / sum(lengths)


def _average(amounts: Sequence[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0)) / len(amounts)


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_MICRO)


def _isoformat(at: datetime) -> str:
    return at.isoformat()
