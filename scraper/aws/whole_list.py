"""The rows of a whole price list: every machine of a region under all its conditions.

Each row is read by itself, as what may be left of a day's list is a few rows. What only other rows
can tell, two prices for one series, is told when they are entered.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from pricebook.quote import Quote, Series, SetAside
from pricebook.tariffs import Tariff, key_of
from scraper.aws.list_file import ListHead
from scraper.aws.settings import location_type

READ_BY = b"1"
"""To be changed with the rules of this file: then lists are read anew instead of compared."""

_RATE = (
    *("sku", "offertermcode", "ratecode", "termtype", "pricedescription", "effectivedate"),
    *("startingrange", "endingrange", "unit", "priceperunit", "currency", "relatedto"),
    *("leasecontractlength", "purchaseoption", "offeringclass"),
)
"""The columns that stand first in AWS's lists: what follows is the product's."""
_RATE_READ = ("ratecode", "termtype", "unit", "priceperunit")
_TERMS = ("currency", "relatedto", "leasecontractlength", "purchaseoption", "offeringclass")
_PRODUCT = (
    *("instancetype", "productfamily", "locationtype", "tenancy", "operatingsystem"),
    *("licensemodel", "capacitystatus", "preinstalledsw", "marketoption", "regioncode"),
)
_MACHINES = ("Compute Instance", "Compute Instance (bare metal)")
_TENANCIES = {"Shared": "shared", "Dedicated": "dedicated", "Host": "host"}
_CAPACITY = {
    "Used": None,
    "AllocatedCapacityReservation": "allocated",
    "UnusedCapacityReservation": "unused",
}
_YEARS = {"1yr": "1", "3yr": "3"}
_PAYMENTS = {"No Upfront": "none", "Partial Upfront": "partial", "All Upfront": "all"}
_CLASSES = ("standard", "convertible")
_METERS = {"Hrs": ("instance", "hour"), "Quantity": ("upfront", "commitment")}
_NOTHING = ("", "NA", "No License required")
_DIGITS, _DECIMALS = 8, 10
_QUOTED, _CELL = b'"[^"]*"', b'(?:"[^"]*")?+'
_USUAL = re.compile(
    b",".join(
        (
            *(_QUOTED, _QUOTED, b"(%s)" % _QUOTED, b"(%s)" % _QUOTED, _QUOTED),
            *(_CELL, _CELL, _CELL, b"(%s)" % _QUOTED, rb'"([\d.]*)"'),
            *(b"(%s)" % b",".join([_CELL] * len(_TERMS)), b'("Compute Instance.*\n)'),
        )
    )
    + b"|(.*\n)"
)
"""A machine's rate as AWS writes it: quotes around all cells that aren't empty. Its groups are the
rate's code, kind, unit, price and terms, and the product; in the last one any other row."""
_UNUSUAL = re.compile(b"()" * 6 + b"(.*\n)")
"""The same groups, where nothing is known of a row."""
_SELLER, _ANY = "aws", "*"


Words: TypeAlias = tuple[bytes, bytes, bytes]
"""Kind, unit and terms (the columns `_TERMS`) of a rate as they stand in its row, with quotes."""


class _Unread(ValueError):
    pass


@dataclass(slots=True)
class Rates:
    """What rows say, in their order: the numbers of those that say a price, with product, tariff
    and amount of each, in lists side by side, as a list has a million of them. A row that says none
    isn't among them; one that can't be read is set aside by its number."""

    count: int = 0
    """Rows that were read. Fewer than lines, when the end of one stands within quotes."""
    rows: array[int] = field(default_factory=lambda: array("I"))
    products: list[str] = field(default_factory=list)
    tariffs: list[Tariff] = field(default_factory=list)
    ticks: array[int] = field(default_factory=lambda: array("Q"))
    asides: list[tuple[int, SetAside]] = field(default_factory=list)


class Conditions(NamedTuple):
    """On which conditions a machine is sold, in the words of the book."""

    region: str
    os: str
    tenancy: str
    software: str | None
    license: str | None
    capacity: str | None


