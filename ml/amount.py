"""How much of what is owed a payment brings, when one is made."""

from dataclasses import dataclass

import lightgbm
import numpy as np

from ml.arrays import Floats
from ml.boosting import Settings, grow, margin
from ml.feature_space import Matrix

LEAST_PAYMENTS = 150
_PRIOR_SHARE, _PRIOR_PAYMENTS = 0.5, 10.0
_GROWTH = Settings(objective="regression", rounds=60, learning_rate=0.06, leaves=7, least_in_leaf=60)


@dataclass(frozen=True)
class PaidShare:
    """mean: money-weighted share of the balance paid, shrunken; trees: shift of it by debtor, where
    grown."""

    mean: float
    trees: lightgbm.Booster | None

    def share(self, matrix: Matrix, threads: int) -> Floats:
        """(n,) expected share of the balance a payment brings, 0–1."""
        if self.trees is None:
            return np.full(len(matrix), self.mean)
        return np.clip(self.mean + margin(self.trees, matrix, threads), 0.01, 1.0)


def fit_paid_share(
    matrix: Matrix,
    paid: Floats,
    owed: Floats,
    weight: Floats,
    *,
    categorical: list[int],
    seed: int,
    threads: int,
) -> PaidShare:
    """matrix: (n, …) features before each payment; paid, owed: (n,) money in one currency, of which owed
    > 0 count."""
    rows = np.flatnonzero((owed > 0) & (paid > 0) & (weight > 0))
    share = np.clip(paid[rows] / owed[rows], 0.0, 1.0)
    money = weight[rows]
    mean = (np.sum(money * share) + _PRIOR_SHARE * _PRIOR_PAYMENTS) / (money.sum() + _PRIOR_PAYMENTS)
    if len(rows) < LEAST_PAYMENTS:
        return PaidShare(float(mean), None)
    trees = grow(
        matrix[rows],
        share,
        money,
        settings=_GROWTH,
        categorical=categorical,
        seed=seed,
        threads=threads,
        init_score=np.full(len(rows), mean),
    )
    return PaidShare(float(mean), trees)
