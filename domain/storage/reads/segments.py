"""Segments: the rules in their order, the creditors' own keys beside them, and how many debtors each has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.tables import segment, segment_size

_S = segment.c
_N = segment_size.c
_DEBTORS = func.sum(_N.debtors)


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment; `rule` is a DebtorWhere as given, None for a key without one (a creditor's own, or NONE)."""

    key: str
    name: str
    rule: Mapping[str, Any] | None
    debtor_count: int


async def list_segments(connection: AsyncConnection, tenant_id: int) -> list[SegmentRow]:
    """The rules in the order in which they are tried, then keys without a rule that debtors have, by key."""
    counted = await connection.execute(_sizes(tenant_id))
    sizes = {row[0]: int(row[1]) for row in counted}
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
    rows = await connection.execute(_sizes(tenant_id).where(_N.segment_key.in_(keys)))
    return {row[0]: int(row[1]) for row in rows}


def _sizes(tenant_id: int) -> Select[str, Decimal]:
    """Segments that have debtors, and how many."""
    return (
        select(_N.segment_key, _DEBTORS)
        .where(_N.tenant_id == tenant_id)
        .group_by(_N.segment_key)
        .having(_DEBTORS != 0)
    )
