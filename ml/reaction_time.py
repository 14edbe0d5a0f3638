"""Reaction times: among those who react within 30 days at all, how long they take.

Whether they react is the funnel's business. The hazard (`ml.hazard`) over 20 log-spaced bins depends on the
channel, the local hour and weekday, the segment and the debtor's daily rhythm. Source: kpis.md#message-kpis
(reaction).
"""

from dataclasses import dataclass, field

import numpy as np

from ml.arrays import Floats, Ints
from ml.feature_space import Matrix
from ml.hazard import BINS, QUICK, Hazard, fit_hazard
from ml.outcomes import CHANNELS, HORIZON_SECONDS
from ml.slot_effects import HOURS, Cells

EDGES: Floats = np.concatenate([[0.0], np.geomspace(30.0, HORIZON_SECONDS, BINS)])
"""Bin edges in seconds since `sent_at`; the last is 30 days."""

_CATEGORICAL = [0, 1, 4]
_MOST_RHYTHMS = 64


class _Kept:
    """Spans worked out so far, by cell; a copy begins empty."""

    def __init__(self) -> None:
        self.found: tuple[Ints, Floats] = (np.zeros(0, dtype=np.int64), np.zeros((0, 2)))

    def __reduce__(self) -> tuple[type["_Kept"], tuple[()]]:
        return _Kept, ()


@dataclass(frozen=True)
class ReactionTime:
    """hazard: over all bins but the last, in which everybody left reacts."""

    hazard: Hazard
    kept: _Kept = field(default_factory=_Kept, compare=False, repr=False)

    def spans(self, cells: Cells) -> tuple[Floats, Floats]:
        """(n,) seconds by which half, and nine tenths, of those who react have reacted."""
        code = (cells.segment * _MOST_RHYTHMS + cells.rhythm) * len(CHANNELS) + cells.channel
        code = code * HOURS + cells.slot
        known, spans = self.kept.found
        asked, first = np.unique(code, return_index=True)
        new = ~np.isin(asked, known)
        if new.any():
            curve = self.curve(cells.take(first[new]), 1)
            found = np.column_stack([seconds_at(curve, 0.5), seconds_at(curve, 0.9)])
            known, spans = np.concatenate([known, asked[new]]), np.concatenate([spans, found])
            order = np.argsort(known)
            known, spans = known[order], spans[order]
            self.kept.found = known, spans
        place = np.searchsorted(known, code)
        return spans[place, 0], spans[place, 1]

    def curve(self, cells: Cells, threads: int) -> Floats:
        """(n, BINS) P(reacted by the bin's end | reacts within 30 days)."""
        hazard = self.hazard.in_bins(_features(cells), cells.channel, threads)
        waiting = np.cumprod(1.0 - hazard, axis=1)
        return np.asarray(np.concatenate([1.0 - waiting, np.ones((len(waiting), 1))], axis=1))


def seconds_at(curve: Floats, share: float) -> Floats:
    """(n,) seconds by which `share` of those who react have reacted, between edges interpolated in log
    time."""
    place = np.argmax(curve >= share - 1e-12, axis=1)
    rows = np.arange(len(curve))
    high = curve[rows, place]
    low = np.where(place > 0, curve[rows, place - 1], 0.0)
    part = np.clip((share - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)
    start, end = np.maximum(EDGES[place], 1.0), EDGES[place + 1]
    return np.asarray(np.exp(np.log(start) + part * (np.log(end) - np.log(start))))


def fit_reaction_time(
    cells: Cells,
    seconds: Floats,
    followed: Floats,
    weight: Floats,
    debtor: Ints,
    *,
    seed: int,
    threads: int,
    watched: Floats | None = None,
) -> ReactionTime:
    """seconds: (n,) from sending to the reaction, inf where none came within `followed`; weight: recency; watched:
    how long all contacts have been, where these are drawn of them.

    Conditional on reacting: a contact still silent weighs by nothing, and censoring is repaired by
    giving every reaction the inverse of the share of contacts watched as long as it took.
    """
    reacted = np.flatnonzero((seconds <= np.minimum(followed, HORIZON_SECONDS)) & (weight > 0))
    watched = np.sort(followed if watched is None else watched)
    at_least = 1.0 - np.searchsorted(watched, seconds[reacted], side="left") / max(len(watched), 1)
    some = cells.take(reacted)
    hazard = fit_hazard(
        _features(some),
        some.channel,
        seconds[reacted],
        np.full(len(reacted), np.inf),
        weight[reacted] / np.maximum(at_least, 0.05),
        debtor[reacted],
        edges=EDGES[:-1],
        groups=len(CHANNELS),
        categorical=_CATEGORICAL,
        seed=seed,
        threads=threads,
        growth=QUICK,
    )
    return ReactionTime(hazard)


def _features(cells: Cells) -> Matrix:
    weekday, hour = cells.slot // 24, cells.slot % 24
    return np.column_stack([cells.channel, cells.segment, hour, weekday, cells.rhythm]).astype(np.float32)
