"""One yes/no step of the funnel, learned in two stages: who on which channel, then when.

Stage A (boosted trees) sees the debtor and the channel. Stage B (the mean of random effects and of trees) starts from
A's margin and sees segment, rhythm, channel and local hour of week only, so that it folds into a table segment ×
rhythm × channel × 168. Bootstrap draws over debtors of its effects say how sure the table is.

A grows knowing what B's effects alone make of hours and days. Senders who choose hours well, as this product does,
choose them by the debtor and better than they did before: trees that did not know of hours would take what those bring
for what the debtors of late are like, and leave little of it to the hours. Measured: docs/adr/0036.
"""

from dataclasses import dataclass, replace

import lightgbm
import numpy as np

from ml.arrays import Bools, Floats, Ints, Singles
from ml.boosting import Growing, Settings, confirmed_rounds, grow, logit, margin, sigmoid
from ml.drawing import draw_for_trees
from ml.feature_space import Matrix
from ml.outcomes import CHANNELS
from ml.slot_effects import Cells, Shape, SlotEffects, no_effects
from ml.slot_fit import SlotRows, fit_slot_effects, replicate_slot_effects
from ml.slot_trees import PARTS, parts_of_debtors, tree_departures

LEAST_POSITIVES = 40.0
"""Positives (or negatives) below which trees are not grown and rates per channel, shrunken, stand in."""

_SEEN = 64

STAGE_A = Settings(
    objective="cross_entropy",
    rounds=150,
    learning_rate=0.1,
    leaves=4,
    least_in_leaf=100,
    extra={"feature_fraction": 0.8},
)


@dataclass(frozen=True)
class StagedClassifier:
    """prior: (channels,) margins that stage A, where it was grown, departs from; effects: of stage B, and draws: their
    bootstrap replicates; departures: what its trees make of either (`ml.slot_trees`); seen: (channels, 64) margins, as
    things stand now, evenly drawn from what it learned from."""

    prior: Floats
    stage_a: lightgbm.Booster | None
    effects: SlotEffects
    draws: tuple[SlotEffects, ...]
    seen: Floats
    departures: Singles | None = None

    def margin_a(self, matrix: Matrix, channel: Ints, threads: int) -> Floats:
        """(n,) stage A's log-odds for debtors on channels."""
        if self.stage_a is None:
            return self.prior[channel]
        return self.prior[channel] + margin(self.stage_a, matrix, threads)

    def margins(self, matrix: Matrix, cells: Cells, threads: int) -> Floats:
        """(n,) log-odds of both stages."""
        return (
            self.margin_a(matrix, cells.channel, threads) + self.effects.shift(cells) + self.departed(cells)
        )

    def departed(self, cells: Cells) -> Floats | float:
        """(n,) log-odds that the trees of stage B add to its effects."""
        if self.departures is None:
            return 0.0
        return self.departures[cells.segment, cells.rhythm, cells.channel, cells.slot].astype(np.float64)

    def table(self, segments: Ints, channels: Ints, draw: int | None) -> Floats:
        """(len(segments), rhythms, len(channels), 168) log-odds of stage B, or those of one of its replicates."""
        effects = self.effects if draw is None or not self.draws else self.draws[draw % len(self.draws)]
        found = effects.table(segments, channels)
        return found if self.departures is None else found + self.departures[segments][:, :, channels]


@dataclass(frozen=True)
class Lesson:
    """What one step learns from, n rows: label in [0, 1]; weight, 0 where the outcome is not known;
    debtor: unit of the bootstrap; counted: weights that tell how much evidence the rows are, `weight` without."""

    matrix: Matrix
    cells: Cells
    label: Floats
    weight: Floats
    debtor: Ints
    categorical: list[int]
    shape: Shape
    counted: Floats | None = None


