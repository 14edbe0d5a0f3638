"""Decisions as they are logged: what was chosen for a debtor, from what, with what probability, under which rules."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.sessions import Database
from domain.storage.tables import decision
from domain.vocabulary import Arm

_LOCK = 4


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision to be logged. action: as JSON, None: leave alone. eligible: channel:hours-of-week, e.g. EMAIL:8-20."""

    debtor_id: int
    decided_at: datetime
    action: Mapping[str, Any] | None
    propensity: float
    explored: bool
    arm: Arm
    eligible: Sequence[str]
    blocked_by: Sequence[Mapping[str, Any]]
    reasons: Sequence[str]
    seed: int
    policy: str
    rules_version: str
    model_version_id: int | None
    campaign_id: int | None = None


async def log_decisions(
    connection: AsyncConnection, tenant_id: int, decisions: Sequence[NewDecision]
) -> list[int]:
    """Log them and answer their ids, in order."""
    if not decisions:
        return []
    rows = [
        {"tenant_id": tenant_id} | {name: getattr(one, name) for name in NewDecision.__dataclass_fields__}
        for one in decisions
    ]
    stored = insert(decision).returning(decision.c.id, sort_by_parameter_order=True)
    return [int(number) for number in await connection.scalars(stored, rows)]


@asynccontextmanager
async def deciding_alone(database: Database, tenant_id: int) -> AsyncIterator[AsyncConnection]:
    """A transaction of the tenant during which nobody else decides for it; waits until nobody does.

    Rules on how often count what is decided: two at once would not see each other's.
    """
    async with database.turn("decide", tenant_id), database.transaction(tenant_id) as connection:
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCK, tenant_id)))
        yield connection
