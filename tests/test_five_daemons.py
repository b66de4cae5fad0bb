"""Five daemons on one PostgreSQL: one is killed, one sleeps for longer than its lease."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Engine, func, select

from pricebook.schema import open_book
from pricebook.tables import Partition, Run, Schedule

DAEMONS = 5
SOURCES = ("first", "second", "third")
SLOTS = int(os.environ.get("BREAKEVEN_SHARED_SLOTS", "3"))

DAEMON = """
import sys, time
from datetime import UTC, datetime, timedelta
from breakeven import schedule
from pricebook.runs import note_run
from pricebook.schema import connect

schedule.LEASE = timedelta(seconds=2)
engine, every, sources = connect(sys.argv[1]), timedelta(seconds=2), tuple(sys.argv[2].split(","))
until = float(sys.argv[3])


def run(name):
    now = datetime.now(UTC)
    mine = schedule.claim(engine, name, now, every)
    if mine is None:
        return
    print("claimed", name, mine.epoch, flush=True)
    time.sleep(0.6)  # the reading of pages
    try:
        with engine.begin() as connection:
            schedule.renew(connection, mine, datetime.now(UTC))
            slot = int(mine.at.timestamp()) // 2
            note_run(connection, name, mine.at, "complete", reason=f"slot {slot}")
            schedule.finish(connection, mine, datetime.now(UTC), every)
        print("finished", name, mine.epoch, flush=True)
    except schedule.LeaseLost:
        print("lost", name, mine.epoch, flush=True)


print("ready", flush=True)
while time.time() < until:
    for name in schedule.due(engine, sources, datetime.now(UTC), every):
        run(name)
    time.sleep(0.02)
"""


def test_each_slot_is_done_once(postgres_url: str) -> None:
    """Whatever becomes of two of five: no slot twice, none left out, no late write."""
    engine = open_book(postgres_url)
    until = time.time() + 8 + 2 * SLOTS
    with daemons(postgres_url, until) as five:
        killed, frozen, *_ = five
        said_of_killed = stop_while_it_holds(killed, signal.SIGKILL)
        said_of_frozen = stop_while_it_holds(frozen, signal.SIGSTOP)
        source, epoch = said_of_frozen[-1].split()[1:]
        wait_until_taken_over(engine, source, int(epoch))
        frozen.send_signal(signal.SIGCONT)
        answers = [one.communicate(timeout=60)[0].splitlines() for one in five]

    assert f"lost {source} {epoch}" in answers[1]
    assert said_of_killed[-1].replace("claimed", "finished") not in answers[0]
    runs = slots_done(engine)
    assert {1} == set(runs.values())
    for name in SOURCES:
        done = sorted(int(slot.split()[1]) for partition, slot in runs if partition == name)
        # A slot is left out only where its holder was killed or slept through it.
        assert done[-1] - done[0] + 1 - len(done) <= 4
        assert len(done) >= SLOTS
    finished = Counter(line for lines in answers for line in lines if line.startswith("finished"))
    assert sum(finished.values()) + finished_before(said_of_killed, said_of_frozen) == len(runs)
    engine.dispose()


@contextmanager
def daemons(url: str, until: float) -> Iterator[list[subprocess.Popen[str]]]:
    """Five processes that look for what is due until then."""
    with ExitStack() as stack:
        made = []
        for _ in range(DAEMONS):
            command = [sys.executable, "-c", DAEMON, url, ",".join(SOURCES), str(until)]
            one = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(one.kill)
            made.append(one)
        for one in made:
            assert one.stdout
            assert "ready" == one.stdout.readline().strip()
        yield made


def stop_while_it_holds(one: subprocess.Popen[str], how: signal.Signals) -> list[str]:
    """Stop a process in the middle of a run; what it has said until then."""
    assert one.stdout
    said = []
    while not said or not said[-1].startswith("claimed"):
        said.append(one.stdout.readline().strip())
    one.send_signal(how)
    return said


def wait_until_taken_over(engine: Engine, source: str, epoch: int) -> None:
    """Until somebody else has claimed what the sleeper holds."""
    query = select(Schedule.epoch).where(Schedule.source == source)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if connection.execute(query).scalar_one() > epoch:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody took {source} over")


def slots_done(engine: Engine) -> dict[tuple[str, str], int]:
    """How often each slot of each source was done."""
    query = (
        select(Partition.name, Run.reason, func.count())
        .join(Partition, Partition.id == Run.partition_id)
        .group_by(Partition.name, Run.reason)
    )
    with engine.connect() as connection:
        return {(name, slot): count for name, slot, count in connection.execute(query)}


def finished_before(*said: list[str]) -> int:
    """What the two had finished before they were stopped."""
    return sum(line.startswith("finished") for lines in said for line in lines)
