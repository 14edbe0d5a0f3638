"""Payments attributed to communications, and when each communication was first paid for.

Source: kpis.md, Attribution; `domain.attribution` is the same rule in Python, tests prove the two equal. Reversed
payments are attributed too: at an instant before its reversal a payment counted.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.collection_settings import CollectionSettings
from domain.storage.derived.plans import Scale, planned
from domain.storage.rollups.changes import touching_days

# OFFSET 0: indexes are looked up for each payment and event, whatever the planner believes of tables that were empty a
# moment ago; if it believes that a tenant has no rows, it would rather read all of them each time. Payments are joined
# freely: where it believes that there are none, it reads them once and looks each one's debtor up.
_ATTRIBUTE = """
    WITH best AS MATERIALIZED (
        SELECT p.id, p.paid_at, p.reversed_at, p.attributed_to AS formerly,
            COALESCE(p.communication_id, cause.id) AS attributed_to
        FROM touched_debtor t
        JOIN payment p ON p.tenant_id = :tenant_id AND p.debtor_id = t.debtor_id
        LEFT JOIN LATERAL (
            SELECT c.id
            FROM event e
            CROSS JOIN LATERAL (
                SELECT c.id, c.sent_at, c.reference FROM communication c
                WHERE c.tenant_id = :tenant_id AND c.id = e.communication_id AND c.direction = 'OUTBOUND' OFFSET 0
            ) c
            WHERE e.tenant_id = :tenant_id AND e.debtor_id = t.debtor_id AND p.communication_id IS NULL
              AND (e.kind = 'RIGHT_PARTY_CONTACTED' OR e.kind IN ('OPENED', 'CLICKED', 'LANDED') AND NOT e.automated)
              AND e.occurred_at <= p.paid_at
              AND e.occurred_at > p.paid_at - GREATEST(CAST(:click_window AS interval), CAST(:open_window AS interval))
              AND e.occurred_at > p.paid_at - CASE WHEN e.kind IN ('CLICKED', 'LANDED')
                  THEN CAST(:click_window AS interval) ELSE CAST(:open_window AS interval) END
            ORDER BY e.kind IN ('CLICKED', 'LANDED') DESC, e.occurred_at DESC, c.sent_at DESC, c.reference DESC
            LIMIT 1
        ) cause ON true
    ), fresh AS MATERIALIZED (
        SELECT * FROM best WHERE formerly IS DISTINCT FROM attributed_to
    ), moved AS (
        UPDATE payment SET attributed_to = fresh.attributed_to
        FROM fresh WHERE payment.tenant_id = :tenant_id AND payment.id = fresh.id
        RETURNING fresh.formerly, fresh.attributed_to
    ){converted}
    {touched}
