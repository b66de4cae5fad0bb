"""TOML to frozen settings: typed access that knows its place, and refuses what it doesn't know.

A `Table` is read key by key and then closed; closing refuses every key that nobody asked for and
names the nearest one that exists. Each floor reads the tables that are its own.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pricebook.errors import ConfigError

TOP = "top level"
"""What errors call the file's own keys; its tables are called `[collect]` and `[[rule]] "x"`."""

_DURATION = re.compile(r"(\d+)\s*(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


class Table:
    """One TOML table: `where` is its name for people, such as `[collect]` or `[[rule]] "x"`."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = dict(values)
        self._asked: set[str] = set()
        self.where = where

    def has(self, key: str) -> bool:
        """Whether the key is set; asking makes it a known one."""
        self._asked.add(key)
        return key in self._values

    def raw(self, key: str) -> Any:
        """The value as TOML gave it (numbers with a point as Decimal), or None when absent."""
        self._asked.add(key)
        return self._values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """A string; required when there is no default."""
        value: str = self._typed(key, str, "a text in quotes", default)
        return value

    def choice(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        """A string out of `allowed`."""
        value, options = self.text(key, default), list(allowed)
        if value not in options:
            raise self.error(key, f"is {value!r}{_nearest(value, options)}; {_one_of(options)}")
        return value

    def texts(self, key: str, default: Iterable[str] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        values = self._typed(key, list, "a list of texts", None if default is None else [*default])
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, "must be a list of texts")
        return tuple(values)

    def integer(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        value: int = self._typed(key, int, "a whole number", default)
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value: bool = self._typed(key, bool, "true or false", default)
        return value

    def decimal(self, key: str, default: Decimal | None = None) -> Decimal:
        """A number, exact as written."""
        value = self._typed(key, (int, Decimal), "a number", default)
        return Decimal(value)

    def duration(self, key: str, default: str) -> timedelta:
        """A time span such as `90s`, `15min`, `6h` or `2d`."""
        value = self.text(key, default)
        match = _DURATION.fullmatch(value.strip())
        if not match:
            raise self.error(key, f"is {value!r}; write a span such as 90s, 15min, 6h or 2d")
        return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])

    def table(self, key: str) -> Table:
        """A sub-table, empty when absent."""
        values = self._typed(key, dict, "a table", {})
        return Table(values, f"[{key}]" if self.where == TOP else f"{self.where} {key}")

    def tables(self, key: str, name: str = "name") -> Iterator[Table]:
        """The entries of an array of tables, each called by its `name`."""
        for number, values in enumerate(self._typed(key, list, f"written as [[{key}]]", []), 1):
            if not isinstance(values, dict):
                raise self.error(key, f"must be written as [[{key}]]")
            yield Table(values, f'[[{key}]] "{values.get(name, f"number {number}")}"')

    def close(self) -> None:
        """Refuse every key that nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                known = sorted(self._asked)
                raise self.error(key, f"is not a setting{_nearest(key, known)}; {_one_of(known)}")

    def error(self, key: str, what: str) -> ConfigError:
        """The sentence for a wrong value: which key of which table, and what is wrong with it."""
        return ConfigError(f"{self.where}: {key} {what}")

    def _typed(self, key: str, kind: type | tuple[type, ...], words: str, default: Any) -> Any:
        self._asked.add(key)
        value = self._values.get(key, default)
        if value is None:
            raise self.error(key, f"is missing; it must be {words}")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"is {value!r}; it must be {words}")
        return value


def load(path: Path) -> Table:
    """The whole file as a table; one sentence when it is missing, unreadable or not TOML."""
    try:
        with path.open("rb") as file:
            values = tomllib.load(file, parse_float=Decimal)
    except FileNotFoundError:
        raise ConfigError(f"{path} doesn't exist; write one with `breakeven init`") from None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    return Table(values, TOP)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name in front of every ConfigError raised inside."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is, never what it is: `{ env = "NAME" }` or `{ file = "PATH" }`."""

    where: str
    env: str | None = None
    file: Path | None = None

    @classmethod
    def read(cls, table: Table) -> Secret:
        """From a table with exactly one of `env` and `file`."""
        env, file = table.raw("env"), table.raw("file")
        table.close()
        if bool(env) == bool(file):
            raise ConfigError(f'{table.where}: give either env = "NAME" or file = "PATH"')
        return cls(table.where, env, Path(file) if file else None)

    def reveal(self) -> str:
        """The secret itself; a sentence without it when it can't be had."""
        value = self._from_file(self.file) if self.file else os.environ.get(self.env or "", "")
        if not value:
            source = f"file {self.file}" if self.file else f"environment variable {self.env}"
            raise ConfigError(f"{self.where}: {source} is empty or missing")
        return value

    def _from_file(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"{self.where}: file {file}: {error.strerror}") from None


def _nearest(word: str, known: Iterable[str]) -> str:
    import difflib  # slow to load, and only for who mistypes

    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _one_of(options: Iterable[str]) -> str:
    return f"known here: {', '.join(options)}"
