"""Recommendations for a whole portfolio, in parts: memory is bounded by a part, not by the portfolio."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from api import answers
from api.answers import Recommendation, Window
from api.histories import read_history_of
from api.recommendations import translation
from api.recommendations.champions import Champion, Champions
from api.recommendations.service import decide
from domain.kpis.messages import Weekday
from domain.storage.reachability import reachability
from domain.storage.reads.portfolio import DebtorKey, count_debtors, debtors_after
from domain.storage.sessions import Database

PART = 5_000

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "debtor": pl.String,
    "segment": pl.String,
    "channel": pl.String,
    "weekday": pl.String,
    "hour": pl.Int8,
    "template": pl.String,
    "send_at": pl.Datetime("us", "UTC"),
    "expected_delivery_rate": pl.Float64,
    "expected_open_rate": pl.Float64,
    "expected_click_rate": pl.Float64,
    "expected_conversion_rate": pl.Float64,
    "expected_collected": pl.Decimal(20, 4),
    "expected_cost": pl.Decimal(20, 4),
    "expected_seconds_to_open_p50": pl.Float64,
    "expected_seconds_to_open_p90": pl.Float64,
    "expected_seconds_to_pay_p50": pl.Float64,
    "expected_seconds_to_pay_p90": pl.Float64,
    "net": pl.Decimal(20, 4),
    "currency": pl.String,
    "evidence": pl.String,
    "blocked_by": pl.List(pl.String),
}
"""Columns of docs/contract/cli.md; a null channel means: leave alone. blocked_by: rule codes."""


async def recommend_everybody(
    database: Database,
    champions: Champions,
    tenant_id: int,
    *,
    within: Window | None,
    as_of: datetime,
    write: Callable[[pl.DataFrame], None],
    progress: Callable[[str, float], None],
) -> int:
    """Decide for every debtor of a tenant and hand the rows over part by part; answers how many there were."""
    champion = await champions.deciding(tenant_id, as_of=as_of)
    async with database.transaction(tenant_id) as connection:
        total = await count_debtors(connection, tenant_id)
    done, last = 0, 0
    while True:
        async with database.transaction(tenant_id) as connection:
            part = await debtors_after(connection, tenant_id, last, limit=PART)
            if not part:
                break
            last = part[-1].id
            found = await _decide_part(connection, tenant_id, champions, champion, part, within, as_of)
        write(frame_of(part, found))
        done += len(part)
        progress(f"{done:,} of {total:,}", done / max(total, 1))
    if not done:
        write(frame_of([], {}))
    return done


async def _decide_part(
    connection: AsyncConnection,
    tenant_id: int,
    champions: Champions,
    champion: Champion | None,
    part: list[DebtorKey],
    within: Window | None,
    as_of: datetime,
) -> Mapping[int, Recommendation]:
    ids = [debtor.id for debtor in part]
    if champion is None:
        return dict.fromkeys(ids, translation.no_model(as_of, is_past=False))
    people = await reachability(connection, tenant_id, ids, known=as_of)
    history = await read_history_of(connection, tenant_id, ids, as_of=as_of, attributes=champion.attributes)
    plan = await champions.plan(tenant_id, champion, None)
    return await champions.run(
        partial(decide, champion, history, people, plan, within=within, channels=None, as_of=as_of)
    )


def frame_of(part: list[DebtorKey], found: Mapping[int, Recommendation]) -> pl.DataFrame:
    """One row per debtor, columns as `SCHEMA`."""
    rows = [_row(debtor, found[debtor.id]) for debtor in part]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _row(debtor: DebtorKey, recommendation: Recommendation) -> tuple[Any, ...]:
    blocked = [block.rule for block in recommendation.blocked_by]
    head = (debtor.reference, debtor.segment)
    tail = (recommendation.evidence.value, blocked)
    action = recommendation.best
    if action is None:
        return (*head, *(None,) * (len(SCHEMA) - len(head) - len(tail)), *tail)
    return (*head, *_action(action), *tail)


def _action(action: answers.Action) -> tuple[Any, ...]:
    expected = action.expected
    net = expected.net[0] if expected.net else None
    opened, paid = expected.seconds_to_open, expected.seconds_to_pay
    return (
        action.channel.value,
        Weekday(action.weekday).value,
        action.hour,
        action.template,
        action.send_at,
        expected.delivery_rate,
        expected.open_rate,
        expected.click_rate,
        expected.conversion_rate,
        expected.collected[0].amount if expected.collected else None,
        expected.cost[0].amount if expected.cost else None,
        opened.p50 if opened else None,
        opened.p90 if opened else None,
        paid.p50 if paid else None,
        paid.p90 if paid else None,
        net.amount if net else None,
        net.currency if net else None,
    )
