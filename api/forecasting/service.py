"""KPI forecasts for a tenant, as sent lately and as recommended."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from api import answers
from api.answers import ForecastDimension, ForecastKpi, ForecastPolicy, KpiForecast
from api.forecasting.counting import Tallies
from api.forecasting.planning import schedule
from api.forecasting.turns import Turns
from api.recommendations.champions import Champion, Champions
from api.services import InvalidArgument
from domain.lasting import Lasting
from domain.latest import Latest
from domain.storage.models import deciding_version_id
from domain.storage.sessions import Database
from domain.vocabulary import Channel
from ml import forecast as outlook
from ml.forecast import Schedule, Tally

_MOST_POINTS = 400_000
"""Days × series of forecasts kept; the largest ones have about 50,000."""
_MOST_SCHEDULES = 4
_Key = tuple[int, int, str, int, ForecastPolicy, tuple[ForecastDimension, ...], tuple[ForecastKpi, ...]]


class ForecastService:
    """`api.services.Forecasts`: computed in one of the scoring threads, kept while what was counted is the same."""

    def __init__(self, database: Database, tallies: Tallies, champions: Champions) -> None:
        self._database = database
        self._tallies = tallies
        self._champions = champions
        self._turns = Turns()
        self._kept: OrderedDict[_Key, KpiForecast] = OrderedDict()
        self._schedules: Latest[tuple[int, int, str], Schedule] = Latest(_MOST_SCHEDULES)

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
            ArtefactError: of what is recommended, where the model that decides cannot be opened.
        """
        wanted = tuple(dict.fromkeys(ForecastKpi if kpis is None else kpis))
        if not 1 <= horizon_days <= outlook.LONGEST_HORIZON:
            raise InvalidArgument(
                f"horizonDays: {horizon_days} cannot be forecast; ask for 1 to {outlook.LONGEST_HORIZON} days.",
                path=("horizonDays",),
            )
        version_id = await deciding_version_id(self._database, tenant_id, as_of=as_of)
        if version_id is None:
            return None
        tally = await self._tallies.whole(tenant_id, as_of=as_of)
        key = (tenant_id, version_id, tally.fingerprint, horizon_days, policy, tuple(by), wanted)
        if key not in self._kept:
            async with self._turns.of(tenant_id):
                if key not in self._kept:  # somebody else may have asked for the same meanwhile
                    made = await self._make(tenant_id, version_id, tally, horizon_days, policy, by, wanted)
                    if made is None:
                        return None
                    self._keep(key, made)
        self._kept.move_to_end(key)
        return self._kept[key]

    async def _make(
        self,
        tenant_id: int,
        version_id: int,
        tally: Tally,
        horizon_days: int,
        policy: ForecastPolicy,
        by: Sequence[ForecastDimension],
        kpis: Sequence[ForecastKpi],
    ) -> KpiForecast | None:
        planned = None
        if policy == ForecastPolicy.RECOMMENDED:  # what goes on as it does needs no model opened
            model = await self._champions.model(tenant_id, version_id)
            planned = await self._schedule(tenant_id, Champion(version_id, model), tally)
        return await self._champions.run(
            lambda: _forecast(tally, planned, horizon_days, policy, by, kpis, version_id)
        )

    def _keep(self, key: _Key, made: KpiForecast) -> None:
        """The latest ones, within bounds; this one in any case."""
        self._kept[key] = made
        points = sum(map(_points, self._kept.values()))
        while points > _MOST_POINTS and len(self._kept) > 1:
            points -= _points(self._kept.popitem(last=False)[1])

    async def _schedule(self, tenant_id: int, champion: Champion, tally: Tally) -> Schedule:
        """Planned once for all forecasts by what was known then."""
        key = (tenant_id, champion.version_id, tally.fingerprint)
        kept = self._schedules.recall(key)
        if kept is not None:
            return kept
        made = await schedule(self._database, self._champions, tenant_id, champion, as_of=tally.as_of)
        return self._schedules.keep(key, made)


def _points(forecast: KpiForecast) -> int:
    return sum(1 + len(series.points) for series in forecast.series)


def _forecast(
    tally: Tally,
    planned: Schedule | None,
    horizon_days: int,
    policy: ForecastPolicy,
    by: Sequence[ForecastDimension],
    kpis: Sequence[ForecastKpi],
    version_id: int,
) -> KpiForecast | None:
    try:
        made = outlook.forecast(
            tally,
            horizon_days=horizon_days,
            policy=outlook.Policy(policy.value),
            by=[outlook.Dimension(dimension.value) for dimension in by],
            kpis=[outlook.Kpi(kpi.value) for kpi in kpis],
            schedule=planned,
        )
    except outlook.ForecastError as error:
        if error.argument is None:  # the history allows none: an honest null
            return None
        raise InvalidArgument(str(error), path=(error.argument,)) from error
    return _answer(made, version_id)


def _answer(made: outlook.Forecast, version_id: int) -> KpiForecast:
    return KpiForecast(
        as_of=made.as_of,
        notes=tuple(answers.ForecastNote(note.code, note.message) for note in made.notes),
        model_version_id=version_id,
        series=Lasting(tuple(map(_series, made.series))),
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
