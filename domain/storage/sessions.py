"""Connections to PostgreSQL, each transaction bound to one tenant and to the app's role.

A transaction takes the role `dunwell_app`, which owns nothing and cannot bypass row-level security, and names its
tenant in a transaction-local setting that every policy compares with. Nothing outlives the transaction, so a pooler in
transaction mode (PgBouncer) may stand between. Without a tenant every policy compares with NULL: no row is visible.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import orjson
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.storage.direct import KEPT_SECONDS, DirectConnections
from domain.storage.outages import READ_ONLY, connect

APP_ROLE = "dunwell_app"
TENANT_SETTING = "dunwell.tenant_id"

_BIND = text(
    f"SELECT set_config('role', '{APP_ROLE}', true), set_config('{TENANT_SETTING}', :tenant_id, true)"
)
_BEGIN_READING = f"BEGIN READ ONLY; SET LOCAL ROLE {APP_ROLE}; SET LOCAL {TENANT_SETTING} = '{{}}'"
_PLANNED_ONCE = "; SET LOCAL plan_cache_mode = force_generic_plan"
#: On for every transaction of a standby too.
TAKES_NO_WRITES = "SELECT current_setting('transaction_read_only')::boolean"
_ROLE = text(
    "SELECT r.rolsuper OR r.rolbypassrls AS bypasses, pg_has_role(r.oid, 'SET') AS is_ours, current_user AS login, "
    "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "        WHERE n.nspname = 'public' AND c.relkind = 'r' AND pg_has_role(r.oid, c.relowner, 'USAGE')) AS owns "
    "FROM pg_roles r WHERE r.rolname = :role"
)


#: Grants are made once, by migrations; a dump brings them along only where there is somebody to grant to.
ROLE_IS_MISSING = (
    f"The tables are here, but not the database role {APP_ROLE}: a dump was restored where there was no such role, so "
    f"nothing is granted to it. Make it (CREATE ROLE {APP_ROLE} NOLOGIN;), and restore once more into an empty "
    "database (docs/operations.md, Backups)."
)


class UnsafeRole(Exception):
    """The app's database role is missing, or could see past row-level security."""

    code = "UNSAFE_DATABASE_ROLE"


class ReadOnlyDatabase(Exception):
    """PostgreSQL takes no writes: a standby, or one that was made read-only (when its disk filled up, say)."""

    code = READ_ONLY.code

    def __init__(self) -> None:
        super().__init__(
            "PostgreSQL takes no writes here: it is a standby, or was made read-only. Name the primary, or let it be "
            "written to again."
        )


def async_url(url: str) -> str:
    """`url` (any PostgreSQL spelling) for the asyncpg driver."""
    return make_url(re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+asyncpg://", url)).render_as_string(
        hide_password=False
    )


async def bind(connection: AsyncConnection, tenant_id: int) -> None:
    """See and write the rows of one tenant as the app, until the transaction ends."""
    await connection.execute(_BIND, {"tenant_id": str(tenant_id)})


