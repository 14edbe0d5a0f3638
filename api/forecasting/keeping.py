"""The worker's keeper of forecasts: each day's is kept and held against what came; a model whose forecasts have stopped
holding is flagged.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from time import monotonic

from api.forecasting.counting import count
from api.jobs.rounds import TenantRounds
from domain.storage.kept_forecasts import (
    KeptForecast,
    differing_days,
    forget_forecasts,
    keep_forecasts,
    kept_on,
    record_actuals,
    record_drift,
    settled_forecasts,
)
from domain.storage.models import champion
from domain.storage.sessions import Database
from ml.forecast import ForecastError, Series, Tally, forecast
from ml.forecast.actuals import settled_values
from ml.forecast.drift import Judged, drift_of

logger = logging.getLogger("dunwell.forecasts")

HORIZON_DAYS = 28
_KEPT_FOR = timedelta(days=400)
_LOOK_SECONDS = 60.0
#: By then what was imported in the morning is there, in the Americas too; before it, yesterday would be missing.
_KEPT_FROM_HOUR = 18


class ForecastKeeper(TenantRounds):
    """Once a day and tenant, from the evening on, as sent lately and in total; without a champion it waits for one."""

    name = "forecast-keeper"

    def __init__(
        self, url: str, folder: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """folder: where parts of histories lie for a moment."""
        super().__init__(url)
        self._folder = folder
        self._clock = clock
        self._looked: dict[int, date] = {}
        self._look_again = 0.0

    async def tenants_to_do(self, database: Database) -> Sequence[int]:
        """All of them, once a minute: what waits for a day to begin stands in no table."""
        if monotonic() < self._look_again:
            return ()
        self._look_again = monotonic() + _LOOK_SECONDS
        return await database.tenant_ids()

    async def take_turn(self, database: Database, tenant_id: int) -> int:
        """Keep today's forecast of the tenant, unless that has been done or tried."""
        now = self._clock().astimezone(UTC)
        today = now.date()
        if now.hour < _KEPT_FROM_HOUR or self._looked.get(tenant_id) == today:
            return 0
        async with database.transaction(tenant_id) as connection:
            version = await champion(connection, tenant_id)
            if version is None:
                return 0
            done = await kept_on(connection, tenant_id, today)
        # However it goes: what fails once would fail every second until tomorrow.
        self._looked[tenant_id] = today
        if done:
            return 0
        as_of = datetime.combine(today, time(), UTC)
        tally = await count(database, tenant_id, as_of=as_of, folder=self._folder)
        await keep_day(database, tenant_id, version.id, tally)
        return 1


async def keep_day(database: Database, tenant_id: int, version_id: int, tally: Tally) -> None:
    """Keep the forecast made at `tally.as_of`, write down what came of earlier ones, and judge the model version.

    Repeating it changes nothing.
    """
    today = tally.as_of.astimezone(UTC).date()
    try:
        made = await asyncio.to_thread(forecast, tally, horizon_days=HORIZON_DAYS)
    except ForecastError as error:  # nothing was ever sent
        logger.info("no forecast to keep for tenant %d: %s", tenant_id, error.code)
        return
    values = await asyncio.to_thread(settled_values, tally)
    async with database.transaction(tenant_id) as connection:
        await keep_forecasts(connection, tenant_id, version_id, _kept(made.series, today))
        came = {
            (kpi.value, currency, day): value
            for (kpi, currency), of_days in values.items()
            for day, value in of_days.items()
        }
        changed = await differing_days(connection, tenant_id, came)
        await record_actuals(connection, tenant_id, {day: came[day] for day in changed})
        await forget_forecasts(connection, tenant_id, before=today - _KEPT_FOR)
        found = drift_of(_judged(await settled_forecasts(connection, tenant_id, version_id)))
        if found:
            drift = {
                "flagged": any(one.drifted for one in found),
                "judged_at": tally.as_of.isoformat(),
                "rows": [asdict(one) for one in found],
            }
            await record_drift(connection, tenant_id, version_id, drift)


def _kept(series: Iterable[Series], today: date) -> list[KeptForecast]:
    return [
        KeptForecast(today, one.kpi.value, one.key.currency, point.day, low, middle, high)
        for one in series
        for point in one.points
        for low, middle, high in [(point.quantiles.p05, point.quantiles.p50, point.quantiles.p95)]
        if low is not None and middle is not None and high is not None
    ]


def _judged(settled: Iterable[KeptForecast]) -> list[Judged]:
    return [
        Judged(one.kpi, one.currency, one.made_on, one.day, one.p05, one.p95, one.actual)
        for one in settled
        if one.actual is not None
    ]
