"""Payment behaviour, payment by payment. Source: docs/kpis.md, Payment behaviour."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.oracle.accounts import Account, Paid, accounts
from tests.oracle.knowledge import naive
from tests.oracle.reading import Reading

Told = tuple[Decimal, Decimal, str]


def payment_behaviour(
    reading: Reading, start: datetime, end: datetime, *, as_of: datetime
) -> dict[tuple[str, str | None], dict[str, Any]]:
    """(currency, bucket or None for the total) → figures."""
    groups: defaultdict[tuple[str, str | None], list[Told]] = defaultdict(list)
    for account in accounts(reading):
        for payment in account.paid:
            if naive(start) <= payment.at < naive(end) and payment.stands(naive(as_of)):
                owed = _owed_before(account, payment)
                opened = account.opened_on <= account.day(payment.at)
                bucket = account.bucket(payment.at) if owed > 0 and opened else "CURRENT"
                for group in (bucket, None):
                    groups[account.currency, group].append((payment.amount, owed, bucket))
    return {key: _figures(told) for key, told in groups.items()}


def _owed_before(account: Account, payment: Paid) -> Decimal:
    """Earlier payments, and those of the same instant that come first by reference, unless reversed by then."""
    earlier = [
        other
        for other in account.paid
        if (other.at, other.reference) < (payment.at, payment.reference) and other.stands(payment.at)
    ]
    return max(Decimal(0), account.principal - sum(other.amount for other in earlier))


def _figures(told: list[Told]) -> dict[str, Any]:
    parts = {
        "on_time": [amount for amount, _, bucket in told if bucket == "CURRENT"],
        "late": [amount for amount, _, bucket in told if bucket != "CURRENT"],
        "in_full": [amount for amount, owed, _ in told if 0 < owed <= amount],
        "partial": [amount for amount, owed, _ in told if amount < owed],
    }
    total = sum(amount for amount, *_ in told)
    whole = len(parts["in_full"]) + len(parts["partial"])
    return {
        "payments": len(told),
        "collected": total,
        **{name: len(amounts) for name, amounts in parts.items()},
        **{f"collected_{name}": sum(amounts, Decimal(0)) for name, amounts in parts.items()},
        "on_time_rate": len(parts["on_time"]) / len(told),
        "on_time_share": float(sum(parts["on_time"], Decimal(0)) / total),
        "in_full_rate": len(parts["in_full"]) / whole if whole else None,
    }
