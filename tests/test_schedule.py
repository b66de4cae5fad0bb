"""What is due when, and who may do it: one run for each slot, whoever asks, dies or oversleeps."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, insert, select, update

from breakeven.schedule import (
    LEASE,
    Claim,
    LeaseLost,
    claim,
    due,
    finish,
    is_gone,
    next_slot,
    owner,
    release,
    release_all,
    renew,
    share,
)
from pricebook.schema import open_book
from pricebook.tables import Heartbeat, Schedule

SLOTS = int(os.environ.get("BREAKEVEN_SLOTS", "40"))
SOURCE = "openai"
EVERY = timedelta(hours=6)
MINUTE = timedelta(minutes=1)

WORKER = """
import sys
from datetime import datetime, timedelta
from breakeven.schedule import LeaseLost, claim, finish
from pricebook.schema import connect

engine, every = connect(sys.argv[1]), timedelta(hours=6)
for line in sys.stdin:
    word, at = line.split()
    now = datetime.fromisoformat(at)
    try:
        if word == "claim":
            mine = claim(engine, "openai", now, every)
        if mine and word == "finish":
            with engine.begin() as connection:
                finish(connection, mine, now, every)
        print("yes" if mine else "no", flush=True)
    except LeaseLost:
        print("lost", flush=True)
"""


class Worker:
    """A process of its own that claims and finishes the source's slot when it is told to."""

    def __init__(self, engine: Engine) -> None:
        url = engine.url.render_as_string(hide_password=False)
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, word: str, at: datetime) -> None:
        """Tell it what to do."""
        assert self.process.stdin
        self.process.stdin.write(f"{word} {at.isoformat()}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """What came of it."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def ask(self, word: str, at: datetime) -> str:
        """Both."""
        self.say(word, at)
        return self.answer()

    def kill(self) -> None:
        """End it at once, and reap it."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def workers(engine: Engine, count: int) -> Iterator[list[Worker]]:
    """Several of them."""
    with ExitStack() as stack:
        made = [Worker(engine) for _ in range(count)]
        for worker in made:
            stack.callback(worker.kill)
        yield made


def row(engine: Engine) -> Any:
    """The source's row."""
    with engine.connect() as connection:
        return connection.execute(select(Schedule.__table__).where(Schedule.source == SOURCE)).one()


def change(engine: Engine, **values: Any) -> None:
    """Alter the source's row by hand."""
    with engine.begin() as connection:
        connection.execute(update(Schedule).where(Schedule.source == SOURCE).values(**values))


def let_pass(engine: Engine, span: timedelta) -> None:
    """Make the lease older: PostgreSQL counts it by its own clock, not by the times of a test."""
    until = row(engine).lease_until
    if engine.dialect.name == "postgresql" and until:
        change(engine, lease_until=until - span)


def claimed(engine: Engine, now: datetime, *, force: bool = False) -> Claim:
    """A claim that succeeds."""
    mine = claim(engine, SOURCE, now, EVERY, force=force)
    assert mine
    return mine


def done(
    engine: Engine,
    mine: Claim,
    now: datetime,
    every: timedelta = EVERY,
    *,
    failed: bool = False,
    retry_after: datetime | None = None,
) -> None:
    """Finish a claim in a transaction of its own."""
    with engine.begin() as connection:
        finish(connection, mine, now, every, failed=failed, retry_after=retry_after)


def is_due(engine: Engine, now: datetime, every: timedelta = EVERY) -> bool:
    """Whether the source would be run under cron."""
    return due(engine, (SOURCE,), now, every) == [SOURCE]


class TestSlots:
    """When a source is due."""

    def test_a_new_source_is_due_at_once(self, sqlite_book: Engine, noon: datetime) -> None:
        """Nobody waits for the first prices, whatever the jitter."""
        assert [SOURCE] == due(sqlite_book, (SOURCE,), noon, EVERY, timedelta(minutes=5))

    def test_a_slot_is_done_once(self, sqlite_book: Engine, noon: datetime) -> None:
        """After a run the source is not due before its next slot begins."""
        done(sqlite_book, claimed(sqlite_book, noon), noon + MINUTE)

        assert claim(sqlite_book, SOURCE, noon + 359 * MINUTE, EVERY) is None
        assert not is_due(sqlite_book, noon + 359 * MINUTE)
        assert is_due(sqlite_book, noon + EVERY)
        assert claim(sqlite_book, SOURCE, noon + EVERY, EVERY)

    @pytest.mark.parametrize("every", [timedelta(minutes=5), EVERY, timedelta(days=1)])
    @pytest.mark.parametrize("offset", [0, 0.37, 0.999])
    def test_cron_with_the_same_period_runs_every_slot(
        self, sqlite_book: Engine, noon: datetime, every: timedelta, offset: float
    ) -> None:
        """Under cron each start finds its slot open, though runs take time and end in the next."""
        chance = random.Random(7)
        start = (noon.replace(hour=0) + every * offset).replace(microsecond=0)
        ran = 0
        for number in range(50):
            now = start + every * number
            if is_due(sqlite_book, now, every):
                mine = claim(sqlite_book, SOURCE, now, every)
                assert mine
                took = timedelta(seconds=chance.randrange(0, 240))
                done(sqlite_book, mine, now + took, every)
                ran += 1

        assert 50 == ran

    def test_days_of_downtime_cost_one_run(self, sqlite_book: Engine, noon: datetime) -> None:
        """Missed slots can't be caught up with: pages of the past are gone."""
        done(sqlite_book, claimed(sqlite_book, noon), noon)
        later = noon + timedelta(days=3, minutes=100)

        runs = 0
        while is_due(sqlite_book, later):
            done(sqlite_book, claimed(sqlite_book, later), later)
            runs += 1

        assert 1 == runs
        assert noon + timedelta(days=3, hours=6) == row(sqlite_book).next_due

    def test_a_shorter_period_holds_at_once(self, sqlite_book: Engine, noon: datetime) -> None:
        """From a day to five minutes: nobody waits for the rest of the day."""
        day = timedelta(days=1)
        done(sqlite_book, claimed(sqlite_book, noon), noon, day)

        assert not is_due(sqlite_book, noon + MINUTE, day)
        assert is_due(sqlite_book, noon + MINUTE, timedelta(minutes=5))

    @pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=1), timedelta(days=900)])
    def test_a_clock_that_was_wrong_costs_one_run(
        self, sqlite_book: Engine, noon: datetime, jump: timedelta
    ) -> None:
        """A clock that ran ahead and is set right silences no source and costs one run at most."""
        done(sqlite_book, claimed(sqlite_book, noon + jump), noon + jump)

        runs = 0
        for minutes in range(0, 24 * 60, 10):
            now = noon + minutes * MINUTE
            if is_due(sqlite_book, now):
                done(sqlite_book, claimed(sqlite_book, now), now)
                runs += 1

        assert 3 <= runs <= 4  # 18, 0 and 6 o'clock, and one run too many at most

    @given(
        st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
        st.integers(300, 86_400 * 3).map(lambda seconds: timedelta(seconds=seconds)),
    )
    def test_slots_are_whole_periods_since_1970(self, now: datetime, every: timedelta) -> None:
        """The next slot begins after now, within one period, at a multiple of the period."""
        slot = next_slot(now, every)

        assert now < slot <= now + every
        assert timedelta(0) == (slot - datetime(1970, 1, 1, tzinfo=UTC)) % every


