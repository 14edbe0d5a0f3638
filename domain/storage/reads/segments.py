"""Segments: the rules in their order, the creditors' own keys beside them, and how many debtors each has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.tables import debtor, segment

_S = segment.c
_D = debtor.c


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment; `rule` is a DebtorWhere as given, None for a key without one (a creditor's own, or NONE)."""

    key: str
    name: str
    rule: Mapping[str, Any] | None
    debtor_count: int


async def list_segments(connection: AsyncConnection, tenant_id: int) -> list[SegmentRow]:
    """The rules in the order in which they are tried, then keys without a rule that debtors have, by key."""
    counted = await connection.execute(
        select(_D.segment_key, func.count()).where(_D.tenant_id == tenant_id).group_by(_D.segment_key)
    )
    sizes = {row[0]: row[1] for row in counted}
    rules = await connection.execute(
        select(_S.key, _S.name, _S.rule).where(_S.tenant_id == tenant_id).order_by(_S.position)
    )
    ruled = [SegmentRow(row.key, row.name, row.rule, sizes.pop(row.key, 0)) for row in rules]
    return ruled + [SegmentRow(key, key, None, sizes[key]) for key in sorted(sizes)]


async def rules_by_key(
    connection: AsyncConnection, tenant_id: int, keys: Sequence[str]
) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """The name and rule of each key that has a rule."""
    rows = await connection.execute(
        select(_S.key, _S.name, _S.rule).where(_S.tenant_id == tenant_id, _S.key.in_(keys))
    )
    return {row.key: (row.name, row.rule) for row in rows}


async def debtors_by_segment(
    connection: AsyncConnection, tenant_id: int, keys: Sequence[str]
) -> Mapping[str, int]:
    """How many debtors are in each segment now; 0 is left out."""
    rows = await connection.execute(
        select(_D.segment_key, func.count())
        .where(_D.tenant_id == tenant_id, _D.segment_key.in_(keys))
        .group_by(_D.segment_key)
    )
    return {row[0]: row[1] for row in rows}
