"""Forecasting the KPIs of the coming days, as sent lately and as recommended."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from ml.forecast.answers import MESSAGE_KPIS, BacktestRow, Dimension, Forecast, ForecastError, Kpi, Policy
from ml.forecast.books import forecast_dso
from ml.forecast.cohorts import LONGEST_HORIZON, cohorts_of
from ml.forecast.expectations import Predictor
from ml.forecast.messages import forecast_messages
from ml.forecast.notes import message_notes
from ml.forecast.promises import forecast_promises
from ml.forecast.series import Part
from ml.frames import History


def backtest_rows(history: History) -> Sequence[BacktestRow]:
    """How forecasts four weeks ahead, in total and as sent lately, did on a history; none when nothing was sent."""
    try:
        return forecast(None, history, horizon_days=28).backtest
    except ForecastError:
        return ()


def forecast(
    model: Predictor | None,
    history: History,
    *,
    horizon_days: int,
    as_of: datetime | None = None,
    policy: Policy = Policy.CURRENT,
    by: Sequence[Dimension] = (),
    kpis: Sequence[Kpi] | None = None,
    recommendations: pl.DataFrame | None = None,
    seed: int = 0,
) -> Forecast:
    """The KPIs of kpis.md for each of the `horizon_days` UTC days after the last whole one, and for all of them.

    model: says how a recommended action differs from what is sent lately; None: by its channel alone. as_of: earlier
    than the history's, forgets what came later. by: PROMISES_KEPT_RATE and DSO are forecast in total whatever it says.
    kpis: default all of `Kpi`. recommendations: segment, channel (null: leave alone), hour_of_week, and optionally
    share (of the segment's volume): where the volume of a segment goes under RECOMMENDED; segments left out go on as
    they do.

    Raises ForecastError: HORIZON_OUT_OF_RANGE, NO_HISTORY, NO_RECOMMENDATIONS.
    """
    if not 1 <= horizon_days <= LONGEST_HORIZON:
        message = f"a horizon of {horizon_days} days cannot be forecast; ask for 1 to {LONGEST_HORIZON}"
        raise ForecastError("HORIZON_OUT_OF_RANGE", message, "horizonDays")
    if as_of is not None and as_of < history.as_of:
        history = history.known_at(as_of)
    cohorts = cohorts_of(history)
    if cohorts is None:
        raise ForecastError(
            "NO_HISTORY", "nothing has been sent before this instant, so nothing can be forecast"
        )
    if policy == Policy.RECOMMENDED and recommendations is None:
        raise ForecastError("NO_RECOMMENDATIONS", "no champion model has recommended anything yet", "policy")
    kpis = tuple(dict.fromkeys(kpis)) if kpis is not None else tuple(Kpi)
    messages = forecast_messages(
        model,
        history,
        cohorts,
        horizon=horizon_days,
        policy=policy,
        by=by,
        kpis=[kpi for kpi in kpis if kpi in MESSAGE_KPIS],
        recommendations=recommendations,
        seed=seed,
    )
    days = [cohorts.day(cohorts.days + ahead) for ahead in range(horizon_days)]
    parts = [Part(messages.series, messages.past.rows, message_notes(cohorts, messages, policy))]
    if Kpi.PROMISES_KEPT_RATE in kpis:
        parts.append(forecast_promises(history, days, policy, messages.calls(), seed))
    if Kpi.DSO in kpis:
        parts.append(forecast_dso(history, days, cohorts.currencies, messages.cash, policy, seed))
    found = {kpi: series for part in parts for kpi, series in part.series.items()}
    return Forecast(
        history.as_of,
        [one for kpi in kpis for one in found[kpi]],
        [row for part in parts for row in part.rows],
        [note for part in parts for note in part.notes],
    )
