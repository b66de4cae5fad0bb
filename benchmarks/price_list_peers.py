"""What else reads AWS's price lists, each as a process of its own with its own environment:
`python price_list_peers.py PEER FILE` prints what it found as JSON. Nothing of breakeven is used.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

Found = dict[str, Any]
_LINES_ABOVE = 5
_CHUNK = 1 << 20
_UPSERTED = 5_000


def count(file: Path) -> Found:
    """Count the lines: what no reader can be below."""
    lines = 0
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            lines += chunk.count(b"\n")
    return {"rows": lines - _LINES_ABOVE - 1}


def iterate(file: Path) -> Found:
    """The same by Python's own lines."""
    with file.open("rb") as source:
        return {"rows": sum(1 for _ in source) - _LINES_ABOVE - 1}


def dictreader(file: Path) -> Found:
    """csv.DictReader, which stores nothing."""
    return {"rows": sum(1 for _ in _rows(file))}


def pandas(file: Path) -> Found:
    """pandas.read_csv of all columns, filtered; stores nothing."""
    import pandas as pd

    table = pd.read_csv(file, skiprows=_LINES_ABOVE, low_memory=False)
    wanted = (table["TermType"] == "OnDemand") & (table["Tenancy"] == "Shared")
    wanted &= (table["Operating System"] == "Linux") & (table["CapacityStatus"] == "Used")
    return {"rows": len(table), "kept": int(wanted.sum())}


def gpuhunt(file: Path) -> Found:
    """gpuhunt's AWS provider, with its questions to EC2 left out; stores nothing."""
    from gpuhunt.providers import aws

    aws._get_ec2_api_regions = set
    aws.AWSProvider._fill_gpu_details = lambda _, __: None
    aws.AWSProvider._with_spot_offers = lambda _, offers: offers
    return {"kept": len(aws.AWSProvider(cache_path=str(file)).get())}


def sparecores(_: Path) -> Found:
    """sparecores-crawler's change-only way: validate rows and upsert them, all there already."""
    from sc_crawler.insert import bulk_insert_items, validate_items
    from sc_crawler.tables import ServerPrice
    from sqlmodel import Session, SQLModel, create_engine

    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session:
        for amount in (1.0, 1.1):
            items = [_price(number, amount) for number in range(_UPSERTED)]
            began = time.process_time()
            bulk_insert_items(ServerPrice, validate_items(ServerPrice, items), session=session)
            session.commit()
            spent = time.process_time() - began
    return {"rows": _UPSERTED, "seconds": spent}


def _price(number: int, amount: float) -> Found:
    return {
        "vendor_id": "aws",
        "region_id": "us-east-1",
        "zone_id": f"use1-az{number % 6}",
        "server_id": f"m{number}.large",
        "operating_system": "Linux",
        "allocation": "ondemand",
        "unit": "hour",
        "price": amount,
        "price_upfront": 0,
        "price_tiered": [],
        "currency": "USD",
    }


def compare(first: Path) -> Found:
    """The independent count: both lists read by csv.DictReader and compared price by price."""
    second = Path(sys.argv[3])
    before, after = (
        {row["RateCode"]: _ticks(row) for row in _rows(one)} for one in (first, second)
    )
    both = before.keys() & after.keys()
    return {
        "rows": len(after),
        "changed": sum(before[code] != after[code] for code in both),
        "new": len(after.keys() - both),
        "gone": len(before.keys() - both),
        "sum": sum(after.values()),
    }


def _prices(file: Path) -> dict[str, int]:
    return {row["RateCode"]: _ticks(row) for row in _rows(file)}


def _ticks(row: dict[str, str]) -> int:
    return int(Decimal(row["PricePerUnit"]).scaleb(10))


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as source:
        for _ in range(_LINES_ABOVE):
            next(source)
        yield from csv.DictReader(source)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(globals()[sys.argv[1]](Path(sys.argv[2]))) + "\n")
