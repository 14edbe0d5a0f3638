"""How promises stood at an instant of the past. Source: kpis.md, State of accounts and promises.

`promise.kept_at` says how payments fill promises now, and so how they filled them at an earlier instant too: later
payments come after in the order of filling. In two cases the promises of an account are settled anew by the rule itself
(`domain.promises`): a payment was reversed since, which still counted then; or the instant has yet to come, and time
will have changed the debtor's derived state by then.
"""

from datetime import datetime
from itertools import groupby

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounts import Payment
from domain.kpis.requests import Period
from domain.promises import Promise, promise_status, settle
from domain.vocabulary import PromiseStatus

# One row per promise (with an id) and per payment (without) of each account with a promise of the period and a payment
# reversed since, or of a debtor whose derived state will not last until then.
_CASES = text(
    """
    WITH unsettled AS (
        SELECT pr.account_id
        FROM promise pr JOIN payment p ON p.tenant_id = pr.tenant_id AND p.account_id = pr.account_id
        WHERE pr.tenant_id = :tenant_id AND pr.promised_at >= :period_start AND pr.promised_at < :period_end
          AND pr.promised_at <= :as_of AND p.paid_at <= :as_of AND p.reversed_at > :as_of
        UNION
        SELECT pr.account_id
        FROM debtor d JOIN promise pr ON pr.tenant_id = d.tenant_id AND pr.debtor_id = d.id
        WHERE d.tenant_id = :tenant_id AND d.state_until <= :as_of
          AND pr.promised_at >= :period_start AND pr.promised_at < :period_end AND pr.promised_at <= :as_of
    )
    SELECT account_id, id, reference, amount, promised_at AS at, deadline, NULL::timestamptz AS reversed_at
    FROM promise
    WHERE tenant_id = :tenant_id AND account_id IN (SELECT account_id FROM unsettled) AND promised_at <= :as_of
    UNION ALL
    SELECT account_id, NULL, reference, amount, paid_at, NULL, reversed_at
    FROM payment
    WHERE tenant_id = :tenant_id AND account_id IN (SELECT account_id FROM unsettled) AND paid_at <= :as_of
    ORDER BY account_id
    """
)


async def resettled_promises(
    connection: AsyncConnection, tenant_id: int, *, period: Period, as_of: datetime
) -> dict[int, PromiseStatus]:
    """Promise id → status at `as_of`, of the accounts for which what is stored does not tell it.

    Holds every such promise that was made in the period, and others of the same accounts.
    """
    rows = await connection.execute(
        _CASES,
        {
            "tenant_id": tenant_id,
            "period_start": period.start,
            "period_end": period.end,
            "as_of": as_of,
        },
    )
    statuses: dict[int, PromiseStatus] = {}
    for _, case in groupby(rows, key=lambda row: row.account_id):
        ids, promises, payments = [], [], []
        for row in case:
            if row.id is None:
                payments.append(Payment(row.reference, row.amount, row.at, row.reversed_at))
            else:
                ids.append(row.id)
                promises.append(Promise(row.reference, row.amount, row.at, row.deadline))
        settled = settle(promises, payments, as_of=as_of)
        for promise_id, promise, settlement in zip(ids, promises, settled, strict=True):
            statuses[promise_id] = promise_status(promise, settlement, as_of)
    return statuses
