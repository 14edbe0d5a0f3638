"""How far what a contact is expected to bring may be off: 90 % intervals. Source: docs/decisions.md, "Intervals"."""

import numpy as np

from ml.arrays import Floats
from ml.model import TrainedModel

_NINETY = 1.645
_MODEL_ERROR = 0.15
"""Error of all gains alike, as a share of them."""

_LENT = 5.0
"""Payments' worth of evidence that other segments lend each."""

_OWN = 0.6
"""How far the gain of one debtor stands off from that of others whose records look the same, as a share of it."""

_LENT_IN_TOTALS = 2.0
_NOTHING = 1e-12


def moved_payments(model: TrainedModel) -> Floats:
    """(segments + 1, channels) payments moved in history; none of a segment that it does not know, the last."""
    return np.pad(model.evidence.moved, ((0, 1), (0, 0)))


def likely_range(gains: Floats, weight: Floats, doubt: Floats, moved: float) -> tuple[float, float]:
    """At least and at most how many times of what is expected of it a contact truly gains: 90 % lie within.

    gains: (n,) what each of n debtors of one segment is expected to bring on one channel; weight: (n,) how many debtors
    each stands for; doubt: (n, c) what its gain moves by when each of c independent things learned of the hours is off
    by its standard error; moved: payments that such contacts once moved, which tell the level to 1/√n.

    What is learned of a rate is off by so many per cent, so the error is log-normal, its mean what is expected:
    an interval as wide above as below would miss those above it.
    """
    gain = max(float(weight @ gains), _NOTHING)
    hours = float(np.sum((weight @ doubt) ** 2)) / gain**2
    own = _OWN**2 * float(weight @ gains**2) / gain**2
    error = float(np.sqrt(hours + own + 1.0 / (moved + _LENT) + _MODEL_ERROR**2))
    middle = -(error**2) / 2
    return float(np.exp(middle - _NINETY * error)), max(float(np.exp(middle + _NINETY * error)), 1.0)


def ninety_per_cent(draws: Floats, gains: Floats, moved: Floats) -> float:
    """Half the width of the 90 % interval of many contacts' net.

    draws: (k,) the net under the bootstrap replicates, which tell hours apart; none where too little came back for any
    hour to be told from another. gains, moved: (c,) what is expected of contacts alike in segment and channel, and the
    payments that such contacts once moved: a level known from n payments is known to 1/√n. Beyond both, what neither
    can see.
    """
    counted = np.sum(gains**2 / (moved + _LENT_IN_TOTALS))
    hours = np.var(draws) if len(draws) else 0.0
    return _NINETY * float(np.sqrt(hours + counted + (_MODEL_ERROR * gains.sum()) ** 2))
