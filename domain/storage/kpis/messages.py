"""Message KPIs by any dimensions, from the facts.

One statement answers, so that counts, money and reaction times are of one snapshot. Source: kpis.md, Message KPIs.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, TextualSelect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.messages import MessageKpiKey, MessageKpiRow, ReactionTime, ReactionTimes
from domain.kpis.requests import (
    ALL_FIGURES,
    GROUP_LIMIT,
    MessageDimension,
    MessageFigures,
    MessageKpiWhere,
    Period,
    check_cost,
    check_groups,
)
from domain.storage.kpis.attribution import ATTRIBUTION, moved_payments
from domain.storage.kpis.cohort import Cohort, cohort_of
from domain.storage.kpis.grouping import key_of, place_of
from domain.storage.kpis.reactions import (
    SPANS,
    Span,
    censored_median,
    listed,
    observed,
    opening,
)
from domain.storage.kpis.scans import scanning

#: What is counted of a cohort with `first_paid_at` joined to it: field of a row → condition.
COUNTS = (
    ("sent", "true"),
    ("delivered", "delivered"),
    ("hard_bounced", "bounced_hard AND NOT delivered"),
    ("soft_bounced", "bounced_soft AND NOT bounced_hard AND NOT delivered"),
    ("opened", "opened_at IS NOT NULL"),
    ("machine_opened", "machine_opened AND opened_at IS NULL"),
    ("clicked", "clicked"),
    ("landed", "landed"),
    ("unsubscribed", "unsubscribed"),
    ("complained", "complained"),
    ("converted", "first_paid_at IS NOT NULL"),
)
COUNT_NAMES = tuple(name for name, _ in COUNTS)


@dataclass(slots=True)
class _Group:
    """The parts of one group's row as they come in."""

    counts: Sequence[int] = (0,) * len(COUNTS)
    collected: dict[str, Decimal] = field(default_factory=dict)
    cost: dict[str, Decimal] = field(default_factory=dict)
    observed: dict[str, ReactionTime] = field(default_factory=dict)
    medians: dict[str, float] = field(default_factory=dict)


async def message_kpis(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    period: Period,
    by: Sequence[MessageDimension],
    where: MessageKpiWhere | None = None,
    as_of: datetime,
    figures: MessageFigures = ALL_FIGURES,
) -> list[MessageKpiRow]:
    """One row per group of the period's outbound communications, as known at `as_of`; in the order of its keys.

    by: the dimensions to split by; none gives one row, of zeros when nothing was sent. figures: which are wanted;
    others may be missing.

    Raises:
        KpiRequestError: TOO_COSTLY, TOO_MANY_GROUPS.
    """
    by = tuple(dict.fromkeys(by))
    check_cost(period, by)
    cohort = cohort_of(tenant_id, periods=[period], by=by, where=where or MessageKpiWhere(), as_of=as_of)
    parameters = {
        "tenant_id": tenant_id,
        "as_of": as_of,
        "group_limit": GROUP_LIMIT,
        **await moved_payments(connection, tenant_id, as_of=as_of),
    }
    async with scanning(connection):
        rows = (await connection.execute(_statement(cohort, figures), parameters)).all()
    groups = [(key_of(by, stored), group) for stored, group in _groups(rows, len(by)).items()]
    groups.sort(key=lambda pair: place_of(by, pair[0]))
    return [_row(key, group) for key, group in groups]


def _statement(cohort: Cohort, figures: MessageFigures) -> TextualSelect:
    keys = cohort.keys
    counted = _size_and_count_parts(keys)
    parts = [*counted]
    if figures.money:
        parts.append(_collected_part(keys))
    if figures.reactions:
        parts += [_observed_part(span, keys) for span in SPANS]
    if figures.medians:
        parts += [_median_part(span, keys) for span in SPANS]
    written = {**ATTRIBUTION, **_counted(keys)}
    if len(parts) > len(counted):
        written["paying"] = _paying(keys)
    if figures.reactions or figures.medians:
        written["opening"] = opening(keys)
    ctes = [text(sql).columns().cte(name) for name, sql in written.items()]
    return text("\n    UNION ALL ".join(parts)).columns().add_cte(*cohort.ctes, *ctes)


