"""What commands and passes work with: the settings, the open book, the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from breakeven.settings import Settings
from pricebook.schema import open_book, reading
from scraper.clock import Clock

if TYPE_CHECKING:
    from scraper.collect import Entered, Tools


@dataclass
class App:
    """What a pass needs: settings that SIGHUP may swap, the open book, the time."""

    settings: Settings
    engine: Engine
    clock: Clock = field(default_factory=Clock)
    listen: Callable[[Entered], None] = lambda _: None

    @classmethod
    def open(cls, settings: Settings, clock: Clock | None = None) -> App:
        """Open the book and bring its schema up to date."""
        return cls(settings, open_book(settings.database_url), clock or Clock())

    def now(self) -> datetime:
        """Aware UTC in whole seconds, as the book keeps it."""
        return self.clock.now().replace(microsecond=0)

    def tools(self) -> Tools:
        """What a source needs to fetch and keep."""
        from scraper.collect import Tools
        from scraper.http import HttpClient

        return Tools(
            HttpClient(self.settings.http, self.clock),
            self.settings.evidence_store(),
            self.now,
            self._remembered,
            self._last_list,
        )

    def _remembered(self, url: str) -> Any:
        from pricebook.runs import last_fetch

        with reading(self.engine) as connection:
            return last_fetch(connection, url)

    def _last_list(self, partition: str) -> Any:
        from pricebook.bulk import last_list

        with reading(self.engine) as connection:
            return last_list(connection, partition)
