"""Going through a whole portfolio in order, part by part."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.tables import debtor

_D = debtor.c


@dataclass(frozen=True, slots=True)
class DebtorKey:
    """A debtor's id, the creditor's own reference, and the segment it is in now."""

    id: int
    reference: str
    segment: str


async def count_debtors(
    connection: AsyncConnection, tenant_id: int, *, where: ColumnElement[bool] | None = None
) -> int:
    """How many debtors the tenant has, or how many of them meet a condition."""
    counted = select(func.count()).select_from(debtor).where(_D.tenant_id == tenant_id, _met(where))
    return int(await connection.scalar(counted) or 0)


async def debtors_after(
    connection: AsyncConnection,
    tenant_id: int,
    last_id: int,
    *,
    limit: int,
    where: ColumnElement[bool] | None = None,
) -> list[DebtorKey]:
    """The next debtors by id after `last_id` (0: from the first), of those that meet a condition."""
    rows = await connection.execute(
        select(_D.id, _D.reference, _D.segment_key)
        .where(_D.tenant_id == tenant_id, _D.id > last_id, _met(where))
        .order_by(_D.id)
        .limit(limit)
    )
    return [DebtorKey(row.id, row.reference, row.segment_key) for row in rows]


def _met(where: ColumnElement[bool] | None) -> ColumnElement[bool]:
    return true() if where is None else where
