"""How forecasts made on earlier days did: rolling origins over the history, bands stretched by the origins
before each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ml.forecast.answers import BacktestRow, Kpi
from ml.forecast.bands import (
    NOMINAL_COVERAGE,
    UNPROVEN,
    Bands,
    Futures,
    Scores,
    Stretch,
    draw_bands,
    measure,
    stretched,
    stretched_atoms,
)
from ml.forecast.cohorts import Cohorts, Floats, Ints
from ml.forecast.draws import LEVELS, Uncertainty, draw_shocks
from ml.forecast.losses import ATOMS, crps, midpoints, pinball
from ml.forecast.outlook import Grouping, current_streams, expect, phase_of_days
from ml.forecast.rates import estimate_rates
from ml.forecast.volume import drift_before, forecast_volume, observed_days
from ml.forecast.waits import medians_of

SETTLED_AFTER = 14
"""Days after which nearly all outcomes of a message that will be attributed have been."""
_FIRST_ORIGIN, _STEP, _LONGEST = 28, 7, 28
_LATEST, _BROKEN = 3, 0.5
_RISEN = 2.0


@dataclass(frozen=True)
class Backtest:
    """rows: one per KPI that could be checked; stretch: per KPI, for bands of the same kind. origins: how
    many. broken: KPIs of which so much lies outside what was learned before that it tells nothing any more; their
    stretch is that of the latest days alone.
    """

    rows: tuple[BacktestRow, ...]
    stretch: Mapping[Kpi, Stretch]
    origins: int
    broken: tuple[Kpi, ...] = ()


@dataclass
class _Record:
    days: Scores = field(default_factory=Scores)
    totals: Scores = field(default_factory=Scores)
    hits: list[Floats] = field(default_factory=list)
    losses: list[Floats] = field(default_factory=list)
    naive: list[Floats] = field(default_factory=list)
    scores: list[Floats] = field(default_factory=list)
    naive_scores: list[Floats] = field(default_factory=list)
    narrows: bool = True
    """False where bands are judged that are wider than they were: that those hold too much is no reason to narrow."""

    @property
    def broken(self) -> bool:
        """Whether most of what came lately lies outside bands stretched by what came before, no day of which lies in
        both.
        """
        latest = self.days.of_additions(-_LATEST, None)
        moves = self.days.of_additions(None, -_LATEST - _LONGEST // _STEP).stretch()
        return moves is not None and latest.outside(moves) > _BROKEN

    def stretch(self) -> Stretch:
        """By all that has been seen so far; once bands broke, by what has been seen since.

        Spans of four weeks that begin a week apart share most of their days, so even many totals are few: their bands
        are never narrowed, and while there are too few for a quantile they hold all that came.
        """
        days = (self.days.of_additions(-_LATEST, None) if self.broken else self.days).stretch() or (
            UNPROVEN,
            UNPROVEN,
        )
        if not self.narrows:
            days = max(days[0], 0.0), max(days[1], 0.0)
        total = self.totals.stretch()
        if total is None or self.broken:
            seen = total or self.totals.furthest()
            total = max(seen[0], days[0]), max(seen[1], days[1])
        return Stretch(days, (max(total[0], 0.0), max(total[1], 0.0)))


def backtest(
    cohorts: Cohorts,
    groups: Grouping,
    kpis: Sequence[Kpi],
    horizon: int,
    seed: int,
    settled_after: int = SETTLED_AFTER,
) -> Backtest:
    """Forecasts as sent from up to ten earlier days, each at least four weeks in, a week apart, judged when
    settled.
    """
    horizon = min(horizon, _LONGEST)
    last = cohorts.days - settled_after - horizon
    most = 10 if len(groups.keys) <= 50 else 6
    origins = list(range(last, _FIRST_ORIGIN - 1, -_STEP))[:most][::-1]
    actual = {kpi: actual_values(cohorts, groups, kpi).copy() for kpi in kpis}
    silent = observed_days(cohorts.sent) == 0
    for values in actual.values():
        values[silent] = np.nan  # a gap is left out of what is learned, so of what is judged as well
    totals = {kpi: total_values(cohorts, groups, kpi, origins, horizon) for kpi in kpis}
    records: dict[Kpi, _Record] = {kpi: _Record() for kpi in kpis}
    wander = _risen_drift(cohorts, origins)
    for kpi, record in records.items():
        record.narrows = wander == 0 or kpi not in (Kpi.SENT, Kpi.COLLECTED)
    for place, origin in enumerate(origins):
        bands, futures = bands_from(cohorts, groups, kpis, origin, horizon, seed, wander=wander)
        for kpi, record in records.items():
            came, whole = actual[kpi][origin : origin + horizon], totals[kpi][place]
            unit = _scale(kpi, actual[kpi][:origin], len(cohorts.currencies))
            _judge(record, bands[kpi], futures.days[kpi], kpi, came, actual[kpi][:origin], unit)
            record.days.add(bands[kpi].low, bands[kpi].high, came)
            if not silent[origin : origin + horizon].any():
                record.totals.add(bands[kpi].total_low, bands[kpi].total_high, whole)
    rows = [_row(kpi, record) for kpi, record in records.items()]
    return Backtest(
        tuple(row for row in rows if row is not None),
        {kpi: record.stretch() for kpi, record in records.items()},
        len(origins),
        tuple(kpi for kpi, record in records.items() if record.broken),
    )


def _risen_drift(cohorts: Cohorts, origins: Sequence[int]) -> float:
    """The drift of volume of now where it is far above that at the origins, else 0.

    After the level has shifted bands are wide by themselves. Held against bands as wide, what came says whether they
    have to be wider still; against those of before, each of which it lies many half-widths outside, they would be drawn
    out of all proportion.
    """
    now = drift_before(cohorts, cohorts.days)
    before = [drift_before(cohorts, origin) for origin in origins]
    return now if before and now > _RISEN * float(np.median(before)) else 0.0


def bands_from(
    cohorts: Cohorts,
    groups: Grouping,
    kpis: Sequence[Kpi],
    origin: int,
    horizon: int,
    seed: int,
    draws: int | None = None,
    wander: float = 0.0,
) -> tuple[dict[Kpi, Bands], Futures]:
    """Bands of the days from `origin` on, by what was known before it, not stretched, and the futures behind them.
    draws: default by their cost. wander: the least drift of the volume.
    """
    rates, volume = estimate_rates(cohorts, origin), forecast_volume(cohorts, origin, horizon)
    outlook = expect(
        current_streams(cohorts, rates, volume), groups, phase=phase_of_days(cohorts, rates, origin, horizon)
    )
    rng = np.random.default_rng([seed, origin])
    draws = draws or int(np.clip(20_000 / len(groups.keys), 80, 200))
    shocks = draw_shocks(rng, draws, horizon, len(groups.keys), len(cohorts.currencies))
    drift = max(volume.drift, wander)
    uncertainty = Uncertainty(drift, volume.scatter, cohorts.variation, rates.scatter)
    return draw_bands(rng, outlook, shocks, uncertainty, kpis)


def _judge(
    record: _Record, bands: Bands, atoms: Floats, kpi: Kpi, came: Floats, before: Floats, unit: Floats
) -> None:
    """Adds hits and losses, in `unit`s (N,), of bands and the values behind them, stretched by the origins seen before
    this one.
    """
    shown = stretched(bands, record.stretch(), kpi)
    unit = np.broadcast_to(unit, came.shape)
    known = ~(np.isnan(came) | np.isnan(shown.low) | np.isnan(shown.high) | np.isnan(unit))
    came, scale = came[known], unit[known]
    record.hits.append(((shown.low[known] <= came) & (came <= shown.high[known])).astype(np.float64))
    ends = np.stack([shown.low, shown.mid, shown.high])
    record.losses.append(pinball(ends[:, known], came) / scale)
    record.scores.append(crps(stretched_atoms(atoms, bands, shown, kpi)[:, known], came) / scale)
    naive, naive_atoms = seasonal_naive(before, len(known)), seasonal_naive_atoms(before, len(known))
    record.naive.append(pinball(naive[:, known], came) / scale)
    record.naive_scores.append(crps(naive_atoms[:, known], came) / scale)


def _scale(kpi: Kpi, before: Floats, currencies: int) -> Floats:
    """(N,) Money is judged as a share of what is collected in its currency on an average day, so that
    currencies are never added. N is 0 where there is no currency.
    """
    if kpi != Kpi.COLLECTED or not currencies:
        return np.ones(before.shape[1])
    whole = before.mean(axis=0).reshape(-1, currencies).sum(axis=0)
    return np.tile(np.where(whole > 0, whole, np.nan), before.shape[1] // currencies)


def seasonal_naive(before: Floats, horizon: int) -> Floats:
    """(3, horizon, N) quantiles: the same weekday's latest value, plus the quantiles of how that has failed."""
    mid, errors = _repeated(before, horizon)
    low, high = np.quantile(errors, [LEVELS[0], LEVELS[-1]], axis=0)
    return np.stack([np.maximum(mid + low, 0.0), mid, mid + high])


