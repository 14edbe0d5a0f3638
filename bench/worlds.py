"""What the recommendations are truly worth, on worlds that differ in form: the historical policy, the best
fixed action, one plain LightGBM, the action per segment, the action per debtor, and the oracles; and how that grows
with the history there is to learn from.

Goals: the recommended actions per segment make .95 of the way from the historical policy to the best action per
segment on average; those per debtor never make less than the segment's, and 1.05 as much on average.
"""

import time
from datetime import UTC, date, datetime
from datetime import time as clock

import lightgbm
import numpy as np

from bench.measuring import Report
from ml.actions import lawful_hours
from ml.arrays import Bools, Floats, Ints
from ml.boosting import FIXED
from ml.casework import gather, segment_codes
from ml.decisions import debtor_recommendations, segment_recommendations
from ml.features import Casebook
from ml.frames import History
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.recipe import train
from ml.simulator import CHANNELS as WORLD_CHANNELS
from ml.simulator import PRESETS, SimulatedWorld, simulate

END = date(2026, 5, 1)
NOW = datetime.combine(END, clock(), UTC)
SEED = 7
USUAL = 20_000
SIZES_OF_DEFAULT = (6_000, USUAL, 100_000)
HOURS = np.flatnonzero(lawful_hours())


def run(report: Report) -> None:
    """Train and judge on every preset; on the first one with little, usual and much history."""
    shares = []
    for name in PRESETS:
        for debtors in SIZES_OF_DEFAULT if name == "default" else (USUAL,):
            judged = judge(report, name, debtors)
            if debtors == USUAL:
                shares.append(judged)
    segments = np.array([judged["segments"] for judged in shares])
    over_segments = np.array([judged["debtors"] for judged in shares]) / segments
    report.note("segment actions, share of the way over the worlds: spread", round(float(segments.std()), 3))
    report.goal(
        f"segment actions, mean share of the way over {len(shares)} worlds of {USUAL:,} debtors",
        float(segments.mean()),
        at_least=0.95,
    )
    report.goal("debtor actions over segment actions, mean", float(over_segments.mean()), at_least=1.05)
    report.goal("debtor actions over segment actions, worst world", float(over_segments.min()), at_least=1.0)


def judge(report: Report, name: str, debtors: int) -> dict[str, float]:
    """Every policy's share of the way from the historical policy to the segment oracle, by true value."""
    label = f"{name}, {debtors:,} debtors"
    world = simulate(debtors, SEED, END, PRESETS[name])
    history = History.from_facts(world.facts, as_of=NOW, currency=world.world.home_currency)
    started = time.perf_counter()
    model = train(history, as_of=NOW, seed=SEED)
    report.note(f"{label}: contacts learned from", model.rows)
    report.note(f"{label}: training seconds", round(time.perf_counter() - started, 1))
    truth = _true_values(world, history)
    values = {
        "historical policy": truth["historical"],
        "best fixed action": truth["best_fixed"],
        "one plain LightGBM": _mean_value(world, history, *_plain(history, model)),
        "segments": _mean_value(world, history, *_per_segment(history, model)),
        "debtors": _mean_value(world, history, *_per_debtor(history, model)),
        "segment oracle": truth["segment_oracle"],
        "debtor optimum": truth["debtor_optimum"],
    }
    shares = {policy: _way(value, truth) for policy, value in values.items()}
    for policy, value in values.items():
        report.note(f"{label}: {policy}", f"{value:.3f} per debtor ({100 * shares[policy]:.0f} % of the way)")
    return shares


def way_made(world: SimulatedWorld, history: History, model: TrainedModel) -> tuple[float, float]:
    """The shares of the way that a model's actions make, per segment and per debtor; asked as of the history's end."""
    truth = _true_values(world, history)
    made = (_per_segment(history, model), _per_debtor(history, model))
    segments, debtors = (_way(_mean_value(world, history, *actions), truth) for actions in made)
    return segments, debtors


def _true_values(world: SimulatedWorld, history: History) -> dict[str, float]:
    return world.truth.benchmarks(labels=_labels(world, history))


def _way(value: float, truth: dict[str, float]) -> float:
    return (value - truth["historical"]) / (truth["segment_oracle"] - truth["historical"])


def _labels(world: SimulatedWorld, history: History) -> list[str]:
    """The segments the learner saw, in the order of the truth's debtors."""
    seen = dict(zip(history.debtors["debtor"].to_list(), history.debtors["segment"].to_list(), strict=True))
    return [str(seen[key]) for key in world.truth.keys]


