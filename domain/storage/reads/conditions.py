"""The filters of lists as SQL conditions over the columns they speak of."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, and_, bindparam, false, func, literal, or_, select, true

from domain.filters import StringFilter
from domain.list_where import ChannelFilter, CommunicationWhere, PromiseWhere
from domain.storage.debtor_filter import promise_condition, range_condition, text_condition
from domain.storage.reads.promises import AGENT_ID
from domain.storage.tables import account, agent, communication, debtor, promise
from domain.vocabulary import BounceKind

Column = ColumnElement[Any]
Condition = ColumnElement[bool]

_C = communication.c
_P = promise.c


def _channel_condition(column: Column, wanted: ChannelFilter) -> Condition:
    parts: list[Condition] = []
    if wanted.eq is not None:
        parts.append(column == wanted.eq.value)
    if wanted.in_ is not None:
        parts.append(column.in_([channel.value for channel in wanted.in_]) if wanted.in_ else false())
    return and_(true(), *parts)


def _referred(table: Any, link: Column, tenant_id: int, wanted: StringFilter) -> Condition:
    """Rows whose linked row's reference meets a filter; no link is a null reference."""
    if wanted == StringFilter():
        return true()
    if wanted == StringFilter(is_null=True):
        return link.is_(None)
    found = select(literal(1)).where(
        table.c.tenant_id == tenant_id, table.c.id == link, text_condition(table.c.reference, wanted)
    )
    return found.exists()


def bounce_condition(kind: BounceKind) -> Condition:
    """Communications that count as bounced in this way; the SQL twin of `domain.communications.outcome`."""
    engaged = func.coalesce(
        _C.opened_at, _C.clicked_at, _C.landed_at, _C.replied_at, _C.right_party_contacted_at
    )
    if kind is BounceKind.HARD:
        return and_(_C.bounced_hard_at.is_not(None), engaged.is_(None))
    undelivered = and_(_C.bounced_hard_at.is_(None), _C.delivered_at.is_(None), engaged.is_(None))
    return and_(_C.bounced_soft_at.is_not(None), undelivered)


def communications_where(where: CommunicationWhere, tenant_id: int) -> Condition:
    """Communications that meet a condition."""
    return and_(true(), *_communication_parts(where, tenant_id))


def _communication_parts(where: CommunicationWhere, tenant_id: int) -> Iterator[Condition]:
    if where.debtor is not None:
        yield _referred(debtor, _C.debtor_id, tenant_id, where.debtor)
    if where.agent is not None:
        yield _referred(agent, _C.agent_id, tenant_id, where.agent)
    if where.channel is not None:
        yield _channel_condition(_C.channel, where.channel)
    if where.direction is not None:
        yield _C.direction == where.direction.value
    for column, text in ((_C.template, where.template), (_C.campaign, where.campaign)):
        if text is not None:
            yield text_condition(column, text)
    instants = {
        _C.sent_at: where.sent_at,
        _C.opened_at: where.opened_at,
        _C.clicked_at: where.clicked_at,
        _C.landed_at: where.landed_at,
    }
    for column, bounds in instants.items():
        if bounds is not None:
            yield range_condition(column, bounds)
    if where.bounce_kind is not None:
        yield bounce_condition(where.bounce_kind)


def promises_where(where: PromiseWhere, tenant_id: int, *, now: datetime) -> Condition:
    """Promises that meet a condition as they stand at `now`."""
    return and_(true(), *_promise_parts(where, tenant_id, now))


def _promise_parts(where: PromiseWhere, tenant_id: int, now: datetime) -> Iterator[Condition]:
    if where.debtor is not None:
        yield _referred(debtor, _P.debtor_id, tenant_id, where.debtor)
    if where.account is not None:
        yield _referred(account, _P.account_id, tenant_id, where.account)
    if where.agent is not None:
        yield _referred(agent, AGENT_ID, tenant_id, where.agent)
    if where.status is not None:
        at = bindparam(None, now, type_=DateTime(timezone=True))
        standing = [
            promise_condition(status, kept_at=_P.kept_at, deadline=_P.deadline, at=at)
            for status in where.status
        ]
        yield or_(false(), *standing)
    if where.direction is not None:
        yield _P.direction == where.direction.value
    if where.due_on is not None:
        yield range_condition(_P.due_on, where.due_on)
    if where.promised_at is not None:
        yield range_condition(_P.promised_at, where.promised_at)
