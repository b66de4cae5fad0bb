"""Passes and the daemon: what goes wrong in one place stays there, and it stops when it is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, insert, select, text, update

from breakeven import daemon
from breakeven.app import App
from breakeven.daemon import Daemon, Report, collect, run_pass
from breakeven.demo.facts import DAYS
from breakeven.demo.sinks import SlackSink
from breakeven.demo.world import StoryClock, World, world
from breakeven.schedule import claim, owner
from breakeven.settings import Settings
from comparator.channels import ping
from comparator.channels.slack import Webhook
from comparator.event import Event
from comparator.outbox import enqueue
from comparator.receivers import Receiver
from comparator.rules.source_health import SourceHealth
from pricebook.config import Secret, Table
from pricebook.errors import ConfigError, EvidenceLost, FetchFailed
from pricebook.quote import Quote, Series
from pricebook.runs import Fetched
from pricebook.schema import connect, open_book
from pricebook.tables import EventRow, Heartbeat, Message, PriceRow, Run, Schedule
from scraper.aws.settings import AwsSettings
from scraper.collect import Taken, Tools
from scraper.evidence import EvidenceFolder
from scraper.settings import GateSettings

EVERY = timedelta(hours=6)
MINUTE = timedelta(minutes=1)


@dataclass
class Shop:
    """A source that sells one thing; `plan`: what to do in the place of some partition."""

    name: str
    clock: StoryClock
    partitions: tuple[str, ...] = ()
    plan: dict[str, Callable[[], object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.partitions = self.partitions or (self.name,)

    def take(self, tools: Tools) -> Iterator[Taken]:
        """One price for each partition."""
        for name in self.partitions:
            error = self.plan.get(name, lambda: None)()
            quote = Quote(Series.of(name, "model", "input", "mtok"), Decimal(5), "$5", "table")
            if isinstance(error, FetchFailed):
                yield Taken(name, self.clock.now(), error=error)
            else:
                now = self.clock.now()
                page = Fetched(f"https://{name}/", "html", now, name, 1)
                yield Taken(name, now, (page,), ((quote, 0),))


@dataclass
class Mall:
    """An app over shops, and the time."""

    engine: Engine
    clock: StoryClock
    app: App
    shops: list[Shop] = field(default_factory=list)

    def open(self, name: str, *partitions: str, **plan: Callable[[], object]) -> Shop:
        """Add a shop."""
        self.shops.append(Shop(name, self.clock, partitions, plan))
        self.app.settings = settings(self.shops)
        return self.shops[-1]

    def count(self, table: type) -> int:
        """How many rows a table has."""
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def row(self, source: str) -> Any:
        """A source's row in the schedule."""
        with self.engine.connect() as connection:
            query = select(Schedule.__table__).where(Schedule.source == source)
            return connection.execute(query).one()


def settings(shops: Sequence[Shop], **changes: Any) -> Any:
    """Settings whose sources are shops."""
    by_name = {shop.name: shop for shop in shops}
    fields = {
        "database_url": "",
        "evidence_store": lambda: EvidenceFolder(Path("never-used")),
        "source_names": tuple(by_name),
        "every": EVERY,
        "http": Settings.read(Table({}, "defaults")).http,
        "gate": GateSettings(),
        "workloads": (),
        "rules": (),
        "aws": AwsSettings(),
        "receivers": {},
        "windows": (),
        "report": "",
        "ping": None,
    }
    return SimpleNamespace(
        **fields | changes, sources=lambda names: [by_name[name] for name in names]
    )


@pytest.fixture
def mall(book: Engine, noon: datetime) -> Mall:
    """On both databases."""
    clock = StoryClock(noon)
    return Mall(book, clock, App(settings([]), book, clock))


@pytest.fixture
def small_mall(sqlite_book: Engine, noon: datetime) -> Mall:
    """On SQLite, for what doesn't depend on the database."""
    clock = StoryClock(noon)
    return Mall(sqlite_book, clock, App(settings([]), sqlite_book, clock))


