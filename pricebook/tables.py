"""The schema: the only file with column types. Secrets and webhook URLs have no column here."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, MetaData, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pricebook.types import Document, Exact, Instant, Money


class Base(DeclarativeBase):
    """Names of constraints are fixed, so that migrations can speak of them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        str: Text,
        datetime: Instant,
        dict[str, Any]: Document,
        list[Any]: Document,
    }


class Partition(Base):
    """What one look covers as a whole: a seller's page, a region's price list."""

    __tablename__ = "partition"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    """`openai`, `aws-ec2/us-east-1`; the part before the slash is the source."""


class Run(Base):
    """One attempt at a partition. `complete`: a look that renews "last verified" of all it saw."""

    __tablename__ = "run"

    id: Mapped[int] = mapped_column(primary_key=True)
    partition_id: Mapped[int] = mapped_column(ForeignKey(Partition.id))
    at: Mapped[datetime]
    outcome: Mapped[str]
    """complete, partial (some rows set aside or a form missing: nothing is withdrawn), failed."""
    reason: Mapped[str] = mapped_column(default="")
    quotes: Mapped[int] = mapped_column(default=0)
    changes: Mapped[int] = mapped_column(default=0)
    held: Mapped[int] = mapped_column(default=0)

    __table_args__ = (Index(None, "partition_id", "at"),)


class Evidence(Base):
    """A raw answer in the evidence store, by the SHA-256 of its bytes."""

    __tablename__ = "evidence"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    bytes: Mapped[int]
    stored_at: Mapped[datetime]


class Fetch(Base):
    """One answer of a run: which address gave which evidence, and what to ask with next time."""

    __tablename__ = "fetch"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey(Run.id), index=True)
    evidence_id: Mapped[int] = mapped_column(ForeignKey(Evidence.id))
    url: Mapped[str]
    form: Mapped[str]
    at: Mapped[datetime]
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]

    __table_args__ = (Index(None, "url", "at"),)


class SeriesRow(Base):
    """A `pricebook.quote.Series`: the qualifiers that people filter by, the rest in `more`."""

    __tablename__ = "series"

    id: Mapped[int] = mapped_column(primary_key=True)
    seller: Mapped[str]
    product: Mapped[str]
    meter: Mapped[str]
    unit: Mapped[str]
    currency: Mapped[str]
    service_tier: Mapped[str] = mapped_column(default="")
    region: Mapped[str] = mapped_column(default="")
    term: Mapped[str] = mapped_column(default="")
    more: Mapped[str] = mapped_column(default="")
    """The other qualifiers as canonical JSON; "" when there are none (NULLs are never equal)."""

    __table_args__ = (
        UniqueConstraint(
            "product",
            "seller",
            "meter",
            "unit",
            "currency",
            "service_tier",
            "region",
            "term",
            "more",
            name="uq_series_key",
        ),
        # The machines of one region: the key begins with the product, and regions are dozens.
        Index(None, "region", "product"),
    )


class PriceRow(Base):
    """A change of a series, append-only; `amount` NULL: withdrawn. The next row ends it."""

    __tablename__ = "price"

    series_id: Mapped[int] = mapped_column(
        ForeignKey(SeriesRow.id), primary_key=True, autoincrement=False
    )
    valid_from: Mapped[datetime] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(primary_key=True)
    amount: Mapped[Decimal | None] = mapped_column(Money)
    run_id: Mapped[int] = mapped_column(ForeignKey(Run.id))
    basis: Mapped[str]
    """announced, documented, observed, imported; cancelled: an announced change was taken back."""

    __table_args__ = (
        # Every look asks which announced prices have come into force; they are few.
        Index(
            "ix_price_announced",
            "valid_from",
            sqlite_where=text("basis = 'announced'"),
            postgresql_where=text("basis = 'announced'"),
        ),
        {"sqlite_with_rowid": False},
    )


class Quoted(Base):
    """What the page printed, for accepted changes of scraped sources."""

    __tablename__ = "quoted"

    series_id: Mapped[int] = mapped_column(
        ForeignKey(SeriesRow.id), primary_key=True, autoincrement=False
    )
    valid_from: Mapped[datetime] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(primary_key=True)
    text: Mapped[str]
    printed_unit: Mapped[str]
    location: Mapped[str]
    fetch_id: Mapped[int | None] = mapped_column(ForeignKey(Fetch.id))

    __table_args__ = ({"sqlite_with_rowid": False},)


class Current(Base):
    """The last accepted reading of a series, kept in the transaction that writes its price.

    `unseen_since`: the first look in a row, complete or not, in which it could not be read: it was
    last verified before. `missing_since`: the first complete look in a row that didn't show it.
    """

    __tablename__ = "current"

    series_id: Mapped[int] = mapped_column(
        ForeignKey(SeriesRow.id), primary_key=True, autoincrement=False
    )
    partition_id: Mapped[int] = mapped_column(ForeignKey(Partition.id), index=True)
    amount: Mapped[Decimal | None] = mapped_column(Money)
    valid_from: Mapped[datetime]
    recorded_at: Mapped[datetime]
    basis: Mapped[str]
    unseen_since: Mapped[datetime | None]
    missing_since: Mapped[datetime | None]

    __table_args__ = (
        # Who looks for the few that were not seen doesn't go through a million that were.
        Index(
            "ix_current_unseen",
            "partition_id",
            sqlite_where=text("unseen_since IS NOT NULL"),
            postgresql_where=text("unseen_since IS NOT NULL"),
        ),
    )


