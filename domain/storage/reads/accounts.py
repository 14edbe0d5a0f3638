"""Accounts of debtors, and agents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.reads.debtors import local_date
from domain.storage.reads.paging import Page, Position, SortKey, count_by_parent, read_by_id, read_pages
from domain.storage.tables import account, agent, debtor

_A = account.c
_AGENT = agent.c


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account with its balance; `today` is the debtor's local date at the instant of the read."""

    id: int
    reference: str
    debtor_id: int
    product: str
    currency: str
    principal: Decimal
    opened_on: date
    due_on: date
    closed_on: date | None
    agent_id: int | None
    balance: Decimal
    today: date


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent of the creditor."""

    id: int
    reference: str
    name: str
    team: str | None


#: Oldest due first.
OLDEST_DUE_FIRST = (SortKey(_A.due_on), SortKey(_A.id))


def _accounts(tenant_id: int, now: datetime) -> Select[Any]:
    return (
        select(
            _A.id,
            _A.reference,
            _A.debtor_id,
            _A.product,
            _A.currency,
            _A.principal,
            _A.opened_on,
            _A.due_on,
            _A.closed_on,
            _A.agent_id,
            _A.balance,
            local_date(debtor.c.time_zone, now).label("today"),
        )
        .select_from(account)
        .join(debtor, (debtor.c.tenant_id == _A.tenant_id) & (debtor.c.id == _A.debtor_id))
        .where(_A.tenant_id == tenant_id)
    )


async def accounts_by_id(
    connection: AsyncConnection, tenant_id: int, wanted: Sequence[int], *, now: datetime
) -> Mapping[int, AccountRow]:
    """The tenant's accounts with these ids."""
    return await read_by_id(connection, _accounts(tenant_id, now), _A.id, AccountRow, wanted)


async def accounts_of_debtors(
    connection: AsyncConnection,
    tenant_id: int,
    debtor_ids: Sequence[int],
    *,
    first: int,
    position: Position | None,
    now: datetime,
) -> Mapping[int, Page[AccountRow]]:
    """A page of each debtor's accounts, oldest due date first."""
    return await read_pages(
        connection,
        _accounts(tenant_id, now),
        _A.debtor_id,
        OLDEST_DUE_FIRST,
        AccountRow,
        parents=debtor_ids,
        first=first,
        position=position,
    )


async def count_accounts_of_debtors(
    connection: AsyncConnection, tenant_id: int, debtor_ids: Sequence[int]
) -> Mapping[int, int]:
    """How many accounts each debtor has."""
    return await count_by_parent(connection, _A.debtor_id, _A.tenant_id == tenant_id, debtor_ids)


async def agents_by_id(
    connection: AsyncConnection, tenant_id: int, wanted: Sequence[int]
) -> Mapping[int, AgentRow]:
    """The tenant's agents with these ids."""
    agents = select(_AGENT.id, _AGENT.reference, _AGENT.name, _AGENT.team).where(
        _AGENT.tenant_id == tenant_id
    )
    return await read_by_id(connection, agents, _AGENT.id, AgentRow, wanted)