def seasonal_naive_atoms(before: Floats, horizon: int) -> Floats:
    """(`ATOMS`, horizon, N) the same as equally likely values, ascending."""
    mid, errors = _repeated(before, horizon)
    return np.maximum(mid + np.quantile(errors, midpoints(ATOMS), axis=0)[:, None], 0.0)


def _repeated(before: Floats, horizon: int) -> tuple[Floats, Floats]:
    """(horizon, N) each weekday's latest value, (at most 56, N) errors of having done so on the latest days."""
    filled = np.nan_to_num(before)
    source = len(before) - 7 + np.arange(horizon) % 7
    return filled[source], (filled[7:] - filled[:-7])[-56:]


def _row(kpi: Kpi, record: _Record) -> BacktestRow | None:
    """None when no day could be judged. The first origin only teaches: its bands had nothing to learn from."""
    hits = record.hits[1:] or record.hits
    if not hits or sum(len(part) for part in hits) == 0:
        return None
    skip = 1 if len(record.hits) > 1 else 0
    return BacktestRow(
        kpi=kpi,
        nominal_coverage=NOMINAL_COVERAGE,
        coverage=float(np.concatenate(hits).mean()),
        pinball_loss=float(np.concatenate(record.losses[skip:]).mean()),
        baseline_pinball_loss=float(np.concatenate(record.naive[skip:]).mean()),
        crps=float(np.concatenate(record.scores[skip:]).mean()),
        baseline_crps=float(np.concatenate(record.naive_scores[skip:]).mean()),
        days=int(sum(len(part) for part in hits)),
    )


