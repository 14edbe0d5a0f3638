"""Which revision of the schema a database holds."""

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from domain.storage.sessions import Database

_NO_SUCH_TABLE = "42P01"
_REVISION = text("SELECT version_num FROM alembic_version")


async def schema_revision(database: Database) -> str | None:
    """The newest migration that has run, or None for a database that was never migrated.

    Raises:
        UnsafeRole: it is not ours to read.
    """
    try:
        async with database.engine.connect() as connection:
            revision: str | None = await connection.scalar(_REVISION)
            return revision
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _NO_SUCH_TABLE:
            await database.verify_role()
        return None


async def job_tables_version(database: Database, schema: str) -> int:
    """How many migrations of the job tables have run in their schema; 0: there are none, or not for us."""
    try:
        async with database.engine.connect() as connection:
            return await connection.scalar(text(f"SELECT version FROM {schema}.dbos_migrations")) or 0
    except ProgrammingError:
        return 0