class Offer(NamedTuple):
    """What is sold: the series of a machine of any name, its tariff, and whether it may cost
    nothing."""

    series: Series
    tariff: Tariff
    may_be_free: bool


class Offers(dict[Words, Offer]):
    """What machines are sold as under some conditions, by the words of the rate; made when they are
    asked for. A text in the place of the conditions says why such machines aren't read."""

    def __init__(self, conditions: Conditions | str) -> None:
        super().__init__()
        self._conditions = conditions

    def __missing__(self, words: Words) -> Offer:
        if isinstance(self._conditions, str):
            raise _Unread(self._conditions)
        offer = self[words] = _offer(self._conditions, words)
        return offer


class Machine(NamedTuple):
    """What the product's part of a row says."""

    product: str
    offers: Offers


class RowReader:
    """Reads the rows of one region's list: what they say comes to stand in `rates`.

    DocumentRefused when the list lacks a column.
    """

    def __init__(self, head: ListHead, region: str) -> None:
        self._head, self._region, self._source = head, region, f"aws-ec2/{region}"
        self.rates = Rates()
        head.require((*_RATE_READ, *_TERMS, *_PRODUCT), self._source)
        self._of_product = itemgetter(*map(head.columns.index, _PRODUCT))
        is_usual = head.columns[: len(_RATE) + 1] == (*_RATE, "productfamily")
        self._split = (_USUAL if is_usual else _UNUSUAL).findall
        self._usual_product = _usual_product(head.columns[len(_RATE) :]).fullmatch
        found = [name for name in head.columns if name in _PRODUCT]
        self._of_usual = itemgetter(*map(found.index, _PRODUCT))
        self._machine_of = lru_cache(maxsize=4096)(self._read_machine)
        self._offers_of = lru_cache(maxsize=4096)(self._offers)

    @property
    def columns(self) -> bytes:
        """What the meaning of a line depends on beside its text."""
        return b"\n".join((READ_BY, self._region.encode(), self._head.lines[-1]))

    def read(self, text: bytes) -> None:
        """Add what these rows say to `rates`; each ends with its line.

        The $0 twins of Capacity Blocks (`marketoption`) are left out, as is what is no machine, or
        not this region's: what those cost is asked elsewhere. DocumentRefused when a row has more
        or fewer cells than the list has columns.
        """
        into, parts = self.rates, self._split(text)
        # Some nine rows say the same of a machine, most of them one after the other.
        last, machine = b"", None
        for row, groups in enumerate(parts, into.count):
            code, kind, unit, price, terms, product, other = groups
            words = kind, unit, terms
            if other:
                last = b""
                code, words, price, machine = self._parts(other)
            elif product != last:
                last, machine = product, self._machine_of(product)
            if machine is None:
                continue
            try:
                offer = machine.offers[words]
                ticks = _ticks(price, offer)
            except _Unread as unread:
                into.asides.append((row, SetAside(str(unread), _bare(code), machine.product)))
                continue
            into.rows.append(row)
            into.products.append(machine.product)
            into.tariffs.append(offer.tariff)
            into.ticks.append(ticks)
        into.count += len(parts)

    def quote(self, line: bytes) -> Quote:
        """A row that was read, in full, for whoever judges it."""
        code, words, price, machine = self._parts(line)
        if machine is None:
            raise _Unread("a row that sells no machine")
        series = replace(machine.offers[words].series, product=machine.product)
        _, unit, _ = words
        printed = price.decode()
        return Quote(series, Decimal(printed), printed, _bare(code), printed_unit=_bare(unit))

    def _parts(self, line: bytes) -> tuple[bytes, Words, bytes, Machine | None]:
        """Code, words and price of any rate, and the machine."""
        cells = self._head.cells(line.rstrip(b"\r\n"), self._source)
        row = dict(zip(self._head.columns, cells, strict=True))
        terms = b",".join(_quoted(row[name]) for name in _TERMS)
        words = _quoted(row["termtype"]), _quoted(row["unit"]), terms
        machine = self._machine(*self._of_product(cells))
        return _quoted(row["ratecode"]), words, row["priceperunit"].encode(), machine

    def _read_machine(self, text: bytes) -> Machine | None:
        if usual := self._usual_product(text.decode(errors="replace")):
            return self._machine(*self._of_usual(usual.groups("")))
        blank = b"," * len(_RATE)
        cells = self._head.cells(blank + text.rstrip(b"\r\n"), self._source)
        return self._machine(*self._of_product(cells))

    def _machine(self, product: str, *conditions: str) -> Machine | None:
        offers = self._offers_of(*conditions)
        if offers is None:
            return None
        return Machine(product, offers if product else Offers("a machine without a type"))

    def _offers(self, *said: str) -> Offers | None:
        family, place, tenancy, system, licence, capacity, software, market, region = said
        here = region == self._region and place == location_type(self._region)
        if family not in _MACHINES or market != "OnDemand" or not here:
            return None
        if not system:
            return Offers("a machine without an operating system")
        if tenancy not in _TENANCIES or capacity not in _CAPACITY:
            return Offers(f"tenancy {tenancy!r}, CapacityStatus {capacity!r}")
        conditions = Conditions(
            region,
            system,
            _TENANCIES[tenancy],
            None if software in _NOTHING else software,
            None if licence in _NOTHING else licence,
            _CAPACITY[capacity],
        )
        return Offers(conditions)


