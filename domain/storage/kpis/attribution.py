"""Which payment counts for which communication, as was known at an instant.

`payment.attributed_to` is the attribution by all facts. At an instant of the past it is the same, payments after it
left out, but where the communication it names was sent only later (its events or the payment carry an earlier clock):
that communication did not exist then, so the payment goes to whom it would have gone without it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.derived import collection_settings
from domain.storage.derived.attribution import cause_by_events

#: CTEs in order: `attributed`, a row per payment that counts for a communication, and `paid`, one per communication.
#: Bind tenant_id, as_of and what `moved_payments` answers.
ATTRIBUTION = {
    "attributed": """
        SELECT attributed_to AS communication_id, amount, currency, paid_at
        FROM payment
        WHERE tenant_id = :tenant_id AND attributed_to IS NOT NULL
          AND paid_at <= :as_of AND (reversed_at IS NULL OR reversed_at > :as_of)
        UNION ALL
        SELECT * FROM unnest(CAST(:moved_to AS bigint[]), CAST(:moved_amounts AS numeric[]),
            CAST(:moved_currencies AS text[]), CAST(:moved_paid_at AS timestamptz[]))""",
    "paid": "SELECT communication_id, min(paid_at) AS first_paid_at FROM attributed GROUP BY communication_id",
}

_MOVED = text(
    f"""
    WITH orphaned AS MATERIALIZED (
        SELECT p.debtor_id, p.amount, p.currency, p.paid_at
        FROM communication late
        JOIN payment p ON p.tenant_id = late.tenant_id AND p.attributed_to = late.id
        WHERE late.tenant_id = :tenant_id AND late.sent_at > :as_of
          AND p.paid_at <= :as_of AND (p.reversed_at IS NULL OR p.reversed_at > :as_of)
    )
    SELECT cause.id, o.amount, o.currency, o.paid_at
    FROM orphaned o CROSS JOIN LATERAL ({cause_by_events("o")}) cause
    """
)


async def moved_payments(connection: AsyncConnection, tenant_id: int, *, as_of: datetime) -> dict[str, Any]:
    """The payments whose communication did not exist yet at `as_of`, with their cause of then, as `ATTRIBUTION` binds
    them.
    """
    settings = await collection_settings(connection, tenant_id)
    rows = (
        await connection.execute(
            _MOVED,
            {
                "tenant_id": tenant_id,
                "as_of": as_of,
                "click_window": settings.click_window,
                "open_window": settings.open_window,
            },
        )
    ).all()
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    names = ("moved_to", "moved_amounts", "moved_currencies", "moved_paid_at")
    return {name: list(column) for name, column in zip(names, columns, strict=True)}