# Every part but the size stays unevaluated when there are too many groups.
_FITS = "(SELECT groups FROM size) <= :group_limit"


def _counted(keys: Sequence[str]) -> dict[str, str]:
    """Counts and cost in one pass, by group and currency of cost; and how many groups that makes."""
    counts = ", ".join(f"count(*) FILTER (WHERE {condition}) AS {name}" for name, condition in COUNTS)
    return {
        "counted": f"""SELECT {listed(keys)}currency, {counts}, sum(cost) AS cost
            FROM cohort LEFT JOIN paid ON paid.communication_id = cohort.id GROUP BY {listed(keys)}currency""",
        "size": f"SELECT count(*) AS groups FROM (SELECT DISTINCT {', '.join(keys) or '1'} FROM counted) groups",
    }


def _paying(keys: Sequence[str]) -> str:
    """The communications that were paid for, with the seconds that took; no seconds when paid before the start."""
    return f"""
        SELECT {listed(keys)}id, delivered, sent_at, opened_at,
            CASE WHEN first_paid_at >= sent_at THEN date_part('epoch', first_paid_at - sent_at) END AS sent_to_pay,
            CASE WHEN first_paid_at >= opened_at THEN date_part('epoch', first_paid_at - opened_at) END AS open_to_pay
        FROM paid JOIN cohort ON cohort.id = paid.communication_id"""


def _size_and_count_parts(keys: Sequence[str]) -> tuple[str, str]:
    no_keys = "NULL, " * len(keys)
    counts = ", ".join(COUNT_NAMES)
    return (
        f"""SELECT 'groups' AS part, NULL AS name, {no_keys}ARRAY[groups] AS counts, NULL::numeric AS amount,
        NULL::float8[] AS seconds FROM size""",
        f"SELECT 'counts', currency, {listed(keys)}ARRAY[{counts}], cost, NULL FROM counted WHERE {_FITS}",
    )


def _collected_part(keys: Sequence[str]) -> str:
    return f"""SELECT 'collected', a.currency, {listed(keys)}NULL, sum(a.amount), NULL
        FROM attributed a JOIN paying ON paying.id = a.communication_id WHERE {_FITS}
        GROUP BY {listed(keys)}a.currency"""


def _observed_part(span: Span, keys: Sequence[str]) -> str:
    return f"""SELECT 'observed', '{span.name}', {listed(keys)}ARRAY[n], NULL, ARRAY[mean] || percentiles
        FROM ({observed(span, keys)}) o WHERE {_FITS} AND n > 0"""


def _median_part(span: Span, keys: Sequence[str]) -> str:
    return f"""SELECT 'median', '{span.name}', {listed(keys)}NULL, NULL, ARRAY[median]
        FROM ({censored_median(span, keys)}) m WHERE {_FITS} AND median IS NOT NULL"""


def _groups(rows: Sequence[Row[Any]], keys: int) -> dict[tuple[Any, ...], _Group]:
    groups: defaultdict[tuple[Any, ...], _Group] = defaultdict(_Group)
    if not keys:
        groups[()] = _Group()
    for row in rows:
        part, name, *stored, counts, amount, seconds = tuple[Any, ...](row)
        if part == "groups":
            check_groups(counts[0])
            continue
        group = groups[tuple(stored)]
        if part == "counts":
            group.counts = [sum(pair) for pair in zip(group.counts, counts, strict=True)]
            if amount is not None:
                group.cost[name] = amount
        elif part == "collected":
            group.collected[name] = amount
        elif part == "observed":
            group.observed[name] = ReactionTime(counts[0], *seconds)
        else:
            group.medians[name] = seconds[0]
    return dict(groups)


def _row(key: MessageKpiKey, group: _Group) -> MessageKpiRow:
    times = {
        span.name: replace(
            group.observed.get(span.name, ReactionTime()), median_censored=group.medians.get(span.name)
        )
        for span in SPANS
    }
    return MessageKpiRow(
        key=key,
        **dict(zip(COUNT_NAMES, group.counts, strict=True)),
        collected=dict(sorted(group.collected.items())),
        cost=dict(sorted(group.cost.items())),
        reaction=ReactionTimes(**times),
    )
