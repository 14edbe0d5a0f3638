"""Message KPIs, communication by communication. Source: kpis.md, Message KPIs."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from tests.oracle.knowledge import look_back, naive
from tests.oracle.reading import Reading
from tests.oracle.segments import Rule, rule_segments
from tests.oracle.words import BUCKETS, WEEKDAYS

Row = dict[str, Any]
ZERO = Decimal(0)


def message_kpis(
    reading: Reading,
    start: datetime,
    end: datetime,
    by: Sequence[str],
    *,
    as_of: datetime,
    keep: Callable[[Row], bool] = lambda _: True,
    rules: Sequence[Rule] = (),
) -> dict[tuple[Any, ...], Row]:
    """The KPIs of each group; a group's key holds the values of `by` in that order."""

    def group(row: Row) -> tuple[Any, ...]:
        return tuple(_dimension(row, name) for name in by)

    found = figures_of(reading, start, end, group, as_of=as_of, keep=keep, rules=rules)
    return {key: figures for key, _, figures in found} or ({} if by else {(): _figures([], naive(as_of))})


def figures_of(
    reading: Reading,
    start: datetime,
    end: datetime,
    group: Callable[[Row], tuple[Any, ...]],
    *,
    as_of: datetime,
    keep: Callable[[Row], bool],
    rules: Sequence[Rule] = (),
) -> list[tuple[tuple[Any, ...], list[Row], Row]]:
    """(key, communications, figures) of each group."""
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in _cohort(reading, start, end, as_of, rules):
        if keep(row):
            groups[group(row)].append(row)
    return [(key, rows, _figures(rows, naive(as_of))) for key, rows in groups.items()]


def _cohort(
    reading: Reading, start: datetime, end: datetime, as_of: datetime, rules: Sequence[Rule]
) -> list[Row]:
    """The period's communications; the last one asked for is kept, as one is asked for by many dimensions."""
    asked = (start, end, as_of, tuple(key for key, _ in rules))
    if reading.last_cohort is None or reading.last_cohort[0] != asked:
        look_back(reading, as_of)
        reading.last_cohort = (asked, _communications(reading, start, end, rules))
    return reading.last_cohort[1]


def _communications(reading: Reading, start: datetime, end: datetime, rules: Sequence[Rule]) -> list[Row]:
    _find_cohort(reading, start, end)
    rows = _with_funnel(reading)
    causes: defaultdict[str, list[tuple[datetime, Decimal, str]]] = defaultdict(list)
    for communication, *payment in reading.rows(
        "SELECT communication, paid_at, amount, currency FROM k_causes"
    ):
        causes[communication].append(tuple(payment))
    ruled = rule_segments(reading, rules)
    for row in rows:
        row["days_past_due"] = row["days_past_due"] or 0
        row["segment"] = row["own_segment"] or ruled.get(row["reference"]) or "NONE"
        row["payments"] = causes[row["reference"]]
        _settle_funnel(row)
    return rows


def _find_cohort(reading: Reading, start: datetime, end: datetime) -> None:
    """Leaves `cohort`, the messages of the period, and `owed`, the balances when they were sent."""
    reading.db.execute(
        """
        CREATE OR REPLACE TEMP TABLE cohort AS
            SELECT c.*, d.country, d.time_zone, d.segment AS own_segment, local_time(c.sent_at, d.time_zone) AS local,
                coalesce(a.product, sole.product) AS product, coalesce(a.currency, sole.currency) AS kpi_currency
            FROM k_communications c JOIN debtors d ON d.reference = c.debtor
            LEFT JOIN accounts a ON a.reference = c.account
            LEFT JOIN (SELECT debtor, any_value(product) AS product, any_value(currency) AS currency
                FROM accounts GROUP BY debtor HAVING count(*) = 1) sole ON sole.debtor = c.debtor AND c.account IS NULL
            WHERE c.direction = 'OUTBOUND' AND c.sent_at >= ? AND c.sent_at < ?
        """,
        [naive(start), naive(end)],
    )
    reading.db.execute(
        """
        CREATE OR REPLACE TEMP TABLE owed AS
            SELECT c.reference AS communication, a.product, a.currency, local_day(c.sent_at, c.time_zone) AS today,
                a.due_on, greatest(any_value(a.principal) - coalesce(sum(p.amount), 0), 0) AS balance
            FROM cohort c JOIN accounts a ON a.debtor = c.debtor
                AND a.opened_on <= local_day(c.sent_at, c.time_zone)
                AND (a.closed_on IS NULL OR a.closed_on > local_day(c.sent_at, c.time_zone))
            LEFT JOIN payments p ON p.account = a.reference AND p.paid_at <= c.sent_at
                AND (p.reversed_at IS NULL OR p.reversed_at > c.sent_at)
            GROUP BY c.reference, a.reference, a.product, a.currency, today, a.due_on
        """
    )


