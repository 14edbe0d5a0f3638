"""Array types shared by the learning core, and the one sum numpy leaves untyped."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def sums_by(place: Ints, value: Floats, size: int) -> Floats:
    """(size,) sums of `value` by `place` (codes 0 … size − 1)."""
    return np.bincount(place, value, size).astype(np.float64)
