"""Portfolio KPIs, account by account. Source: kpis.md, Portfolio KPIs."""

from calendar import monthrange
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.oracle.accounts import Account, Paid, accounts, moment_before
from tests.oracle.knowledge import naive
from tests.oracle.reading import Reading


def portfolio_kpis(
    reading: Reading, start: datetime, end: datetime, *, as_of: datetime
) -> dict[str, dict[str, Any]]:
    """Currency → its figures."""
    first, until, known = naive(start), naive(end), naive(as_of)
    last = min(until, known)
    by_currency: defaultdict[str, list[Account]] = defaultdict(list)
    for account in accounts(reading):
        by_currency[account.currency].append(account)
    for (currency,) in reading.rows("SELECT DISTINCT currency FROM finance"):
        by_currency[currency]  # books alone are told as well
    contacted = {
        debtor
        for (debtor,) in reading.rows(
            "SELECT DISTINCT debtor FROM communications WHERE direction = 'OUTBOUND' AND sent_at >= ? AND sent_at < ? "
            "AND sent_at <= ?",
            first,
            until,
            known,
        )
    }
    return {
        currency: _figures(
            held, min(first, known), last, until, known, _received(held, first, until, known), contacted
        )
        | _books(reading, currency, first, last, held)
        for currency, held in by_currency.items()
        if any(account.opened_on <= account.day(last) for account in held)
        or any(month in _whole_months(first, last) for month in _months_of(reading, currency))
    }


def _received(
    held: list[Account], first: datetime, until: datetime, known: datetime
) -> list[tuple[Account, Paid, Decimal]]:
    """The period's payments with what was owed just before each."""
    received = []
    for account in held:
        for at, payment in enumerate(account.paid):
            if first <= payment.at < until and payment.stands(known):
                before = sum(
                    earlier.amount
                    for earlier in account.paid[:at]
                    if earlier.reversed_at is None or earlier.reversed_at > payment.at
                )
                received.append((account, payment, account.principal - before))
    return received


def _figures(
    held: list[Account],
    start: datetime,
    end: datetime,
    until: datetime,
    known: datetime,
    received: list[tuple[Account, Paid, Decimal]],
    contacted: set[str],
) -> dict[str, Any]:
    owing = [a for a in held if a.in_stock(end) and a.balance(end) > 0]
    late = [a for a in owing if a.delinquent(end)]
    late_before = [a for a in held if a.delinquent(start)]
    collected = sum((p.amount for _, p, _ in received), Decimal(0))
    recovered = sum(
        p.amount
        for a, p, owed in received
        if owed > 0 and a.day(p.at) > a.due_on and a.day(p.at) >= a.opened_on
    )
    base = sum(a.balance(start) for a in late_before) + sum(
        _became_overdue(a, start, end, until, known) for a in held
    )
    debtors = {a.debtor for a in late}
    receivables, overdue = (sum((a.balance(end) for a in of), Decimal(0)) for of in (owing, late))
    day_money = sum(p.amount * (a.day(p.at) - a.due_on).days for a, p, _ in received)
    return {
        "receivables": receivables,
        "overdue": overdue,
        "overdue_share": float(overdue / receivables) if receivables else None,
        "collected": collected,
        "recovery_rate": float(recovered / base) if base else None,
        "average_collection_days": float(day_money / collected) if collected else None,
        "contact_coverage": len(debtors & contacted) / len(debtors) if debtors else None,
        "cure_rate": sum(a.balance(end) == 0 for a in late_before) / len(late_before)
        if late_before
        else None,
        "aging": _aging(owing, end),
        "roll_rates": _rolls([a for a in held if a.in_stock(start) and a.balance(start) > 0], start, end),
    }


def _became_overdue(
    account: Account, start: datetime, end: datetime, until: datetime, known: datetime
) -> Decimal:
    """What was owed when the account first became overdue in the period: falling due, or by a payment taken back."""
    if account.delinquent(start):
        return Decimal(0)
    if fell_due := _fell_due(account, start, end):
        return fell_due
    taken_back = sorted(p.reversed_at for p in account.paid if p.reversed_at is not None)
    for at in taken_back:
        if start < at < until and at <= known and account.delinquent(at):
            return account.balance(at)
    return Decimal(0)


def _fell_due(account: Account, start: datetime, end: datetime) -> Decimal:
    """What was owed when the account's first overdue day began, if that day is a later one of the period."""
    day = max(account.due_on + timedelta(days=1), account.opened_on)
    within = account.day(start) < day <= account.day(moment_before(end))
    if not within or (account.closed_on is not None and account.closed_on <= day):
        return Decimal(0)
    paid = sum(
        p.amount
        for p in account.paid
        if account.day(p.at) < day and not (p.reversed_at is not None and account.day(p.reversed_at) < day)
    )
    return max(Decimal(0), account.principal - paid)


def _aging(owing: list[Account], end: datetime) -> dict[str, tuple[int, Decimal]]:
    aging: dict[str, tuple[int, Decimal]] = {}
    for account in owing:
        count, balance = aging.get(account.bucket(end), (0, Decimal(0)))
        aging[account.bucket(end)] = (count + 1, balance + account.balance(end))
    return aging


def _rolls(owing: list[Account], start: datetime, end: datetime) -> dict[tuple[str, str], tuple[int, float]]:
    size = Counter(account.bucket(start) for account in owing)
    rolled: Counter[tuple[str, str]] = Counter()
    for account in owing:
        if account.balance(end) == 0:
            rolled[account.bucket(start), "PAID"] += 1
        elif account.in_stock(end):
            rolled[account.bucket(start), account.bucket(end)] += 1
    return {roll: (count, count / size[roll[0]]) for roll, count in rolled.items()}


def _whole_months(first: datetime, last: datetime) -> list[date]:
    months = []
    month = date(first.year, first.month, 1)
    while (following := (month + timedelta(days=31)).replace(day=1)) <= last.date():
        if datetime.combine(month, datetime.min.time()) >= first:
            months.append(month)
        month = following
    return months


def _months_of(reading: Reading, currency: str) -> list[date]:
    return [month for (month,) in reading.rows("SELECT month FROM finance WHERE currency = ?", currency)]


def _books(
    reading: Reading, currency: str, first: datetime, last: datetime, held: list[Account]
) -> dict[str, Any]:
    months = _whole_months(first, last)
    books = {
        row[0]: row[1:]
        for row in reading.rows(
            "SELECT month, credit_sales, receivables, revenue, operating_cost FROM finance WHERE currency = ?",
            currency,
        )
    }
    rows = [books.get(month, (None,) * 4) for month in months]
    dso = profit = None
    if (
        rows
        and rows[-1][1] is not None
        and all(row[0] is not None for row in rows)
        and sum(row[0] for row in rows)
    ):
        days = sum(monthrange(month.year, month.month)[1] for month in months)
        dso = float(rows[-1][1] / sum(row[0] for row in rows) * days)
    late = sum(account.delinquent(last) for account in held)
    if rows and late and all(row[2] is not None and row[3] is not None for row in rows):
        profit = float(sum(row[2] - row[3] for row in rows) / late)
    return {"dso": dso, "profit_per_account": profit}
