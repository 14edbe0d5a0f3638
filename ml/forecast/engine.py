"""Forecasting the KPIs of the coming days, as sent lately and as recommended."""

from collections.abc import Sequence

from ml.forecast.answers import MESSAGE_KPIS, BacktestRow, Dimension, Forecast, ForecastError, Kpi, Policy
from ml.forecast.books import forecast_dso
from ml.forecast.cohorts import LONGEST_HORIZON, cohorts_of
from ml.forecast.messages import forecast_messages
from ml.forecast.notes import message_notes
from ml.forecast.promises import forecast_promises
from ml.forecast.schedule import Schedule
from ml.forecast.series import Part
from ml.forecast.tally import Tally


def backtest_rows(tally: Tally) -> Sequence[BacktestRow]:
    """How forecasts four weeks ahead, in total and as sent lately, did on past days; none when nothing was sent."""
    try:
        return forecast(tally, horizon_days=28).backtest
    except ForecastError:
        return ()


def forecast(
    tally: Tally,
    *,
    horizon_days: int,
    policy: Policy = Policy.CURRENT,
    by: Sequence[Dimension] = (),
    kpis: Sequence[Kpi] | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
) -> Forecast:
    """The KPIs of kpis.md for each of the `horizon_days` UTC days after the last whole one, and for all of them.

    by: PROMISES_KEPT_RATE and DSO are forecast in total whatever it says. kpis: default all of `Kpi`. schedule: where
    the volume of each segment goes under RECOMMENDED.

    Raises ForecastError: HORIZON_OUT_OF_RANGE, NO_HISTORY, NO_RECOMMENDATIONS.
    """
    if not 1 <= horizon_days <= LONGEST_HORIZON:
        message = f"a horizon of {horizon_days} days cannot be forecast; ask for 1 to {LONGEST_HORIZON}"
        raise ForecastError("HORIZON_OUT_OF_RANGE", message, "horizonDays")
    cohorts = cohorts_of(tally)
    if cohorts is None:
        raise ForecastError(
            "NO_HISTORY", "nothing has been sent before this instant, so nothing can be forecast"
        )
    if policy == Policy.RECOMMENDED and schedule is None:
        raise ForecastError("NO_RECOMMENDATIONS", "no champion model has recommended anything yet", "policy")
    kpis = tuple(dict.fromkeys(kpis)) if kpis is not None else tuple(Kpi)
    messages = forecast_messages(
        tally,
        cohorts,
        horizon=horizon_days,
        policy=policy,
        by=by,
        kpis=[kpi for kpi in kpis if kpi in MESSAGE_KPIS],
        schedule=schedule,
        seed=seed,
    )
    days = [cohorts.day(cohorts.days + ahead) for ahead in range(horizon_days)]
    parts = [Part(messages.series, messages.past.rows, message_notes(cohorts, messages, policy))]
    if Kpi.PROMISES_KEPT_RATE in kpis:
        parts.append(forecast_promises(tally, days, policy, messages.calls(), seed))
    if Kpi.DSO in kpis:
        parts.append(forecast_dso(tally.finance, days, cohorts.currencies, messages.cash, policy, seed))
    found = {kpi: series for part in parts for kpi, series in part.series.items()}
    return Forecast(
        tally.as_of,
        [one for kpi in kpis for one in found[kpi]],
        [row for part in parts for row in part.rows],
        [note for part in parts for note in part.notes],
    )
