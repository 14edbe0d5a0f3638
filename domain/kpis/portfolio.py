"""Portfolio KPIs, per currency: what is owed, how old it is and how it moves. Source: kpis.md, Portfolio KPIs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.kpis.formulas import per, rate
from domain.vocabulary import AgingBucket


@dataclass(frozen=True, slots=True)
class Aging:
    """The accounts of one bucket that owe something at the period's end, and how much."""

    bucket: AgingBucket
    accounts: int
    balance: Decimal


@dataclass(frozen=True, slots=True)
class RollRate:
    """How many of the accounts in a bucket at the start are in another (or PAID) at the end; rate: of the former."""

    from_: AgingBucket
    to: AgingBucket
    accounts: int
    rate: float


@dataclass(frozen=True, slots=True)
class MonthlyFinance:
    """A currency's books for one calendar month, as far as they are known."""

    credit_sales: Decimal | None
    receivables: Decimal | None
    revenue: Decimal | None
    operating_cost: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioKpis:
    """One currency's portfolio over a period. Money in that currency, `dso` and `average_collection_days` in days."""

    currency: str
    receivables: Decimal
    overdue: Decimal
    collected: Decimal
    collected_overdue: Decimal
    overdue_at_start: Decimal
    became_overdue: Decimal
    amount_days: Decimal
    delinquent_accounts: int
    delinquent_debtors: int
    contacted_delinquent_debtors: int
    delinquent_at_start: int
    cured: int
    aging: tuple[Aging, ...]
    roll_rates: tuple[RollRate, ...]
    dso: float | None
    profit: Decimal | None

    @property
    def overdue_share(self) -> float | None:
        """Overdue / receivables, at the end."""
        return rate(self.overdue, self.receivables)

    @property
    def recovery_rate(self) -> float | None:
        """Collected while delinquent / (overdue at start + balances of others on the day they became overdue)."""
        return rate(self.collected_overdue, self.overdue_at_start + self.became_overdue)

    @property
    def profit_per_account(self) -> Decimal | None:
        """Profit of the whole months / accounts delinquent at the end; None when either is missing."""
        return None if self.profit is None else per(self.profit, self.delinquent_accounts)

    @property
    def average_collection_days(self) -> float | None:
        """Amount-weighted days from due date to payment over the period's payments; early ones negative."""
        return rate(self.amount_days, self.collected)

    @property
    def contact_coverage(self) -> float | None:
        """Of the debtors delinquent at the end, those written to or called in the period."""
        return rate(self.contacted_delinquent_debtors, self.delinquent_debtors)

    @property
    def cure_rate(self) -> float | None:
        """Of the accounts delinquent at the start, those paid off by the end."""
        return rate(self.cured, self.delinquent_at_start)


def days_sales_outstanding(months: Sequence[date], books: Mapping[date, MonthlyFinance]) -> float | None:
    """Closing receivables of the last of the whole months ÷ credit sales of them all × their days.

    None when there is no whole month, when a figure of one is missing, or when nothing was sold on credit.
    """
    known = [books[month] for month in months if month in books]
    sales = [book.credit_sales for book in known if book.credit_sales is not None]
    if not months or len(sales) < len(months) or known[-1].receivables is None:
        return None
    days = sum((_following(month) - month).days for month in months)
    return rate(known[-1].receivables * days, sum(sales, Decimal(0)))


def profit_of(months: Sequence[date], books: Mapping[date, MonthlyFinance]) -> Decimal | None:
    """Revenue less operating cost of the whole months; None when there is none or a figure is missing."""
    profits = [
        book.revenue - book.operating_cost
        for book in (books[month] for month in months if month in books)
        if book.revenue is not None and book.operating_cost is not None
    ]
    return sum(profits, Decimal(0)) if months and len(profits) == len(months) else None


def _following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
