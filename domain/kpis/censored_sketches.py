"""The Kaplan–Meier median from daily counts and sketches, where these can tell it.

Of whoever has not reacted, only the day of entering is known, so how many are still at risk at a time lies between two
counts. Both give an estimate; between them lies that of the facts. Where both reach one half in the same band, that is
the median, within 1 %; where neither does, there is none; else the days cannot tell.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import inf

from domain.kpis.sketches import band_edges, band_seconds

_REACHED = 0.5 + 1e-9


class CannotTell(Exception):
    """The days leave the median open: it takes the facts."""


class Unreacted:
    """Those without the outcome: how many may, and how many must, have left unobserved before a time.

    left: (shortest, longest, people): `people` were observed for at least `shortest` and at most `longest` seconds.
    """

    def __init__(self, left: Iterable[tuple[float, float, int]]) -> None:
        found = [each for each in left if each[2]]
        self._may = _Steps((shortest, people) for shortest, _, people in found)
        self._must = _Steps((longest, people) for _, longest, people in found)

    def unchanged_for(self, edges: Sequence[float]) -> float:
        """For how many seconds more, all observed on, no count before one of these times (in order) changes."""
        return min(self._may.unchanged_for(edges), self._must.unchanged_for(edges))

    def may_have_left(self, before: float) -> int:
        """At most so many were observed for less than this."""
        return self._may.below(before)

    def must_have_left(self, before: float) -> int:
        """At least so many were observed for less than this."""
        return self._must.below(before)


class _Steps:
    def __init__(self, steps: Iterable[tuple[float, int]]) -> None:
        ordered = sorted(steps)
        self._at = [at for at, _ in ordered]
        self._people = [0, *accumulate(people for _, people in ordered)]

    def below(self, at: float) -> int:
        return self._people[bisect_left(self._at, at)]

    def unchanged_for(self, edges: Sequence[float]) -> float:
        to_come = self._at[: bisect_left(self._at, edges[-1])] if edges else ()
        return min((edges[bisect_right(edges, at)] - at for at in to_come), default=inf)


def censored_median(
    reacted: Sequence[tuple[int, int]], unreacted: Unreacted, *, population: int
) -> float | None:
    """The smallest time by which the estimate is at most one half, within 1 %; None when it is not reached.

    reacted: (band, count) of those with the outcome, in order; population: all who entered.

    Raises:
        CannotTell: the days leave it open.
    """
    total = sum(count for _, count in reacted)
    if not total:
        return None
    if population - unreacted.may_have_left(band_edges(reacted[-1][0])[1]) > 2.001 * total:
        return None  # even with the fewest at risk at every step more than half is left
    lowest = highest = 1.0
    remaining = population
    reached: int | None = None
    for band, count in reacted:
        low, high = band_edges(band)
        lowest *= _survival(remaining - unreacted.may_have_left(high), count)
        highest *= _survival(remaining - unreacted.must_have_left(low), count)
        remaining -= count
        if reached is None and lowest <= _REACHED:
            reached = band
        if highest <= _REACHED:
            if reached != band:
                raise CannotTell
            return band_seconds(band)
    if reached is not None:
        raise CannotTell
    return None


def _survival(at_risk: int, count: int) -> float:
    """The share of those at risk that is left when `count` of them react, one after the other."""
    return max(at_risk - count, 0) / at_risk if at_risk > 0 else 0.0
