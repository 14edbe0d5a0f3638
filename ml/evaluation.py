"""How good predictions were on contacts the model had not seen: log-loss and calibration, with intervals
over debtors."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ml.arrays import Floats, Ints, sums_by
from ml.calibration import calibration_noise, expected_calibration_error
from ml.off_policy import LoggedTrial
from ml.outcomes import CHANNELS

ROUNDS = 200


@dataclass(frozen=True)
class Metric:
    """value with its 90 % interval and, where there is one, the value of the baseline; None: cannot be
    known."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None


@dataclass(frozen=True)
class StepHoldOut:
    """One step's later contacts (keys: communications): calibrated probability, outcome (0–1), base rate
    known before (per channel), debtor, channel."""

    keys: pl.Series
    chance: Floats
    label: Floats
    base: Floats
    debtor: Ints
    channel: Ints
    sent_at: Ints

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class HoldOut:
    """Out-of-time predictions by step; cut: the instant (microseconds) up to which the model behind them
    had learned; trial: where propensities were logged, what its plan can be valued by; contacts: how many came
    later, be they enough to try a model on or not."""

    cut: int
    steps: dict[str, StepHoldOut]
    trial: LoggedTrial | None = None
    contacts: int = 0


def log_loss(chance: Floats, label: Floats) -> Floats:
    """(n,) cross-entropy of each prediction, in nats; label in [0, 1]."""
    inside = np.clip(chance, 1e-7, 1 - 1e-7)
    return np.asarray(-(label * np.log(inside) + (1 - label) * np.log1p(-inside)))


def bootstrap_mean(values: Floats, debtor: Ints, *, seed: int, rounds: int = ROUNDS) -> Floats:
    """(rounds,) means of (n,) `values` over debtors drawn with replacement; (rounds, k) of (n, k) ones, drawn alike."""
    _, place = np.unique(debtor, return_inverse=True)
    size = int(place.max(initial=0)) + 1
    counted = np.column_stack([values, np.ones(len(values))])
    totals = np.column_stack([sums_by(place, column, size) for column in counted.T])
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), rounds) @ totals
    return np.asarray((drawn[:, :-1] / np.maximum(drawn[:, -1:], 1e-12)).reshape(rounds, *values.shape[1:]))


def step_metrics(name: str, step: StepHoldOut, *, seed: int) -> list[Metric]:
    """Log-loss against the base rate, and calibration error against its noise floor."""
    if not len(step):
        return [Metric(f"{name}_log_loss", None), Metric(f"{name}_calibration_error", None)]
    loss, base = log_loss(step.chance, step.label), log_loss(step.base, step.label)
    drawn = bootstrap_mean(np.column_stack([loss, base - loss]), step.debtor, seed=seed)
    (low, worst), (high, best) = np.quantile(drawn, [0.05, 0.95], axis=0)
    ones = np.ones(len(step))
    error = expected_calibration_error(step.chance, step.label, ones)
    noise = calibration_noise(step.chance, ones, seed=seed, rounds=60)
    skill = 1.0 - float(loss.mean() / max(base.mean(), 1e-12))
    floor = max(float(base.mean()), 1e-12)
    return [
        Metric(f"{name}_log_loss", float(loss.mean()), float(low), float(high), float(base.mean())),
        Metric(f"{name}_skill", skill, float(worst) / floor, float(best) / floor, 0.0),
        Metric(f"{name}_calibration_error", error, None, None, noise),
        Metric(f"{name}_rate", float(step.label.mean()), None, None, float(step.chance.mean())),
    ]


def base_rates_by_channel(label: Floats, weight: Floats, channel: Ints) -> Floats:
    """(channels,) weighted rates known before the hold-out; everybody's where a channel has none."""
    everybody = (np.sum(label * weight) + 0.5) / (weight.sum() + 1.0)
    hits = sums_by(channel, label * weight, len(CHANNELS)) + 5.0 * everybody
    return np.asarray(hits / (sums_by(channel, weight, len(CHANNELS)) + 5.0))
