"""What can be asked of the KPIs, and why a question is refused.

Source: kpis.md (periods); `schema.graphql` (PeriodInput, MessageDimension, AgentDimension, MessageKpiWhere).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from domain.filters import Entry, IntFilter, StringFilter, nested
from domain.list_where import ChannelFilter

#: The most groups one answer may have.
GROUP_LIMIT = 10_000
#: A period longer than this may be split by `LONG_PERIOD_DIMENSIONS` dimensions at most.
LONG_PERIOD = timedelta(days=400)
LONG_PERIOD_DIMENSIONS = 4

# Well outside of the years in which the import format takes facts.
_BEFORE_FACTS, _AFTER_FACTS = datetime(1800, 1, 1, tzinfo=UTC), datetime(2800, 1, 1, tzinfo=UTC)


class MessageDimension(StrEnum):
    """What message KPIs can be split by. HOUR and WEEKDAY are the debtor's local ones; DAY, WEEK and MONTH are UTC."""

    SEGMENT = "SEGMENT"
    CHANNEL = "CHANNEL"
    TEMPLATE = "TEMPLATE"
    CAMPAIGN = "CAMPAIGN"
    AGENT = "AGENT"
    PRODUCT = "PRODUCT"
    COUNTRY = "COUNTRY"
    DPD_BUCKET = "DPD_BUCKET"
    CURRENCY = "CURRENCY"
    HOUR = "HOUR"
    WEEKDAY = "WEEKDAY"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True)
class MessageFigures:
    """Which figures of message KPIs are wanted besides the counts.

    money: collected and cost; reactions: observed reaction times; medians: their Kaplan–Meier medians.
    """

    money: bool = True
    reactions: bool = True
    medians: bool = True


ALL_FIGURES = MessageFigures()


class AgentDimension(StrEnum):
    """What agent KPIs are reported per."""

    AGENT = "AGENT"
    TEAM = "TEAM"
    ALL = "ALL"


class KpiRequestError(ValueError):
    """A question about KPIs that cannot be answered as asked.

    code: stable, for programs; field: where in the request; the message says what to do instead.
    """

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


@dataclass(frozen=True, slots=True)
class Period:
    """The instants `start <= t < end`, both aware.

    Raises:
        KpiRequestError: NAIVE_INSTANT, or IMPOSSIBLE_PERIOD when it would hold no instant.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for field, instant in (("from", self.start), ("to", self.end)):
            if instant.tzinfo is None:
                raise KpiRequestError(
                    "NAIVE_INSTANT",
                    f"period.{field}",
                    f"period.{field} is {instant.isoformat()}, which has no UTC offset. Add one, for example Z.",
                )
        if self.start >= self.end:
            raise KpiRequestError(
                "IMPOSSIBLE_PERIOD",
                "period",
                f"period.from ({self.start.isoformat()}) must be before period.to ({self.end.isoformat()}): "
                "a period is from <= t < to.",
            )

    def whole_days(self) -> tuple[date, date]:
        """(first, last + 1) of the UTC days that lie inside; none when last + 1 is not after first."""
        start, end = (_among_facts(instant).astimezone(UTC) for instant in (self.start, self.end))
        begun = start - datetime(start.year, start.month, start.day, tzinfo=UTC) > timedelta()
        return start.date() + timedelta(days=begun), end.date()

    def known_end(self, as_of: datetime) -> datetime:
        """The instant of the end state: nothing after `as_of` is known."""
        return _among_facts(min(self.end, as_of))

    def known_start(self, as_of: datetime) -> datetime:
        """The instant of the start state; that of a period not yet begun at `as_of` is the state at `as_of`."""
        return _among_facts(min(self.start, as_of))


def _among_facts(instant: datetime) -> datetime:
    """The nearest instant with facts before and after it: beyond them nothing changes, and calendars end."""
    return min(max(instant, _BEFORE_FACTS), _AFTER_FACTS)


@dataclass(frozen=True)
class MessageKpiWhere:
    """Which communications count: each field as it stood when the communication was sent; all must hold.

    Read from JSON by `domain.filters.read_filter`.
    """

    segment: Annotated[StringFilter | None, Entry("segment", nested(StringFilter))] = None
    channel: Annotated[ChannelFilter | None, Entry("channel", nested(ChannelFilter))] = None
    template: Annotated[StringFilter | None, Entry("template", nested(StringFilter))] = None
    campaign: Annotated[StringFilter | None, Entry("campaign", nested(StringFilter))] = None
    agent: Annotated[StringFilter | None, Entry("agent", nested(StringFilter))] = None
    product: Annotated[StringFilter | None, Entry("product", nested(StringFilter))] = None
    country: Annotated[StringFilter | None, Entry("country", nested(StringFilter))] = None
    days_past_due: Annotated[IntFilter | None, Entry("daysPastDue", nested(IntFilter))] = None


def check_cost(period: Period, by: Sequence[MessageDimension]) -> None:
    """Refuse a period too long for so many dimensions, before anything is read.

    Raises:
        KpiRequestError: TOO_COSTLY.
    """
    length = period.end - period.start
    if length <= LONG_PERIOD or len(by) <= LONG_PERIOD_DIMENSIONS:
        return
    days = -(-length // timedelta(days=1))
    raise KpiRequestError(
        "TOO_COSTLY",
        "by",
        f"A period of {days} days by {len(by)} dimensions costs {days * len(by):,} day-dimensions. Over "
        f"{LONG_PERIOD.days} days at most {LONG_PERIOD_DIMENSIONS} dimensions can be asked for at once: "
        "shorten the period or ask for fewer dimensions.",
    )


def check_groups(groups: int) -> None:
    """Refuse an answer of more groups than one may have.

    Raises:
        KpiRequestError: TOO_MANY_GROUPS, with how many there are.
    """
    if groups > GROUP_LIMIT:
        raise KpiRequestError(
            "TOO_MANY_GROUPS",
            "by",
            f"This would be {groups:,} groups; one answer has at most {GROUP_LIMIT:,}. "
            "Shorten the period, filter, or ask for fewer dimensions.",
        )


def whole_months(start: datetime, end: datetime) -> tuple[date, ...]:
    """First days of the UTC calendar months that lie inside `start <= t < end`, in order."""
    months: list[date] = []
    year, month = start.year, start.month
    while True:
        first = datetime(year, month, 1, tzinfo=start.tzinfo)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        if datetime(year, month, 1, tzinfo=start.tzinfo) > end:
            return tuple(months)
        if first >= start:
            months.append(first.date())
