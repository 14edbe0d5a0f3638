"""Rates that stand elsewhere since a day: a mail program that no longer shows openings, a page that was made anew, a
provider whose messages no longer arrive.

Older days would count on for weeks with a rate that is over. A shift is one only where days' whims, the wander of weeks
and chance together next to never explain it.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAST, _MOST = 7, 42
"""Days since a shift: seen for a week at least, and looked for as long as older days would weigh on."""
_BEFORE = 56
"""Days that a shift is held against."""
_UNSETTLED = 2
"""Last days that say nothing of a shift: what reaches us of them may be late altogether."""
_CERTAIN = 5.0
"""Standard deviations. Eight weeks tell little of how much weeks wander, and many days are looked at."""
_MOST_TOGETHER = 0.6
"""Correlation of one week and the next: eight weeks do not tell a greater one from chance."""
_LEAST_COUNT = 10.0
"""Outcomes, and contacts without one, on either side: fewer make no normal deviate."""


def shifted_since(seen: Floats, exposed: Floats) -> Ints:
    """(channels,) the first day of the level that stands now; 0 where nothing shifted.

    seen, exposed: (days, channels) outcomes and what they are of, as far as known by now.
    """
    days = len(seen)
    ages = np.arange(_LEAST, min(_MOST, days - _BEFORE) + 1)
    if len(ages) == 0:
        return np.zeros(seen.shape[1], dtype=np.int64)
    came, of = (np.concatenate([np.zeros_like(part[:1]), part.cumsum(axis=0)]) for part in (seen, exposed))
    first, end = days - ages, days - _UNSETTLED
    after = came[end] - came[first], of[end] - of[first]
    before = came[first] - came[first - _BEFORE], of[first] - of[first - _BEFORE]
    wander = np.stack([_wander(came, of, int(day)) for day in first])
    usual = _log_odds(*before)
    moved = _log_odds(*after) - usual
    # A storm of two days is none: it lies in two of three parts of the days since at most.
    edges = [first + (end - first) * part // 3 for part in range(4)]
    parts = [
        _log_odds(came[stop] - came[start], of[stop] - of[start]) - usual
        for start, stop in itertools.pairwise(edges)
    ]
    lasting = np.min([part * np.sign(moved) for part in parts], axis=0) > np.abs(moved) / 2
    size = np.where(lasting & _told(*after) & _told(*before), np.abs(moved), 0.0)
    chance = _chance(*after) + _chance(*before)
    shifted = (size / np.sqrt(chance + wander)).max(axis=0) > _CERTAIN
    # Its day is where both sides differ most: how much single weeks wander says nothing of that.
    return np.where(shifted, first[(size / np.sqrt(chance)).argmax(axis=0)], 0)


def _wander(came: Floats, of: Floats, end: int) -> Floats:
    """(channels,) variance of the log-odds of single weeks before day number `end`, their chance included: what a level
    is off by that stands for no longer than a week; the more, the more weeks go together.
    """
    edges = end - _BEFORE + np.arange(0, _BEFORE + 1, _LEAST)
    level = _log_odds(np.diff(came[edges], axis=0), np.diff(of[edges], axis=0))
    off = level - level.mean(axis=0)
    squares = (off**2).sum(axis=0)
    together = np.clip((off[1:] * off[:-1]).sum(axis=0) / np.maximum(squares, 1e-12), 0.0, _MOST_TOGETHER)
    return np.asarray(squares / (len(off) - 1) * (1 + together) / (1 - together))


def _log_odds(came: Floats, of: Floats) -> Floats:
    return np.asarray(np.log((came + 0.5) / (np.maximum(of - came, 0.0) + 0.5)))


def _chance(came: Floats, of: Floats) -> Floats:
    """Variance of log-odds by chance."""
    return np.asarray(1 / (came + 0.5) + 1 / (np.maximum(of - came, 0.0) + 0.5))


def _told(came: Floats, of: Floats) -> NDArray[np.bool_]:
    return np.asarray((came >= _LEAST_COUNT) & (of - came >= _LEAST_COUNT))
