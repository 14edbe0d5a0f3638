"""What sending as planned would change: forecast, and then lived through twice in simulated worlds."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from ml.actions import lawful_hours
from ml.forecast import MESSAGE_KPIS, Kpi, Policy, forecast, schedule_of, tally_of
from ml.forecast.backtest import total_values
from ml.forecast.cohorts import Floats, Ints, cohorts_of
from ml.forecast.outlook import grouping
from ml.frames import Facts, History
from ml.options import Slots
from ml.outcomes import CHANNELS as LEARNT
from ml.recipe import train
from ml.segment_plans import usual_plan
from ml.simulator import CHANNELS, PRESETS, PolicyChange, SimulatedWorld, simulate
from ml.simulator.policy import HistoricalPolicy
from ml.simulator.portfolio import Flags
from ml.weekly_plan import Lawful, contacted_lately, plan_week

DEBTORS, WORLDS, HORIZON = 500, 40, 28
CUT = date(2026, 4, 6)  # a Monday
_SETTLING = 31
LEFT_ALONE = -1
_TRIES = 8


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
class AsPlanned:
    """Everybody is contacted on a channel in an hour, a second or third contact of a week two days later each, or left
    alone (`LEFT_ALONE`). channel, hour: (n, `_TRIES`), the first at which a debtor can be reached; else as before.
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
        line, waits = np.arange(len(who)), np.ones(len(who), dtype=bool)
        for planned, at in zip(self.channel[who].T, self.hour[who].T, strict=True):
            slot = (at + 48 * (line - first)) % 168
            told = (planned == LEFT_ALONE) | (reachable[line, planned] & open_hours[line, slot])
            channel = np.where(waits & told, planned, channel)
            hour = np.where(waits & told & (planned != LEFT_ALONE), slot, hour)
            waits &= ~told
        return channel, hour, propensity


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
    planned = plan_week(model, history, _lawful(history), usual_plan(model), seed=1)
    made = forecast(
        tally_of(history),
        horizon_days=HORIZON,
        policy=Policy.RECOMMENDED,
        kpis=MESSAGE_KPIS,
        schedule=schedule_of(model, history, planned),
    )
    policy = _as_planned(now, history, planned)
    then = simulate(DEBTORS, seed, end, spec, change=PolicyChange(CUT, policy))
    true: dict[Kpi, Floats] = {
        kpi: _total(then.facts, end, kpi) - _total(now.facts, end, kpi) for kpi in MESSAGE_KPIS
    }
    place: dict[Kpi, int] = dict.fromkeys(MESSAGE_KPIS, 0)
    for series in made.series:
        difference, column = series.difference, place[series.kpi]
        place[series.kpi] += 1
        if difference is not None and difference.p05 is not None and difference.p95 is not None:
            value = float(true[series.kpi][column])
            if not np.isnan(value):
                found.add(series.kpi, difference.p05, difference.p95, value)


def _lawful(history: History) -> Lawful:
    """From eight to nine in the evening on every day, as the simulated world has it by default."""
    week = np.flatnonzero(lawful_hours())
    every_hour = Slots(week, (week // 24 - history.as_of.weekday()) % 7)
    debtors = contacted_lately(history)["debtor"].unique().sort()
    masks = np.broadcast_to(lawful_hours(), (len(debtors), len(LEARNT), 168))
    return Lawful(debtors, [[every_hour] * len(LEARNT)] * len(debtors), masks)


def _as_planned(world: SimulatedWorld, history: History, planned: pl.DataFrame) -> AsPlanned:
    references = history.debtors.select("debtor", "reference")
    told = {
        key: (LEFT_ALONE if channel is None else CHANNELS.index(channel), hour or 0)
        for key, channel, hour in planned.join(references, on="debtor")
        .select("reference", "channel", "hour_of_week")
        .iter_rows()
    }
    # In life the plan is made anew every week, with newcomers and for whom an address has failed: here they follow the
    # plans of others, drawn at random, the first on which they can be reached.
    everybody = np.array(list(told.values()), dtype=np.int64)
    slots = everybody[np.random.default_rng(1).integers(len(told), size=(len(world.truth.keys), _TRIES))]
    for place, key in enumerate(world.truth.keys):
        if key in told:
            slots[place, 0] = told[key]
    return AsPlanned(slots[:, :, 0], slots[:, :, 1], world.truth.policy)


def _total(facts: Facts, end: date, kpi: Kpi) -> Floats:
    """(N,) the KPI over the horizon, settled; money by currency in alphabetical order, as the forecast has it."""
    cohorts = cohorts_of(tally_of(History.from_facts(facts, as_of=datetime.combine(end, time(), UTC))))
    assert cohorts is not None
    groups = grouping(cohorts.segments, cohorts.channels, by_segment=False, by_channel=False)
    total: Floats = total_values(cohorts, groups, kpi, [(CUT - cohorts.first_day).days], HORIZON)[0]
    return total
