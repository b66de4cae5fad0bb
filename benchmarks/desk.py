"""What every benchmark needs at hand: a database of its own, and a way to say what came out."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OURS = {"PYTHONPATH": str(Path(__file__).parents[1])}
"""Lets processes find our modules, wherever they run."""


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """The one that was named, or a file that is gone afterwards."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="breakeven-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'book.db'}"


def as_installed() -> dict[str, str]:
    """The environment of processes in which, as where a program is installed, what Python compiles
    is kept; else each run would count that, too."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def say(words: str) -> None:
    """One line, at once."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
