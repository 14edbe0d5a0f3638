"""Which payment counts for which communication, as was known at an instant.

`payment.attributed_to` is the attribution by all facts. At an instant of the past it is the same, payments after it
left out, but where the communication it names was sent only later (its events or the payment carry an earlier clock):
that communication did not exist then, so the payment goes to whom it would have gone without it.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.derived import collection_settings

#: CTEs in order: `attributed`, a row per payment that counts for a communication, and `paid`, one per communication.
#: Bind tenant_id, as_of, click_window and open_window.
ATTRIBUTION = {
    "orphaned": """
        SELECT p.debtor_id, p.amount, p.currency, p.paid_at
        FROM communication late
        JOIN payment p ON p.tenant_id = late.tenant_id AND p.attributed_to = late.id
        WHERE late.tenant_id = :tenant_id AND late.sent_at > :as_of
          AND p.paid_at <= :as_of AND (p.reversed_at IS NULL OR p.reversed_at > :as_of)""",
    "attributed": """
        SELECT p.attributed_to AS communication_id, p.amount, p.currency, p.paid_at
        FROM payment p
        WHERE p.tenant_id = :tenant_id AND p.attributed_to IS NOT NULL
          AND p.paid_at <= :as_of AND (p.reversed_at IS NULL OR p.reversed_at > :as_of)
        UNION ALL
        SELECT cause.id, o.amount, o.currency, o.paid_at
        FROM orphaned o CROSS JOIN LATERAL (
            SELECT c.id
            FROM event e JOIN communication c ON c.tenant_id = e.tenant_id AND c.id = e.communication_id
            WHERE e.tenant_id = :tenant_id AND e.debtor_id = o.debtor_id AND e.occurred_at <= o.paid_at
              AND (e.kind = 'RIGHT_PARTY_CONTACTED' OR e.kind IN ('OPENED', 'CLICKED', 'LANDED') AND NOT e.automated)
              AND e.occurred_at > o.paid_at - CASE WHEN e.kind IN ('CLICKED', 'LANDED')
                  THEN CAST(:click_window AS interval) ELSE CAST(:open_window AS interval) END
              AND c.direction = 'OUTBOUND' AND c.sent_at <= :as_of
            ORDER BY e.kind IN ('CLICKED', 'LANDED') DESC, e.occurred_at DESC, c.sent_at DESC, c.reference DESC
            LIMIT 1
        ) cause""",
    "paid": "SELECT communication_id, min(paid_at) AS first_paid_at FROM attributed GROUP BY communication_id",
}


async def attribution_windows(connection: AsyncConnection, tenant_id: int) -> dict[str, timedelta]:
    """The tenant's windows, as `ATTRIBUTION` binds them."""
    settings = await collection_settings(connection, tenant_id)
    return {"click_window": settings.click_window, "open_window": settings.open_window}
