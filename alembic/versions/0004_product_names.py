"""the names of products, in a table of their own.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "product_name",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_name")),
        sa.UniqueConstraint("product", name=op.f("uq_product_name_product")),
    )
    op.execute(
        "INSERT INTO product_name (product) SELECT DISTINCT product FROM series ORDER BY product"
    )

    op.add_column("series", sa.Column("product_id", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE series SET product_id = product_name.id FROM product_name"
        " WHERE product_name.product = series.product"
    )
    # On SQLite the table is written anew: `pricebook.schema` sees to it that it may be.
    with op.batch_alter_table("series") as series:
        series.drop_constraint(op.f("uq_series_product_tariff_id"), type_="unique")
        series.drop_column("product")
        series.alter_column("product_id", existing_type=sa.Integer(), nullable=False)
        series.create_foreign_key(
            op.f("fk_series_product_id"), "product_name", ["product_id"], ["id"]
        )
        series.create_unique_constraint(
            op.f("uq_series_product_id_tariff_id"), ["product_id", "tariff_id"]
        )
