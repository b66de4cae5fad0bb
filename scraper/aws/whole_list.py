"""The rows of a whole price list: every machine of a region under all its conditions.

Each row is read by itself, as what may be left of a day's list is a few rows. What only other rows
can tell, two prices for one series, is told when they are entered.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from pricebook.bulk import Key, key_of
from pricebook.quote import TICKS_PER_UNIT, Quote, Series, SetAside
from scraper.aws.client import location_type
from scraper.aws.list_file import ListHead, Row
from scraper.aws.query import PAYMENTS, SELLER

READ_BY = b"1"
"""To be changed with the rules of this file: then lists are read anew instead of compared."""

_RATE = (
    *("sku", "offertermcode", "ratecode", "termtype", "pricedescription", "effectivedate"),
    *("startingrange", "endingrange", "unit", "priceperunit", "currency", "relatedto"),
    *("leasecontractlength", "purchaseoption", "offeringclass"),
)
"""The columns that stand first in AWS's lists: what follows is the product's."""
_NEEDED = (
    *("sku", "ratecode", "termtype", "unit", "priceperunit", "currency"),
    *("leasecontractlength", "purchaseoption", "offeringclass"),
)
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
_CLASSES = ("standard", "convertible")
_METERS = {"Hrs": ("instance", "hour"), "Quantity": ("upfront", "commitment")}
_UNITS = frozenset(unit.encode() for unit in _METERS)
_NOTHING = ("", "NA", "No License required")
_DECIMALS = 10
_MONEY = re.compile(rb"([0-9]{1,8})(?:\.([0-9]{1,10}))?")
_ANY = "*"


class _Unread(Exception):
    pass


class Rate(NamedTuple):
    """What a row says: its series by the columns of the book, and the amount in ticks."""

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


class Machine(NamedTuple):
    """What the product's part of a row says; a text instead of conditions: why it isn't read."""

    product: str
    conditions: Conditions | str


class RowReader:
    """Reads the rows of one region's list; DocumentRefused when it lacks a column."""

    def __init__(self, head: ListHead, region: str) -> None:
        self._head, self._region, self._source = head, region, f"aws-ec2/{region}"
        head.require((*_NEEDED, *_PRODUCT), self._source)
        self._is_usual = head.columns[: len(_RATE)] == _RATE
        # Rows of one product stand together, or not far from each other.
        self._machine_of = lru_cache(maxsize=4096)(self._read_machine)

    @property
    def columns(self) -> bytes:
        """What the meaning of a line depends on beside its text."""
        return b"\n".join((READ_BY, self._region.encode(), self._head.lines[-1]))

    def read(self, line: bytes) -> Rate | SetAside | None:
        """What a row says; None when it sells no machine, or not this region's.

        The $0 twins of Capacity Blocks (`marketoption`) are left out: what those cost is asked
        elsewhere. DocumentRefused when the row has more or fewer cells than the list has columns.
        """
        cells, machine = self._parts(line)
        if machine is None:
            return None
        try:
            return _rate(cells, machine)
        except _Unread as unread:
            return SetAside(str(unread), cells[2].decode(), machine.product)

    def quote(self, line: bytes) -> Quote:
        """A row that was read, in full, for whoever judges it."""
        cells, machine = self._parts(line)
        if machine is None or isinstance(machine.conditions, str):
            raise ValueError("a row that couldn't be read has no quote")
        series, _, _ = _terms(machine.conditions, *_words(cells))
        printed, place = cells[9].decode(), cells[2].decode()
        whole = replace(series, product=machine.product)
        return Quote(whole, Decimal(printed), printed, place, printed_unit=cells[8].decode())

    def _parts(self, line: bytes) -> tuple[list[bytes], Machine | None]:
        """The cells of the rate, and the machine."""
        if self._is_usual:
            *cells, product = line.split(b'","', len(_RATE))
            if len(cells) == len(_RATE) and _are_in_place(cells):
                return cells, self._machine_of(product)
        row = self._head.row(line.rstrip(b"\r\n"), self._source)
        return [row.get(name, "").encode() for name in _RATE], _machine(row, self._region)

    def _read_machine(self, text: bytes) -> Machine | None:
        blank = b'"' + b'","' * len(_RATE)
        row = self._head.row(blank + text.rstrip(b"\r\n"), self._source)
        return _machine(row, self._region)