def actual_values(cohorts: Cohorts, groups: Grouping, kpi: Kpi) -> Floats:
    """(days, N) the KPI of each day's messages, by all that is known now."""
    if kpi == Kpi.SENT_TO_OPEN_P50:
        days = cohorts.waits.day
        return _medians(cohorts, groups, days, np.ones(len(days), dtype=bool), cohorts.days)
    return measure(kpi, *_grouped(cohorts, groups))


def total_values(cohorts: Cohorts, groups: Grouping, kpi: Kpi, starts: Sequence[int], horizon: int) -> Floats:
    """(len(starts), N) the KPI over the `horizon` days from each start on, by all that is known now."""
    if kpi == Kpi.SENT_TO_OPEN_P50:
        day = cohorts.waits.day
        spans = [
            _medians(cohorts, groups, np.zeros_like(day), (day >= start) & (day < start + horizon), 1)
            for start in starts
        ]
        return np.concatenate([np.zeros((0, len(groups.keys))), *spans])
    sent, steps, money = _grouped(cohorts, groups)

    def ahead(values: Floats) -> Floats:
        running = np.concatenate([np.zeros_like(values[:1]), values.cumsum(axis=0)])
        first = np.array(starts, dtype=np.int64)
        return np.asarray(running[np.minimum(first + horizon, len(values))] - running[first])

    return measure(kpi, ahead(sent), {name: ahead(part) for name, part in steps.items()}, ahead(money))


def _medians(cohorts: Cohorts, groups: Grouping, row: Ints, rows_in: NDArray[np.bool_], rows: int) -> Floats:
    """(rows, G) exact medians of the waits `rows_in`, each counted in its `row`."""
    group = groups.of(cohorts.segments, cohorts.channels)[cohorts.waits.cell[rows_in]]
    count = len(groups.keys)
    key = row[rows_in] * count + group
    return medians_of(cohorts.waits.seconds[rows_in], key, rows * count).reshape(rows, count)


def _grouped(cohorts: Cohorts, groups: Grouping) -> tuple[Floats, dict[str, Floats], Floats]:
    group = groups.of(cohorts.segments, cohorts.channels)
    onto = np.zeros((cohorts.cells, len(groups.keys)))
    onto[np.arange(cohorts.cells), group] = 1.0
    steps = {"delivered": cohorts.delivered @ onto}
    for name, outcome in cohorts.outcomes.items():
        steps[name] = outcome.by_day(cohorts.days, cohorts.cells) @ onto
    paid = np.zeros((cohorts.days, len(groups.keys), len(cohorts.currencies)))
    for column, part in enumerate(cohorts.money.values()):
        paid[:, :, column] = part.by_day(cohorts.days, cohorts.cells) @ onto
    return cohorts.sent @ onto, steps, paid