class TestJitter:
    """Each source waits for a share of its own."""

    @given(st.text(), st.integers(0, 10_000).map(lambda seconds: timedelta(seconds=seconds)))
    def test_it_is_bounded(self, name: str, jitter: timedelta) -> None:
        """0 or more, and below what is allowed."""
        assert timedelta(0) <= share(name, jitter) <= jitter
        assert share(name, jitter) < jitter or not jitter

    def test_it_is_stable_and_spreads(self) -> None:
        """The same at every start (a process's own `hash` is not), different for most sources."""
        code = "from breakeven.schedule import *; print(share('openai', timedelta(1)).seconds)"
        again = subprocess.check_output([sys.executable, "-c", code], text=True)

        assert share("openai", timedelta(1)).seconds == int(again)
        assert len({share(f"source-{n}", timedelta(1)) for n in range(100)}) > 90

    def test_a_source_waits_for_its_share(self, sqlite_book: Engine, noon: datetime) -> None:
        """Exactly so long after the start of its slot."""
        done(sqlite_book, claimed(sqlite_book, noon), noon)
        jitter = timedelta(minutes=5)
        early = noon + EVERY + share(SOURCE, jitter) - timedelta(seconds=1)

        assert [] == due(sqlite_book, (SOURCE,), early, EVERY, jitter)
        assert [SOURCE] == due(sqlite_book, (SOURCE,), early + MINUTE, EVERY, jitter)


