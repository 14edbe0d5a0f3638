"""Run migrations with the owner's URL: that of the caller (`dunwell migrate`), else of the settings."""

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text
from sqlalchemy.engine import make_url

from api.settings import Settings
from domain.storage.tables import metadata

#: A migration waits this long for a table before it gives way to the traffic on it.
LOCK_TIMEOUT = "5s"


def _url() -> str:
    given: str | None = context.config.attributes.get("url")
    settings = Settings()
    secret = settings.migrations_url or settings.database_url
    url = given or (secret.get_secret_value() if secret else None)
    if url is None:
        raise SystemExit(
            "No database named: run `dunwell migrate`, or set DUNWELL_MIGRATIONS_URL for alembic itself."
        )
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=metadata, compare_type=True, compare_server_default=True
    )
    with context.begin_transaction():
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        context.run_migrations()


engine = create_engine(_url(), poolclass=pool.NullPool)
with engine.connect() as connection:
    _run(connection)
engine.dispose()
