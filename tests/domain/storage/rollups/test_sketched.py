"""Sketches added up all at once are what they are one by one, however many groups there are."""

import numpy as np
import pytest

from domain.kpis.sketches import ZERO, band_seconds
from domain.storage.rollups.blocks import BAND, TooFine
from domain.storage.rollups.sketched import added, at_ranks

#: A day on which clocks disagreed, somebody was at once, and others took a month.
_BANDS = np.array([(ZERO - 700, 2), (ZERO, 1), (0, 3), (777, 4)] * 2 + [(777, 5)], BAND)
_LENGTHS = np.array([4, 4, 1])


@pytest.mark.parametrize("last", [1, 500_000])
def test_ranks_and_sums_are_each_group_s_own(last: int) -> None:
    """With half a million groups, numbers as wide as bands may be would not fit 64 bits."""
    group = np.array([0, 0, last])
    ranks = np.zeros((2, last + 1), np.int64)
    ranks[:, 0], ranks[:, last] = (5, 20), (1, 5)
    ranks[:, 1:last] = 1
    found = at_ranks(group, _LENGTHS, _BANDS, ranks)
    assert found[:, 0].tolist() == [band_seconds(ZERO), band_seconds(777)]
    assert found[:, last].tolist() == [band_seconds(777)] * 2
    bands, many = added(group, _LENGTHS, _BANDS, last + 1)
    assert bands.tolist() == [(ZERO - 700, 4), (ZERO, 2), (0, 6), (777, 8), (777, 5)]
    assert many[[0, last]].tolist() == [4, 1]
    assert many.sum() == 5


def test_more_groups_than_can_be_told_apart_are_left_to_the_database() -> None:
    with pytest.raises(TooFine):
        added(np.array([0, 0, 2**29]), _LENGTHS, _BANDS, 2**29 + 1)
