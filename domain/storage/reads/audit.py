"""The audit log as listed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import AuditOutcome
from domain.list_where import AuditWhere
from domain.storage.debtor_filter import range_condition, text_condition
from domain.storage.reads.paging import Page, Position, SortKey, read_page
from domain.storage.tables import audit_entry
from domain.vocabulary import Role

_A = audit_entry.c
_NEWEST_FIRST = (SortKey(_A.at, descending=True), SortKey(_A.id, descending=True))


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry. nodes: `Type:number`. A command's entry has no role, key or subject."""

    at: datetime
    role: Role | None
    key_id: int | None
    subject: str | None
    action: str
    nodes: list[str]
    counts: dict[str, int]
    outcome: AuditOutcome
    code: str | None


def _entry(*values: Any) -> AuditRow:
    named = dict(zip(AuditRow.__dataclass_fields__, values, strict=True))
    role = named["role"]
    return AuditRow(
        **{**named, "role": None if role is None else Role(role), "outcome": AuditOutcome(named["outcome"])}
    )


def audit_condition(where: AuditWhere) -> ColumnElement[bool]:
    """Entries that meet a condition."""
    return and_(true(), *_parts(where))


def _parts(where: AuditWhere) -> Iterator[ColumnElement[bool]]:
    for column, wanted in ((_A.action, where.action), (_A.subject, where.subject)):
        if wanted is not None:
            yield text_condition(column, wanted)
    if where.at is not None:
        yield range_condition(_A.at, where.at)
    if where.key_id is not None:
        yield _A.key_id == where.key_id
    if where.role is not None:
        yield _A.role.in_([role.value for role in where.role])
    if where.outcome is not None:
        yield _A.outcome.in_([outcome.value for outcome in where.outcome])


async def page_of_entries(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    where: ColumnElement[bool],
    first: int,
    position: Position | None,
) -> Page[AuditRow]:
    """A page of the tenant's entries that meet a condition, newest first."""
    entries = select(*(_A[name] for name in AuditRow.__dataclass_fields__)).where(
        _A.tenant_id == tenant_id, where
    )
    return await read_page(connection, entries, _NEWEST_FIRST, _entry, first=first, position=position)


async def count_entries(connection: AsyncConnection, tenant_id: int, *, where: ColumnElement[bool]) -> int:
    """How many of the tenant's entries meet a condition."""
    counted = select(func.count()).select_from(audit_entry).where(_A.tenant_id == tenant_id, where)
    return int(await connection.scalar(counted) or 0)
