"""kill -9 of one of two processes that deliver: nothing is lost, and what comes twice says so.

On both databases, by chance at any moment, BREAKEVEN_KILLS times (10 where it isn't set). The queue
is never empty and Slack answers within milliseconds, so that nearly every kill hits a message that
is being sent.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select

from breakeven.demo.sinks import SlackSink
from comparator.event import Event
from comparator.outbox import enqueue
from pricebook.tables import Attempt, EventRow, Message

KILLS = int(os.environ.get("BREAKEVEN_KILLS", "10"))
SEED = int(os.environ.get("BREAKEVEN_SEED", "0")) or random.randrange(1, 10**6)
RECEIVERS = ("ml", "ops")

WORKER = """
import os, signal, sys, time
from datetime import UTC, datetime
from pathlib import Path
from breakeven import schedule
from comparator.channels.slack import Webhook
from comparator.dispatch import Dispatch
from comparator.outbox import expire
from comparator.receivers import Receiver
from pricebook.config import Secret
from pricebook.schema import connect

def work():
    engine = connect(sys.argv[1])
    hook = Webhook(Secret("webhook", file=Path(sys.argv[2])))
    receivers = {name: Receiver(name, hook) for name in ("ml", "ops")}
    while True:
        expire(engine, schedule.is_gone, datetime.now(UTC))
        Dispatch(engine, receivers, schedule.owner(), sleep=lambda _: None).deliver_due()
        time.sleep(0.01)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        work()
    print(child, flush=True)
"""
"""A process that has everything imported, and forks a worker for each line that it reads."""


@dataclass
class Office:
    """The process that makes workers, and the workers."""

    nursery: subprocess.Popen[str]
    workers: list[int] = field(default_factory=list)

    def hire(self) -> None:
        """One more worker."""
        assert self.nursery.stdin
        assert self.nursery.stdout
        self.nursery.stdin.write("\n")
        self.nursery.stdin.flush()
        self.workers.append(int(self.nursery.stdout.readline()))

    def kill(self, number: int) -> None:
        """Without any warning."""
        os.kill(self.workers.pop(number), signal.SIGKILL)


@contextmanager
def office(url: str, webhook: Path) -> Iterator[Office]:
    """Two workers, to begin with."""
    command = [sys.executable, "-c", WORKER, url, str(webhook)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as nursery:
        made = Office(nursery)
        made.hire()
        made.hire()
        try:
            yield made
        finally:
            while made.workers:
                made.kill(0)
            nursery.kill()


def fill(engine: Engine, count: int) -> set[str]:
    """Events of a run each, for both receivers; their ids."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=count)
    events = [
        Event(f"{number:016x}", "pays", "fired", "firing", begin + timedelta(seconds=number), "bot")
        for number in range(count)
    ]
    with engine.begin() as connection:
        for event in events:
            names = ("id", "rule", "workload", "kind", "state", "at")
            columns = {name: getattr(event, name) for name in names}
            connection.execute(insert(EventRow).values(**columns, details=event.details()))
            enqueue(connection, event, RECEIVERS, event.at)
    return {event.id for event in events}


def pending(engine: Engine) -> int:
    """How many messages wait."""
    with engine.connect() as connection:
        query = select(func.count()).where(Message.status == "pending")
        return int(connection.execute(query).scalar_one())


@pytest.mark.timeout(60 + 5 * KILLS)
def test_two_processes_that_are_killed_lose_nothing(
    book: Engine, book_url: str, tmp_path: Path
) -> None:
    """Every event arrives; what comes twice has the same id, and is as rare as the kills."""
    chance, kills = random.Random(SEED), 0
    events = fill(book, 4 * KILLS)
    with SlackSink() as slack:
        webhook = tmp_path / "webhook"
        webhook.write_text(slack.url, encoding="utf-8")
        with office(book_url, webhook) as workers:
            while kills < KILLS and pending(book):
                time.sleep(chance.uniform(0, 0.15))
                workers.kill(chance.randrange(2))
                workers.hire()
                kills += 1
            while pending(book):
                time.sleep(0.05)
        posts = [json.dumps(post) for post in slack.messages]

    arrived = Counter(re.findall(r"(?:Event|same id) ([0-9a-f]{16})", " ".join(posts)))
    doubled = sum(arrived.values()) - len(RECEIVERS) * len(events)
    repeats = sum("Possible repeat" in post for post in posts)
    assert kills > KILLS / 2, f"BREAKEVEN_SEED={SEED}"
    assert events == set(arrived), f"BREAKEVEN_SEED={SEED}"
    assert min(arrived.values()) >= len(RECEIVERS)
    assert 0 <= doubled <= min(repeats, kills), f"BREAKEVEN_SEED={SEED}"
    with book.connect() as connection:
        assert {"delivered"} == set(connection.execute(select(Message.status)).scalars())
        query = select(func.count()).where(Attempt.outcome == "delivered")
        assert len(RECEIVERS) * len(events) == connection.execute(query).scalar_one()
