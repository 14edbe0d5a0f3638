"""Who pays when left alone: an organic hazard on debtor-weeks, freed of what contacts moved.

Quiet spells tell it directly; where few debtors are ever left alone, the payments of the other weeks
count by their probability of not having been moved by a contact (`ml.causes`), so that the estimate uses
every week and exists even where nobody is ever quiet.
"""

from dataclasses import dataclass

import lightgbm
import numpy as np

from ml.arrays import Floats, Ints
from ml.boosting import Settings, grow, margin
from ml.causes import Receipts
from ml.feature_space import FeatureSpace
from ml.features import LEAST_OWED, Casebook, Columns
from ml.local_time import DAY_SECONDS, MICROSECONDS
from ml.outcomes import HORIZON_SECONDS

WEEK = 7 * DAY_SECONDS * MICROSECONDS
LEAST_PAYMENTS = 80.0
_MOST_ROWS = 60_000
_GROWTH = Settings(
    objective="poisson",
    rounds=40,
    learning_rate=0.06,
    leaves=7,
    least_in_leaf=300,
    l2=20.0,
    extra={"min_sum_hessian_in_leaf": 30.0},
)
WITHOUT = ("channel", "age", "segment", "day_of_month")
"""Features that do not belong to a debtor left alone for a month; nor do any about contacts (see `_left_out`)."""


@dataclass(frozen=True)
class OrganicHazard:
    """weekly: payments a debtor makes by itself in a week, overall; trees: log shift of it by debtor,
    where grown."""

    weekly: float
    space: FeatureSpace
    trees: lightgbm.Booster | None

    def probability(
        self, columns: Columns, threads: int, days: float = HORIZON_SECONDS / DAY_SECONDS
    ) -> Floats:
        """(n,) P(pays within `days` | left alone)."""
        matrix = self.space.matrix(columns)
        rate = np.full(len(matrix), self.weekly)
        if self.trees is not None:
            rate = self.weekly * np.exp(np.clip(margin(self.trees, matrix, threads), -4, 4))
        return np.asarray(-np.expm1(-rate * days / 7.0))


def fit_organic(book: Casebook, receipts: Receipts, organic: Floats, *, seed: int) -> OrganicHazard:
    """organic: one entry per receipt, the probability that it would have come anyway."""
    outcomes = book.outcomes
    start = int(outcomes.sent_at.min())
    weeks = max((outcomes.seen_until - start) // WEEK, 1)
    owner, week = _debtor_weeks(len(book.debtors), int(weeks), seed)
    begin = start + week * WEEK
    owing = book.balances(owner, begin) > LEAST_OWED
    owner, week, begin = owner[owing], week[owing], begin[owing]
    label = _payments_per_week(
        owner, week, receipts.debtor, (receipts.paid_at - start) // WEEK, organic, int(weeks)
    )
    columns = book.columns(book.contacts(owner, np.zeros(len(owner), dtype=np.int64), begin))
    space = FeatureSpace.fit(columns, without=[name for name in columns if _left_out(name)])
    weekly = (label.sum() + 0.5) / (len(label) + 100.0)
    if label.sum() < LEAST_PAYMENTS:
        return OrganicHazard(float(weekly), space, None)
    trees = grow(
        space.matrix(columns),
        label,
        np.ones(len(label)),
        settings=_GROWTH,
        categorical=space.categorical,
        seed=seed,
        threads=1,
        init_score=np.full(len(label), np.log(weekly)),
    )
    return OrganicHazard(float(weekly), space, trees)


def _left_out(name: str) -> bool:
    return name in WITHOUT or name.startswith(
        ("contacts_", "own_", "days_since_contact", "days_since_engaged")
    )


def _debtor_weeks(debtors: int, weeks: int, seed: int) -> tuple[Ints, Ints]:
    every = debtors * weeks
    chosen = np.arange(every)
    if every > _MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(every, _MOST_ROWS, replace=False))
    return chosen // weeks, chosen % weeks


def _payments_per_week(
    owner: Ints, week: Ints, debtor: Ints, paid_week: Ints, organic: Floats, weeks: int
) -> Floats:
    inside = (paid_week >= 0) & (paid_week < weeks)
    key, place = np.unique(debtor[inside] * weeks + paid_week[inside], return_inverse=True)
    total = np.bincount(place, organic[inside], len(key))
    wanted = owner * weeks + week
    found = np.searchsorted(key, wanted)
    label = np.zeros(len(owner))
    within = found < len(key)
    hit = np.flatnonzero(within)[key[found[within]] == wanted[within]]
    label[hit] = total[found[hit]]
    return label
