"""The words of a message, the same on every channel: plain texts of one line, without markup.

Product names and quoted cells come from pages that other people write, so everything passes
through `clean` before it is shown anywhere.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal
from itertools import dropwhile, islice

from comparator.event import KINDS, Cause, Event, Range
from comparator.notice import Notice, Point, Story
from pricebook.quote import isoformat

_LEADS = {
    "initial": "Already so",
    "fired": "Fired",
    "worsened": "Worse",
    "resolved": "Over",
    "discontinued": "Discontinued",
    "price_changed": "Price changed",
    "price_scheduled": "Price announced",
    "offer_closes": "Offer closes",
    "taken_back": "Taken back",
    "source_stale": "Source stale",
    "source_error": "Source failing",
    "source_recovered": "Source back",
    "needs_review": "Needs review",
    "rule_edited": "Rule edited",
    "rule_removed": "Rule removed",
    "undelivered": "Not delivered",
    "reminder": "Still so",
    "test": "Test",
}

_TOLD_LATE = {
    "initial": "was already so",
    "fired": "began",
    "worsened": "got worse",
    "resolved": "was over",
}
"""What an event did that is told together with what came after it."""

_COMMANDS = {
    "source_stale": "breakeven sources",
    "source_error": "breakeven sources",
    "source_recovered": "breakeven sources",
    "needs_review": "breakeven review",
    "undelivered": "breakeven status",
}

_WAYS = {"self-hosting": "Self-hosting", "the API": "The API"}
"""Other ways are called by a model's id, which stays as it is."""

_INVISIBLE = {"Cc", "Cf", "Cs"}
"""Unicode categories: controls, formats (direction overrides, zero-width), lone surrogates."""

_LINKABLE = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[^\s<>|\"'`\\]*)?")
_LONGEST_LINK = 400

_LARGEST_PLAIN, _SMALLEST_PLAIN = 15, -6
"""Powers of ten between which a figure is written out."""

_BLOCKS, _GAP = "▁▂▃▄▅▆▇█", "·"
_COLUMNS = 32
"""Of a sparkline: what a phone shows on one line."""


def clean(text: str, limit: int) -> str:
    """`text` as one line of visible characters, at most `limit` of them, cut with an ellipsis."""
    line = " ".join(text.split())
    visible = (char for char in line if unicodedata.category(char) not in _INVISIBLE)
    kept = "".join(islice(visible, limit + 1))
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def title(notice: Notice) -> str:
    """The whole message in one line."""
    if len(notice.stories) == 1:
        return headline(notice.stories[0].event)
    kinds = [_LEADS.get(story.event.kind, story.event.kind).lower() for story in notice.stories]
    counts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    return f"{len(notice.stories)} changes: {', '.join(counts)}"


def headline(event: Event) -> str:
    """What happened, for a notification of one line."""
    words = f"{_LEADS.get(event.kind, event.kind)}: {subject(event)}"
    if event.after is None:
        return words
    before = f", was {figure(event.before.point)}" if event.before else ""
    return f"{words}: {_measure(event)[0]} {figure(event.after.point)}{before}"


def subject(event: Event) -> str:
    """The rule and the workload that it is about."""
    return ", ".join(part for part in (event.rule, event.workload) if part)


def summary(story: Story) -> str:
    """What it means, in a few sentences; first what came before it and wasn't told yet."""
    event = story.event
    kind = KINDS.get(event.kind, event.kind)
    kind = kind[:1].upper() + kind[1:]
    verdict = f"Now {event.verdict}." if event.verdict else ""
    return " ".join(filter(None, (*_untold(story), event.text or f"{kind}.", verdict)))


def _untold(story: Story) -> Iterator[str]:
    for event in story.events[:-1]:
        did = _TOLD_LATE.get(event.kind, KINDS.get(event.kind, event.kind))
        figures = f" at {figure(event.after.point)}" if event.after else ""
        yield f"It {did} on {moment(event.at)}{figures}, which couldn't be told then."


def facts(event: Event) -> list[tuple[str, str]]:
    """Labels and values; what is unknown is left out."""
    costs = [
        (clean(_WAYS.get(name, name), 60), f"{spread(cost)} {event.cost_unit}")
        for name, cost in event.costs.items()
    ]
    name, unit = _measure(event)
    name = name[:1].upper() + name[1:]
    pairs = [
        (f"{name} now", event.after and f"{spread(event.after)}{unit}"),
        (f"{name} before", event.before and f"{spread(event.before)}{unit}"),
        *costs,
        ("Rule", event.rule),
        ("Threshold", event.threshold),
        ("Workload", event.workload),
        ("Since", moment(event.since)),
        ("Seen", moment(event.at)),
        ("Severity", event.severity),
    ]
    return [(label, value) for label, value in pairs if value]


