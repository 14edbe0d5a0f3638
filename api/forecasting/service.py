"""KPI forecasts for a tenant, as sent lately and as recommended."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

import polars as pl

from api import answers
from api.answers import ForecastDimension, ForecastKpi, ForecastPolicy, KpiForecast
from api.histories import Histories
from api.recommendations.champions import Champion, Champions
from api.services import InvalidArgument
from domain.lasting import Lasting
from domain.vocabulary import Channel
from ml import forecast as outlook
from ml.actions import SegmentRecommendation
from ml.decisions import segment_recommendations
from ml.frames import History

_KEPT = 64
_Key = tuple[int, int, datetime, int, ForecastPolicy, tuple[ForecastDimension, ...], tuple[ForecastKpi, ...]]


class ForecastService:
    """`api.services.Forecasts`: computed in the scoring threads, kept while the history behind it is the same."""

    def __init__(self, histories: Histories, champions: Champions) -> None:
        self._histories = histories
        self._champions = champions
        self._kept: OrderedDict[_Key, KpiForecast] = OrderedDict()

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
        """Series for each KPI (None: all) and key; None when there is no champion yet, or nothing to forecast from.

        Raises:
            InvalidArgument: a horizon that cannot be forecast.
        """
        wanted = tuple(dict.fromkeys(ForecastKpi if kpis is None else kpis))
        if not 1 <= horizon_days <= outlook.LONGEST_HORIZON:
            raise InvalidArgument(
                f"horizonDays: {horizon_days} cannot be forecast; ask for 1 to {outlook.LONGEST_HORIZON} days.",
                path=("horizonDays",),
            )
        champion = await self._champions.deciding(tenant_id, as_of=as_of)
        if champion is None:
            return None
        history = await self._histories.whole(tenant_id, as_of=as_of)
        key = (tenant_id, champion.version.id, history.as_of, horizon_days, policy, tuple(by), wanted)
        if key not in self._kept:
            made = await self._champions.run(
                lambda: _forecast(champion, history, horizon_days, policy, by, wanted)
            )
            if made is None:
                return None
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]


def _forecast(
    champion: Champion,
    history: History,
    horizon_days: int,
    policy: ForecastPolicy,
    by: Sequence[ForecastDimension],
    kpis: Sequence[ForecastKpi],
) -> KpiForecast | None:
    recommended = None
    if policy == ForecastPolicy.RECOMMENDED:
        recommended = recommended_actions(segment_recommendations(champion.model, history, now=history.as_of))
    try:
        made = outlook.forecast(
            champion.model,
            history,
            horizon_days=horizon_days,
            policy=outlook.Policy(policy.value),
            by=[outlook.Dimension(dimension.value) for dimension in by],
            kpis=[outlook.Kpi(kpi.value) for kpi in kpis],
            recommendations=recommended,
        )
    except outlook.ForecastError as error:
        if error.argument is None:  # the history allows none: an honest null
            return None
        raise InvalidArgument(str(error), path=(error.argument,)) from error
    return _answer(made, champion.version.id)


def recommended_actions(found: Sequence[SegmentRecommendation]) -> pl.DataFrame:
    """segment, channel (null: leave alone), hour_of_week of each segment's best action."""
    best = [(answer.segment, answer.recommendation.best) for answer in found]
    return pl.DataFrame(
        {
            "segment": [segment for segment, _ in best],
            "channel": [action.channel if action else None for _, action in best],
            "hour_of_week": [action.hour_of_week if action else None for _, action in best],
        },
        schema={"segment": pl.String, "channel": pl.String, "hour_of_week": pl.Int64},
    )


def _answer(made: outlook.Forecast, version_id: int) -> KpiForecast:
    return KpiForecast(
        as_of=made.as_of,
        notes=tuple(answers.ForecastNote(note.code, note.message) for note in made.notes),
        model_version_id=version_id,
        series=Lasting(map(_series, made.series)),
        backtest=tuple(
            answers.BacktestRow(
                kpi=ForecastKpi(row.kpi.value),
                nominal_coverage=row.nominal_coverage,
                coverage=row.coverage,
                pinball_loss=row.pinball_loss,
                baseline_pinball_loss=row.baseline_pinball_loss,
                crps=row.crps,
                baseline_crps=row.baseline_crps,
                days=row.days,
            )
            for row in made.backtest
        ),
    )


def _series(series: outlook.Series) -> answers.ForecastSeries:
    channel = Channel(series.key.channel) if series.key.channel else None
    return answers.ForecastSeries(
        kpi=ForecastKpi(series.kpi.value),
        unit=answers.Unit(series.unit.value),
        key=answers.ForecastKey(series.key.segment, channel, series.key.currency),
        points=tuple(
            answers.ForecastPoint(point.day, point.quantiles.p05, point.quantiles.p50, point.quantiles.p95)
            for point in series.points
        ),
        total=_quantiles(series.total),
        difference=_quantiles(series.difference) if series.difference else None,
    )


def _quantiles(quantiles: outlook.Quantiles) -> answers.Quantiles:
    return answers.Quantiles(quantiles.p05, quantiles.p50, quantiles.p95)
