"""Reaction times: a discrete-time hazard over 20 log-spaced bins, with right-censoring.

Among those who react within 30 days at all, how long they take; whether they react is the funnel's
business. A contact counts in every bin it was watched through; each bin's event is learned by boosted
trees from the bin, the channel, the local hour and weekday and the segment. Source: kpis.md#message-kpis
(reaction); Singer & Willett 1993.
"""

from dataclasses import dataclass

import lightgbm
import numpy as np

from ml.arrays import Floats, Ints
from ml.boosting import Settings, grow, margin, sigmoid
from ml.outcomes import CHANNELS, HORIZON_SECONDS
from ml.slot_effects import Cells

BINS = 20
EDGES: Floats = np.concatenate([[0.0], np.geomspace(30.0, HORIZON_SECONDS, BINS)])
"""Bin edges in seconds since `sent_at`; the last is 30 days."""

LEAST_EVENTS = 60
_MOST_ROWS = 400_000
_GROWTH = Settings(
    objective="cross_entropy",
    rounds=80,
    learning_rate=0.1,
    leaves=15,
    least_in_leaf=200,
    extra={"min_data_per_group": 200},
)


@dataclass(frozen=True)
class ReactionTime:
    """hazard_of: (channels, BINS) share reacting in a bin of those not yet reacted, shrunken; trees
    refine it where grown."""

    by_channel: Floats
    trees: lightgbm.Booster | None

    def hazard(self, cells: Cells, threads: int) -> Floats:
        """(n, BINS) P(reacts in the bin | reacts within 30 days, not before); the last column is 1."""
        count = len(cells.slot)
        base = self.by_channel[cells.channel]
        if self.trees is not None and count:
            shift = margin(self.trees, _design(_repeat(cells), np.tile(np.arange(BINS), count)), threads)
            base = sigmoid(np.log(base / (1 - base)) + shift.reshape(count, BINS))
        hazard = base.copy()
        hazard[:, -1] = 1.0
        return hazard

    def curve(self, cells: Cells, threads: int) -> Floats:
        """(n, BINS) P(reacted by the bin's end | reacts within 30 days)."""
        return np.asarray(1.0 - np.cumprod(1.0 - self.hazard(cells, threads), axis=1))


def seconds_at(curve: Floats, share: float) -> Floats:
    """(n,) seconds by which `share` of those who react have reacted, between edges interpolated in log
    time."""
    place = np.argmax(curve >= share - 1e-12, axis=1)
    rows = np.arange(len(curve))
    high = curve[rows, place]
    low = np.where(place > 0, curve[rows, place - 1], 0.0)
    part = np.clip((share - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)
    start, end = np.maximum(EDGES[place], 1.0), EDGES[place + 1]
    return np.asarray(np.exp(np.log(start) + part * (np.log(end) - np.log(start))))


def fit_reaction_time(
    cells: Cells, seconds: Floats, followed: Floats, weight: Floats, *, seed: int, threads: int
) -> ReactionTime:
    """seconds: (n,) from sending to the reaction, inf where none came within `followed`; weight: recency.

    Conditional on reacting: a contact still silent weighs by nothing, and censoring is repaired by
    giving every reaction the inverse of the share of contacts watched as long as it took.
    """
    reacted = np.flatnonzero((seconds <= np.minimum(followed, HORIZON_SECONDS)) & (weight > 0))
    cells, seconds = cells.take(reacted), seconds[reacted]
    watched = np.sort(followed)
    at_least = 1.0 - np.searchsorted(watched, seconds, side="left") / max(len(watched), 1)
    weight = weight[reacted] / np.maximum(at_least, 0.05)
    place = np.clip(np.searchsorted(EDGES, seconds, side="left") - 1, 0, BINS - 1)
    by_channel = _channel_hazards(cells.channel, place, weight)
    if len(seconds) < LEAST_EVENTS:
        return ReactionTime(by_channel, None)
    chosen = _chosen(len(seconds), place, seed)
    cells, place, weight = cells.take(chosen), place[chosen], weight[chosen]
    row, bins = _expand(place)
    spread = cells.take(row)
    base = by_channel[spread.channel, bins]
    trees = grow(
        _design(spread, bins),
        (bins == place[row]).astype(np.float64),
        np.where(bins < BINS - 1, weight[row] / weight.mean(), 0.0),
        settings=_GROWTH,
        categorical=[1, 2],
        seed=seed,
        threads=threads,
        init_score=np.log(base / (1 - base)),
    )
    return ReactionTime(by_channel, trees)


def _channel_hazards(channel: Ints, place: Ints, weight: Floats) -> Floats:
    everybody = np.bincount(place, weight, BINS)
    everybody = (everybody + 0.05) / (everybody.sum() + 0.05 * BINS)
    counts = np.bincount(channel * BINS + place, weight, len(CHANNELS) * BINS).reshape(len(CHANNELS), BINS)
    share = counts + 10.0 * everybody
    share /= share.sum(axis=1, keepdims=True)
    left = np.cumsum(share[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.clip(share / left, 1e-5, 1 - 1e-5))


def _chosen(count: int, place: Ints, seed: int) -> Ints:
    """All rows, or a sample small enough to expand."""
    most = int(_MOST_ROWS / max((place + 1).mean(), 1.0))
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def _expand(place: Ints) -> tuple[Ints, Ints]:
    """(row, bin) for every bin each row was watched through, its last one included."""
    row = np.repeat(np.arange(len(place)), place + 1)
    starts = np.cumsum(place + 1) - (place + 1)
    return row, np.arange(len(row)) - np.repeat(starts, place + 1)


def _repeat(cells: Cells) -> Cells:
    return cells.take(np.repeat(np.arange(len(cells.slot)), BINS))


def _design(cells: Cells, bins: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    weekday, hour = cells.slot // 24, cells.slot % 24
    return np.column_stack([bins, cells.channel, cells.segment, hour, weekday]).astype(np.float32)


def kaplan_meier(seconds: Floats, followed: Floats) -> tuple[Floats, Floats]:
    """(times, survival) with right-censoring at `followed`; events before censorings at ties. Source:
    kpis.md, medianCensored."""
    happened = seconds <= followed
    observed = np.where(happened, seconds, followed)
    times = np.unique(observed[happened])
    order = np.sort(observed)
    at_risk = len(observed) - np.searchsorted(order, times, side="left")
    reacted = np.sort(observed[happened])
    events = np.searchsorted(reacted, times, side="right") - np.searchsorted(reacted, times, side="left")
    return times, np.asarray(np.cumprod(1.0 - events / np.maximum(at_risk, 1)), dtype=np.float64)
