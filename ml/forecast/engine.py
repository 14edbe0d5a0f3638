"""Forecasting the message KPIs of the coming days, as sent lately and as recommended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import polars as pl

from ml.forecast.answers import (
    UNITS,
    Dimension,
    Forecast,
    ForecastError,
    Key,
    Kpi,
    Note,
    Point,
    Policy,
    Quantiles,
    Series,
)
from ml.forecast.backtest import Backtest, backtest
from ml.forecast.bands import Bands, Stretch, draw_bands, measure, quantiles, stretched
from ml.forecast.cohorts import Cohorts, Floats, cohorts_of, open_balances
from ml.forecast.draws import Drawn, Uncertainty, draw_shocks
from ml.forecast.expectations import Expectations, Predictor, expectations
from ml.forecast.outlook import Grouping, Outlook, Streams, current_streams, expect, grouping, phase_of_days
from ml.forecast.rates import Rates, estimate_rates
from ml.forecast.recommended import recommended_streams
from ml.forecast.volume import GAP_DAYS, Volume, forecast_volume, observed_days
from ml.frames import History

LONGEST_HORIZON = 90
_LIFT_ERROR = 0.2
_ENOUGH_ORIGINS = 3


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
    """The KPIs of kpis.md for the messages sent on each of the `horizon_days` UTC days after the last whole one.

    model: says how a recommended action differs from what is sent lately; None: by its channel alone. as_of: earlier
    than the history's, forgets what came later. kpis: default all of `Kpi`. recommendations: segment, channel (null:
    leave alone), hour_of_week, and optionally share (of the segment's volume): where the volume of a segment goes
    under RECOMMENDED; segments left out go on as they do.

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
    future = _Future.of(history, cohorts, horizon_days)
    streams = {Policy.CURRENT: current_streams(cohorts, future.rates, future.volume)}
    if policy == Policy.RECOMMENDED and recommendations is not None:
        streams[policy] = _recommended(model, history, future, recommendations, seed)
    groups = _grouping(streams, by)
    past = backtest(cohorts, groups, kpis, horizon_days, seed)
    series = _all_series(future, streams, groups, policy, kpis, past, seed)
    return Forecast(history.as_of, series, past.rows, _notes(cohorts, past, streams, policy))


def _recommended(
    model: Predictor | None, history: History, future: "_Future", recommendations: pl.DataFrame, seed: int
) -> Streams:
    named = recommendations.filter(pl.col("channel").is_not_null())
    slots = list(named.select("segment", "channel", "hour_of_week").iter_rows())
    expected = Expectations({}) if model is None else expectations(model, history, slots, seed)
    return recommended_streams(
        history, future.cohorts, future.rates, future.volume, expected, recommendations
    )


@dataclass(frozen=True)
class _Future:
    """What does not depend on the policy. owed: segment → (currencies,) still open, zeros for unknown ones."""

    cohorts: Cohorts
    rates: Rates
    volume: Volume
    phase: Floats
    owed: Mapping[str, Floats]

    @classmethod
    def of(cls, history: History, cohorts: Cohorts, horizon: int) -> "_Future":
        until = cohorts.days
        rates = estimate_rates(cohorts, until)
        place = {name: index for index, name in enumerate(cohorts.currencies)}
        owed: dict[str, Floats] = {}
        for segment, currency, balance in open_balances(history).iter_rows():
            owed.setdefault(segment, np.zeros(len(place)))[place[currency]] += balance
        return cls(
            cohorts,
            rates,
            forecast_volume(cohorts, until, horizon),
            phase_of_days(cohorts, rates, until, horizon),
            owed,
        )

    def owed_by(self, segments: Sequence[str]) -> Floats:
        """(len(segments), currencies)."""
        nothing = np.zeros(len(self.cohorts.currencies))
        return np.array([self.owed.get(name, nothing) for name in segments]).reshape(-1, len(nothing))

    def limits(self, groups: Grouping) -> Floats:
        """(G, currencies) that a group can never pass: its segment's balances, or all."""
        everything = (
            np.sum(list(self.owed.values()), axis=0) if self.owed else np.zeros(len(self.cohorts.currencies))
        )
        return np.stack(
            [everything if segment is None else self.owed_by([segment])[0] for segment, _ in groups.keys]
        )


def _grouping(streams: Mapping[Policy, Streams], by: Sequence[Dimension]) -> Grouping:
    segments = [name for part in streams.values() for name in part.segments]
    channels = [name for part in streams.values() for name in part.channels]
    return grouping(
        segments, channels, by_segment=Dimension.SEGMENT in by, by_channel=Dimension.CHANNEL in by
    )


def _all_series(
    future: _Future,
    streams: Mapping[Policy, Streams],
    groups: Grouping,
    policy: Policy,
    kpis: Sequence[Kpi],
    past: Backtest,
    seed: int,
) -> list[Series]:
    cohorts, horizon = future.cohorts, len(future.phase)
    draws = int(np.clip(60_000 / len(groups.keys), 250, 1000))
    shocks = draw_shocks(
        np.random.default_rng([seed, 0]), draws, horizon, len(groups.keys), len(cohorts.currencies)
    )
    outlooks = {
        name: expect(
            part,
            groups,
            phase=future.phase,
            owed=future.owed_by(part.segments),
            depletes=name == Policy.RECOMMENDED,
        )
        for name, part in streams.items()
    }
    bands, totals = {}, {}
    for index, name in enumerate(streams):
        lift = _LIFT_ERROR if name == Policy.RECOMMENDED else 0.0
        uncertainty = Uncertainty(future.volume.drift, future.volume.scatter, cohorts.variation, lift)
        rng = np.random.default_rng([seed, 1 + index])
        bands[name], totals[name] = draw_bands(
            rng, outlooks[name], shocks, uncertainty, kpis, future.limits(groups)
        )
    series = []
    for kpi in kpis:
        shown = stretched(bands[policy][kpi], past.stretch[kpi], kpi)
        if kpi == Kpi.COLLECTED:
            shown = _within(shown, future.limits(groups).ravel())
        difference = None
        if policy == Policy.RECOMMENDED:
            difference = _differences(kpi, outlooks, totals, past.stretch[kpi])
        series += _series_of(kpi, shown, difference, groups, cohorts)
    return series


def _within(bands: Bands, limit: Floats) -> Bands:
    """Bands of money that pass what is owed nowhere. limit: (N,)"""
    return replace(
        bands,
        high=np.minimum(bands.high, np.maximum(limit, bands.mid)),
        total_high=np.minimum(bands.total_high, limit),
    )


def _differences(
    kpi: Kpi, outlooks: Mapping[Policy, Outlook], totals: Mapping[Policy, Drawn], stretch: Stretch
) -> tuple[Floats, Floats, Floats]:
    """(N,) low, middle, high of RECOMMENDED minus CURRENT over all days, future by future."""
    drawn = {name: measure(kpi, part.sent, part.steps, part.money) for name, part in totals.items()}
    mid = {}
    for name, part in outlooks.items():
        steps = {step: counts.sum(axis=0) for step, counts in part.steps.items()}
        mid[name] = measure(kpi, part.sent.sum(axis=0), steps, part.money.sum(axis=0))
    low, high = quantiles(drawn[Policy.RECOMMENDED] - drawn[Policy.CURRENT])
    middle = mid[Policy.RECOMMENDED] - mid[Policy.CURRENT]
    half = (high - low) / 2
    low, high = low - max(stretch.total[0], 0.0) * half, high + max(stretch.total[1], 0.0) * half
    return np.minimum(low, middle), middle, np.maximum(high, middle)


def _series_of(
    kpi: Kpi,
    bands: Bands,
    difference: tuple[Floats, Floats, Floats] | None,
    groups: Grouping,
    cohorts: Cohorts,
) -> list[Series]:
    days = [cohorts.day(cohorts.days + ahead) for ahead in range(len(bands.mid))]
    currencies: tuple[str | None, ...] = cohorts.currencies if kpi == Kpi.COLLECTED else (None,)
    keys = [Key(segment, channel, currency) for segment, channel in groups.keys for currency in currencies]
    return [
        Series(
            kpi=kpi,
            unit=UNITS[kpi],
            key=key,
            points=_points(days, bands, place),
            total=_quantiles(bands.total_low[place], bands.total_mid[place], bands.total_high[place]),
            difference=None if difference is None else _quantiles(*(part[place] for part in difference)),
        )
        for place, key in enumerate(keys)
    ]


def _points(days: Sequence[date], bands: Bands, place: int) -> tuple[Point, ...]:
    return tuple(
        Point(day, _quantiles(bands.low[row, place], bands.mid[row, place], bands.high[row, place]))
        for row, day in enumerate(days)
    )


def _quantiles(low: float, middle: float, high: float) -> Quantiles:
    if np.isnan(low) or np.isnan(middle) or np.isnan(high):
        return Quantiles(None, None, None)
    return Quantiles(float(low), float(middle), float(high))


def _notes(cohorts: Cohorts, past: Backtest, streams: Mapping[Policy, Streams], policy: Policy) -> list[Note]:
    notes = []
    if past.origins < _ENOUGH_ORIGINS:
        message = "The history is too short to check such forecasts on it, so the intervals are widened."
        notes.append(Note("SHORT_HISTORY", message))
    if streams[Policy.CURRENT].sent.sum() == 0:
        notes.append(Note("STOPPED_SENDING", f"Nothing was sent in the last {4 * GAP_DAYS} days."))
    elif (observed_days(cohorts.sent) == 0).any():
        message = f"There are {GAP_DAYS} days or more in a row without any message; they are left out."
        notes.append(Note("GAP_IN_HISTORY", message))
    if policy == Policy.RECOMMENDED and streams[policy].sent.sum() == 0:
        notes.append(Note("NOTHING_RECOMMENDED", "The recommendation is to leave every segment alone."))
    return notes
