"""EC2 prices from the price list file of a region: the rows of its machines become the entries
that GetProducts would give, and are read by the same rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scraper.aws.list_file import ListHead, Row, cut, lines_of
from scraper.aws.query import Answer, answer_of, conditions
from scraper.aws.settings import AwsSettings

OFFER = "AmazonEC2"

_NEEDED = (
    *("sku", "offertermcode", "ratecode", "termtype", "pricedescription", "unit", "priceperunit"),
    *("currency", "instancetype", "operatingsystem", "tenancy", "operation", "usagetype"),
)
_WORDS = ("LeaseContractLength", "OfferingClass", "PurchaseOption")


def cut_list(chunks: Iterator[bytes], settings: AwsSettings, region: str) -> bytes:
    """The rows of the machines wanted, on the conditions that single out their price.

    Lists of earlier years lack some columns (the first ones told neither regions nor markets
    apart): then there was nothing to tell apart, or two entries stand for one machine, which is
    refused when the cut is read.
    """
    wanted = {system: conditions(region, system) for system in settings.operating_systems}

    def keep(row: Row) -> bool:
        known = wanted.get(row.get("operatingsystem", ""))
        named = settings.wants(row.get("instancetype", ""))
        return named and known is not None and _meets(row, known)

    return cut(chunks, OFFER, _needles(settings), keep, _source(region))


def read_list(raw: bytes, settings: AwsSettings, region: str) -> Answer:
    """Read what `cut_list` kept; DocumentRefused when it holds no price."""
    source = _source(region)
    lines = lines_of([raw], source)
    head = ListHead.read(lines, OFFER, source)
    head.require(_NEEDED, source)
    entries = _entries((head.row(line, source) for line in lines), region)
    return answer_of(raw, entries, settings, region)


def sells_nothing(raw: bytes) -> bool:
    """Whether a cut has no rows: none of the machines was sold when the list was published."""
    head = ListHead.read(lines_of([raw], OFFER), OFFER, OFFER)
    return raw == b"\n".join([*head.lines, b""])


def cut_key(settings: AwsSettings) -> str:
    """Which part of a list a cut with these settings is: the fragment of its address."""
    parts = sorted(settings.families), sorted(settings.operating_systems)
    return ";".join(",".join(part) for part in parts).replace(" ", "_")


def _source(region: str) -> str:
    return f"aws-ec2/{region}"


def _needles(settings: AwsSettings) -> list[str]:
    return [name if "." in name else f"{name}." for name in settings.families]


def _meets(row: Row, wanted: dict[str, str]) -> bool:
    """Whether a row is on these conditions, as far as the list has columns for them."""
    return all(
        row.get(name.lower(), value) == value
        # The files leave the cell empty where GetProducts says NA.
        or (name == "preInstalledSw" and not row["preinstalledsw"])
        for name, value in wanted.items()
    )


def _entries(rows: Iterator[Row], region: str) -> list[dict[str, Any]]:
    """The products of a list with their terms, in the shape of GetProducts."""
    entries: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = entries.setdefault(row["sku"], _product(row, region))
        terms = entry["terms"].setdefault(row["termtype"], {})
        term = terms.setdefault(row["offertermcode"], _term(row))
        term["priceDimensions"][row["ratecode"]] = {
            "unit": row["unit"],
            "pricePerUnit": {row["currency"]: row["priceperunit"]},
            "description": row["pricedescription"],
            "rateCode": row["ratecode"],
        }
    return list(entries.values())


def _product(row: Row, region: str) -> dict[str, Any]:
    # Only rows that meet the conditions are in a cut; what a list has no column for, they meet too.
    attributes = {
        **conditions(region, row["operatingsystem"]),
        "instanceType": row["instancetype"],
        "usagetype": row["usagetype"],
    }
    return {"product": {"sku": row["sku"], "attributes": attributes}, "terms": {}}


def _term(row: Row) -> dict[str, Any]:
    words = {name: row.get(name.lower(), "") for name in _WORDS}
    return {
        "offerTermCode": row["offertermcode"],
        # Without all three words, the code says what the commitment is.
        "termAttributes": words if all(words.values()) else {},
        "priceDimensions": {},
    }
