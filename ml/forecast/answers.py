"""What a forecast says, and the named reasons why it may say less."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Policy(StrEnum):
    """Whose sending is forecast: as sent lately, or as recommended."""

    CURRENT = "CURRENT"
    RECOMMENDED = "RECOMMENDED"


class Dimension(StrEnum):
    """What a forecast can be split by."""

    SEGMENT = "SEGMENT"
    CHANNEL = "CHANNEL"


class Kpi(StrEnum):
    """The KPIs of kpis.md that are forecast.

    Those of messages are about the messages sent on a day, whenever their outcomes happen; PROMISES_KEPT_RATE about the
    promises made on a day, inbound and outbound, once all are settled; DSO about the last calendar month that is over
    by the end of a day.
    """

    SENT = "SENT"
    DELIVERY_RATE = "DELIVERY_RATE"
    OPEN_RATE = "OPEN_RATE"
    CLICK_RATE = "CLICK_RATE"
    CONVERSION_RATE = "CONVERSION_RATE"
    COLLECTED = "COLLECTED"
    SENT_TO_OPEN_P50 = "SENT_TO_OPEN_P50"
    PROMISES_KEPT_RATE = "PROMISES_KEPT_RATE"
    DSO = "DSO"


MESSAGE_KPIS = tuple(kpi for kpi in Kpi if kpi not in (Kpi.PROMISES_KEPT_RATE, Kpi.DSO))
"""Those that can be split by segment and channel."""


class Unit(StrEnum):
    """What a forecast number counts in."""

    COUNT = "COUNT"
    RATE = "RATE"
    MONEY = "MONEY"
    SECONDS = "SECONDS"
    DAYS = "DAYS"


UNITS = dict.fromkeys(Kpi, Unit.RATE) | {
    Kpi.SENT: Unit.COUNT,
    Kpi.COLLECTED: Unit.MONEY,
    Kpi.SENT_TO_OPEN_P50: Unit.SECONDS,
    Kpi.DSO: Unit.DAYS,
}


class ForecastError(ValueError):
    """A forecast that cannot be made. code: stable; argument: which one is at fault, or None when it is the
    history.
    """

    def __init__(self, code: str, message: str, argument: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.argument = argument


@dataclass(frozen=True, slots=True)
class Key:
    """Which part of the portfolio a series is about; None: all of it. currency: of COLLECTED and DSO only."""

    segment: str | None = None
    channel: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Quantiles:
    """5 %, middle and 95 %; None: undefined (a rate of nothing).

    The middle is the reconciled one: over parts and days it adds up to the median of the whole, and the
    middle of a rate is the ratio of the middles of its counts.
    """

    p05: float | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """One UTC day."""

    day: date
    quantiles: Quantiles


@dataclass(frozen=True, slots=True)
class Series:
    """One KPI for one key; total: over all days; difference: RECOMMENDED minus CURRENT over all days,
    paired.
    """

    kpi: Kpi
    unit: Unit
    key: Key
    points: tuple[Point, ...]
    total: Quantiles
    difference: Quantiles | None = None


@dataclass(frozen=True, slots=True)
class BacktestRow:
    """How bands made the same way did on days they had not seen, against a seasonal-naive forecast.

    coverage: share of `days` (days × keys) inside the 90 % band. Losses: mean pinball loss of the three
    quantiles, and mean continuous ranked probability score of the whole distribution; of COLLECTED as a share of what
    is collected in its currency on an average day.
    """

    kpi: Kpi
    nominal_coverage: float
    coverage: float
    pinball_loss: float
    baseline_pinball_loss: float
    crps: float
    baseline_crps: float
    days: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader should know: a stable code, listed in docs/forecasts.md, and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """Series in the order asked, how such forecasts did before, and notes."""

    as_of: datetime
    series: Sequence[Series]
    backtest: Sequence[BacktestRow]
    notes: Sequence[Note] = ()
