"""What a campaign brought: the mean of each arm and their difference, with intervals.

Where enough debtors paid, means are as good as normal: Student's and Welch's intervals. Few payments do not tell how
far they vary, and none at all would look like certainty. There sums are taken for gamma distributed, the upper end as
if one more had paid what payments usually are (Fay & Feuer, Statistics in Medicine 1997), and the arms' intervals are
joined (MOVER; Zou & Donner, Statistics in Medicine 2008).
"""

from dataclasses import dataclass
from math import hypot, sqrt

from scipy.special import gammaincinv, ndtri, stdtrit  # not scipy.stats: loading it takes half a second

LEVEL = 0.9
ENOUGH_PAID = 15.0
"""From so many equal payments' worth of them Student's interval holds what it should."""


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

    @property
    def is_telling(self) -> bool:
        """Whether enough was paid for its spread to be known."""
        return self.total**2 >= ENOUGH_PAID * self.squares > 0


@dataclass(frozen=True)
class Estimate:
    """An amount with its 90 % interval."""

    amount: float
    low: float
    high: float


def usual_payment(*arms: Sums) -> float:
    """What the next debtor to pay may bring: the amount that a unit of money paid came with; 0 when nobody paid."""
    total = sum(arm.total for arm in arms)
    return sum(arm.squares for arm in arms) / total if total > 0 else 0.0


def per_debtor(arm: Sums, *, payment: float) -> Estimate | None:
    """The mean per debtor with its interval; None with fewer than two debtors. payment: `usual_payment` of all arms."""
    if arm.debtors < 2:
        return None
    if not arm.is_telling:
        return _of_few(arm, payment)
    half = float(stdtrit(arm.debtors - 1, 0.5 + LEVEL / 2)) * sqrt(arm.error)
    return Estimate(arm.mean, arm.mean - half, arm.mean + half)


def difference(contacted: Sums, left_alone: Sums) -> Estimate | None:
    """What contacts brought per debtor, with its interval; None when an arm has fewer than two debtors."""
    if contacted.debtors < 2 or left_alone.debtors < 2:
        return None
    amount = contacted.mean - left_alone.mean
    if not (contacted.is_telling and left_alone.is_telling):
        payment = usual_payment(contacted, left_alone)
        one, other = _of_few(contacted, payment), _of_few(left_alone, payment)
        low = hypot(one.amount - one.low, other.high - other.amount)
        high = hypot(one.high - one.amount, other.amount - other.low)
        return Estimate(amount, amount - low, amount + high)
    variance = contacted.error + left_alone.error
    if variance == 0:
        return Estimate(amount, amount, amount)
    spread = contacted.error**2 / (contacted.debtors - 1) + left_alone.error**2 / (left_alone.debtors - 1)
    half = float(stdtrit(variance**2 / spread, 0.5 + LEVEL / 2)) * sqrt(variance)
    return Estimate(amount, amount - half, amount + half)


def _of_few(arm: Sums, payment: float) -> Estimate:
    """Student's quantile over the normal one allows for a spread known from few debtors."""
    tail = 0.5 + LEVEL / 2
    stretch = float(stdtrit(arm.debtors - 1, tail) / ndtri(tail))
    variance = arm.error * stretch**2
    one_more = payment / arm.debtors
    low = _gamma(1 - tail, arm.mean, variance)
    high = _gamma(tail, arm.mean + one_more, variance + one_more**2)
    return Estimate(arm.mean, min(low, arm.mean), max(high, arm.mean))


def _gamma(share: float, mean: float, variance: float) -> float:
    """The quantile of the gamma distribution of that mean and variance."""
    if mean <= 0 or variance <= 0:
        return mean
    return float(gammaincinv(mean**2 / variance, share)) * (variance / mean)