class TestFailures:
    """A source that fails is tried again, more and more seldom."""

    def test_the_pauses_double_up_to_the_next_slot(
        self, sqlite_book: Engine, noon: datetime
    ) -> None:
        """5, 10, 20 minutes and so on; when that reaches the period, the next slot."""
        now, pauses = noon, []
        for _ in range(9):
            done(sqlite_book, claimed(sqlite_book, now), now, failed=True)
            pauses.append((row(sqlite_book).next_due - now) // MINUTE)
            now = row(sqlite_book).next_due

        # After 635 minutes the next slot is 85 minutes away; from then on it is the slots.
        assert [5, 10, 20, 40, 80, 160, 320, 85, 360] == pauses

    def test_with_the_shortest_period_every_slot_is_tried(
        self, sqlite_book: Engine, noon: datetime
    ) -> None:
        """A pause never makes cron miss the slot after a failure, though a try takes time."""
        every = timedelta(minutes=5)
        for number in range(5):
            now = noon + number * every
            assert is_due(sqlite_book, now, every)
            done(sqlite_book, claimed(sqlite_book, now), now + MINUTE, every, failed=True)

    def test_success_ends_it(self, sqlite_book: Engine, noon: datetime) -> None:
        """After one good run the next failure pauses for five minutes again."""
        done(sqlite_book, claimed(sqlite_book, noon), noon, failed=True)
        done(sqlite_book, claimed(sqlite_book, noon, force=True), noon)
        assert (0, noon + EVERY) == (row(sqlite_book).failures, row(sqlite_book).next_due)

        done(sqlite_book, claimed(sqlite_book, noon, force=True), noon, failed=True)
        assert noon + 5 * MINUTE == row(sqlite_book).next_due

    @pytest.mark.parametrize("failed", [True, False])
    @pytest.mark.parametrize("asked", [timedelta(minutes=7), timedelta(hours=30)])
    def test_nobody_comes_before_retry_after(
        self, sqlite_book: Engine, noon: datetime, asked: timedelta, failed: bool
    ) -> None:
        """Not a microsecond early, whatever the slot, even if only a part of the run failed."""
        until = noon + asked + timedelta(microseconds=1)
        done(sqlite_book, claimed(sqlite_book, noon), noon, failed=failed, retry_after=until)

        assert not is_due(sqlite_book, noon + asked)
        assert claim(sqlite_book, SOURCE, noon + asked, EVERY) is None
        first = max(noon + asked + MINUTE, row(sqlite_book).next_due)
        assert is_due(sqlite_book, first)

    def test_a_short_retry_after_shortens_no_pause(
        self, sqlite_book: Engine, noon: datetime
    ) -> None:
        """Who answers "come again in a second" for hours is not asked every second."""
        done(sqlite_book, claimed(sqlite_book, noon), noon, failed=True, retry_after=noon + MINUTE)

        assert not is_due(sqlite_book, noon + 4 * MINUTE)
        assert is_due(sqlite_book, noon + 5 * MINUTE)


class TestLeases:
    """Who holds a slot, holds it alone."""

    def test_processes_share_the_slots(self, book: Engine, noon: datetime) -> None:
        """Of three processes that ask at the same moment, one and only one does each slot."""
        winners = []
        with workers(book, 3) as three:
            for number in range(SLOTS):
                now = noon + number * EVERY
                for worker in three:
                    worker.say("claim", now)
                answers = [worker.answer() for worker in three]
                assert ["no", "no", "yes"] == sorted(answers)
                winners.append(answers.index("yes"))
                assert "yes" == three[winners[-1]].ask("finish", now)

        assert SLOTS == row(book).epoch
        assert len(set(winners)) > 1  # or they didn't race

    def test_a_dead_holder_is_replaced_at_once(self, book: Engine, noon: datetime) -> None:
        """What was killed on this machine holds nothing: its slot goes to the next who asks."""
        with workers(book, 1) as (worker,):
            assert "yes" == worker.ask("claim", noon)
            assert claim(book, SOURCE, noon, EVERY) is None
            worker.kill()

        assert claim(book, SOURCE, noon, EVERY)

    def test_a_holder_elsewhere_has_its_time(self, book: Engine, noon: datetime) -> None:
        """Of other machines nothing is known: their lease counts until it ends."""
        claimed(book, noon)
        change(book, lease_owner="elsewhere/1:1")

        let_pass(book, LEASE - MINUTE)
        assert claim(book, SOURCE, noon + LEASE - MINUTE, EVERY) is None
        assert claim(book, SOURCE, noon + LEASE - MINUTE, EVERY, force=True) is None
        let_pass(book, MINUTE)
        assert claim(book, SOURCE, noon + LEASE, EVERY)

    def test_a_host_with_a_wrong_clock_breaks_no_lease(
        self, postgres_url: str, noon: datetime
    ) -> None:
        """Where daemons run on several hosts, the database's clock counts their leases."""
        engine = open_book(postgres_url)
        claimed(engine, noon)
        change(engine, lease_owner="elsewhere/1:1")

        assert claim(engine, SOURCE, noon + timedelta(days=300), EVERY) is None
        engine.dispose()

    def test_an_oversleeper_writes_nothing(self, book: Engine, noon: datetime) -> None:
        """A process that was stopped for longer than its lease finds the slot taken over."""
        with workers(book, 2) as (sleeper, other):
            assert "yes" == sleeper.ask("claim", noon)
            sleeper.process.send_signal(signal.SIGSTOP)
            let_pass(book, LEASE)
            assert "yes" == other.ask("claim", noon + LEASE)
            sleeper.process.send_signal(signal.SIGCONT)

            assert "lost" == sleeper.ask("finish", noon + LEASE)
            assert "yes" == other.ask("finish", noon + LEASE + MINUTE)

        assert noon + LEASE + MINUTE == row(book).last_finished

    def test_a_lost_lease_takes_the_transaction_with_it(self, book: Engine, noon: datetime) -> None:
        """What was written beside it is gone, too."""
        mine = claimed(book, noon)
        change(book, epoch=mine.epoch + 1)

        for step in (renew, partial_finish):
            with pytest.raises(LeaseLost, match="openai: another process took this run over"):
                write_and(step, book, mine, noon)

        with book.connect() as connection:
            assert 0 == connection.execute(select(func.count()).select_from(Heartbeat)).scalar()

    def test_renewing_holds_on(self, book: Engine, noon: datetime) -> None:
        """Who goes on working keeps the slot beyond the first lease."""
        mine = claimed(book, noon)
        change(book, lease_owner="elsewhere/1:1")
        let_pass(book, 9 * MINUTE)
        with book.begin() as connection:
            renew(connection, mine, noon + 9 * MINUTE)

        let_pass(book, 9 * MINUTE)
        assert claim(book, SOURCE, noon + 18 * MINUTE, EVERY) is None
        let_pass(book, MINUTE)
        assert claim(book, SOURCE, noon + 19 * MINUTE, EVERY)

    def test_giving_back_leaves_the_slot_open(self, book: Engine, noon: datetime) -> None:
        """A run that was interrupted counts as not begun."""
        mine = claimed(book, noon)
        release(book, mine)
        assert (None, None) == (row(book).lease_owner, row(book).lease_until)
        assert is_due(book, noon)

        other = claimed(book, noon)
        release(book, mine)  # too late: it is another's now, and stays so
        assert owner() == row(book).lease_owner
        assert other.epoch == row(book).epoch

    def test_giving_all_back_voids_late_writes(self, book: Engine, noon: datetime) -> None:
        """After a process has given up, its own thread can't finish any more."""
        mine = claimed(book, noon)
        release_all(book)

        assert row(book).lease_owner is None
        with pytest.raises(LeaseLost):
            done(book, mine, noon)

    def test_giving_all_back_touches_nobody_else(self, book: Engine, noon: datetime) -> None:
        """Only what this process holds."""
        mine = claimed(book, noon)
        change(book, lease_owner="elsewhere/1:1")
        release_all(book)

        assert ("elsewhere/1:1", mine.epoch) == (row(book).lease_owner, row(book).epoch)


def partial_finish(connection: Connection, mine: Claim, now: datetime) -> None:
    """`finish` in the form of `renew`."""
    finish(connection, mine, now, EVERY)


def write_and(step: Any, engine: Engine, mine: Claim, now: datetime) -> None:
    """A transaction that writes something else first."""
    with engine.begin() as connection:
        connection.execute(insert(Heartbeat).values(name="of the stale one", at=now))
        step(connection, mine, now)


class TestWhoIsGone:
    """Only of processes on this machine is it known that they have ended."""

    def test_the_living(self) -> None:
        """A process that runs is not gone."""
        with subprocess.Popen(["sleep", "60"]) as process:
            machine = owner().rpartition(":")[0]
            assert not is_gone(f"{machine}:{process.pid}")
            process.kill()
            process.wait()
            assert is_gone(f"{machine}:{process.pid}")

    def test_our_own_number_was_somebody_elses(self) -> None:
        """In a container every start has the number 1: a lease of "ours" is the last start's."""
        assert is_gone(owner())

    @pytest.mark.parametrize(
        "name", ["", None, "elsewhere:1", "elsewhere/4026531836:1", f"{socket.gethostname()}/1:1"]
    )
    def test_others(self, name: str | None) -> None:
        """Another host, another container on this one, or nobody: not known to be gone."""
        assert not is_gone(name)

    def test_the_owner_of_another_users_process(self) -> None:
        """A process that we may not signal runs all the same."""
        machine = owner().rpartition(":")[0]
        with suppress(PermissionError):
            os.kill(1, 0)
        assert not is_gone(f"{machine}:1")
