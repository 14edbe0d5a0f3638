"""What the use cases answer: recommendations, forecasts and training runs, as GraphQL and commands show them.

Plain values, free of frames, rows and transport. Money is exact per currency, instants are aware UTC, spans
are seconds, hours and weekdays are local to the debtor. Spelled as in docs/contract/schema.graphql.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from domain.kpis.messages import Weekday
from domain.lasting import Lasting
from domain.vocabulary import Channel, RunStatus

if TYPE_CHECKING:  # every command loads this module, and few of them a database's
    from domain.storage.models import ModelStamp
    from domain.storage.reads.segments import SegmentRow


class Evidence(StrEnum):
    """How much a recommendation rests on."""

    STRONG = "STRONG"
    POOLED = "POOLED"
    INSUFFICIENT = "INSUFFICIENT"


class ForecastPolicy(StrEnum):
    """Whose sending is forecast: as sent lately, or as recommended."""

    CURRENT = "CURRENT"
    RECOMMENDED = "RECOMMENDED"


class ForecastDimension(StrEnum):
    """What a forecast can be split by."""

    SEGMENT = "SEGMENT"
    CHANNEL = "CHANNEL"


class ForecastKpi(StrEnum):
    """The KPIs of docs/contract/kpis.md that are forecast."""

    SENT = "SENT"
    DELIVERY_RATE = "DELIVERY_RATE"
    OPEN_RATE = "OPEN_RATE"
    CLICK_RATE = "CLICK_RATE"
    CONVERSION_RATE = "CONVERSION_RATE"
    COLLECTED = "COLLECTED"
    SENT_TO_OPEN_P50 = "SENT_TO_OPEN_P50"
    PROMISES_KEPT_RATE = "PROMISES_KEPT_RATE"
    DSO = "DSO"


class Unit(StrEnum):
    """What a forecast number counts in."""

    COUNT = "COUNT"
    RATE = "RATE"
    SECONDS = "SECONDS"
    DAYS = "DAYS"
    MONEY = "MONEY"


@dataclass(frozen=True, slots=True)
class Window:
    """`start <= t < end`, aware UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency (ISO 4217)."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class MoneyEstimate:
    """An expected amount and its 90 % interval."""

    amount: Decimal
    currency: str
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Span:
    """Quantiles of a waiting time, seconds; None where the time is not reached by that share."""

    p50: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What an action is expected to bring per debtor contacted; rates 0–1.

    `collected` is what is paid because of the contact, against leaving the debtor alone.
    """

    delivery_rate: float
    open_rate: float | None
    click_rate: float | None
    conversion_rate: float
    collected: tuple[Money, ...]
    cost: tuple[Money, ...]
    net: tuple[MoneyEstimate, ...]
    seconds_to_open: Span | None = None
    seconds_to_pay: Span | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One contact: a channel, a debtor-local weekday and hour (0..23), the best template, and its worth."""

    channel: Channel
    weekday: Weekday
    hour: int
    template: str | None
    send_at: datetime | None
    expected: Expected
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A contact rule that forbade something: its stable code with version, why, which channel, until when."""

    rule: str
    message: str
    channel: Channel | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The next best action; `best` None: nothing lawful beats leaving alone, and it says why.

    model_version_id: of the model behind it, None when there is none; model_version: what is fixed of it, where read.
    """

    evidence: Evidence
    best: Action | None
    alternatives: tuple[Action, ...] = ()
    blocked_by: tuple[Block, ...] = ()
    reasons: tuple[str, ...] = ()
    model_version_id: int | None = None
    model_version: "ModelStamp | None" = None

    @property
    def fixed_model(self) -> "ModelStamp | None":
        """What is fixed of the model behind it; None when there is none.

        Raises:
            AttributeError: it was not read.
        """
        if self.model_version is None and self.model_version_id is not None:
            raise AttributeError("model_version")
        return self.model_version


@dataclass(frozen=True, slots=True)
class DatedRecommendation:
    """A recommendation at an instant: what of it is the same at others as well, and when its actions would be sent.

    lasting: the same object as long as nothing of it changes; its actions name no instant. send_at: of the best action,
    where there is one, then of the alternatives.
    """

    lasting: Recommendation
    send_at: tuple[datetime | None, ...]

    def whole(self) -> Recommendation:
        """The recommendation with its instants."""
        instants = iter(self.send_at)
        lasting = self.lasting
        best = None if lasting.best is None else replace(lasting.best, send_at=next(instants))
        others = tuple(replace(each, send_at=next(instants)) for each in lasting.alternatives)
        return replace(lasting, best=best, alternatives=others)


@dataclass(frozen=True, slots=True)
class SegmentAdvice:
    """What to do with the debtors of a segment."""

    segment: "SegmentRow"
    advice: DatedRecommendation


@dataclass(frozen=True, slots=True)
class ForecastKey:
    """Which part of the portfolio a forecast series is about; None: all of it."""

    segment: str | None = None
    channel: Channel | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The 5 %, 50 % and 95 % quantiles, in the series' unit; None: undefined (a rate of nothing)."""

    p05: float | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class ForecastPoint:
    """A UTC day of a series; its quantiles as in `Quantiles`."""

    day: date
    p05: float | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class ForecastSeries:
    """One KPI for one key. `difference` is RECOMMENDED minus CURRENT, paired; None under CURRENT."""

    kpi: ForecastKpi
    unit: Unit
    key: ForecastKey
    points: tuple[ForecastPoint, ...]
    total: Quantiles | None = None
    difference: Quantiles | None = None


@dataclass(frozen=True, slots=True)
class BacktestRow:
    """How the forecast of a KPI did on days it had not seen; `coverage` should be near `nominal_coverage`."""

    kpi: ForecastKpi
    nominal_coverage: float
    coverage: float
    pinball_loss: float
    baseline_pinball_loss: float
    crps: float | None
    baseline_crps: float | None
    days: int


@dataclass(frozen=True, slots=True)
class ForecastNote:
    """Something a reader of a forecast should know; `code` is stable (docs/forecasts.md)."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class KpiForecast:
    """Forecast series, the model behind them, and how well it did before."""

    as_of: datetime
    model_version_id: int
    series: Lasting[ForecastSeries]
    backtest: tuple[BacktestRow, ...]
    notes: tuple[ForecastNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """An expected failure, as data: a stable code, a message for people, where in the input."""

    code: str
    message: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """How a training run stands; `progress` 0–1."""

    id: int
    status: RunStatus
    stage: str
    progress: float
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: Failure | None = None
    model_version_id: int | None = None
