"""Promises to pay, newest first: of debtors, and the tenant's list with its filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select
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
from domain.storage.tables import account, communication, promise

_P = promise.c


def _agent_of(table: FromClause, link: ColumnElement[Any]) -> ColumnElement[Any]:
    """The agent of the row that a promise refers to; null without one."""
    columns = table.c
    found = select(columns.agent_id).where(columns.tenant_id == _P.tenant_id, columns.id == link)
    return found.correlate(promise).scalar_subquery()


#: A promise's agent: its own, else its communication's, else its account's. Source: kpis.md, promises.
AGENT_ID: ColumnElement[Any] = func.coalesce(
    _P.agent_id, _agent_of(communication, _P.communication_id), _agent_of(account, _P.account_id)
)


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """A promise and what its status follows from: pending until `kept_at`, else broken from its deadline on."""

    id: int
    reference: str
    account_id: int
    amount: Decimal
    currency: str
    promised_at: datetime
    due_on: date
    direction: str
    agent_id: int | None
    deadline: datetime | None
    kept_at: datetime | None


NEWEST_FIRST = (SortKey(_P.promised_at, descending=True), SortKey(_P.id, descending=True))


def _promises(tenant_id: int) -> Select[Any]:
    return select(
        _P.id,
        _P.reference,
        _P.account_id,
        _P.amount,
        _P.currency,
        _P.promised_at,
        _P.due_on,
        _P.direction,
        AGENT_ID.label("agent_id"),
        _P.deadline,
        _P.kept_at,
    ).where(_P.tenant_id == tenant_id)


async def promises_by_id(
    connection: AsyncConnection, tenant_id: int, wanted: Sequence[int]
) -> Mapping[int, PromiseRow]:
    """The tenant's promises with these ids."""
    return await read_by_id(connection, _promises(tenant_id), _P.id, PromiseRow, wanted)


async def promises_of_debtors(
    connection: AsyncConnection,
    tenant_id: int,
    debtor_ids: Sequence[int],
    *,
    first: int,
    position: Position | None,
) -> Mapping[int, Page[PromiseRow]]:
    """A page of each debtor's promises, newest first."""
    return await read_pages(
        connection,
        _promises(tenant_id),
        _P.debtor_id,
        NEWEST_FIRST,
        PromiseRow,
        parents=debtor_ids,
        first=first,
        position=position,
    )


async def count_promises_of_debtors(
    connection: AsyncConnection, tenant_id: int, debtor_ids: Sequence[int]
) -> Mapping[int, int]:
    """How many promises each debtor has made."""
    return await count_by_parent(connection, _P.debtor_id, _P.tenant_id == tenant_id, debtor_ids)


async def page_of_promises(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    where: ColumnElement[bool],
    first: int,
    position: Position | None,
) -> Page[PromiseRow]:
    """A page of the promises that meet a condition, newest first."""
    statement = _promises(tenant_id).where(where)
    return await read_page(connection, statement, NEWEST_FIRST, PromiseRow, first=first, position=position)


async def count_promises(connection: AsyncConnection, tenant_id: int, *, where: ColumnElement[bool]) -> int:
    """How many promises meet a condition."""
    counted = select(func.count()).select_from(promise).where(_P.tenant_id == tenant_id, where)
    return int(await connection.scalar(counted) or 0)
