"""Right-censored yes/no outcomes: how long to wait before a silence counts as a no.

Labels are matured: a contact teaches once it has been watched through its step's horizon, the time in
which nearly all of the step's events come, whatever happened before. (Weighting the early events of
younger contacts by the inverse of their chance of having been watched is unbiased only for models blind
to the calendar; days past due, own history and drifting effects are not, and such weights taught them
that recent contacts always succeed.)
"""

import numpy as np

from ml.arrays import Bools, Floats

LEAST_EVENTS = 50
SHARE_AWAITED = 0.99
_SHORTEST = 3_600.0


def matured_labels(event_seconds: Floats, followed_seconds: Floats, horizon: Floats) -> tuple[Floats, Bools]:
    """(label, matured), shape (n,): label 1 when the event came within the horizon; matured when follow-up spans it.

    All in seconds; event_seconds inf when nothing was seen.
    """
    return (event_seconds <= horizon).astype(np.float64), followed_seconds >= horizon


def maturity_horizon(event_seconds: Floats, followed_seconds: Floats, mass: Floats, longest: float) -> float:
    """The time by which 99 % of the events (counted by `mass`) that come within `longest` have come.

    Seen on fully followed rows; `longest` where these show fewer than 50 events.
    """
    seen = np.flatnonzero((followed_seconds >= longest) & (event_seconds <= longest) & (mass > 0))
    if mass[seen].sum() < LEAST_EVENTS:
        return longest
    order = seen[np.argsort(event_seconds[seen])]
    filled = np.cumsum(mass[order])
    place = int(np.searchsorted(filled, SHARE_AWAITED * filled[-1]))
    return float(min(longest, max(event_seconds[order[place]], _SHORTEST)))
