"""What the commands have in common: their words for times and numbers, their configuration, and
how an error becomes one sentence and an exit code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from breakeven.output import say
from pricebook.errors import BreakevenError, ConfigError

if TYPE_CHECKING:
    from breakeven.app import App
    from breakeven.book_settings import BookSettings
    from breakeven.settings import Settings
    from pricebook.config import Table
    from pricebook.question import Asked

DEFAULT_FILE = Path("breakeven.toml")

Read = TypeVar("Read")
Part = TypeVar("Part", bound="BookSettings")


class When(click.ParamType[datetime]):
    """A day or a time in UTC: `2026-11-23`, `2026-11-23T12:00:00Z`."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Aware UTC; a time without a zone is taken as UTC."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time; write 2026-11-23 or 2026-11-23T12:00:00Z", param, ctx)


class Amount(click.ParamType[Decimal]):
    """A number, exact as written."""

    name = "NUMBER"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Finite; `1,5` and `nan` are refused."""
        try:
            number = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is no number; write for example 1.5", param, ctx)
        if not number.is_finite():
            self.fail(f"{value!r} is no number; write for example 1.5", param, ctx)
        return number


class Span(click.ParamType[timedelta]):
    """A span of time: `90s`, `15min`, `6h`, `2d`."""

    name = "SPAN"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """From a minute to a year."""
        from pricebook.config import Table

        try:
            span = Table({"span": value}, "").duration("span", "")
        except (ConfigError, OverflowError):
            span = timedelta(0)
        if not timedelta(minutes=1) <= span <= timedelta(days=366):
            self.fail(
                f"{value!r} is no span from a minute to a year; write 15min or 6h", param, ctx
            )
        return span


WHEN, AMOUNT, SPAN = When(), Amount(), Span()


class Context:
    """What all commands share: which configuration file, read when it is first needed."""

    def __init__(self, file: Path | None) -> None:
        self.file = file

    def settings(self) -> Settings:
        """The settings of the file that was named, or of breakeven.toml, or the defaults."""
        from breakeven.settings import Settings

        return self._read(Settings.read)

    def app(self) -> App:
        """The open book with its settings, made where there is none."""
        from breakeven.app import App

        return _closed_with_the_command(App.open(self.settings()))

    def asked(self) -> App:
        """The same for commands that only ask: where there is no book, an empty one answers."""
        from breakeven.app import App

        return _closed_with_the_command(App(_to_ask(self.settings())))

    def book_settings(self) -> BookSettings:
        """The part of the settings that questions about prices need."""
        from breakeven.book_settings import BookSettings

        return self._read(BookSettings.read)

    def asking(self) -> AbstractContextManager[Asked]:
        """The book alone, for questions about prices: what compares isn't even imported."""
        from pricebook.asking import asking

        return asking(_to_ask(self.book_settings()).database_url)

    def _read(self, read: Callable[[Table], Read]) -> Read:
        from pricebook.config import Table, load, naming

        if self.file is None and not DEFAULT_FILE.exists():
            return read(Table({}, "defaults"))
        file = self.file or DEFAULT_FILE
        table = load(file)
        with naming(file):
            return read(table)


class OneByDefault(click.Group):
    """Commands of which one may go unnamed: `sources openai` is `sources list openai`."""

    default = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command's name where no command is named."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


class Imports(OneByDefault):
    """`import FILE` is `import from FILE`."""

    default = "from"


class Sources(OneByDefault):
    """`sources NAME` is `sources list NAME`."""

    default = "list"


def _closed_with_the_command(app: App) -> App:
    # So that a SQLite file holds all that was written, and may be copied.
    click.get_current_context().find_root().call_on_close(app.close)
    return app


def _to_ask(settings: Part) -> Part:
    if settings.missing_file:
        say(f"there is no database {settings.missing_file} yet; `breakeven collect` makes it")
    return settings.to_ask()


def sentence(error: Exception) -> str:
    """What went wrong, also where no part of the program has foreseen it."""
    if isinstance(error, BreakevenError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if type(error).__module__.startswith(("sqlalchemy", "sqlite3")):
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return f"the database failed ({reason}); check [database] url, and the disk it is on"
    kind = type(error).__name__
    return f"a fault of breakeven's own ({kind}: {error}); `breakeven -v ...` shows where"
