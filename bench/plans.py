"""What a plan under limits is truly worth: calls capped at 32 % of what the historical policy makes of them.

Each debtor may be contacted once in a week. Held against each other by the simulator's hidden truth: the historical
policy, our plan, the plan of an oracle that knows what every action is worth to each segment, and that of one that
knows it of each debtor. Goal: our plan is worth at least 90 % of the segment oracle's under the same cap, in portfolios
of the usual size; beside them the smallest, where there is little to learn from.
"""

import numpy as np

from bench.measuring import Report
from bench.worlds import END, NOW, SEED, SIZES_OF_DEFAULT, USUAL
from ml.arrays import Bools, Floats, Ints
from ml.candidates import candidates
from ml.frames import History
from ml.model import TrainedModel
from ml.options import Slots, options_of, segment_ranking
from ml.outcomes import CHANNELS
from ml.planning import NOBODY, Limits, assign
from ml.recipe import train
from ml.segment_plans import usual_plan
from ml.simulator import CHANNELS as WORLD_CHANNELS
from ml.simulator import PRESETS, SimulatedWorld, simulate
from ml.slot_effects import HOURS
from ml.values import Ahead, contact_cost

WORLDS = ("default", "steps", "multiplicative")
CALLS_KEPT = 0.32
CALL = CHANNELS.index("VOICE")
CODES = np.array([WORLD_CHANNELS.index(name) for name in CHANNELS])


def run(report: Report) -> None:
    """Plan on several worlds."""
    shares: dict[int, list[float]] = {min(SIZES_OF_DEFAULT): [], USUAL: []}
    for debtors, of_size in shares.items():
        for name in WORLDS:
            world = simulate(debtors, SEED, END, PRESETS[name])
            history = History.from_facts(world.facts, as_of=NOW, currency=world.world.home_currency)
            model = train(history, as_of=NOW, seed=SEED)
            of_size.append(judge(report, f"{name}, {debtors:,} debtors", world, history, model))
    report.goal(
        f"plan over the segment oracle's plan, mean of {USUAL:,} debtors",
        float(np.mean(shares[USUAL])),
        at_least=0.9,
    )


def judge(report: Report, name: str, world: SimulatedWorld, history: History, model: TrainedModel) -> float:
    """The plan's true worth as a share of the segment oracle's plan under the same cap."""
    keys = history.debtors["debtor"].to_list()
    who = world.truth.rows(keys)
    truth = world.truth.values(who)[:, CODES]
    finite = np.where(np.isfinite(truth), truth, 0.0)
    channel, hour = world.truth.policy.probabilities(
        who, world.truth.reachable[who], world.truth.open_hours[who]
    )
    channel, hour = channel[:, CODES], hour[:, CODES]
    historical = float((channel[:, :, None] * hour * finite).sum())
    calls = float(channel[:, CALL].sum())
    limits = _calls_at_most(np.floor(CALLS_KEPT * calls))
    chosen = {
        "plan": _plan(history, model, np.isfinite(truth), limits),
        "segment oracle's plan": _segment_oracle(history, finite, np.isfinite(truth), limits),
        "debtor oracle's plan": _best_of(truth, truth, limits),
    }
    worth = {policy: _worth(finite, action) for policy, action in chosen.items()}
    report.note(f"{name}: historical policy", f"{historical:,.0f} with {calls:,.0f} calls")
    for policy, action in chosen.items():
        made = int((action // HOURS == CALL).sum())
        report.note(
            f"{name}: {policy}",
            f"{worth[policy]:,.0f} with {made:,} calls ({100 * (made / calls - 1):+.0f} % calls, "
            f"{100 * (worth[policy] / historical - 1):+.0f} % net money)",
        )
    free = _calls_at_most(np.inf)
    uncapped = _worth(finite, _plan(history, model, np.isfinite(truth), free))
    oracle = _worth(finite, _segment_oracle(history, finite, np.isfinite(truth), free))
    report.note(f"{name}: the same without a cap, so by the model's choices alone", uncapped / oracle)
    share = worth["plan"] / worth["segment oracle's plan"]
    report.note(f"{name}: plan over the segment oracle's plan", share)
    return share


def _calls_at_most(count: float) -> Limits:
    total = np.full(len(CHANNELS), np.inf)
    total[CALL] = count
    return Limits(np.full(len(CHANNELS), np.inf), total, np.inf)


def _plan(history: History, model: TrainedModel, lawful: Bools, limits: Limits) -> Ints:
    """(n,) channel · 168 + hour of week, or NOBODY: as a campaign for the coming week plans it."""
    count = len(history.debtors)
    found = candidates(
        model,
        model.casebook(history),
        np.arange(count),
        ahead=Ahead.of(NOW),
        plan=usual_plan(model),
        masks=lawful,
    )
    first = NOW.weekday() * 24
    week = np.roll(np.arange(HOURS), -first)
    slots = [
        [
            Slots(week[row[channel, week]], ((week - first) % HOURS // 24)[row[channel, week]])
            for channel in range(len(CHANNELS))
        ]
        for row in lawful
    ]
    options = options_of(found, slots, 7, segment_ranking(model, None))
    option = assign(options.worth.astype(np.float64), contact_cost(model), limits, seed=SEED).option
    line, at = np.arange(count), np.maximum(option, 0)
    hour = options.hour[line, at // 7, at % 7].astype(np.int64)
    return np.where(option == NOBODY, NOBODY, at // 7 * HOURS + hour)


def _segment_oracle(history: History, finite: Floats, lawful: Bools, limits: Limits) -> Ints:
    """Knows the mean true worth of every action in each segment, and plans by it."""
    _, segment = np.unique(history.debtors["segment"].fill_null("NONE").to_numpy(), return_inverse=True)
    known = np.zeros_like(finite)
    for code in range(segment.max() + 1):
        rows = np.flatnonzero(segment == code)
        known[rows] = finite[rows].mean(axis=0)[None]
    return _best_of(np.where(lawful, known, -np.inf), finite, limits)


def _best_of(known: Floats, finite: Floats, limits: Limits) -> Ints:
    """The best plan by what is known; a contact that cannot happen, worth nothing, is not made."""
    possible = np.where(finite != 0.0, known, -np.inf)
    best = possible.argmax(axis=2)
    worth = np.take_along_axis(possible, best[:, :, None], axis=2)
    option = assign(worth, np.zeros(len(CHANNELS)), limits, seed=SEED).option
    line = np.arange(len(known))
    return np.where(option == NOBODY, NOBODY, option * HOURS + best[line, np.maximum(option, 0)])


def _worth(finite: Floats, action: Ints) -> float:
    made = np.flatnonzero(action != NOBODY)
    return float(finite[made, action[made] // HOURS, action[made] % HOURS].sum())
