"""Sums and last instants as they were known before a given instant, for many rows at once."""

import numpy as np

from ml.arrays import Floats, Ints, distinct


class AsOfSums:
    """Running sums of dated facts per owner; a query sees the facts strictly before its instant.

    owner: (n,) codes ≥ 0; at: (n,) microseconds; values: (n,) or (n, k), default one per fact.
    """

    def __init__(self, owner: Ints, at: Ints, values: Floats | None = None) -> None:
        table = np.ones((len(owner), 1)) if values is None else np.asarray(values, dtype=np.float64)
        table = table[:, None] if table.ndim == 1 else table
        self._instants = distinct(at)
        self._stride = len(self._instants) + 1
        keys = self._position(owner, at)
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._at = at[order]
        self._owner = owner[order]
        self._first = np.searchsorted(self._owner, np.arange(int(owner.max(initial=-1)) + 2))
        self._running = np.vstack([np.zeros((1, table.shape[1])), np.cumsum(table[order], axis=0)])

    def _position(self, owner: Ints, at: Ints) -> Ints:
        return np.asarray(
            owner * self._stride + np.searchsorted(self._instants, at, side="left"), dtype=np.int64
        )

    def before(self, owner: Ints, at: Ints) -> Floats:
        """(m, k) sums over the owner's facts with instant < at."""
        first = self._first[np.minimum(owner, len(self._first) - 1)]
        return np.asarray(self._running[self._reached(owner, at)] - self._running[first])

    def between(self, owner: Ints, start: Ints, end: Ints) -> Floats:
        """(m, k) sums over the owner's facts with start <= instant < end."""
        return np.asarray(
            self._running[self._reached(owner, end)] - self._running[self._reached(owner, start)]
        )

    def _reached(self, owner: Ints, at: Ints) -> Ints:
        """(m,) how many of all facts, ordered by owner and instant, come before the owner's instant."""
        return np.asarray(np.searchsorted(self._keys, self._position(owner, at), side="left"), dtype=np.int64)

    def last_before(self, owner: Ints, at: Ints) -> Floats:
        """(m,) seconds from the owner's latest fact before `at` to `at`; nan when there is none."""
        index = self._reached(owner, at) - 1
        seconds = np.full(len(owner), np.nan)
        has = index >= 0
        has[has] = self._owner[index[has]] == owner[has]
        seconds[has] = (at[has] - self._at[index[has]]) / 1e6
        return seconds
