"""What stands in for models where a test is about the API alone: fixed answers with every field filled.

The real use cases meet the same protocols in their own tests and in the end-to-end run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from api.answers import (
    Action,
    BacktestRow,
    Block,
    DatedRecommendation,
    Evidence,
    Expected,
    Failure,
    ForecastDimension,
    ForecastKey,
    ForecastKpi,
    ForecastPoint,
    ForecastPolicy,
    ForecastSeries,
    KpiForecast,
    Money,
    MoneyEstimate,
    Quantiles,
    Recommendation,
    SegmentAdvice,
    Span,
    TrainingRun,
    Unit,
    Window,
)
from domain.audit import Signature
from domain.kpis.messages import Weekday
from domain.lasting import Lasting
from domain.storage.reads.segments import SegmentRow
from domain.vocabulary import Channel, Promotion, RunStatus

ACTION = Action(
    channel=Channel.WHATSAPP,
    weekday=Weekday.TUESDAY,
    hour=18,
    template="T-KIND",
    send_at=datetime(2026, 5, 5, 16, tzinfo=UTC),
    expected=Expected(
        delivery_rate=0.97,
        open_rate=0.5,
        click_rate=None,
        conversion_rate=0.125,
        collected=(Money(Decimal("12.50"), "EUR"),),
        cost=(Money(Decimal("0.07"), "EUR"),),
        net=(MoneyEstimate(Decimal("12.43"), "EUR", Decimal("9.00"), Decimal("15.10")),),
        seconds_to_open=Span(900.0, 7200.0),
        seconds_to_pay=Span(None, None),
    ),
    reasons=("Opens twice as often in the evening",),
)
ADVICE = Recommendation(
    evidence=Evidence.STRONG,
    best=ACTION,
    alternatives=(replace(ACTION, channel=Channel.SMS),),
    blocked_by=(Block("OPT_OUT@2026-1", "The debtor refused this channel.", Channel.EMAIL, None),),
    reasons=("Paid after messages like this before",),
)


class FixedAdvice:
    """`api.services.Recommendations` that always answers the same, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    async def for_segments(
        self,
        tenant_id: int,
        *,
        segments: Sequence[str] | None,
        within: Window | None,
        channels: frozenset[Channel] | None,
        as_of: datetime,
        now: datetime,
    ) -> Sequence[SegmentAdvice]:
        self.asked.append({"segments": segments, "within": within, "channels": channels, "as_of": as_of})
        lasting = replace(
            ADVICE,
            best=replace(ACTION, send_at=None),
            alternatives=tuple(replace(each, send_at=None) for each in ADVICE.alternatives),
        )
        advice = DatedRecommendation(lasting, (ACTION.send_at, ACTION.send_at))
        return [SegmentAdvice(SegmentRow(key, key, None, 1), advice) for key in segments or ("NONE",)]

    async def for_debtors(
        self,
        tenant_id: int,
        debtor_ids: Sequence[int],
        *,
        within: Window | None,
        channels: frozenset[Channel] | None,
        as_of: datetime,
    ) -> Mapping[int, Recommendation]:
        self.asked.append({"debtors": debtor_ids, "within": within, "channels": channels, "as_of": as_of})
        return dict.fromkeys(debtor_ids, ADVICE)


class FixedForecast:
    """`api.services.Forecasts` that always answers the same, for one model version."""

    def __init__(self) -> None:
        self.model_version_id: int | None = None

    async def forecast(
        self,
        tenant_id: int,
        *,
        horizon_days: int,
        policy: ForecastPolicy,
        by: Sequence[ForecastDimension],
        kpis: Sequence[ForecastKpi] | None,
        as_of: datetime,
    ) -> KpiForecast | None:
        if self.model_version_id is None:
            return None
        quantiles = Quantiles(0.25, 0.5, None)
        series = ForecastSeries(
            ForecastKpi.OPEN_RATE,
            Unit.RATE,
            ForecastKey(channel=Channel.EMAIL),
            (ForecastPoint(date(2026, 5, 2), 0.25, 0.5, None),),
            total=quantiles,
            difference=None,
        )
        row = BacktestRow(ForecastKpi.OPEN_RATE, 0.9, 0.88, 0.01, 0.02, 0.03, 0.04, 28)
        return KpiForecast(as_of, self.model_version_id, Lasting([series]), (row,))


class RunsInMemory:
    """`api.services.Training` without a worker: runs go from stage to stage each time they are looked at."""

    def __init__(self) -> None:
        self.runs: dict[tuple[int, int], TrainingRun] = {}

    async def start(
        self, tenant_id: int, *, as_of: datetime | None, promote: Promotion, by: Signature
    ) -> TrainingRun | Failure:
        run = TrainingRun(len(self.runs) + 1, RunStatus.QUEUED, "waiting", 0.0)
        self.runs[tenant_id, run.id] = run
        return run

    async def cancel(self, tenant_id: int, run_id: int, *, by: Signature) -> TrainingRun | Failure:
        run = self.runs.get((tenant_id, run_id))
        if run is None:
            return Failure("NOT_FOUND", "There is no such training run.", ("id",))
        self.runs[tenant_id, run_id] = replace(run, status=RunStatus.CANCELLED, stage="cancelled")
        return self.runs[tenant_id, run_id]

    async def run(self, tenant_id: int, run_id: int) -> TrainingRun | None:
        run = self.runs.get((tenant_id, run_id))
        if run is not None and run.status is RunStatus.QUEUED:
            self.runs[tenant_id, run_id] = replace(
                run, status=RunStatus.RUNNING, stage="features", progress=0.5
            )
        elif run is not None and run.status is RunStatus.RUNNING:
            failed = Failure("TOO_LITTLE_DATA", "There are too few outcomes to learn from.")
            self.runs[tenant_id, run_id] = replace(
                run,
                status=RunStatus.FAILED,
                stage="failed",
                error=failed,
                finished_at=datetime(2026, 5, 1, tzinfo=UTC),
            )
        return run

    async def promote(self, tenant_id: int, model_version_id: int, *, by: Signature) -> int | Failure:
        return Failure("NOT_FOUND", "There is no such model version.", ("id",))

    async def roll_back(self, tenant_id: int, *, by: Signature) -> int | Failure:
        return Failure("NO_PREVIOUS_CHAMPION", "No champion came before this one.")
