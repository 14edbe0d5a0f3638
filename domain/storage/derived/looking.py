"""Whether derived columns are as of now, found out in one statement."""

from datetime import datetime

from asyncpg import InterfaceError, PostgresError

from domain.storage.direct import numbered
from domain.storage.sessions import Database

#: SQL of whether there is nothing for `catch_up` to do. Planned for any `now`, a third of the debtors would be thought
#: due, and all of them be read to find that none is; the first of the index tells at once.
IS_CAUGHT_UP = """
    NOT EXISTS (SELECT FROM segment WHERE tenant_id = :tenant_id AND applied_at IS NULL)
    AND NOT EXISTS (
        SELECT FROM (
            SELECT state_until FROM debtor WHERE tenant_id = :tenant_id AND state_until IS NOT NULL
            ORDER BY state_until LIMIT 1
        ) first WHERE state_until <= :now
    )
"""
_LOOK = numbered(f"SELECT CASE WHEN {IS_CAUGHT_UP} THEN 'yes' END", "tenant_id", "now")


async def is_caught_up(database: Database, tenant_id: int, *, now: datetime) -> bool:
    """Whether there is nothing for `catch_up` to do, as far as a look in a transaction of its own tells."""
    try:
        return await database.document(tenant_id, _LOOK, [tenant_id, now], is_general=True) is not None
    except (OSError, InterfaceError, PostgresError):  # `catch_up` will meet it again, and say it
        return False
