"""What a machine costs in a Capacity Block: reserved for a day to come, paid at once.

AWS has no price list of these, only offerings of single blocks (DescribeCapacityBlockOfferings).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from statistics import median
from typing import Any

from pricebook.errors import DocumentRefused
from pricebook.quote import Quote, Series, SetAside, plain
from scraper.aws.client import Client, in_plain_words
from scraper.aws.query import MONEY, SELLER, Answer, known_names
from scraper.aws.settings import AwsSettings
from scraper.document import sorted_out

_HOURS, _COUNT = 24, 1
"""The smallest block; larger ones cost the same by machine and hour."""
_SOLD_SO = re.compile(r"(p|trn)[0-9][a-z0-9-]*\.")
"""The machines that are sold in blocks (EC2 User Guide, "Capacity Blocks for ML")."""
_NOT_OFFERED = {"InvalidParameterValue", "InvalidInstanceType", "Unsupported"}
_MICRO = Decimal("0.000001")


def read_blocks(settings: AwsSettings, region: str, *, client: Client) -> Answer:
    """The effective hourly price of each machine of the settings' families in a region.

    fee / (machines x hours), the median over all offerings of a block of one machine for a day. A
    machine without an offering has no series. Raises CredentialsMissing, FetchFailed, or
    DocumentRefused when nothing is offered at all.
    """
    source = f"aws-ec2/{region}/capacity_blocks"
    with in_plain_words(source):
        offers = {name: list(_offered(client, name)) for name in _machines(settings)}
    raw = json.dumps({"CapacityBlockOfferings": offers}, default=str, sort_keys=True).encode()
    items = (_read(name, region, found) for name, found in offers.items() if found)
    reading = sorted_out(items)
    if not reading.quotes:
        reasons = "; ".join(aside.reason for aside in reading.set_aside[:3])
        raise DocumentRefused(
            f"{source}: AWS offers no Capacity Block of these machines"
            f" ({reasons or 'capacity_blocks = false under [aws] stops asking'})"
        )
    return Answer(raw, reading)


def _machines(settings: AwsSettings) -> list[str]:
    return sorted(
        name
        for name in {*known_names(), *settings.families}
        if settings.wants(name) and _SOLD_SO.match(name)
    )


def _offered(client: Client, name: str) -> Iterator[dict[str, Any]]:
    from botocore.exceptions import ClientError

    paginator = client.get_paginator("describe_capacity_block_offerings")
    pages = paginator.paginate(
        InstanceType=name, InstanceCount=_COUNT, CapacityDurationHours=_HOURS
    )
    try:
        for page in pages:
            yield from page["CapacityBlockOfferings"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _NOT_OFFERED:
            raise


def _read(name: str, region: str, offers: Sequence[Mapping[str, Any]]) -> Quote | SetAside:
    try:
        rates = sorted(_hourly(offer) for offer in offers)
        (currency,) = {offer["CurrencyCode"] for offer in offers}
    except (KeyError, TypeError, ValueError) as error:
        text = json.dumps(offers, default=str)[:200]
        return SetAside(f"{name}: a Capacity Block in an unknown shape ({error})", name, text)
    series = Series.of(
        *(SELLER, name, "instance", "hour"),
        currency=currency,
        region=region,
        os="Linux",
        tenancy="shared",
        term="capacity_block",
    )
    shown = ", ".join(str(plain(rate)) for rate in dict.fromkeys(rates))
    words = f"{len(offers)} blocks of {_COUNT} machine for {_HOURS} hours: {shown} an hour"
    return Quote(series, median(rates).quantize(_MICRO), words, name, "block")


def _hourly(offer: Mapping[str, Any]) -> Decimal:
    """The fee over machines and hours; a block that begins today ends a little earlier."""
    fee, hours = offer["UpfrontFee"], Decimal(offer["CapacityBlockDurationHours"])
    minutes = offer.get("CapacityBlockDurationMinutes")
    hours = Decimal(minutes) / 60 if minutes else hours
    if not MONEY.fullmatch(fee) or not Decimal(fee) or hours <= 0:
        raise ValueError(f"{fee!r} for {hours} hours")
    return (Decimal(fee) / (hours * int(offer["InstanceCount"]))).quantize(_MICRO)