def fit_staged(
    lesson: Lesson,
    *,
    draws: int,
    seed: int,
    threads: int,
    settings: Settings = STAGE_A,
    rounds: int | None = None,
    effects_alone: bool = False,
) -> StagedClassifier:
    """Fits both stages; with too few positives or negatives only shrunken rates per channel remain. rounds: of stage A,
    where they are known; debtors left out tell otherwise. effects_alone: stage B without its trees, which take a
    while."""
    label, weight, cells = lesson.label, lesson.weight, lesson.cells
    prior = channel_priors(label, weight, cells.channel)
    told = weight > 0
    positives, negatives = label[told].sum(), (1.0 - label[told]).sum()
    if min(positives, negatives) < LEAST_POSITIVES:
        return StagedClassifier(prior, None, no_effects(lesson.shape), (), prior[:, None])
    weight = weight * _worth(lesson, told, prior) / weight.sum()
    growing: Growing = {"categorical": lesson.categorical, "seed": seed, "threads": threads}
    start = prior[cells.channel]
    rows = SlotRows.of(cells, start, label, weight, lesson.shape)
    start[rows.kept] += fit_slot_effects(rows.added_up()).curves_then(rows.cells)[rows.place]
    if rounds is None:
        rounds = confirmed_rounds(
            lesson.matrix, label, weight, lesson.debtor, settings=settings, init_score=start, **growing
        )
    drawn, counts = draw_for_trees(label, weight, cells.channel, seed=seed)
    settled = replace(settings, rounds=rounds)
    stage_a = grow(
        lesson.matrix[drawn], label[drawn], counts, settings=settled, init_score=start[drawn], **growing
    )
    alone = StagedClassifier(prior, stage_a, no_effects(lesson.shape), (), prior[:, None])
    rows = replace(rows, start=alone.margin_a(lesson.matrix, cells.channel, threads)[rows.kept])
    staged = replace(
        _fit_hours(rows, lesson.debtor, draws=draws, seed=seed, threads=threads, effects_alone=effects_alone),
        prior=prior,
        stage_a=stage_a,
    )
    shift = staged.effects.shift(rows.cells) + staged.departed(rows.cells)
    channel = rows.cells.channel[rows.place]
    seen = _margins_seen(rows.start + shift[rows.place], rows.weight, channel, otherwise=prior)
    return replace(staged, seen=seen)


def _fit_hours(
    rows: SlotRows, debtor: Ints, *, draws: int, seed: int, threads: int, effects_alone: bool
) -> StagedClassifier:
    """Stage B by itself. debtor: of every contact, those that were left out of the rows among them."""
    effects, part = fit_slot_effects(rows), parts_of_debtors(debtor, seed)
    times = [bootstrap_weights(debtor, seed + draw) for draw in range(1, draws + 1)]
    if not effects_alone:
        times += [(part != left_out).astype(np.float64) for left_out in range(PARTS)]
    refitted = replicate_slot_effects(rows, effects, times)
    even = np.zeros(len(CHANNELS))
    staged = StagedClassifier(even, None, effects, refitted[:draws], even[:, None])
    if effects_alone:
        return staged
    without = refitted[draws:]
    return replace(
        staged, departures=tree_departures(rows, part, effects, without, seed=seed, threads=threads)
    )


def _worth(lesson: Lesson, told: Bools, prior: Floats) -> float:
    """How many contacts drawn one by one would tell as much as the rows that are told: as many where all weigh the
    same, fewer where old contacts, or those others stand for, weigh less. Source: Kish 1965, of the score."""
    weight = (lesson.weight if lesson.counted is None else lesson.counted)[told]
    off = (lesson.label - sigmoid(prior)[lesson.cells.channel])[told] ** 2
    return float(weight.sum() * np.sum(weight * off) / np.sum(weight**2 * off))


def bootstrap_weights(debtor: Ints, seed: int) -> Floats:
    """How often each row's debtor is drawn in a Poisson bootstrap over debtors."""
    if not len(debtor):
        return np.zeros(0)
    drawn = np.random.default_rng(seed).poisson(1.0, int(debtor.max()) + 1)
    return drawn.astype(np.float64)[debtor]


def _margins_seen(margins: Floats, weight: Floats, channel: Ints, *, otherwise: Floats) -> Floats:
    """(channels, 64) weighted quantiles of each channel's margins; `otherwise` for a channel without rows."""
    shares = (np.arange(_SEEN) + 0.5) / _SEEN
    found = np.tile(otherwise[:, None], (1, _SEEN))
    for code in range(len(CHANNELS)):
        rows = np.flatnonzero(channel == code)
        if len(rows):
            rows = rows[np.argsort(margins[rows], kind="stable")]
            filled = np.cumsum(weight[rows])
            found[code] = margins[rows][np.searchsorted(filled, shares * filled[-1])]
    return found


def channel_priors(label: Floats, weight: Floats, channel: Ints) -> Floats:
    """(channels,) log-odds of shrunken rates: each channel's drawn towards everybody's, everybody's
    slightly towards 0."""
    overall = (np.sum(label * weight) + 0.01) / (weight.sum() + 10.0)
    hits = np.bincount(channel, label * weight, len(CHANNELS))
    sends = np.bincount(channel, weight, len(CHANNELS))
    return np.array([logit(float(rate)) for rate in (hits + 30.0 * overall) / (sends + 30.0)])
