"""The schema: the only file with column types. Secrets and webhook URLs have no column here.

The tables are those of SQLAlchemy's Core: nothing here needs its ORM, and importing that takes as
long as a question at the prompt does without it.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from sqlalchemy import (
    Boolean,
    Column,
    ColumnClause,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from pricebook.types import Document, Exact, Instant, Money

Kind = TypeVar("Kind")

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Names of constraints are fixed, so that migrations can speak of them on both databases."""


def required(
    kind: type[TypeEngine[Kind]] | TypeEngine[Kind], *more: SchemaItem, **options: Any
) -> ColumnClause[Kind]:
    """A column that always has a value; its name is that of the attribute.

    A `Column`, in fact; but type checkers take one of those in a class for SQLAlchemy's own way of
    declaring tables.
    """
    return Column(kind, *more, nullable=False, **options)


def optional(
    kind: type[TypeEngine[Kind]] | TypeEngine[Kind], *more: SchemaItem, **options: Any
) -> ColumnClause[Kind | None]:
    """A column that may be NULL."""
    return Column(kind, *more, nullable=True, **options)


class Rows:
    """A table whose columns are attributes; in statements the class stands for its table."""

    __tablename__: ClassVar[str]
    __table_args__: ClassVar[tuple[SchemaItem, ...]] = ()
    __table__: ClassVar[Table]

    def __init_subclass__(cls, **options: Any) -> None:
        columns = {name: one for name, one in vars(cls).items() if isinstance(one, Column)}
        for name, column in columns.items():
            column.name = column.key = name
        cls.__table__ = Table(
            cls.__tablename__, METADATA, *columns.values(), *cls.__table_args__, **options
        )

    @classmethod
    def __clause_element__(cls) -> Table:
        return cls.__table__


class Partition(Rows):
    """What one look covers as a whole: a seller's page, a region's price list."""

    __tablename__ = "partition"

    id = required(Integer, primary_key=True)
    name = required(Text, unique=True)
    """`openai`, `aws-ec2/us-east-1`; the part before the slash is the source."""


class Run(Rows):
    """One attempt at a partition. `complete`: a look that renews "last verified" of all it saw."""

    __tablename__ = "run"

    id = required(Integer, primary_key=True)
    partition_id = required(Integer, ForeignKey(Partition.id))
    at = required(Instant)
    outcome = required(Text)
    """complete, partial (some rows set aside or a form missing: nothing is withdrawn), failed."""
    reason = required(Text, default="")
    quotes = required(Integer, default=0)
    changes = required(Integer, default=0)
    held = required(Integer, default=0)

    __table_args__ = (Index(None, "partition_id", "at"),)


class Evidence(Rows):
    """A raw answer in the evidence store, by the SHA-256 of its bytes."""

    __tablename__ = "evidence"

    id = required(Integer, primary_key=True)
    sha256 = required(Text, unique=True)
    bytes = required(Integer)
    stored_at = required(Instant)


class Fetch(Rows):
    """One answer of a run: which address gave which evidence, and what to ask with next time."""

    __tablename__ = "fetch"

    id = required(Integer, primary_key=True)
    run_id = required(Integer, ForeignKey(Run.id), index=True)
    evidence_id = required(Integer, ForeignKey(Evidence.id))
    url = required(Text)
    form = required(Text)
    at = required(Instant)
    etag = optional(Text)
    last_modified = optional(Text)

    __table_args__ = (Index(None, "url", "at"),)


class TariffRow(Rows):
    """On what conditions something is sold: all that names a series but its product.

    Kept once: a region's list has a million series on some hundred of them.
    """

    __tablename__ = "tariff"

    id = required(Integer, primary_key=True)
    seller = required(Text)
    meter = required(Text)
    unit = required(Text)
    currency = required(Text)
    service_tier = required(Text, default="")
    region = required(Text, default="")
    term = required(Text, default="")
    more = required(Text, default="")
    """The other qualifiers as canonical JSON; "" when there are none (NULLs are never equal)."""

    __table_args__ = (
        UniqueConstraint(
            *("seller", "meter", "unit", "currency", "service_tier", "region", "term", "more"),
            name="uq_tariff_key",
        ),
        Index(None, "region"),
    )


class ProductName(Rows):
    """What is sold. Kept once: a machine is in a thousand series of each region."""

    __tablename__ = "product_name"

    id = required(Integer, primary_key=True)
    product = required(Text, unique=True)


class SeriesRow(Rows):
    """A `pricebook.quote.Series`."""

    __tablename__ = "series"

    id = required(Integer, primary_key=True)
    product_id = required(Integer, ForeignKey(ProductName.id))
    tariff_id = required(Integer, ForeignKey(TariffRow.id), index=True)

    __table_args__ = (UniqueConstraint("product_id", "tariff_id"),)


