"""Models that learn from their own decisions: a creditor's history, then fortnights in which every contact is chosen as
`decide` does, exploring, and after each of which models are trained anew on all there is.

Who follows recommendations makes another history than who does not: the best hours, of late, for those whom they suit.
A product that unlearned by being used would show here alone (docs/adr/0036). Values are true ones, as in
bench/worlds.py; beside each model stands one that has seen the creditor go on as before for as long.

Goals: own decisions cost no model a tenth of the way, and on average they cost nothing.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

import numpy as np

from bench.measuring import Report
from bench.worlds import way_made
from ml.arrays import Floats, Ints
from ml.candidates import LEAVE_ALONE, candidates
from ml.exploration import EXPLORING, choose
from ml.features import Casebook
from ml.frames import History
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.recipe import train
from ml.segment_plans import SegmentPlan, usual_plan
from ml.simulator import CHANNELS as WORLD_CHANNELS
from ml.simulator import PRESETS, PolicyChange, SimulatedWorld, simulate
from ml.simulator.policy import Policy
from ml.simulator.portfolio import Flags
from ml.slot_effects import HOURS
from ml.values import Ahead

WORLDS = ("default", "multiplicative", "steps")
DEBTORS, FORTNIGHTS, SEED = 6_000, 3, 7
CUT = date(2026, 3, 2)  # a Monday
_WEEK, _FORTNIGHT = timedelta(days=7), timedelta(days=14)
_END = CUT + FORTNIGHTS * _FORTNIGHT
_TO_WORLD = np.array([WORLD_CHANNELS.index(name) for name in CHANNELS])
_NOT_CONTACTED = -1


def run(report: Report) -> None:
    """Live through the fortnights of each world, by its models' decisions and by the creditor's habits."""
    lost = np.array([_lost(report, name) for name in WORLDS])
    report.goal("lost by own decisions, share of the way: worst", float(lost.max()), at_most=0.1)
    report.goal("lost by own decisions, share of the way: mean", float(lost.mean()), at_most=0.0)


def _lost(report: Report, name: str) -> list[list[float]]:
    """After each fortnight what models lose by having decided its contacts: acting per segment, and per debtor."""
    habits = _live(name)
    report_way = _Reporting(report, name)
    deciders, lost = [_Decider.of(habits, CUT)], []
    report_way("the creditor's history alone", habits, deciders[0].model)
    for fortnight in range(1, FORTNIGHTS + 1):
        at, weeks = CUT + fortnight * _FORTNIGHT, 2 * fortnight
        own = _live(name, _Weeks(habits.truth.policy, deciders))
        deciders = [*deciders, _Decider.of(own, at)]
        usual = report_way(f"{weeks} weeks of habits", habits, _Decider.of(habits, at).model)
        found = report_way(f"{weeks} weeks of its own decisions", own, deciders[-1].model)
        lost.append([before - now for before, now in zip(usual, found, strict=True)])
    return lost


@dataclass(frozen=True)
class _Reporting:
    """Notes what a model makes of the way, asked at the end of the world that it has learned from."""

    report: Report
    name: str

    def __call__(self, what: str, world: SimulatedWorld, model: TrainedModel) -> tuple[float, float]:
        """The shares, per segment and per debtor."""
        made = way_made(world, _history(world, _END), model)
        self.report.note(f"{self.name}, {what}: per segment", made[0])
        self.report.note(f"{self.name}, {what}: per debtor", made[1])
        return made


def _live(name: str, policy: Policy | None = None) -> SimulatedWorld:
    """A world, alike up to the cut, from which on contacts are chosen by a policy."""
    spec = replace(PRESETS[name], days=PRESETS[name].days + (_END - CUT).days)
    change = None if policy is None else PolicyChange(CUT, policy)
    return simulate(DEBTORS, SEED, _END, spec, change=change)


def _history(world: SimulatedWorld, at: date) -> History:
    return History.from_facts(
        world.facts, as_of=datetime.combine(at, time(), UTC), currency=world.world.home_currency
    )


@dataclass(frozen=True)
class _Decider:
    """A model trained on what was known at an instant, and the debtors as they stood then."""

    model: TrainedModel
    book: Casebook
    plan: SegmentPlan
    as_of: datetime

    @classmethod
    def of(cls, world: SimulatedWorld, at: date) -> "_Decider":
        """Trained on the world's facts up to a day."""
        history = _history(world, at)
        model = train(history, as_of=history.as_of, seed=SEED)
        return cls(model, model.casebook(history), usual_plan(model), history.as_of)

    @cached_property
    def known(self) -> dict[str, int]:
        """Debtors by reference, and where each stands in the casebook."""
        return {key: row for row, key in enumerate(self.book.debtors["debtor"].to_list())}

    def decide(self, rows: Ints, lawful: Flags, seed: int) -> tuple[Ints, Floats]:
        """Choices (channel · 168 + hour, or LEAVE_ALONE) and propensities for debtors of the casebook, a choice each.

        lawful: (n, channels, 168).
        """
        found = candidates(
            self.model,
            self.book,
            rows,
            ahead=Ahead.of(self.as_of, self.as_of + _WEEK),
            plan=self.plan,
            masks=lawful,
        )
        made = choose(found, EXPLORING, seed=seed, keys=list(range(len(rows))))
        return made.chosen, made.propensity


@dataclass
class _Weeks:
    """Two weeks by each decider, the weeks after them by the creditor's own policy, and so are debtors contacted whom
    a decider does not know yet. A second or third contact of a week comes two days later each.
    """

    former: Policy
    deciders: list[_Decider]
    week: int = 0

    def choose(
        self, rng: np.random.Generator, who: Ints, reachable: Flags, open_hours: Flags
    ) -> tuple[Ints, Ints, Floats]:
        """See `ml.simulator.policy.Policy`."""
        channel, hour, propensity = self.former.choose(rng, who, reachable, open_hours)
        week, self.week = self.week, self.week + 1
        if week // 2 >= len(self.deciders):
            return channel, hour, propensity
        decider = self.deciders[week // 2]
        rows = np.array([decider.known.get(f"D{debtor:07d}", -1) for debtor in who], dtype=np.int64)
        told = np.flatnonzero(rows >= 0)
        lawful = reachable[told][:, _TO_WORLD, None] & open_hours[told][:, None, :]
        chosen, chance = decider.decide(rows[told], lawful, seed=week)
        later = 48 * (told - np.searchsorted(who, who[told]))  # contacts of one debtor stand together
        slot = (chosen % HOURS + later) % HOURS
        made = (chosen != LEAVE_ALONE) & open_hours[told, slot]
        channel[told] = np.where(made, _TO_WORLD[chosen // HOURS], _NOT_CONTACTED)
        hour[told], propensity[told] = slot, chance
        return channel, hour, propensity
