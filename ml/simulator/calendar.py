"""The days of a history in every time zone of the portfolio: midnights, paydays, drift of tastes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from ml.simulator.portfolio import Floats, Ints
from ml.simulator.spec import WorldSpec

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US


@dataclass(slots=True)
class Calendar:
    """The days of a history: midnight of each local day in UTC microseconds per zone, payday factor, drift."""

    start: date
    days: int
    midnight_us: Ints
    payday: Floats
    shift: Floats

    @property
    def start_us(self) -> int:
        """First instant of the history: midnight UTC of its first day."""
        return epoch_us(datetime.combine(self.start, time(), UTC))

    @property
    def end_us(self) -> int:
        """First instant after the history."""
        return epoch_us(datetime.combine(self.start + timedelta(days=self.days), time(), UTC))

    def local_day(self, zone: Ints, at_us: Ints) -> Ints:
        """Days since 1970 on the clocks of `zone` (row of midnight_us); exact within the history, else
        within an hour.
        """
        first = (self.start - date(1970, 1, 1)).days
        day = (at_us - self.midnight_us[zone, 0]) // DAY_US
        inside = np.clip(day, 0, self.days - 1)
        day = day - (at_us < self.midnight_us[zone, inside]) * (day == inside)
        after = np.minimum(inside + 1, self.days - 1)
        day = day + ((at_us >= self.midnight_us[zone, after]) & (after > inside) & (day == inside))
        return np.asarray(first + day, dtype=np.int64)


def epoch_us(instant: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def build_calendar(world: WorldSpec, start: date, days: int) -> Calendar:
    """midnight_us: (zones, days); the offset is that of noon, so hours from 08:00 on are exact on
    clock-change days.
    """
    zones = [ZoneInfo(country.zone) for country in world.countries]
    dates = [start + timedelta(days=k) for k in range(days)]
    noons = [
        [epoch_us(datetime.combine(day, time(12), zone).astimezone(UTC)) for day in dates] for zone in zones
    ]
    payday = np.array([1.5 if day.day >= 25 or day.day <= 3 else 0.8 for day in dates])
    if world.drift == "half-way":
        shift = (np.arange(days) >= days / 2).astype(float)
    else:
        shift = np.linspace(0.0, 1.0, days) if world.drift == "slow" else np.zeros(days)
    return Calendar(start, days, np.array(noons) - DAY_US // 2, payday / 1.016, shift)
