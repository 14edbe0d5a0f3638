"""Which revision of the schema a database holds."""

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from domain.storage.sessions import Database

_REVISION = text("SELECT version_num FROM alembic_version")


async def schema_revision(database: Database) -> str | None:
    """The newest migration that has run, or None for a database that was never migrated."""
    try:
        async with database.engine.connect() as connection:
            revision: str | None = await connection.scalar(_REVISION)
            return revision
    except ProgrammingError:  # no such table, or not ours to read: either way nobody has migrated it
        return None
