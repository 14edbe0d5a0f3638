"""Calibrations: what is off is repaired, and what one model's calibration carries over to another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml.arrays import Floats
from ml.boosting import sigmoid
from ml.calibration import Platt, calibration_noise, common_factor, expected_calibration_error, fit_platt
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


def test_a_product_of_two_steps_comes_true_though_the_first_leaves_unsaid_what_they_have_in_common() -> None:
    rng = np.random.default_rng(8)
    trait = rng.normal(0, 1, 200_000)
    weight = rng.uniform(0.2, 3.0, 200_000)
    then = sigmoid(trait - 1.5)
    happened = (rng.random(200_000) < sigmoid(0.5 * trait - 1.0)).astype(np.float64)
    blunt = sigmoid(0.2 * trait - 1.0)  # the trait drawn in
    both = np.average(happened * then, weights=weight)
    level = np.average(happened, weights=weight) / np.average(blunt, weights=weight)
    assert np.average(blunt * then, weights=weight) * level < 0.9 * both
    factor = common_factor(blunt, happened, then, weight)
    assert abs(np.average(blunt * then, weights=weight) * level * factor / both - 1) < 0.01
    sharp = common_factor(sigmoid(0.5 * trait - 1.0), happened, then, weight)
    assert abs(sharp - 1) < 0.01
    few = slice(0, 100)
    assert abs(common_factor(blunt[few], happened[few], then[few], weight[few]) - 1) < (factor - 1) / 4
    assert common_factor(blunt, happened, np.zeros(200_000), weight) == 1.0
