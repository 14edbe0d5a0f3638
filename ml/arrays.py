"""Array types shared by the learning core, and what numpy leaves untyped or does slowly."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Number = TypeVar("Number", np.int64, np.float64)


def sums_by(place: Ints, value: Floats, size: int) -> Floats:
    """(size,) sums of `value` by `place` (codes 0 … size − 1)."""
    return np.bincount(place, value, size).astype(np.float64)


def distinct(values: NDArray[Number]) -> NDArray[Number]:
    """(m,) the different values in order. `np.unique` hashes: where most differ it takes fifty times as long."""
    ordered = np.sort(values)
    return np.asarray(ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]])
