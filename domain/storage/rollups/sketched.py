"""Sketches of reaction times (`domain.kpis.sketches`) as arrays of bands: many of them added up at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.kpis.sketches import band_seconds
from domain.storage.rollups.arrays import Ints, distinct
from domain.storage.rollups.blocks import BAND, TooFine

# A band in the order of groups and bands is one number, with its count in the lower half: to sort one array of numbers
# is what NumPy does fastest.
_HALF = 32


def at_ranks(group: Ints, lengths: NDArray[Any], bands: NDArray[Any], ranks: Ints) -> NDArray[np.float64]:
    """ranks: (several, groups) → the seconds of the band that holds the value of that rank in its group.

    group: of each sketch, lengths[i] of the bands being sketch i's. There may be one group more than ranks tell of.

    Raises:
        TooFine: there are too many groups.
    """
    ordered, known = _ordered(group, lengths, bands)
    width = len(known)
    up_to = ordered & (1 << _HALF) - 1
    np.cumsum(up_to, out=up_to)
    starts = np.searchsorted(ordered, np.arange(ranks.shape[1]) * width << _HALF)
    before = np.where(starts > 0, up_to[starts - 1], 0)
    found = (ordered[np.searchsorted(up_to, before + ranks)] >> _HALF) % width
    seconds: NDArray[np.float64] = np.array([band_seconds(band) for band in known.tolist()])[found]
    return seconds


def added(group: Ints, lengths: NDArray[Any], bands: NDArray[Any], groups: int) -> tuple[NDArray[Any], Ints]:
    """(one sketch of each group, after one another, how many bands each has); arguments and errors as of `at_ranks`."""
    ordered, known = _ordered(group, lengths, bands)
    place = ordered >> _HALF
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    found = np.empty(len(starts), BAND)
    found["band"] = known[place[starts] % len(known)]
    found["count"] = np.add.reduceat(ordered & (1 << _HALF) - 1, starts)
    return found, np.bincount(place[starts] // len(known), minlength=groups)


def _ordered(group: Ints, lengths: NDArray[Any], bands: NDArray[Any]) -> tuple[Ints, Ints]:
    """(the bands in order, each as group · how many are known + its place among these; the known ones in order)."""
    lowest = int(bands["band"].min())
    number = bands["band"].astype(np.int64) - lowest
    known, place = distinct(number, int(number.max()) + 1)
    if (int(group.max()) + 1) * len(known) >= 1 << _HALF - 1:
        raise TooFine
    ordered = np.repeat(group * len(known), lengths)
    ordered += place
    ordered <<= _HALF
    ordered |= bands["count"]
    ordered.sort()
    return ordered, known + lowest
