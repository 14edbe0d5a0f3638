"""Portfolio KPIs per currency. Source: kpis.md, Portfolio KPIs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.portfolio import (
    Aging,
    MonthlyFinance,
    PortfolioKpis,
    RollRate,
    days_sales_outstanding,
    profit_of,
)
from domain.kpis.requests import Period, whole_months
from domain.storage.kpis.account_states import ACCOUNT_STATES, state_parameters
from domain.storage.kpis.aging import bucket_sql
from domain.storage.kpis.scans import scanning
from domain.storage.tables import finance
from domain.vocabulary import AgingBucket

_BUCKETS = tuple(AgingBucket)

# Accounts that become overdue in the period, each once: `due` are those whose first overdue day (the one after the due
# date, or the first of all if they were opened later) is a day of the period after its first, with what was owed when
# that day began. `again`: paid off by then, or when the period began, and owing once more since a payment was reversed,
# with what was owed from that instant on.
# `received`: the period's payments, with what was owed just before each, payments in order of instant and reference.
_STATEMENT = text(
    f"""
    WITH {ACCOUNT_STATES},
    falling_due AS (
        SELECT *, greatest(due_on + 1, opened_on) AS overdue_on FROM state
        WHERE greatest(due_on + 1, opened_on) > start_day AND greatest(due_on + 1, opened_on) <= last_day
          AND (closed_on IS NULL OR closed_on > greatest(due_on + 1, opened_on))
    ),
    due AS (
        SELECT f.id, f.currency, greatest(f.principal - coalesce(sum(p.amount), 0), 0) AS balance
        FROM falling_due f LEFT JOIN payment p ON p.tenant_id = :tenant_id AND p.account_id = f.id
            AND (p.paid_at AT TIME ZONE f.time_zone)::date < f.overdue_on
            AND (p.reversed_at IS NULL OR (p.reversed_at AT TIME ZONE f.time_zone)::date >= f.overdue_on)
        GROUP BY f.id, f.currency, f.principal
    ),
    reversal AS (
        SELECT DISTINCT account_id, reversed_at AS at FROM payment
        WHERE tenant_id = :tenant_id AND reversed_at > :start_at AND reversed_at < :period_end AND reversed_at <= :as_of
    ),
    again AS (
        SELECT DISTINCT ON (id) id, currency, balance
        FROM (
            SELECT s.id, s.currency, r.at, s.principal - coalesce(sum(p.amount), 0) AS balance
            FROM reversal r
            JOIN state s ON s.id = r.account_id AND (r.at AT TIME ZONE s.time_zone)::date > s.due_on
                AND (r.at AT TIME ZONE s.time_zone)::date >= s.opened_on
                AND (s.closed_on IS NULL OR (r.at AT TIME ZONE s.time_zone)::date < s.closed_on)
                AND NOT (s.start_open AND s.start_balance > 0 AND s.start_days > 0)
            LEFT JOIN payment p ON p.tenant_id = :tenant_id AND p.account_id = s.id
                AND p.paid_at <= r.at AND (p.reversed_at IS NULL OR p.reversed_at > r.at)
            GROUP BY s.id, s.currency, s.principal, r.at
        ) owing_from
        WHERE balance > 0 AND id NOT IN (SELECT id FROM due WHERE balance > 0)
        ORDER BY id, at
    ),
    became AS (
        SELECT currency, balance FROM due UNION ALL SELECT currency, balance FROM again
    ),
    period_payment AS (
        SELECT account_id, reference, amount, paid_at FROM payment
        WHERE tenant_id = :tenant_id AND paid_at >= :period_start AND paid_at < :period_end AND paid_at <= :as_of
          AND (reversed_at IS NULL OR reversed_at > :as_of)
    ),
    received AS (
        SELECT s.currency, p.amount, (p.paid_at AT TIME ZONE s.time_zone)::date AS paid_on, s.due_on, s.opened_on,
            s.principal - coalesce(sum(earlier.amount), 0) AS owed_before
        FROM period_payment p
        JOIN state s ON s.id = p.account_id
        LEFT JOIN payment earlier ON earlier.tenant_id = :tenant_id AND earlier.account_id = p.account_id
            AND (earlier.paid_at, earlier.reference) < (p.paid_at, p.reference)
            AND (earlier.reversed_at IS NULL OR earlier.reversed_at > p.paid_at)
        GROUP BY p.account_id, p.reference, p.amount, p.paid_at, s.currency, s.time_zone, s.due_on, s.opened_on,
            s.principal
    ),
    delinquent AS (
        SELECT DISTINCT currency, debtor_id FROM state WHERE end_open AND end_balance > 0 AND end_days > 0
    ),
    contacted AS (
        SELECT DISTINCT debtor_id FROM communication
        WHERE tenant_id = :tenant_id AND direction = 'OUTBOUND'
          AND sent_at >= :period_start AND sent_at < :period_end AND sent_at <= :as_of
    )
    SELECT 'opened' AS part, currency, NULL AS bucket, NULL AS to_bucket, count(*) AS n, NULL::numeric AS amount
        FROM state WHERE opened_on <= end_day GROUP BY currency
    UNION ALL
    SELECT 'aging', currency, {bucket_sql("end_days")} AS held, NULL, count(*), sum(end_balance)
        FROM state WHERE end_open AND end_balance > 0 GROUP BY currency, held
    UNION ALL
    SELECT 'roll', currency, {bucket_sql("start_days")} AS held,
            CASE WHEN end_balance = 0 THEN 'PAID' WHEN end_open THEN {bucket_sql("end_days")} END AS reached,
            count(*), sum(start_balance)
        FROM state WHERE start_open AND start_balance > 0 GROUP BY currency, held, reached
    UNION ALL
    SELECT 'became_overdue', currency, NULL, NULL, count(*), sum(balance) FROM became GROUP BY currency
    UNION ALL
    SELECT 'collected', currency, NULL, NULL, count(*), sum(amount) FROM received GROUP BY currency
    UNION ALL
    SELECT 'amount_days', currency, NULL, NULL, count(*), sum(amount * (paid_on - due_on))
        FROM received GROUP BY currency
    UNION ALL
    SELECT 'collected_overdue', currency, NULL, NULL, count(*), sum(amount)
        FROM received WHERE owed_before > 0 AND paid_on > due_on AND paid_on >= opened_on GROUP BY currency
    UNION ALL
    SELECT 'debtors', d.currency, NULL, NULL, count(*), count(c.debtor_id)
        FROM delinquent d LEFT JOIN contacted c ON c.debtor_id = d.debtor_id GROUP BY d.currency
    """
)


@dataclass(slots=True)
class _Found:
    """What the statement said of one currency."""

    aging: dict[AgingBucket, tuple[int, Decimal]] = field(default_factory=dict)
    rolls: dict[tuple[AgingBucket, AgingBucket | None], tuple[int, Decimal]] = field(default_factory=dict)
    figures: dict[str, tuple[int, Decimal]] = field(default_factory=dict)

    def amount(self, part: str) -> Decimal:
        return self.figures.get(part, (0, Decimal(0)))[1]


async def portfolio_kpis(
    connection: AsyncConnection, tenant_id: int, *, period: Period, as_of: datetime
) -> list[PortfolioKpis]:
    """One row per currency in which an account was opened by the end or paid in the period, or the books have one of
    its whole months; by currency, as known at `as_of`.
    """
    async with scanning(connection):
        rows = await connection.execute(
            _STATEMENT,
            {
                **state_parameters(tenant_id, period, as_of),
                "period_start": period.start,
                "period_end": period.end,
                "as_of": as_of,
            },
        )
    found: defaultdict[str, _Found] = defaultdict(_Found)
    for part, currency, bucket, to_bucket, n, amount in rows:
        if part == "aging":
            found[currency].aging[AgingBucket(bucket)] = (n, amount)
        elif part == "roll":
            reached = None if to_bucket is None else AgingBucket(to_bucket)
            found[currency].rolls[AgingBucket(bucket), reached] = (n, amount)
        else:
            found[currency].figures[part] = (n, amount)
    months = whole_months(period.known_start(as_of).astimezone(UTC), period.known_end(as_of).astimezone(UTC))
    books = await _books(connection, tenant_id, months)
    currencies = sorted(found.keys() | books.keys())
    return [_kpis(currency, found[currency], months, books.get(currency, {})) for currency in currencies]


async def _books(
    connection: AsyncConnection, tenant_id: int, months: Sequence[date]
) -> dict[str, dict[date, MonthlyFinance]]:
    """Currency → month → what the books say."""
    f = finance.c
    query = select(f.currency, f.month, f.credit_sales, f.receivables, f.revenue, f.operating_cost)
    books: defaultdict[str, dict[date, MonthlyFinance]] = defaultdict(dict)
    for currency, month, *figures in await connection.execute(
        query.where(f.tenant_id == tenant_id, f.month.in_(months))
    ):
        books[currency][month] = MonthlyFinance(*figures)
    return books


def _kpis(
    currency: str, found: _Found, months: Sequence[date], books: Mapping[date, MonthlyFinance]
) -> PortfolioKpis:
    overdue = [held for bucket, held in found.aging.items() if bucket is not AgingBucket.CURRENT]
    started = {roll: held for roll, held in found.rolls.items() if roll[0] is not AgingBucket.CURRENT}
    debtors, contacted = found.figures.get("debtors", (0, Decimal(0)))
    return PortfolioKpis(
        currency=currency,
        receivables=_sum(amount for _, amount in found.aging.values()),
        overdue=_sum(amount for _, amount in overdue),
        collected=found.amount("collected"),
        collected_overdue=found.amount("collected_overdue"),
        overdue_at_start=_sum(amount for _, amount in started.values()),
        became_overdue=found.amount("became_overdue"),
        amount_days=found.amount("amount_days"),
        delinquent_accounts=sum(n for n, _ in overdue),
        delinquent_debtors=debtors,
        contacted_delinquent_debtors=int(contacted),
        delinquent_at_start=sum(n for n, _ in started.values()),
        cured=sum(n for (_, reached), (n, _) in started.items() if reached is AgingBucket.PAID),
        aging=tuple(Aging(bucket, *found.aging[bucket]) for bucket in _BUCKETS if bucket in found.aging),
        roll_rates=_roll_rates(found.rolls),
        dso=days_sales_outstanding(months, books),
        profit=profit_of(months, books),
    )


def _roll_rates(
    rolls: Mapping[tuple[AgingBucket, AgingBucket | None], tuple[int, Decimal]],
) -> tuple[RollRate, ...]:
    held: defaultdict[AgingBucket, int] = defaultdict(int)
    for (bucket, _), (n, _) in rolls.items():
        held[bucket] += n
    return tuple(
        RollRate(bucket, reached, rolls[bucket, reached][0], rolls[bucket, reached][0] / held[bucket])
        for bucket in _BUCKETS
        for reached in _BUCKETS
        if (bucket, reached) in rolls
    )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
