"""Passes over what is due, once or for ever: collect, judge, deliver."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from breakeven import schedule
from breakeven.app import App
from breakeven.discounts import prices_at
from breakeven.schedule import Claim, LeaseLost
from breakeven.settings import Settings
from comparator import outbox
from comparator.channels import ping
from comparator.dispatch import Dispatch
from comparator.event import Event
from comparator.judge import judge
from comparator.outbox import Outcome
from pricebook.book import Change
from pricebook.errors import (
    BreakevenError,
    ConfigError,
    DatabaseTooNew,
    FetchFailed,
    SourceError,
)
from pricebook.schema import loading, opened_revision
from pricebook.tables import Heartbeat
from scraper.collect import FAILED, Entered, Taken, enter_all

log = logging.getLogger("breakeven")

TICK = timedelta(seconds=15)
BEAT = timedelta(minutes=1)
JITTER = timedelta(minutes=5)
"""The most that a source waits after the start of its slot; under cron it never waits."""
STOP_WITHIN = timedelta(seconds=20)
"""Below the 90 s that systemd waits before it kills."""

_STOPS = {signal.SIGTERM, signal.SIGINT}


@dataclass(frozen=True, slots=True)
class Report:
    """What a pass did."""

    entered: tuple[Entered, ...] = ()
    events: tuple[Event, ...] = ()
    deliveries: tuple[Outcome, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 done, 1 nothing could be collected, 3 partly done (DESIGN section 11)."""
        failed = [one for one in self.entered if one.outcome == FAILED]
        if self.entered and len(failed) == len(self.entered):
            return 1
        lost = [one for one in self.deliveries if one.status != "delivered"]
        return 3 if failed or lost else 0


Run = tuple[Sequence[Entered], Sequence[Event]]
"""What one run of one source entered, by partition, and the events that came of it."""


def run_pass(app: App, stop: threading.Event | None = None) -> Report:
    """Collect all that is due, judge after each source, deliver what waits.

    `stop`: a daemon's, which spreads its sources; once it is set, nothing new is begun.
    """
    stopping = stop.is_set if stop else _never
    every = app.settings.every
    jitter = min(JITTER, every / 4) if stop else timedelta(0)
    runs = [
        run_source(app, claimed)
        for name in schedule.due(app.engine, app.settings.source_names, app.now(), every, jitter)
        if not stopping() and (claimed := schedule.claim(app.engine, name, app.now(), every))
    ]
    return _report(app, runs, stopping)


def collect(app: App, names: Sequence[str]) -> Report:
    """Collect these sources now, whether they are due or not."""
    return _report(app, [_run_now(app, name) for name in names], _never)


def run_source(app: App, claimed: Claim) -> Run:
    """One run of one source; prices, ratios, events and outbox stand or fall together."""
    try:
        run = _run(app, claimed)
    except LeaseLost as error:
        log.warning("%s", error)
        return (), ()
    except Exception as error:  # noqa: BLE001 - a fault of one source must not stop the others
        _log(claimed.source, error)
        run = _give_up(app, claimed, error)
    except BaseException:
        schedule.release(app.engine, claimed)
        raise
    for one in run[0]:
        app.listen(one)
    return run


def judge_now(app: App, connection: Connection, changes: Sequence[Change]) -> list[Event]:
    """Recompute every workload and let every rule see it, in the caller's transaction.

    `changes`: what that transaction has changed of prices.
    """
    now = app.now()
    settings = app.settings
    judged = judge(
        connection,
        settings.workloads,
        settings.rules,
        settings.receivers,
        prices_at(connection, settings, now),
        now,
        changes,
    )
    return list(judged.events)


def deliver(app: App, stopping: Callable[[], bool]) -> tuple[Outcome, ...]:
    """Try every message whose time has come, once."""
    outbox.expire(app.engine, schedule.is_gone, app.now())
    outcomes = Dispatch(
        app.engine,
        app.settings.receivers,
        owner=schedule.owner(),
        windows=app.settings.windows,
        report=app.settings.report,
        clock=app.now,
        stopping=stopping,
    ).deliver_due()
    if outcomes:
        beat(app, "delivery")
    return tuple(outcomes)


def beat(app: App, name: str) -> None:
    """Leave a sign of life."""
    # Where another process leaves the first one at the same moment, that serves as well.
    with suppress(IntegrityError), app.engine.begin() as connection:
        values = {"at": app.now()}
        known = update(Heartbeat).where(Heartbeat.name == name).values(**values)
        if connection.execute(known).rowcount == 0:
            connection.execute(insert(Heartbeat).values(name=name, **values))


