"""How an account and its debtor stand at an instant: balance, days past due, aging bucket.

Source: kpis.md, State of accounts and promises. Storage derives the same in SQL; tests prove the two equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from domain.local_days import days_between, local_date
from domain.vocabulary import AgingBucket

BUCKETS = (
    (0, AgingBucket.CURRENT),
    (30, AgingBucket.DPD_1_30),
    (60, AgingBucket.DPD_31_60),
    (90, AgingBucket.DPD_61_90),
    (180, AgingBucket.DPD_91_180),
)


@dataclass(frozen=True)
class Payment:
    """Money that came in on an account, in the account's currency."""

    reference: str
    amount: Decimal
    paid_at: datetime
    reversed_at: datetime | None = None

    def counts_at(self, instant: datetime) -> bool:
        """Whether it was paid and not reversed by `instant`."""
        return self.paid_at <= instant and (self.reversed_at is None or self.reversed_at > instant)


@dataclass(frozen=True)
class Account:
    """What is owed, from when to when, with all of its payments."""

    principal: Decimal
    currency: str
    opened_on: date
    due_on: date
    closed_on: date | None = None
    payments: tuple[Payment, ...] = ()

    def balance(self, instant: datetime) -> Decimal:
        """Principal less the payments that count at `instant`, never below 0."""
        paid = sum((payment.amount for payment in self.payments if payment.counts_at(instant)), Decimal(0))
        return max(self.principal - paid, Decimal(0))

    def is_open(self, today: date) -> bool:
        """Whether stock figures see it on a local date: from `opened_on` until the day before `closed_on`."""
        return self.opened_on <= today and (self.closed_on is None or today < self.closed_on)

    def days_past_due(self, instant: datetime, time_zone: str) -> int:
        """Local days since `due_on` while its balance is above 0, at least 0."""
        if self.balance(instant) <= 0:
            return 0
        return max(days_between(self.due_on, local_date(instant, time_zone)), 0)


def days_past_due(accounts: Iterable[Account], instant: datetime, time_zone: str) -> int:
    """A debtor's days past due: the most over the accounts open then; 0 with none."""
    today = local_date(instant, time_zone)
    return max(
        (account.days_past_due(instant, time_zone) for account in accounts if account.is_open(today)),
        default=0,
    )


def open_balances(accounts: Iterable[Account], instant: datetime, time_zone: str) -> dict[str, Decimal]:
    """A debtor's balance per currency over the accounts open then; a currency without an open account is absent."""
    today = local_date(instant, time_zone)
    balances: dict[str, Decimal] = {}
    for account in accounts:
        if account.is_open(today):
            owed = balances.get(account.currency, Decimal(0))
            balances[account.currency] = owed + account.balance(instant)
    return balances


def aging_bucket(days: int) -> AgingBucket:
    """The band of the aging report that so many days past due fall in."""
    for most, bucket in BUCKETS:
        if days <= most:
            return bucket
    return AgingBucket.DPD_181_PLUS
