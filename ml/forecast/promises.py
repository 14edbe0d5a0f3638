"""Which share of the promises made in the coming days will be kept, by how many are made and how earlier ones did."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date

import numpy as np
import polars as pl

from ml.forecast.answers import Key, Kpi, Note, Policy
from ml.forecast.backtest import backtest
from ml.forecast.bands import draw_bands, stretched
from ml.forecast.cohorts import Cohorts, Floats, Outcome
from ml.forecast.draws import Uncertainty, draw_shocks
from ml.forecast.outlook import current_streams, expect, grouping
from ml.forecast.rates import estimate_rates
from ml.forecast.series import Part, differences, series_of, undefined
from ml.forecast.tally import LONGEST_LAG, Tally, first_day_after_silence
from ml.forecast.volume import forecast_volume

_DRAWS = 1000
_KPI = Kpi.PROMISES_KEPT_RATE


def promise_cohorts(tally: Tally) -> Cohorts | None:
    """Promises in the form of messages, so that they are forecast as those are; None when none was made by the last
    whole day.

    A cell is a direction, given as `channel`. What messages call sent and delivered are the promises made; what they
    call opened are those kept.
    """
    first = first_day_after_silence(tally.promises["day"])
    if first is None:
        return None
    made = tally.promises.filter(pl.col("day") >= first)
    directions = sorted(made["direction"].unique())
    rows = made.select(
        number=(pl.col("day") - first).dt.total_days().cast(pl.Int64),
        cell=pl.col("direction").replace_strict(
            {name: n for n, name in enumerate(directions)}, return_dtype=pl.Int64
        ),
        lag=pl.col("lag").cast(pl.Int64),
        count="count",
    )
    days, cells = (tally.as_of.astimezone(UTC).date() - first).days, len(directions)
    place = rows["number"].to_numpy() * cells + rows["cell"].to_numpy()
    count: Floats = (
        np.bincount(place, weights=rows["count"].to_numpy(), minlength=days * cells)
        .astype(np.float64)
        .reshape(days, cells)
    )
    kept = rows.filter(pl.col("lag").is_not_null())
    number, cell, lags, times = (kept[name].to_numpy() for name in ("number", "cell", "lag", "count"))
    fulfilled = Outcome(number, cell, lags, times)
    none = Outcome(number[:0], cell[:0], lags[:0], np.zeros(0))
    return Cohorts(
        first_day=first,
        segments=("",) * cells,
        channels=tuple(directions),
        currencies=("",),
        sent=count,
        delivered=count,
        outcomes={"opened": fulfilled, "clicked": none, "converted": none},
        payments={"": none},
        money={"": none},
        variation=1.0,
    )


def forecast_promises(tally: Tally, days: Sequence[date], policy: Policy, calls: float, seed: int) -> Part:
    """The rate of each day and of all.

    calls: how many outbound calls RECOMMENDED makes for each that CURRENT makes; outbound promises follow them.
    """
    cohorts = promise_cohorts(tally)
    if cohorts is None:
        note = Note("NO_PROMISES", "No promise has been made, so no rate of kept ones can be forecast.")
        return Part({_KPI: [undefined(_KPI, Key(), days)]}, notes=[note])
    groups = grouping(cohorts.segments, cohorts.channels, by_segment=False, by_channel=False)
    past = backtest(cohorts, groups, [_KPI], len(days), seed, settled_after=settled_after(tally))
    volume = forecast_volume(cohorts, cohorts.days, len(days))
    rates = estimate_rates(cohorts, cohorts.days)
    streams = {Policy.CURRENT: current_streams(cohorts, rates, volume)}
    if policy == Policy.RECOMMENDED:
        outbound = np.array([name == "OUTBOUND" for name in cohorts.channels])
        made = streams[Policy.CURRENT].sent * np.where(outbound, calls, 1.0)
        streams[policy] = replace(streams[Policy.CURRENT], sent=made)
    shocks = draw_shocks(np.random.default_rng([seed, 20]), _DRAWS, len(days), 1, 1)
    uncertainty = Uncertainty(volume.drift, volume.scatter, cohorts.variation, rates.scatter)
    bands, futures = {}, {}
    for index, (name, part) in enumerate(streams.items()):
        outlook = expect(part, groups, phase=np.ones(len(days)))
        rng = np.random.default_rng([seed, 21 + index])
        drawn, futures[name] = draw_bands(rng, outlook, shocks, uncertainty, [_KPI])
        bands[name] = stretched(drawn[_KPI], past.stretch[_KPI], _KPI)
    difference = None
    if policy == Policy.RECOMMENDED:
        difference = differences(_KPI, futures[policy], futures[Policy.CURRENT], past.stretch[_KPI])
    return Part({_KPI: series_of(_KPI, [Key()], days, bands[policy], difference)}, past.rows)


def settled_after(tally: Tally) -> int:
    """Days after which 95 % of promises are settled, however they end."""
    if tally.terms.is_empty():
        return LONGEST_LAG
    terms = np.repeat(tally.terms["days"].to_numpy(), tally.terms["count"].cast(pl.Int64).to_numpy())
    return int(np.clip(np.quantile(terms, 0.95), 7, LONGEST_LAG))
