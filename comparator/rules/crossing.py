"""Rules on a figure of a workload: its ratio, or a break-even, passes a threshold."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from comparator.event import Range
from comparator.rules import header
from comparator.rules.bounds import NUMBER, Bounds, number
from comparator.rules.header import SEVERITIES, Collecting
from comparator.rules.state import CRITICAL, WARN
from pricebook.config import Table
from pricebook.quote import canonical, digits, plain

MEASURES = ("ratio", "break-even volume", "break-even utilisation")

_WHEN = re.compile(
    rf"({'|'.join(MEASURES)}) (?:(falls below|rises above) ({NUMBER}|ours)"
    rf"|leaves ({NUMBER}) to ({NUMBER}))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Crossing:
    """One `[[rule]]` on a figure of a workload.

    It fires when the figure is past `fire`, and resolves when it is within `clear`, on the other
    side of the dead band between them. `ours`: the figure is a break-even as a multiple of the
    user's own volume or utilisation. `critical`: the second rung of the ladder, None when there is
    only one. `confirm` and `confirm_clear` count distinct looks; `hold` is how long the figure must
    also have been past `fire`. `certainty` definite: the whole range counts; point: its point.
    `first`: whether a threshold that is already passed at first sight is sent (notify) or only
    recorded (summary). `renotify_step`: how much further, as a part of what was told, it is told
    again, `cool_down` after the last message at the earliest; 0 is never. `max_gap`: how long may
    lie between two looks that are counted together. `max_age`: how old a price may be.
    """

    name: str
    workload: str
    fire: Bounds
    clear: Bounds
    receivers: tuple[str, ...] = ()
    measure: str = "ratio"
    ours: bool = False
    critical: Bounds | None = None
    confirm: int = 2
    confirm_clear: int = 2
    hold: timedelta = timedelta(0)
    certainty: str = "definite"
    first: str = "summary"
    severity: str = "warn"
    renotify_step: Decimal = Decimal("0.1")
    cool_down: timedelta = timedelta(days=1)
    max_gap: timedelta = timedelta(days=2)
    max_age: timedelta = timedelta(hours=18)

    @property
    def threshold(self) -> str:
        """The condition in words: `ratio falls below 1`."""
        return self._words(self.fire)

    def threshold_of(self, level: int) -> str:
        """That of a rung of the ladder."""
        return self._words(self.critical if self.critical and level == CRITICAL else self.fire)

    def severity_of(self, level: int) -> str:
        """How bad that rung is."""
        return SEVERITIES[1] if level == CRITICAL else self.severity

    def semantics(self, calculation: str) -> str:
        """Digest of what a state of this rule means, with how its figure is calculated.

        Counts, times and the ladder are no part of it: a state that waits for its second look goes
        on waiting when the count is changed, and its crossing is told.
        """
        levels = [*self.fire.texts, *self.clear.texts, self.ours, self.measure]
        meaning = [self.workload, *levels, self.certainty, calculation]
        return hashlib.sha256(canonical(meaning).encode()).hexdigest()[:16]

    def sure(self, value: Range) -> Range:
        """What of the range counts."""
        return value if self.certainty == "definite" else Range.exactly(value.point)

    def side(self, value: Range) -> str:
        """On which side it is past the threshold: below, above, "" when it isn't, or undecided."""
        return self.fire.passed_by(self.sure(value))

    def level(self, value: Range) -> int:
        """The rung of the ladder that it is past; 0 for none."""
        if self.critical and self.critical.passed_by(self.sure(value)):
            return CRITICAL
        return WARN if self.side(value) else 0

    def is_clear(self, value: Range) -> bool:
        """Whether it is back across the dead band."""
        return self.clear.holds(self.sure(value))

    def is_worse(self, value: Range, told: Range) -> bool:
        """Whether it is a whole step further than what was told, or past the other threshold."""
        side, now, then = self.side(value), self.sure(value), self.sure(told)
        if not side or side != self.side(told):
            return bool(side)
        if side == "below":
            return now.high < then.high and self._is_step(then.high - now.high, then.high)
        return now.low > then.low and self._is_step(now.low - then.low, then.low)

    def _is_step(self, moved: Decimal, of: Decimal) -> bool:
        return bool(self.renotify_step) and moved >= of * self.renotify_step

    def _words(self, bounds: Bounds) -> str:
        if not self.ours:
            return f"{self.measure} {bounds.words}"
        return f"{self.measure} {'rises above' if bounds.low is None else 'falls below'} ours"