SERIES = (
    SeriesRow.id.label("series_id"),
    TariffRow.seller,
    ProductName.product,
    TariffRow.meter,
    TariffRow.unit,
    TariffRow.currency,
    TariffRow.service_tier,
    TariffRow.region,
    TariffRow.term,
    TariffRow.more,
)
"""The columns that `pricebook.series.series_of` needs, and before them the series' number."""

_IS_PRODUCT = ProductName.id == SeriesRow.product_id
_IS_TARIFF = TariffRow.id == SeriesRow.tariff_id

NAMED_SERIES = SeriesRow.__table__.join(ProductName.__table__, _IS_PRODUCT).join(
    TariffRow.__table__, _IS_TARIFF
)
"""Where they stand."""


def with_series(query: Select[Any], series_id: ColumnElement[int | None]) -> Select[Any]:
    """The query with the columns `SERIES`, NULL where it has no series."""
    # Not `NAMED_SERIES`: SQLite would make a table of all series first.
    named = query.add_columns(*SERIES).outerjoin(SeriesRow, SeriesRow.id == series_id)
    return named.outerjoin(ProductName, _IS_PRODUCT).outerjoin(TariffRow, _IS_TARIFF)


class PriceRow(Rows, sqlite_with_rowid=False):
    """A change of a series, append-only; `amount` NULL: withdrawn. The next row ends it."""

    __tablename__ = "price"

    series_id = required(Integer, ForeignKey(SeriesRow.id), primary_key=True, autoincrement=False)
    valid_from = required(Instant, primary_key=True)
    recorded_at = required(Instant, primary_key=True)
    amount = optional(Money)
    run_id = required(Integer)
    """Of table `run`, without a foreign key: to drop a heartbeat would go through all prices."""
    basis = required(Text)
    """announced, documented, observed, imported; cancelled: an announced change was taken back."""

    __table_args__ = (
        # Every look asks which announced prices have come into force; they are few. On both
        # databases it is of `basis = 'announced'` alone, which only the migration says: an option
        # of PostgreSQL's named here would import its dialect for every question to SQLite.
        Index(
            "ix_price_announced",
            "valid_from",
        ),
    )


class Quoted(Rows, sqlite_with_rowid=False):
    """What the page printed, for accepted changes of scraped sources."""

    __tablename__ = "quoted"

    series_id = required(Integer, ForeignKey(SeriesRow.id), primary_key=True, autoincrement=False)
    valid_from = required(Instant, primary_key=True)
    recorded_at = required(Instant, primary_key=True)
    text = required(Text)
    printed_unit = required(Text)
    location = required(Text)
    fetch_id = optional(Integer, ForeignKey(Fetch.id))


class Current(Rows):
    """The last accepted reading of a series, kept in the transaction that writes its price.

    `unseen_since`: the first look in a row, complete or not, in which it could not be read: it was
    last verified before. `missing_since`: the first complete look in a row that didn't show it.
    """

    __tablename__ = "current"

    series_id = required(Integer, ForeignKey(SeriesRow.id), primary_key=True, autoincrement=False)
    partition_id = required(Integer, ForeignKey(Partition.id), index=True)
    amount = optional(Money)
    valid_from = required(Instant)
    recorded_at = required(Instant)
    basis = required(Text)
    unseen_since = optional(Instant)
    missing_since = optional(Instant)

    __table_args__ = (
        # Who looks for the few that were not seen doesn't go through a million that were: it is of
        # `unseen_since IS NOT NULL` alone, as the migration says.
        Index(
            "ix_current_unseen",
            "partition_id",
        ),
    )


class ListMemory(Rows):
    """What is remembered of the last price list of a partition, written in the transaction that
    enters it: its version, and digests of its lines (`scraper.aws.line_memory`)."""

    __tablename__ = "list_memory"

    partition_id = required(
        Integer, ForeignKey(Partition.id), primary_key=True, autoincrement=False
    )
    run_id = required(Integer, ForeignKey(Run.id))
    """The run that entered this list."""
    version = required(Text)
    memory = required(LargeBinary)


class Review(Rows):
    """What the gate set aside: never compared, never alerted on, until a person or a look says."""

    __tablename__ = "review"

    id = required(Integer, primary_key=True)
    partition_id = required(Integer, ForeignKey(Partition.id))
    series_id = optional(Integer, ForeignKey(SeriesRow.id))
    run_id = required(Integer, ForeignKey(Run.id))
    opened_at = required(Instant)
    seen_at = required(Instant)
    reason = required(Text)
    location = required(Text)
    text = required(Text)
    amount = optional(Money)
    valid_from = optional(Instant)
    printed_unit = required(Text, default="")
    curable = required(Boolean, default=False)
    """Whether a second look at another time that says the same is proof enough."""
    status = required(Text, default="open")
    """open, accepted or rejected (by a person), closed (a look accepted it, or it is gone)."""
    decided_at = optional(Instant)

    __table_args__ = (Index(None, "partition_id", "status"),)


