"""What commands and passes work with: the settings, the open book, the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from breakeven.settings import Settings
from pricebook.asking import asking
from pricebook.question import Asked
from scraper.clock import Clock

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from scraper.collect import Entered, Tools


@dataclass
class App:
    """What a pass needs: settings that SIGHUP may swap, the book, the time."""

    settings: Settings
    opened: Engine | None = None
    """The book, once something needs more of it than an answer."""
    clock: Clock = field(default_factory=Clock)
    listen: Callable[[Entered], None] = lambda _: None

    @classmethod
    def open(cls, settings: Settings, clock: Clock | None = None) -> App:
        """Open the book and bring its schema up to date."""
        from pricebook.schema import open_book

        return cls(settings, open_book(settings.database_url), clock or Clock())

    @property
    def engine(self) -> Engine:
        """The open book, its schema up to date."""
        if self.opened is None:
            from pricebook.schema import open_book

            self.opened = open_book(self.settings.database_url)
        return self.opened

    def close(self) -> None:
        """Let go of the book; what asks again opens it anew."""
        if self.opened is not None:
            self.opened.dispose()
            self.opened = None

    @contextmanager
    def asking(self) -> Iterator[Asked]:
        """A connection for questions about prices, which need the book no more open than it is."""
        if self.opened is None:
            with asking(self.settings.database_url) as asked:
                yield asked
            return
        from pricebook.schema import reading

        with reading(self.opened) as connection:
            yield connection

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
        from pricebook.schema import reading

        with reading(self.engine) as connection:
            return last_fetch(connection, url)

    def _last_list(self, partition: str) -> Any:
        from pricebook.bulk import last_list
        from pricebook.schema import reading

        with reading(self.engine) as connection:
            return last_list(connection, partition)