def _never() -> bool:
    return False


def _tell_switch(app: App, signal: str, words: str = "") -> None:
    """Whether it is reached or not, the work goes on."""
    if app.settings.ping is None:
        return
    try:
        ping.ping(app.settings.ping, signal, words)
    except BreakevenError as error:
        log.warning("%s", error)


def _run_now(app: App, name: str) -> Run:
    claimed = schedule.claim(app.engine, name, app.now(), app.settings.every, force=True)
    if claimed:
        return run_source(app, claimed)
    busy = SourceError(f"{name}: another process is collecting it at this moment")
    return (Entered(name, app.now(), FAILED, error=busy),), ()


def _report(app: App, runs: Sequence[Run], stopping: Callable[[], bool]) -> Report:
    return Report(
        tuple(chain.from_iterable(entered for entered, _ in runs)),
        tuple(chain.from_iterable(events for _, events in runs)),
        deliver(app, stopping),
    )


def _run(app: App, claimed: Claim) -> Run:
    taken, runs = list[Taken](), list[Run]()
    for look in _take(app, claimed):
        if look.entry:
            runs.append(_enter_list(app, claimed, look))
        else:
            taken.append(look)
    with app.engine.begin() as connection:
        schedule.renew(connection, claimed, app.now())
        runs.append(_entered(app, connection, taken))
        entered = [one for run, _ in runs for one in run]
        _finish(app, connection, claimed, entered)
    return entered, [event for _, events in runs for event in events]


def _enter_list(app: App, claimed: Claim, look: Taken) -> Run:
    """Enter a whole price list at once, and judge it: a run of all regions that is stopped goes on
    after those that it has, and their rows don't wait for each other in memory."""
    with loading(app.engine) as connection:
        schedule.renew(connection, claimed, app.now())
        return _entered(app, connection, [look])


def _entered(app: App, connection: Connection, taken: Sequence[Taken]) -> Run:
    entered = enter_all(connection, taken, app.settings.gate)
    changes = [change for one in entered for change in one.changes]
    return entered, judge_now(app, connection, changes)


def _take(app: App, claimed: Claim) -> Iterator[Taken]:
    """What a source brings home; for what it owes after a fault of ours, that it failed."""
    (source,) = app.settings.sources([claimed.source])
    owed = dict.fromkeys(source.partitions)
    try:
        for taken in source.take(app.tools()):
            owed.pop(taken.partition, None)
            with app.engine.begin() as connection:
                schedule.renew(connection, claimed, app.now())
            yield taken
    except Exception as error:
        if isinstance(error, LeaseLost | DBAPIError):
            raise
        _log(claimed.source, error)
        yield from _failed(app, owed, error)


def _give_up(app: App, claimed: Claim, error: Exception) -> Run:
    """Write down that a run failed, so that it is seen, and tried again with growing pauses."""
    (source,) = app.settings.sources([claimed.source])
    try:
        with app.engine.begin() as connection:
            schedule.renew(connection, claimed, app.now())
            taken = list(_failed(app, source.partitions, error))
            entered = enter_all(connection, taken, app.settings.gate)
            _finish(app, connection, claimed, entered)
    except LeaseLost:
        return (), ()
    return entered, _judge_alone(app)


def _judge_alone(app: App) -> Sequence[Event]:
    """A source that fails is news, whatever the fault was; unless it was in the judging itself."""
    try:
        with app.engine.begin() as connection:
            return judge_now(app, connection, ())
    except Exception as error:  # noqa: BLE001 - the failed run is written down, which is enough
        _log("judging", error)
        return ()


def _failed(app: App, partitions: Iterable[str], error: Exception) -> Iterator[Taken]:
    for name in partitions:
        yield Taken(name, app.now(), error=SourceError(f"{name}: {_said(error)}"))


def _log(what: str, error: Exception) -> None:
    foreseen = isinstance(error, BreakevenError | DBAPIError)
    log.error("%s: %s", what, _said(error), exc_info=None if foreseen else error)


def _said(error: Exception) -> str:
    if isinstance(error, BreakevenError):
        return str(error)
    if isinstance(error, DBAPIError):
        return f"the database failed ({error.orig})"
    return f"a fault of breakeven's own ({type(error).__name__}: {error})"


