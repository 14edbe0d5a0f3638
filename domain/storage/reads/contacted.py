"""Who was contacted lately."""

from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.tables import communication, debtor

_C, _D = communication.c, debtor.c


async def contacted_sample(
    connection: AsyncConnection, tenant_id: int, *, since: datetime, until: datetime, most: int
) -> list[int]:
    """Ids of at most so many of the debtors who were sent something then, in order; drawn alike every time."""
    contacted = exists().where(
        _C.tenant_id == tenant_id,
        _C.debtor_id == _D.id,
        _C.direction == "OUTBOUND",
        _C.sent_at.between(since, until),
    )
    drawn = (
        select(_D.id)
        .where(_D.tenant_id == tenant_id, contacted)
        .order_by(func.hashint8extended(_D.id, 0), _D.id)
        .limit(most)
    )
    return sorted(await connection.scalars(drawn))
