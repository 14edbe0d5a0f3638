"""Bringing a database to the schema of this checkout."""

from pathlib import Path
from typing import LiteralString

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy.exc import OperationalError, ProgrammingError

from api.databases import unreachable
from api.jobs.system import create_job_tables, job_url
from api.schema_revision import newest_revision, of_a_newer_dunwell
from domain.storage.sessions import (
    APP_ROLE,
    ROLE_IS_MISSING,
    TAKES_NO_WRITES,
    ReadOnlyDatabase,
    UnsafeRole,
)

_ALEMBIC_INI = Path(__file__).parents[1] / "alembic.ini"
_MIGRATION_LOCK = 0x64756E77656C6C  # "dunwell"
_LACKS_ROLE = """
    SELECT to_regclass('public.alembic_version') IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)
"""


class MigrationRefused(Exception):
    """PostgreSQL does not let the role that migrates do so."""

    code = "MIGRATION_REFUSED"


class TableInUse(Exception):
    """Something holds on to a table for longer than a migration waits for it."""

    code = "TABLE_IN_USE"


def migrate(owner_url: str) -> str:
    """Run every migration that is missing, job tables included; answers the revision reached. Repeating it is free.

    Raises:
        DatabaseUnreachable: nobody answers there, or no more.
        ReadOnlyDatabase: it takes no writes.
        UnsafeRole: it was restored without the role that everything is granted to.
        MigrationRefused: the role may not create what is needed.
        TableInUse: it waited for a table in vain; nothing has changed.
        SchemaBehind: a newer dunwell has migrated it further than this one knows.
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
    except CommandError as error:
        if not isinstance(error.__cause__, ResolutionError):
            raise
        raise of_a_newer_dunwell(error.__cause__.argument) from error
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
