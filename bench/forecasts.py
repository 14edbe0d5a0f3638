"""Forecasts against what came: worlds of different form, cut four weeks and a half before their end.

Goals: nine in ten days inside the 90 % band, whichever KPI, and less pinball loss than a seasonal-naive forecast.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from bench.measuring import Report
from ml.forecast import Dimension, Kpi, Series, forecast
from ml.forecast.backtest import SETTLED_AFTER, actual_values
from ml.forecast.cohorts import Cohorts, Floats, cohorts_of
from ml.forecast.outlook import Grouping, grouping
from ml.frames import History
from ml.simulator import PRESETS, simulate

DEBTORS, SEEDS, HORIZON = 3_000, (1, 2, 3), 28
END = date(2026, 5, 1)
NOW = datetime.combine(END, time(), UTC)
CUT = NOW - timedelta(days=HORIZON + SETTLED_AFTER + 2)


def run(report: Report) -> None:
    """Forecast every world, as a whole and by channel, and hold the bands against what came."""
    hits: dict[Kpi, list[bool]] = {kpi: [] for kpi in Kpi}
    ratios: dict[Kpi, list[float]] = {kpi: [] for kpi in Kpi}
    for name, spec in PRESETS.items():
        inside: list[bool] = []
        for seed in SEEDS:
            facts = simulate(DEBTORS, seed, END, spec).facts
            then, now = (History.from_facts(facts, as_of=instant) for instant in (CUT, NOW))
            for dimensions in ([], [Dimension.CHANNEL]):
                made = forecast(None, then, horizon_days=HORIZON, by=dimensions, seed=seed)
                for series, came in _with_outcomes(made.series, now, by_channel=bool(dimensions)):
                    found = list(_inside(series, came))
                    hits[series.kpi] += found
                    inside += found
                for row in made.backtest:
                    ratios[row.kpi].append(row.pinball_loss / row.baseline_pinball_loss)
        report.note(f"{name}: days inside the 90 % band", float(np.mean(inside)))
    for kpi in Kpi:
        report.goal(f"{kpi}: share of days inside the 90 % band", float(np.mean(hits[kpi])), at_least=0.87)
        report.goal(f"{kpi}: pinball loss ÷ seasonal-naive's", float(np.mean(ratios[kpi])), at_most=1.0)


def _with_outcomes(
    series: Sequence[Series], now: History, *, by_channel: bool
) -> Iterator[tuple[Series, Floats]]:
    cohorts = cohorts_of(now)
    if cohorts is None:
        return
    groups = grouping(cohorts.segments, cohorts.channels, by_segment=False, by_channel=by_channel)
    start = (CUT.date() - cohorts.first_day).days
    for one in series:
        yield (
            one,
            actual_values(cohorts, groups, one.kpi)[start : start + HORIZON, _column(one, cohorts, groups)],
        )


def _column(series: Series, cohorts: Cohorts, groups: Grouping) -> int:
    group = groups.keys.index((series.key.segment, series.key.channel))
    if series.key.currency is None:
        return group
    return group * len(cohorts.currencies) + cohorts.currencies.index(series.key.currency)


def _inside(series: Series, came: Floats) -> Iterator[bool]:
    for point, value in zip(series.points, came, strict=True):
        low, high = point.quantiles.p05, point.quantiles.p95
        if low is not None and high is not None and not np.isnan(value):
            yield bool(low <= value <= high)
