"""Sketches of reaction times (`domain.kpis.sketches`) as arrays of bands: many of them added up at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.kpis.sketches import band_seconds
from domain.storage.rollups.arrays import Ints
from domain.storage.rollups.blocks import BAND

# A band in the order of groups and bands is one number, with its count in the lower half: to sort one array of numbers
# is what NumPy does fastest.
_HALF = 32


def at_ranks(group: Ints, lengths: NDArray[Any], bands: NDArray[Any], ranks: Ints) -> NDArray[np.float64]:
    """ranks: (several, groups) → the seconds of the band that holds the value of that rank in its group.

    group: of each sketch, lengths[i] of the bands being sketch i's. There may be one group more than ranks tell of.
    """
    ordered, width, lowest = _ordered(group, lengths, bands)
    up_to = ordered & (1 << _HALF) - 1
    np.cumsum(up_to, out=up_to)
    starts = np.searchsorted(ordered, np.arange(ranks.shape[1]) * width << _HALF)
    before = np.where(starts > 0, up_to[starts - 1], 0)
    found = (ordered[np.searchsorted(up_to, before + ranks)] >> _HALF) % width
    known, place = np.unique(found, return_inverse=True)
    seconds = np.array([band_seconds(band + lowest) for band in known.tolist()])
    ranked: NDArray[np.float64] = seconds[place.reshape(ranks.shape)]
    return ranked


def added(group: Ints, lengths: NDArray[Any], bands: NDArray[Any], groups: int) -> tuple[NDArray[Any], Ints]:
    """(one sketch of each group, after one another, how many bands each has); arguments as of `at_ranks`."""
    ordered, width, lowest = _ordered(group, lengths, bands)
    place = ordered >> _HALF
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    found = np.empty(len(starts), BAND)
    found["band"] = place[starts] % width + lowest
    found["count"] = np.add.reduceat(ordered & (1 << _HALF) - 1, starts)
    return found, np.bincount(place[starts] // width, minlength=groups)


def _ordered(group: Ints, lengths: NDArray[Any], bands: NDArray[Any]) -> tuple[Ints, int, int]:
    """(the bands in order, how many there may be in a group, the lowest of all)."""
    lowest = int(bands["band"].min())
    width = int(bands["band"].max()) - lowest + 1
    ordered = np.repeat(group * width - lowest, lengths)
    ordered += bands["band"]
    ordered <<= _HALF
    ordered |= bands["count"]
    ordered.sort()
    return ordered, width, lowest
