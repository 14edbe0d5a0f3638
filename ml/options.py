"""A campaign's options: for each debtor, channel and day of a window the best lawful hour, and what it is worth.

A debtor's hours on a day are ranked by what they are worth to the debtor's segment, the recommended hour first: the
best of many noisy values of one debtor is more often an accident. For the same reason every other option counts as
worth a little less than what is recommended, whatever its own value: without limits the plan is what is recommended.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.arrays import Bools, Floats, Ints
from ml.candidates import LEAVE_ALONE, Candidates
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.segment_plans import own_panel, plan_segments
from ml.slot_effects import HOURS
from ml.usable_hours import allowed_channels

_AT_MOST = 0.999
"""What another option counts for at most, as a share of what is recommended."""


@dataclass(frozen=True)
class Slots:
    """Lawful stretches of local hours, in order of time. hour: (s,) hour of the week; day: (s,) day of the window."""

    hour: Ints
    day: Ints


@dataclass(frozen=True)
class DayOptions:
    """worth: (n, channels, days) tenant's currency, −inf where no contact may be; hour: (n, channels, days) hour of
    the week of that contact."""

    worth: NDArray[np.float32]
    hour: NDArray[np.int16]


def segment_ranking(model: TrainedModel, channels: Sequence[str] | None) -> Floats:
    """(segments, channels, 168) what each hour is worth to a segment's debtors; −inf where it was never tried."""
    _, value = plan_segments(model, own_panel(model), allowed_channels(channels), None)
    return value


def options_of(found: Candidates, slots: Sequence[Sequence[Slots]], days: int, ranking: Floats) -> DayOptions:
    """slots: per debtor and channel, in order; the same object for debtors with the same ones. days: of the window.

    ranking: as `segment_ranking` gives it.
    """
    worth = np.full((len(found), len(CHANNELS), days), -np.inf, dtype=np.float32)
    hour = np.zeros((len(found), len(CHANNELS), days), dtype=np.int16)
    most = _recommended_worth(found)
    for column in range(len(CHANNELS)):
        for rows, lawful in _alike([of_debtor[column] for of_debtor in slots]):
            if not len(lawful.hour):
                continue
            action = column * HOURS + lawful.hour
            cap = np.where(found.recommended[rows, None] == action[None, :], 1.0, _AT_MOST) * most[rows, None]
            net = np.minimum(found.net[rows, column][:, lawful.hour], cap)
            rank = ranking[found.standing.segment[rows], column][:, lawful.hour]
            own = found.slots[rows, column][:, None] == lawful.hour[None, :]
            rank = np.where(own, np.inf, np.where(np.isfinite(rank), rank, net - 1e6))
            best = _best_by_day(np.where(np.isfinite(net), rank, -np.inf), lawful.day, days)
            at = np.maximum(best, 0)
            line = np.arange(len(rows))[:, None]
            worth[rows, column] = np.where(best >= 0, net[line, at], -np.inf)
            hour[rows, column] = lawful.hour[at]
    return DayOptions(worth, hour)


def _recommended_worth(found: Candidates) -> Floats:
    """(n,) worth of what is recommended, 0 for leaving alone."""
    flat = found.net.reshape(len(found), len(CHANNELS) * HOURS)
    chosen = np.maximum(found.recommended, 0)
    return np.where(found.recommended == LEAVE_ALONE, 0.0, flat[np.arange(len(found)), chosen])


def _alike(slots: Sequence[Slots]) -> list[tuple[Ints, Slots]]:
    """Rows that share their slots, and the slots."""
    rows: dict[int, list[int]] = {}
    for row, each in enumerate(slots):
        rows.setdefault(id(each), []).append(row)
    return [(np.array(of_one), slots[of_one[0]]) for of_one in rows.values()]


def _best_by_day(rank: Floats, day: Ints, days: int) -> Ints:
    """(n, days) position of the highest rank on each day; −1 where there is none."""
    best = np.full((len(rank), days), -1, dtype=np.int64)
    for each in np.unique(day):
        here: Bools = day == each
        places = np.flatnonzero(here)
        top = rank[:, places].argmax(axis=1)
        able = rank[:, places].max(axis=1) > -np.inf
        best[:, each] = np.where(able, places[top], -1)
    return best
