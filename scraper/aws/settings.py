"""What a user may set of AWS, and the names that AWS has for it; light enough for every command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from pricebook.config import Table

PRODUCT_DESCRIPTIONS = {
    "Linux": "Linux/UNIX",
    "Windows": "Windows",
    "RHEL": "Red Hat Enterprise Linux",
    "SUSE": "SUSE Linux",
}
"""What spot prices and Savings Plans call an operating system; they have none for Ubuntu Pro."""

OPERATIONS = {
    "Linux": "RunInstances",
    "Windows": "RunInstances:0002",
    "RHEL": "RunInstances:0010",
    "SUSE": "RunInstances:000g",
    "Ubuntu Pro": "RunInstances:0g00",
}
"""The operation that AWS bills each operating system as (EC2 User Guide, "AMI billing
information fields")."""

DEFAULT_FAMILIES = (
    *("p4d", "p4de", "p5", "p5e", "p5en", "p6-b200"),
    *("g4dn", "g5", "g6", "g6e"),
    *("inf2", "trn1", "trn2"),
)

EVERYTHING = "*"

SCHEME = "s3://"
"""How the address of a bucket for evidence begins."""

PRICE_FILES_URL = "https://pricing.us-east-1.amazonaws.com"
PUBLIC_FILES = "public_files"

_FAMILY_OR_TYPE = re.compile(r"[a-z][a-z0-9]*[0-9][a-z0-9-]*(\.[a-z0-9-]+)?")
_REGION = re.compile(
    r"(?P<parent>[a-z]{2,}(-[a-z]+)+-[0-9]+)((?P<local>-[a-z]{3}-[0-9]+)|-wl[0-9]+(-[a-z]{3}[0-9]+)?)?"
)
"""`us-east-1`, the Local Zone `us-east-1-atl-1`, the Wavelength Zones `us-east-1-wl1-atl1`: these
zones have price lists of their own (the regions of AWS's price feeds of 2025-04)."""


@dataclass(frozen=True, slots=True)
class Discount:
    """`percent` that AWS takes off its list prices of these families or types for this user."""

    families: tuple[str, ...]
    percent: Decimal

    @classmethod
    def from_table(cls, table: Table) -> Discount:
        """From one `[[aws.discount]]`."""
        families = _matching(table, "families", None, _FAMILY_OR_TYPE, "p5")
        percent = table.decimal("percent")
        table.close()
        if not 0 < percent < 100:
            raise table.error("percent", f"is {percent}; it must be above 0 and below 100")
        return cls(families, percent)


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """What to collect of EC2, and how: `families` are families (`p5`) or types (`p5.48xlarge`), or
    `*`: every machine under every condition, from the price list files.

    `endpoint_url` replaces the address of the Price List API (boto3's own AWS_ENDPOINT_URL_PRICING
    does too), `price_files_url` that of the price list files; `profile` is a profile of
    ~/.aws/config. `instance_facts`: ask EC2, too, what the machines are made of; `savings_plans`,
    `spot`, `capacity_blocks`: what they cost in those ways.
    `without_credentials`: what to do where there is no account, `public_files` or `fail`. The book
    keeps list prices: `discounts` are for whoever compares.
    """

    regions: tuple[str, ...] = ("us-east-1",)
    families: tuple[str, ...] = DEFAULT_FAMILIES
    operating_systems: tuple[str, ...] = ("Linux",)
    endpoint_url: str | None = None
    profile: str | None = None
    instance_facts: bool = True
    savings_plans: bool = True
    spot: bool = True
    capacity_blocks: bool = False
    price_files_url: str = PRICE_FILES_URL
    without_credentials: str = PUBLIC_FILES
    discounts: tuple[Discount, ...] = ()

    @classmethod
    def from_table(cls, table: Table) -> AwsSettings:
        """From `[aws]`; ConfigError for what can't be right."""
        settings = cls(
            regions=_regions(table, cls().regions),
            families=_families(table),
            operating_systems=_operating_systems(table),
            endpoint_url=table.text("endpoint_url", "") or None,
            profile=table.text("profile", "") or None,
            instance_facts=table.flag("instance_facts", True),
            savings_plans=table.flag("savings_plans", True),
            spot=table.flag("spot", True),
            capacity_blocks=table.flag("capacity_blocks", False),
            price_files_url=table.text("price_files_url", PRICE_FILES_URL).rstrip("/"),
            without_credentials=table.choice(
                "without_credentials", (PUBLIC_FILES, "fail"), PUBLIC_FILES
            ),
            discounts=_discounts(table),
        )
        table.close()
        return settings

    def wants(self, instance_type: str) -> bool:
        """Whether a machine is of one of the families, or named itself."""
        return not {instance_type, instance_type.partition(".")[0]}.isdisjoint(self.families)

    @property
    def takes_whole_lists(self) -> bool:
        """Whether all that a region's price list has is wanted."""
        return self.families == (EVERYTHING,)

    @property
    def may_read_files(self) -> bool:
        """Whether the public files serve where there are no credentials.

        Not when a profile is named: then the user means that account, and a slip in its name must
        not go unnoticed.
        """
        return self.without_credentials == PUBLIC_FILES and self.profile is None


def location_type(region: str) -> str:
    """What AWS's price lists call a place: region, Local Zone or Wavelength Zone."""
    match = _REGION.fullmatch(region)
    if match is None or region == match["parent"]:
        return "AWS Region"
    return "AWS Local Zone" if match["local"] else "AWS Wavelength Zone"


def parent_region(region: str) -> str:
    """The region that answers for a zone: `us-east-1` for `us-east-1-atl-1`."""
    match = _REGION.fullmatch(region)
    return match["parent"] if match else region


def _regions(table: Table, default: tuple[str, ...]) -> tuple[str, ...]:
    if table.has("regions") and table.texts("regions", None) == (EVERYTHING,):
        import botocore.session

        return tuple(botocore.session.Session().get_available_regions("ec2"))
    return _matching(table, "regions", default, _REGION, "us-east-1")


def _families(table: Table) -> tuple[str, ...]:
    if table.has("families") and table.texts("families", None) == (EVERYTHING,):
        return (EVERYTHING,)
    return _matching(table, "families", DEFAULT_FAMILIES, _FAMILY_OR_TYPE, "p5")


def _matching(
    table: Table, key: str, default: tuple[str, ...] | None, form: re.Pattern[str], example: str
) -> tuple[str, ...]:
    words = table.texts(key, default)
    strange = [word for word in words if not form.fullmatch(word)]
    if strange or not words:
        given = f"has {strange[0]!r}" if strange else "is empty"
        raise table.error(key, f'{given}; write for example ["{example}"]')
    return words


def _discounts(table: Table) -> tuple[Discount, ...]:
    discounts = tuple(Discount.from_table(one) for one in table.tables("discount"))
    names = [name for discount in discounts for name in discount.families]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise table.error("discount", f"is given twice for {twice[0]}")
    return discounts


def _operating_systems(table: Table) -> tuple[str, ...]:
    names = table.texts("operating_systems", ["Linux"])
    if not names or not set(names) <= set(OPERATIONS):
        raise table.error("operating_systems", f"must be some of {', '.join(OPERATIONS)}")
    return names
