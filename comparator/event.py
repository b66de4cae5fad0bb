"""What happened to a rule, as it is stored, listed by `alerts --json` and sent to receivers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from comparator.interval import Interval
from pricebook.quote import isoformat

KINDS = {
    "initial": "already past the threshold when first seen",
    "fired": "crossed the threshold",
    "worsened": "went further past the threshold",
    "resolved": "came back across the threshold",
    "discontinued": "what it rests on is not sold any more",
    "price_changed": "a price changed",
    "price_scheduled": "a price is announced",
    "offer_closes": "an offer is about to end",
    "taken_back": "what was announced is not announced any more",
    "source_stale": "a source has not been read for too long",
    "source_error": "a source fails again and again",
    "source_recovered": "a source is read again",
    "needs_review": "the gate set a price aside",
    "rule_edited": "a rule or its workload was edited, and judged anew",
    "rule_removed": "a rule was removed",
    "undelivered": "a receiver doesn't get its messages",
    "reminder": "is still past the threshold",
    "test": "a test message",
}


Range = Interval
"""What rules and messages call the low, point and high of a ratio or a cost."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One input that moved: from what to what, and its exact share of the change.

    `share` is a part of ln(after / before) of the ratio; the shares of one event add up to 1.
    `evidence`: quoted text, place, address and time of reading, where a page or an API was read.
    """

    input: str
    before: str
    after: str
    share: Decimal | None
    evidence: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """One entry of `why` in `alerts --json`."""
        share = None if self.share is None else str(self.share)
        fields = {"input": self.input, "from": self.before, "to": self.after, "share": share}
        return fields | ({"evidence": dict(self.evidence)} if self.evidence else {})

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Cause:
        """The inverse of `as_dict`."""
        share = None if fields["share"] is None else Decimal(fields["share"])
        evidence = fields.get("evidence", {})
        return cls(fields["input"], fields["from"], fields["to"], share, evidence)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, told at most once per receiver.

    `id` is the same in every repeat of its messages. `since` is when the condition began (for
    `resolved`: when the episode began). `threshold` is the rule's words ("ratio falls below 1").
    `before`/`after` are the ratios at the last told state and now; `costs` the two costs now,
    by what a verdict calls each way ("self-hosting", "the API"), in `cost_unit` ("USD per run").
    `verdict`: which way is cheaper now. `measure`: what `before` and `after` are when they are no
    ratios, with its unit: "break-even volume, tokens a month".
    `flips`: for each input that could do it alone, in words, what would end the episode.
    """

    id: str
    rule: str
    kind: str
    state: str
    at: datetime
    workload: str = ""
    severity: str = "warn"
    threshold: str = ""
    since: datetime | None = None
    before: Range | None = None
    after: Range | None = None
    costs: Mapping[str, Range] = field(default_factory=dict)
    cost_unit: str = ""
    verdict: str = ""
    why: tuple[Cause, ...] = ()
    text: str = ""
    measure: str = "ratio"
    flips: tuple[str, ...] = ()

    def details(self) -> dict[str, Any]:
        """Everything but the columns of table `event`, as JSON."""
        return {
            "severity": self.severity,
            "threshold": self.threshold,
            "since": isoformat(self.since),
            "before": self.before and self.before.as_dict(),
            "after": self.after and self.after.as_dict(),
            "costs": {name: cost.as_dict() for name, cost in self.costs.items()},
            "cost_unit": self.cost_unit,
            "verdict": self.verdict,
            "why": [cause.as_dict() for cause in self.why],
            "text": self.text,
            "measure": self.measure,
            "flips": list(self.flips),
        }

    @classmethod
    def restore(cls, columns: Mapping[str, Any], details: Mapping[str, Any]) -> Event:
        """From the columns `id, rule, kind, state, at, workload` and what `details` gave."""
        since = details["since"]
        return cls(
            **columns,
            severity=details["severity"],
            threshold=details["threshold"],
            since=datetime.fromisoformat(since).astimezone(UTC) if since else None,
            before=Range.from_dict(details["before"]) if details["before"] else None,
            after=Range.from_dict(details["after"]) if details["after"] else None,
            costs={name: Range.from_dict(cost) for name, cost in details["costs"].items()},
            cost_unit=details["cost_unit"],
            verdict=details["verdict"],
            why=tuple(Cause.from_dict(cause) for cause in details["why"]),
            text=details["text"],
            measure=details["measure"],
            flips=tuple(details["flips"]),
        )
