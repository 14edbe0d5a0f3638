"""A rate that stands elsewhere since a day, told from whims, wander and chance."""

import numpy as np
import pytest

from ml.forecast.shifts import shifted_since

DAYS = 180


def _counts(seed: int, log_odds: np.ndarray, exposed: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    of = rng.poisson(exposed, log_odds.shape).astype(np.float64)
    return rng.binomial(of.astype(np.int64), 1 / (1 + np.exp(-log_odds))).astype(np.float64), of


def _fifty(spread: float, walk: float) -> np.ndarray:
    """(days, 50) log-odds of fifty channels with whims of single days and a wander that never rests."""
    rng = np.random.default_rng(8)
    whims = rng.normal(0, spread, (DAYS, 50))
    return np.asarray(-0.5 + whims + rng.normal(0, walk, (DAYS, 50)).cumsum(axis=0))


@pytest.mark.parametrize(("spread", "walk"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.03)])
def test_neither_chance_nor_whims_nor_wander_are_a_shift(spread: float, walk: float) -> None:
    found = shifted_since(*_counts(1, _fifty(spread, walk)))
    assert (found > 0).sum() <= 1


@pytest.mark.parametrize("by", [-1.5, 1.5])
@pytest.mark.parametrize("ago", [10, 21, 40])
def test_a_shift_is_dated_to_within_days(by: float, ago: int) -> None:
    moved = _fifty(0.1, 0.0) + by * (np.arange(DAYS)[:, None] >= DAYS - ago)
    found = shifted_since(*_counts(2, moved))
    assert (np.abs(found - (DAYS - ago)) <= 3).mean() > 0.9


def test_two_days_whose_outcomes_come_late_are_no_shift() -> None:
    came, of = _counts(3, _fifty(0.1, 0.0))
    came[-2:] = 0.0
    assert not shifted_since(came, of).any()


def test_a_storm_of_two_days_is_no_shift() -> None:
    storm = _fifty(0.1, 0.0) - 4.0 * np.isin(np.arange(DAYS), [DAYS - 6, DAYS - 5])[:, None]
    assert (shifted_since(*_counts(5, storm)) > 0).sum() <= 1


def test_weeks_that_go_together_make_no_shift() -> None:
    """Levels that stay for weeks and come back are told from one that moved, though eight weeks show few of them."""
    rng = np.random.default_rng(9)
    level = np.zeros((DAYS // 7 + 1, 200))
    for week in range(1, len(level)):
        level[week] = 0.7 * level[week - 1] + 0.2 * rng.standard_normal(200)
    found = shifted_since(*_counts(6, np.repeat(level, 7, axis=0)[:DAYS] - 0.5, exposed=500.0))
    assert (found > 0).mean() <= 0.02


def test_a_week_says_nothing_where_little_happens_or_little_is_known() -> None:
    moved = -0.5 - 2.0 * (np.arange(DAYS)[:, None] >= DAYS - 20) * np.ones((1, 50))
    assert not shifted_since(*_counts(4, moved, exposed=0.5)).any()
    assert not shifted_since(*(part[-60:] for part in _counts(4, moved))).any()
    assert shifted_since(*_counts(4, moved)).all()
