"""The database to work on: found, started if it is the embedded one, and fit for use."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError

from api.embedded import EmbeddedPostgres
from api.schema_revision import SchemaBehind, verify_schema
from api.settings import Settings
from domain.storage.outages import FULL, READ_ONLY, UNREACHABLE, outage_of
from domain.storage.sessions import Database, ReadOnlyDatabase


class DatabaseUnreachable(Exception):
    """The PostgreSQL that was named does not answer, or does not let us in."""

    code = UNREACHABLE.code


class DatabaseFull(Exception):
    """PostgreSQL has no room left on its disk; what was under way is undone."""

    code = FULL.code


def unreachable(
    url: str, error: Exception, way_out: str = "Check DUNWELL_DATABASE_URL and that the server runs."
) -> DatabaseUnreachable:
    """The error of a driver as one sentence, without the password in the URL, and what to do."""
    parsed, cause = make_url(url), error.__cause__ or error
    reason = str(cause).splitlines()[0][:200] if str(cause) else type(cause).__name__
    return DatabaseUnreachable(
        f"PostgreSQL at {parsed.host or 'localhost'}:{parsed.port or 5432}/{parsed.database or ''} cannot be used "
        f"({reason}). {way_out}"
    )


@dataclass(frozen=True)
class DatabaseServer:
    """Where the tables are.

    owner_url: of the role that owns them, for migrations and new tenants; app_url: for everything else. With one URL
    they are the same, and each transaction takes the app's role.
    """

    owner_url: str
    app_url: str
    embedded: bool

    def unreachable(self, error: Exception) -> DatabaseUnreachable:
        """What to say of an error of its driver."""
        if self.embedded:
            return unreachable(
                self.app_url,
                error,
                "It is the embedded one: if it has ended, the next command starts it again.",
            )
        return unreachable(self.app_url, error)


@contextmanager
def database_server(settings: Settings) -> Iterator[DatabaseServer]:
    """The PostgreSQL of the settings; the embedded one is started by its first user and stopped by its last.

    Raises:
        EmbeddedPostgresError: it cannot be started; its code says why.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        owner = settings.migrations_url
        yield DatabaseServer(owner.get_secret_value() if owner else url, url, embedded=False)
        return
    with EmbeddedPostgres.attach(settings.home, port=settings.postgres_port) as embedded:
        yield DatabaseServer(embedded.owner_url, embedded.app_url, embedded=True)


@asynccontextmanager
async def open_database(server: DatabaseServer) -> AsyncIterator[Database]:
    """The app's pool on a database that is fit for use; the embedded one is migrated when it is behind.

    Raises:
        DatabaseUnreachable: nobody answers there, or no more.
        SchemaBehind: it must be migrated first.
        UnsafeRole: tenants would not be kept apart.
        ReadOnlyDatabase: nothing can be written there.
        DatabaseFull: there is no room to write any more.
    """
    database = Database(server.app_url)
    try:
        await _make_fit(server, database)
        yield database
    except Exception as error:
        outage = outage_of(error)
        if outage is None:
            raise
        if outage is FULL:
            full = "PostgreSQL's disk is full, so it was not done, or not all of it. Make room there, then try again."
            raise DatabaseFull(full) from error
        if outage is READ_ONLY:
            raise ReadOnlyDatabase from error
        raise server.unreachable(error) from error
    finally:
        await database.close()


async def verify_database(server: DatabaseServer) -> None:
    """Go on only with a database that is fit for use. Raises what `open_database` does."""
    async with open_database(server):
        pass


async def _make_fit(server: DatabaseServer, database: Database) -> None:
    try:
        await verify_schema(database)
    except SchemaBehind:
        if not server.embedded:
            raise
        from api.migrating import migrate  # noqa: PLC0415 - once after an update; Alembic takes a third of a second

        await asyncio.to_thread(migrate, server.owner_url)
        await verify_schema(database)
    except (OSError, InterfaceError, DBAPIError) as error:
        raise server.unreachable(error) from error
    await database.verify_role()
    await database.verify_writable()
