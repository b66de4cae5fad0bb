"""Why a ratio moved: the exact, additive share of every input in ln(after / before).

LMDI-I (Ang, "The LMDI approach to decomposition analysis", Energy Policy 33, 2005). With the
logarithmic mean L(u, v) = (u - v) / ln(u / v), a term c of a cost C has the part
(c1 - c0) / L(C1, C0) in ln(C1 / C0), and within the term a factor x of power p has the part
p ln(x1 / x0) L(c1, c0) / L(C1, C0). The parts add up to the whole, in whatever order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from math import prod
from typing import Any, TypeAlias

from comparator.event import Cause
from pricebook.quote import digits

Snapshot: TypeAlias = Mapping[str, Any]
"""What `Evaluation.snapshot` gave."""

_Inputs: TypeAlias = Mapping[str, Mapping[str, Any]]

_DIGITS = 50
"""Working precision: a price may move by 1e-10 of itself, and logarithms of ratios so close to 1
lose as many digits. Results have the usual 28."""


def causes(before: Snapshot, after: Snapshot) -> tuple[Cause, ...]:
    """Every input that moved, the greatest share first; the shares add up to 1.

    Inputs that came in the place of others are one cause with them. Shares are None when the whole
    is nothing or can't be split: moves that cancel out exactly, a cost that was or is zero, a time
    without numbers.
    """
    found = _found(before, after)
    whole = sum(part.log for part in found)
    split = {name for part in found for name in part.names}
    others = (_Part({name}) for name in _moved(before, after) if name not in split)
    caused = [_cause(part, before, after, part.log / whole if whole else None) for part in found]
    caused += [_cause(part, before, after, None) for part in others]
    return tuple(sorted(caused, key=_weight, reverse=True))


def parts(before: Snapshot, after: Snapshot) -> dict[str, Decimal]:
    """Each cause's part of ln(ratio after / ratio before); empty when there is no whole."""
    return {_label(part, before, after): part.log for part in _found(before, after)}


@dataclass(frozen=True, slots=True)
class _Part:
    """Of ln(after / before), due to these inputs together; `terms`: what came or went with them."""

    names: Set[str]
    log: Decimal = Decimal(0)
    terms: tuple[str, ...] = ()

    def __add__(self, other: _Part) -> _Part:
        names = frozenset(self.names | other.names)
        return _Part(names, self.log + other.log, self.terms + other.terms)


@dataclass(frozen=True, slots=True)
class _Term:
    """A term at one time: its factors' values and powers."""

    values: Mapping[str, Decimal]
    powers: Mapping[str, int]

    def factor(self, name: str) -> Decimal:
        """The quantity to its power; 1 when it is not in the term."""
        return self.values[name] ** self.powers[name] if name in self.values else Decimal(1)

    @property
    def value(self) -> Decimal:
        return prod((self.factor(name) for name in self.values), start=Decimal(1))


class _Change:
    """One side's cost before and after, by term."""

    def __init__(self, before: dict[str, _Term], after: dict[str, _Term]) -> None:
        self._terms = {name: (before.get(name), after.get(name)) for name in before | after}
        self._before, self._after = before, after
        self.before = sum((term.value for term in before.values()), Decimal(0))
        self.after = sum((term.value for term in after.values()), Decimal(0))

    def parts(self) -> Iterator[_Part]:
        """Of ln(after / before) of this cost."""
        whole = _mean(self.after, self.before)
        for name, (before, after) in self._terms.items():
            if before and after and before.value and after.value:
                weight = _mean(after.value, before.value) / whole
                yield from _factors(before, after, weight)
            else:
                change = (after.value if after else 0) - (before.value if before else 0)
                yield _Part(self._blamed(before, after), Decimal(change) / whole, (name,))

    def _blamed(self, before: _Term | None, after: _Term | None) -> Set[str]:
        """For a term that was or is zero, which has no logarithm: the inputs that are zero, else
        those that no other time has."""
        values = [each.values for each in (before, after) if each]
        zeros = {name for each in values for name, value in each.items() if not value}
        return zeros or {name for each in values for name in each if not self._stayed(name)}

    def _stayed(self, name: str) -> bool:
        return all(
            any(name in term.values for term in terms.values())
            for terms in (self._before, self._after)
        )


