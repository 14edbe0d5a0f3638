"""The cohort of a message KPI answer: which communications, split by what, and what was known of each.

CTEs of one statement, which `messages` puts together. A rollup is another way to the same per-group figures and needs
none of this.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, and_, select, text

from domain.filters import IntFilter, StringFilter
from domain.kpis.messages import MessageKpiKey, Weekday
from domain.kpis.requests import MessageDimension, MessageKpiWhere, Period
from domain.list_where import ChannelFilter
from domain.storage.debtor_filter import text_condition
from domain.storage.kpis.aging import bucket_sql
from domain.storage.tables import agent, communication, debtor
from domain.vocabulary import AgingBucket, Channel, Direction

_C, _D, _A = communication.alias("c"), debtor.alias("d"), agent.alias("a")
_WEEKDAYS = tuple(Weekday)


@dataclass(frozen=True, slots=True)
class _Dimension:
    """Where a dimension is read, its field in a key, a key's value from what is stored, and how values are ordered."""

    field: str
    sql: str
    value: Callable[[Any], Any] = lambda stored: stored
    order: Callable[[Any], Any] = lambda value: value


def _utc(unit: str) -> str:
    return f"date_trunc('{unit}', c.sent_at AT TIME ZONE 'UTC')::date"


def _local(part: str) -> str:
    return f"extract({part} FROM c.sent_at AT TIME ZONE d.time_zone)::integer"


_DIMENSIONS: Mapping[MessageDimension, _Dimension] = {
    MessageDimension.SEGMENT: _Dimension("segment", "c.segment_key"),
    MessageDimension.CHANNEL: _Dimension("channel", "c.channel", Channel, tuple(Channel).index),
    MessageDimension.TEMPLATE: _Dimension("template", "c.template"),
    MessageDimension.CAMPAIGN: _Dimension("campaign", "c.campaign"),
    MessageDimension.AGENT: _Dimension("agent", "a.reference"),
    MessageDimension.PRODUCT: _Dimension("product", "c.product"),
    MessageDimension.COUNTRY: _Dimension("country", "d.country"),
    MessageDimension.DPD_BUCKET: _Dimension(
        "dpd_bucket", bucket_sql("c.days_past_due"), AgingBucket, tuple(AgingBucket).index
    ),
    MessageDimension.CURRENCY: _Dimension("currency", "c.kpi_currency"),
    MessageDimension.HOUR: _Dimension("hour", _local("hour")),
    MessageDimension.WEEKDAY: _Dimension(
        "weekday", _local("isodow"), lambda isodow: _WEEKDAYS[isodow - 1], _WEEKDAYS.index
    ),
    MessageDimension.DAY: _Dimension("day", _utc("day")),
    MessageDimension.WEEK: _Dimension("week", _utc("week")),
    MessageDimension.MONTH: _Dimension("month", _utc("month")),
}

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

# What had happened by the instant of knowledge. The funnel columns hold the earliest instant of each stage, so a stage
# was reached then exactly when its column is not after it.
_KNOWN = {
    "id": "c.id",
    "sent_at": "c.sent_at",
    "cost": "c.cost",
    "currency": "c.currency",
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
    SELECT {keys}id, sent_at, cost, currency, opened_at, clicked, landed, machine_opened, unsubscribed, complained,
        bounced_hard, bounced_soft,
        engaged OR (receipted AND NOT bounced_hard) OR (by_post AND NOT bounced_hard AND NOT bounced_soft)
            AS delivered
    FROM known"""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The CTEs `known` and `cohort`, one row per communication, and how groups are told apart.

    keys: the group columns, k0, k1, …, one per dimension. The CTEs bind as_of; they are written into each part of the
    statement that uses them, since several scans in parallel cost less than one kept.
    """

    by: tuple[MessageDimension, ...]
    ctes: tuple[CTE, CTE]

    @property
    def keys(self) -> tuple[str, ...]:
        """The group columns."""
        return tuple(f"k{position}" for position in range(len(self.by)))

    def key_of(self, stored: Sequence[Any]) -> MessageKpiKey:
        """The key of the group whose columns hold `stored`."""
        values = {
            _DIMENSIONS[dimension].field: None if value is None else _DIMENSIONS[dimension].value(value)
            for dimension, value in zip(self.by, stored, strict=True)
        }
        return MessageKpiKey(**values)

    def place_of(self, key: MessageKpiKey) -> tuple[tuple[bool, Any], ...]:
        """Where a group stands in an answer: by the dimensions as asked, each in its own order, none last."""
        values = [
            (_DIMENSIONS[dimension], getattr(key, _DIMENSIONS[dimension].field)) for dimension in self.by
        ]
        return tuple((value is None, value is not None and by.order(value)) for by, value in values)


def cohort_of(
    tenant_id: int, *, period: Period, by: Sequence[MessageDimension], where: MessageKpiWhere, as_of: datetime
) -> Cohort:
    """The outbound communications sent in the period that meet `where`, with what was known of each at `as_of`."""
    dimensions = tuple(dict.fromkeys(by))
    read = {f"k{i}": _DIMENSIONS[dimension].sql for i, dimension in enumerate(dimensions)} | _KNOWN
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
            _C.c.sent_at >= period.start,
            _C.c.sent_at < period.end,
            _C.c.sent_at <= as_of,
            *_conditions(where),
        )
    )
    cohort = text(_COHORT.format(keys="".join(f"k{i}, " for i in range(len(dimensions))))).columns()
    return Cohort(dimensions, (_inlined(known.cte("known")), _inlined(cohort.cte("cohort"))))


def _inlined(cte: CTE) -> CTE:
    return cte.prefix_with("NOT MATERIALIZED")


def _conditions(where: MessageKpiWhere) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for field, column in _FILTERED.items():
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
