"""What reads GetProducts, each as a process: `python -m benchmarks.get_products_readers READER
URL ...` prints what it found as JSON. Only the last two use anything of breakeven.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Found = dict[str, Any]

_PRICE = re.compile(rb'\\"rateCode\\":\\"([^\\]+)\\".*?\\"USD\\":\\"([0-9.]+)')


def client(url: str) -> Found:
    """Only make boto3's client: what every reader begins with."""
    _client(url)
    return {}


def paginator(url: str) -> Found:
    """boto3's paginator alone."""
    return {"entries": sum(len(page["PriceList"]) for page in _pages(_client(url)))}


def loads(url: str) -> Found:
    """The same, and json.loads of each entry."""
    read = (json.loads(text) for page in _pages(_client(url)) for text in page["PriceList"])
    return {"entries": sum(1 for _ in read)}


def transport(url: str) -> Found:
    """A floor: boto3's paginator, but the body isn't parsed."""
    asked = _client(url)
    came = _take_bodies(asked, lambda body: (len(body), _token(body)))
    deque(_pages(asked), 0)
    return {"bytes": sum(came)}


def codes(url: str) -> Found:
    """A floor: the same, and a regular expression for codes and prices, which checks nothing."""
    asked = _client(url)
    came = _take_bodies(asked, lambda body: (len(_PRICE.findall(body)), _token(body)))
    deque(_pages(asked), 0)
    return {"prices": sum(came)}


def typed(url: str, packages: str) -> Found:
    """A floor: the fastest parser there is for bodies and entries, and nothing done with them."""
    sys.path.append(packages)
    import msgspec

    def struct(name: str, *fields: Any) -> Any:
        return msgspec.defstruct(name, fields)

    texts = dict[str, str]
    rate = struct("Rate", "unit", "rateCode", ("pricePerUnit", texts))
    parts = ("termAttributes", texts), ("priceDimensions", dict[str, rate])
    terms = dict[str, struct("Term", ("offerTermCode", str), *parts)]
    kinds = struct("Kinds", ("OnDemand", terms, {}), ("Reserved", terms, {}))
    product = struct("Product", ("sku", str), ("attributes", texts))
    entry = struct("Entry", ("product", product), ("terms", kinds))
    page = struct("Page", ("PriceList", list[str]), ("NextToken", str | None, None))
    of_page, of_entry = msgspec.json.Decoder(page), msgspec.json.Decoder(entry)

    def parse(body: bytes) -> tuple[int, str | None]:
        read: Any = of_page.decode(body)
        return sum(1 for _ in map(of_entry.decode, read.PriceList)), read.NextToken

    asked = _client(url)
    came = _take_bodies(asked, parse)
    deque(_pages(asked), 0)
    return {"entries": sum(came)}


def _token(body: bytes) -> str | None:
    _, _, token = body[-100:].partition(b'"NextToken": "')
    return token.partition(b'"')[0].decode() or None


def _take_bodies(asked: Any, parse: Any) -> list[int]:
    """Let botocore see nothing of an answer but the token; what `parse` counted is collected."""
    counted: list[int] = []

    def hook(response_dict: Found, customized_response_dict: Found, **_: object) -> None:
        count, token = parse(response_dict["body"])
        counted.append(count)
        customized_response_dict["NextToken"] = token
        response_dict["body"] = b"{}"

    asked.meta.events.register("before-parse.pricing.GetProducts", hook)
    return counted


def _client(url: str) -> Any:
    import boto3

    return boto3.client("pricing", region_name="us-east-1", endpoint_url=url)


def _pages(asked: Any) -> Iterator[Found]:
    return iter(asked.get_paginator("get_products").paginate(ServiceCode="AmazonEC2"))


def count(first: str, second: str) -> Found:
    """The independent count: both days' prices by their codes, compared one by one."""
    before, after = _ticks(first), _ticks(second)
    changed = sum(before[code] != ticks for code, ticks in after.items())
    return {"prices": len(after), "ticks": sum(after.values()), "changed": changed}


def _ticks(url: str) -> dict[str, int]:
    found = {}
    for page in _pages(_client(url)):
        for text in page["PriceList"]:
            for terms in json.loads(text)["terms"].values():
                for term in terms.values():
                    for rate in term["priceDimensions"].values():
                        whole, _, rest = rate["pricePerUnit"]["USD"].partition(".")
                        found[rate["rateCode"]] = int(whole + rest.ljust(10, "0"))
    return found


def quotes(url: str, pages: str) -> Found:
    """breakeven from the endpoint to quotes: every price checked, nothing compared."""
    from scraper.aws.query import read_prices

    _leave_out_the_quota()
    answer = read_prices(_settings(url, pages), "us-east-1")
    ticks = int(sum(quote.amount for quote in answer.reading.quotes).scaleb(10))
    aside = len(answer.reading.set_aside)
    return {"prices": len(answer.reading.quotes), "ticks": ticks, "set_aside": aside}


def look(url: str, pages: str, folder: str, day: str) -> Found:
    """breakeven's whole look: read, kept as evidence, judged, compared, changes in the book."""
    from pricebook.schema import open_book
    from scraper.aws.source import Ec2Source
    from scraper.collect import Tools, enter
    from scraper.evidence import EvidenceFolder
    from scraper.http import HttpClient
    from scraper.settings import GateSettings, HttpSettings

    _leave_out_the_quota()
    at, home = datetime.fromisoformat(day), Path(folder)
    evidence = EvidenceFolder(home / "evidence")
    tools = Tools(HttpClient(HttpSettings()), evidence, lambda: at, lambda _: None)
    began = time.process_time()
    (taken,) = Ec2Source(_settings(url, pages)).take(tools)
    took = time.process_time()
    engine = open_book(f"sqlite:///{home / 'book.db'}")
    with engine.begin() as connection:
        entered = enter(connection, taken, GateSettings())
    ended = time.process_time()
    with engine.connect() as connection:
        amounts = connection.exec_driver_sql("SELECT amount FROM current")
        ticks = sum(amount for (amount,) in amounts)
    engine.dispose()
    words = {"prices": entered.quotes, "changed": len(entered.changes), "ticks": ticks}
    return {**words, "outcome": entered.outcome, "take": took - began, "enter": ended - took}


def _settings(url: str, pages: str) -> Any:
    from benchmarks.get_products_pages import families
    from scraper.aws.settings import AwsSettings

    without = {"instance_facts": False, "savings_plans": False, "spot": False}
    return AwsSettings(families=families(int(pages)), endpoint_url=url, **without)


def _leave_out_the_quota() -> None:
    from scraper.aws.client import TokenBucket

    # Two hundred calls wait for forty seconds, which takes no CPU.
    TokenBucket.take = lambda _: None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])) + "\n")
