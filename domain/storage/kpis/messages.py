"""Message KPIs by any dimensions, from the facts.

One statement answers, so that counts, money and reaction times are of one snapshot. Source: kpis.md, Message KPIs.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, TextualSelect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.messages import MessageKpiKey, MessageKpiRow, ReactionTime, ReactionTimes
from domain.kpis.requests import (
    GROUP_LIMIT,
    MessageDimension,
    MessageKpiWhere,
    Period,
    check_cost,
    check_groups,
)
from domain.storage.kpis.attribution import ATTRIBUTION, attribution_windows
from domain.storage.kpis.cohort import Cohort, cohort_of
from domain.storage.kpis.reactions import SPANS, Span, censored_median, group_by, observed

_COUNTS = (
    ("sent", "true"),
    ("delivered", "delivered"),
    ("hard_bounced", "bounced_hard AND NOT delivered"),
    ("soft_bounced", "bounced_soft AND NOT bounced_hard AND NOT delivered"),
    ("opened", "opened_at IS NOT NULL"),
    ("machine_opened", "machine_opened AND opened_at IS NULL"),
    ("clicked", "clicked"),
    ("landed", "landed"),
    ("converted", "first_paid_at IS NOT NULL"),
    ("unsubscribed", "unsubscribed"),
    ("complained", "complained"),
)


@dataclass(slots=True)
class _Group:
    """The parts of one group's row as they come in."""

    counts: Mapping[str, int] = field(default_factory=dict)
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
    reactions: bool = True,
) -> list[MessageKpiRow]:
    """One row per group of the period's outbound communications, as known at `as_of`; in the order of its keys.

    by: the dimensions to split by; none gives one row, of zeros when nothing was sent. reactions: False leaves the
    reaction times out (rows then have none), for callers that do not show them.

    Raises:
        KpiRequestError: TOO_COSTLY, TOO_MANY_GROUPS.
    """
    check_cost(period, tuple(dict.fromkeys(by)))
    cohort = cohort_of(tenant_id, period=period, by=by, where=where or MessageKpiWhere(), as_of=as_of)
    rows = (
        await connection.execute(
            _statement(cohort, reactions),
            {
                "tenant_id": tenant_id,
                "as_of": as_of,
                "group_limit": GROUP_LIMIT,
                **await attribution_windows(connection, tenant_id),
            },
        )
    ).all()
    groups = [(cohort.key_of(stored), group) for stored, group in _groups(rows).items()]
    groups.sort(key=lambda pair: cohort.place_of(pair[0]))
    return [_row(key, group) for key, group in groups]


def _statement(cohort: Cohort, reactions: bool) -> TextualSelect:
    keys = cohort.keys
    parts = [_size_part(keys), _counts_part(keys), _money_part("collected", keys), _money_part("cost", keys)]
    if reactions:
        parts += [part for span in SPANS for part in (_observed_part(span, keys), _median_part(span, keys))]
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for _, condition in _COUNTS)
    written = {
        "cohort": cohort.sql,
        "counted": f"SELECT {_listed(keys)}ARRAY[{counts}] AS counts FROM cohort {group_by(keys)}",
        "size": "SELECT count(*) AS groups FROM counted",
    }
    attribution = [text(sql).columns().cte(name) for name, sql in ATTRIBUTION.items()]
    return (
        text("\n    UNION ALL ".join(parts))
        .columns()
        .add_cte(
            *attribution, cohort.known, *(text(sql).columns().cte(name) for name, sql in written.items())
        )
    )


def _size_part(keys: Sequence[str]) -> str:
    no_keys = "NULL, " * len(keys)
    return f"""SELECT 'groups' AS part, NULL AS name, {no_keys}ARRAY[groups] AS counts, NULL::numeric AS amount,
        NULL::float8[] AS seconds FROM size"""


# Every part but 'groups' stays unevaluated when there are too many groups.
_FITS = "(SELECT groups FROM size) <= :group_limit"


def _counts_part(keys: Sequence[str]) -> str:
    return f"SELECT 'counts', NULL, {_listed(keys)}counts, NULL, NULL FROM counted WHERE {_FITS}"


def _money_part(part: str, keys: Sequence[str]) -> str:
    source, amount = {
        "collected": ("attributed a JOIN cohort c ON c.id = a.communication_id", "a.amount"),
        "cost": ("cohort c", "c.cost"),
    }[part]
    currency = "a.currency" if part == "collected" else "c.currency"
    return f"""SELECT '{part}', {currency}, {_listed(keys)}NULL, sum({amount}), NULL
        FROM {source} WHERE {_FITS} AND {amount} IS NOT NULL GROUP BY {_listed(keys)}{currency}"""


def _observed_part(span: Span, keys: Sequence[str]) -> str:
    return f"""SELECT 'observed', '{span.name}', {_listed(keys)}ARRAY[n], NULL, ARRAY[mean] || percentiles
        FROM ({observed(span, keys)}) o WHERE {_FITS} AND n > 0"""


def _median_part(span: Span, keys: Sequence[str]) -> str:
    return f"""SELECT 'median', '{span.name}', {_listed(keys)}NULL, NULL, ARRAY[median]
        FROM ({censored_median(span, keys)}) m WHERE {_FITS} AND median IS NOT NULL"""


def _listed(keys: Sequence[str]) -> str:
    return "".join(f"{key}, " for key in keys)


def _groups(rows: Sequence[Row[Any]]) -> dict[tuple[Any, ...], _Group]:
    groups: defaultdict[tuple[Any, ...], _Group] = defaultdict(_Group)
    for row in rows:
        part, name, *stored, counts, amount, seconds = tuple[Any, ...](row)
        if part == "groups":
            check_groups(counts[0])
            continue
        group = groups[tuple(stored)]
        if part == "counts":
            group.counts = {label: count for (label, _), count in zip(_COUNTS, counts, strict=True)}
        elif part == "collected":
            group.collected[name] = amount
        elif part == "cost":
            group.cost[name] = amount
        elif part == "observed":
            mean, p50, p90 = seconds
            group.observed[name] = ReactionTime(counts[0], mean, p50, p90)
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
        key=key, **group.counts, collected=group.collected, cost=group.cost, reaction=ReactionTimes(**times)
    )