def _usual_product(columns: Sequence[str]) -> re.Pattern[str]:
    """The product's part of a row, its cells as in `_USUAL`; its groups are the columns that are
    read, in the order of the list."""
    cells = ['([^"]*)' if name in _PRODUCT else '[^"]*' for name in columns]
    return re.compile(",".join(f'(?:"{cell}")?+' for cell in cells) + "\r?\n")


def _bare(cell: bytes) -> str:
    return cell.decode(errors="replace").strip('"')


def _quoted(cell: str) -> bytes:
    escaped = cell.replace('"', '""')
    return f'"{escaped}"'.encode()


def _ticks(price: bytes, offer: Offer) -> int:
    whole, _, fraction = price.partition(b".")
    if not (whole + fraction).isdigit() or len(whole) > _DIGITS or len(fraction) > _DECIMALS:
        raise _Unread("a price that is no amount")
    ticks = int(whole + fraction.ljust(_DECIMALS, b"0"))
    if not ticks and not offer.may_be_free:
        raise _Unread("a price of 0")
    return ticks


def _offer(conditions: Conditions, words: Words) -> Offer:
    said = b",".join(words).decode(errors="replace")
    kind, unit, currency, _, lease, purchase, offering_class = next(csv.reader([said]))
    if unit not in _METERS:
        raise _Unread(f"the unit {unit!r}")
    terms = _reserved(lease, purchase, offering_class) if kind == "Reserved" else {}
    if kind not in ("OnDemand", "Reserved") or (kind == "OnDemand" and unit != "Hrs"):
        raise _Unread(f"terms of the kind {kind!r} in {unit}")
    term = "reserved" if terms else "on_demand"
    qualifiers = {**conditions._asdict(), **terms, "term": term}
    series = Series.of(_SELLER, _ANY, *_METERS[unit], currency=currency, **qualifiers)
    if terms:
        # All Upfront leaves nothing to pay by the hour.
        free = unit == "Hrs" and terms["payment"] == "all"
    else:
        # A machine in its reservation, or on a host of one's own, is paid with that.
        free = conditions.capacity == "allocated" or conditions.tenancy == "host"
    _, tariff = key_of(series)
    return Offer(series, tariff, free)


def _reserved(lease: str, purchase: str, offering_class: str) -> dict[str, str]:
    try:
        words = {"term_years": _YEARS[lease], "payment": _PAYMENTS[purchase]}
    except KeyError:
        raise _Unread(f"a commitment of {lease!r}, {purchase!r}") from None
    if offering_class not in _CLASSES:
        raise _Unread(f"a commitment of the class {offering_class!r}")
    return {**words, "offering_class": offering_class}
