"""Accounts as they stood at the two ends of a period, as CTEs. Source: kpis.md, State of accounts and promises.

Of all accounts of a tenant at given instants; `domain.storage.derived.account_spans` follows touched debtors through
time instead. `domain.accounts` is the same rule in Python.
"""

from datetime import datetime, timedelta
from typing import Any

from domain.kpis.requests import Period

_MOMENT = timedelta(microseconds=1)

#: CTEs `zone` (the local days that the period's ends are in each time zone) and `state`, one row per account: balances
#: at both ends, whether stock figures see it then, and days past due (of what is still owed).
#: Bind tenant_id, start_at, end_at, last_moment.
ACCOUNT_STATES = """
    zone AS MATERIALIZED (
        SELECT time_zone, (CAST(:start_at AS timestamptz) AT TIME ZONE time_zone)::date AS start_day,
            (CAST(:end_at AS timestamptz) AT TIME ZONE time_zone)::date AS end_day,
            (CAST(:last_moment AS timestamptz) AT TIME ZONE time_zone)::date AS last_day
        FROM (SELECT DISTINCT time_zone FROM debtor WHERE tenant_id = :tenant_id) used
    ),
    repaid AS (
        SELECT account_id,
            sum(amount) FILTER (
                WHERE paid_at <= :start_at AND (reversed_at IS NULL OR reversed_at > :start_at)) AS by_start,
            sum(amount) FILTER (WHERE reversed_at IS NULL OR reversed_at > :end_at) AS by_end
        FROM payment WHERE tenant_id = :tenant_id AND paid_at <= :end_at GROUP BY account_id
    ),
    owing AS (
        SELECT a.id, a.debtor_id, a.agent_id, a.currency, a.principal, a.opened_on, a.due_on, a.closed_on,
            d.time_zone, z.start_day, z.end_day, z.last_day,
            greatest(a.principal - coalesce(r.by_start, 0), 0) AS start_balance,
            greatest(a.principal - coalesce(r.by_end, 0), 0) AS end_balance
        FROM account a
        JOIN debtor d ON d.tenant_id = a.tenant_id AND d.id = a.debtor_id
        JOIN zone z ON z.time_zone = d.time_zone
        LEFT JOIN repaid r ON r.account_id = a.id
        WHERE a.tenant_id = :tenant_id
    ),
    state AS MATERIALIZED (
        SELECT *,
            opened_on <= start_day AND (closed_on IS NULL OR closed_on > start_day) AS start_open,
            opened_on <= end_day AND (closed_on IS NULL OR closed_on > end_day) AS end_open,
            greatest(start_day - due_on, 0) AS start_days, greatest(end_day - due_on, 0) AS end_days
        FROM owing
    )"""


def state_parameters(tenant_id: int, period: Period, as_of: datetime) -> dict[str, Any]:
    """What `ACCOUNT_STATES` binds. last_moment: the one before the end, whose local day is the period's last."""
    end = period.known_end(as_of)
    return {
        "tenant_id": tenant_id,
        "start_at": period.known_start(as_of),
        "end_at": end,
        "last_moment": end - _MOMENT,
    }
