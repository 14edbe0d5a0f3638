"""Right-censored yes/no outcomes: who is known, and how much each known one must stand for."""

import numpy as np

from ml.arrays import Bools, Floats, Ints

CLIP = 0.05


def known_by(event_seconds: Floats, followed_seconds: Floats, horizon: Floats) -> tuple[Floats, Bools]:
    """(label, known): label 1 when the event came within horizon and follow-up; known when it did or
    follow-up spans the horizon.

    All in seconds, shape (n,); event_seconds inf when nothing was seen.
    """
    happened = event_seconds <= np.minimum(horizon, followed_seconds)
    return happened.astype(np.float64), happened | (followed_seconds >= horizon)


def censoring_weights(
    event_seconds: Floats, followed_seconds: Floats, horizon: Floats, group: Ints, prior: Floats
) -> tuple[Floats, Floats]:
    """(label, weight) under inverse-probability-of-censoring weighting; unknown rows weigh 0.

    Follow-up is administrative (known for every row), so its survival function is counted, per group and
    weighted by `prior` (recency); the weight is prior / max(P(follow-up >= time the outcome was
    settled), 0.05). Source: Robins & Rotnitzky 1992.
    """
    label, known = known_by(event_seconds, followed_seconds, horizon)
    settled = np.where(label > 0, event_seconds, horizon)
    weight = np.zeros(len(label))
    for code in np.unique(group):
        rows = np.flatnonzero(group == code)
        still = _share_followed(followed_seconds[rows], prior[rows], settled[rows])
        weight[rows] = prior[rows] * known[rows] / np.maximum(still, CLIP)
    return label, weight


def _share_followed(followed: Floats, prior: Floats, at: Floats) -> Floats:
    """Weighted share of rows followed at least until each instant in `at`."""
    order = np.argsort(followed)
    remaining = np.concatenate([np.cumsum(prior[order][::-1])[::-1], [0.0]])
    return np.asarray(remaining[np.searchsorted(followed[order], at, side="left")] / max(remaining[0], 1e-12))


def maturity_horizon(
    event_seconds: Floats, followed_seconds: Floats, longest: float, share: float = 0.99
) -> float:
    """The time by which `share` of the events that come within `longest` have come, from fully followed
    rows; else `longest`."""
    matured = event_seconds[(followed_seconds >= longest) & (event_seconds <= longest)]
    if len(matured) < 50:
        return longest
    return float(min(longest, max(np.quantile(matured, share), 3600.0)))
