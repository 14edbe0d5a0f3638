"""Lift against SciPy's own test, and its interval against known truth."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from ml.lift import Sums, difference, per_debtor, usual_payment


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


@pytest.mark.parametrize(("debtors", "share"), [(60, 0.1), (200, 0.1), (600, 0.1), (2_000, 0.1), (200, 0.5)])
@pytest.mark.parametrize(("alone", "contacted"), [(0.03, 0.03), (0.03, 0.09), (0.15, 0.2)])
def test_intervals_of_small_campaigns_hold_the_truth(
    debtors: int, share: float, alone: float, contacted: float
) -> None:
    rng = np.random.default_rng(3)
    left_alone = round(debtors * share)
    mean = float(np.exp(5.125))
    held, held_alone, campaigns = 0, 0, 0
    for _ in range(400):
        one = paid(rng, debtors - left_alone, contacted)
        two = paid(rng, left_alone, alone)
        if not (one.total or two.total):
            continue  # no payment, no currency: nothing is told
        campaigns += 1
        found = difference(one, two)
        arm = per_debtor(two, payment=usual_payment(one, two))
        assert found is not None
        assert arm is not None
        held += found.low <= (contacted - alone) * mean <= found.high
        held_alone += arm.low <= alone * mean <= arm.high
    assert held / campaigns >= 0.87
    assert held_alone / campaigns >= 0.85


def paid(rng: np.random.Generator, debtors: int, share: float) -> Sums:
    return sums(np.where(rng.random(debtors) < share, rng.lognormal(5, 0.5, debtors), 0.0))


def test_an_arm_in_which_nobody_paid_is_not_certain_to_pay_nothing() -> None:
    contacted, left_alone = sums(np.array([100.0] * 9 + [0.0] * 171)), sums(np.zeros(20))
    arm = per_debtor(left_alone, payment=usual_payment(contacted, left_alone))
    assert arm is not None
    assert (arm.amount, arm.low) == (0, 0)
    assert 14 < arm.high < 16  # three payments of 100 among 20 debtors: one in twenty would see none
    found = difference(contacted, left_alone)
    assert found is not None
    assert found.low < -8
    assert found.high < 10


def test_one_debtor_tells_nothing() -> None:
    one = sums(np.array([5.0]))
    assert per_debtor(one, payment=5.0) is None
    assert difference(one, sums(np.array([1.0, 2.0]))) is None
    nobody_paid = sums(np.zeros(10))
    found = difference(nobody_paid, nobody_paid)
    assert found is not None
    assert (found.amount, found.low, found.high) == (0, 0, 0)
    mean = per_debtor(nobody_paid, payment=0.0)
    assert mean is not None
    assert (mean.amount, mean.low, mean.high) == (0, 0, 0)
