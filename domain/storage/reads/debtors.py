"""Debtors: by id, by reference, and the list with its filters and orders; their balances and contact points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Select,
    and_,
    bindparam,
    cast,
    func,
    select,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.reads.paging import Page, Position, SortKey, among, read_by_id, read_page
from domain.storage.tables import debtor, debtor_balance

_D = debtor.c


@dataclass(frozen=True, slots=True)
class DebtorRow:
    """A debtor as listed; `days_past_due` local to its time zone, at the instant of the read."""

    id: int
    reference: str
    name: str
    country: str
    region: str | None
    language: str | None
    time_zone: str
    segment_key: str
    last_contacted_at: datetime | None
    attributes: Mapping[str, Any]
    email: str | None
    phone: str | None
    postal_address: str | None
    days_past_due: int


class DebtorOrderField(StrEnum):
    """What a list of debtors can be sorted by."""

    REFERENCE = "REFERENCE"
    NAME = "NAME"
    DAYS_PAST_DUE = "DAYS_PAST_DUE"
    LAST_CONTACTED_AT = "LAST_CONTACTED_AT"
    BALANCE = "BALANCE"


@dataclass(frozen=True, slots=True)
class DebtorOrder:
    """One sort key of a list of debtors; `currency` with BALANCE only."""

    field: DebtorOrderField = DebtorOrderField.REFERENCE
    descending: bool = False
    currency: str | None = None


def local_date(zone: ColumnElement[str], now: datetime) -> ColumnElement[date]:
    """The calendar date in a time zone at an instant."""
    return cast(func.timezone(zone, bindparam(None, now, type_=DateTime(timezone=True))), Date)


def days_past_due(now: datetime) -> ColumnElement[int]:
    """Days from the oldest open due date to the debtor's local date, at least 0 (kpis.md, State of accounts)."""
    days = type_coerce(local_date(_D.time_zone, now), Integer) - type_coerce(_D.oldest_due_on, Integer)
    return func.greatest(func.coalesce(days, 0), 0, type_=Integer)


def _listed(tenant_id: int, now: datetime) -> Select[Any]:
    return select(
        _D.id,
        _D.reference,
        _D.name,
        _D.country,
        _D.region,
        _D.language,
        _D.time_zone,
        _D.segment_key,
        _D.last_contacted_at,
        _D.attributes,
        _D.email,
        _D.phone,
        _D.postal_address,
        days_past_due(now).label("days_past_due"),
    ).where(_D.tenant_id == tenant_id)


async def debtors_by_id(
    connection: AsyncConnection, tenant_id: int, wanted: Sequence[int], *, now: datetime
) -> Mapping[int, DebtorRow]:
    """The tenant's debtors with these ids."""
    return await read_by_id(connection, _listed(tenant_id, now), _D.id, DebtorRow, wanted)


async def debtors_by_reference(
    connection: AsyncConnection, tenant_id: int, references: Sequence[str], *, now: datetime
) -> Mapping[str, DebtorRow]:
    """The tenant's debtors with these references."""
    wanted = _D.reference == func.any(bindparam(None, list(references)))
    rows = await connection.execute(_listed(tenant_id, now).where(wanted))
    return {row.reference: DebtorRow(*row) for row in rows}


async def page_of_debtors(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    where: ColumnElement[bool],
    order: Sequence[DebtorOrder],
    first: int,
    position: Position | None,
    now: datetime,
    ordered_at: datetime,
) -> Page[DebtorRow]:
    """A page of the debtors that meet a condition, in an order made total by the id, unless it is by reference.

    `ordered_at`: the instant whose days past due sort them; the rows show those of `now`.
    """
    statement, keys = debtors_in_order(_listed(tenant_id, now).where(where), tenant_id, order, ordered_at)
    return await read_page(connection, statement, keys, DebtorRow, first=first, position=position)


def debtors_in_order(
    statement: Select[Any], tenant_id: int, order: Sequence[DebtorOrder], ordered_at: datetime
) -> tuple[Select[Any], list[SortKey]]:
    """A selection of debtors joined with what its order needs, and the keys of that order."""
    keys: list[SortKey] = []
    for number, by in enumerate(order):
        if by.field is DebtorOrderField.BALANCE:
            balance = debtor_balance.alias(f"balance_{number}")
            statement = statement.outerjoin(
                balance,
                and_(
                    balance.c.tenant_id == tenant_id,
                    balance.c.debtor_id == _D.id,
                    balance.c.currency == by.currency,
                ),
            )
            keys.append(SortKey(balance.c.balance_e4, by.descending, nullable=True))
        else:
            keys.append(_sort_key(by, ordered_at))
    if not keys or order[-1].field is not DebtorOrderField.REFERENCE:  # a reference is unique by itself
        keys.append(SortKey(_D.id))
    return statement, keys


def _sort_key(by: DebtorOrder, now: datetime) -> SortKey:
    match by.field:
        case DebtorOrderField.NAME:
            return SortKey(_D.name_key, by.descending)
        case DebtorOrderField.DAYS_PAST_DUE:
            # A cursor may hold any number.
            return SortKey(type_coerce(days_past_due(now), BigInteger), by.descending)
        case DebtorOrderField.LAST_CONTACTED_AT:
            return SortKey(_D.last_contacted_at, by.descending, nullable=True)
        case _:
            return SortKey(_D.reference, by.descending)


async def count_debtors(connection: AsyncConnection, tenant_id: int, *, where: ColumnElement[bool]) -> int:
    """How many debtors meet a condition."""
    counted = select(func.count()).select_from(debtor).where(_D.tenant_id == tenant_id, where)
    return int(await connection.scalar(counted) or 0)


async def balances(
    connection: AsyncConnection, tenant_id: int, debtor_ids: Sequence[int]
) -> Mapping[int, list[tuple[str, Decimal]]]:
    """Each debtor's open balance per currency, by currency code; a debtor without open accounts has none."""
    balance = debtor_balance.c
    rows = await connection.execute(
        select(balance.debtor_id, balance.currency, balance.balance)
        .where(balance.tenant_id == tenant_id, among(balance.debtor_id, debtor_ids))
        .order_by(balance.debtor_id, balance.currency)
    )
    found: dict[int, list[tuple[str, Decimal]]] = {debtor_id: [] for debtor_id in debtor_ids}
    for row in rows:
        found[row.debtor_id].append((row.currency, row.balance))
    return found
