"""Connections straight from the driver: what went wrong on a kept one is tried once more, what is wrong is said."""

import asyncio
import time

import asyncpg
import psycopg
import pytest

from domain.storage import direct
from domain.storage.sessions import Database

_PID = "SELECT pg_backend_pid()::text"


async def test_a_connection_that_the_server_ended_is_replaced(
    database: Database, owner_url: str, tenant_id: int
) -> None:
    first = await database.document(tenant_id, _PID, [], is_general=True)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("SELECT pg_terminate_backend(%s)", [int(first or 0)])
    again = await database.document(tenant_id, _PID, [], is_general=True)
    assert again not in (None, first)


@pytest.mark.parametrize("steps", range(6))
async def test_it_is_replaced_however_much_of_its_end_was_noticed(
    database: Database, owner_url: str, tenant_id: int, steps: int
) -> None:
    """That the server ends a connection is read first, then that it is closed: what comes in between fails too."""
    ended = await database.document(tenant_id, _PID, [], is_general=True)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("SELECT pg_terminate_backend(%s, 5000)", [int(ended or 0)])
    for _ in range(steps):
        await asyncio.sleep(0)
    assert await database.document(tenant_id, _PID, [], is_general=True) not in (None, ended)


async def test_a_statement_of_another_schema_is_prepared_anew(
    database: Database, owner_url: str, tenant_id: int
) -> None:
    read = "SELECT (t.*)::text FROM another_schema t"
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE another_schema AS SELECT 1 AS one")
        owner.execute("GRANT SELECT ON another_schema TO dunwell_app")
        assert await database.document(tenant_id, read, [], is_general=True) == "(1)"
        owner.execute("ALTER TABLE another_schema ADD two integer")
        assert await database.document(tenant_id, read, [], is_general=True) == "(1,)"
        owner.execute("DROP TABLE another_schema")


async def test_what_is_wrong_anywhere_is_said(database: Database, tenant_id: int) -> None:
    for _ in range(2):
        with pytest.raises(asyncpg.PostgresError):
            await database.document(tenant_id, "SELECT nothing", [], is_general=True)


async def test_no_connection_is_kept_for_ever(
    database: Database, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What PostgreSQL holds for the statements of one, plans of large filters among them, is given back with it."""
    first = await database.document(tenant_id, _PID, [], is_general=True)
    assert await database.document(tenant_id, _PID, [], is_general=True) == first
    monkeypatch.setattr(direct, "monotonic", lambda: time.monotonic() + direct.KEPT_SECONDS)
    assert await database.document(tenant_id, _PID, [], is_general=True) != first
    assert getattr(database.engine.pool, "_recycle") == direct.KEPT_SECONDS  # noqa: B009 - SQLAlchemy's own
