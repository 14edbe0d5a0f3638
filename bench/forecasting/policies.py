"""What following the recommendations would change: forecast, and then lived through twice in simulated worlds."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from api.forecasting.service import recommended_actions
from ml.decisions import segment_recommendations
from ml.forecast import MESSAGE_KPIS, Kpi, Policy, forecast
from ml.forecast.backtest import total_values
from ml.forecast.cohorts import Floats, Ints, cohorts_of
from ml.forecast.outlook import grouping
from ml.frames import History
from ml.recipe import train
from ml.simulator import CHANNELS, PRESETS, PolicyChange, simulate
from ml.simulator.policy import HistoricalPolicy
from ml.simulator.portfolio import Flags

DEBTORS, WORLDS, HORIZON = 500, 40, 28
CUT = date(2026, 4, 6)  # a Monday
_SETTLING = 31


@dataclass
class Differences:
    """Per KPI: whether the 90 % interval held the true difference, and where it excludes 0 its sign."""

    held: dict[Kpi, list[bool]] = field(default_factory=dict)
    signs: dict[Kpi, list[bool]] = field(default_factory=dict)

    def add(self, kpi: Kpi, low: float, high: float, true: float) -> None:
        """One world's difference."""
        self.held.setdefault(kpi, []).append(low - 1e-9 <= true <= high + 1e-9)
        if low > 0 or high < 0:
            self.signs.setdefault(kpi, []).append((low > 0) == (true > 0))


@dataclass(frozen=True)
class AsRecommended:
    """Whoever can be reached is contacted on the segment's channel at its hour; a second or third contact of a week two
    days later each. Whoever cannot is contacted as before.
    """

    channel: Ints
    hour: Ints
    former: HistoricalPolicy

    def choose(
        self, rng: np.random.Generator, who: Ints, reachable: Flags, open_hours: Flags
    ) -> tuple[Ints, Ints, Floats]:
        """See `ml.simulator.policy.Policy`."""
        channel, hour, propensity = self.former.choose(rng, who, reachable, open_hours)
        first = np.searchsorted(who, who)  # contacts of one debtor stand together, in the order of debtors
        slot = (self.hour[who] + 48 * (np.arange(len(who)) - first)) % 168
        told = (self.channel[who] >= 0) & reachable[np.arange(len(who)), self.channel[who]]
        told &= open_hours[np.arange(len(who)), slot]
        return np.where(told, self.channel[who], channel), np.where(told, slot, hour), propensity


def compare_policies(seeds: Iterable[int]) -> Differences:
    """A world per seed, of every form in turn."""
    found = Differences()
    for seed in seeds:
        name = list(PRESETS)[seed % len(PRESETS)]
        _compare(name, 100 + seed, found)
        print(f"    {name}: both policies lived through", flush=True)
    return found


def _compare(name: str, seed: int, found: Differences) -> None:
    end = CUT + timedelta(days=HORIZON + _SETTLING)
    spec = replace(PRESETS[name], days=150 + HORIZON + _SETTLING)
    now = simulate(DEBTORS, seed, end, spec)
    cut = datetime.combine(CUT, time(), UTC)
    history = History.from_facts(now.facts, as_of=cut)
    model = train(history, as_of=cut, seed=1, threads=1)
    actions = recommended_actions(segment_recommendations(model, history, now=cut))
    made = forecast(
        model,
        history,
        horizon_days=HORIZON,
        policy=Policy.RECOMMENDED,
        kpis=MESSAGE_KPIS,
        recommendations=actions,
    )
    best = {segment: (channel, hour) for segment, channel, hour in actions.iter_rows() if channel is not None}
    segments = dict(history.debtors.select("reference", "segment").iter_rows())
    told = [best.get(segments.get(key) or "NONE", (None, 0)) for key in now.truth.keys]
    policy = AsRecommended(
        np.array([CHANNELS.index(channel) if channel else -1 for channel, _ in told]),
        np.array([hour for _, hour in told]),
        now.truth.policy,
    )
    then = simulate(DEBTORS, seed, end, spec, change=PolicyChange(CUT, policy))
    true = {kpi: _total(then.facts, end, kpi) - _total(now.facts, end, kpi) for kpi in MESSAGE_KPIS}
    place = dict.fromkeys(MESSAGE_KPIS, 0)
    for series in made.series:
        difference, column = series.difference, place[series.kpi]
        place[series.kpi] += 1
        if difference is not None and difference.p05 is not None and difference.p95 is not None:
            value = float(true[series.kpi][column])
            if not np.isnan(value):
                found.add(series.kpi, difference.p05, difference.p95, value)


def _total(facts: dict, end: date, kpi: Kpi) -> Floats:
    """(N,) the KPI over the horizon, settled; money by currency in alphabetical order, as the forecast has it."""
    cohorts = cohorts_of(History.from_facts(facts, as_of=datetime.combine(end, time(), UTC)))
    assert cohorts is not None
    groups = grouping(cohorts.segments, cohorts.channels, by_segment=False, by_channel=False)
    return total_values(cohorts, groups, kpi, [(CUT - cohorts.first_day).days], HORIZON)[0]