def _mean_value(world: SimulatedWorld, history: History, channel: Ints, slot: Ints) -> float:
    """Of an action for each debtor. channel: (n,) positions in ml.outcomes.CHANNELS, −1 to leave alone; a closed hour
    is worth nothing."""
    who = world.truth.rows(history.debtors["debtor"].to_list())
    codes = np.array([WORLD_CHANNELS.index(name) for name in CHANNELS])
    value = world.truth.value(who, codes[np.maximum(channel, 0)], slot)
    made: Bools = (channel >= 0) & world.truth.open_hours[who, slot]
    return float(np.where(made, value, 0.0).mean())


def _per_segment(history: History, model: TrainedModel) -> tuple[Ints, Ints]:
    best = {
        answer.segment: answer.recommendation.best
        for answer in segment_recommendations(model, history, now=history.as_of)
    }
    chosen = [best.get(name) for name in history.debtors["segment"].to_list()]
    channel = np.array([-1 if action is None else CHANNELS.index(action.channel) for action in chosen])
    return channel, np.array([0 if action is None else action.hour_of_week for action in chosen])


def _per_debtor(history: History, model: TrainedModel) -> tuple[Ints, Ints]:
    keys = history.debtors["debtor"].to_list()
    chosen = [
        answer.recommendation.best
        for answer in debtor_recommendations(model, history, keys, now=history.as_of)
    ]
    channel = np.array([-1 if action is None else CHANNELS.index(action.channel) for action in chosen])
    return channel, np.array([0 if action is None else action.hour_of_week for action in chosen])


def _plain(history: History, model: TrainedModel) -> tuple[Ints, Ints]:
    """One LightGBM on attributed payments, hour and segment among its features; best action per segment."""
    book = Casebook(history)
    casework = gather(book, use_age=False, most=len(book.outcomes))
    outcomes = casework.outcomes
    when = np.column_stack([outcomes.local.hour, outcomes.local.weekday, casework.segment])
    label = (outcomes.paid_at <= outcomes.seen_until).astype(np.float64)
    width = casework.matrix.shape[1]
    dataset = lightgbm.Dataset(
        np.hstack([casework.matrix, when]).astype(np.float32),
        label=label,
        categorical_feature=[*casework.space.categorical, width + 2],
    )
    trees = lightgbm.train(
        {**FIXED, "objective": "binary", "seed": SEED, "num_threads": 2}, dataset, num_boost_round=150
    )
    segment = segment_codes(book.debtors["segment"], casework.segments)
    value = _plain_values(trees, book, casework.space.matrix, segment, len(casework.segments) + 1, model)
    best = value.reshape(len(value), -1).argmax(axis=1)
    channel = np.where(value.max(axis=(1, 2)) > 0, best // len(HOURS), -1)
    return channel[segment], HOURS[best % len(HOURS)][segment]


def _plain_values(
    trees: lightgbm.Booster,
    book: Casebook,
    matrix_of: object,
    segment: Ints,
    segments: int,
    model: TrainedModel,
) -> Floats:
    """(segments, channels, lawful hours) summed predicted value over up to 60 debtors of each segment."""
    assert callable(matrix_of)
    total = np.full((segments, len(CHANNELS), len(HOURS)), -np.inf)
    now = book.outcomes.seen_until
    cost = np.nan_to_num(model.channels.cost)
    for code in np.unique(segment):
        some = np.flatnonzero(segment == code)[:60]
        owed = book.balances(some, np.full(len(some), now))
        for channel in np.unique(book.outcomes.channel):
            contacts = book.contacts(some, np.full(len(some), channel), np.full(len(some), now))
            matrix = np.repeat(matrix_of(book.columns(contacts)), len(HOURS), axis=0)
            slots = np.tile(HOURS, len(some))
            when = np.column_stack([slots % 24, slots // 24, np.full(len(slots), code)])
            chance = np.asarray(trees.predict(np.hstack([matrix, when]))).reshape(len(some), len(HOURS))
            reach = (
                book.debtors["channels"][some].list.contains(CHANNELS[channel]).fill_null(False).to_numpy()
            )
            gain = chance * (owed * model.paid_share.mean)[:, None] - cost[channel]
            total[code, channel] = np.where((reach & (owed > 0))[:, None], gain, 0.0).sum(axis=0)
    return total
