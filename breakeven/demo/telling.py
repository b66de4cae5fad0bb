"""How the demo tells what happened: one chapter a day, messages as their receivers see them."""

from __future__ import annotations

import html
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import click

from breakeven.demo.facts import Day
from breakeven.output import bold, table
from comparator.channels.wording import figure, spread
from comparator.event import Event
from comparator.ratio import Evaluation
from pricebook.book import Change
from pricebook.label import label
from pricebook.quote import plain
from pricebook.runs import Held
from scraper.collect import Entered

_WIDTH = 96
_LINK = re.compile(r"<([^|>\s]+)\|[^>]*>")

TRY = (
    'explain "article: one run on demand" --as-of 2023-10-11',
    "ratios --as-of 2025-06-25",
    "prices gpt-4o --as-of 2025-06-25",
    "history gpt-3.5-turbo",
    "alerts",
    "sources",
)


def introduce(pages: str, prices: str, mail_port: int) -> None:
    """What the reader is going to see."""
    words = (
        "Six days between October 2023 and August 2026, with the list prices of each. They are"
        " fetched over HTTP from pages built as the sellers build theirs, and from an AWS Price"
        " List API; kept with their history and evidence; compared; and told to a Slack webhook"
        " and a mail server. All of these run on this machine, and nothing leaves it."
    )
    addresses = f"pages {pages}   AWS prices {prices}   mail 127.0.0.1:{mail_port}"
    _say(bold("breakeven demo"), *_wrapped(words), addresses)


def begin(day: Day) -> None:
    """The head of a chapter."""
    date = f"━━ {day.at.day} {day.at:%B %Y} "
    _say("", bold(date.ljust(_WIDTH, "━")), *_wrapped(day.news), "")


def show_looks(looks: Sequence[tuple[datetime, Sequence[Entered]]]) -> None:
    """What each look at each source brought, and what was not believed at once."""
    times = [f"{at:%H:%M}" for at, _ in looks]
    sources = list(dict.fromkeys(one.partition for _, look in looks for one in look))
    done = {(one.partition, f"{at:%H:%M}"): _did(one) for at, look in looks for one in look}
    rows = [["  " + source, *(done.get((source, at), "") for at in times)] for source in sources]
    _say(table(rows, ["  three looks", *times]), "")
    for at, look in looks:
        _show_held(at, [held for one in look for held in one.held])


def show_changes(looks: Iterable[Entered]) -> None:
    """Every price that moved, and by how much."""
    rows = [
        _moved(change, look.at)
        for look in looks
        for change in look.changes
        if change.before is not None
    ]
    if rows:
        _say("  prices that moved", table(rows), "")


def show_ratios(found: Sequence[Evaluation], before: Mapping[str, Evaluation]) -> None:
    """The ratio of every workload, and what it was on the day before."""
    rows = [
        [f"    {one.workload.name}", spread(one.ratio), _was(one, before), one.verdict]
        for one in found
        if one.ratio
    ]
    _say("  cost of self-hosting : cost of the API", table(rows))
    for one in found:
        if not one.ratio:
            _say(*_wrapped(f"no ratio: {one.workload.name}: {one.reason}", "    "))
    _say("")


def show_event(event: Event) -> None:
    """That a rule has something to say."""
    _say(f"  {bold('EVENT')}  {event.rule}: {event.kind} ({event.threshold})", "")


def show_slack(message: Mapping[str, Any]) -> None:
    """A message as Slack shows it, without its colours."""
    _say(f"  {bold('SLACK')}")
    _box(line for block in message["blocks"] for line in _block_lines(block))


def show_mail(message: EmailMessage) -> None:
    """A mail's head, its text, and what it has beside the text."""
    body = message.get_body(("plain",))
    text = body.get_content().splitlines() if body else []
    more = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    head = [f"{name}: {message[name]}" for name in ("From", "To", "Subject")]
    _say(f"  {bold('MAIL')}  ({', '.join(more)})")
    _box([*head, "", *text])


def conclude(surprises: Sequence[str], keep: Path | None) -> None:
    """Whether all went as it should, and what to try next."""
    _say(bold("━" * _WIDTH))
    if surprises:
        _say("This did not go as it should:", *(f"  {surprise}" for surprise in surprises))
        return
    _say("Every step did what it should.")
    if keep is None:
        _say("`breakeven demo --keep DIR` keeps the database, to try every other command on it.")
        return
    _say(
        f"The database is kept in {keep}, the messages in {keep / 'messages'}. Try:",
        *(f"  breakeven --config {keep / 'breakeven.toml'} {words}" for words in TRY),
    )


def _did(one: Entered) -> str:
    counts = Counter(_kind(change, one.at) for change in one.changes)
    counts += Counter({"set aside": len(one.held)})
    words = ", ".join(f"{count} {what}" for what, count in counts.items())
    return f"{one.quotes} prices, {words or 'all as before'}" if one.quotes else one.outcome


def _kind(change: Change, at: datetime) -> str:
    if change.after is None:
        return "cancelled" if change.valid_from > at else "withdrawn"
    return "new" if change.before is None else "changed"


def _show_held(at: datetime, found: Sequence[Held]) -> None:
    if found:
        rows = [[f"    {what}", reason, why] for what, reason, why in map(_held, found)]
        _say(f"  set aside at {at:%H:%M}: a later look must say the same", table(rows), "")


def _held(one: Held) -> tuple[str, str, str]:
    if one.quote is None:
        return one.where, one.reason, one.text
    return label(one.quote.series), one.reason, one.text.replace(f"{one.quote.series}: ", "")


def _moved(change: Change, at: datetime) -> list[str]:
    series = change.series
    after = _kind(change, at) if change.after is None else str(plain(change.after))
    before = "" if change.before is None else str(plain(change.before))
    unit = f"{series.currency}/{series.unit}"
    return [f"    {label(series)}", before, "→", after, unit, _percent(change)]


def _was(one: Evaluation, before: Mapping[str, Evaluation]) -> str:
    then = before.get(one.workload.name)
    if then is None or then.ratio is None or then.ratio == one.ratio:
        return ""
    return f"was {figure(then.ratio.point)}"


def _percent(change: Change) -> str:
    if not change.before or change.after is None:
        return ""
    moved = (change.after / change.before - 1) * 100
    return f"{'−' if moved < 0 else '+'}{figure(abs(moved))} %"


def _block_lines(block: Mapping[str, Any]) -> Iterator[str]:
    for part in [block, *block.get("fields", ()), *block.get("elements", ())]:
        text = part.get("text")
        words = text if isinstance(text, str) else (text or {}).get("text", "")
        yield from html.unescape(_LINK.sub(r"\1", words)).splitlines()


def _wrapped(text: str, indent: str = "") -> list[str]:
    further = indent + "  " if indent else ""
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=further)


def _box(lines: Iterable[str]) -> None:
    for line in lines:
        further = line[: len(line) - len(line.lstrip(" -"))].replace("-", " ") + "  "
        for part in textwrap.wrap(line, _WIDTH - 4, subsequent_indent=further) or [""]:
            _say(f"  │ {part}".rstrip())
    _say("")


def _say(*lines: str) -> None:
    for line in lines:
        click.echo(line)
