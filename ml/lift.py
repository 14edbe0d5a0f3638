"""What a campaign brought: the mean of each arm and their difference, with intervals."""

from dataclasses import dataclass
from math import sqrt

from scipy.stats import t

LEVEL = 0.9


@dataclass(frozen=True)
class Sums:
    """Amounts of one arm in one currency: how many debtors, sum, and sum of squares."""

    debtors: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """Amount per debtor."""
        return self.total / self.debtors

    @property
    def error(self) -> float:
        """Variance of the mean; 0 for fewer than two debtors."""
        if self.debtors < 2:
            return 0.0
        variance = (self.squares - self.total**2 / self.debtors) / (self.debtors - 1)
        return max(variance, 0.0) / self.debtors


@dataclass(frozen=True)
class Estimate:
    """An amount with its 90 % interval."""

    amount: float
    low: float
    high: float


def per_debtor(arm: Sums) -> Estimate | None:
    """The mean per debtor with Student's interval; None with fewer than two debtors."""
    if arm.debtors < 2:
        return None
    half = float(t.ppf(0.5 + LEVEL / 2, arm.debtors - 1)) * sqrt(arm.error)
    return Estimate(arm.mean, arm.mean - half, arm.mean + half)


def difference(contacted: Sums, left_alone: Sums) -> Estimate | None:
    """What contacts brought per debtor, with Welch's interval; None when an arm has fewer than two debtors."""
    if contacted.debtors < 2 or left_alone.debtors < 2:
        return None
    amount, variance = contacted.mean - left_alone.mean, contacted.error + left_alone.error
    if variance == 0:
        return Estimate(amount, amount, amount)
    spread = contacted.error**2 / (contacted.debtors - 1) + left_alone.error**2 / (left_alone.debtors - 1)
    half = float(t.ppf(0.5 + LEVEL / 2, variance**2 / spread)) * sqrt(variance)
    return Estimate(amount, amount - half, amount + half)
