"""Payments attributed to communications, and when each communication was first paid for.

Source: kpis.md, Attribution; `domain.attribution` is the same rule in Python, tests prove the two equal. Reversed
payments are attributed too: at an instant before its reversal a payment counted.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.collection_settings import CollectionSettings
from domain.storage.rollups.changes import touching_days

_ATTRIBUTE = text(
    """
    WITH best AS (
        SELECT DISTINCT ON (p.id) p.id, p.attributed_to AS formerly, COALESCE(p.communication_id, c.id) AS attributed_to
        FROM touched_debtor t
        JOIN payment p ON p.tenant_id = :tenant_id AND p.debtor_id = t.debtor_id
        LEFT JOIN event e ON e.tenant_id = :tenant_id AND e.debtor_id = t.debtor_id AND p.communication_id IS NULL
            AND (e.kind = 'RIGHT_PARTY_CONTACTED' OR e.kind IN ('OPENED', 'CLICKED', 'LANDED') AND NOT e.automated)
            AND e.occurred_at <= p.paid_at
            AND e.occurred_at > p.paid_at - GREATEST(CAST(:click_window AS interval), CAST(:open_window AS interval))
            AND e.occurred_at > p.paid_at - CASE WHEN e.kind IN ('CLICKED', 'LANDED')
                THEN CAST(:click_window AS interval) ELSE CAST(:open_window AS interval) END
        LEFT JOIN communication c ON c.tenant_id = :tenant_id AND c.id = e.communication_id AND c.direction = 'OUTBOUND'
        ORDER BY p.id, c.id IS NULL, e.kind IN ('CLICKED', 'LANDED') DESC, e.occurred_at DESC, c.sent_at DESC,
            c.reference DESC
    ), fresh AS MATERIALIZED (
        SELECT * FROM best WHERE formerly IS DISTINCT FROM attributed_to
    )
    , moved AS (
        UPDATE payment SET attributed_to = fresh.attributed_to
        FROM fresh WHERE payment.tenant_id = :tenant_id AND payment.id = fresh.id
        RETURNING fresh.formerly, fresh.attributed_to
    )
    {touched}
    """.format(
        touched=touching_days(
            "FROM moved CROSS JOIN LATERAL (VALUES (formerly), (attributed_to)) AS cause (id)"
            " JOIN communication c ON c.tenant_id = :tenant_id AND c.id = cause.id"
        )
    )
)

#: SELECT of the communications (id) that unreversed payments of the touched debtors are attributed to, with the first
#: payment's instant. Binds tenant_id, now.
CONVERTED = """
    SELECT p.attributed_to AS id, min(p.paid_at) AS converted_at
    FROM touched_debtor t
    JOIN payment p ON p.tenant_id = :tenant_id AND p.debtor_id = t.debtor_id
    WHERE p.attributed_to IS NOT NULL AND p.paid_at <= :now AND (p.reversed_at IS NULL OR p.reversed_at > :now)
    GROUP BY p.attributed_to"""

#: The communication that payment `p` is attributed to by what is known at :as_of, null once it is reversed. Where the
#: one it is attributed to by all facts (alias `cause`) was sent only later, its events carrying an earlier clock, it
#: goes to whom it would have gone without it. Binds tenant_id, as_of, click_window, open_window.
ATTRIBUTED_AT = """
    CASE WHEN p.reversed_at <= :as_of THEN NULL
         WHEN cause.sent_at <= :as_of THEN cause.id
         WHEN cause.id IS NOT NULL THEN (
             SELECT c.id
             FROM event e JOIN communication c ON c.tenant_id = e.tenant_id AND c.id = e.communication_id
             WHERE e.tenant_id = :tenant_id AND e.debtor_id = p.debtor_id AND e.occurred_at <= p.paid_at
               AND (e.kind = 'RIGHT_PARTY_CONTACTED' OR e.kind IN ('OPENED', 'CLICKED', 'LANDED') AND NOT e.automated)
               AND e.occurred_at > p.paid_at - CASE WHEN e.kind IN ('CLICKED', 'LANDED')
                   THEN CAST(:click_window AS interval) ELSE CAST(:open_window AS interval) END
               AND c.direction = 'OUTBOUND' AND c.sent_at <= :as_of
             ORDER BY e.kind IN ('CLICKED', 'LANDED') DESC, e.occurred_at DESC, c.sent_at DESC, c.reference DESC
             LIMIT 1
         ) END"""

_CONVERT = text(
    """
    WITH fresh AS MATERIALIZED (
        SELECT c.id, min(p.paid_at) AS converted_at
        FROM touched_debtor t
        JOIN communication c ON c.tenant_id = :tenant_id AND c.debtor_id = t.debtor_id
        LEFT JOIN payment p ON p.tenant_id = :tenant_id AND p.attributed_to = c.id
            AND p.paid_at <= :now AND (p.reversed_at IS NULL OR p.reversed_at > :now)
        GROUP BY c.id, c.converted_at HAVING c.converted_at IS DISTINCT FROM min(p.paid_at)
    )
    UPDATE communication c SET converted_at = fresh.converted_at
    FROM fresh WHERE c.tenant_id = :tenant_id AND c.id = fresh.id
    """
)


async def attribute_payments(
    connection: AsyncConnection, tenant_id: int, *, settings: CollectionSettings
) -> None:
    """Write `payment.attributed_to` of the touched debtors' payments; touch the days it moved them from and to."""
    await connection.execute(
        _ATTRIBUTE,
        {
            "tenant_id": tenant_id,
            "click_window": settings.click_window,
            "open_window": settings.open_window,
        },
    )


async def convert_communications(connection: AsyncConnection, tenant_id: int, *, now: datetime) -> None:
    """Write `communication.converted_at` alone, where nothing else about the communications can have changed."""
    await connection.execute(_CONVERT, {"tenant_id": tenant_id, "now": now})
