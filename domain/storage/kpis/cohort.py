"""The cohort of a message KPI answer: which communications, split by what, and what was known of each.

CTEs of one statement, which `messages` puts together. A rollup is another way to the same per-group figures and needs
none of this.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, and_, or_, select, text

from domain.communications import FUNNEL_INSTANTS
from domain.filters import IntFilter, StringFilter
from domain.kpis.requests import MessageDimension, MessageKpiWhere, Period
from domain.list_where import ChannelFilter
from domain.storage.debtor_filter import text_condition
from domain.storage.kpis.grouping import read_in_sql
from domain.storage.tables import agent, communication, debtor
from domain.vocabulary import Channel, Direction

_C, _D, _A = communication.alias("c"), debtor.alias("d"), agent.alias("a")


_FILTERED: Mapping[str, ColumnElement[Any]] = {
    "segment": _C.c.segment_key,
    "channel": _C.c.channel,
    "template": _C.c.template,
    "campaign": _C.c.campaign,
    "agent": _A.c.reference,
    "product": _C.c.product,
    "country": _D.c.country,
    "days_past_due": _C.c.days_past_due,
}

_STAGES = ("sent_at", *FUNNEL_INSTANTS)
# What had happened by the instant of knowledge; `last_stage_at` alone may be after it. The funnel columns hold the
# earliest instant of each stage, so a stage was reached then exactly when its column is not after it.
_KNOWN = {
    "id": "c.id",
    "sent_at": "c.sent_at",
    "cost": "c.cost",
    "currency": "c.currency",
    "days_past_due": "c.days_past_due",
    "last_stage_at": f"GREATEST({', '.join(f'c.{stage}' for stage in _STAGES)})",
    "opened_at": "CASE WHEN c.opened_at <= :as_of THEN c.opened_at END",
    "clicked": "coalesce(c.clicked_at <= :as_of, false)",
    "landed": "coalesce(c.landed_at <= :as_of, false)",
    "machine_opened": "coalesce(c.machine_opened_at <= :as_of, false)",
    "unsubscribed": "coalesce(c.unsubscribed_at <= :as_of, false)",
    "complained": "coalesce(c.complained_at <= :as_of, false)",
    "bounced_hard": "coalesce(c.bounced_hard_at <= :as_of, false)",
    "bounced_soft": "coalesce(c.bounced_soft_at <= :as_of, false)",
    "engaged": "coalesce(least(c.opened_at, c.replied_at, c.right_party_contacted_at) <= :as_of, false)",
    "receipted": "coalesce(c.delivered_at <= :as_of, false)",
    "by_post": f"c.channel = '{Channel.LETTER}'",
}

_COHORT = """
    SELECT {keys}id, sent_at, cost, currency, days_past_due, last_stage_at, opened_at, clicked, landed, machine_opened,
        unsubscribed, complained, bounced_hard, bounced_soft,
        engaged OR (receipted AND NOT bounced_hard) OR (by_post AND NOT bounced_hard AND NOT bounced_soft)
            AS delivered
    FROM known"""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The CTEs `known` and `cohort`, one row per communication, and how groups are told apart.

    keys: the group columns, k0, k1, …, one per dimension. The CTEs bind as_of; they are written into each part of the
    statement that uses them, since several scans in parallel cost less than one kept.
    """

    keys: tuple[str, ...]
    ctes: tuple[CTE, CTE]


def cohort_of(
    tenant_id: int,
    *,
    periods: Sequence[Period],
    by: Sequence[MessageDimension],
    where: MessageKpiWhere,
    as_of: datetime,
) -> Cohort:
    """The outbound communications sent in one of the periods that meet `where`, with what was known of each then."""
    keys = {f"k{i}": read_in_sql(dimension) for i, dimension in enumerate(by)}
    read = keys | _KNOWN
    columns: list[Any] = [text(f"{sql} AS {name}") for name, sql in read.items()]
    # Outer joins by key: PostgreSQL leaves out those that nothing asked for uses.
    debtors = _C.outerjoin(_D, and_(_D.c.tenant_id == _C.c.tenant_id, _D.c.id == _C.c.debtor_id))
    agents = debtors.outerjoin(_A, and_(_A.c.tenant_id == _C.c.tenant_id, _A.c.id == _C.c.agent_id))
    known = (
        select(*columns)
        .select_from(agents)
        .where(
            _C.c.tenant_id == tenant_id,
            _C.c.direction == Direction.OUTBOUND,
            or_(*(and_(_C.c.sent_at >= each.start, _C.c.sent_at < each.end) for each in periods)),
            _C.c.sent_at <= as_of,
            *conditions(where, _FILTERED),
        )
    )
    cohort = text(_COHORT.format(keys="".join(f"{key}, " for key in keys))).columns()
    return Cohort(tuple(keys), (_inlined(known.cte("known")), _inlined(cohort.cte("cohort"))))


def _inlined(cte: CTE) -> CTE:
    return cte.prefix_with("NOT MATERIALIZED")


def conditions(
    where: MessageKpiWhere, columns: Mapping[str, ColumnElement[Any]]
) -> list[ColumnElement[bool]]:
    """What the filter asks, of the columns that its fields are about; fields without a column ask nothing."""
    conditions: list[ColumnElement[bool]] = []
    for field, column in columns.items():
        given = getattr(where, field)
        if isinstance(given, StringFilter):
            conditions.append(text_condition(column, given))
        elif isinstance(given, ChannelFilter):
            conditions += [column == given.eq] if given.eq is not None else []
            conditions += [column.in_(given.in_)] if given.in_ is not None else []
        elif isinstance(given, IntFilter):
            conditions += _bounds(column, given)
    return conditions


def _bounds(column: ColumnElement[Any], given: IntFilter) -> list[ColumnElement[bool]]:
    compared = (
        (given.eq, operator.eq),
        (given.lt, operator.lt),
        (given.lte, operator.le),
        (given.gt, operator.gt),
        (given.gte, operator.ge),
    )
    return [compare(column, bound) for bound, compare in compared if bound is not None]
