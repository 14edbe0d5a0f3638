"""Losses against closed forms, and against their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from ml.forecast.answers import Kpi
from ml.forecast.bands import Bands, Stretch, quantiles, stretched, stretched_atoms
from ml.forecast.losses import ATOMS, crps, midpoints

_VALUES = st.floats(-1e3, 1e3)


def _gaussian_crps(came: np.ndarray) -> np.ndarray:
    """Of a standard normal forecast, in closed form (Gneiting & Raftery 2007, section 4.2)."""
    return came * (2 * norm.cdf(came) - 1) + 2 * norm.pdf(came) - 1 / np.sqrt(np.pi)


@pytest.mark.parametrize(("values", "within"), [(ATOMS, 0.01), (999, 0.001)])
def test_crps_of_a_gaussian_is_that_of_its_closed_form(values: int, within: float) -> None:
    """A hundredth of its standard deviation whatever comes; far less on average; the nearer, the more values."""
    came = np.linspace(-4, 4, 81)
    atoms = np.repeat(norm.ppf(midpoints(values))[:, None], len(came), axis=1)
    found, exact = crps(atoms, came), _gaussian_crps(came)
    assert found == pytest.approx(exact, abs=within)
    assert np.average(found, weights=norm.pdf(came)) == pytest.approx(
        np.average(exact, weights=norm.pdf(came)), abs=within / 10
    )
    assert crps(2 * atoms, 2 * came) == pytest.approx(2 * found)


@given(values=st.lists(_VALUES, min_size=1, max_size=30), came=_VALUES)
def test_crps_is_the_energy_form(values: list[float], came: float) -> None:
    drawn = np.sort(values)
    energy = np.abs(drawn - came).mean() - np.abs(drawn[:, None] - drawn).mean() / 2
    assert crps(drawn[:, None], np.array([came]))[0] == pytest.approx(energy, abs=1e-9)


def test_crps_tells_the_true_distribution_from_others() -> None:
    came = np.random.default_rng(3).standard_normal(4000)
    unit = norm.ppf(midpoints(ATOMS))[:, None]
    truth, *others = (
        crps(np.repeat(spread * unit + centre, len(came), axis=1), came)
        for spread, centre in ((1.0, 0.0), (0.6, 0.0), (1.6, 0.0), (1.0, 0.5))
    )
    for other in others:
        worse = other - truth
        assert worse.mean() > 3 * worse.std() / np.sqrt(len(worse))


@pytest.mark.parametrize("moves", [(0.0, 0.0), (0.8, 0.3), (-0.4, -0.2)])
def test_values_move_with_the_band_they_are_behind(moves: tuple[float, float]) -> None:
    drawn = np.random.default_rng(7).gamma(20.0, 1.0, (20_000, 2))
    low, high = quantiles(drawn)
    mid = np.median(drawn, axis=0) + 0.5
    bands = Bands(low[None], mid[None], high[None], low, mid, high)
    shown = stretched(bands, Stretch(moves, moves), Kpi.SENT)
    levels = midpoints(999)
    atoms = quantiles(drawn, levels)[:, None]
    moved = stretched_atoms(atoms, bands, shown, Kpi.SENT)
    assert (np.diff(moved, axis=0) >= 0).all()
    found = np.stack([np.interp((0.05, 0.5, 0.95), levels, moved[:, 0, n]) for n in range(2)], axis=1)
    expected = np.stack([shown.low[0], shown.mid[0], shown.high[0]])
    assert found == pytest.approx(expected, rel=0.01)


def test_values_of_which_half_are_the_same_move_too() -> None:
    """On a rare event's count: most futures bring none, the band shown goes down to none and up to four."""
    atoms = np.array([0.0] * 30 + [1.0] * 6 + [2.0] * 3)[:, None, None]
    zero, two = np.zeros((1, 1)), np.full((1, 1), 2.0)
    bands = Bands(zero, zero, two, zero[0], zero[0], two[0])
    shown = stretched(bands, Stretch((2.0, 2.0), (2.0, 2.0)), Kpi.SENT)
    moved = stretched_atoms(atoms, bands, shown, Kpi.SENT)[:, 0, 0]
    assert moved.tolist() == [0.0] * 30 + [2.0] * 6 + [4.0] * 3
    one = Bands(two, two, two, two[0], two[0], two[0])
    wider = Bands(two - 1, two, two + 1, two[0], two[0], two[0])
    spread = stretched_atoms(np.full((ATOMS, 1, 1), 2.0), one, wider, Kpi.SENT)
    assert (spread.min(), np.median(spread), spread.max()) == (1.0, 2.0, 3.0)
    assert (np.diff(spread, axis=0) >= 0).all()
