"""Decisions as they are logged: what was chosen for a debtor, from what, with what probability, under which rules."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.sessions import Database
from domain.storage.tables import decision
from domain.vocabulary import Arm

_D = decision.c
_LOCK, _LOCK_OF_PLANS = 4, 5


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


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A decision that was logged in the same transaction and is no more."""

    id: int
    debtor_id: int
    decided_at: datetime
    arm: Arm
    action: Mapping[str, Any] | None


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
        await _await_turn(connection, tenant_id)
        yield connection


@asynccontextmanager
async def turn_to_decide(
    database: Database, connection: AsyncConnection, tenant_id: int
) -> AsyncIterator[None]:
    """As `deciding_alone`, for a transaction that is under way: from here on to its end nobody else decides."""
    async with database.turn("decide", tenant_id):
        await _await_turn(connection, tenant_id)
        yield


async def _await_turn(connection: AsyncConnection, tenant_id: int) -> None:
    await connection.execute(select(func.pg_advisory_xact_lock(_LOCK, tenant_id)))


async def latest_decision(database: Database, tenant_id: int) -> int:
    """The id of a decision after which every other comes of whoever gets his turn later; 0 before the first."""
    async with deciding_alone(database, tenant_id) as connection:
        latest = await connection.scalar(select(func.max(_D.id)).where(_D.tenant_id == tenant_id))
    return latest or 0


async def plan_alone(connection: AsyncConnection, tenant_id: int) -> None:
    """Wait until no other transaction logs a plan of the tenant, and let none begin to until this one ends."""
    await connection.execute(select(func.pg_advisory_xact_lock(_LOCK_OF_PLANS, tenant_id)))


async def decided_by_others(
    connection: AsyncConnection, tenant_id: int, campaign_id: int, *, after: int
) -> list[int]:
    """Debtors for whom a contact was decided on after decision `after`, but not in the campaign; ascending."""
    contacted = (
        select(_D.debtor_id)
        .distinct()
        .where(_D.tenant_id == tenant_id, _D.id > after, _D.campaign_id.is_distinct_from(campaign_id))
        .where(_D.arm == Arm.PLANNED, _D.action["channel"].is_not(None))  # to leave alone is JSON's null
        .order_by(_D.debtor_id)
    )
    return list(await connection.scalars(contacted))


async def withdraw(
    connection: AsyncConnection, tenant_id: int, campaign_id: int, debtor_ids: Sequence[int]
) -> list[Withdrawn]:
    """Delete what a campaign that nobody has seen yet decided for debtors; answers what that was, by debtor id."""
    columns = [_D[name] for name in Withdrawn.__dataclass_fields__]
    gone = await connection.execute(
        delete(decision)
        .where(_D.tenant_id == tenant_id, _D.campaign_id == campaign_id, _D.debtor_id.in_(debtor_ids))
        .returning(*columns)
    )
    found = [Withdrawn(row.id, row.debtor_id, row.decided_at, Arm(row.arm), row.action) for row in gone]
    return sorted(found, key=lambda one: one.debtor_id)
