"""GetProducts of two days on loopback: `python -m benchmarks.get_products_pages PAGES EVERY`.

Each page has 100 machines in the shape of 2026, every EVERYth with all twelve commitments. Pages
are made beforehand and sent whatever the filters say: the first day's under /1, the next day's
under /2, with all dates moved and 0.5 % of the prices changed. The same arguments give the same
bytes. Prints the port; ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zlib import crc32

from benchmarks.desk import say
from benchmarks.price_list_files import FIRST, SECOND, Day
from breakeven.demo.price_list import RESERVED_TERMS, Item, Machine

PAGE_SIZE, REGION = 100, "us-east-1"
_SIZES = 200
_SHARES = {"none": ("0", "0.64"), "partial": ("2800", "0.3"), "all": ("5500", "0")}
"""The fee of a year and the price of an hour, as parts of the price on demand."""
_MORE = {
    "clockSpeed": "3 GHz",
    "dedicatedEbsThroughput": "Up to 2250 Mbps",
    "ecu": "NA",
    "enhancedNetworkingSupported": "Yes",
    "intelAvx2Available": "Yes",
    "intelAvxAvailable": "Yes",
    "intelTurboAvailable": "Yes",
    "networkPerformance": "Up to 10 Gigabit",
    "normalizationSizeFactor": "8",
    "physicalProcessor": "Intel Xeon Platinum 8124M",
    "processorFeatures": "Intel AVX; Intel AVX2; Intel AVX512; Intel Turbo",
    "storage": "EBS only",
    "vpcnetworkingsupport": "true",
}
"""What real entries have beside what anybody filters by."""


def families(pages: int) -> tuple[str, ...]:
    """The families of all the machines."""
    return tuple(f"g{number + 1}" for number in range(-(-pages * PAGE_SIZE // _SIZES)))


def bodies(pages: int, every: int, day: Day) -> Iterator[bytes]:
    """The answers of a day, one a page."""
    for page in range(pages):
        numbers = range(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)
        entries = [_entry(number, day, reserved=number % every == 0) for number in numbers]
        more = {"NextToken": str(page + 1)} if page + 1 < pages else {}
        yield json.dumps({"FormatVersion": "aws_v1", "PriceList": entries, **more}).encode()


def _entry(number: int, day: Day, *, reserved: bool) -> str:
    (item,) = _machine(number, reserved=reserved).items(day.published)
    item["product"]["attributes"] |= _MORE
    for term in item["terms"].get("Reserved", {}).values():
        term["effectiveDate"] = f"{day.published:%Y-%m-%dT%H:%M:%SZ}"
    for rate in _rates(item):
        if crc32(rate["rateCode"].encode()) % 1000 < day.changed:
            rate["pricePerUnit"] = {"USD": _raised(rate["pricePerUnit"]["USD"])}
    return json.dumps(item, separators=(",", ":"))


def _machine(number: int, *, reserved: bool) -> Machine:
    family, size = number // _SIZES + 1, number % _SIZES + 1
    name = f"g{family}.{size}xlarge"
    hourly = Decimal(size) * (180 + crc32(name.encode()) % 40) / 1000
    terms = {
        conditions: (_fee(hourly, *conditions), Decimal(_SHARES[conditions[2]][1]) * hourly)
        for conditions in (RESERVED_TERMS if reserved else ())
    }
    return Machine(name, REGION, 4 * size, f"{16 * size} GiB", hourly, terms, gpu="1")


def _fee(hourly: Decimal, years: int, _: str, payment: str) -> Decimal:
    return (hourly * years * Decimal(_SHARES[payment][0])).quantize(Decimal(1))


def _rates(item: Item) -> Iterator[Item]:
    for terms in item["terms"].values():
        for term in terms.values():
            yield from term["priceDimensions"].values()


def _raised(printed: str) -> str:
    amount = Decimal(printed)
    return f"{(amount + amount / 100).quantize(amount):f}"


def serve(days: Sequence[Sequence[bytes]]) -> None:
    """Answer until standard input ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = days[int(self.path.strip("/")) - 1][int(question.get("NextToken", 0))]
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        say(str(server.server_port))
        sys.stdin.read()


if __name__ == "__main__":
    asked = int(sys.argv[1]), int(sys.argv[2])
    serve([list(bodies(*asked, day)) for day in (FIRST, SECOND)])
