"""What accounts and debtors owe at an instant.

Source: kpis.md, State of accounts and promises; `domain.accounts` is the same rule in Python.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.derived.account_spans import with_account_spans
from domain.storage.derived.plans import Scale

#: The account is open on a local date; of any alias `a` that has its dates.
OPEN_ON = "a.opened_on <= {today} AND (a.closed_on IS NULL OR a.closed_on > {today})"

#: A debtor's local date at :now, of the alias `d`.
TODAY = "(CAST(:now AS timestamptz) AT TIME ZONE d.time_zone)::date"

# Numbers that are equal may be written at different scales (1.5, 1.50): compared too, so that the same facts in any
# order are stored alike.
_ACCOUNTS = """
    fresh AS MATERIALIZED (
        SELECT account_id, balance FROM account_span WHERE owed_from <= :now AND owed_until > :now
    )
    UPDATE account SET balance = fresh.balance
    FROM fresh
    WHERE account.tenant_id = :tenant_id AND account.id = fresh.account_id
      AND (account.balance <> fresh.balance OR scale(account.balance) <> scale(fresh.balance))
"""

_DEBTORS = f"""
    fresh AS MATERIALIZED (
        SELECT a.debtor_id, a.currency, sum(a.balance) AS balance
        FROM account_span a JOIN debtor d ON d.tenant_id = :tenant_id AND d.id = a.debtor_id
        WHERE a.owed_from <= :now AND a.owed_until > :now AND {OPEN_ON.format(today=TODAY)}
        GROUP BY a.debtor_id, a.currency
    ), gone AS (
        DELETE FROM debtor_balance b USING touched_debtor t
        WHERE b.tenant_id = :tenant_id AND b.debtor_id = t.debtor_id
          AND NOT EXISTS (SELECT FROM fresh WHERE fresh.debtor_id = b.debtor_id AND fresh.currency = b.currency)
    )
    INSERT INTO debtor_balance AS b (tenant_id, debtor_id, currency, balance, balance_e4)
    SELECT :tenant_id, debtor_id, currency, balance, LEAST(trunc(balance * 10000), 9223372036854775807)::bigint
    FROM fresh
    ORDER BY debtor_id, currency
    ON CONFLICT (tenant_id, debtor_id, currency) DO UPDATE
        SET balance = excluded.balance, balance_e4 = excluded.balance_e4
        WHERE b.balance <> excluded.balance OR scale(b.balance) <> scale(excluded.balance)
"""


async def derive_balances(
    connection: AsyncConnection, tenant_id: int, *, now: datetime, scale: Scale
) -> None:
    """Write `account.balance` and `debtor_balance` of the touched debtors as of `now`."""
    for statement in (_ACCOUNTS, _DEBTORS):
        await connection.execute(
            text(with_account_spans(statement, scale)), {"tenant_id": tenant_id, "now": now}
        )
