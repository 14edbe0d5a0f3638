"""The words of a recommendation: actions, what is expected of them, and how sure that is."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

import numpy as np

from ml.arrays import Bools

FIRST_HOUR, LAST_HOUR = 8, 20
"""Contacts start between 08:00 and 20:59 on the debtor's clock, whatever else is asked. Source:
docs/contract (08–21 local)."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Evidence(StrEnum):
    """STRONG: the segment's own history tells; POOLED: borrowed from larger groups; INSUFFICIENT:
    nothing tells."""

    STRONG = "STRONG"
    POOLED = "POOLED"
    INSUFFICIENT = "INSUFFICIENT"


@dataclass(frozen=True)
class Money:
    """An amount in a currency."""

    amount: Decimal
    currency: str


@dataclass(frozen=True)
class MoneyEstimate:
    """An expected amount with its 90 % interval."""

    amount: Decimal
    currency: str
    low: Decimal
    high: Decimal


@dataclass(frozen=True)
class Span:
    """Seconds by which half and nine tenths of those who react have reacted."""

    p50: float | None
    p90: float | None


@dataclass(frozen=True)
class Expected:
    """Rates as in kpis.md (opened, clicked, converted ÷ delivered); None where the channel shows no such
    thing. Money is per contact: collected against leaving alone, cost, and net with its 90 % interval;
    one entry per currency."""

    delivery_rate: float
    open_rate: float | None
    click_rate: float | None
    conversion_rate: float | None
    collected: tuple[Money, ...]
    cost: tuple[Money, ...]
    net: tuple[MoneyEstimate, ...]
    seconds_to_open: Span | None
    seconds_to_pay: Span | None


@dataclass(frozen=True)
class Action:
    """Contact on `channel` at the debtor-local weekday (Monday = 0) and hour (0–23). template: None when
    there is no telling."""

    channel: str
    weekday: int
    hour: int
    template: str | None
    expected: Expected
    reasons: tuple[str, ...]

    @property
    def hour_of_week(self) -> int:
        """weekday · 24 + hour."""
        return self.weekday * 24 + self.hour


@dataclass(frozen=True)
class Recommendation:
    """best: None means leave alone, for the reasons given; alternatives: the best hour of every other
    channel, best first."""

    evidence: Evidence
    best: Action | None
    alternatives: tuple[Action, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SegmentRecommendation:
    """What to do with a segment; debtors: how many of those that owe something stand behind the figures."""

    segment: str
    debtors: int
    recommendation: Recommendation


@dataclass(frozen=True)
class DebtorRecommendation:
    """What to do with a debtor; key as in history.debtors."""

    debtor: object
    segment: str
    recommendation: Recommendation


def lawful_hours() -> Bools:
    """(168,) hours of week at which a contact may start: 08–21 local, every day."""
    hour = np.arange(168) % 24
    return np.asarray((hour >= FIRST_HOUR) & (hour <= LAST_HOUR))


def money(amount: float, currency: str) -> Money:
    """Rounded to hundredths, or to ten-thousandths when it is smaller than one tenth."""
    return Money(rounded(amount), currency)


def rounded(amount: float) -> Decimal:
    """A Decimal of sensible precision."""
    places = Decimal("0.01") if abs(amount) >= 0.1 else Decimal("0.0001")
    return Decimal(repr(float(amount))).quantize(places, rounding=ROUND_HALF_EVEN)
