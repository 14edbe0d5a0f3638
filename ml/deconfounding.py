"""Weights under which nothing that the model does not see told who was contacted how.

A sender who knows the debtors' ages writes to the young on WhatsApp, where the young answer: what those contacts
brought is more than they would bring with everybody. The propensity it logged holds all it went by. Each contact counts
as the inverse of its propensity over the mean inverse of contacts alike in the model's own features, channel and hour;
that mean is one over the probability of the action given those features alone. In the history so weighed only they
decide who gets which action, and little is lost, since most of what made an action likely cancels. Source: stabilised
weights of marginal structural models (Robins, Hernán & Brumback 2000).

Where what the sender went by has nothing to do with what debtors do, as with the arms of a trial, such weights are
noise. So they are believed as far as they go with outcomes: as far as debtors who got an action against the odds answer
and pay otherwise than those who got it as usual, by more than chance would have it. Source: positive-part shrinkage
(Efron & Morris 1973).
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ml.arrays import Floats, Ints, sums_by
from ml.boosting import Settings, grow, margin
from ml.feature_space import Matrix
from ml.halves import halves
from ml.off_policy import WIDTHS, block_of
from ml.outcomes import CHANNELS, Outcomes
from ml.slot_effects import HOURS

LEAST_LOGGED = 2_000
"""Contacts with a logged propensity below which what is usual cannot be told from what is not."""

LEAST_PROPENSITY = 1e-5
"""Smaller ones count as this: no sender draws that seldom, and one inverse of theirs would drown all others."""

MOST_WEIGHT = 10.0

BEYOND_CHANCE = 3.0
"""Times what chance has outcomes go with weights up to which nothing of them is believed: contacts of debtors with
whom one thing led to another, and what is usual not told quite right, look like two."""

_LEAST_SENT, _LEAST_HAPPENED = 200, 10
_MOST_ROWS = 200_000
_USUAL = Settings(objective="gamma", rounds=60, learning_rate=0.15, leaves=31, least_in_leaf=100)


def deconfounding_weights(
    matrix: Matrix,
    outcomes: Outcomes,
    segment: Ints,
    counts: Floats,
    *,
    categorical: list[int],
    seed: int,
    threads: int,
) -> Floats:
    """(n,) what each contact counts: between a tenth and ten, 1 on average on each channel; 1 where no propensity is
    logged, for all where few are, and where outcomes do not go with them.

    matrix: (n, features) with `categorical` columns; segment: (n,) codes; counts: (n,) contacts each row stands for.
    What is usual is learned from the other half of the debtors.
    """
    weights = np.ones(len(outcomes))
    logged = np.flatnonzero(np.isfinite(outcomes.propensity) & (outcomes.propensity > 0))
    if len(logged) < LEAST_LOGGED:
        return weights
    local, channel = outcomes.local, outcomes.channel[logged]
    when = np.column_stack([local.hour[logged], local.weekday[logged], segment[logged]])
    acted = np.hstack([matrix[logged], when.astype(np.float32)])
    inverse = 1.0 / np.maximum(outcomes.propensity[logged], LEAST_PROPENSITY)
    categories = [*categorical, acted.shape[1] - 1]
    side, usual = halves(outcomes.debtor[logged]), np.ones(len(logged))
    few = np.random.default_rng(seed).random(len(logged)) < 2 * _MOST_ROWS / len(logged)
    learned = [counts[logged] * (few & (side != half)) for half in (0, 1)]
    if not all(each.any() for each in learned):
        return weights

    def tell(half: int) -> None:
        trees = grow(
            acted, inverse, learned[half], settings=_USUAL, categorical=categories, seed=seed, threads=1
        )
        mine = np.flatnonzero(side == half)
        usual[mine] = np.exp(margin(trees, acted[mine], 1))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(tell, (0, 1)))
    ratio = np.clip(inverse / usual, 1.0 / MOST_WEIGHT, MOST_WEIGHT)
    ratio **= _believed(ratio, outcomes.take(logged), counts[logged])
    size = len(CHANNELS)
    mean = sums_by(channel, ratio * counts[logged], size) / np.maximum(
        sums_by(channel, counts[logged], size), 1e-12
    )
    weights[logged] = ratio / mean[channel]
    return weights


def _believed(ratio: Floats, outcomes: Outcomes, counts: Floats) -> float:
    """Between 0 and 1, how far the ratios of contacts go with what became of them, in blocks of actions.

    Of each block, the mean outcome so weighed less the plain one, squared, over what chance makes of it: each debtor's
    contacts are one draw.
    """
    action = outcomes.channel * HOURS + outcomes.local.hour_of_week
    inside = np.flatnonzero(block_of(action, WIDTHS[0]) >= 0)
    some, ratio, counts = outcomes.take(inside), ratio[inside], counts[inside]
    block = block_of(action[inside], WIDTHS[0])
    size = int(block.max(initial=-1)) + 1
    sent = np.maximum(sums_by(block, counts, size), 1e-12)
    excess = ratio / (sums_by(block, counts * ratio, size) / sent)[block] - 1.0
    of_debtors, debtor_in_block = np.unique(
        block * (some.debtor.max(initial=0) + 1) + some.debtor, return_inverse=True
    )
    block_of_debtors = of_debtors // (some.debtor.max(initial=0) + 1)
    found = expected = 0.0
    for happened_at in (some.engaged_at, some.paid_at):
        happened = (happened_at <= some.seen_until).astype(np.float64)
        count = sums_by(block, happened, size)
        usual = sums_by(block, counts * happened, size) / sent
        moved = counts * excess * (happened - usual[block])
        by_debtor = sums_by(debtor_in_block, moved, len(of_debtors))
        chance = sums_by(block_of_debtors, by_debtor**2, size)
        told = (np.bincount(block, minlength=size) >= _LEAST_SENT) & (count >= _LEAST_HAPPENED) & (chance > 0)
        found += float((sums_by(block, moved, size)[told] ** 2 / chance[told]).sum())
        expected += float(told.sum())
    return max(0.0, 1.0 - BEYOND_CHANCE * expected / found) if found > 0 else 0.0
