"""Lift against SciPy's own test, and its interval against known truth."""

import numpy as np
from scipy.stats import ttest_ind

from ml.lift import Sums, difference, per_debtor


def sums(amounts: np.ndarray) -> Sums:
    return Sums(len(amounts), float(amounts.sum()), float((amounts**2).sum()))


def test_the_difference_is_that_of_welchs_test() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.gamma(1, 20, 300), rng.gamma(1, 15, 40)
    found = difference(sums(one), sums(two))
    interval = ttest_ind(one, two, equal_var=False).confidence_interval(0.9)
    assert found is not None
    assert np.allclose([found.amount, found.low, found.high], [one.mean() - two.mean(), *interval])


def test_nine_in_ten_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        paid = rng.random(900) < 0.2
        contacted, alone = paid[:600] * rng.gamma(2, 30, 600), paid[600:] * rng.gamma(2, 30, 300)
        found = difference(sums(contacted + 2.0), sums(alone))
        assert found is not None
        held += found.low <= 2.0 <= found.high
    assert 0.86 <= held / 400 <= 0.94


def test_one_debtor_tells_nothing() -> None:
    one = sums(np.array([5.0]))
    assert per_debtor(one) is None
    assert difference(one, sums(np.array([1.0, 2.0]))) is None
    nobody_paid = sums(np.zeros(10))
    found = difference(nobody_paid, nobody_paid)
    assert found is not None
    assert (found.amount, found.low, found.high) == (0, 0, 0)
    mean = per_debtor(nobody_paid)
    assert mean is not None
    assert (mean.amount, mean.low, mean.high) == (0, 0, 0)