def _found(before: Snapshot, after: Snapshot) -> list[_Part]:
    if not (before and after):
        return []
    found: list[_Part] = []
    with localcontext() as context:
        context.prec = _DIGITS
        for side, sign in (("self_host", 1), ("api", -1)):
            change = _Change(_terms(before, side), _terms(after, side))
            if not (change.before and change.after):
                return []
            found += (replace(part, log=sign * part.log) for part in change.parts())
        joined = _joined(found)
    return [replace(part, log=+part.log) for part in joined if part.log]


def _joined(found: Iterable[_Part]) -> list[_Part]:
    """Those that have an input in common made one."""
    joined: list[_Part] = []
    for part in found:
        kin = [each for each in joined if each.names & part.names]
        joined = [*(each for each in joined if each not in kin), sum(kin, part)]
    return joined


def _factors(before: _Term, after: _Term, weight: Decimal) -> Iterator[_Part]:
    """Each by itself, but those that replace others in one: apart, they depend on their units."""
    both = before.values.keys() & after.values.keys()
    for name in sorted(both):
        yield _Part({name}, weight * _log(before, after, name))
    exchanged = (before.values.keys() | after.values.keys()) - both
    yield _Part(exchanged, weight * sum(_log(before, after, name) for name in exchanged))


def _log(before: _Term, after: _Term, name: str) -> Decimal:
    return (after.factor(name) / before.factor(name)).ln()


def _mean(u: Decimal, v: Decimal) -> Decimal:
    """The logarithmic mean; L(u, u) = u."""
    return u if u == v else (u - v) / (u / v).ln()


def _terms(snapshot: Snapshot, side: str) -> dict[str, _Term]:
    return {term["name"]: _term(term, snapshot["inputs"]) for term in snapshot[side]}


def _term(term: Mapping[str, Any], inputs: Mapping[str, Any]) -> _Term:
    powers: dict[str, int] = defaultdict(int)
    for names, sign in ((term["times"], 1), (term["per"], -1)):
        for name in names:
            powers[name] += sign
    return _Term({name: Decimal(inputs[name]["value"]) for name in powers}, powers)


def _weight(cause: Cause) -> Decimal:
    return abs(cause.share or Decimal(0))


def _moved(before: Snapshot, after: Snapshot) -> list[str]:
    old, new = _inputs(before), _inputs(after)
    return [name for name in {**new, **old} if _value(old, name) != _value(new, name)]


def _inputs(snapshot: Snapshot) -> _Inputs:
    inputs: _Inputs = snapshot.get("inputs", {})
    return inputs


def _value(inputs: _Inputs, name: str) -> Decimal | None:
    return Decimal(inputs[name]["value"]) if name in inputs else None


def _cause(part: _Part, before: Snapshot, after: Snapshot, share: Decimal | None) -> Cause:
    old, new = _inputs(before), _inputs(after)
    names = _told(part, old, new)
    points = (each[name] for each in (new, old) for name in names if name in each)
    evidence: Mapping[str, str] = next(filter(None, (p.get("evidence") for p in points)), {})
    label = _label(part, before, after)
    return Cause(label, _words(old, names, label), _words(new, names, label), share, evidence)


def _label(part: _Part, before: Snapshot, after: Snapshot) -> str:
    """What came, else what went, else what is in both; terms where no input is new."""
    old, new = _inputs(before), _inputs(after)
    names = _told(part, old, new)
    came, went = ([name for name in names if name not in other] for other in (old, new))
    return ", ".join(came or went or names or part.terms)


def _told(part: _Part, old: _Inputs, new: _Inputs) -> list[str]:
    """The inputs in the order of the formulas, without those that only define the work."""
    every = {**new, **old}
    names = [name for name in every if name in part.names]
    return [name for name in names if every[name].get("kind") != "definition"] or names


def _words(inputs: _Inputs, names: Iterable[str], label: str) -> str:
    """Values with units; with names, too, where the label is not theirs."""
    known = {name: inputs[name] for name in names if name in inputs}
    values = {n: f"{digits(Decimal(each['value']))} {each['unit']}" for n, each in known.items()}
    if [*values] == [label]:
        return values[label]
    return "; ".join(f"{name} {words}" for name, words in values.items()) or "not counted"
