"""Daily rhythms: which hours of the week a debtor answers at, read off what came back so far.

A mixture of k rhythms over blocks of the local week. Given how many of a debtor's contacts were
answered, where in the week they fell is multinomial with probabilities proportional to exposure (chance
of an answer to what was sent, everybody's rate) times the rhythm; how responsive the debtor is as a
whole cancels out. A debtor's rhythm at an instant is the most probable one given what was known then;
too few answers leave it unknown.
"""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Floats, Ints
from ml.as_of import AsOfSums
from ml.outcomes import CHANNELS, Outcomes

BLOCK_HOURS = 3
DAY_BLOCKS = 24 // BLOCK_HOURS
BLOCKS = 2 * DAY_BLOCKS
LEAST_ANSWERS = 2
"""Answers below which a rhythm stays unknown."""

_LEAST_DEBTORS = 300
_ITERATIONS = 30
_SMOOTH = 15.0


def block_of(hour_of_week: Ints) -> Ints:
    """Block of the local week: the three-hour blocks of a working day, then those of a weekend day."""
    weekend = hour_of_week >= 5 * 24
    return np.asarray((hour_of_week % 24) // BLOCK_HOURS + weekend * DAY_BLOCKS, dtype=np.int64)


@dataclass(frozen=True)
class Rhythms:
    """tilt: (k, BLOCKS) multipliers of everybody's answer rate; share: (k,); base: (channels, BLOCKS)
    everybody's answer rate."""

    tilt: Floats
    share: Floats
    base: Floats

    @property
    def unknown(self) -> int:
        """The code of a debtor whose rhythm is not known; codes run from 0 to this."""
        return len(self.share)

    def assign(self, answered: Floats, exposure: Floats) -> Ints:
        """Rhythm codes from (n, BLOCKS) answers and exposures."""
        if not len(self.share):
            return np.zeros(len(answered), dtype=np.int64)
        best = np.argmax(_log_posterior(answered, exposure, self.tilt, self.share), axis=1)
        return np.where(answered.sum(axis=1) >= LEAST_ANSWERS, best, self.unknown).astype(np.int64)


class RhythmBook:
    """Answers and exposures per debtor and block as of any instant."""

    def __init__(self, outcomes: Outcomes, base: Floats, settled_after: int) -> None:
        block = block_of(outcomes.local.hour_of_week)
        due = outcomes.sent_at + settled_after
        in_time = outcomes.engaged_at <= np.minimum(due, outcomes.seen_until)
        settled_at = np.where(in_time, outcomes.engaged_at, due)
        rows = np.arange(len(outcomes))
        spread = np.zeros((len(outcomes), 2 * BLOCKS))
        spread[rows, block] = in_time
        spread[rows, BLOCKS + block] = base[outcomes.channel, block]
        self._sums = AsOfSums(outcomes.debtor, settled_at, spread)

    def counts(self, debtor: Ints, at: Ints) -> tuple[Floats, Floats]:
        """(answered, exposure): (n, BLOCKS) over contacts settled before `at`."""
        both = self._sums.before(debtor, at)
        return both[:, :BLOCKS], both[:, BLOCKS:]


def base_rates(outcomes: Outcomes) -> Floats:
    """(channels, BLOCKS) share of contacts answered, drawn towards the channel's and everybody's share."""
    answered = (outcomes.engaged_at <= outcomes.seen_until).astype(np.float64)
    cell = outcomes.channel * BLOCKS + block_of(outcomes.local.hour_of_week)
    size = len(CHANNELS) * BLOCKS
    hits = np.bincount(cell, answered, size).reshape(len(CHANNELS), BLOCKS)
    sends = np.bincount(cell, minlength=size).reshape(len(CHANNELS), BLOCKS).astype(np.float64)
    overall = (hits.sum() + 1.0) / (sends.sum() + 5.0)
    channel = (hits.sum(1, keepdims=True) + 20.0 * overall) / (sends.sum(1, keepdims=True) + 20.0)
    return np.asarray((hits + 20.0 * channel) / (sends + 20.0))


def fit_rhythms(answered: Floats, exposure: Floats, base: Floats, *, clusters: int, seed: int) -> Rhythms:
    """Expectation–maximisation over (debtors, BLOCKS); no rhythms at all when fewer than 300 debtors
    tell enough."""
    telling = answered.sum(axis=1) >= LEAST_ANSWERS
    answered, exposure = answered[telling], exposure[telling]
    if len(answered) < _LEAST_DEBTORS:
        return Rhythms(np.zeros((0, BLOCKS)), np.zeros(0), base)
    generator = np.random.default_rng(seed)
    tilt = np.exp(generator.normal(0, 0.5, (clusters, BLOCKS)))
    share = np.full(clusters, 1.0 / clusters)
    total = answered.sum(axis=1, keepdims=True)
    for _ in range(_ITERATIONS):
        posterior = _softmax(_log_posterior(answered, exposure, tilt, share))
        share = (posterior.sum(0) + 1.0) / (len(posterior) + clusters)
        scale = total / np.maximum(exposure @ tilt.T, 1e-9)
        hits, expected = posterior.T @ answered, (posterior * scale).T @ exposure
        tilt = np.clip((hits + _SMOOTH) / (expected + _SMOOTH), 0.05, 20.0)
    return Rhythms(tilt, share, base)


def _log_posterior(answered: Floats, exposure: Floats, tilt: Floats, share: Floats) -> Floats:
    spread = np.log(np.maximum(exposure @ tilt.T, 1e-9))
    return np.asarray(answered @ np.log(tilt).T - answered.sum(1, keepdims=True) * spread + np.log(share))


def _softmax(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
