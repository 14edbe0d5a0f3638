"""When something happens: a discrete-time hazard learned from right-censored times by boosted trees.

Time is cut into bins; in each, those still waiting react with a probability that depends on what is known
of them. A row counts in every bin it was watched through, and in the bin in which it was lost sight of for
the part it was watched. Where to stop growing is told by subjects left out, a part at a time, and the parts'
trees are averaged. Source: Singer & Willett 1993; measured in bench/survival.py.
"""

from dataclasses import dataclass, replace

import lightgbm
import numpy as np
from numpy.typing import NDArray

from ml.arrays import Floats, Ints, distinct, sums_by
from ml.boosting import Settings, grow_in_parts, margin, sigmoid
from ml.feature_space import Matrix

BINS = 20
LEAST_EVENTS = 60
_DRAWN_TO_ALL = 1.0
_LEAST_WATCHED = 1e-3


@dataclass(frozen=True)
class Growth:
    """How the trees are grown: at most `most_rows` watched bins, in so many parts."""

    settings: Settings
    parts: int
    most_rows: int


STEADY = Growth(
    Settings(
        objective="cross_entropy",
        rounds=400,
        learning_rate=0.05,
        leaves=15,
        least_in_leaf=200,
        extra={
            "feature_fraction": 0.5,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "min_data_per_group": 200,
        },
    ),
    parts=4,
    most_rows=400_000,
)
QUICK = Growth(replace(STEADY.settings, rounds=150, learning_rate=0.12), parts=2, most_rows=200_000)
"""For times that depend on little: a fifth of the work, as good on those tried (docs/adr/0026)."""


@dataclass(frozen=True)
class Hazard:
    """edges: (b + 1,) of the bins, from 0, in the unit of the times; base: (groups, b) share reacting in a bin of
    those not yet reacted, drawn towards everybody's; parts: trees that shift its log-odds, averaged; none where too
    little was seen."""

    edges: Floats
    base: Floats
    parts: tuple[lightgbm.Booster, ...]

    def in_bins(self, matrix: Matrix, group: Ints, threads: int) -> Floats:
        """(n, b) P(reacts in the bin | not before); matrix: (n, …) as in fitting; group: (n,) row of `base`."""
        base = self.base[group]
        if not self.parts or not len(group):
            return base
        bins = base.shape[1]
        design = _design(np.repeat(matrix, bins, axis=0), np.tile(np.arange(bins), len(group)))
        shift = np.mean([margin(trees, design, threads) for trees in self.parts], axis=0)
        return sigmoid(np.log(base / (1 - base)) + shift.reshape(base.shape))

    def waiting(self, matrix: Matrix, group: Ints, at: Floats, threads: int) -> Floats:
        """(n, len(at)) P(not reacted by each time); within a bin the hazard stays the same."""
        still = np.cumsum(np.log1p(-self.in_bins(matrix, group, threads)), axis=1)
        still = np.concatenate([np.zeros((len(still), 1)), still], axis=1)
        place = np.clip(np.searchsorted(self.edges, at, side="right") - 1, 0, len(self.edges) - 2)
        part = np.clip((at - self.edges[place]) / np.diff(self.edges)[place], 0.0, 1.0)
        return np.asarray(np.exp(still[:, place] * (1 - part) + still[:, place + 1] * part))


def edges_where(seconds: Floats, followed: Floats, bins: int = BINS) -> Floats:
    """Edges where something happens: half of them at equal shares of the events, half spaced by their logarithm.

    seconds: inf where nothing was seen. Without events there is one bin.
    """
    happened = np.sort(seconds[seconds <= followed])
    longest = float(np.minimum(seconds, followed).max(initial=1.0)) * (1 + 1e-6)
    if not len(happened):
        return np.array([0.0, longest])
    half = bins // 2
    shares = np.quantile(happened, np.arange(1, half + 1) / (half + 1))
    shortest = max(float(np.quantile(happened, 0.01)), longest / 1e4)
    return np.unique(np.concatenate([[0.0], shares, np.geomspace(shortest, longest, half)]))


