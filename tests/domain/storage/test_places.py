"""However much one tenant reads at a time, there are connections left for others."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.sessions import Database

_SLEEP = "SELECT pg_sleep(60)::text"
Reads = Callable[[int], AbstractAsyncContextManager[AsyncConnection]]


async def _answered(database: Database, tenant_id: int) -> None:
    """Each way to the database answers, in a time in which nobody waits for a connection."""
    async with asyncio.timeout(10):
        async with database.transaction(tenant_id) as connection:
            await connection.execute(text("SELECT 1"))
        async with database.reading(tenant_id) as connection:
            await connection.execute(text("SELECT 1"))
        async with database.snapshot(tenant_id) as connection:
            await connection.execute(text("SELECT 1"))
        assert await database.document(tenant_id, "SELECT '1'", [], is_general=True) == "1"


async def _sleep(reads: Reads, tenant_id: int) -> None:
    async with reads(tenant_id) as connection:
        await connection.execute(text(_SLEEP))


async def test_many_that_read_leave_connections_to_other_tenants(owner_url: str, new_tenant) -> None:
    busy, other = new_tenant(), new_tenant()
    database = Database(owner_url, pool_size=3)
    reads = (database.reading, database.snapshot)
    asked = [asyncio.create_task(_sleep(each, busy)) for each in reads for _ in range(10)]
    asked += [asyncio.create_task(database.document(busy, _SLEEP, [], is_general=True)) for _ in range(10)]
    await asyncio.sleep(0.5)
    try:
        await _answered(database, other)
        async with asyncio.timeout(10), database.transaction(busy) as connection:  # and to who writes
            await connection.execute(text("SELECT 1"))
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await database.close()


@pytest.mark.parametrize("way", ["reading", "snapshot"])
async def test_a_place_is_given_back_by_whoever_fails_or_is_cancelled(
    owner_url: str, tenant_id: int, way: str
) -> None:
    database = Database(owner_url, pool_size=1)
    for _ in range(5):
        with pytest.raises(LookupError):
            async with getattr(database, way)(tenant_id):
                raise LookupError
        task = asyncio.create_task(_sleep(getattr(database, way), tenant_id))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await _answered(database, tenant_id)
    await database.close()
