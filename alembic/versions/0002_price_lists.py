"""what is remembered of whole price lists.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_UNSEEN = sa.text("unseen_since IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "list_memory",
        sa.Column("partition_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("memory", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partition_id"], ["partition.id"], name=op.f("fk_list_memory_partition_id")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_list_memory_run_id")),
        sa.PrimaryKeyConstraint("partition_id", name=op.f("pk_list_memory")),
    )
    op.create_index(
        "ix_current_unseen",
        "current",
        ["partition_id"],
        sqlite_where=_UNSEEN,
        postgresql_where=_UNSEEN,
    )
    if op.get_bind().dialect.name == "postgresql":
        # Digests don't compress; not trying saves the time.
        op.execute("ALTER TABLE list_memory ALTER COLUMN memory SET STORAGE EXTERNAL")
