"""Column types: money as whole 10^-10 currency units, times as whole UTC seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

from pricebook.quote import from_ticks, to_ticks


class Money(TypeDecorator[Decimal]):
    """A `Decimal` amount; one that isn't a whole number of 10^-10 is refused, never rounded."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """To ticks."""
        return None if value is None else to_ticks(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """From ticks."""
        return _from_ticks


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime in whole seconds: an integer on SQLite, timestamptz on PostgreSQL."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """PostgreSQL has a type of its own for this."""
        native = dialect.name == "postgresql"
        return dialect.type_descriptor(DateTime(timezone=True) if native else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Naive times are refused: they would be read in some machine's own zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        utc = value.astimezone(UTC).replace(microsecond=0)
        return utc if dialect.name == "postgresql" else int(utc.timestamp())

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Always aware, always UTC."""
        return _in_utc if dialect.name == "postgresql" else _from_seconds


class Exact(TypeDecorator[Decimal]):
    """A `Decimal` that is not money (a ratio), kept as text with all its digits."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """To text."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """From text."""
        return None if value is None else Decimal(value)


# One call for each value: with `process_result_value` SQLAlchemy makes three.
def _from_ticks(value: int | None) -> Decimal | None:
    return None if value is None else from_ticks(value)


def _from_seconds(value: int | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)


def _in_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


Document: TypeEngine[Any] = JSON(none_as_null=True)
