"""The segment rules of a tenant as stored: its own, or the default set, and whether all history follows them yet.

Rules change for everybody at once, facts for a few debtors. So that the two never wait for each other in a circle:
whoever derives shares a lock on the rules if it can at once; whoever changes them, or applies them to all, takes it
alone. A derivation that could not share it marks its debtors as due, and `catch_up` derives them again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.default_segments import default_segments

_LOCK_CLASS = 0x5E6  # the advisory locks of segment rules, by tenant

_STORED = text(
    """
    SELECT COALESCE(json_agg(json_build_object('key', key, 'name', name, 'where', rule) ORDER BY position), '[]')::text
               AS rules,
           COALESCE(bool_and(is_default), true) AS is_default,
           COALESCE(bool_and(applied_at IS NOT NULL), true) AS is_applied
    FROM segment WHERE tenant_id = :tenant_id
    """
)

# The distinct pairs by hopping from one to the next in the index, however many accounts share them.
_KINDS = text(
    """
    WITH RECURSIVE kind AS (
        (SELECT product, currency FROM account WHERE tenant_id = :tenant_id ORDER BY product, currency LIMIT 1)
        UNION ALL
        SELECT next.product, next.currency FROM kind CROSS JOIN LATERAL (
            SELECT a.product, a.currency FROM account a
            WHERE a.tenant_id = :tenant_id AND (a.product, a.currency) > (kind.product, kind.currency)
            ORDER BY a.product, a.currency LIMIT 1
        ) next
    )
    SELECT product, currency FROM kind
    """
)

_RATES = text(
    """
    SELECT DISTINCT ON (currency) currency, rate FROM exchange_rate
    WHERE tenant_id = :tenant_id AND date <= :today ORDER BY currency, date DESC
    """
)

_INSERT = text(
    """
    INSERT INTO segment (tenant_id, position, key, name, rule, is_default, applied_at)
    SELECT :tenant_id, ordinality, rule ->> 'key', rule ->> 'name', rule -> 'where', :is_default, :applied_at
    FROM jsonb_array_elements(CAST(:rules AS jsonb)) WITH ORDINALITY AS given (rule, ordinality)
    """
)


@dataclass(frozen=True)
class SegmentSet:
    """A tenant's rules: JSON text of a list of SegmentInput. is_applied: all history has been segmented by them."""

    rules: str
    is_default: bool
    is_applied: bool


async def stored_segments(connection: AsyncConnection, tenant_id: int) -> SegmentSet:
    """The rules in force; none at all count as a default set."""
    row = (await connection.execute(_STORED, {"tenant_id": tenant_id})).one()
    return SegmentSet(row.rules, row.is_default, row.is_applied)


async def share_segments(connection: AsyncConnection, tenant_id: int) -> bool:
    """Keep the rules as they are until this transaction ends; False when somebody is changing or applying them."""
    return await _lock(connection, tenant_id, "pg_try_advisory_xact_lock_shared")


async def try_own_segments(connection: AsyncConnection, tenant_id: int) -> bool:
    """Take the rules alone if nobody else has them just now."""
    return await _lock(connection, tenant_id, "pg_try_advisory_xact_lock")


async def own_segments(connection: AsyncConnection, tenant_id: int) -> None:
    """Take the rules alone, after whoever has them."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(:class, :tenant_id)"),
        {"class": _LOCK_CLASS, "tenant_id": tenant_id},
    )


async def _lock(connection: AsyncConnection, tenant_id: int, function: str) -> bool:
    statement = text(f"SELECT {function}(:class, :tenant_id)")
    return bool(await connection.scalar(statement, {"class": _LOCK_CLASS, "tenant_id": tenant_id}))


async def latest_rates(connection: AsyncConnection, tenant_id: int, *, on: date) -> Mapping[str, Decimal]:
    """Units of the tenant's currency for one unit of each, by the latest rate up to a day."""
    rows = await connection.execute(_RATES, {"tenant_id": tenant_id, "today": on})
    return {row.currency: row.rate for row in rows}


async def default_rules(
    connection: AsyncConnection, tenant_id: int, *, now: datetime
) -> Sequence[dict[str, Any]]:
    """The default set (SegmentInput JSON) by the products, currencies and rates stored now."""
    kinds = (await connection.execute(_KINDS, {"tenant_id": tenant_id})).all()
    currency: str = await connection.scalar(
        text("SELECT currency FROM tenant WHERE id = :tenant_id"), {"tenant_id": tenant_id}
    )
    return default_segments(
        (kind.product for kind in kinds),
        (kind.currency for kind in kinds),
        tenant_currency=currency,
        rates=await latest_rates(connection, tenant_id, on=now.date()),
    )


async def replace_segments(
    connection: AsyncConnection,
    tenant_id: int,
    rules: Sequence[Mapping[str, Any]],
    *,
    is_default: bool,
    applied_at: datetime | None,
) -> None:
    """Store a new list of rules in place of the former; the caller owns the rules."""
    await connection.execute(
        text("DELETE FROM segment WHERE tenant_id = :tenant_id"), {"tenant_id": tenant_id}
    )
    binds = {"tenant_id": tenant_id, "is_default": is_default, "applied_at": applied_at}
    await connection.execute(_INSERT, {**binds, "rules": json.dumps(list(rules))})


async def mark_applied(connection: AsyncConnection, tenant_id: int, *, now: datetime) -> None:
    """State that all debtors and all history follow the rules in force."""
    await connection.execute(
        text("UPDATE segment SET applied_at = :now WHERE tenant_id = :tenant_id AND applied_at IS NULL"),
        {"tenant_id": tenant_id, "now": now},
    )


def same_rules(stored: SegmentSet, rules: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the stored rules are these, in this order."""
    same: bool = json.loads(stored.rules) == list(rules)
    return same
