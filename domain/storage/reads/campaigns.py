"""Campaigns as listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.reads.paging import Page, Position, SortKey, read_by_id, read_page
from domain.storage.tables import campaign
from domain.vocabulary import CampaignStatus

_C = campaign.c
_NEWEST_FIRST = (SortKey(_C.id, descending=True),)


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign as planned. status: as stored, see `status_at`. by_channel: contacts; expected: money as JSON."""

    id: int
    name: str
    status: CampaignStatus
    starts_at: datetime
    ends_at: datetime
    planned_at: datetime
    planned_count: int
    held_out_count: int
    blocked_count: int
    by_channel: dict[str, int]
    expected: dict[str, Any]
    model_version_id: int | None

    def status_at(self, now: datetime) -> CampaignStatus:
        """How it stands: PLANNED before its window, RUNNING in it, ENDED after it, unless it was cancelled."""
        if self.status is CampaignStatus.CANCELLED:
            return self.status
        if now < self.starts_at:
            return CampaignStatus.PLANNED
        return CampaignStatus.RUNNING if now < self.ends_at else CampaignStatus.ENDED


def _campaign(*values: Any) -> CampaignRow:
    named = dict(zip(CampaignRow.__dataclass_fields__, values, strict=True))
    return CampaignRow(**{**named, "status": CampaignStatus(named["status"])})


def _campaigns(tenant_id: int) -> Select[Any]:
    return select(*(_C[name] for name in CampaignRow.__dataclass_fields__)).where(_C.tenant_id == tenant_id)


async def campaigns_by_id(
    connection: AsyncConnection, tenant_id: int, wanted: Sequence[int]
) -> Mapping[int, CampaignRow]:
    """The tenant's campaigns with these ids."""
    return await read_by_id(connection, _campaigns(tenant_id), _C.id, _campaign, wanted)


async def page_of_campaigns(
    connection: AsyncConnection, tenant_id: int, *, first: int, position: Position | None
) -> Page[CampaignRow]:
    """A page of the campaigns, newest first."""
    return await read_page(
        connection, _campaigns(tenant_id), _NEWEST_FIRST, _campaign, first=first, position=position
    )


async def count_campaigns(connection: AsyncConnection, tenant_id: int) -> int:
    """How many campaigns the tenant has."""
    return int(await connection.scalar(select(func.count()).where(_C.tenant_id == tenant_id)) or 0)
