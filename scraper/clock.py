"""The time, for all that waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The time and its passing; tests put another in its place."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
