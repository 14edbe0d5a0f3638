"""The temporary table `touched_debtor`: which debtors a derivation, or a read of states, is about."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_CREATE = text("CREATE TEMP TABLE IF NOT EXISTS touched_debtor (debtor_id bigint PRIMARY KEY) ON COMMIT DROP")
_LOCKED = """
    WITH locked AS (
        SELECT id FROM debtor WHERE tenant_id = :tenant_id {condition} ORDER BY id FOR NO KEY UPDATE {others}
    )
    INSERT INTO touched_debtor SELECT id FROM locked
"""
_LOCK_ALL = text(_LOCKED.format(condition="", others=""))
_LOCK_DUE = text(_LOCKED.format(condition="AND state_until <= :now", others=""))
_LOCK_DUE_AND_FREE = text(_LOCKED.format(condition="AND state_until <= :now", others="SKIP LOCKED"))
_ALL = text("INSERT INTO touched_debtor SELECT id FROM debtor WHERE tenant_id = :tenant_id")
_SOME = text(
    "INSERT INTO touched_debtor SELECT id FROM debtor"
    " WHERE tenant_id = :tenant_id AND id = ANY(CAST(:debtor_ids AS bigint[]))"
)
_ANALYZE = text("ANALYZE touched_debtor")
_COUNT = text("SELECT count(*) FROM touched_debtor")


async def touch_none(connection: AsyncConnection) -> None:
    """An empty table, whether or not there was one."""
    await connection.execute(_CREATE)
    await connection.execute(text("DELETE FROM touched_debtor"))


async def lock_all(connection: AsyncConnection, tenant_id: int) -> None:
    """Touch and lock every debtor, in the order in which all writers lock."""
    await touch_none(connection)
    await connection.execute(_LOCK_ALL, {"tenant_id": tenant_id})


async def lock_due(connection: AsyncConnection, tenant_id: int, *, now: datetime, wait: bool) -> None:
    """Touch and lock the debtors whose derived state time has overtaken; not waiting, those that nobody has locked."""
    await touch_none(connection)
    await connection.execute(_LOCK_DUE if wait else _LOCK_DUE_AND_FREE, {"tenant_id": tenant_id, "now": now})


async def touch_for_reading(
    connection: AsyncConnection, tenant_id: int, debtor_ids: Sequence[int] | None
) -> int:
    """Touch the debtors given, or all for None, without locks; answers how many there are."""
    await touch_none(connection)
    if debtor_ids is None:
        await connection.execute(_ALL, {"tenant_id": tenant_id})
    else:
        await connection.execute(_SOME, {"tenant_id": tenant_id, "debtor_ids": list(debtor_ids)})
    return await touched_count(connection)


async def touched_count(connection: AsyncConnection) -> int:
    """How many debtors are touched; lets the planner know as well."""
    await connection.execute(_ANALYZE)
    return int(await connection.scalar(_COUNT) or 0)