def _finish(app: App, connection: Connection, claimed: Claim, entered: Sequence[Entered]) -> None:
    errors = [one.error for one in entered if one.error]
    later = [error.retry_after for error in errors if isinstance(error, FetchFailed)]
    schedule.finish(
        connection,
        claimed,
        app.now(),
        app.settings.every,
        failed=all(one.outcome == FAILED for one in entered),
        retry_after=max((at for at in later if at), default=None),
    )


class Daemon:
    """The same passes by a ticker: APScheduler holds one job, the book holds the truth.

    Signals are blocked, and one thread waits for them: so none interrupts a thread that holds a
    lock, and none is lost while the ticker starts.
    """

    def __init__(self, app: App, reload: Callable[[], Settings]) -> None:
        from apscheduler.schedulers.blocking import BlockingScheduler

        self._app = app
        self._reload = reload
        self._reloaded: Settings | None = None
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._next_beat = app.clock.monotonic()
        # Not the newest that the program knows: an upgrade brings new files under its feet.
        self._schema = opened_revision(app.engine)
        self._outdated: DatabaseTooNew | None = None
        self._ticker = BlockingScheduler(timezone=UTC)

    def run(self) -> None:
        """Until SIGTERM or SIGINT; SIGHUP reads the configuration again.

        DatabaseTooNew when a newer breakeven brings the book to a schema of its own meanwhile.
        """
        from apscheduler.events import EVENT_SCHEDULER_STARTED

        signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOPS, signal.SIGHUP})
        # A pass may take longer than a tick; that the next one is left out then is no news.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._ticker.add_listener(self._on_started, EVENT_SCHEDULER_STARTED)
        self._ticker.add_job(
            self.tick,
            "interval",
            seconds=TICK.total_seconds(),
            next_run_time=datetime.now(UTC),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
        self._ticker.start()
        self._wind_up()
        if self._outdated:
            raise self._outdated

    def tick(self) -> None:
        """One pass with the newest configuration; what goes wrong in it is logged."""
        self._idle.clear()
        try:
            self._app.settings = self._reloaded or self._app.settings
            if not self._stop.is_set():
                self._check_schema()
                self._pass()
        except DatabaseTooNew as error:
            _tell_switch(self._app, ping.FAILED, str(error))
            self._outdated = error
            self._ticker.shutdown(wait=False)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next pass may do better
            _log(f"no whole pass this time, the next one is in {TICK}", error)
        finally:
            self._idle.set()

    def _check_schema(self) -> None:
        found = opened_revision(self._app.engine)
        if found != self._schema:
            raise DatabaseTooNew(
                f"the book has schema {found} now, this daemon began with {self._schema}: a"
                " breakeven of another version opened it; start the daemon again with that one"
            )

    def read_again(self) -> None:
        """Read the whole configuration; the next pass uses it, unless there is an error in it."""
        try:
            self._reloaded = self._read()
            log.info("configuration read again")
        except Exception as error:  # noqa: BLE001 - the thread that obeys signals must live on
            _log("kept the old configuration", error)

    def _read(self) -> Settings:
        found = self._reload()
        if found.database_url != self._app.settings.database_url:
            raise ConfigError("[database]: url has changed, and that needs a restart")
        return found

    def _pass(self) -> None:
        beats = self._app.clock.monotonic() >= self._next_beat
        if not beats:
            run_pass(self._app, self._stop)
            return
        _tell_switch(self._app, ping.START)
        try:
            run_pass(self._app, self._stop)
            beat(self._app, "tick")
        except Exception as error:
            _tell_switch(self._app, ping.FAILED, _said(error))
            raise
        self._next_beat = self._app.clock.monotonic() + BEAT.total_seconds()
        _tell_switch(self._app, ping.WELL)

    def _on_started(self, _event: object) -> None:
        threading.Thread(target=self._obey, daemon=True).start()
        log.info("started; sources: %s", ", ".join(self._app.settings.source_names))

    def _obey(self) -> None:
        while signal.sigwait({*_STOPS, signal.SIGHUP}) == signal.SIGHUP:
            self.read_again()
        self._stop.set()
        self._ticker.shutdown(wait=False)
        signal.sigwait(_STOPS)
        os._exit(130)  # asked twice: at once

    def _wind_up(self) -> None:
        """Let the run in hand end; give it up when that takes too long."""
        if self._idle.wait(STOP_WITHIN.total_seconds()):
            log.info("stopped")
            return
        try:
            schedule.release_all(self._app.engine)
        except DBAPIError as error:
            _log("the leases couldn't be given back", error)
        log.warning("stopped in the middle of a run, which is given up; nothing of it is written")
        logging.shutdown()
        os._exit(0)