class Product(Rows):
    """Facts about a product that are no prices: the GPUs of an EC2 machine."""

    __tablename__ = "product"

    seller = required(Text, primary_key=True)
    product = required(Text, primary_key=True)
    recorded_at = required(Instant, primary_key=True)
    facts = required(Document)


class Ratio(Rows):
    """A workload's ratio when it changed: low, point, high of both costs and of the ratio."""

    __tablename__ = "ratio"

    workload = required(Text, primary_key=True)
    at = required(Instant, primary_key=True)
    low = optional(Exact)
    point = optional(Exact)
    high = optional(Exact)
    health = required(Text)
    calculation = required(Text)
    """Digest of the workload's settings and the formulas' version: what else moves a ratio."""
    details = required(Document)


class RuleState(Rows):
    """Where a rule stands; `state` and `health` apart, so that missing data moves neither."""

    __tablename__ = "rule_state"

    rule = required(Text, primary_key=True)
    state = required(Text)
    health = required(Text)
    watermark = optional(Instant)
    semantics = required(Text)
    details = required(Document)


class EventRow(Rows):
    """A `comparator.event.Event`: recorded exactly once, with the prices that caused it."""

    __tablename__ = "event"

    id = required(Text, primary_key=True)
    rule = required(Text)
    workload = required(Text)
    kind = required(Text)
    state = required(Text)
    at = required(Instant, index=True)
    details = required(Document)


class Message(Rows):
    """The outbox: one row per event and receiver, tried until it is taken or shown as dead."""

    __tablename__ = "message"

    id = required(Integer, primary_key=True)
    event_id = required(Text, ForeignKey(EventRow.id))
    receiver = required(Text)
    reminder = required(Integer, default=0)
    """0: the event's own message; else the number of a reminder that it still is so."""
    status = required(Text, default="pending")
    """pending, delivered, refused, dead, silenced."""
    created_at = required(Instant)
    next_attempt_at = required(Instant)
    attempts = required(Integer, default=0)
    ambiguous = required(Boolean, default=False)
    """An earlier attempt may have arrived: the next one says so, under the same id."""
    outstanding = optional(Document)
    """Mail addresses that are still to get it, when others already have; NULL: all of them."""
    parcel = optional(Text)
    """Id of the notice that it is part of, once somebody may have that: it stays as it is."""
    thread = optional(Text)
    """Where it was told, in the channel's own words: what follows in its episode goes there."""
    lease_owner = optional(Text)
    lease_until = optional(Instant)

    __table_args__ = (
        UniqueConstraint("event_id", "receiver", "reminder"),
        Index(None, "status", "next_attempt_at"),
    )


class Attempt(Rows):
    """One try to deliver a message, in the receiver's own words."""

    __tablename__ = "attempt"

    id = required(Integer, primary_key=True)
    message_id = required(Integer, ForeignKey(Message.id), index=True)
    at = required(Instant)
    outcome = required(Text)
    """delivered, never_sent, refused, ambiguous; silenced: not tried, and not going to be."""
    code = required(Text, default="")
    reason = required(Text, default="")


class Pause(Rows):
    """Until when a receiver wants nothing: it said so itself, or refused what it was given."""

    __tablename__ = "pause"

    receiver = required(Text, primary_key=True)
    until = required(Instant)


class SilenceRow(Rows):
    """A `comparator.silence.Silence`: nobody is told of what it matches until it ends."""

    __tablename__ = "silence"

    id = required(Integer, primary_key=True)
    starts_at = required(Instant)
    ends_at = required(Instant, index=True)
    reason = required(Text)
    rule = required(Text, default="")
    workload = required(Text, default="")
    seller = required(Text, default="")
    pattern = required(Text, default="")


class Schedule(Rows):
    """What is due when, and who is at it: `epoch` fences off a holder whose lease ran out."""

    __tablename__ = "schedule"

    source = required(Text, primary_key=True)
    next_due = required(Instant)
    lease_owner = optional(Text)
    lease_until = optional(Instant)
    epoch = required(Integer, default=0)
    failures = required(Integer, default=0)
    backoff_until = optional(Instant)
    last_started = optional(Instant)
    last_finished = optional(Instant)


class Heartbeat(Rows):
    """The last sign of life of each part of the daemon: tick, delivery."""

    __tablename__ = "heartbeat"

    name = required(Text, primary_key=True)
    at = required(Instant)
