"""The silences that the book keeps: those of `breakeven alerts silence`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from comparator.silence import Silence
from pricebook.errors import ConfigError
from pricebook.tables import SilenceRow

_MATCHERS = ("rule", "workload", "seller", "pattern")


def silences(connection: Connection, now: datetime) -> list[Silence]:
    """Those that haven't ended, oldest first."""
    query = select(SilenceRow.__table__).where(SilenceRow.ends_at > now).order_by(SilenceRow.id)
    return [Silence(**row) for row in connection.execute(query).mappings()]


def add_silence(connection: Connection, silence: Silence) -> int:
    """Keep it, and give its number; ConfigError when it never begins or gives no reason."""
    if silence.ends_at <= silence.starts_at:
        raise ConfigError("a silence must end after it begins")
    if not silence.reason.strip():
        raise ConfigError("a silence needs a reason: those who find it want to know why")
    values = {name: getattr(silence, name) for name in _MATCHERS}
    row = insert(SilenceRow).values(
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        reason=silence.reason,
        **values,
    )
    return connection.execute(row.returning(SilenceRow.id)).scalar_one()


def end_silence(connection: Connection, number: int, now: datetime) -> None:
    """End it now; ConfigError when there is no such silence in force or to come."""
    row = update(SilenceRow).where(SilenceRow.id == number, SilenceRow.ends_at > now)
    if not connection.execute(row.values(ends_at=now)).rowcount:
        raise ConfigError(f"there is no silence {number}; `breakeven alerts silences` lists them")
