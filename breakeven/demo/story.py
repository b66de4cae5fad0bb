"""`breakeven demo`: the real pipeline, day by day through the recorded facts, told to a reader.

Collecting, gating, judging and delivering are the daemon's own; only the addresses lead to loopback
and the clock is the story's. Every chapter says what it expects; a surprise ends in exit code 1.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import click

from breakeven.app import App
from breakeven.daemon import Report, run_pass
from breakeven.demo import telling
from breakeven.demo.facts import DAYS, Day
from breakeven.demo.world import World, world
from breakeven.ratio_view import evaluated
from breakeven.settings import Settings
from comparator.channels.wording import figure
from comparator.event import Event
from comparator.ratio import Evaluation

LOOKS = (timedelta(0), timedelta(hours=6), timedelta(hours=12))
"""Three looks a day: a jump must be seen twice to be believed, and a crossing twice to be told."""

_PAUSE_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Expected:
    """What a day must bring: its events, and the ratios in the order of the workloads."""

    events: tuple[str, ...]
    ratios: tuple[str, ...]


_EXPECTED = {
    "2023-10": Expected((), ("5.121", "10.51", "0.3467", "8", "-", "-")),
    "2023-11": Expected(
        ("a tuned small model is four times cheaper fired",),
        ("5.121", "10.51", "0.1", "3", "-", "-"),
    ),
    "2024-07": Expected((), ("5.121", "10.51", "0.1", "5", "1.016", "-")),
    "2025-06": Expected(
        ("tuning it ourselves pays fired",), ("3.431", "10.51", "0.1", "5", "0.681", "-")
    ),
    "2026-07": Expected(
        (
            "hosting it ourselves pays initial",
            "a tuned small model is four times cheaper discontinued",
        ),
        ("3.431", "10.51", "-", "5", "0.681", "0.4688"),
    ),
    "2026-08": Expected(
        ("hosting it ourselves pays resolved",), ("3.431", "10.51", "-", "5", "0.681", "2.344")
    ),
}


@dataclass(frozen=True, slots=True)
class Chapter:
    """What happened on one day: a report for each look, and the ratios after the last."""

    day: Day
    reports: tuple[Report, ...]
    ratios: tuple[Evaluation, ...]

    @property
    def events(self) -> list[Event]:
        """The events of all looks."""
        return [event for report in self.reports for event in report.events]

    def surprises(self) -> Iterator[str]:
        """What did not go as it should, in words."""
        month = f"{self.day.at:%Y-%m}"
        expected = _EXPECTED[month]
        events = tuple(f"{event.rule} {event.kind}" for event in self.events)
        if events != expected.events:
            yield f"{month}: events {list(events)} instead of {list(expected.events)}"
        ratios = tuple(figure(one.ratio.point) if one.ratio else "-" for one in self.ratios)
        if ratios != expected.ratios:
            yield f"{month}: ratios {list(ratios)} instead of {list(expected.ratios)}"
        for report in self.reports:
            yield from (f"{month}: {words}" for words in self._failures(report))

    def _failures(self, report: Report) -> Iterator[str]:
        if {one.partition.split("/")[0] for one in report.entered} != set(self.day.sources):
            yield f"collected {[one.partition for one in report.entered]}"
        yield from (f"{one.partition}: {one.error}" for one in report.entered if one.error)
        for one in report.deliveries:
            if one.status != "delivered":
                yield f"message to {one.receiver}: {one.reason}"


def run(*, fast: bool, keep: Path | None) -> int:
    """Tell the story; 0 when every step did what it should."""
    pause = 0.0 if fast or not sys.stdout.isatty() else _PAUSE_SECONDS
    with _folder(keep) as folder, world(DAYS[0]) as around:
        config = folder / "breakeven.toml"
        config.write_text(around.config(folder, story()), encoding="utf-8")
        app = App.open(Settings.load(config), around.clock)
        try:
            surprises = _Story(app, around, pause).tell()
        finally:
            app.engine.dispose()
        if keep:
            _keep_messages(folder / "messages", around)
    telling.conclude(surprises, keep)
    return 1 if surprises else 0


def story() -> str:
    """The workloads and rules of the demo as TOML: the article's that are shipped, and its own."""
    own = files("breakeven.demo").joinpath("story.toml").read_text(encoding="utf-8")
    shipped = files("comparator").joinpath("examples.toml").read_text(encoding="utf-8")
    head = "[[workload]]\n"
    tables = (head + text for text in shipped.split(f"\n{head}")[1:])
    article = (table for table in tables if table.startswith(f'{head}name = "article: '))
    return "\n".join([*article, own])


@dataclass
class _Story:
    """The telling so far: `before` are the ratios of the last chapter, by workload."""

    app: App
    around: World
    pause: float
    before: Mapping[str, Evaluation] = field(default_factory=dict)

    def tell(self) -> list[str]:
        """Every chapter; what did not go as it should."""
        around = self.around
        telling.introduce(around.site.url, around.prices.url, around.mail.port)
        chapters = [self._tell(day) for day in DAYS]
        events = sum(len(chapter.events) for chapter in chapters)
        surprises = [words for chapter in chapters for words in chapter.surprises()]
        arrived = len(around.slack.messages), len(around.mail.mails)
        if arrived != (events, events):
            words = f"{arrived[0]} Slack messages and {arrived[1]} mails"
            surprises.append(f"{words} arrived instead of {events} of each")
        return surprises

    def _tell(self, day: Day) -> Chapter:
        telling.begin(day)
        slack, mail = len(self.around.slack.messages), len(self.around.mail.mails)
        chapter = self._live(day)
        self._show(chapter)
        for message in self.around.slack.messages[slack:]:
            telling.show_slack(message)
        for one in self.around.mail.mails[mail:]:
            telling.show_mail(one.message)
        self.before = {one.workload.name: one for one in chapter.ratios}
        time.sleep(self.pause)
        return chapter

    def _live(self, day: Day) -> Chapter:
        self.around.turn_to(day)
        self.app.settings = replace(self.app.settings, source_names=day.sources)
        reports = []
        for hours in LOOKS:
            self.around.clock.at = day.at + hours
            reports.append(run_pass(self.app))
        return Chapter(day, tuple(reports), tuple(evaluated(self.app, None)))

    def _show(self, chapter: Chapter) -> None:
        times = (chapter.day.at + hours for hours in LOOKS)
        reports = chapter.reports
        telling.show_looks([(at, one.entered) for at, one in zip(times, reports, strict=True)])
        telling.show_changes([look for report in reports for look in report.entered])
        telling.show_ratios(chapter.ratios, self.before)
        for event in chapter.events:
            telling.show_event(event)


def _keep_messages(folder: Path, around: World) -> None:
    """The messages as they arrived: mails open in a mail program."""
    folder.mkdir()
    for number, message in enumerate(around.slack.messages, 1):
        text = json.dumps(message, indent=1, ensure_ascii=False)
        (folder / f"{number}-slack.json").write_text(text, encoding="utf-8")
    for number, one in enumerate(around.mail.mails, 1):
        (folder / f"{number}-mail.eml").write_bytes(one.message.as_bytes())


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="breakeven-demo-") as made:
            yield Path(made)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"{keep} can't be made: {error.strerror}") from None
    if any(keep.iterdir()):
        raise click.UsageError(f"{keep} is not empty; name a folder that is, or a new one")
    yield keep.resolve()
