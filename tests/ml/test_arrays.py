"""What the learning core does with arrays faster than numpy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml.arrays import distinct

_NUMBERS = st.integers(-5, 5) | st.integers(-(2**62), 2**62)


@given(st.lists(_NUMBERS))
def test_distinct_values_come_once_and_in_order(values: list[int]) -> None:
    assert distinct(np.array(values, dtype=np.int64)).tolist() == sorted(set(values))
