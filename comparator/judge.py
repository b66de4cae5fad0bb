"""One run of the comparator, inside the transaction that wrote the prices: ratios, states, events.

Either all of it is recorded or none, so a crash loses no crossing and tells none twice.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection

from comparator import ledger
from comparator.event import Event
from comparator.facts import Facts
from comparator.news import with_evidence
from comparator.observing import observation, told_event
from comparator.ratio import Evaluation, evaluate
from comparator.rules.ahead import Ahead
from comparator.rules.crossing import Crossing
from comparator.rules.machine import step
from comparator.rules.price_change import PriceChange
from comparator.rules.rulebook import Rule, check_rules
from comparator.rules.source_health import Reviews, SourceHealth
from comparator.rules.state import FRESH, UNKNOWN, State, instant
from comparator.rules.told import Memory, News
from comparator.way import Prices
from comparator.workload import Workload
from pricebook.book import Change
from pricebook.offers import offers
from pricebook.quote import canonical, isoformat

_ToldOnce: TypeAlias = PriceChange | Ahead | SourceHealth | Reviews

_Stored: TypeAlias = Mapping[str, Any]
"""Of a rule: `kind`, `rule` (whom it told what), and what a restart of it needs."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a run found: every workload's evaluation, and the events that were recorded."""

    evaluations: tuple[Evaluation, ...]
    events: tuple[Event, ...]


def judge(
    connection: Connection,
    workloads: Sequence[Workload],
    rules: Sequence[Rule],
    receivers: Collection[str],
    prices: Prices,
    at: datetime,
    changes: Sequence[Change] = (),
) -> Judged:
    """Evaluate all workloads as of `at`, step all rules, and record what became of them.

    `rules` are all there are: one with a stored state that isn't among them was removed.
    `receivers`: the names of those that exist. `changes`: what this run has changed of prices.
    Nothing is committed here. ConfigError when a rule speaks of a workload or a receiver that
    doesn't exist.
    """
    check_rules(rules, workloads, receivers)
    ledger.take_turn(connection)
    known = offers(connection, at)
    evaluations = {workload.name: evaluate(workload, prices, at, known) for workload in workloads}
    for evaluation in evaluations.values():
        ledger.store_ratio(connection, evaluation)
    run = _Run(connection, Facts(connection, prices, at, changes), evaluations, receivers)
    return Judged(tuple(evaluations.values()), tuple(run.judge(rules)))


@dataclass(frozen=True, slots=True)
class _Run:
    connection: Connection
    facts: Facts
    evaluations: Mapping[str, Evaluation]
    receivers: Collection[str]

    def judge(self, rules: Sequence[Rule]) -> list[Event]:
        """Step every rule, and close those that are no more."""
        kinds = {rule.name: type(rule).__name__ for rule in rules}
        stored = ledger.stored_states(self.connection)
        void = sorted(name for name in stored if kinds.get(name) != stored[name]["kind"])
        events = [self._closed(name, stored.pop(name), removed=name not in kinds) for name in void]
        for rule in rules:
            known = stored.get(rule.name)
            if isinstance(rule, Crossing):
                events += self._crossing(rule, known)
            else:
                events += self._told_once(rule, known)
        return events

    def _crossing(self, rule: Crossing, stored: _Stored | None) -> list[Event]:
        before = State.restore(stored["state"]) if stored else State()
        told = stored["told"] if stored else {}
        now = self.evaluations[rule.workload]
        after, transitions = step(rule, before, observation(rule, now, before, told, self.facts))
        events = [told_event(rule, transition, told, now) for transition in transitions]
        for event, transition in zip(events, transitions, strict=True):
            self._record(event, rule.receivers if transition.send else ())
        if transitions or before.name == UNKNOWN:
            told = now.snapshot() or told
        columns = {
            "state": after.name,
            "health": after.health,
            "watermark": after.watermark,
            "semantics": after.semantics,
        }
        self._store(rule, columns, {"state": after.as_dict(), "told": told, "open": after.paged})
        return events

    def _told_once(self, rule: _ToldOnce, stored: _Stored | None) -> list[Event]:
        """The rules that are no crossings; an edited one takes what it finds for known."""
        at, semantics = self.facts.at, _digest(rule)
        edited = stored is not None and stored["semantics"] != semantics
        memory, since = ({}, at) if edited or not stored else _remembered(stored)
        memory, news = _news(rule, memory, self.facts, since)
        events = [with_evidence(one, self.facts.prices).event(rule, at) for one in news]
        if edited:
            words = "The rule was edited; what it finds now counts as known."
            events = [News("rule_edited", "watching", words).event(rule, at)]
        for event in events:
            self._record(event, () if edited else rule.receivers)
        until = max(since, at)
        columns = {"state": "watching", "health": FRESH, "watermark": until, "semantics": semantics}
        self._store(rule, columns, {"memory": memory, "until": isoformat(until), "open": False})
        return events

    def _closed(self, name: str, stored: _Stored, *, removed: bool) -> Event:
        """An episode that was told ends with its rule, and whoever was told learns why."""
        kind, what = ("rule_removed", "removed") if removed else ("rule_edited", "edited")
        ended = " That ends the episode that was open; it isn't resolved." if stored["open"] else ""
        known = stored["rule"]
        event = Event(
            secrets.token_hex(8),
            name,
            kind,
            what,
            self.facts.at,
            workload=known["workload"],
            severity=known["severity"],
            threshold=known["threshold"],
            since=State.restore(stored["state"]).since if stored["open"] else None,
            text=f"The rule was {what}.{ended}",
        )
        told = [one for one in known["receivers"] if one in self.receivers]
        self._record(event, told if stored["open"] else ())
        ledger.drop_state(self.connection, name)
        return event

    def _record(self, event: Event, receivers: Collection[str]) -> None:
        ledger.record(self.connection, event, receivers)

    def _store(self, rule: Rule, columns: Mapping[str, Any], details: Mapping[str, Any]) -> None:
        known = {
            "receivers": list(rule.receivers),
            "workload": rule.workload if isinstance(rule, Crossing) else "",
            "severity": rule.severity,
            "threshold": rule.threshold,
        }
        kept = {"kind": type(rule).__name__, "rule": known, **details}
        ledger.store_state(self.connection, rule.name, columns, kept)


def _remembered(stored: _Stored) -> tuple[Memory, datetime]:
    return stored["memory"], instant(stored["until"])


def _news(
    rule: _ToldOnce, memory: Memory, facts: Facts, since: datetime
) -> tuple[Memory, list[News]]:
    if isinstance(rule, PriceChange):
        return rule.moved(memory, facts.changes_since(since))
    if isinstance(rule, Ahead):
        return rule.near(memory, facts.announced.coming(rule), facts.at)
    if isinstance(rule, SourceHealth):
        return rule.watch(memory, facts.standings, facts.at)
    return rule.open(memory, facts.waiting)


def _digest(rule: _ToldOnce) -> str:
    """Of what a rule is about: not of whom it tells."""
    about = getattr(rule, "prices", None) or getattr(rule, "sources", ())
    meaning = canonical([rule.threshold, repr(about)])
    return hashlib.sha256(meaning.encode()).hexdigest()[:16]
