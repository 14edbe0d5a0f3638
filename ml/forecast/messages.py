"""The KPIs of the messages to come, under each policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.forecast.answers import Dimension, Key, Kpi, Policy, Series
from ml.forecast.backtest import Backtest, backtest
from ml.forecast.bands import Bands, Futures, draw_bands, stretched
from ml.forecast.cohorts import Cohorts, Floats
from ml.forecast.draws import Uncertainty, draw_shocks
from ml.forecast.outlook import Grouping, Streams, current_streams, expect, grouping, phase_of_days
from ml.forecast.rates import Rates, estimate_rates
from ml.forecast.recommended import recommended_streams
from ml.forecast.schedule import Schedule
from ml.forecast.series import differences, series_of
from ml.forecast.tally import Tally
from ml.forecast.volume import Volume, forecast_volume

_LIFT_ERROR = 0.2


@dataclass(frozen=True)
class Messages:
    """series: per KPI in the order of the groups. streams, cash: per policy; cash: (D, R, currencies) money collected
    each day in R possible futures, the same ones for every policy.
    """

    series: Mapping[Kpi, Sequence[Series]]
    past: Backtest
    streams: Mapping[Policy, Streams]
    cash: Mapping[Policy, Floats]

    def calls(self) -> float:
        """Calls that RECOMMENDED makes for each that CURRENT makes; 1 where nobody calls."""
        made = {
            policy: float(part.sent[:, [name == "VOICE" for name in part.channels]].sum())
            for policy, part in self.streams.items()
        }
        now = made[Policy.CURRENT]
        return made.get(Policy.RECOMMENDED, now) / now if now > 0 else 1.0


def forecast_messages(
    tally: Tally,
    cohorts: Cohorts,
    *,
    horizon: int,
    policy: Policy,
    by: Sequence[Dimension],
    kpis: Sequence[Kpi],
    schedule: Schedule | None,
    seed: int,
) -> Messages:
    """See `ml.forecast.engine.forecast`; kpis: of messages alone."""
    future = _Future.of(tally, cohorts, horizon)
    streams = {Policy.CURRENT: current_streams(cohorts, future.rates, future.volume)}
    if policy == Policy.RECOMMENDED and schedule is not None:
        streams[policy] = recommended_streams(cohorts, future.rates, future.volume, schedule)
    groups = _grouping(streams, by)
    past = backtest(cohorts, groups, kpis, horizon, seed)
    bands, futures = _drawn(future, streams, groups, kpis, seed)
    days = [cohorts.day(cohorts.days + ahead) for ahead in range(horizon)]
    series = {}
    for kpi in kpis:
        band = stretched(bands[policy][kpi], past.stretch[kpi], kpi)
        if kpi == Kpi.COLLECTED:
            band = _within(band, future.limits(groups).ravel())
        difference = None
        if policy == Policy.RECOMMENDED:
            difference = differences(kpi, futures[policy], futures[Policy.CURRENT], past.stretch[kpi])
        series[kpi] = series_of(kpi, _keys(groups, kpi, cohorts), days, band, difference)
    return Messages(series, past, streams, {name: part.cash for name, part in futures.items()})


def _drawn(
    future: "_Future", streams: Mapping[Policy, Streams], groups: Grouping, kpis: Sequence[Kpi], seed: int
) -> tuple[dict[Policy, dict[Kpi, Bands]], dict[Policy, Futures]]:
    """Bands and futures of every policy, the same shocks befalling all of them."""
    cohorts, horizon = future.cohorts, len(future.phase)
    draws = int(np.clip(60_000 / len(groups.keys), 250, 1000))
    shocks = draw_shocks(
        np.random.default_rng([seed, 0]), draws, horizon, len(groups.keys), len(cohorts.currencies)
    )
    bands, futures = {}, {}
    for index, (name, part) in enumerate(streams.items()):
        outlook = expect(
            part,
            groups,
            phase=future.phase,
            owed=future.owed_by(part.segments),
            depletes=name == Policy.RECOMMENDED,
        )
        lift = _LIFT_ERROR if name == Policy.RECOMMENDED else 0.0
        uncertainty = Uncertainty(
            future.volume.drift, future.volume.scatter, cohorts.variation, future.rates.scatter, lift
        )
        rng = np.random.default_rng([seed, 1 + index])
        bands[name], futures[name] = draw_bands(
            rng, outlook, shocks, uncertainty, kpis, future.limits(groups)
        )
    return bands, futures


def _keys(groups: Grouping, kpi: Kpi, cohorts: Cohorts) -> list[Key]:
    currencies: tuple[str | None, ...] = cohorts.currencies if kpi == Kpi.COLLECTED else (None,)
    return [Key(segment, channel, currency) for segment, channel in groups.keys for currency in currencies]


@dataclass(frozen=True)
class _Future:
    """What does not depend on the policy. owed: segment → (currencies,) still open, zeros for unknown ones."""

    cohorts: Cohorts
    rates: Rates
    volume: Volume
    phase: Floats
    owed: Mapping[str, Floats]

    @classmethod
    def of(cls, tally: Tally, cohorts: Cohorts, horizon: int) -> "_Future":
        until = cohorts.days
        rates = estimate_rates(cohorts, until)
        place = {name: index for index, name in enumerate(cohorts.currencies)}
        owed: dict[str, Floats] = {}
        for segment, currency, balance in tally.owed.select("segment", "currency", "balance").iter_rows():
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
        return np.array([self.owed.get(name, nothing) for name in segments]).reshape(
            len(segments), len(nothing)
        )

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


def _within(bands: Bands, limit: Floats) -> Bands:
    """Bands of money that pass what is owed nowhere. limit: (N,)"""
    return replace(
        bands,
        high=np.minimum(bands.high, np.maximum(limit, bands.mid)),
        total_high=np.minimum(bands.total_high, limit),
    )
