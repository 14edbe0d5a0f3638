"""How hours are fitted: what goes together in well-known curves is believed of those known in part."""

import numpy as np

from ml.arrays import Floats
from ml.boosting import sigmoid
from ml.slot_effects import Cells, Shape
from ml.slot_fit import SlotRows, fit_slot_effects

SEGMENTS = 24
MORNING, EVENING = np.arange(8, 13), np.arange(17, 21)


def _larks_and_owls(rng: np.random.Generator) -> tuple[Cells, Floats, Floats]:
    """Contacts of segments that like mornings as much as they dislike evenings; every other one is hardly ever
    written to in the evening. Cells, labels, and each segment's liking of mornings, in log-odds."""
    liking = rng.normal(0.0, 0.8, SEGMENTS)
    count = 60_000
    segment = rng.integers(0, SEGMENTS, count)
    hour = rng.integers(8, 21, count)
    seldom = (segment % 2 == 1) & np.isin(hour, EVENING) & (rng.random(count) > 0.02)
    segment, hour = segment[~seldom], hour[~seldom]
    side = np.isin(hour, MORNING).astype(np.float64) - np.isin(hour, EVENING)
    label = (rng.random(len(hour)) < sigmoid(-2.0 + side * liking[segment])).astype(np.float64)
    nothing = np.zeros(len(hour), dtype=np.int64)
    return Cells(segment, nothing, nothing, rng.integers(0, 5, len(hour)) * 24 + hour), label, liking


def test_hours_seldom_tried_follow_from_the_hours_they_go_with() -> None:
    errors = []
    for seed in range(3):
        cells, label, liking = _larks_and_owls(np.random.default_rng(seed))
        start, weight = np.full(len(label), -2.0), np.ones(len(label))
        fit = fit_slot_effects(SlotRows.of(cells, start, label, weight, Shape(SEGMENTS + 1, 1)))
        table = fit.table(np.arange(1, SEGMENTS, 2), np.array([0]))[:, 0, 0, :24]
        evening = table[:, EVENING].mean(axis=1) - table[:, 13:17].mean(axis=1)
        errors.append(np.mean((evening + liking[1::2]) ** 2) / np.mean(liking[1::2] ** 2))
    assert np.mean(errors) < 0.35


def _keen_on_weekends(rng: np.random.Generator) -> tuple[Cells, Floats, Floats]:
    """Contacts of segments that like Saturdays as much as they like Fridays and dislike Mondays; every other one is
    hardly ever written to on a Saturday. Cells, labels, and each segment's liking, in log-odds."""
    liking = rng.normal(0.0, 0.8, SEGMENTS)
    count = 40_000
    segment, day = rng.integers(0, SEGMENTS, count), rng.integers(0, 6, count)
    seldom = (segment % 2 == 1) & (day == 5) & (rng.random(count) > 0.02)
    segment, day = segment[~seldom], day[~seldom]
    side = np.isin(day, (4, 5)).astype(np.float64) - (day == 0)
    label = (rng.random(len(day)) < sigmoid(-2.0 + side * liking[segment])).astype(np.float64)
    nothing = np.zeros(len(day), dtype=np.int64)
    return Cells(segment, nothing, nothing, day * 24 + rng.integers(8, 21, len(day))), label, liking


def test_days_seldom_tried_follow_from_the_days_they_go_with() -> None:
    errors = []
    for seed in range(3):
        cells, label, liking = _keen_on_weekends(np.random.default_rng(seed))
        start, weight = np.full(len(label), -2.0), np.ones(len(label))
        fit = fit_slot_effects(SlotRows.of(cells, start, label, weight, Shape(SEGMENTS + 1, 1)))
        days = (
            fit.table(np.arange(1, SEGMENTS, 2), np.array([0]))[:, 0, 0]
            .reshape(-1, 7, 24)[:, :, 8:21]
            .mean(axis=2)
        )
        saturday = days[:, 5] - days[:, 1:4].mean(axis=1)
        errors.append(np.mean((saturday - liking[1::2]) ** 2) / np.mean(liking[1::2] ** 2))
    assert np.mean(errors) < 0.35, errors


def test_variances_say_how_levels_and_curves_spread() -> None:
    cells, label, _ = _larks_and_owls(np.random.default_rng(1))
    fit = fit_slot_effects(
        SlotRows.of(cells, np.full(len(label), -2.0), label, np.ones(len(label)), Shape(SEGMENTS + 1, 1))
    )
    for variance in fit.variances:
        assert variance.shape in ((), (7, 7), (13, 13))
        if variance.ndim:
            np.testing.assert_allclose(variance, variance.T, atol=1e-9)
            assert np.linalg.eigvalsh(variance).min() > 0
    assert len(fit.effects) == len(fit.variances)
