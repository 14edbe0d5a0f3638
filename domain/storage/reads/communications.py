"""Communications, newest first: of debtors, and the tenant's list with its filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.reads.paging import (
    Page,
    Position,
    SortKey,
    count_by_parent,
    read_by_id,
    read_page,
    read_pages,
)
from domain.storage.tables import communication

_C = communication.c


@dataclass(frozen=True, slots=True)
class CommunicationRow:
    """A communication and its funnel: the earliest instant of each stage, a person's own but `machine_opened_at`."""

    id: int
    reference: str
    debtor_id: int
    account_id: int | None
    channel: str
    direction: str
    template: str | None
    campaign: str | None
    agent_id: int | None
    sent_at: datetime
    cost: Decimal | None
    currency: str | None
    delivered_at: datetime | None
    bounced_hard_at: datetime | None
    bounced_soft_at: datetime | None
    opened_at: datetime | None
    machine_opened_at: datetime | None
    clicked_at: datetime | None
    landed_at: datetime | None
    replied_at: datetime | None
    right_party_contacted_at: datetime | None
    converted_at: datetime | None


NEWEST_FIRST = (SortKey(_C.sent_at, descending=True), SortKey(_C.id, descending=True))


def _communications(tenant_id: int) -> Select[Any]:
    return select(
        _C.id,
        _C.reference,
        _C.debtor_id,
        _C.account_id,
        _C.channel,
        _C.direction,
        _C.template,
        _C.campaign,
        _C.agent_id,
        _C.sent_at,
        _C.cost,
        _C.currency,
        _C.delivered_at,
        _C.bounced_hard_at,
        _C.bounced_soft_at,
        _C.opened_at,
        _C.machine_opened_at,
        _C.clicked_at,
        _C.landed_at,
        _C.replied_at,
        _C.right_party_contacted_at,
        _C.converted_at,
    ).where(_C.tenant_id == tenant_id)


async def communications_by_id(
    connection: AsyncConnection, tenant_id: int, wanted: Sequence[int]
) -> Mapping[int, CommunicationRow]:
    """The tenant's communications with these ids."""
    return await read_by_id(connection, _communications(tenant_id), _C.id, CommunicationRow, wanted)


async def communications_of_debtors(
    connection: AsyncConnection,
    tenant_id: int,
    debtor_ids: Sequence[int],
    *,
    first: int,
    position: Position | None,
) -> Mapping[int, Page[CommunicationRow]]:
    """A page of each debtor's communications, newest first."""
    return await read_pages(
        connection,
        _communications(tenant_id),
        _C.debtor_id,
        NEWEST_FIRST,
        CommunicationRow,
        parents=debtor_ids,
        first=first,
        position=position,
    )


async def count_communications_of_debtors(
    connection: AsyncConnection, tenant_id: int, debtor_ids: Sequence[int]
) -> Mapping[int, int]:
    """How many communications each debtor has had."""
    return await count_by_parent(connection, _C.debtor_id, _C.tenant_id == tenant_id, debtor_ids)


async def page_of_communications(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    where: ColumnElement[bool],
    first: int,
    position: Position | None,
) -> Page[CommunicationRow]:
    """A page of the communications that meet a condition, newest first."""
    statement = _communications(tenant_id).where(where)
    return await read_page(
        connection, statement, NEWEST_FIRST, CommunicationRow, first=first, position=position
    )


async def count_communications(
    connection: AsyncConnection, tenant_id: int, *, where: ColumnElement[bool]
) -> int:
    """How many communications meet a condition."""
    counted = select(func.count()).select_from(communication).where(_C.tenant_id == tenant_id, where)
    return int(await connection.scalar(counted) or 0)
