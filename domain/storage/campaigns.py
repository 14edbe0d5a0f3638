"""Campaigns: what was asked, what came out, and what each arm has paid since."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, bindparam, insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.tables import campaign
from domain.vocabulary import Arm, CampaignStatus

_C = campaign.c

_PAID = text(
    """
    SELECT paid.arm, paid.currency, count(*) AS debtors, sum(paid.amount) AS total, sum(paid.amount ^ 2) AS squares
    FROM (
        SELECT d.arm, p.currency, p.debtor_id, sum(p.amount) AS amount
        FROM decision d JOIN payment p ON p.tenant_id = d.tenant_id AND p.debtor_id = d.debtor_id
        WHERE d.tenant_id = :tenant_id AND d.campaign_id = :campaign_id
          AND p.paid_at >= greatest(:start, d.decided_at) AND p.paid_at < :end AND p.paid_at <= :now
          AND (p.reversed_at IS NULL OR p.reversed_at > :now)
        GROUP BY d.arm, p.currency, p.debtor_id
    ) paid
    GROUP BY paid.arm, paid.currency ORDER BY paid.arm, paid.currency
    """
).bindparams(*(bindparam(name, type_=DateTime(timezone=True)) for name in ("start", "end", "now")))


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """A campaign about to be planned. request: as asked, in JSON's own values."""

    name: str
    request: Mapping[str, Any]
    model_version_id: int
    planned_at: datetime
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """What came out. by_channel: contacts; expected: money as JSON."""

    planned_count: int
    held_out_count: int
    blocked_count: int
    by_channel: Mapping[str, int]
    expected: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ArmPaid:
    """What the debtors of an arm paid in a currency: those who paid anything, the sum, and the sum of squares."""

    arm: Arm
    currency: str
    debtors: int
    total: Decimal
    squares: Decimal


async def begin_campaign(connection: AsyncConnection, tenant_id: int, new: NewCampaign) -> int:
    """Store a campaign without a plan yet, and answer its id."""
    row = {name: getattr(new, name) for name in NewCampaign.__dataclass_fields__}
    empty = {"planned_count": 0, "held_out_count": 0, "blocked_count": 0, "by_channel": {}, "expected": {}}
    stored = insert(campaign).values(tenant_id=tenant_id, status=CampaignStatus.PLANNED, **row, **empty)
    return int((await connection.execute(stored.returning(_C.id))).scalar_one())


async def finish_campaign(
    connection: AsyncConnection, tenant_id: int, campaign_id: int, planned: Planned
) -> None:
    """Store what came out of the plan."""
    values = {name: getattr(planned, name) for name in Planned.__dataclass_fields__}
    await connection.execute(
        update(campaign).where(_C.tenant_id == tenant_id, _C.id == campaign_id).values(**values)
    )


async def paid_by_arm(
    connection: AsyncConnection,
    tenant_id: int,
    campaign_id: int,
    *,
    start: datetime,
    end: datetime,
    now: datetime,
) -> list[ArmPaid]:
    """What each arm's debtors have paid, unreversed, `start <= paid_at < end` and since they were decided on, as far as
    known at `now`."""
    wanted = {"tenant_id": tenant_id, "campaign_id": campaign_id, "start": start, "end": end, "now": now}
    return [
        ArmPaid(Arm(row.arm), row.currency, row.debtors, row.total, row.squares)
        for row in await connection.execute(_PAID, wanted)
    ]
