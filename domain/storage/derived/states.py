"""How debtors stood at any instant, from the facts known then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.derived.account_spans import with_account_spans
from domain.storage.derived.balances import OPEN_ON
from domain.storage.derived.plans import Scale, planned
from domain.storage.derived.segment_rules import SegmentProgram, segment_program
from domain.storage.derived.segment_sets import stored_segments
from domain.storage.derived.settings import collection_settings
from domain.storage.derived.spans import offer_spans
from domain.storage.derived.touched import touch_for_reading

_STATES = f"""
    stood AS (
        SELECT d.id AS debtor_id, d.segment AS own_key, s.due_on AS oldest_due_on,
               GREATEST(COALESCE(k.today - s.due_on, 0), 0) AS days_past_due, owed.currencies, owed.balances
               {{filter_columns}}
        FROM touched_debtor t
        JOIN debtor d ON d.tenant_id = :tenant_id AND d.id = t.debtor_id
        CROSS JOIN LATERAL (
            SELECT CAST(:as_of AS timestamptz) AS at, CAST(:as_of AS timestamptz) AS known,
                   (CAST(:as_of AS timestamptz) AT TIME ZONE d.time_zone)::date AS today
        ) k
        CROSS JOIN LATERAL (
            SELECT min(a.due_on) FILTER (WHERE a.balance > 0) AS due_on {{account_columns}}
            FROM account_span a
            WHERE a.debtor_id = d.id AND a.owed_from <= k.at AND a.owed_until > k.known
              AND {OPEN_ON.format(today="k.today")}
        ) s
        CROSS JOIN LATERAL (
            SELECT array_agg(currency) AS currencies, array_agg(balance) AS balances
            FROM (
                SELECT a.currency, sum(a.balance) AS balance FROM account_span a
                WHERE a.debtor_id = d.id AND a.owed_from <= k.at AND a.owed_until > k.known
                  AND {OPEN_ON.format(today="k.today")}
                GROUP BY a.currency
            ) by_currency
        ) owed
        OFFSET 0
    ), state AS (
        SELECT debtor_id, {{segment_key}} AS segment_key, days_past_due, oldest_due_on, currencies, balances
        FROM stood
    )"""


@dataclass(frozen=True)
class DebtorState:
    """A debtor at an instant. balances: per currency it had an open account in then, 0 included."""

    debtor_id: int
    segment_key: str
    days_past_due: int
    oldest_due_on: date | None
    balances: Mapping[str, Decimal]


def with_states(statement: str, *, rules: SegmentProgram, scale: Scale) -> tuple[str, dict[str, Any]]:
    """`statement` with the CTE `state` before it, and the rules' bound values; it binds tenant_id and as_of as well."""
    states = _STATES.format(
        filter_columns="".join(f", {column}" for column in rules.filter_columns),
        account_columns="".join(f", {column}" for column in rules.account_columns),
        segment_key=rules.segment_key,
    )
    return with_account_spans(f"{states} {statement}", scale), rules.binds


async def debtor_states(
    connection: AsyncConnection, tenant_id: int, *, at: datetime, debtor_ids: Sequence[int]
) -> dict[int, DebtorState]:
    """How debtors stood at `at`, by the facts up to then and the segment rules of today; unknown ids are left out."""
    count = await touch_for_reading(connection, tenant_id, debtor_ids)
    scale = Scale(count)
    rules = segment_program((await stored_segments(connection, tenant_id)).rules)
    settings = await collection_settings(connection, tenant_id)
    statement, binds = with_states("SELECT * FROM state", rules=rules, scale=scale)
    async with (
        planned(connection, scale),
        offer_spans(connection, tenant_id, rules=rules, settings=settings, scale=scale),
    ):
        rows = await connection.execute(text(statement), {"tenant_id": tenant_id, "as_of": at, **binds})
        return {
            row.debtor_id: DebtorState(
                row.debtor_id,
                row.segment_key,
                row.days_past_due,
                row.oldest_due_on,
                dict(zip(row.currencies or (), row.balances or (), strict=True)),
            )
            for row in rows
        }
