"""The rows of a whole price list: every machine of a region under all its conditions.

Each row is read by itself, as what may be left of a day's list is a few rows. What only other rows
can tell, two prices for one series, is told when they are entered.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from pricebook.quote import Quote, Series, SetAside
from pricebook.tariffs import Key, Tariff, key_of
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
    *("productfamily", "locationtype", "instancetype", "tenancy", "operatingsystem"),
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
_QUOTED, _CELL = b'"[^"]*"', b'(?:"[^"]*")?'
_USUAL = re.compile(
    b",".join(
        (
            *(_QUOTED, _QUOTED, b"(%s)" % _QUOTED, b"(%s)" % _QUOTED, _QUOTED),
            *(_CELL, _CELL, _CELL, b"(%s)" % _QUOTED, rb'"([\d.]*)"'),
            *(b"(%s)" % b",".join([_CELL] * len(_TERMS)), b'(?="Compute Instance)'),
        )
    )
)
"""A machine's rate as AWS writes it, up to the product: quotes around all cells that aren't empty.
Its groups are the rate's code, kind, unit, price and terms."""
_NONE = re.compile(b"(?!)")
_SELLER, _ANY = "aws", "*"


Words: TypeAlias = tuple[bytes, bytes, bytes]
"""Kind, unit and terms (the columns `_TERMS`) of a rate as they stand in its row, with quotes."""


class _Unread(ValueError):
    pass


class Rate(NamedTuple):
    """What a row says: its series, and the amount in ticks."""

    key: Key
    ticks: int


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
    """Reads the rows of one region's list; DocumentRefused when it lacks a column."""

    def __init__(self, head: ListHead, region: str) -> None:
        self._head, self._region, self._source = head, region, f"aws-ec2/{region}"
        head.require((*_RATE_READ, *_TERMS, *_PRODUCT), self._source)
        self._of_product = itemgetter(*map(head.columns.index, _PRODUCT))
        is_usual = head.columns[: len(_RATE) + 1] == (*_RATE, _PRODUCT[0])
        self._usual = _USUAL if is_usual else _NONE
        self._machine_of = lru_cache(maxsize=4096)(self._read_machine)

    @property
    def columns(self) -> bytes:
        """What the meaning of a line depends on beside its text."""
        return b"\n".join((READ_BY, self._region.encode(), self._head.lines[-1]))

    def read(self, lines: Iterable[bytes]) -> Iterator[Rate | SetAside | None]:
        """What rows say; None for one that sells no machine, or not this region's.

        The $0 twins of Capacity Blocks (`marketoption`) are left out: what those cost is asked
        elsewhere. DocumentRefused when a row has more or fewer cells than the list has columns.
        """
        # Some nine rows say the same of a machine, most of them one after the other.
        last, machine = b"", None
        for line in lines:
            usual = self._usual.match(line)
            if usual:
                code, kind, unit, price, terms = usual.groups()
                words, product = (kind, unit, terms), line[usual.end() :]
                if product != last:
                    last, machine = product, self._machine_of(product)
            else:
                last = b""
                code, words, price, machine = self._parts(line)
            if machine is None:
                yield None
                continue
            try:
                offer = machine.offers[words]
                yield Rate((machine.product, offer.tariff), _ticks(price, offer))
            except _Unread as unread:
                yield SetAside(str(unread), _bare(code), machine.product)

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
        return _quoted(row["ratecode"]), words, row["priceperunit"].encode(), self._machine(cells)

    def _read_machine(self, text: bytes) -> Machine | None:
        blank = b"," * len(_RATE)
        return self._machine(self._head.cells(blank + text.rstrip(b"\r\n"), self._source))

    def _machine(self, cells: list[str]) -> Machine | None:
        family, place, product, tenancy, system, licence, capacity, software, market, region = (
            self._of_product(cells)
        )
        here = region == self._region and place == location_type(self._region)
        if family not in _MACHINES or market != "OnDemand" or not here:
            return None
        if not product or not system:
            return Machine(product, Offers("a machine without a type or an operating system"))
        if tenancy not in _TENANCIES or capacity not in _CAPACITY:
            return Machine(product, Offers(f"tenancy {tenancy!r}, CapacityStatus {capacity!r}"))
        conditions = Conditions(
            region,
            system,
            _TENANCIES[tenancy],
            None if software in _NOTHING else software,
            None if licence in _NOTHING else licence,
            _CAPACITY[capacity],
        )
        return Machine(product, _offers_of(conditions))


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


# Those of a whole list: they are hundreds, and the same for all machines.
_offers_of = lru_cache(maxsize=65536)(Offers)


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
