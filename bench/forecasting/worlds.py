"""Rolling origins on simulated worlds of different form: every KPI, in total and by channel."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from bench.forecasting.baselines import auto_ets, repeat_the_week
from bench.forecasting.scoring import Tally, ends_of
from ml.forecast import Dimension, Kpi, Series, Unit, forecast, tally_of
from ml.forecast.backtest import actual_values
from ml.forecast.books import books_of, following, last_whole_month
from ml.forecast.cohorts import Cohorts, Floats, cohorts_of
from ml.forecast.outlook import grouping
from ml.forecast.promises import promise_cohorts
from ml.frames import Facts, History
from ml.simulator import PRESETS, simulate

DEBTORS, SEEDS, HORIZON = 2_000, (11, 12), 28
END = date(2026, 5, 1)
_SETTLING, _ORIGINS = 31, 3


def score_worlds() -> dict[str, dict[Kpi, Tally]]:
    """ "total" and "by channel" → KPI → its tally, over every world, seed and origin."""
    tallies = {name: {kpi: Tally() for kpi in Kpi} for name in ("total", "by channel")}
    for number, (name, spec) in enumerate(PRESETS.items()):
        for seed in SEEDS:
            made = simulate(DEBTORS, seed, END, replace(spec, days=230))
            for origin in range(_ORIGINS):
                wanted = ("total", "by channel") if seed == SEEDS[0] else ("total",)
                rng = np.random.default_rng([number, seed, origin])
                _score(made.facts, origin, rng, {name: tallies[name] for name in wanted})
        print(f"    {name}", flush=True)
    return tallies


def _score(facts: Facts, origin: int, rng: np.random.Generator, tallies: dict[str, dict[Kpi, Tally]]) -> None:
    now = datetime.combine(END, time(), UTC)
    cut = now - timedelta(days=_SETTLING + HORIZON * (_ORIGINS - origin))
    then, known = (History.from_facts(facts, as_of=instant) for instant in (cut, now))
    for name in tallies:
        dimensions = [Dimension.CHANNEL] if name == "by channel" else []
        made = forecast(tally_of(then), horizon_days=HORIZON, by=dimensions, seed=origin)
        for series, before, came in _outcomes(made.series, known, cut.date(), by_channel=bool(dimensions)):
            if name == "by channel" and series.key.channel is None:
                continue
            _tally(tallies[name][series.kpi], series, before, came, int(rng.integers(HORIZON)), name)


def _tally(tally: Tally, series: Series, before: Floats, came: Floats, pick: int, name: str) -> None:
    size = float(np.nanmean(np.abs(before))) if (~np.isnan(before)).any() else 0.0
    if not size > 0:
        return
    ceiling = 1.0 if series.unit == Unit.RATE else np.inf
    ours = ends_of([point.quantiles for point in series.points])
    if series.kpi == Kpi.DSO:  # one month of it lies ahead, and AutoETS takes no series of so few months
        forecasts = {"ours": ours[:, -1:], "week": np.full((3, 1), before[-1])}
    else:
        forecasts = {"ours": ours, "week": repeat_the_week(before, HORIZON)}
        if name == "total":  # a few thousand fits would take longer than all the rest
            forecasts["ets"], _ = auto_ets(before, HORIZON, ceiling=ceiling)
    tally.add(came, forecasts, size, pick)


def _outcomes(
    series: Sequence[Series], known: History, first: date, *, by_channel: bool
) -> Iterator[tuple[Series, Floats, Floats]]:
    """Each series with the settled values before it and those of its days. Of DSO: one value per month before."""
    tally = tally_of(known)
    messages, promises, books = cohorts_of(tally), promise_cohorts(tally), books_of(tally.finance)
    values: dict[Kpi, Floats] = {}
    for one in series:
        if one.kpi == Kpi.DSO:
            whole = books[str(one.key.currency)]
            days = [(following(month) - month).days for month in whole.months]
            of_month = dict(zip(whole.months, whole.receivables / whole.credit_sales * days, strict=True))
            last = last_whole_month(one.points[-1].day)
            came = np.array([of_month.get(last, np.nan)])
            yield one, np.array([v for m, v in of_month.items() if m < first.replace(day=1)]), came
            continue
        cohorts = promises if one.kpi == Kpi.PROMISES_KEPT_RATE else messages
        assert cohorts is not None
        split = by_channel and one.kpi != Kpi.PROMISES_KEPT_RATE
        groups = grouping(cohorts.segments, cohorts.channels, by_segment=False, by_channel=split)
        if one.kpi not in values:
            values[one.kpi] = actual_values(cohorts, groups, one.kpi)
        start = (first - cohorts.first_day).days
        column = values[one.kpi][:, _column(one, cohorts, groups.keys)]
        yield one, column[:start], column[start : start + HORIZON]


def _column(series: Series, cohorts: Cohorts, keys: tuple[tuple[str | None, str | None], ...]) -> int:
    group = keys.index((series.key.segment, series.key.channel))
    if series.key.currency is None:
        return group
    return group * len(cohorts.currencies) + cohorts.currencies.index(series.key.currency)
