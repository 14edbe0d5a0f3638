"""Which days' KPIs the rows of a merged table change by themselves; what follows from them, `derive` adds.

Events touch the days of the messages whose funnel they change where they change it, in `events`.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.ingest.scope import OF_TENANT
from domain.storage.rollups.changes import touching_days

#: Import table → where the messages whose outcome or group it changes are found, as `touching_days` takes them.
_MESSAGES = {
    # Rows that are new or moved: the day they leave, and the one they come to.
    "communications": """
        FROM resolved_communications r
        CROSS JOIN LATERAL (VALUES (r.sent_at, r.direction), (r.old_sent_at, r.old_direction)) AS c (sent_at, direction)
        WHERE r.changed AND r.problem IS NULL AND c.direction = 'OUTBOUND'""",
    # Another amount, or a reversal; where attribution moves, `derive` touches both sides.
    "payments": f"""
        FROM resolved_payments r
        JOIN payment p ON p.{OF_TENANT} AND p.id = r.stored_id
        JOIN communication c ON c.{OF_TENANT} AND c.id = p.attributed_to
        WHERE r.stored AND r.changed AND r.problem IS NULL""",
    "debtors": f"""
        FROM resolved_debtors r JOIN communication c ON c.{OF_TENANT} AND c.debtor_id = r.stored_id
        WHERE r.stored AND r.problem IS NULL AND c.direction = 'OUTBOUND'
          AND (r.country <> r.old_country OR r.time_zone <> r.old_time_zone)""",
}

_EARLIEST = """
    SELECT (min({instant}) AT TIME ZONE 'UTC')::date FROM resolved_{table} WHERE changed AND problem IS NULL"""
_ALWAYS = "SELECT '-infinity'::date"

#: Import table → SELECT of the day from which other KPIs may have changed: that of the earliest fact that is new, or
#: all days when the fact has none.
_OTHER_FACTS = {
    "agents": _ALWAYS,
    "templates": _ALWAYS,
    "finance": _ALWAYS,
    "debtors": "SELECT '-infinity'::date FROM resolved_debtors WHERE stored AND changed AND problem IS NULL LIMIT 1",
    # Payments and promises of one that was there before may be older than its opening.
    "accounts": "SELECT CASE WHEN bool_or(stored) THEN '-infinity' ELSE min(opened_on) END FROM resolved_accounts "
    "WHERE changed AND problem IS NULL",
    # Visits have come from its channel, promises are of its agent: of any day.
    "communications": "SELECT '-infinity'::date FROM resolved_communications WHERE stored AND problem IS NULL "
    "AND (channel, agent_id) IS DISTINCT FROM (old_channel, old_agent_id) LIMIT 1",
    "events": "SELECT (min(occurred_at) AT TIME ZONE 'UTC')::date FROM resolved_events WHERE is_fresh",
    "payments": _EARLIEST.format(table="payments", instant="LEAST(paid_at, old_paid_at)"),
    "promises": _EARLIEST.format(table="promises", instant="LEAST(promised_at, old_promised_at)"),
}


async def touch_days(connection: AsyncConnection, tenant_id: int, name: str) -> None:
    """Add to `touched_day` what the new and changed rows of an import table concern."""
    statements = [touching_days(_MESSAGES[name])] if name in _MESSAGES else []
    if name in _OTHER_FACTS:
        statements.append(
            "INSERT INTO touched_day SELECT day, false FROM "
            f"({_OTHER_FACTS[name]}) AS earliest (day) WHERE day IS NOT NULL"
        )
    for statement in statements:
        await connection.execute(text(statement), {"tenant_id": tenant_id})
