"""Debtors in two halves."""

import numpy as np
import pytest

from ml.halves import halves


def test_half_of_the_debtors_are_in_each_and_stay_there() -> None:
    everyone = halves(np.arange(10_000))
    assert set(everyone.tolist()) == {0, 1}
    assert everyone.mean() == pytest.approx(0.5, abs=0.02)
    some = np.array([9_999, 3, 3, 512])
    np.testing.assert_array_equal(halves(some), everyone[some])
    assert len(halves(some[:0])) == 0


@pytest.mark.parametrize("every", [2, 3, 4, 10, 16, 100])
def test_whoever_is_counted_off_is_in_both(every: int) -> None:
    everyone = halves(np.arange(10_000))
    for first in range(every):
        assert everyone[first::every].mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(10_000 / every))