def _with_funnel(reading: Reading) -> list[Row]:
    """The messages of `cohort`, each with the first of its events of each kind."""
    funnel = ", ".join(
        f"min(e.occurred_at) FILTER (WHERE e.kind = '{kind}'{' AND NOT e.automated' if human else ''}) AS {name}"
        for name, kind, human in (
            ("delivery", "DELIVERED", False),
            ("hard", "BOUNCED_HARD", False),
            ("soft", "BOUNCED_SOFT", False),
            ("open", "OPENED", True),
            ("click", "CLICKED", True),
            ("land", "LANDED", True),
            ("reply", "REPLIED", True),
            ("contact", "RIGHT_PARTY_CONTACTED", False),
            ("unsubscription", "UNSUBSCRIBED", False),
            ("complaint", "COMPLAINED", False),
        )
    )
    return _dicts(
        reading,
        f"""
        SELECT c.*, f.* EXCLUDE (communication), o.days_past_due
        FROM cohort c
        LEFT JOIN (SELECT e.communication, {funnel},
                bool_or(e.kind = 'OPENED' AND e.automated) AS machine
            FROM k_events e GROUP BY e.communication) f ON f.communication = c.reference
        LEFT JOIN (SELECT communication, max(CASE WHEN balance > 0 THEN greatest(today - due_on, 0) ELSE 0 END)
                AS days_past_due FROM owed GROUP BY communication) o ON o.communication = c.reference
        """,
    )


def _settle_funnel(row: Row) -> None:
    opens = [row[name] for name in ("open", "click", "land") if row[name] is not None]
    row["opened_at"] = min(opens) if opens else None
    row["clicked"] = row["click"] is not None or row["land"] is not None
    engaged = bool(opens) or row["reply"] is not None or row["contact"] is not None
    bounced = row["hard"] is not None or row["soft"] is not None
    row["delivered"] = (
        engaged
        or (row["delivery"] is not None and row["hard"] is None)
        or (row["channel"] == "LETTER" and not bounced)
    )
    row["paid_at"] = min((paid_at for paid_at, *_ in row["payments"]), default=None)


def _dimension(row: Row, name: str) -> Any:
    local, sent = row["local"], row["sent_at"]
    computed = {
        "DPD_BUCKET": lambda: BUCKETS[sum(row["days_past_due"] > bound for bound in (0, 30, 60, 90, 180))],
        "CURRENCY": lambda: row["kpi_currency"],
        "HOUR": lambda: local.hour,
        "WEEKDAY": lambda: WEEKDAYS[local.weekday()],
        "DAY": sent.date,
        "WEEK": lambda: sent.date() - timedelta(days=sent.weekday()),
        "MONTH": lambda: sent.date().replace(day=1),
    }
    return computed[name]() if name in computed else row[name.lower()]


def _figures(rows: list[Row], as_of: datetime) -> Row:
    delivered = [row for row in rows if row["delivered"]]
    opened = [row for row in rows if row["opened_at"] is not None]
    hard = [row for row in rows if row["hard"] is not None and not row["delivered"]]
    soft = [row for row in rows if row["soft"] is not None and row["hard"] is None and not row["delivered"]]
    collected: defaultdict[str, Decimal] = defaultdict(Decimal)
    cost: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        for _, amount, currency in row["payments"]:
            collected[currency] += amount
        if row["cost"] is not None:
            cost[row["currency"]] += row["cost"]
    return {
        "sent": len(rows),
        "delivered": len(delivered),
        "hard_bounced": len(hard),
        "soft_bounced": len(soft),
        "opened": len(opened),
        "machine_opened": sum(bool(row["machine"]) and row["opened_at"] is None for row in rows),
        "clicked": sum(row["clicked"] for row in rows),
        "landed": sum(row["land"] is not None for row in rows),
        "converted": sum(row["paid_at"] is not None for row in rows),
        "unsubscribed": sum(row["unsubscription"] is not None for row in rows),
        "complained": sum(row["complaint"] is not None for row in rows),
        "collected": dict(collected),
        "cost": dict(cost),
        "net_collected": {c: collected.get(c, ZERO) - cost.get(c, ZERO) for c in {*collected, *cost}},
        "sent_to_open": _reaction(rows, delivered, "sent_at", "opened_at", as_of),
        "open_to_pay": _reaction(opened, opened, "opened_at", "paid_at", as_of),
        "sent_to_pay": _reaction(rows, delivered, "sent_at", "paid_at", as_of),
    }


def _reaction(having: list[Row], entering: list[Row], start: str, end: str, as_of: datetime) -> Row:
    def took(row: Row) -> float | None:
        if row[end] is None or (end == "paid_at" and row[end] < row[start]):
            return None
        return (row[end] - row[start]) / timedelta(seconds=1)

    times = sorted(time for time in map(took, having) if time is not None)
    observed = [time for time in map(took, entering) if time is not None]
    waiting = [(as_of - row[start]) / timedelta(seconds=1) for row in entering if took(row) is None]
    n = len(times)
    return {
        "count": n,
        "mean": sum(times) / n if n else None,
        "p50": times[(n + 1) // 2 - 1] if n else None,
        "p90": times[(9 * n + 9) // 10 - 1] if n else None,
        "median_censored": _kaplan_meier(observed, waiting),
    }


def _kaplan_meier(events: list[float], censored: list[float]) -> float | None:
    """The textbook product over distinct event times, in sixty digits."""
    with localcontext() as context:
        context.prec = 60
        survival, half = Decimal(1), Decimal("0.5") + Decimal(10) ** -40
        happened: defaultdict[float, int] = defaultdict(int)
        for time in events:
            happened[time] += 1
        leaving = sorted([*events, *censored])
        gone = 0
        for time in sorted(happened):
            while gone < len(leaving) and leaving[gone] < time:
                gone += 1
            at_risk = len(leaving) - gone
            survival *= Decimal(at_risk - happened[time]) / at_risk
            if survival <= half:
                return time
    return None


def _dicts(reading: Reading, query: str) -> list[Row]:
    cursor = reading.db.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
