"""Sums and last instants as they were known before a given instant, for many rows at once."""

import numpy as np

from ml.arrays import Floats, Ints


class AsOfSums:
    """Running sums of dated facts per owner; a query sees the facts strictly before its instant.

    owner: (n,) codes ≥ 0; at: (n,) microseconds; values: (n,) or (n, k), default one per fact.
    """

    def __init__(self, owner: Ints, at: Ints, values: Floats | None = None) -> None:
        table = np.ones((len(owner), 1)) if values is None else np.asarray(values, dtype=np.float64)
        table = table[:, None] if table.ndim == 1 else table
        self._instants = np.unique(at)
        self._stride = len(self._instants) + 1
        order = np.argsort(self._position(owner, at), kind="stable")
        self._keys = self._position(owner, at)[order]
        self._at = at[order]
        self._owner = owner[order]
        self._running = np.vstack([np.zeros((1, table.shape[1])), np.cumsum(table[order], axis=0)])

    def _position(self, owner: Ints, at: Ints) -> Ints:
        return np.asarray(
            owner * self._stride + np.searchsorted(self._instants, at, side="left"), dtype=np.int64
        )

    def before(self, owner: Ints, at: Ints) -> Floats:
        """(m, k) sums over the owner's facts with instant < at."""
        first = np.searchsorted(self._keys, owner * self._stride, side="left")
        last = np.searchsorted(self._keys, self._position(owner, at), side="left")
        return np.asarray(self._running[last] - self._running[first])

    def between(self, owner: Ints, start: Ints, end: Ints) -> Floats:
        """(m, k) sums over the owner's facts with start <= instant < end."""
        return self.before(owner, end) - self.before(owner, start)

    def last_before(self, owner: Ints, at: Ints) -> Floats:
        """(m,) seconds from the owner's latest fact before `at` to `at`; nan when there is none."""
        index = np.searchsorted(self._keys, self._position(owner, at), side="left") - 1
        seconds = np.full(len(owner), np.nan)
        has = index >= 0
        has[has] = self._owner[index[has]] == owner[has]
        seconds[has] = (at[has] - self._at[index[has]]) / 1e6
        return seconds
