"""What a workload costs both ways at one time, and which prices and assumptions say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from comparator.comparison import Comparison, Quantity
from comparator.interval import Interval
from comparator.spread import Outlook
from comparator.way import Discontinued, Prices, Unknown
from comparator.workload import Workload
from pricebook.label import label
from pricebook.offers import NOTHING_ELSE, Offers
from pricebook.quote import OBSERVED, UNITS, Price, Series, isoformat

FREE = "{} may cost nothing: no ratio"


@dataclass(frozen=True)
class Evaluation:
    """A workload at one time. `comparison` None: unknown, and `reason` names what is missing.

    Costs and ratio are p10, the figure at all points, and p90 (`comparator.spread`). `workload`
    is by the measurements of that time, where it has any; `calculation` is that of the workload
    as configured. `notes`: what was known by then of the end of an offer, in sentences. `gone`:
    what is missing is sold no more.
    """

    workload: Workload
    at: datetime
    calculation: str
    comparison: Comparison | None
    reason: str = ""
    notes: tuple[str, ...] = ()
    gone: bool = False

    @cached_property
    def outlook(self) -> Outlook | None:
        """How sure costs and ratio are: drawn when it is asked for."""
        return None if self.comparison is None else Outlook.of(self.comparison)

    @property
    def health(self) -> str:
        """Fresh, unknown or gone; how old a source may be is for the rules to say."""
        if self.gone:
            return "gone"
        return "unknown" if self.comparison is None else "fresh"

    @property
    def self_host(self) -> Interval | None:
        """Cost of self-hosting (of the candidate, for kind `api`) in the workload's unit."""
        return self.outlook.self_host.range if self.outlook else None

    @property
    def api(self) -> Interval | None:
        """Cost by API in the workload's unit."""
        return self.outlook.api.range if self.outlook else None

    @property
    def ratio(self) -> Interval | None:
        """`self_host` / `api`: above 1 the API is cheaper."""
        return self.outlook.ratio.range if self.outlook else None

    @property
    def prices(self) -> tuple[Price, ...]:
        """The prices that went in."""
        quantities = self.comparison.quantities if self.comparison else ()
        return tuple(quantity.price for quantity in quantities if quantity.price)

    @property
    def verdict(self) -> str:
        """One clause: which way is cheaper, by how much, how sure."""
        if self.ratio is None:
            return f"unknown: {self.reason}"
        return _verdict(self.ratio, self.workload.self_host.title, self.workload.api.title)

    def as_dict(self) -> dict[str, Any]:
        """One row of `ratios --json` (docs/json.md)."""
        quantities = self.comparison.quantities if self.comparison else ()
        return {
            "workload": self.workload.name,
            "at": isoformat(self.at),
            "self_host": self.self_host and self.self_host.as_dict(),
            "api": self.api and self.api.as_dict(),
            "ratio": self.ratio and self.ratio.as_dict(),
            "unit": self.workload.unit,
            "health": self.health,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "inputs": [_input(quantity) for quantity in quantities],
        }

    def snapshot(self) -> dict[str, Any]:
        """What `attribution` needs to say later what moved since: JSON, empty when unknown."""
        if self.comparison is None:
            return {}
        return {
            "self_host": [term.as_dict() for term in self.comparison.self_host.terms],
            "api": [term.as_dict() for term in self.comparison.api.terms],
            "inputs": {q.name: _point(q) for q in self.comparison.quantities},
        }


def evaluate(
    workload: Workload, prices: Prices, at: datetime, offers: Offers = NOTHING_ELSE
) -> Evaluation:
    """Both costs and their ratio; no numbers when a price is missing or withdrawn, or is free.

    `offers` is asked for prices by the length of the prompt, and for ends that are announced.
    """
    told = workload.notes(at)
    try:
        known = workload.as_of(at)
        comparison = _compared(known, prices, offers)
    except Unknown as error:
        gone = isinstance(error, Discontinued)
        return Evaluation(
            workload, at, workload.calculation, None, str(error), notes=told, gone=gone
        )
    notes = (*told, *_ends(comparison, offers))
    return Evaluation(known, at, workload.calculation, comparison, notes=notes)


def _ends(comparison: Comparison, offers: Offers) -> Iterator[str]:
    for quantity in comparison.quantities:
        if quantity.price and (end := offers.ends(quantity.price.series)):
            yield f"no price is known from {end:%Y-%m-%d} on for {quantity.price.series}"


def _compared(workload: Workload, prices: Prices, offers: Offers) -> Comparison:
    found = {
        series: priced(in_force(series, workload.price(series, prices, offers)))
        for series in workload.needs()
    }
    comparison = workload.compare(found.__getitem__)
    for side, way in ((comparison.self_host, workload.self_host), (comparison.api, workload.api)):
        if side.may_be_free:
            raise Unknown(FREE.format(way.title))
    return comparison


def in_force(series: Series, price: Price | None) -> Price:
    """The price; Unknown when there is none, or it is withdrawn."""
    if price is None:
        raise Unknown(f"no price known for {series}")
    if price.amount is None:
        # An announced end says that the next price isn't known, not that there will be none.
        error = Discontinued if price.basis == OBSERVED else Unknown
        raise error(f"withdrawn on {price.valid_from:%Y-%m-%d}: {price.series}")
    return price


def priced(price: Price) -> Quantity:
    """A price of the book as a quantity; ValueError when it is withdrawn."""
    series = price.series
    if price.amount is None:
        raise ValueError(f"{series} is withdrawn")
    unit = f"{series.currency} for {UNITS[series.unit]}"
    source = f"{price.source}, {price.basis} from {price.valid_from:%Y-%m-%d}"
    value = Interval.exactly(price.amount)
    return Quantity(label(series), unit, value, source, "price", price)


def _verdict(ratio: Interval, self_host: str, api: str) -> str:
    if ratio.low > 1:
        return f"{api} is cheaper"
    if ratio.high < 1:
        return f"{self_host} is cheaper"
    if ratio.certain:
        return f"{self_host} and {api} cost the same"
    return f"undecided: {api if ratio.point > 1 else self_host} is cheaper at the central figures"


def _input(quantity: Quantity) -> Mapping[str, Any]:
    if quantity.price:
        return {"kind": "price", "name": quantity.name, **quantity.price.as_dict()}
    return {
        "kind": quantity.kind,
        "name": quantity.name,
        **quantity.value.as_dict(),
        "unit": quantity.unit,
        "source": quantity.source,
    }


def _point(quantity: Quantity) -> Mapping[str, Any]:
    point = {
        "value": str(quantity.value.point),
        "unit": quantity.unit,
        "kind": quantity.kind,
    }
    return point | ({"evidence": evidence(quantity.price)} if quantity.price else {})


def evidence(price: Price) -> Mapping[str, str]:
    """Where the price was read, and when; only what is known."""
    known = {
        "source": price.source,
        "quoted": price.quoted,
        "where": price.where,
        "url": price.url,
        "recorded_at": isoformat(price.recorded_at),
        "valid_from": isoformat(price.valid_from),
    }
    return {name: value for name, value in known.items() if value}
