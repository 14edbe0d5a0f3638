"""Payments of debtors, newest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.reads.paging import Page, Position, SortKey, count_by_parent, read_by_id, read_pages
from domain.storage.tables import payment

_P = payment.c


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment and the id of the communication it is attributed to while it is not reversed (kpis.md, Attribution)."""

    id: int
    reference: str
    account_id: int
    amount: Decimal
    currency: str
    paid_at: datetime
    reversed_at: datetime | None
    method: str | None
    attributed_to: int | None


NEWEST_FIRST = (SortKey(_P.paid_at, descending=True), SortKey(_P.id, descending=True))


def _payments(tenant_id: int) -> Select[Any]:
    return select(
        _P.id,
        _P.reference,
        _P.account_id,
        _P.amount,
        _P.currency,
        _P.paid_at,
        _P.reversed_at,
        _P.method,
        _P.attributed_to,
    ).where(_P.tenant_id == tenant_id)


async def payments_by_id(
    connection: AsyncConnection, tenant_id: int, wanted: Sequence[int]
) -> Mapping[int, PaymentRow]:
    """The tenant's payments with these ids."""
    return await read_by_id(connection, _payments(tenant_id), _P.id, PaymentRow, wanted)


async def payments_of_debtors(
    connection: AsyncConnection,
    tenant_id: int,
    debtor_ids: Sequence[int],
    *,
    first: int,
    position: Position | None,
) -> Mapping[int, Page[PaymentRow]]:
    """A page of each debtor's payments, newest first."""
    return await read_pages(
        connection,
        _payments(tenant_id),
        _P.debtor_id,
        NEWEST_FIRST,
        PaymentRow,
        parents=debtor_ids,
        first=first,
        position=position,
    )


async def count_payments_of_debtors(
    connection: AsyncConnection, tenant_id: int, debtor_ids: Sequence[int]
) -> Mapping[int, int]:
    """How many payments each debtor's accounts have."""
    return await count_by_parent(connection, _P.debtor_id, _P.tenant_id == tenant_id, debtor_ids)
