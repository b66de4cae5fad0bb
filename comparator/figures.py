"""Figures that a comparison holds besides its ratio: by part, by year, by meter, by duration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from comparator.api import ApiTokens
from comparator.comparison import Comparison, Cost, Term
from comparator.cost import HOURS_A_YEAR
from comparator.machine_serving import MachineServing
from comparator.machine_training import MachineTraining
from comparator.ratio import Evaluation, priced
from comparator.way import Prices


def figures(
    evaluation: Evaluation, comparison: Comparison, prices: Prices | None
) -> dict[str, Decimal]:
    """By name, the parts of an answer that people ask for and that claims are set beside.

    `prices` is asked for the machine's on-demand price, and for the rate of a machine that has one
    of its own.
    """
    way = evaluation.workload.self_host
    figures = _ratios(comparison)
    if isinstance(way, ApiTokens):
        return figures | _by_price(comparison)
    if isinstance(way, MachineTraining | MachineServing) and prices:
        figures |= _unsigned(way, comparison, prices)
    if isinstance(way, MachineTraining):
        figures |= _by_part(way, comparison) | _by_duration(way, comparison)
        return figures | _by_year(way, comparison, prices)
    if isinstance(way, MachineServing):
        return figures | way.figures(comparison)
    return figures


def _ratios(comparison: Comparison) -> dict[str, Decimal]:
    ratio, ours, api = comparison.ratio, comparison.self_host.value, comparison.api.value
    figures = {
        "ratio, lowest": ratio.low,
        "ratio, both costs low": ours.low / api.low,
        "ratio": ratio.point,
        "ratio, both costs high": ours.high / api.high,
        "ratio, highest": ratio.high,
    }
    return {"ratio": ratio.point} if ratio.certain else figures


def _unsigned(
    way: MachineTraining | MachineServing, comparison: Comparison, prices: Prices
) -> dict[str, Decimal]:
    """What the work would come to at the book's rate, for who signed another: a list price that was
    cut since then makes a signed rate dear without moving it."""
    if not way.machine.own_rate:
        return {}
    listed = replace(way, machine=replace(way.machine, own_rate=None))
    found = {series: prices(series) for series in listed.needs()}
    if any(price is None or price.amount is None for price in found.values()):
        return {}
    price_of = {series: priced(price) for series, price in found.items() if price}.__getitem__
    cost, rate = _point(listed.terms(price_of)), _point(listed.machine.rate(price_of))
    figures = {"ratio at the book's rate": cost / comparison.api.value.point}
    if rate:
        figures["own rate / the book's"] = _point(way.machine.rate(price_of)) / rate
    return figures


def _point(terms: Iterable[Term]) -> Decimal:
    return sum((term.value.point for term in terms), Decimal(0))


def _by_price(comparison: Comparison) -> dict[str, Decimal]:
    """The API's prices over the candidate's and the other way round, by meter and for the mix."""
    candidate, api = (
        {term.name: q.value.point for term in side.terms for q in term.times if q.price}
        for side in (comparison.self_host, comparison.api)
    )
    figures = {"API / candidate": 1 / comparison.ratio.point}
    for name in candidate.keys() & api.keys():
        if candidate[name] and api[name]:
            figures[f"{name} price, candidate / API"] = candidate[name] / api[name]
            figures[f"{name} price, API / candidate"] = api[name] / candidate[name]
    return dict(sorted(figures.items()))


def _by_part(way: MachineTraining, comparison: Comparison) -> dict[str, Decimal]:
    """The machine's and the engineer's part of a run."""
    unit, api = comparison.self_host.unit, comparison.api.value
    terms = tuple(term for term in comparison.self_host.terms if term not in way.besides)
    machines, people = Cost(unit, terms).value, Cost(unit, way.people).value.point
    if not people:
        return {}
    return {
        "machine, a run": machines.point,
        "engineer, a run": people,
        "engineer, share of the cost": people / comparison.self_host.value.point,
        "machine alone, ratio, lowest": machines.low / api.high,
        "machine alone, ratio, highest": machines.high / api.low,
    }


def _by_duration(way: MachineTraining, comparison: Comparison) -> dict[str, Decimal]:
    """The run by the hours that were given beside the run by its measured speed."""
    other, unit, api = way.alternative, comparison.self_host.unit, comparison.api.value.point
    if not other:
        return {}
    costs = {each.by: Cost(unit, each.terms(comparison.price)).value.point for each in (way, other)}
    hours, measured = costs["by hours given"], costs["by measured speed"]
    return {
        "a run, by hours given": hours,
        "a run, by measured speed": measured,
        "ratio, by hours given": hours / api,
        "ratio, by measured speed": measured / api,
        "by hours given / by measured speed": hours / measured,
    }


def _by_year(
    way: MachineTraining, comparison: Comparison, prices: Prices | None
) -> dict[str, Decimal]:
    """A reservation's year, and the share of its hours from which on it beats on demand."""
    if not (way.machine.committed and way.runs):
        return {}
    runs, whole = way.runs.value.point, comparison.self_host.value.point
    besides = Cost(comparison.self_host.unit, way.besides).value.point
    machine = (whole - besides) * runs
    figures = {
        "whole cost, a run": whole,
        "runs that fit in a day": way.capacity / 365,
        "runs that fit in a year": way.capacity,
        "machine, a year": machine,
        "whole cost, a year": whole * runs,
    }
    on_demand = prices(way.machine.on_demand) if prices else None
    if on_demand and on_demand.amount:
        rate = machine / HOURS_A_YEAR.value.point / way.machines.value.point
        figures[f"{way.machine.bought.name} / on demand, an hour"] = rate / on_demand.amount
    return figures
