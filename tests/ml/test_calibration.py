"""Calibrations: what is off is repaired, and what one model's calibration carries over to another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml.arrays import Floats
from ml.boosting import sigmoid
from ml.calibration import Platt, calibration_noise, expected_calibration_error, fit_platt
from ml.outcomes import CHANNELS


def test_platt_repairs_probabilities_that_are_off() -> None:
    rng = np.random.default_rng(6)
    truth = rng.normal(-1.5, 1.0, 40_000)
    channel = rng.integers(0, 2, 40_000)
    label = (rng.random(40_000) < sigmoid(truth)).astype(np.float64)
    off = 1.8 * truth + np.where(channel == 0, 0.7, -0.4)
    ones = np.ones(40_000)
    fixed = sigmoid(fit_platt(off, label, ones, channel).apply(off, channel))
    noise = calibration_noise(fixed, ones, seed=1, rounds=50)
    assert expected_calibration_error(sigmoid(off), label, ones) > 10 * noise
    assert expected_calibration_error(fixed, label, ones) < 2 * noise


@given(
    slopes=arrays(float, len(CHANNELS), elements=st.floats(0.1, 3.0)),
    centres=arrays(float, len(CHANNELS), elements=st.floats(-8.0, 3.0)),
    width=st.floats(0.0, 3.0),
)
def test_slopes_of_another_model_leave_the_level_of_each_channel(
    slopes: Floats, centres: Floats, width: float
) -> None:
    seen = centres[:, None] + width * np.linspace(-2, 2, 64)[None, :]
    turned = Platt(slopes, np.full(len(CHANNELS), 9.0)).keeping(seen)
    moved = turned.slope[:, None] * seen + turned.offset[:, None]
    np.testing.assert_allclose(sigmoid(moved).mean(axis=1), sigmoid(seen).mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(turned.slope, slopes)
