"""what names a series beside its product, in a table of its own.

Revision ID: 0003
Revises: 0002
"""

# ruff: noqa: S608 - names of columns

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TARIFF = ("seller", "meter", "unit", "currency", "service_tier", "region", "term", "more")


def upgrade() -> None:
    op.create_table(
        "tariff",
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TARIFF),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariff")),
        sa.UniqueConstraint(*_TARIFF, name=op.f("uq_tariff_key")),
    )
    op.create_index(op.f("ix_tariff_region"), "tariff", ["region"])
    names = ", ".join(_TARIFF)
    op.execute(f"INSERT INTO tariff ({names}) SELECT DISTINCT {names} FROM series ORDER BY {names}")

    op.add_column("series", sa.Column("tariff_id", sa.Integer(), nullable=True))
    same = " AND ".join(f"series.{name} = tariff.{name}" for name in _TARIFF)
    op.execute(f"UPDATE series SET tariff_id = tariff.id FROM tariff WHERE {same}")
    # On SQLite the table is written anew: `pricebook.schema` sees to it that it may be.
    with op.batch_alter_table("series") as series:
        series.drop_index(op.f("ix_series_region_product"))
        series.drop_constraint("uq_series_key", type_="unique")
        for name in _TARIFF:
            series.drop_column(name)
        series.alter_column("tariff_id", existing_type=sa.Integer(), nullable=False)
        series.create_foreign_key(op.f("fk_series_tariff_id"), "tariff", ["tariff_id"], ["id"])
        series.create_unique_constraint(
            op.f("uq_series_product_tariff_id"), ["product", "tariff_id"]
        )
        series.create_index(op.f("ix_series_tariff_id"), ["tariff_id"])
