"""Which contacts are learned from, where there are more of them than it takes.

Most contacts of a large history say little: one more silence among millions. Beyond `MOST_CONTACTS` they are drawn,
each with a probability in proportion to how far it departs from what its channel's contacts do (it was engaged with
where few are, it moved a payment), and weigh by the inverse of it, so that every sum stays on average what it was.
Trees of debtors and channels are soon told all that they can tell apart, hours are not: a step's trees grow from at
most about `MOST_FOR_TREES` contacts, drawn alike by that step's outcome, and its hours are learned from all.
Sources: Horvitz & Thompson 1952; King & Zeng 2001; Fithian & Hastie 2014. Measured: docs/adr/0026.
"""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Bools, Floats, Ints, sums_by
from ml.outcomes import CHANNELS, Outcomes

MOST_CONTACTS = 1_000_000
LEAST_SHARE = 0.2
"""Of very many, at least so many are drawn: with the history grows what is learned from."""

MOST_FOR_TREES = 200_000
"""Contacts of a step beyond which its trees grow from about so many."""

_LEAST_TELLING = 0.2
"""So much, of the mean, the plainest contact tells: none stands for all too many."""


@dataclass(frozen=True)
class Draw:
    """rows: (m,) positions drawn, in order; weight: (m,) how many contacts each stands for; evenly: (m,) those
    drawn without a look at what became of them, a fair sample to judge by."""

    rows: Ints
    weight: Floats
    evenly: Bools


def draw_contacts(outcomes: Outcomes, moved: Floats, *, most: int = MOST_CONTACTS, seed: int) -> Draw:
    """About `most` contacts or a fifth, whichever are more; all of them, where there are no more than `most`.

    moved: (n,) payments each moved, 0–1.
    """
    count = len(outcomes)
    if count <= most:
        return Draw(np.arange(count), np.ones(count), np.ones(count, dtype=bool))
    chance = _chances(_telling(outcomes, moved), max(most, round(LEAST_SHARE * count)))
    drawn = np.random.default_rng(seed).random(count)
    rows = np.flatnonzero(drawn < chance)
    return Draw(rows, 1.0 / chance[rows], drawn[rows] < chance.min())


def draw_for_trees(
    label: Floats, weight: Floats, channel: Ints, *, seed: int, most: int = MOST_FOR_TREES
) -> tuple[Ints, Floats]:
    """(rows, weights) to grow trees from: the rows of weight > 0, or about `most` of them.

    label: (n,) in [0, 1]; weight: (n,) what each row counts. What a row tells is its weight times how far its label
    lies from its channel's mean; as in `draw_contacts`, the drawn weigh by the inverse of their probability.
    """
    told = np.flatnonzero(weight > 0)
    if len(told) <= most:
        return told, weight[told]
    apart = np.sqrt(_shares(channel[told], label[told], len(CHANNELS)))
    chance = _chances(weight[told] * _something(apart), most)
    drawn = np.flatnonzero(np.random.default_rng(seed).random(len(told)) < chance)
    return told[drawn], weight[told[drawn]] / chance[drawn]


def draw_evenly(rows: Ints, *, most: int, seed: int) -> Ints:
    """The rows, or `most` of them in their order, whatever they are: whoever sends two templates in turn would have
    every other row tell of one alone."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _telling(outcomes: Outcomes, moved: Floats) -> Floats:
    """(n,) how far a contact's outcomes lie from the mean of its channel: of engaging, and of what it moved, engaged
    with or not; each against what all those contacts are together, so that rare outcomes and small channels keep as
    much of what they tell as common ones."""
    engaged = (outcomes.engaged_at <= outcomes.seen_until).astype(np.float64)
    alike = outcomes.channel * 2 + engaged.astype(np.int64)
    telling = np.sqrt(
        _shares(outcomes.channel, engaged, len(CHANNELS)) + _shares(alike, moved, 2 * len(CHANNELS))
    )
    return _something(telling)


def _something(telling: Floats) -> Floats:
    """(n,) the same, but the plainest tell something too: all alike, where the channel says all."""
    mean = float(telling.mean())
    return np.maximum(telling, _LEAST_TELLING * mean) if mean > 0 else np.ones(len(telling))


def _shares(code: Ints, value: Floats, size: int) -> Floats:
    """(n,) squared distance of the value from the mean of its code, over their sum."""
    counts = np.maximum(np.bincount(code, minlength=size), 1)
    apart = (value - (sums_by(code, value, size) / counts)[code]) ** 2
    return np.asarray(apart / np.maximum(sums_by(code, apart, size), 1e-9)[code])


def _chances(telling: Floats, most: int) -> Floats:
    """(n,) probabilities in proportion to what each tells, at most 1, that sum to `most`."""
    scale = most / telling.sum()
    while True:
        sure = telling * scale >= 1.0
        better = (most - sure.sum()) / telling[~sure].sum()
        if better <= scale * (1 + 1e-9):
            return np.asarray(np.minimum(telling * scale, 1.0))
        scale = float(better)
