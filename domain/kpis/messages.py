"""Message KPIs: what became of the outbound communications sent in a period. Source: kpis.md, Message KPIs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from domain.kpis.formulas import net_of, rate
from domain.vocabulary import AgingBucket, Channel


class Weekday(StrEnum):
    """Days of the week, Monday first."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKpiKey:
    """Which group a row is of; a dimension that was not asked for, or that the communication has none of, is None."""

    segment: str | None = None
    channel: Channel | None = None
    template: str | None = None
    campaign: str | None = None
    agent: str | None = None
    product: str | None = None
    country: str | None = None
    dpd_bucket: AgingBucket | None = None
    currency: str | None = None
    hour: int | None = None
    weekday: Weekday | None = None
    day: date | None = None
    week: date | None = None
    month: date | None = None


@dataclass(frozen=True, slots=True)
class ReactionTime:
    """Seconds between two stages, over the communications that reached the second.

    median_censored: the Kaplan–Meier median, which also heeds those that have not reached it yet.
    """

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    median_censored: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionTimes:
    """The three reaction times of a group."""

    sent_to_open: ReactionTime = ReactionTime()
    open_to_pay: ReactionTime = ReactionTime()
    sent_to_pay: ReactionTime = ReactionTime()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageOutcome:
    """What became of some communications: counts and exact money per currency; the rates follow from the counts."""

    sent: int
    delivered: int
    hard_bounced: int
    soft_bounced: int
    opened: int
    machine_opened: int
    clicked: int
    landed: int
    converted: int
    unsubscribed: int
    complained: int
    collected: Mapping[str, Decimal] = field(default_factory=dict)
    cost: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def delivery_rate(self) -> float | None:
        """Delivered / sent."""
        return rate(self.delivered, self.sent)

    @property
    def bounce_rate(self) -> float | None:
        """(Hard bounced + soft bounced) / sent."""
        return rate(self.hard_bounced + self.soft_bounced, self.sent)

    @property
    def open_rate(self) -> float | None:
        """Opened by a person / delivered."""
        return rate(self.opened, self.delivered)

    @property
    def click_rate(self) -> float | None:
        """Clicked by a person / delivered."""
        return rate(self.clicked, self.delivered)

    @property
    def click_to_open_rate(self) -> float | None:
        """Clicked / opened, by a person."""
        return rate(self.clicked, self.opened)

    @property
    def landing_rate(self) -> float | None:
        """Landed on the payment page / delivered."""
        return rate(self.landed, self.delivered)

    @property
    def conversion_rate(self) -> float | None:
        """With an attributed payment / delivered."""
        return rate(self.converted, self.delivered)

    @property
    def unsubscribe_rate(self) -> float | None:
        """Unsubscribed / delivered."""
        return rate(self.unsubscribed, self.delivered)

    @property
    def complaint_rate(self) -> float | None:
        """Complained / delivered."""
        return rate(self.complained, self.delivered)

    @property
    def net_collected(self) -> dict[str, Decimal]:
        """Collected less cost, per currency."""
        return net_of(self.collected, self.cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKpiRow(MessageOutcome):
    """One group's outcome and reaction times."""

    key: MessageKpiKey
    reaction: ReactionTimes = ReactionTimes()
