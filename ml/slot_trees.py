"""When, learned a second time: boosted trees over the cells of the slot table, beside the random effects
(`ml.slot_effects`).

Effects draw together what is named alike; trees split wherever cells differ, so they find what nobody named and miss
what effects see. What counts is a mean of both, in which trees have the share that debtors whom neither has seen speak
for. Trees see sums over cells, not contacts: one step of reweighted least squares around the effects, which have taken
out how tastes shifted. Sources: Green 1984 (working responses); Wolpert 1992, Breiman 1996 (stacking). Measured:
docs/adr/0032.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np

from ml.arrays import Floats, Ints, Singles, sums_by
from ml.boosting import Settings, grow_without, margin, sigmoid
from ml.outcomes import CHANNELS
from ml.slot_effects import HOURS, Cells, SlotEffects, distinct_cells
from ml.slot_fit import SlotRows

PARTS = 2
"""Into how many parts debtors are dealt: trees, and the effects beside them, are fitted without each in turn."""

USUAL_SHARE, USUAL_WEIGHT = 0.5, 25.0
"""The share of trees before anything tells: half of the mean, give or take a fifth."""

_GROWTH = Settings(
    objective="l2",
    rounds=60,
    learning_rate=0.3,
    leaves=15,
    least_in_leaf=20,
    extra={"min_data_per_group": 20, "min_sum_hessian_in_leaf": 10.0},
)
_CATEGORICAL = [0, 1, 2]
_NOTHING = 1e-6


def parts_of_debtors(debtor: Ints, seed: int) -> Ints:
    """(n,) the part that each row's debtor is dealt to."""
    return (np.random.default_rng(seed).permutation(int(debtor.max(initial=0)) + 1) % PARTS)[debtor]


def tree_departures(
    rows: SlotRows,
    part: Ints,
    effects: SlotEffects,
    without: Sequence[SlotEffects],
    *,
    seed: int,
    threads: int,
) -> Singles:
    """(segments, rhythms, channels, 168) log-odds that lead from the effects to the mean of effects and trees; 0 on
    channels and at hours of the week that nobody tells anything about.

    part: of every contact, as `parts_of_debtors` has it, those that were left out among them; effects: fitted to the
    rows; without: to those of all parts but one, for each.
    """
    shape = effects.shape
    found = np.zeros((shape.segments, shape.rhythms, len(CHANNELS), HOURS), dtype=np.float32)
    seen = _seen(rows, part[rows.kept], effects)
    grown = [_grown(seen, left_out, seed=seed, threads=threads) for left_out in range(PARTS)]
    trees = [each for each in grown if each is not None]
    if len(trees) < PARTS:
        return found
    share = _share(seen, trees, without, threads)
    channels, slots = np.unique(seen.cells.channel), np.unique(seen.cells.slot)
    for segment in np.arange(shape.segments)[:, None]:
        axes = np.meshgrid(segment, np.arange(shape.rhythms), channels, slots, indexing="ij")
        asked = Cells(*(axis.ravel() for axis in axes))
        mean = np.mean([_margin(seen, each, asked, threads) for each in trees], axis=0)
        departed = share * (mean - effects.shift(asked))
        found[np.ix_(segment, np.arange(shape.rhythms), channels, slots)] = departed.reshape(axes[0].shape)
    return found


@dataclass(frozen=True)
class _Seen:
    """Per cell and part that occur: the log-odds that its contacts speak for, had they been made now, beyond stage A,
    and the information behind them; middle: the mean of the former."""

    cells: Cells
    part: Ints
    response: Floats
    information: Floats
    middle: float


def _seen(rows: SlotRows, part: Ints, effects: SlotEffects) -> _Seen:
    chance = sigmoid(rows.start + effects.shift_then(rows.cells)[rows.place])
    then = rows.cells
    now, same = distinct_cells(Cells(then.segment, then.rhythm, then.channel, then.slot), rows.shape)
    place, size = same[rows.place] * PARTS + part, len(now.slot) * PARTS
    score = sums_by(place, rows.weight * (rows.label - chance), size)
    information = sums_by(place, rows.weight * chance * (1 - chance), size)
    kept = np.flatnonzero(information > _NOTHING)
    cell, information = kept // PARTS, information[kept]
    response = effects.shift(now)[cell] + score[kept] / information
    middle = float(np.sum(response * information) / max(information.sum(), _NOTHING))
    return _Seen(now.take(cell), kept % PARTS, response, information, middle)


def _grown(seen: _Seen, left_out: int, *, seed: int, threads: int) -> lightgbm.Booster | None:
    return grow_without(
        seen.part == left_out,
        _features(seen.cells),
        seen.response,
        seen.information,
        settings=_GROWTH,
        categorical=_CATEGORICAL,
        seed=seed + left_out,
        threads=threads,
        init_score=np.full(len(seen.response), seen.middle),
    )


def _share(
    seen: _Seen, trees: Sequence[lightgbm.Booster], without: Sequence[SlotEffects], threads: int
) -> float:
    """What trees count beside effects: least squares on the parts that were left out of both."""
    agreed, apart = USUAL_SHARE * USUAL_WEIGHT, USUAL_WEIGHT
    for left_out in range(PARTS):
        rows = np.flatnonzero(seen.part == left_out)
        cells, information = seen.cells.take(rows), seen.information[rows]
        said = without[left_out].shift(cells)
        differs = _margin(seen, trees[left_out], cells, threads) - said
        agreed += float(np.sum(information * differs * (seen.response[rows] - said)))
        apart += float(np.sum(information * differs**2))
    return float(np.clip(agreed / apart, 0.0, 1.0))


def _margin(seen: _Seen, trees: lightgbm.Booster, cells: Cells, threads: int) -> Floats:
    return seen.middle + margin(trees, _features(cells), threads)


def _features(cells: Cells) -> Singles:
    weekday, hour = cells.slot // 24, cells.slot % 24
    columns = (cells.segment, cells.rhythm, cells.channel, hour, weekday, weekday >= 5)
    return np.column_stack(columns).astype(np.float32)
