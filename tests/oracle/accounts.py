"""Accounts with their payments, as plain Python. Source: kpis.md, State of accounts and promises."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from tests.oracle.reading import Reading

BOUNDS = [(180, "DPD_181_PLUS"), (90, "DPD_91_180"), (60, "DPD_61_90"), (30, "DPD_31_60"), (0, "DPD_1_30")]


@dataclass
class Paid:
    reference: str
    amount: Decimal
    at: datetime
    reversed_at: datetime | None

    def stands(self, t: datetime) -> bool:
        return self.at <= t and not (self.reversed_at is not None and self.reversed_at <= t)


@dataclass
class Account:
    reference: str
    debtor: str
    agent: str | None
    currency: str
    principal: Decimal
    opened_on: date
    due_on: date
    closed_on: date | None
    zone: ZoneInfo
    paid: list[Paid] = field(default_factory=list)

    def day(self, t: datetime) -> date:
        return t.replace(tzinfo=UTC).astimezone(self.zone).date()

    def balance(self, t: datetime) -> Decimal:
        return max(Decimal(0), self.principal - sum(p.amount for p in self.paid if p.stands(t)))

    def in_stock(self, t: datetime) -> bool:
        return self.opened_on <= self.day(t) and not (
            self.closed_on is not None and self.closed_on <= self.day(t)
        )

    def bucket(self, t: datetime) -> str:
        """Of an account with a balance: by its days past due."""
        days = (self.day(t) - self.due_on).days
        return next((name for bound, name in BOUNDS if days > bound), "CURRENT")

    def delinquent(self, t: datetime) -> bool:
        return self.in_stock(t) and self.balance(t) > 0 and self.day(t) > self.due_on


def accounts(reading: Reading) -> list[Account]:
    """All accepted accounts, whatever was known when."""
    paid: defaultdict[str, list[Paid]] = defaultdict(list)
    for account, *payment in reading.rows(
        "SELECT account, reference, amount, paid_at, reversed_at FROM payments ORDER BY paid_at, reference"
    ):
        paid[account].append(Paid(*payment))
    return [
        Account(
            reference,
            debtor,
            agent,
            currency,
            principal,
            opened,
            due,
            closed,
            ZoneInfo(zone),
            paid[reference],
        )
        for reference, debtor, agent, currency, principal, opened, due, closed, zone in reading.rows(
            "SELECT a.reference, a.debtor, a.agent, a.currency, a.principal, a.opened_on, a.due_on, a.closed_on, "
            "d.time_zone FROM accounts a JOIN debtors d ON d.reference = a.debtor"
        )
    ]


def moment_before(t: datetime) -> datetime:
    return t - timedelta(microseconds=1)
