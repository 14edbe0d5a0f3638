"""How debtors stand at an instant, and when time alone will change that."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.derived.account_spans import with_account_spans
from domain.storage.derived.balances import OPEN_ON, TODAY
from domain.storage.derived.plans import Scale
from domain.storage.derived.segment_rules import SegmentProgram
from domain.storage.refusals import REFUSES

_MIDNIGHT = "({day}::timestamp AT TIME ZONE d.time_zone)"


def _start_of_day(day: str) -> str:
    """The first instant of a local day; of a midnight that comes twice the first, as `domain.local_days.start_of_day`.

    PostgreSQL reads a repeated midnight as the second one and a skipped one as the jump.
    """
    midnight = _MIDNIGHT.format(day=f"({day})")
    return (
        f"CASE WHEN (({midnight} - interval '1 hour') AT TIME ZONE d.time_zone)::date = ({day})"
        f" THEN {midnight} - interval '1 hour' ELSE {midnight} END"
    )


_PROMISES_CHANGE = """
    , (SELECT min(LEAST(CASE WHEN pr.promised_at > :now THEN pr.promised_at END,
                        CASE WHEN pr.kept_at IS NULL AND pr.deadline > :now THEN pr.deadline END))
       FROM promise pr WHERE pr.tenant_id = :tenant_id AND pr.debtor_id = d.id)"""

_REACH_CHANGES = f"""
    , (SELECT min(LEAST(CASE WHEN p.verified_at > :now THEN p.verified_at END,
                        CASE WHEN p.opted_out_at > :now THEN p.opted_out_at END,
                        CASE WHEN p.consented_at > :now THEN p.consented_at END))
       FROM contact_point p WHERE p.tenant_id = :tenant_id AND p.debtor_id = d.id)
    , (SELECT min(event_at) FROM communication c
       CROSS JOIN LATERAL (VALUES (c.delivered_at), (c.bounced_hard_at), (c.bounced_soft_at), (c.opened_at),
           (c.replied_at), (c.right_party_contacted_at)) AS heard (event_at)
       WHERE c.tenant_id = :tenant_id AND c.debtor_id = d.id AND event_at > :now)
    , (SELECT min(e.occurred_at) FROM event e
       WHERE e.tenant_id = :tenant_id AND e.debtor_id = d.id AND {REFUSES} AND e.occurred_at > :now)"""

_DAYS_CHANGE = f"""
    , (SELECT min({_start_of_day("s.due_on + border")})
       FROM unnest(CAST(:day_borders AS integer[])) AS border
       WHERE d.segment IS NULL AND s.due_on + border > k.today)"""

_DEBTORS = f"""
    stood AS (
        SELECT d.id, d.segment AS own_key, s.due_on AS oldest_due_on,
               (SELECT max(c.sent_at) FROM communication c
                WHERE c.tenant_id = :tenant_id AND c.debtor_id = d.id AND c.direction = 'OUTBOUND'
                  AND c.sent_at <= :now) AS last_contacted_at,
               LEAST(
                   CAST(:due_at AS timestamptz),
                   (SELECT min(a.owed_from) FROM account_span a WHERE a.debtor_id = d.id AND a.owed_from > :now),
                   (SELECT min({_start_of_day("changes_on")})
                    FROM account a CROSS JOIN LATERAL (VALUES (a.opened_on), (a.closed_on)) AS dates (changes_on)
                    WHERE a.tenant_id = :tenant_id AND a.debtor_id = d.id AND changes_on > k.today),
                   (SELECT min(c.sent_at) FROM communication c
                    WHERE c.tenant_id = :tenant_id AND c.debtor_id = d.id AND c.sent_at > :now)
                   {{changes}}
               ) AS state_until
               {{filter_columns}}
        FROM touched_debtor t
        JOIN debtor d ON d.tenant_id = :tenant_id AND d.id = t.debtor_id
        CROSS JOIN LATERAL (
            SELECT CAST(:now AS timestamptz) AS at, CAST(:now AS timestamptz) AS known, {TODAY} AS today
        ) k
        CROSS JOIN LATERAL (
            SELECT min(a.due_on) FILTER (WHERE a.balance > 0) AS due_on {{account_columns}}
            FROM account_span a
            WHERE a.debtor_id = d.id AND a.owed_from <= k.at AND a.owed_until > k.known
              AND {OPEN_ON.format(today="k.today")}
        ) s
        OFFSET 0
    ), fresh AS MATERIALIZED (
        SELECT id, oldest_due_on, last_contacted_at, state_until, {{segment_key}} AS segment_key FROM stood
    )
    UPDATE debtor d
    SET oldest_due_on = fresh.oldest_due_on, last_contacted_at = fresh.last_contacted_at,
        segment_key = fresh.segment_key, state_until = fresh.state_until
    FROM fresh
    WHERE d.tenant_id = :tenant_id AND d.id = fresh.id
      AND (d.oldest_due_on, d.last_contacted_at, d.segment_key, d.state_until) IS DISTINCT FROM
          (fresh.oldest_due_on, fresh.last_contacted_at, fresh.segment_key, fresh.state_until)
"""


async def derive_debtors(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    rules: SegmentProgram,
    now: datetime,
    due_at: datetime | None,
    scale: Scale,
) -> None:
    """Write the derived columns of the touched debtors as of `now`; `state_until` not later than `due_at`."""
    changes = _DAYS_CHANGE if rules.day_borders else ""
    changes += _PROMISES_CHANGE if "promise_status" in rules.needs else ""
    changes += _REACH_CHANGES if "reachable_by" in rules.needs else ""
    statement = _DEBTORS.format(
        changes=changes,
        filter_columns="".join(f", {column}" for column in rules.filter_columns),
        account_columns="".join(f", {column}" for column in rules.account_columns),
        segment_key=rules.segment_key,
    )
    binds = {"tenant_id": tenant_id, "now": now, "due_at": due_at, **rules.binds}
    if rules.day_borders:
        binds["day_borders"] = list(rules.day_borders)
    await connection.execute(text(with_account_spans(statement, scale)), binds)
