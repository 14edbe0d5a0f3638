"""When, learned a second time: boosted trees over the cells of the slot table, whose mean with the random effects
(`ml.slot_effects`) errs less than either.

Effects draw together what is named alike; trees split wherever cells differ, so they find what nobody named and miss
what effects see. Trees see sums over cells, not contacts: one step of reweighted least squares around the effects,
which have taken out how tastes shifted. They are grown in parts, each stopped by debtors it has not seen, and
averaged. Sources: Green 1984 (working responses); Breiman 1996 (bagging, stacking). Measured: docs/adr/0032.
"""

import numpy as np

from ml.arrays import Floats, Ints, Singles, sums_by
from ml.boosting import Settings, grow_in_parts, margin, sigmoid
from ml.outcomes import CHANNELS
from ml.slot_effects import HOURS, Cells, SlotEffects, distinct_cells

PARTS = 3
TREES_SHARE = 0.5
"""What the trees count in the mean of both."""

_GROWTH = Settings(
    objective="l2",
    rounds=400,
    learning_rate=0.1,
    leaves=15,
    least_in_leaf=20,
    extra={"min_data_per_group": 20, "min_sum_hessian_in_leaf": 10.0},
)
_CATEGORICAL = [0, 1, 2]
_NOTHING = 1e-6


def tree_departures(
    cells: Cells,
    start: Floats,
    label: Floats,
    weight: Floats,
    debtor: Ints,
    effects: SlotEffects,
    *,
    seed: int,
    threads: int,
) -> Singles:
    """(segments, rhythms, channels, 168) log-odds that lead from the effects to the mean of effects and trees; 0 on
    channels and at hours of the week that nobody tells anything about.

    start: (n,) margins of stage A; label in [0, 1]; weight ≥ 0, 0 leaving a row out; debtor: (n,) who is seen whole or
    not at all by a part; effects: fitted on the same rows.
    """
    shape = effects.shape
    found = np.zeros((shape.segments, shape.rhythms, len(CHANNELS), HOURS), dtype=np.float32)
    told = np.flatnonzero(weight > 0)
    if not len(told):
        return found
    part = (np.random.default_rng(seed).permutation(int(debtor.max()) + 1) % PARTS)[debtor[told]]
    seen, response, information, part = _responses(
        cells.take(told), start[told], label[told], weight[told], part, effects
    )
    mean = float(np.average(response, weights=information))
    grown = grow_in_parts(
        _features(seen),
        response,
        information,
        part,
        settings=_GROWTH,
        parts=PARTS,
        categorical=_CATEGORICAL,
        seed=seed,
        threads=threads,
        init_score=np.full(len(response), mean),
    )
    if not grown:
        return found
    channels, slots = np.unique(seen.channel), np.unique(seen.slot)
    for segment in np.arange(shape.segments)[:, None]:
        axes = np.meshgrid(segment, np.arange(shape.rhythms), channels, slots, indexing="ij")
        asked = Cells(*(axis.ravel() for axis in axes))
        features = _features(asked)
        trees = mean + np.mean([margin(each, features, threads) for each in grown], axis=0)
        departed = TREES_SHARE * (trees - effects.shift(asked))
        found[np.ix_(segment, np.arange(shape.rhythms), channels, slots)] = departed.reshape(axes[0].shape)
    return found


def _responses(
    cells: Cells, start: Floats, label: Floats, weight: Floats, part: Ints, effects: SlotEffects
) -> tuple[Cells, Floats, Floats, Ints]:
    """Per cell and part that occur: the cell, the log-odds that its contacts speak for, had they been made now, the
    information behind them, and the part."""
    shape = effects.shape
    then, place = distinct_cells(cells, shape)
    chance = sigmoid(start + effects.shift_then(then)[place])
    now, place = distinct_cells(Cells(cells.segment, cells.rhythm, cells.channel, cells.slot), shape)
    place, size = place * PARTS + part, len(now.slot) * PARTS
    score = sums_by(place, weight * (label - chance), size)
    information = sums_by(place, weight * chance * (1 - chance), size)
    kept = np.flatnonzero(information > _NOTHING)
    cell = kept // PARTS
    response = effects.shift(now)[cell] + score[kept] / information[kept]
    return now.take(cell), response, information[kept], kept % PARTS


def _features(cells: Cells) -> Floats:
    weekday, hour = cells.slot // 24, cells.slot % 24
    return np.column_stack([cells.segment, cells.rhythm, cells.channel, hour, weekday, weekday >= 5]).astype(
        np.float32
    )