def _are_in_place(cells: list[bytes]) -> bool:
    """Whether a line in quotes was rightly split: quote, comma, quote within a text, `a"",""b`,
    would have moved the cells behind it."""
    return (
        cells[0].startswith(b'"')
        and cells[2].startswith(cells[0][1:])
        and cells[8] in _UNITS
        and len(cells[10]) == len("USD")
        and b'"' not in cells[4]
    )


def _machine(row: Row, region: str) -> Machine | None:
    here = row["regioncode"] == region and row["locationtype"] == location_type(region)
    if row["productfamily"] not in _MACHINES or row["marketoption"] != "OnDemand" or not here:
        return None
    product, system = row["instancetype"], row["operatingsystem"]
    tenancy, capacity = row["tenancy"], row["capacitystatus"]
    if not product or not system:
        return Machine(product, "a machine without a type or an operating system")
    if tenancy not in _TENANCIES or capacity not in _CAPACITY:
        return Machine(product, f"tenancy {tenancy!r}, CapacityStatus {capacity!r}")
    software, licence = row["preinstalledsw"], row["licensemodel"]
    conditions = Conditions(
        region,
        system,
        _TENANCIES[tenancy],
        None if software in _NOTHING else software,
        None if licence in _NOTHING else licence,
        _CAPACITY[capacity],
    )
    return Machine(product, conditions)


def _rate(cells: list[bytes], machine: Machine) -> Rate:
    if isinstance(machine.conditions, str):
        raise _Unread(machine.conditions)
    _, rest, may_be_free = _terms(machine.conditions, *_words(cells))
    match = _MONEY.fullmatch(cells[9])
    if match is None:
        raise _Unread("a price that is no amount")
    whole, fraction = match.groups(b"")
    ticks = int(whole) * TICKS_PER_UNIT + int(fraction.ljust(_DECIMALS, b"0"))
    if not ticks and not may_be_free:
        raise _Unread("a price of 0")
    return Rate((machine.product, *rest), ticks)


def _words(cells: list[bytes]) -> tuple[bytes, ...]:
    return (cells[3], cells[8], cells[10], *cells[12:])


@lru_cache(maxsize=65536)
def _terms(conditions: Conditions, *words: bytes) -> tuple[Series, Key, bool]:
    """The series of a machine of any name under these conditions, its key without the name, and
    whether it may cost nothing."""
    kind, unit, currency, lease, purchase, offering_class = (word.decode() for word in words)
    if unit not in _METERS:
        raise _Unread(f"the unit {unit!r}")
    terms = _reserved(lease, purchase, offering_class) if kind == "Reserved" else {}
    if kind not in ("OnDemand", "Reserved") or (kind == "OnDemand" and unit != "Hrs"):
        raise _Unread(f"terms of the kind {kind!r} in {unit}")
    term = "reserved" if terms else "on_demand"
    said = {**conditions._asdict(), **terms, "term": term}
    series = Series.of(SELLER, _ANY, *_METERS[unit], currency=currency, **said)
    if terms:
        # All Upfront leaves nothing to pay by the hour.
        free = unit == "Hrs" and terms["payment"] == "all"
    else:
        # A machine in its reservation, or on a host of one's own, is paid with that.
        free = conditions.capacity == "allocated" or conditions.tenancy == "host"
    return series, key_of(series)[1:], free


def _reserved(lease: str, purchase: str, offering_class: str) -> dict[str, str]:
    try:
        words = {"term_years": _YEARS[lease], "payment": PAYMENTS[purchase]}
    except KeyError:
        raise _Unread(f"a commitment of {lease!r}, {purchase!r}") from None
    if offering_class not in _CLASSES:
        raise _Unread(f"a commitment of the class {offering_class!r}")
    return {**words, "offering_class": offering_class}
