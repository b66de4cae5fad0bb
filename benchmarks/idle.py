"""What a daemon needs that has little to do: memory, CPU and file handles over simulated days.

`python -m benchmarks.idle [--hours N]` runs the daemon's own passes, one for each 15 seconds of a
clock that jumps; every six hours the sources of `breakeven demo` are read over loopback, and change
nothing. It prints CPU seconds, memory and file handles after an hour, and fails when memory or
handles grow after the first fourth.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.desk import say
from breakeven.app import App
from breakeven.daemon import TICK, Daemon
from breakeven.demo.facts import DAYS
from breakeven.demo.story import story
from breakeven.demo.world import world
from breakeven.settings import Settings
from scraper.clock import Clock

GROWTH_KIB = 2048
"""More than what the allocator keeps for itself, less than a leak of 100 bytes a pass in a day."""


def main() -> None:
    """Print a line for each fourth of the time, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=24)
    hours = parser.parse_args().hours
    with tempfile.TemporaryDirectory(prefix="breakeven-idle-") as folder, waiting(folder) as soak:
        found = [soak.hour() for _ in range(hours)]
    for number in range(0, hours, max(1, hours // 8)):
        say(f"hour {number + 1}: {found[number]}")
    say(f"hour {hours}: {found[-1]}")
    say(f"CPU of an hour: {sum(one.cpu_seconds for one in found) / hours:.2f} s")
    early, late = found[hours // 4], found[-1]
    if late.handles > early.handles or late.own_kib > early.own_kib + GROWTH_KIB:
        raise SystemExit(f"it grew: {early} at first, {late} at last")


@dataclass(frozen=True, slots=True)
class Needs:
    """Of this process after an hour. `own_kib` is without mapped files, of which the kernel drops
    what wasn't used for a while."""

    kib: int
    own_kib: int
    handles: int
    cpu_seconds: float

    def __str__(self) -> str:
        memory = f"{self.kib / 1024:.1f} MiB ({self.own_kib / 1024:.1f} its own)"
        return f"{memory}, {self.handles} handles, {self.cpu_seconds:.2f} s CPU"


class JumpingClock(Clock):
    """A clock that goes only when it is told to."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """The time it was told."""
        return self.at

    def monotonic(self) -> float:
        """The same, in seconds."""
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        """Nobody waits here."""
        self.at += timedelta(seconds=seconds)


@dataclass
class Soak:
    """A daemon whose ticks are called one after the other."""

    daemon: Daemon
    clock: JumpingClock

    def hour(self) -> Needs:
        """240 passes."""
        began = time.process_time()
        end = self.clock.at + timedelta(hours=1)
        while self.clock.at < end:
            self.daemon.tick()
            self.clock.at += TICK
        spent = time.process_time() - began
        gc.collect()
        return Needs(*_resident_kib(), len(list(Path("/proc/self/fd").iterdir())), spent)


@contextmanager
def waiting(folder: str) -> Iterator[Soak]:
    """A daemon over the demo's sources as they are on its last day."""
    with world(DAYS[-1]) as around:
        file = Path(folder) / "breakeven.toml"
        file.write_text(around.config(file.parent, story()), encoding="utf-8")
        settings = Settings.load(file)
        clock = JumpingClock(around.clock.at)
        app = App.open(settings, clock)
        yield Soak(Daemon(app, lambda: settings), clock)
        app.engine.dispose()


def _resident_kib() -> tuple[int, int]:
    """All, and without mapped files."""
    _, resident, mapped, *_ = map(int, Path("/proc/self/statm").read_text().split())
    page = os.sysconf("SC_PAGE_SIZE") // 1024
    return resident * page, (resident - mapped) * page


if __name__ == "__main__":
    main()
