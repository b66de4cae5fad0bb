"""Made-up price lists of a region in the real layout: the 92 columns of 2025-09, a row for each
rate, quotes around what isn't empty, dates that move with every publication. The same arguments
give the same bytes.

A machine has 84 products: 14 operating systems with software, 2 tenancies, 3 capacity statuses;
a third of them can be reserved in 12 ways, which makes 644 rows of some 740 bytes. 1,190 machines
make 766,360 rows in 570 MB, 1.9 times the largest real region (us-east-1, 2026).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from zlib import crc32

REGION = "us-east-1"
WHOLE = 1190
FIRST_DAY = datetime(2026, 9, 10, 19, 55, 14, tzinfo=UTC)
SECOND_DAY = datetime(2026, 9, 11, 20, 1, 33, tzinfo=UTC)

COLUMNS = (
    *("SKU", "OfferTermCode", "RateCode", "TermType", "PriceDescription", "EffectiveDate"),
    *("StartingRange", "EndingRange", "Unit", "PricePerUnit", "Currency", "RelatedTo"),
    *("LeaseContractLength", "PurchaseOption", "OfferingClass", "Product Family", "serviceCode"),
    *("Location", "Location Type", "Instance Type", "Current Generation", "Instance Family"),
    *("vCPU", "Physical Processor", "Clock Speed", "Memory", "Storage", "Network Performance"),
    *("Processor Architecture", "Storage Media", "Volume Type", "Max Volume Size"),
    *("Max IOPS/volume", "Max IOPS Burst Performance", "Max throughput/volume", "Provisioned"),
    *("Tenancy", "EBS Optimized", "Operating System", "License Model", "Group"),
    *("Group Description", "Transfer Type", "From Location", "From Location Type", "To Location"),
    *("To Location Type", "usageType", "operation", "AvailabilityZone", "CapacityStatus"),
    *("ClassicNetworkingSupport", "Dedicated EBS Throughput"),
    *("Dedicated EBS Throughput Description", "ECU", "Elastic Graphics Type"),
    *("Enhanced Networking Supported", "From Region Code", "GPU", "GPU Memory", "Instance"),
    *(
        f"Instance Capacity - {size}"
        for size in (
            *("10xlarge", "12xlarge", "16xlarge", "18xlarge", "24xlarge", "2xlarge", "32xlarge"),
            *("4xlarge", "8xlarge", "9xlarge", "large", "medium", "metal", "xlarge"),
        )
    ),
    *("instanceSKU", "Intel AVX2 Available", "Intel AVX Available", "Intel Turbo Available"),
    *("MarketOption", "Normalization Size Factor", "Physical Cores", "Pre Installed S/W"),
    *("Processor Features", "Product Type", "Region Code", "Resource Type", "serviceName"),
    *("SnapshotArchiveFeeType", "To Region Code", "Volume API Name", "VPCNetworkingSupport"),
)

_SYSTEMS = (
    ("Linux", "NA", "No License required", "RunInstances"),
    ("Linux", "SQL Std", "No License required", "RunInstances:0004"),
    ("Linux", "SQL Web", "No License required", "RunInstances:0200"),
    ("Linux", "SQL Ent", "No License required", "RunInstances:0100"),
    ("Windows", "NA", "No License required", "RunInstances:0002"),
    ("Windows", "NA", "Bring your own license", "RunInstances:0800"),
    ("Windows", "SQL Std", "No License required", "RunInstances:0006"),
    ("Windows", "SQL Web", "No License required", "RunInstances:0202"),
    ("Windows", "SQL Ent", "No License required", "RunInstances:0102"),
    ("RHEL", "NA", "No License required", "RunInstances:0010"),
    ("RHEL", "SQL Std", "No License required", "RunInstances:0014"),
    ("Red Hat Enterprise Linux with HA", "NA", "No License required", "RunInstances:1010"),
    ("SUSE", "NA", "No License required", "RunInstances:000g"),
    ("Ubuntu Pro", "NA", "No License required", "RunInstances:0g00"),
)
_TENANCIES = ("Shared", "Dedicated")
_CAPACITY = (
    ("Used", "BoxUsage"),
    ("AllocatedCapacityReservation", "Reservation"),
    ("UnusedCapacityReservation", "UnusedBox"),
)
_RESERVED = (
    ("4NA7Y494T4", "1yr", "No Upfront", "standard"),
    ("HU7G6KETJZ", "1yr", "Partial Upfront", "standard"),
    ("6QCMYABX3D", "1yr", "All Upfront", "standard"),
    ("BPH4J8HBKS", "3yr", "No Upfront", "standard"),
    ("38NPMPTW36", "3yr", "Partial Upfront", "standard"),
    ("NQ3QZPMQV9", "3yr", "All Upfront", "standard"),
    ("7NE97W5U4E", "1yr", "No Upfront", "convertible"),
    ("CUZHX8X6JH", "1yr", "Partial Upfront", "convertible"),
    ("VJWZNREJX2", "1yr", "All Upfront", "convertible"),
    ("Z2E3P23VKM", "3yr", "No Upfront", "convertible"),
    ("R5XV2EPZQZ", "3yr", "Partial Upfront", "convertible"),
    ("MZU6U2429S", "3yr", "All Upfront", "convertible"),
)
_FAMILIES = (
    *("c5", "c6g", "c7i", "g5", "g6e", "i4i", "m5", "m6a", "m7g", "p4d", "p5", "r6i", "x2idn"),
)
_SIZES = (
    *("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "9xlarge", "12xlarge", "16xlarge"),
    *("18xlarge", "24xlarge", "32xlarge", "48xlarge"),
)
_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Day:
    """A publication: `changed` of 1,000 prices differ from the first day's; with `others`, one
    product in 5,000 is gone and as many are new."""

    published: datetime
    changed: int = 0
    others: bool = False


FIRST = Day(FIRST_DAY)
SECOND = Day(SECOND_DAY, changed=5, others=True)
REPUBLISHED = Day(SECOND_DAY)


def write_list(path: Path, machines: int, day: Day) -> None:
    """Write the list of that day, unless it is there."""
    if path.exists():
        return
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8", newline="") as out:
        write_head(out, day.published)
        for number in range(machines):
            out.writelines(_machine_rows(number, day))
    draft.replace(path)


def write_head(out: TextIO, published: datetime) -> None:
    """The lines above the rows."""
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(("FormatVersion", "v1.0"))
    writer.writerow(("Disclaimer", "This price list is made up."))
    writer.writerow(("Publication Date", f"{published:%Y-%m-%dT%H:%M:%SZ}"))
    writer.writerow(("Version", f"{published:%Y%m%d%H%M%S}"))
    writer.writerow(("OfferCode", "AmazonEC2"))
    writer.writerow(COLUMNS)


def machine_name(number: int) -> str:
    """`p5.48xlarge`, later `p5-7.48xlarge`: a name of its own for each number."""
    round_, rest = divmod(number, len(_FAMILIES) * len(_SIZES))
    family, size = _FAMILIES[rest // len(_SIZES)], _SIZES[rest % len(_SIZES)]
    return f"{family}{f'-{round_}' if round_ else ''}.{size}"


def _machine_rows(number: int, day: Day) -> Iterator[str]:
    name, hourly = machine_name(number), 200 + crc32(f"price {number}".encode()) % 300_000
    for place, system in enumerate(_SYSTEMS):
        for tenancy in _TENANCIES:
            for capacity in _CAPACITY:
                sku = _sku(f"{name} {place} {tenancy} {capacity[0]}")
                if _is_listed(sku, day):
                    product = _product(name, number, system, tenancy, capacity)
                    yield from _rates(sku, name, hourly + 7 * place, product, capacity[0], day)


def _is_listed(sku: str, day: Day) -> bool:
    kind = crc32(sku.encode()) % 5000
    return kind != (1 if day.others else 2)


def _rates(
    sku: str, name: str, hourly: int, product: str, capacity: str, day: Day
) -> Iterator[str]:
    reserved = capacity == "AllocatedCapacityReservation"
    month = f"{day.published:%Y-%m-01}"
    at = 0 if reserved else hourly
    rates = [("JRTCKXETXF", "6YS6EN2CT7", "OnDemand", month, "Hrs", at * 10**7, ("", "", ""))]
    if capacity == "Used":
        published = f"{day.published:%Y-%m-%d}"
        for code, lease, purchase, kind in _RESERVED:
            share = {"No Upfront": 64, "Partial Upfront": 30, "All Upfront": 0}[purchase]
            words = (lease, purchase, kind)
            amount = hourly * share * 10**5
            rates.append((code, "6YS6EN2CT7", "Reserved", published, "Hrs", amount, words))
            if share < 64:
                fee = hourly * (64 - share) // 10 * (3 if lease == "3yr" else 1)
                rates.append((code, "2TG2D8R56U", "Reserved", published, "Quantity", fee, words))
    for offer, rate, kind, since, unit, base, words in rates:
        code = f"{sku}.{offer}.{rate}"
        moved = base and crc32(code.encode()) % 1000 < day.changed
        amount = base + max(1, base // 100) if moved else base
        fee = unit == "Quantity"
        price = str(amount) if fee else f"{amount // 10**10}.{amount % 10**10:010d}"
        text = "Upfront Fee" if fee else f"${price} per On Demand {name} Instance Hour"
        ranges = "," if fee else '"0","Inf"'
        lease = ",".join(f'"{word}"' if word else "" for word in words)
        yield (
            f'"{sku}","{offer}","{code}","{kind}","{text}","{since}",{ranges},"{unit}","{price}",'
            f'"USD",,{lease},{product}'
        )


def _product(
    name: str, number: int, system: tuple[str, ...], tenancy: str, capacity: tuple[str, str]
) -> str:
    software, license_model, operation = system[1:]
    usage = f"Dedicated{capacity[1]}" if tenancy == "Dedicated" else capacity[1]
    cells = {
        "Product Family": "Compute Instance",
        "serviceCode": "AmazonEC2",
        "Location": "US East (N. Virginia)",
        "Location Type": "AWS Region",
        "Instance Type": name,
        "Current Generation": "Yes",
        "Instance Family": "GPU instance" if name[0] in "gp" else "General purpose",
        "vCPU": str(2 << number % 7),
        "Physical Processor": "Intel Xeon Platinum 8488C (Sapphire Rapids)",
        "Clock Speed": "3.2 GHz",
        "Memory": f"{8 << number % 7} GiB",
        "Storage": "2 x 1900 NVMe SSD" if number % 3 else "EBS only",
        "Network Performance": "Up to 12500 Megabit",
        "Processor Architecture": "64-bit",
        "Tenancy": tenancy,
        "Operating System": system[0],
        "License Model": license_model,
        "usageType": f"{usage}:{name}",
        "operation": operation,
        "AvailabilityZone": "NA",
        "CapacityStatus": capacity[0],
        "ClassicNetworkingSupport": "false",
        "Dedicated EBS Throughput": "Up to 10000 Mbps",
        "ECU": "NA",
        "Enhanced Networking Supported": "Yes",
        "GPU": str(1 << number % 4) if name[0] in "gp" else "",
        "GPU Memory": "24 GiB" if name[0] in "gp" else "NA",
        "Intel AVX2 Available": "Yes",
        "Intel AVX Available": "Yes",
        "Intel Turbo Available": "Yes",
        "MarketOption": "OnDemand",
        "Normalization Size Factor": str(4 << number % 7),
        "Pre Installed S/W": software,
        "Processor Features": "Intel AVX; Intel AVX2; Intel AVX512",
        "Region Code": REGION,
        "serviceName": "Amazon Elastic Compute Cloud",
        "VPCNetworkingSupport": "true",
    }
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(cells.get(column, "") for column in COLUMNS[15:])
    return re.sub(r'(?<=,)""(?=[,\n])', "", out.getvalue())


def _sku(key: str) -> str:
    first, second = crc32(key.encode()), crc32(key[::-1].encode())
    number = first << 32 | second
    return "".join(_LETTERS[number // 31**place % 31] for place in range(16))