def read_crossing(table: Table, words: str, collecting: Collecting) -> Crossing | None:
    """From one `[[rule]]` whose `when` is `words`; None when these are no words for a crossing.

    ConfigError when the rule could never fire, or never end.
    """
    match = _WHEN.fullmatch(words)
    if not match or (match[1], match[3]) == ("ratio", "ours"):
        return None
    fire = _fire(table, words, match)
    return Crossing(
        name=table.text("name"),
        workload=table.text("workload"),
        fire=fire,
        clear=_clear(table, match[1], fire),
        receivers=header.receivers(table),
        measure=match[1],
        ours=match[3] == "ours",
        critical=_critical(table, fire),
        confirm=_count(table, "confirm"),
        confirm_clear=_count(table, "confirm_clear"),
        hold=table.duration("for", "0s"),
        certainty=table.choice("certainty", ("definite", "point"), "definite"),
        first=table.choice("first", ("summary", "notify"), "summary"),
        severity=_severity(table),
        renotify_step=_step(table),
        cool_down=table.duration("cool_down", "1d"),
        max_gap=collecting.span(table, "max_gap", looks=8),
        max_age=collecting.span(table, "max_age", looks=3),
    )


def _fire(table: Table, words: str, match: re.Match[str]) -> Bounds:
    _, verb, level, low, high = match.groups()
    if verb is None:
        return _band(table, words, number(low), number(high))
    value = Decimal(1) if level == "ours" else number(level)
    if not value:
        never = "never fire" if verb == "falls below" else "never resolve"
        figure = f"a {match[1]} is never below 0"
        raise table.error("when", f"is {words!r}; {figure}, so it would {never}")
    return Bounds(low=value) if verb == "falls below" else Bounds(high=value)


def _band(table: Table, words: str, low: Decimal, high: Decimal) -> Bounds:
    if not low:
        what = f'nothing is below 0; write "rises above {plain(high)}"'
        raise table.error("when", f"is {words!r}; {what}")
    if low >= high:
        raise table.error("when", f"is {words!r}; the first number must be below the second")
    return Bounds(low, high)


def _clear(table: Table, measure: str, fire: Bounds) -> Bounds:
    if not table.has("clear"):
        return fire.dead_band()
    clear = fire.read(table, "clear")
    meets = clear.low is not None and clear.high is not None and clear.low >= clear.high
    if meets or not fire.encloses(clear) or _at_most_zero(clear.high):
        back = f"to resolve, the {measure} must come back to {_safe(fire)}"
        raise table.error("clear", f"is {table.raw('clear')}; {back}")
    return clear


def _at_most_zero(level: Decimal | None) -> bool:
    return level is not None and level <= 0


def _safe(fire: Bounds) -> str:
    if fire.low is None:
        return f"below {digits(fire.high or Decimal(0))} and above 0"
    if fire.high is None:
        return f"above {digits(fire.low)}"
    return f"a part of {digits(fire.low)} to {digits(fire.high)}"


def _critical(table: Table, fire: Bounds) -> Bounds | None:
    if not table.has("critical"):
        return None
    critical = fire.read(table, "critical")
    if not critical.encloses(fire) or _at_most_zero(critical.low):
        beyond = "it must be passed after the threshold, and be above 0"
        raise table.error("critical", f"is {table.raw('critical')}; {beyond}")
    return critical


def _severity(table: Table) -> str:
    severity = header.severity(table)
    if severity == SEVERITIES[1] and table.has("critical"):
        raise table.error("severity", "is critical from the start; leave it out, or `critical`")
    return severity


def _count(table: Table, key: str) -> int:
    count = table.integer(key, 2)
    if count < 1:
        raise table.error(key, f"is {count}; at least 1 look must say so")
    return count


def _step(table: Table) -> Decimal:
    step = table.decimal("renotify_step", Decimal("0.1"))
    if not (step.is_finite() and 0 <= step < 1):
        raise table.error("renotify_step", f"is {step}; write a part such as 0.1, or 0 for never")
    return step
