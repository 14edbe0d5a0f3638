"""Every account of the touched debtors through time: its balance from each payment or reversal to the next.

Source: kpis.md, State of accounts and promises; `domain.accounts` is the same rule in Python.
"""

from domain.storage.derived.plans import Scale

#: SELECT of one row per account and span: `balance` holds from `owed_from` until before `owed_until`. The first span
#: begins at -infinity, the last ends at infinity; whether the account is open is for the reader to ask of its dates.
#: A payment reversed at or before its own instant never counted. Binds tenant_id.
ACCOUNT_SPANS = """
    SELECT a.id AS account_id, a.debtor_id, a.product, a.currency, a.opened_on, a.closed_on, a.due_on,
           change.at AS owed_from, COALESCE(lead(change.at) OVER in_time, 'infinity') AS owed_until,
           GREATEST(a.principal - sum(sum(change.amount)) OVER in_time, 0) AS balance
    FROM touched_debtor t
    JOIN account a ON a.tenant_id = :tenant_id AND a.debtor_id = t.debtor_id
    LEFT JOIN payment p ON p.tenant_id = :tenant_id AND p.account_id = a.id
        AND (p.reversed_at IS NULL OR p.reversed_at > p.paid_at)
    CROSS JOIN LATERAL (
        VALUES ('-infinity'::timestamptz, 0), (p.paid_at, p.amount), (p.reversed_at, -p.amount)
    ) AS change (at, amount)
    WHERE change.at IS NOT NULL
    GROUP BY a.tenant_id, a.id, change.at
    WINDOW in_time AS (PARTITION BY a.id ORDER BY change.at)"""


def with_account_spans(statement: str, scale: Scale) -> str:
    """`statement`, which begins with a list of CTEs and reads `account_span`: its own CTE for a handful of debtors.

    For more, `account_span` is a temporary table that several statements share (`offer_spans`).
    """
    if not scale.is_a_handful:
        return f"WITH {statement}"
    return f"WITH account_span AS MATERIALIZED ({ACCOUNT_SPANS}), {statement}"