class ListMemory(Base):
    """What is remembered of the last price list of a partition, written in the transaction that
    enters it: its version, and digests of its lines (`scraper.aws.line_memory`)."""

    __tablename__ = "list_memory"

    partition_id: Mapped[int] = mapped_column(
        ForeignKey(Partition.id), primary_key=True, autoincrement=False
    )
    run_id: Mapped[int] = mapped_column(ForeignKey(Run.id))
    """The run that entered this list."""
    version: Mapped[str]
    memory: Mapped[bytes]


class Review(Base):
    """What the gate set aside: never compared, never alerted on, until a person or a look says."""

    __tablename__ = "review"

    id: Mapped[int] = mapped_column(primary_key=True)
    partition_id: Mapped[int] = mapped_column(ForeignKey(Partition.id))
    series_id: Mapped[int | None] = mapped_column(ForeignKey(SeriesRow.id))
    run_id: Mapped[int] = mapped_column(ForeignKey(Run.id))
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    reason: Mapped[str]
    location: Mapped[str]
    text: Mapped[str]
    amount: Mapped[Decimal | None] = mapped_column(Money)
    valid_from: Mapped[datetime | None]
    printed_unit: Mapped[str] = mapped_column(default="")
    curable: Mapped[bool] = mapped_column(default=False)
    """Whether a second look at another time that says the same is proof enough."""
    status: Mapped[str] = mapped_column(default="open")
    """open, accepted or rejected (by a person), closed (a look accepted it, or it is gone)."""
    decided_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "partition_id", "status"),)


class Product(Base):
    """Facts about a product that are no prices: the GPUs of an EC2 machine."""

    __tablename__ = "product"

    seller: Mapped[str] = mapped_column(primary_key=True)
    product: Mapped[str] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(primary_key=True)
    facts: Mapped[dict[str, Any]]


class Ratio(Base):
    """A workload's ratio when it changed: low, point, high of both costs and of the ratio."""

    __tablename__ = "ratio"

    workload: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    low: Mapped[Decimal | None] = mapped_column(Exact)
    point: Mapped[Decimal | None] = mapped_column(Exact)
    high: Mapped[Decimal | None] = mapped_column(Exact)
    health: Mapped[str]
    calculation: Mapped[str]
    """Digest of the workload's settings and the formulas' version: what else moves a ratio."""
    details: Mapped[dict[str, Any]]


class RuleState(Base):
    """Where a rule stands; `state` and `health` apart, so that missing data moves neither."""

    __tablename__ = "rule_state"

    rule: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    health: Mapped[str]
    watermark: Mapped[datetime | None]
    semantics: Mapped[str]
    details: Mapped[dict[str, Any]]


class EventRow(Base):
    """A `comparator.event.Event`: recorded exactly once, with the prices that caused it."""

    __tablename__ = "event"

    id: Mapped[str] = mapped_column(primary_key=True)
    rule: Mapped[str]
    workload: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    details: Mapped[dict[str, Any]]


class Message(Base):
    """The outbox: one row per event and receiver, tried until it is taken or shown as dead."""

    __tablename__ = "message"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(ForeignKey(EventRow.id))
    receiver: Mapped[str]
    reminder: Mapped[int] = mapped_column(default=0)
    """0: the event's own message; else the number of a reminder that it still is so."""
    status: Mapped[str] = mapped_column(default="pending")
    """pending, delivered, refused, dead, silenced."""
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    ambiguous: Mapped[bool] = mapped_column(default=False)
    """An earlier attempt may have arrived: the next one says so, under the same id."""
    outstanding: Mapped[list[Any] | None]
    """Mail addresses that are still to get it, when others already have; NULL: all of them."""
    parcel: Mapped[str | None]
    """Id of the notice that it is part of, once somebody may have that: it stays as it is."""
    thread: Mapped[str | None]
    """Where it was told, in the channel's own words: what follows in its episode goes there."""
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("event_id", "receiver", "reminder"),
        Index(None, "status", "next_attempt_at"),
    )


class Attempt(Base):
    """One try to deliver a message, in the receiver's own words."""

    __tablename__ = "attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey(Message.id), index=True)
    at: Mapped[datetime]
    outcome: Mapped[str]
    """delivered, never_sent, refused, ambiguous; silenced: not tried, and not going to be."""
    code: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")


class Pause(Base):
    """Until when a receiver wants nothing: it said so itself, or refused what it was given."""

    __tablename__ = "pause"

    receiver: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]


class SilenceRow(Base):
    """A `comparator.silence.Silence`: nobody is told of what it matches until it ends."""

    __tablename__ = "silence"

    id: Mapped[int] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    reason: Mapped[str]
    rule: Mapped[str] = mapped_column(default="")
    workload: Mapped[str] = mapped_column(default="")
    seller: Mapped[str] = mapped_column(default="")
    pattern: Mapped[str] = mapped_column(default="")


class Schedule(Base):
    """What is due when, and who is at it: `epoch` fences off a holder whose lease ran out."""

    __tablename__ = "schedule"

    source: Mapped[str] = mapped_column(primary_key=True)
    next_due: Mapped[datetime]
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    epoch: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    backoff_until: Mapped[datetime | None]
    last_started: Mapped[datetime | None]
    last_finished: Mapped[datetime | None]


class Heartbeat(Base):
    """The last sign of life of each part of the daemon: tick, delivery."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
