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


#: Rate → the counts whose sum it is a share of the last one's.
RATES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "delivery_rate": (("delivered",), "sent"),
    "bounce_rate": (("hard_bounced", "soft_bounced"), "sent"),
    "open_rate": (("opened",), "delivered"),
    "click_rate": (("clicked",), "delivered"),
    "click_to_open_rate": (("clicked",), "opened"),
    "landing_rate": (("landed",), "delivered"),
    "conversion_rate": (("converted",), "delivered"),
    "unsubscribe_rate": (("unsubscribed",), "delivered"),
    "complaint_rate": (("complained",), "delivered"),
}


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
        return self._rate("delivery_rate")

    @property
    def bounce_rate(self) -> float | None:
        """(Hard bounced + soft bounced) / sent."""
        return self._rate("bounce_rate")

    @property
    def open_rate(self) -> float | None:
        """Opened by a person / delivered."""
        return self._rate("open_rate")

    @property
    def click_rate(self) -> float | None:
        """Clicked by a person / delivered."""
        return self._rate("click_rate")

    @property
    def click_to_open_rate(self) -> float | None:
        """Clicked / opened, by a person."""
        return self._rate("click_to_open_rate")

    @property
    def landing_rate(self) -> float | None:
        """Landed on the payment page / delivered."""
        return self._rate("landing_rate")

    @property
    def conversion_rate(self) -> float | None:
        """With an attributed payment / delivered."""
        return self._rate("conversion_rate")

    @property
    def unsubscribe_rate(self) -> float | None:
        """Unsubscribed / delivered."""
        return self._rate("unsubscribe_rate")

    @property
    def complaint_rate(self) -> float | None:
        """Complained / delivered."""
        return self._rate("complaint_rate")

    def _rate(self, name: str) -> float | None:
        numerators, denominator = RATES[name]
        return rate(sum(getattr(self, each) for each in numerators), getattr(self, denominator))

    @property
    def net_collected(self) -> dict[str, Decimal]:
        """Collected less cost, per currency."""
        return net_of(self.collected, self.cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKpiRow(MessageOutcome):
    """One group's outcome and reaction times."""

    key: MessageKpiKey
    reaction: ReactionTimes = ReactionTimes()
