"""The rows of a whole price list: every machine of a region under all its conditions.

Each row is read by itself, as what may be left of a day's list is a few rows. What only other rows
can tell, two prices for one series, is told when they are entered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from pricebook.bulk import Key, key_of
from pricebook.quote import Quote, Series, SetAside
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
_WORDS = (
    *("termtype", "unit", "currency", "leasecontractlength", "purchaseoption", "offeringclass"),
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
_PAYMENTS = {"No Upfront": "none", "Partial Upfront": "partial", "All Upfront": "all"}
_CLASSES = ("standard", "convertible")
_METERS = {"Hrs": ("instance", "hour"), "Quantity": ("upfront", "commitment")}
_NOTHING = ("", "NA", "No License required")
_UNITS = frozenset(f'"{unit}"'.encode() for unit in _METERS)
_DIGITS, _DECIMALS = 8, 10
_MACHINE_BEGINS = b',"Compute Instance'
"""Where the product begins in a row of a machine; AWS quotes all cells that aren't empty."""
_SELLER, _ANY = "aws", "*"


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


class Words(NamedTuple):
    """What the rate's part of a row says, as it stands there, quotes and all."""

    kind: bytes
    unit: bytes
    currency: bytes
    lease: bytes
    purchase: bytes
    offering_class: bytes


class RowReader:
    """Reads the rows of one region's list; DocumentRefused when it lacks a column."""

    def __init__(self, head: ListHead, region: str) -> None:
        self._head, self._region, self._source = head, region, f"aws-ec2/{region}"
        head.require((*_WORDS, "priceperunit", "ratecode", *_PRODUCT), self._source)
        self._of_product = itemgetter(*map(head.columns.index, _PRODUCT))
        self._is_usual = head.columns[: len(_RATE) + 1] == (*_RATE, _PRODUCT[0])
        # Rows of one product stand together, or not far from each other.
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
        for line in lines:
            words, price, code, machine = self._parts(line)
            if machine is None:
                yield None
                continue
            try:
                yield _rate(words, price, machine)
            except _Unread as unread:
                yield SetAside(str(unread), _bare(code), machine.product)

    def quote(self, line: bytes) -> Quote:
        """A row that was read, in full, for whoever judges it."""
        words, price, code, machine = self._parts(line)
        if machine is None or isinstance(machine.conditions, str):
            raise ValueError("a row that couldn't be read has no quote")
        series, _, _ = _terms(machine.conditions, words)
        printed, unit = _bare(price), _bare(words.unit)
        whole = replace(series, product=machine.product)
        return Quote(whole, Decimal(printed), printed, _bare(code), printed_unit=unit)

    def _parts(self, line: bytes) -> tuple[Words, bytes, bytes, Machine | None]:
        """The words of the rate, its price and code, and the machine."""
        # Twenty rows say the same of a machine: it is parsed once. Nor are the cells before it,
        # as only the description, the fifth, has commas.
        at = line.find(_MACHINE_BEGINS) if self._is_usual else -1
        if at >= 0:
            _, _, code, kind, rest = line[:at].split(b",", 4)
            *_, unit, price, currency, _, lease, purchase, offering = rest.rsplit(b",", 10)
            if unit in _UNITS and price[:1] == currency[:1] == currency[-1:] == b'"':
                words = Words(kind, unit, currency, lease, purchase, offering)
                return words, price, code, self._machine_of(line[at:])
        cells = self._head.cells(line.rstrip(b"\r\n"), self._source)
        row = dict(zip(self._head.columns, cells, strict=True))
        *said, price, code = (
            f'"{row[name]}"'.encode() for name in (*_WORDS, "priceperunit", "ratecode")
        )
        return Words(*said), price, code, self._machine(cells)

    def _read_machine(self, text: bytes) -> Machine | None:
        blank = b"," * (len(_RATE) - 1)
        return self._machine(self._head.cells(blank + text.rstrip(b"\r\n"), self._source))

    def _machine(self, cells: list[str]) -> Machine | None:
        family, place, product, tenancy, system, licence, capacity, software, market, region = (
            self._of_product(cells)
        )
        here = region == self._region and place == location_type(self._region)
        if family not in _MACHINES or market != "OnDemand" or not here:
            return None
        if not product or not system:
            return Machine(product, "a machine without a type or an operating system")
        if tenancy not in _TENANCIES or capacity not in _CAPACITY:
            return Machine(product, f"tenancy {tenancy!r}, CapacityStatus {capacity!r}")
        conditions = Conditions(
            region,
            system,
            _TENANCIES[tenancy],
            None if software in _NOTHING else software,
            None if licence in _NOTHING else licence,
            _CAPACITY[capacity],
        )
        return Machine(product, conditions)


def _bare(cell: bytes) -> str:
    return cell.decode().strip('"')


def _rate(words: Words, price: bytes, machine: Machine) -> Rate:
    if isinstance(machine.conditions, str):
        raise _Unread(machine.conditions)
    _, rest, may_be_free = _terms(machine.conditions, words)
    whole, _, fraction = price.strip(b'"').partition(b".")
    if not (whole + fraction).isdigit() or len(whole) > _DIGITS or len(fraction) > _DECIMALS:
        raise _Unread("a price that is no amount")
    ticks = int(whole + fraction.ljust(_DECIMALS, b"0"))
    if not ticks and not may_be_free:
        raise _Unread("a price of 0")
    return Rate((machine.product, *rest), ticks)


@lru_cache(maxsize=65536)
def _terms(conditions: Conditions, words: Words) -> tuple[Series, Key, bool]:
    """The series of a machine of any name under these conditions, its key without the name, and
    whether it may cost nothing."""
    kind, unit, currency, lease, purchase, offering_class = map(_bare, words)
    if unit not in _METERS:
        raise _Unread(f"the unit {unit!r}")
    terms = _reserved(lease, purchase, offering_class) if kind == "Reserved" else {}
    if kind not in ("OnDemand", "Reserved") or (kind == "OnDemand" and unit != "Hrs"):
        raise _Unread(f"terms of the kind {kind!r} in {unit}")
    term = "reserved" if terms else "on_demand"
    said = {**conditions._asdict(), **terms, "term": term}
    series = Series.of(_SELLER, _ANY, *_METERS[unit], currency=currency, **said)
    if terms:
        # All Upfront leaves nothing to pay by the hour.
        free = unit == "Hrs" and terms["payment"] == "all"
    else:
        # A machine in its reservation, or on a host of one's own, is paid with that.
        free = conditions.capacity == "allocated" or conditions.tenancy == "host"
    return series, key_of(series)[1:], free


def _reserved(lease: str, purchase: str, offering_class: str) -> dict[str, str]:
    try:
        words = {"term_years": _YEARS[lease], "payment": _PAYMENTS[purchase]}
    except KeyError:
        raise _Unread(f"a commitment of {lease!r}, {purchase!r}") from None
    if offering_class not in _CLASSES:
        raise _Unread(f"a commitment of the class {offering_class!r}")
    return {**words, "offering_class": offering_class}
