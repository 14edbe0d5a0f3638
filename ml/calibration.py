"""Making probabilities mean what they say: Platt scaling per channel, and how far off they are."""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Floats, Ints, sums_by
from ml.boosting import sigmoid
from ml.outcomes import CHANNELS

_ITERATIONS = 30
_SLOPE_PRIOR = 25.0
_OFFSET_PRIOR = 2.0
_FACTOR_PRIOR = 1_000.0
_FURTHEST, _HALVINGS = 60.0, 60


@dataclass(frozen=True)
class Platt:
    """slope, offset: (channels,); calibrated log-odds = slope · margin + offset. Source: Platt 1999."""

    slope: Floats
    offset: Floats

    def apply(self, margins: Floats, channel: Ints) -> Floats:
        """(n,) calibrated log-odds."""
        return np.asarray(self.slope[channel] * margins + self.offset[channel])

    def keeping(self, margins: Floats) -> "Platt":
        """The same slopes, with the offsets that leave each channel's mean probability as it is; margins:
        (channels, k), evenly drawn from what each channel sees.

        How far margins lie apart is a trait of the way they are learned. How high they lie is one of the model: carried
        from one to another that has seen more, an offset learned from a channel's few payments is mostly noise, and
        noise between channels chooses the wrong one.
        """
        turned = self.slope[:, None] * margins
        aim = sigmoid(margins).mean(axis=1)
        low, high = np.full(len(aim), -_FURTHEST), np.full(len(aim), _FURTHEST)
        for _ in range(_HALVINGS):
            offset = (low + high) / 2
            falls_short = sigmoid(turned + offset[:, None]).mean(axis=1) < aim
            low, high = np.where(falls_short, offset, low), np.where(falls_short, high, offset)
        return Platt(self.slope, (low + high) / 2)

    @classmethod
    def identity(cls) -> "Platt":
        """Leaves margins as they are."""
        return cls(np.ones(len(CHANNELS)), np.zeros(len(CHANNELS)))


def fit_platt(margins: Floats, label: Floats, weight: Floats, channel: Ints) -> Platt:
    """One slope and offset per channel, drawn towards all channels' and those towards the identity;
    label in [0, 1]."""
    slope, offset = _newton(margins, label, weight, 1.0, 0.0)
    slopes, offsets = np.full(len(CHANNELS), slope), np.full(len(CHANNELS), offset)
    for code in range(len(CHANNELS)):
        rows = np.flatnonzero((channel == code) & (weight > 0))
        if len(rows):
            slopes[code], offsets[code] = _newton(margins[rows], label[rows], weight[rows], slope, offset)
    return Platt(slopes, offsets)


def common_factor(expected: Floats, happened: Floats, then: Floats, weight: Floats) -> float:
    """By what the product of two steps' probabilities is too low: the mean of the second step's where the first
    happened, over its mean where the first was expected to.

    expected, happened: (n,) the first step's probability and its outcome, 0 or 1; then: (n,) the second step's
    probability once it has happened. What is learned is drawn towards the mean, so the first step leaves unsaid some of
    what it has in common with the second. Drawn itself towards 1, as if a thousand more had happened.
    """
    would, did = weight * expected, weight * happened
    usual = float(would @ then) / max(float(would.sum()), 1e-12)
    if usual <= 0.0:
        return 1.0
    return (float(did @ then) / usual + _FACTOR_PRIOR) / (float(did.sum()) + _FACTOR_PRIOR)


def _newton(
    margins: Floats, label: Floats, weight: Floats, slope: float, offset: float
) -> tuple[float, float]:
    """Penalised logistic regression of label on margin, starting from and drawn towards (slope, offset)."""
    centre = np.array([slope, offset])
    penalty = np.array([_SLOPE_PRIOR, _OFFSET_PRIOR])
    design = np.column_stack([margins, np.ones(len(margins))])
    point = centre.copy()
    for _ in range(_ITERATIONS):
        chance = sigmoid(design @ point)
        gradient = design.T @ (weight * (label - chance)) - penalty * (point - centre)
        curve = (design * (weight * chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curve, gradient)
        point = point + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-8:
            break
    return float(max(point[0], 0.05)), float(point[1])


def expected_calibration_error(chance: Floats, label: Floats, weight: Floats, bins: int = 10) -> float:
    """Weighted mean |observed − predicted| over equally filled bins of the prediction. Source: Naeini et
    al. 2015."""
    if not len(chance) or weight.sum() <= 0:
        return 0.0
    return _error(_filled_bins(chance, weight, bins), chance, label, weight, bins)


def calibration_noise(
    chance: Floats, weight: Floats, *, seed: int, rounds: int = 200, bins: int = 10
) -> float:
    """The calibration error that perfectly calibrated probabilities would show on so many outcomes: mean
    over simulated ones."""
    if not rounds or not len(chance) or weight.sum() <= 0:
        return 0.0
    generator, place = np.random.default_rng(seed), _filled_bins(chance, weight, bins)
    drawn = [
        _error(place, chance, (generator.random(len(chance)) < chance).astype(np.float64), weight, bins)
        for _ in range(rounds)
    ]
    return float(np.mean(drawn))


def _filled_bins(chance: Floats, weight: Floats, bins: int) -> Ints:
    """(n,) which of equally filled bins of the prediction each row is in."""
    order = np.argsort(chance, kind="stable")
    filled = np.cumsum(weight[order])
    place = np.empty(len(chance), dtype=np.int64)
    place[order] = np.minimum((filled / filled[-1] * bins).astype(np.int64), bins - 1)
    return place


def _error(place: Ints, chance: Floats, label: Floats, weight: Floats, bins: int) -> float:
    gap = sums_by(place, weight * (label - chance), bins)
    return float(np.abs(gap).sum() / weight.sum())
