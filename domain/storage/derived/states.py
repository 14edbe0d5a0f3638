"""The segments of debtors at any instant, from the facts known then."""

from typing import Any

from domain.storage.derived.account_spans import with_account_spans
from domain.storage.derived.balances import OPEN_ON
from domain.storage.derived.plans import Scale
from domain.storage.derived.segment_rules import SegmentProgram

_STATES = f"""
    stood AS (
        SELECT d.id AS debtor_id, d.segment AS own_key {{filter_columns}}
        FROM touched_debtor t
        JOIN debtor d ON d.tenant_id = :tenant_id AND d.id = t.debtor_id
        CROSS JOIN LATERAL (
            SELECT CAST(:as_of AS timestamptz) AS at, CAST(:as_of AS timestamptz) AS known,
                   (CAST(:as_of AS timestamptz) AT TIME ZONE d.time_zone)::date AS today
        ) k
        CROSS JOIN LATERAL (
            SELECT count(*) AS open_accounts {{account_columns}}
            FROM account_span a
            WHERE a.debtor_id = d.id AND a.owed_from <= k.at AND a.owed_until > k.known
              AND {OPEN_ON.format(today="k.today")}
        ) s
        OFFSET 0
    ), state AS (
        SELECT debtor_id, {{segment_key}} AS segment_key FROM stood
    )"""


def with_states(statement: str, *, rules: SegmentProgram, scale: Scale) -> tuple[str, dict[str, Any]]:
    """`statement` with the CTE `state` before it, and the rules' bound values; it binds tenant_id and as_of as well."""
    states = _STATES.format(
        filter_columns="".join(f", {column}" for column in rules.filter_columns),
        account_columns="".join(f", {column}" for column in rules.account_columns),
        segment_key=rules.segment_key,
    )
    return with_account_spans(f"{states} {statement}", scale), rules.binds
