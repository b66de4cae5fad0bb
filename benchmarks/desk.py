"""What every benchmark needs at hand: a database of its own, and a way to say what came out."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """The one that was named, or a file that is gone afterwards."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="breakeven-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'book.db'}"


def say(words: str) -> None:
    """One line, at once."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
