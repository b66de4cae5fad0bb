"""How a ratio came about: every input with its source, the working with figures, the break-evens,
what would change the answer most, and what others printed beside what comes out here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from textwrap import shorten, wrap
from typing import Any

from comparator.comparison import Quantity, Term
from comparator.figures import figures
from comparator.interval import Interval
from comparator.ratio import Evaluation
from comparator.sensitivity import BreakEven, Sensitivity, break_evens, sensitivities, text
from comparator.spread import Outlook
from comparator.way import Prices
from comparator.workload import Claim
from pricebook.quote import isoformat


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that stands behind one evaluation; empty but for its reason when there are no numbers.

    `figures`: parts of the answer by name; a claim names the one that it is about.
    """

    evaluation: Evaluation
    figures: Mapping[str, Decimal]
    break_evens: tuple[BreakEven, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()

    @property
    def claims(self) -> tuple[tuple[Claim, Decimal | None], ...]:
        """What others printed, each with our figure at this time."""
        ours = {each.what: each.value for each in self.break_evens} | dict(self.figures)
        claims = self.evaluation.workload.claims
        return tuple((claim, ours.get(claim.figure)) for claim in claims)

    @property
    def not_counted(self) -> tuple[str, ...]:
        """Costs that no formula here has, of either way."""
        workload = self.evaluation.workload
        return tuple(dict.fromkeys(workload.self_host.leaves_out + workload.api.leaves_out))

    def as_dict(self) -> dict[str, Any]:
        """The answer of `explain --json`: a row of `ratios`, and what stands behind it."""
        outlook = self.evaluation.outlook
        return {
            **self.evaluation.as_dict(),
            "spread": outlook and outlook.ratio.as_dict(),
            "working": [*_working(self.evaluation)],
            "figures": {name: text(value) for name, value in self.figures.items()},
            "break_even": [each.as_dict() for each in self.break_evens],
            "sensitivity": [each.as_dict() for each in self.sensitivities],
            "claims": [_claim(*pair) for pair in self.claims],
            "not_counted": list(self.not_counted),
        }


def explain(evaluation: Evaluation, prices: Prices | None = None) -> Explanation:
    """Work out what stands behind an evaluation.

    `prices` is asked for the machine's on-demand price, to set a reservation against.
    """
    comparison = evaluation.comparison
    if comparison is None:
        return Explanation(evaluation, {})
    return Explanation(
        evaluation,
        figures(evaluation, comparison, prices),
        break_evens(evaluation.workload, comparison),
        sensitivities(evaluation.workload, comparison),
    )


def lines(explanation: Explanation) -> Iterator[str]:
    """The explanation for a terminal, line by line."""
    evaluation = explanation.evaluation
    yield f"{evaluation.workload.name}, {isoformat(evaluation.at)}"
    if evaluation.comparison is None or evaluation.outlook is None:
        yield f"  {evaluation.verdict}"
        yield from (f"  {note}" for note in evaluation.notes if note != evaluation.reason)
        return
    yield from _summary(evaluation, evaluation.outlook)
    yield from _section("To note", evaluation.notes)
    yield from _section("Inputs", map(_input, evaluation.comparison.quantities))
    yield from _section("Working, at the central figures", _working(evaluation))
    yield from _section("Figures", (f"{n}: {short(v)}" for n, v in explanation.figures.items()))
    yield from _section("Break-even", map(_break_even, explanation.break_evens))
    yield from _tornado(explanation.sensitivities)
    yield from _section("What moves the ratio", map(_sensitivity, explanation.sensitivities))
    yield from _section(
        "What others printed, at the prices of their day",
        (_printed(*pair) for pair in explanation.claims),
    )
    yield from _section("Not counted", explanation.not_counted)


def short(value: Decimal) -> str:
    """A figure for people: 4,000,000, 168,367.20, 84.1021, 0.000137256."""
    if value >= 1000:
        return f"{value:,.{0 if value >= 10**6 else 2}f}".removesuffix(".00")
    return f"{Decimal(f'{value:.6g}').normalize():f}"


def _summary(evaluation: Evaluation, outlook: Outlook) -> Iterator[str]:
    workload = evaluation.workload
    yield f"  {workload.self_host.title}: {_range(outlook.self_host.range)} {workload.unit}"
    yield f"  {workload.api.title}: {_range(outlook.api.range)} {workload.unit}"
    yield f"  ratio: {_range(outlook.ratio.range)}; {evaluation.verdict}"
    if not outlook.ratio.range.certain:
        chance = f"{outlook.ratio.below_one * 100:.1f} % of all cases"
        yield f"  ranges are p10 to p90; {workload.self_host.title} is cheaper in {chance}"


def _section(title: str, rows: Iterable[str]) -> Iterator[str]:
    wrapped = [line for row in rows for line in wrap(row, 96, subsequent_indent="    ")]
    if wrapped:
        yield from ("", title, *(f"  {line}" for line in wrapped))


def _input(quantity: Quantity) -> str:
    words = f"{quantity.name}: {_range(quantity.value)} {quantity.unit}; {quantity.source}"
    price = quantity.price
    if price is None:
        return words
    read = f"recorded {isoformat(price.recorded_at)}"
    quoted = f'"{price.quoted}"' if price.quoted else ""
    return ", ".join(part for part in (words, quoted, price.where, price.url, read) if part)


def _working(evaluation: Evaluation) -> Iterator[str]:
    comparison, workload = evaluation.comparison, evaluation.workload
    if comparison is None:
        return
    sides = ((workload.self_host, comparison.self_host), (workload.api, comparison.api))
    for way, side in sides:
        total, names = short(side.value.point), " + ".join(term.name for term in side.terms)
        yield f"{way.title} = {names} = {total} {side.unit}"
        yield from map(_term, side.terms)


def _term(term: Term) -> str:
    times = " x ".join(f"{short(q.value.point)} {q.name}" for q in term.times)
    per = "".join(f" / {short(q.value.point)} {q.name}" for q in term.per)
    return f"{term.name} = {times}{per} = {short(term.value.point)}"


def _break_even(found: BreakEven) -> str:
    if found.value is None:
        return f"{found.what}: never"
    words = f"{found.what}: {short(found.value)} {found.unit}"
    if found.feasible:
        return words
    return f"{words}: never, as {short(found.at_most or Decimal(0))} is the most that is possible"


def _sensitivity(found: Sensitivity) -> str:
    words = [f"{found.quantity.name}: {found.elasticity:+.3f} % for 1 %"]
    if found.swing > 1:
        ends = f"{short(found.at_low)} at its low, {short(found.at_high)} at its high"
        words.append(f"ratio {ends}")
    flip = (
        "no possible value" if found.flip is None else f"{short(found.flip)} {found.quantity.unit}"
    )
    return "; ".join([*words, f"ratio 1 at {flip}"])


def _tornado(found: Iterable[Sensitivity]) -> Iterator[str]:
    """A bar for each range, on one scale where equal distances are equal factors."""
    wide = [each for each in found if each.swing > 1]
    if not wide:
        return
    low = min(min(each.at_low, each.at_high) for each in wide)
    span = (max(max(each.at_low, each.at_high) for each in wide) / low).ln()
    yield from ("", "The ratio from each input's low to its high")
    for each in wide:
        ends = sorted((each.at_low, each.at_high))
        begin, end = (round((value / low).ln() / span * (_BAR - 1)) for value in ends)
        bar = " " * begin + "█" * (end - begin + 1)
        left, right = map(short, ends)
        name = shorten(each.quantity.name, _NAME, placeholder=" …")
        yield f"  {name:<{_NAME}} {left:>8} {bar:<{_BAR}} {right}"


_NAME, _BAR = 48, 28


def _printed(claim: Claim, ours: Decimal | None) -> str:
    here = f"{claim.figure} = {'unknown' if ours is None else short(ours)}"
    return f"{claim.id}: {claim.printed}; here {here}; {claim.note}"


def _claim(claim: Claim, ours: Decimal | None) -> dict[str, Any]:
    fields = {"id": claim.id, "printed": claim.printed, "figure": claim.figure}
    return fields | {"ours": text(ours), "note": claim.note}


def _range(value: Interval) -> str:
    if value.certain:
        return short(value.point)
    return f"{short(value.point)} ({short(value.low)} to {short(value.high)})"
