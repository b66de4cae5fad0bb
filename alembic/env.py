"""How alembic runs our migrations: on the connection that `pricebook.schema` hands it."""

from alembic import context

from pricebook.schema import connect
from pricebook.tables import METADATA

config = context.config


def _migrate(connection: object) -> None:
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if "connection" in config.attributes:
    _migrate(config.attributes["connection"])
else:
    # `alembic revision --autogenerate -x url=sqlite:///scratch.db` in a checkout.
    url = context.get_x_argument(as_dictionary=True).get("url", "sqlite:///breakeven.db")
    with connect(url).begin() as connection:
        _migrate(connection)
