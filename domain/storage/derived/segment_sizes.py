"""How many debtors each segment has in each place: sums of the differences that triggers on `debtor` append.

Whoever changes debtors appends to `segment_size` in the same statement, whatever changes them, so the sums are exact in
every snapshot and no writer waits for another. Differences are folded into one row per segment and place as they grow
many: by one at a time, in a statement of its own, so each is taken once and what commits meanwhile stays.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: Differences that are left as they are: reading adds them up in well under a millisecond.
_LEFT = 200
_LOCK_CLASS = 0x512E  # the advisory locks of folding, by tenant

_ARE_MANY = text(
    """
    SELECT count(*) > :left
    FROM (SELECT FROM segment_size WHERE tenant_id = :tenant_id AND NOT is_folded LIMIT :left + 1) unfolded
    """
)
_ALONE = text("SELECT pg_try_advisory_xact_lock(:class, :tenant_id)")
_FOLD = text(
    """
    WITH taken AS (
        DELETE FROM segment_size WHERE tenant_id = :tenant_id
        RETURNING segment_key, time_zone, country, region, debtors
    )
    INSERT INTO segment_size (tenant_id, segment_key, time_zone, country, region, debtors, is_folded)
    SELECT CAST(:tenant_id AS integer), segment_key, time_zone, country, region, sum(debtors), true
    FROM taken GROUP BY segment_key, time_zone, country, region HAVING sum(debtors) <> 0
    """
)


async def fold_sizes(connection: AsyncConnection, tenant_id: int, *, left: int = _LEFT) -> None:
    """Add the differences up where they are more than `left` and nobody else is at it; under READ COMMITTED."""
    tenant = {"tenant_id": tenant_id}
    if await connection.scalar(_ARE_MANY, {**tenant, "left": left}) and await connection.scalar(
        _ALONE, {**tenant, "class": _LOCK_CLASS}
    ):
        await connection.execute(_FOLD, tenant)
