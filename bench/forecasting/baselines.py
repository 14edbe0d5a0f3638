"""What a forecast must beat: repeating the week before, and exponential smoothing chosen by AICc (AutoETS).

Both are given the settled values of every day before the origin, which nobody knows on the day: an advantage.
"""

import warnings

import numpy as np
from statsforecast.models import AutoETS

from ml.forecast.backtest import seasonal_naive, seasonal_naive_atoms
from ml.forecast.cohorts import Floats
from ml.forecast.losses import ATOMS, midpoints

_WEEKS = 16


def repeat_the_week(before: Floats, horizon: int) -> Floats:
    """(3, horizon) quantiles."""
    return np.asarray(seasonal_naive(before[:, None], horizon)[..., 0])


def repeat_the_week_atoms(before: Floats, horizon: int) -> Floats:
    """(`ATOMS`, horizon) equally likely values."""
    return np.asarray(seasonal_naive_atoms(before[:, None], horizon)[..., 0])


def auto_ets(before: Floats, horizon: int, *, ceiling: float = np.inf) -> tuple[Floats, Floats]:
    """(3, horizon) quantiles, (`ATOMS`, horizon) equally likely values, by AutoETS on the last 16 weeks; days without a
    value take the mean of the others.
    """
    recent = before[-_WEEKS * 7 :]
    known = ~np.isnan(recent)
    filled = np.where(known, recent, recent[known].mean() if known.any() else 0.0)
    if np.ptp(filled) == 0:
        return np.full((3, horizon), filled[-1]), np.full((ATOMS, horizon), filled[-1])
    inner = np.round(100 * (1 - 2 * midpoints(ATOMS)[: ATOMS // 2]), 6).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = AutoETS(season_length=7).forecast(y=filled, h=horizon, level=[90, *inner])
    ends = [found["lo-90"], found["mean"], found["hi-90"]]
    below, above = ([found[f"{side}-{level}"] for level in inner] for side in ("lo", "hi"))
    atoms = [*below, found["mean"], *above[::-1]]
    return np.clip(np.stack(ends), 0.0, ceiling), np.clip(np.stack(atoms), 0.0, ceiling)
