"""What a forecast costs when it is held against what came: the less, the better."""

from collections.abc import Sequence

import numpy as np

from ml.forecast.cohorts import Floats
from ml.forecast.draws import LEVELS

ATOMS = 39
"""How many quantiles stand for a distribution where its CRPS is taken; odd, so that the median is one of them."""


def midpoints(atoms: int) -> Floats:
    """(atoms,) levels of quantiles of which each stands for the same share of a distribution."""
    return (np.arange(atoms) + 0.5) / atoms


def pinball(ends: Floats, came: Floats, levels: Sequence[float] | Floats = LEVELS) -> Floats:
    """(n,) mean over `levels` of the pinball loss of `ends` (levels, n); an end that is nan counts as 0."""
    losses = []
    for level, end in zip(levels, np.nan_to_num(ends), strict=True):
        losses.append(np.maximum(level * (came - end), (level - 1) * (came - end)))
    return np.asarray(np.mean(losses, axis=0))


def crps(atoms: Floats, came: Floats) -> Floats:
    """(n,) continuous ranked probability score of distributions given by equally likely values: (K, n), ascending.

    E|X − y| − ½ E|X − X′| (Gneiting & Raftery 2007) with X any of the values, worked out as twice the pinball loss at
    the midpoints of their shares, which equals it exactly (Laio & Tamea 2007). One value: the absolute error.
    """
    return 2 * pinball(atoms, came, midpoints(len(atoms)))