def fit_hazard(
    matrix: Matrix,
    group: Ints,
    seconds: Floats,
    followed: Floats,
    weight: Floats,
    subject: Ints,
    *,
    edges: Floats,
    groups: int,
    categorical: list[int],
    seed: int,
    threads: int,
    growth: Growth = STEADY,
) -> Hazard:
    """seconds: (n,) from the beginning to the event, inf where none was seen within `followed`; subject: rows of one
    are left out together; group: code < groups whose rows share a base; edges: of the bins, the last being the longest
    time that is looked at; categorical: columns of `matrix`."""
    bins = len(edges) - 1
    seen = np.minimum(seconds, np.minimum(followed, edges[-1]))
    happened = (seconds <= followed) & (seconds <= edges[-1])
    place = np.clip(np.searchsorted(edges, seen, side="left") - 1, 0, bins - 1)
    part = np.where(happened, 1.0, (seen - edges[place]) / np.diff(edges)[place])
    base = _base(group, place, happened, part, weight, groups, bins)
    if happened[weight > 0].sum() < LEAST_EVENTS:
        return Hazard(edges, base, ())
    rows = _drawn(np.flatnonzero(weight > 0), place, growth.most_rows, seed)
    row, bin_of = _expand(rows, place)
    last = bin_of == place[row]
    share = weight[row] / weight[rows].mean() * np.where(last, part[row], 1.0)
    kept = share > _LEAST_WATCHED
    row, bin_of, last, share = row[kept], bin_of[kept], last[kept], share[kept]
    start = base[group[row], bin_of]
    trees = grow_in_parts(
        _design(matrix[row], bin_of),
        (last & happened[row]).astype(np.float64),
        share,
        subject[row],
        settings=growth.settings,
        parts=growth.parts,
        categorical=[column + 1 for column in categorical],
        seed=seed,
        threads=threads,
        init_score=np.log(start / (1 - start)),
    )
    return Hazard(edges, base, tuple(trees))


def _base(
    group: Ints,
    place: Ints,
    happened: NDArray[np.bool_],
    part: Floats,
    weight: Floats,
    groups: int,
    bins: int,
) -> Floats:
    """(groups, bins) events over time watched, drawn towards everybody's."""
    cell = group * bins + place
    events = sums_by(cell, weight * happened, groups * bins).reshape(groups, bins)
    ended = sums_by(cell, weight, groups * bins).reshape(groups, bins)
    beyond = np.cumsum(ended[:, ::-1], axis=1)[:, ::-1] - ended
    watched = beyond + sums_by(cell, weight * part, groups * bins).reshape(groups, bins)
    everybody = (events.sum(0) + 0.05) / (watched.sum(0) + 1.0)
    shares = (events + _DRAWN_TO_ALL * everybody) / (watched + _DRAWN_TO_ALL)
    return np.asarray(np.clip(shares, 1e-5, 1 - 1e-5))


def _drawn(rows: Ints, place: Ints, most_rows: int, seed: int) -> Ints:
    """All rows, or a sample small enough to expand."""
    most = int(most_rows / max((place[rows] + 1).mean(), 1.0))
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _expand(rows: Ints, place: Ints) -> tuple[Ints, Ints]:
    """(row, bin) for every bin each row was watched in, its last one included."""
    counts = place[rows] + 1
    starts = np.cumsum(counts) - counts
    return np.repeat(rows, counts), np.arange(counts.sum()) - np.repeat(starts, counts)


def _design(matrix: Matrix, bins: Ints) -> Matrix:
    return np.column_stack([bins.astype(np.float32), matrix]).astype(np.float32)


def kaplan_meier(seconds: Floats, followed: Floats) -> tuple[Floats, Floats]:
    """(times, survival) with right-censoring at `followed`; events before censorings at ties. Source:
    kpis.md, medianCensored."""
    happened = seconds <= followed
    observed = np.where(happened, seconds, followed)
    times = distinct(observed[happened])
    order = np.sort(observed)
    at_risk = len(observed) - np.searchsorted(order, times, side="left")
    reacted = np.sort(observed[happened])
    events = np.searchsorted(reacted, times, side="right") - np.searchsorted(reacted, times, side="left")
    return times, np.asarray(np.cumprod(1.0 - events / np.maximum(at_risk, 1)), dtype=np.float64)