@pytest.fixture
def hasty_mall(small_mall: Mall) -> Mall:
    """One that waits for a locked database for a moment only."""
    small_mall.engine.dispose()
    hasty = "PRAGMA busy_timeout = 50"
    event.listen(small_mall.engine, "connect", lambda connection, _: connection.execute(hasty))
    return small_mall


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """Another process writes to the database, and takes its time."""
    other = connect(engine.url.render_as_string())
    with other.connect() as connection:
        connection.execute(text("SELECT 1"))  # begins as a writer, like all of ours
        yield
        connection.rollback()
    other.dispose()


def fault() -> None:
    """What nobody has foreseen."""
    raise ZeroDivisionError("of a reader")


def outcomes(report: Report) -> dict[str, str]:
    """By partition."""
    return {one.partition: one.outcome for one in report.entered}


class TestFaults:
    """A fault of one source is that source's own."""

    def test_a_reader_that_breaks_stops_no_other(self, mall: Mall) -> None:
        """The others are collected, and the fault is told and written down like any failure."""
        mall.open("first", first=fault)
        mall.open("second")

        report = run_pass(mall.app)

        assert {"first": "failed", "second": "complete"} == outcomes(report)
        assert "first: a fault of breakeven's own (ZeroDivisionError: of a reader)" == str(
            report.entered[0].error
        )
        assert 3 == report.exit_code
        assert mall.clock.now() + 5 * MINUTE == mall.row("first").next_due
        assert mall.clock.now() + EVERY == mall.row("second").next_due
        assert (None, None) == (mall.row("first").lease_owner, mall.row("second").lease_owner)

    def test_what_was_read_before_a_fault_is_kept(self, small_mall: Mall) -> None:
        """Of three regions the second broke: the first is entered, the two others failed."""
        small_mall.open("aws", "aws/a", "aws/b", "aws/c", **{"aws/b": fault})

        report = run_pass(small_mall.app)

        assert {"aws/a": "complete", "aws/b": "failed", "aws/c": "failed"} == outcomes(report)
        assert 1 == small_mall.count(PriceRow)
        assert 0 == small_mall.row("aws").failures

    def test_an_error_with_a_sentence_is_told_as_it_is(self, small_mall: Mall) -> None:
        """A full disk is nobody's fault in the program."""

        def disk_full() -> None:
            raise EvidenceLost("evidence can't be written: No space left on device")

        small_mall.open("first", first=disk_full)

        (entered,) = run_pass(small_mall.app).entered

        assert "first: evidence can't be written: No space left on device" == str(entered.error)

    def test_a_fault_while_entering_leaves_nothing_of_the_run(
        self, small_mall: Mall, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Prices and ratios stand or fall together, and the next source has its turn."""
        small_mall.open("first")
        small_mall.open("second")
        real, calls = daemon.judge_now, []

        def judge_once_wrongly(app: App, *rest: Any) -> Any:
            calls.append(1)
            return real(app, *rest) if len(calls) > 1 else fault()

        monkeypatch.setattr(daemon, "judge_now", judge_once_wrongly)

        assert {"first": "failed", "second": "complete"} == outcomes(run_pass(small_mall.app))
        assert 1 == small_mall.count(PriceRow)
        assert 1 == small_mall.row("first").failures

    def test_a_fault_is_judged_too(self, small_mall: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rules on sources hear of a run that failed by a fault of ours; a fault of judging itself
        leaves the run written down as failed."""
        small_mall.open("first")
        ill = SourceHealth("ill", None, 1, ("first",))
        small_mall.app.settings.rules = (ill,)
        real = daemon.enter_all

        def enter_wrongly(connection: Connection, looks: Any, gate: Any) -> Any:
            return fault() if looks[0].error is None else real(connection, looks, gate)

        monkeypatch.setattr(daemon, "enter_all", enter_wrongly)
        (event,) = run_pass(small_mall.app).events
        assert ("ill", "source_error") == (event.rule, event.kind)

        monkeypatch.setattr(daemon, "judge_now", lambda *_: fault())
        small_mall.clock.at += timedelta(days=1)
        assert {"first": "failed"} == outcomes(run_pass(small_mall.app))

    def test_an_interrupted_run_gives_its_slot_back(self, small_mall: Mall) -> None:
        """After Ctrl-C the next run begins where this one did."""

        def interrupt() -> None:
            raise KeyboardInterrupt

        small_mall.open("first", first=interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_pass(small_mall.app)

        assert small_mall.row("first").lease_owner is None
        assert small_mall.clock.now() == small_mall.row("first").next_due
        assert 0 == small_mall.count(Run)

    def test_retry_after_counts_for_all_of_a_source(self, small_mall: Mall) -> None:
        """One region was asked to wait: the whole source does, though its slot comes earlier."""
        until = small_mall.clock.now() + 30 * timedelta(hours=1)
        later = FetchFailed("aws/b asks us to come less often (HTTP 429)", retry_after=until)
        small_mall.open("aws", "aws/a", "aws/b", **{"aws/b": lambda: later})
        run_pass(small_mall.app)

        small_mall.clock.at = until - MINUTE
        assert () == run_pass(small_mall.app).entered
        small_mall.clock.at = until + MINUTE
        assert {"aws/a", "aws/b"} == outcomes(run_pass(small_mall.app)).keys()


class TestLeases:
    """A run is written by the process that holds its source, or not at all."""

    def test_who_lost_the_lease_writes_nothing(self, mall: Mall) -> None:
        """Neither price nor run nor failure: another process has done this slot."""

        def taken_over() -> None:
            with mall.engine.begin() as connection:
                connection.execute(update(Schedule).values(epoch=Schedule.epoch + 1))

        mall.open("first", first=taken_over)

        assert () == run_pass(mall.app).entered
        assert (0, 0) == (mall.count(PriceRow), mall.count(Run))

    @pytest.mark.parametrize("broken", [False, True])
    def test_who_loses_it_at_the_last_moment_writes_nothing_either(
        self, small_mall: Mall, monkeypatch: pytest.MonkeyPatch, broken: bool
    ) -> None:
        """The epoch is compared once more when the run is written, and when its failure is."""
        small_mall.open("first")
        real = daemon.enter_all

        def raised(connection: Connection, *rest: Any) -> Any:
            connection.execute(update(Schedule).values(epoch=Schedule.epoch + 1))
            return fault() if broken and rest[0][0].error is None else real(connection, *rest)

        monkeypatch.setattr(daemon, "enter_all", raised)

        assert () == run_pass(small_mall.app).entered
        assert (0, 0) == (small_mall.count(PriceRow), small_mall.count(Run))

    def test_a_long_run_keeps_its_lease(self, small_mall: Mall) -> None:
        """Three regions of nine minutes each: nobody else may begin the source meanwhile."""

        def slow() -> None:
            small_mall.clock.at += 9 * MINUTE
            with small_mall.engine.begin() as connection:
                connection.execute(update(Schedule).values(lease_owner="elsewhere/1:1"))
            now = small_mall.clock.now()
            assert claim(small_mall.engine, "aws", now, EVERY, force=True) is None

        regions = ("aws/a", "aws/b", "aws/c")
        small_mall.open("aws", *regions, **dict.fromkeys(regions, slow))

        assert dict.fromkeys(regions, "complete") == outcomes(run_pass(small_mall.app))

    def test_collect_takes_nothing_out_of_anothers_hands(self, small_mall: Mall) -> None:
        """It says who is at it, and collects the others."""
        small_mall.open("first")
        small_mall.open("second")
        claim(small_mall.engine, "first", small_mall.clock.now(), EVERY)
        with small_mall.engine.begin() as connection:
            connection.execute(update(Schedule).values(lease_owner="elsewhere/1:1"))

        report = collect(small_mall.app, ["first", "second"])

        assert {"first": "failed", "second": "complete"} == outcomes(report)
        assert "first: another process is collecting it" in str(report.entered[0].error)

    def test_a_dead_process_delays_no_message(
        self, mall: Mall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it was sending goes out with the next pass, marked as a possible repeat."""
        ended = subprocess.Popen(["true"])
        ended.wait()
        dead = f"{owner().rpartition(':')[0]}:{ended.pid}"
        with SlackSink() as sink:
            monkeypatch.setenv("HOOK", sink.url)
            receivers = {"ml": Receiver("ml", Webhook(Secret("ml", env="HOOK")))}
            mall.app.settings = settings([], receivers=receivers)
            leave_half_sent(mall.engine, mall.clock.now(), dead)
            (delivery,) = run_pass(mall.app).deliveries

            assert "delivered" == delivery.status
            assert "Possible repeat" in str(sink.messages)
        assert 1 == mall.count(Heartbeat)


def leave_half_sent(engine: Engine, now: datetime, holder: str) -> None:
    """A message that a process was sending."""
    fired = Event("e1", "pays", "fired", "firing", now, workload="bot")
    columns = {name: getattr(fired, name) for name in ("id", "rule", "workload", "kind", "state")}
    with engine.begin() as connection:
        connection.execute(insert(EventRow).values(at=now, details=fired.details(), **columns))
        enqueue(connection, fired, ["ml"], now)
        lease = {"lease_owner": holder, "lease_until": now + 10 * MINUTE}
        connection.execute(update(Message).values(**lease))


class TestTicks:
    """What a tick of the daemon survives and what it takes over."""

    def test_a_locked_database(self, hasty_mall: Mall, caplog: pytest.LogCaptureFixture) -> None:
        """It is one line in the log, and the next tick does the work."""
        hasty_mall.open("first")
        ticking = Daemon(hasty_mall.app, fault_of_settings)

        with locked(hasty_mall.engine):
            ticking.tick()
        when = "no whole pass this time, the next one is in 0:00:15"
        assert [f"{when}: the database failed (database is locked)"] == caplog.messages
        assert 0 == hasty_mall.count(Run)

        ticking.tick()
        assert (1, 1) == (hasty_mall.count(Run), hasty_mall.count(Heartbeat))

    def test_a_dead_mans_switch(self, hasty_mall: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
        """It hears when a pass begins, and how it ends, once a minute."""
        heard: list[tuple[str, str]] = []
        monkeypatch.setattr(ping, "ping", lambda _, signal, words: heard.append((signal, words)))
        hasty_mall.app.settings = settings([], ping=Secret("[delivery] ping", env="NOT_SET"))
        ticking = Daemon(hasty_mall.app, fault_of_settings)

        with locked(hasty_mall.engine):
            ticking.tick()
        ticking.tick()
        ticking.tick()
        failed = ("/fail", "the database failed (database is locked)")
        assert [("/start", ""), failed, ("/start", ""), ("", "")] == heard

    def test_a_switch_that_is_not_there(
        self, small_mall: Mall, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is told in the log, and the work goes on."""
        small_mall.app.settings = settings([], ping=Secret("[delivery] ping", env="NOT_SET"))
        Daemon(small_mall.app, fault_of_settings).tick()

        missing = "[delivery] ping: environment variable NOT_SET is empty or missing"
        assert [missing, missing] == caplog.messages
        assert 1 == small_mall.count(Heartbeat)

    def test_a_database_that_is_locked_in_the_middle_of_a_run(self, hasty_mall: Mall) -> None:
        """Nothing of the run is written, and the next tick begins it again."""
        with ExitStack() as stack:
            hasty_mall.open("first", first=lambda: stack.enter_context(locked(hasty_mall.engine)))
            ticking = Daemon(hasty_mall.app, fault_of_settings)
            ticking.tick()
        assert 0 == hasty_mall.count(Run)

        hasty_mall.shops[0].plan.clear()
        ticking.tick()
        assert (1, 1) == (hasty_mall.count(Run), hasty_mall.count(PriceRow))

    def test_sources_are_spread_over_their_slots(self, small_mall: Mall) -> None:
        """A daemon waits for a source's share; `run --once` at the same moment doesn't."""
        small_mall.open("first")
        ticking = Daemon(small_mall.app, fault_of_settings)
        ticking.tick()
        small_mall.clock.at += EVERY

        ticking.tick()
        assert 1 == small_mall.count(Run)
        run_pass(small_mall.app)
        assert 2 == small_mall.count(Run)

    def test_stopping_begins_nothing_new(self, small_mall: Mall) -> None:
        """The run in hand is written; the next source and the messages wait for the next start."""
        stop = threading.Event()
        small_mall.open("first", first=stop.set)
        small_mall.open("second")
        leave_half_sent(small_mall.engine, small_mall.clock.now(), "")

        report = run_pass(small_mall.app, stop)

        assert ({"first": "complete"}, ()) == (outcomes(report), report.deliveries)

    @pytest.mark.parametrize("problem", [ConfigError("[collect]: no"), OSError("gone")])
    def test_a_broken_configuration_is_not_taken(
        self, small_mall: Mall, caplog: pytest.LogCaptureFixture, problem: Exception
    ) -> None:
        """The old one stays in force, and the log says why."""
        small_mall.open("first")
        before = small_mall.app.settings

        def broken() -> Settings:
            raise problem

        ticking = Daemon(small_mall.app, broken)
        ticking.read_again()
        ticking.tick()

        assert before is small_mall.app.settings
        assert "kept the old configuration" in caplog.text
        assert str(problem) in caplog.text

    def test_a_good_configuration_is_taken_between_two_passes(self, small_mall: Mall) -> None:
        """Never in the middle of a run."""
        small_mall.open("first")
        before, new = small_mall.app.settings, settings(small_mall.shops)
        ticking = Daemon(small_mall.app, lambda: new)
        ticking.read_again()
        assert before is small_mall.app.settings
        ticking.tick()
        assert new is small_mall.app.settings

    def test_another_database_needs_a_restart(
        self, small_mall: Mall, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Half of the daemon would go on in the old one."""
        other = settings([], database_url="sqlite:///other.db")
        ticking = Daemon(small_mall.app, lambda: other)
        ticking.read_again()
        ticking.tick()

        assert other is not small_mall.app.settings
        assert "url has changed, and that needs a restart" in caplog.text


def fault_of_settings() -> Settings:
    """Nobody asks for them."""
    raise AssertionError


STORY = """
[[workload]]
name = "tuning"
kind = "fine_tune"
api = { seller = "openai", product = "gpt-4o-mini-2024-07-18", trained_tokens = 3_000_000 }

[workload.self_host]
instance = "p4d.24xlarge"
hours_per_run = { low = 0.09, point = 0.1, high = 0.11, source = "made up" }
attempts = 1

[[rule]]
name = "pays"
workload = "tuning"
when = "ratio falls below 1"
first = "notify"
receivers = ["ml-slack", "finops-mail"]
"""
"""$9 by API, $2 on a machine: the rule fires at first sight."""

QUICK = """
from datetime import timedelta
from breakeven import cli, daemon
daemon.TICK, daemon.STOP_WITHIN = timedelta(seconds=0.3), timedelta(seconds=1)
cli.main()
"""
"""`breakeven` with a hasty clock; everything else is the real program."""


@dataclass
class Running:
    """A daemon in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    engine: Engine

    def wait_for(self, ready: Callable[[], object], seconds: float = 20) -> None:
        """Until something is so; what the daemon said when it never is."""
        until = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < until, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.02)

    @property
    def said(self) -> str:
        """Its log."""
        return self.log.read_text()

    def stop(self, *signals: signal.Signals) -> int:
        """Send signals; its exit code."""
        for number in signals:
            self.process.send_signal(number)
            time.sleep(0.3)
        return self.process.wait(30)

    def count(self, table: type) -> int:
        """How many rows a table has; 0 before there is one."""
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def holders(self) -> list[str | None]:
        """Who holds a source."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(Schedule.lease_owner)).scalars())


@pytest.fixture
def around() -> Iterator[World]:
    """Sellers and receivers on loopback."""
    with world(DAYS[4]) as made:
        yield made


def configure(around: World, folder: Path, url: str, **changes: str) -> Path:
    """A configuration for two of the sources; `changes`: words to be replaced."""
    words = around.config(folder, STORY)
    changes |= {
        f"sqlite:///{(folder / 'breakeven.db').as_posix()}": url,
        '["openai", "anthropic", "google", "aws-ec2"]': '["openai", "aws-ec2"]',
    }
    for old, new in changes.items():
        assert old in words
        words = words.replace(old, new)
    file = folder / "breakeven.toml"
    file.write_text(words)
    return file


@contextmanager
def running(file: Path, url: str, program: Sequence[str] = ("-c", QUICK)) -> Iterator[Running]:
    """`breakeven run` from its start until the end of the block at the latest."""
    open_book(url).dispose()
    engine = connect(url)
    log = file.parent / f"log-{time.monotonic_ns()}"
    command = [sys.executable, *program, "--config", str(file), "run"]
    with log.open("wb") as sink, subprocess.Popen(command, stderr=sink) as process:
        it = Running(process, log, engine)
        try:
            it.wait_for(lambda: "started" in it.said)
            yield it
        finally:
            process.kill()
            engine.dispose()


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers: its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def make_due(engine: Engine) -> None:
    """Let every slot have come."""
    with engine.begin() as connection:
        connection.execute(update(Schedule).values(next_due=datetime(1970, 1, 2).astimezone()))


on_postgres = pytest.mark.parametrize("book_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("book_url", ["sqlite"], indirect=True)


class TestProcess:
    """`breakeven run` as a process, with servers, a database and signals."""

    @on_sqlite
    def test_it_collects_delivers_rests_and_stops(
        self, around: World, tmp_path: Path, book_url: str
    ) -> None:
        """Prices and alerts come by themselves; between two ticks it sleeps; SIGTERM ends it."""
        file = configure(around, tmp_path, book_url)
        with running(file, book_url, ("-m", "breakeven")) as it:
            it.wait_for(lambda: around.mail.mails and it.count(Heartbeat) == 2)
            assert around.slack.messages
            assert 2 == it.count(Run)
            assert 1.0 > processor_seconds(it.process.pid, during=1.5) * 50

            begun = time.monotonic()
            assert 0 == it.stop(signal.SIGTERM)
            assert time.monotonic() - begun < 3
            assert "stopped" in it.said
            assert [None, None] == it.holders()

    @on_sqlite
    def test_a_hanging_fetch_delays_the_end_no_longer_than_the_bound(
        self, around: World, tmp_path: Path, book_url: str
    ) -> None:
        """The run in hand is given up: exit code 0, no lease, nothing written."""
        with silent_server() as silence:
            file = configure(around, tmp_path, book_url, **{around.site.url: silence})
            with running(file, book_url) as it:
                it.wait_for(lambda: any(it.holders()))
                begun = time.monotonic()
                assert 0 == it.stop(signal.SIGTERM)
                assert 1 <= time.monotonic() - begun < 4
                assert "is given up; nothing of it is written" in it.said
                assert [None] == it.holders()
                assert 0 == it.count(Run)

    @on_sqlite
    @pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
    def test_the_second_signal_ends_it_at_once(
        self, around: World, tmp_path: Path, book_url: str, first: signal.Signals
    ) -> None:
        """Who asks twice doesn't wait for the run in hand."""
        with silent_server() as silence:
            file = configure(around, tmp_path, book_url, **{around.site.url: silence})
            with running(file, book_url, ("-m", "breakeven")) as it:
                it.wait_for(lambda: any(it.holders()))
                begun = time.monotonic()
                assert 130 == it.stop(first, signal.SIGTERM)
                assert time.monotonic() - begun < 3

    @on_sqlite
    def test_a_hangup_takes_a_good_configuration_and_keeps_the_old_for_a_bad_one(
        self, around: World, tmp_path: Path, book_url: str
    ) -> None:
        """The daemon says which, and goes on without a restart."""
        file = configure(around, tmp_path, book_url)
        good = file.read_text()
        with running(file, book_url) as it:
            it.wait_for(lambda: it.count(Run) == 2)
            file.write_text(good.replace('every = "6h"', 'every = "6 fortnights"'))
            it.process.send_signal(signal.SIGHUP)
            it.wait_for(lambda: "kept the old configuration" in it.said)
            assert "every" in it.said

            file.write_text(good.replace('"aws-ec2"]', '"aws-ec2", "google"]'))
            it.process.send_signal(signal.SIGHUP)
            it.wait_for(lambda: it.count(Run) == 3)
            assert 0 == it.stop(signal.SIGTERM)

    def test_a_book_of_a_newer_schema_ends_it(
        self, around: World, tmp_path: Path, book_url: str
    ) -> None:
        """Rather than fail at every tick unseen: a supervisor starts the upgraded program."""
        file = configure(around, tmp_path, book_url)
        with running(file, book_url) as it:
            it.wait_for(lambda: it.count(Run) == 2)
            with it.engine.begin() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            assert 1 == it.process.wait(20)
            assert "Error: the book has schema 9999 now, this daemon began with 00" in it.said
            assert "start the daemon again" in it.said
            assert "Traceback" not in it.said

    @on_postgres
    def test_a_database_that_is_away_for_a_while(
        self, around: World, tmp_path: Path, book_url: str
    ) -> None:
        """Without its database the daemon says so and waits; afterwards it goes on."""
        file = configure(around, tmp_path, book_url)
        with running(file, book_url) as it:
            it.wait_for(lambda: it.count(Run) == 2)
            make_due(it.engine)
            with away(book_url):
                it.wait_for(lambda: it.said.count("the database failed") > 1)
            it.wait_for(lambda: it.count(Run) == 4)
            assert 0 == it.stop(signal.SIGTERM)

    def test_two_daemons_share_the_work(self, around: World, tmp_path: Path, book_url: str) -> None:
        """On one database each slot is done by one of them, and each message sent once."""
        file = configure(around, tmp_path, book_url)
        with running(file, book_url) as one, running(file, book_url) as other:
            for slot in range(1, 4):
                one.wait_for(lambda slot=slot: one.count(Run) >= 2 * slot)
                assert 2 * slot == one.count(Run)
                make_due(one.engine)
            one.wait_for(lambda: one.count(Run) == 8)
            assert [0, 0] == [one.stop(signal.SIGTERM), other.stop(signal.SIGTERM)]
            assert one.count(Message) == len(around.slack.messages) + len(around.mail.mails)


@contextmanager
def away(url: str) -> Iterator[None]:
    """Throw everybody out of a PostgreSQL database and let nobody in."""
    base, _, name = url.rpartition("/")
    admin = connect(f"{base}/postgres").execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        out = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(text(out), {"name": name})
        try:
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    admin.dispose()


def processor_seconds(process: int, during: float) -> float:
    """How much processor time a process takes in so many seconds."""

    def used() -> int:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = used()
    time.sleep(during)
    return (used() - before) / os.sysconf("SC_CLK_TCK")