class Database:
    """The pool behind every statement the product runs as the app.

    One per process and event loop. `transaction(tenant_id)` is the only way to a connection.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        # Prepared statements are cached per connection by asyncpg; unnamed ones would be needed behind a pooler
        # that does not track them (PgBouncer before 1.21). temp_buffers: what an import stages stays in memory; a
        # connection that stages little takes little.
        settings = {
            "server_settings": {
                "application_name": "dunwell",
                "jit": "off",
                "timezone": "UTC",
                "temp_buffers": "64MB",
            }
        }
        self.engine: AsyncEngine = create_async_engine(
            async_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            pool_recycle=KEPT_SECONDS,
            hide_parameters=True,  # an error's text would quote them, and they may be personal
            isolation_level="READ COMMITTED",  # whatever a PostgreSQL of your own begins with
            json_deserializer=orjson.loads,  # a number beyond 64 bits is a float, which JSON is written of again
            connect_args={**settings, "async_creator_fn": connect},
        )
        self.pool_size = pool_size
        self._turns: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()
        self._places: WeakValueDictionary[tuple[str, int], asyncio.Semaphore] = WeakValueDictionary()
        _, options = self.engine.dialect.create_connect_args(self.engine.url)
        options = {
            name: value for name, value in options.items() if not name.startswith("prepared_statement")
        }
        self._direct = DirectConnections({**options, **settings}, most=pool_size)

    @asynccontextmanager
    async def transaction(self, tenant_id: int) -> AsyncIterator[AsyncConnection]:
        """A READ COMMITTED transaction that sees and writes the rows of one tenant; committed unless it raises."""
        async with self.engine.begin() as connection:
            await bind(connection, tenant_id)
            yield connection

    def turn(self, work: str, tenant_id: int) -> asyncio.Lock:
        """What at most one task of this process holds for a work of a tenant; others wait for it without a connection.

        Whoever would wait in PostgreSQL would keep a connection from everybody else meanwhile.
        """
        return self._turns.setdefault((work, tenant_id), asyncio.Lock())

    def _place(self, work: str, tenant_id: int, most: int) -> asyncio.Semaphore:
        """One of so many places that a tenant has for a work, so that others are answered however much it asks for.

        Whoever waits for one has no connection yet; whoever has one may not want another of the same work.
        """
        return self._places.setdefault((work, tenant_id), asyncio.Semaphore(max(1, most)))

    @asynccontextmanager
    async def reading(self, tenant_id: int) -> AsyncIterator[AsyncConnection]:
        """A transaction for reading, of which a tenant has so many at a time that connections are left to others."""
        async with (
            self._place("reading", tenant_id, self.pool_size * 4 // 5),
            self.transaction(tenant_id) as connection,
        ):
            yield connection

    @asynccontextmanager
    async def snapshot(self, tenant_id: int) -> AsyncIterator[AsyncConnection]:
        """A transaction whose statements all see the same instant (REPEATABLE READ); for reading what takes long.

        A tenant has a few at a time, beside its other reads.
        """
        async with (
            self._place("snapshot", tenant_id, self.pool_size * 2 // 5),
            self.engine.connect() as connection,
        ):
            await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                await bind(connection, tenant_id)
                yield connection

    async def document(
        self, tenant_id: int, sql: str, values: Sequence[object], *, is_general: bool
    ) -> str | None:
        """The one value of a statement, in a transaction of one tenant that only reads; by the driver itself.

        is_general: the same text is sent again with other values, so it is planned once for all of them.
        """
        begin = _BEGIN_READING.format(int(tenant_id)) + (_PLANNED_ONCE if is_general else "")
        async with self._place("document", tenant_id, self.pool_size * 4 // 5):
            found: str | None = await self._direct.value(begin, sql, values)
        return found

    async def tenant_id(self, key: str) -> int | None:
        """The id behind a tenant's key, or None; by a function that tells nothing else."""
        async with self.engine.begin() as connection:
            await connection.execute(_BIND, {"tenant_id": ""})
            found: int | None = await connection.scalar(text("SELECT tenant_id_of(:key)"), {"key": key})
            return found

    async def tenant_ids(self) -> list[int]:
        """Every tenant's id, for background work that goes from tenant to tenant."""
        async with self.engine.begin() as connection:
            await connection.execute(_BIND, {"tenant_id": ""})
            return list(await connection.scalars(text("SELECT all_tenant_ids()")))

    async def tenants_to_do(self, waiting: str) -> list[int]:
        """The tenants with rows in the table `waiting` (dirty_day or segment_draft), looked for in one statement."""
        async with self.engine.begin() as connection:
            await connection.execute(_BIND, {"tenant_id": ""})
            found = await connection.scalars(text("SELECT tenants_to_do(:waiting)"), {"waiting": waiting})
            return list(found)

    async def verify_role(self) -> None:
        """Refuse to go on when the app's role could see past row-level security.

        Raises:
            UnsafeRole: the role is missing or not granted to us, a superuser, has BYPASSRLS, or owns a table.
        """
        async with self.engine.connect() as connection:
            row = (await connection.execute(_ROLE, {"role": APP_ROLE})).one_or_none()
        if row is None:
            raise UnsafeRole(ROLE_IS_MISSING)
        if not row.is_ours:
            raise UnsafeRole(
                f"The role {row.login} may not act as {APP_ROLE}. Let it: GRANT {APP_ROLE} TO {row.login};"
            )
        if row.bypasses or row.owns:
            why = "bypasses row-level security" if row.bypasses else "owns tables"
            raise UnsafeRole(
                f"The database role {APP_ROLE} {why}, so tenants would not be kept apart. "
                f"Make it a plain role: ALTER ROLE {APP_ROLE} NOSUPERUSER NOBYPASSRLS; "
                "and let another role own the tables."
            )

    async def verify_writable(self) -> None:
        """Refuse to go on where nothing can be written. Raises ReadOnlyDatabase."""
        async with self.engine.connect() as connection:
            if await connection.scalar(text(TAKES_NO_WRITES)):
                raise ReadOnlyDatabase

    async def close(self) -> None:
        """Return every connection."""
        await self._direct.close()
        await self.engine.dispose()
