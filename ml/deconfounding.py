"""Weights under which nothing that the model does not see told who was contacted how.

A sender who knows the debtors' ages writes to the young on WhatsApp, where the young answer: what those contacts
brought is more than they would bring with everybody. The propensity it logged holds all it went by. Each contact counts
as the inverse of its propensity over the mean inverse of contacts alike in the model's own features, channel and hour;
that mean is one over the probability of the action given those features alone. In the history so weighed only they
decide who gets which action, and little is lost, since most of what made an action likely cancels. Source: stabilised
weights of marginal structural models (Robins, Hernán & Brumback 2000).
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ml.arrays import Floats, Ints, sums_by
from ml.boosting import Settings, grow, margin
from ml.feature_space import Matrix
from ml.outcomes import CHANNELS, Outcomes

LEAST_LOGGED = 2_000
"""Contacts with a logged propensity below which what is usual cannot be told from what is not."""

LEAST_PROPENSITY = 1e-5
"""Smaller ones count as this: no sender draws that seldom, and one inverse of theirs would drown all others."""

MOST_WEIGHT = 10.0
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
    logged, and for all where few are.

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
    side, usual = outcomes.debtor[logged] % 2, np.ones(len(logged))
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
    size = len(CHANNELS)
    mean = sums_by(channel, ratio * counts[logged], size) / np.maximum(
        sums_by(channel, counts[logged], size), 1e-12
    )
    weights[logged] = ratio / mean[channel]
    return weights