"""
_TOUCHED = touching_days(
    "FROM moved CROSS JOIN LATERAL (VALUES (formerly), (attributed_to)) AS cause (id)"
    " JOIN communication c ON c.tenant_id = :tenant_id AND c.id = cause.id"
)
# An account that went to another debtor took payments with it that name a communication of the former one: `best` has
# none of these, and they stay where they are.
_CONVERTED = """, elsewhere AS (
        SELECT p.attributed_to AS id, p.paid_at, p.reversed_at
        FROM (SELECT formerly FROM fresh UNION SELECT attributed_to FROM fresh) cause (id)
        CROSS JOIN LATERAL (
            SELECT * FROM payment p WHERE p.tenant_id = :tenant_id AND p.attributed_to = cause.id OFFSET 0
        ) p
        WHERE NOT EXISTS (SELECT FROM touched_debtor t WHERE t.debtor_id = p.debtor_id)
    ), converted AS (
        UPDATE communication c SET converted_at = cause.converted_at
        FROM (
            SELECT id, min(paid_at) FILTER (WHERE paid_at <= :now AND (reversed_at IS NULL OR reversed_at > :now))
                AS converted_at
            FROM (
                SELECT attributed_to, paid_at, reversed_at, formerly IS DISTINCT FROM attributed_to FROM best
                UNION ALL SELECT formerly, NULL, NULL, true FROM fresh
                UNION ALL SELECT id, paid_at, reversed_at, false FROM elsewhere
            ) paid (id, paid_at, reversed_at, moved)
            GROUP BY id HAVING bool_or(moved)
        ) cause
        WHERE c.tenant_id = :tenant_id AND c.id = cause.id AND c.converted_at IS DISTINCT FROM cause.converted_at
    )"""
_ATTRIBUTE_ALONE = text(_ATTRIBUTE.format(converted="", touched=_TOUCHED))
_ATTRIBUTE_AND_CONVERT = text(_ATTRIBUTE.format(converted=_CONVERTED, touched=_TOUCHED))

_CONVERTED_AT = """
    SELECT {columns}min(p.paid_at) AS converted_at FROM payment p
    WHERE p.tenant_id = :tenant_id AND p.attributed_to {causes}
      AND p.paid_at <= :now AND (p.reversed_at IS NULL OR p.reversed_at > :now)"""


def with_converted_at(communication: str, scale: Scale) -> str:
    """SQL that joins `converted.converted_at` to communications, given the SQL of their id: when the first unreversed
    payment attributed to each was made, whoever's the payment's account is now. Binds tenant_id, now.
    """
    if scale.is_few:
        looked_up = _CONVERTED_AT.format(columns="", causes=f"= {communication}")
        return f"LEFT JOIN LATERAL ({looked_up}) converted ON true"
    every = _CONVERTED_AT.format(columns="p.attributed_to AS id, ", causes="IS NOT NULL")
    return f"LEFT JOIN ({every} GROUP BY p.attributed_to) converted ON converted.id = {communication}"


# Communications of debtors who are not touched, that payments of touched ones name, where time has told otherwise.
_OF_OTHERS = text(
    f"""
    SELECT c.id, c.debtor_id
    FROM touched_debtor t
    JOIN payment p ON p.tenant_id = :tenant_id AND p.debtor_id = t.debtor_id AND p.communication_id IS NOT NULL
    JOIN communication c ON c.tenant_id = :tenant_id AND c.id = p.communication_id AND c.debtor_id <> p.debtor_id
    CROSS JOIN LATERAL ({_CONVERTED_AT.format(columns="", causes="= c.id")}) converted
    WHERE NOT EXISTS (SELECT FROM touched_debtor t WHERE t.debtor_id = c.debtor_id)
      AND c.converted_at IS DISTINCT FROM converted.converted_at
    """
)
# They are locked late, out of the order of ids: so nobody is waited for.
_LOCK_FREE = text(
    """
    SELECT id FROM debtor WHERE tenant_id = :tenant_id AND id = ANY(CAST(:debtor_ids AS bigint[]))
    FOR NO KEY UPDATE SKIP LOCKED
    """
)
_CONVERT_THESE = text(
    f"""
    UPDATE communication c SET converted_at = fresh.converted_at
    FROM (
        SELECT cause.id, converted.converted_at FROM unnest(CAST(:ids AS bigint[])) AS cause (id)
        CROSS JOIN LATERAL ({_CONVERTED_AT.format(columns="", causes="= cause.id")}) converted
    ) fresh
    WHERE c.tenant_id = :tenant_id AND c.id = fresh.id AND c.converted_at IS DISTINCT FROM fresh.converted_at
    """
)


def cause_by_events(payment: str) -> str:
    """SELECT of the `id` of the communication that a payment without one of its own is attributed to, of those sent by
    :as_of.

    payment: the alias of its row, with debtor_id and paid_at. Binds tenant_id, as_of, click_window, open_window.
    """
    return f"""
        SELECT c.id
        FROM event e JOIN communication c ON c.tenant_id = e.tenant_id AND c.id = e.communication_id
        WHERE e.tenant_id = :tenant_id AND e.debtor_id = {payment}.debtor_id AND e.occurred_at <= {payment}.paid_at
          AND (e.kind = 'RIGHT_PARTY_CONTACTED' OR e.kind IN ('OPENED', 'CLICKED', 'LANDED') AND NOT e.automated)
          AND e.occurred_at > {payment}.paid_at - CASE WHEN e.kind IN ('CLICKED', 'LANDED')
              THEN CAST(:click_window AS interval) ELSE CAST(:open_window AS interval) END
          AND c.direction = 'OUTBOUND' AND c.sent_at <= :as_of
        ORDER BY e.kind IN ('CLICKED', 'LANDED') DESC, e.occurred_at DESC, c.sent_at DESC, c.reference DESC
        LIMIT 1"""


#: The communication that payment `p` is attributed to by what is known at :as_of, null once it is reversed. Where the
#: one it is attributed to by all facts (alias `cause`) was sent only later, its events carrying an earlier clock, it
#: goes to whom it would have gone without it. Binds what `cause_by_events` does.
ATTRIBUTED_AT = f"""
    CASE WHEN p.reversed_at <= :as_of THEN NULL
         WHEN cause.sent_at <= :as_of THEN cause.id
         WHEN cause.id IS NOT NULL THEN ({cause_by_events("p")}) END"""


async def attribute_payments(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    settings: CollectionSettings,
    now: datetime,
    convert: bool,
) -> None:
    """Write `payment.attributed_to` of the touched debtors' payments; touch the days it moved them from and to.

    convert: write `communication.converted_at` as of now, where that moved. Otherwise all that is derived of the
    touched debtors' communications is written anyway.
    """
    binds = {
        "tenant_id": tenant_id,
        "click_window": settings.click_window,
        "open_window": settings.open_window,
    }
    async with planned(connection, None):
        if convert:
            await connection.execute(_ATTRIBUTE_AND_CONVERT, {**binds, "now": now})
        else:
            await connection.execute(_ATTRIBUTE_ALONE, binds)


async def convert_others(connection: AsyncConnection, tenant_id: int, *, now: datetime) -> bool:
    """Write `communication.converted_at` of debtors who are not touched, where payments of touched ones tell it: an
    account that goes to another debtor takes payments along that name messages to the former one.

    To be asked where time alone may have made such a payment count; whoever changes one touches both debtors. False
    when others have just locked some of those debtors, whose messages are left as they are.
    """
    tenant = {"tenant_id": tenant_id}
    found = (await connection.execute(_OF_OTHERS, {**tenant, "now": now})).all()
    if not found:
        return True
    owners = {row.debtor_id for row in found}
    free = set(await connection.scalars(_LOCK_FREE, {**tenant, "debtor_ids": list(owners)}))
    ids = [row.id for row in found if row.debtor_id in free]
    await connection.execute(_CONVERT_THESE, {**tenant, "now": now, "ids": ids})
    return free == owners
