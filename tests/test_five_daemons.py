"""Five daemons on one PostgreSQL: one is killed, one sleeps for longer than its lease."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, func, insert, select, update

from pricebook.schema import open_book
from pricebook.tables import Heartbeat, Partition, Run

SOURCES = ("first", "second", "third")
SLOTS = int(os.environ.get("BREAKEVEN_SHARED_SLOTS", "6"))
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PATIENCE_SECONDS = 60

DAEMON = """
import os, signal, sys, time
from datetime import timedelta
from sqlalchemy import select
from breakeven import schedule
from pricebook.runs import note_run
from pricebook.schema import connect, reading
from pricebook.tables import Heartbeat

_, url, fate, *sources = sys.argv
schedule.LEASE = timedelta(seconds=2)
engine, hour = connect(url), timedelta(hours=1)


def time_told():
    with reading(engine) as connection:
        return connection.execute(select(Heartbeat.at)).scalar_one()


def run(name):
    global fate
    now = time_told()
    mine = now.year < 3000 and schedule.claim(engine, name, now, hour)
    if not mine:
        return
    if fate == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fate == "frozen":
        fate = "awake"
        os.kill(os.getpid(), signal.SIGSTOP)
    try:
        with engine.begin() as connection:
            schedule.renew(connection, mine, now)
            note_run(connection, name, mine.at, "complete", reason=fate)
            schedule.finish(connection, mine, now, hour)
    except schedule.LeaseLost as error:
        print(f"lost epoch {mine.epoch} of {error}", flush=True)


while (now := time_told()).year < 3000:
    for name in schedule.due(engine, tuple(sources), now, hour):
        run(name)
    time.sleep(0.01)
"""


def test_each_slot_is_done_once(postgres_url: str) -> None:
    """Whatever becomes of two of five: each slot once, none twice, and no late write."""
    engine = open_book(postgres_url)
    with engine.begin() as connection:
        connection.execute(insert(Heartbeat).values(name="now", at=START))
    slots = 0
    with daemons(postgres_url) as (killed, frozen, *healthy):
        while slots < SLOTS or killed.poll() is None or not is_stopped(frozen):
            do_slot(engine, slots)
            slots += 1
        frozen.send_signal(signal.SIGCONT)
        do_slot(engine, slots)
        tell_time(engine, datetime(3000, 1, 1, tzinfo=UTC))
        said = [one.communicate(timeout=PATIENCE_SECONDS)[0] for one in (frozen, *healthy)]

    assert -signal.SIGKILL == killed.returncode
    assert said[0].startswith("lost epoch ")
    assert ["", "", ""] == said[1:]
    expected = {(name, START + HOUR * slot): 1 for name in SOURCES for slot in range(slots + 1)}
    assert expected == runs_done(engine)
    engine.dispose()


@contextmanager
def daemons(url: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Five processes that do what is due at the time that the book tells; two meet their fate in
    the middle of the first run that they get."""
    with ExitStack() as stack:
        made = []
        for fate in ("killed", "frozen", "healthy", "healthy", "healthy"):
            command = [sys.executable, "-c", DAEMON, url, fate, *SOURCES]
            one = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            stack.enter_context(one)
            stack.callback(one.kill)
            made.append(one)
        yield made


def do_slot(engine: Engine, number: int) -> None:
    """Let an hour begin, and wait until every source is done."""
    tell_time(engine, START + HOUR * number)
    wait_until(lambda: len(runs_done(engine)) == len(SOURCES) * (number + 1))


def tell_time(engine: Engine, at: datetime) -> None:
    """What the daemons take for the time; their leases go by the database's own."""
    with engine.begin() as connection:
        connection.execute(update(Heartbeat).values(at=at))


def is_stopped(one: subprocess.Popen[str]) -> bool:
    """Whether a process has been stopped."""
    return "T (stopped)" in Path(f"/proc/{one.pid}/status").read_text()


def wait_until(happens: Callable[[], bool]) -> None:
    """Look again and again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs_done(engine: Engine) -> dict[tuple[str, datetime], int]:
    """How often each slot of each source was done."""
    query = (
        select(Partition.name, Run.at, func.count())
        .join(Partition, Partition.id == Run.partition_id)
        .group_by(Partition.name, Run.at)
    )
    with engine.connect() as connection:
        return {(name, at): count for name, at, count in connection.execute(query)}