def _measure(event: Event) -> tuple[str, str]:
    """What `before` and `after` are, and what stands behind their figures."""
    name, _, unit = event.measure.partition(", ")
    return name, f" {unit}" if unit else ""


def back(event: Event) -> str:
    """What alone would end it; "" when nothing is known to."""
    return f"It would be over with {', or '.join(event.flips)}." if event.flips else ""


def course(points: Sequence[Point], until: datetime) -> str:
    """The ratio through time as a line of blocks with its ends; "" for less than two changes."""
    points = since_known(points)
    known = [point.ratio.point for point in points if point.ratio]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    begin, step = points[0].at, (until - points[0].at) / (_COLUMNS - 1)
    drawn = "".join(
        _block(_held(points, begin + column * step), low, high) for column in range(_COLUMNS)
    )
    return f"{drawn} {figure(low)} to {figure(high)}, {begin:%Y-%m-%d} to {until:%Y-%m-%d}"


def since_known(points: Sequence[Point]) -> Sequence[Point]:
    """From the first one on at which the ratio was known."""
    return list(dropwhile(lambda point: point.ratio is None, points))


def _held(points: Sequence[Point], at: datetime) -> Decimal | None:
    held = [point.ratio for point in points if point.at <= at]
    return held[-1].point if held and held[-1] else None


def _block(value: Decimal | None, low: Decimal, high: Decimal) -> str:
    if value is None:
        return _GAP
    part = (value - low) / (high - low) if high > low else Decimal("0.5")
    return _BLOCKS[int(part * (len(_BLOCKS) - 1))]


def movement(cause: Cause) -> str:
    """An input's change, and its share in the change of the ratio."""
    share = "" if cause.share is None else f" ({figure(100 * cause.share)} % of the change)"
    return f"{cause.input}: {cause.before} → {cause.after}{share}"


def source(cause: Cause) -> str:
    """Where the input was read (`comparator.ratio` says it): source, text, place and time."""
    formats = {"source": "{}", "quoted": "“{}”", "where": "{}", "recorded_at": "recorded {}"}
    known = {name: cause.evidence.get(name, "") for name in formats}
    parts = [form.format(known[name]) for name, form in formats.items() if known[name]]
    return ", ".join(parts)


def address(cause: Cause) -> str:
    """Where the input was read, when that is safe as a link; else ""."""
    url = cause.evidence.get("url", "")
    return url if len(url) <= _LONGEST_LINK and _LINKABLE.fullmatch(url) else ""


def followup(event: Event) -> str:
    """The command that shows more."""
    if event.workload:
        return f"breakeven explain {shlex.quote(event.workload)} --as-of {isoformat(event.at)}"
    return _COMMANDS.get(event.kind, "breakeven alerts")


def hush(event: Event) -> str:
    """The command that silences it for a while; "" for what no rule of the user's says."""
    if not event.rule or event.kind in ("test", "undelivered"):
        return ""
    return f"breakeven alerts silence {shlex.quote(event.rule)} --for 7d --reason WHY"


def reference(notice: Notice) -> str:
    """The message's id; for a repeat the warning that it may have come before."""
    if notice.repeat:
        return f"Possible repeat: an earlier try may have arrived, with the same id {notice.id}"
    return f"Event {notice.id}"


def spread(value: Range | None) -> str:
    """`0.93 (0.9 to 0.97)`; "" when unknown."""
    if value is None:
        return ""
    if value.low == value.high:
        return figure(value.point)
    return f"{figure(value.point)} ({figure(value.low)} to {figure(value.high)})"


def figure(value: Decimal) -> str:
    """Four significant digits, for people: 0.9312, 1,189."""
    short = Context(prec=4).plus(value).normalize()
    if _SMALLEST_PLAIN <= short.adjusted() <= _LARGEST_PLAIN:
        return f"{short:,f}"
    return f"{short:E}"


def moment(at: datetime | None) -> str:
    """`2026-08-21 14:05 UTC`; "" when unknown."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def span(time: timedelta) -> str:
    """`37.5 days`, `4 hours`: whichever is read at a glance."""
    hours = Decimal(int(time.total_seconds())) / 3600
    number, unit = (hours / 24, "days") if hours >= 48 else (hours, "hours")
    return f"{figure(number.quantize(Decimal('0.1')))} {unit}"
