"""The rollups there are: one for each set of dimensions that people ask for, never all at once."""

from collections.abc import Mapping, Sequence

from domain.kpis.requests import MessageDimension as By
from domain.kpis.requests import MessageKpiWhere

#: Name → dimensions, in the order of its key. From the narrowest to the widest: the first that serves is the fastest.
ROLLUPS: Mapping[str, tuple[By, ...]] = {
    "CHANNEL_DPD": (By.CHANNEL, By.DPD_BUCKET),
    "CHANNEL_SEGMENT": (By.CHANNEL, By.SEGMENT),
    "CHANNEL_PORTFOLIO": (By.CHANNEL, By.PRODUCT, By.COUNTRY, By.CURRENCY),
    "CHANNEL_AGENT": (By.CHANNEL, By.AGENT),
    "CHANNEL_TIME": (By.CHANNEL, By.WEEKDAY, By.HOUR),
    "CHANNEL_CONTENT": (By.CHANNEL, By.TEMPLATE, By.CAMPAIGN),
    "CHANNEL_SEGMENT_COUNTRY": (By.CHANNEL, By.SEGMENT, By.COUNTRY),
}

#: What a rollup knows of every row: the day, and with it its week and month.
CALENDAR = (By.DAY, By.WEEK, By.MONTH)

#: Every dimension of some rollup.
ROLLED_UP: tuple[By, ...] = tuple(dict.fromkeys(by for dimensions in ROLLUPS.values() for by in dimensions))

#: Filter field → the dimension it is about.
FILTERS: Mapping[str, By] = {
    "segment": By.SEGMENT,
    "channel": By.CHANNEL,
    "template": By.TEMPLATE,
    "campaign": By.CAMPAIGN,
    "agent": By.AGENT,
    "product": By.PRODUCT,
    "country": By.COUNTRY,
}


def needed(by: Sequence[By], where: MessageKpiWhere) -> tuple[By, ...]:
    """The dimensions, the calendar's apart, that are split by or filtered on."""
    filtered = (dimension for field, dimension in FILTERS.items() if getattr(where, field) is not None)
    return tuple(dict.fromkeys(each for each in (*by, *filtered) if each not in CALENDAR))


def rollup_for(by: Sequence[By], where: MessageKpiWhere) -> str | None:
    """The first rollup that knows all that is split by and filtered on; None when none does."""
    if where.days_past_due is not None:
        return None
    asked = set(needed(by, where))
    return next((name for name, dimensions in ROLLUPS.items() if asked <= set(dimensions)), None)
