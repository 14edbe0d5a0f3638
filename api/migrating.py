"""Bringing a database to the schema of this checkout, and telling whether it is there."""

from pathlib import Path
from typing import LiteralString

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, ProgrammingError

from api.jobs.system import SCHEMA, create_job_tables, job_url, newest_job_tables
from domain.storage.outages import UNREACHABLE
from domain.storage.schema import job_tables_version, schema_revision
from domain.storage.sessions import (
    APP_ROLE,
    ROLE_IS_MISSING,
    TAKES_NO_WRITES,
    Database,
    ReadOnlyDatabase,
    UnsafeRole,
)

_ALEMBIC_INI = Path(__file__).parents[1] / "alembic.ini"
_MIGRATION_LOCK = 0x64756E77656C6C  # "dunwell"
_LACKS_ROLE = """
    SELECT to_regclass('public.alembic_version') IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)
"""


class SchemaBehind(Exception):
    """The database's schema is not this checkout's."""

    code = "SCHEMA_NOT_CURRENT"


class DatabaseUnreachable(Exception):
    """The PostgreSQL that was named does not answer, or does not let us in."""

    code = UNREACHABLE.code


class MigrationRefused(Exception):
    """PostgreSQL does not let the role that migrates do so."""

    code = "MIGRATION_REFUSED"


class TableInUse(Exception):
    """Something holds on to a table for longer than a migration waits for it."""

    code = "TABLE_IN_USE"


def unreachable(url: str, error: Exception) -> DatabaseUnreachable:
    """The error of a driver as one sentence, without the password in the URL."""
    parsed, cause = make_url(url), error.__cause__ or error
    reason = str(cause).splitlines()[0][:200] if str(cause) else type(cause).__name__
    return DatabaseUnreachable(
        f"PostgreSQL at {parsed.host or 'localhost'}:{parsed.port or 5432}/{parsed.database or ''} cannot be used "
        f"({reason}). Check DUNWELL_DATABASE_URL and that the server runs."
    )


def newest_revision() -> str:
    """The revision this checkout works with."""
    revision = ScriptDirectory.from_config(Config(_ALEMBIC_INI)).get_current_head()
    if revision is None:
        raise SchemaBehind("This checkout has no migrations; get a complete one.")
    return revision


def migrate(owner_url: str) -> str:
    """Run every migration that is missing, job tables included; answers the revision reached. Repeating it is free.

    Raises:
        DatabaseUnreachable: nobody answers there, or no more.
        ReadOnlyDatabase: it takes no writes.
        UnsafeRole: it was restored without the role that everything is granted to.
        MigrationRefused: the role may not create what is needed.
        TableInUse: it waited for a table in vain; nothing has changed.
    """
    try:
        _migrate(owner_url)
    except psycopg.OperationalError as error:
        raise unreachable(owner_url, error) from error
    except OperationalError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise unreachable(owner_url, error) from error
        raise TableInUse(
            "A table that a migration changes was in use all the time it waits for one, so nothing was changed. Try "
            "again at a quieter time, or end what uses it."
        ) from error
    except ProgrammingError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        raise MigrationRefused(
            f"PostgreSQL refuses a migration ({str(error.orig).splitlines()[0]}). It must be run by a role that may "
            "create tables and roles: name it in DUNWELL_MIGRATIONS_URL."
        ) from error
    return newest_revision()


def _migrate(owner_url: str) -> None:
    config = Config(_ALEMBIC_INI)
    config.attributes["url"] = owner_url
    with psycopg.connect(job_url(owner_url), autocommit=True) as connection:
        # Two starts at once migrate one after the other. The lock is the session's: an open transaction would keep
        # CREATE INDEX CONCURRENTLY waiting for ever.
        connection.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        if _is_so(connection, TAKES_NO_WRITES):
            raise ReadOnlyDatabase
        if _is_so(connection, _LACKS_ROLE, APP_ROLE):
            raise UnsafeRole(ROLE_IS_MISSING)
        command.upgrade(config, "head")
        create_job_tables(owner_url)


def _is_so(connection: psycopg.Connection, sql: LiteralString, *values: str) -> bool:
    row = connection.execute(sql, values).fetchone()
    return row is not None and bool(row[0])


async def verify_schema(database: Database) -> None:
    """Go on only with the schema this checkout was made for.

    Raises:
        SchemaBehind: the database is older, newer, or was never migrated.
    """
    wanted, found = newest_revision(), await schema_revision(database)
    if found == wanted:
        await _verify_job_tables(database)
        return
    known = {script.revision for script in ScriptDirectory.from_config(Config(_ALEMBIC_INI)).walk_revisions()}
    if found is None or found in known:
        at = f"is at revision {found}" if found else "has not been migrated yet"
        raise SchemaBehind(
            f"The database {at}; this checkout needs {wanted}. Run `dunwell migrate`, then try again."
        )
    raise SchemaBehind(
        f"The database is at revision {found}, which this checkout does not know: it belongs to a newer dunwell. "
        "Use that one, or restore an older backup."
    )


async def _verify_job_tables(database: Database) -> None:
    """They come after the others, and with a DBOS of their own: a newer one may ask for more of them at any release."""
    if await job_tables_version(database, SCHEMA) < newest_job_tables():
        raise SchemaBehind(
            "The database's tables of background jobs are older than this checkout needs. Run `dunwell migrate`, then "
            "try again."
        )
