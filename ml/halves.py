"""Debtors in two halves, so that what is said of either is learned from the other."""

import numpy as np

from ml.arrays import Ints

_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_FOLD, _TOP = np.uint64(31), np.uint64(63)


def halves(debtor: Ints) -> Ints:
    """(n,) 0 or 1 for each of n debtors, always the same for the same position.

    Their positions are mixed first (the multipliers are those of SplitMix64: Steele, Lea & Flood 2014): creditors try
    things on every second customer, and such a trial must not be learned from one arm for the other.
    """
    mixed = (debtor.astype(np.uint64) + np.uint64(1)) * _FIRST
    mixed = (mixed ^ (mixed >> _FOLD)) * _SECOND
    return (mixed >> _TOP).astype(np.int64)
