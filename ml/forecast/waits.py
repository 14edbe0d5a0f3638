"""How long messages wait to be opened: seconds from sending to the first human open.

Distributions are shares per band of seconds; bands grow by about 6 %, so that a median read between their edges is
well within what such a median varies by.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_EDGES = np.concatenate([[0.0], np.geomspace(1.0, 31 * 86_400.0, 240)])
BANDS = len(_EDGES) - 1
_HALF_LIFE = 30.0
_CHANNEL_WEIGHT = 30.0
"""Openings of its channel that stand behind each cell's own."""


@dataclass(frozen=True)
class Waits:
    """One row per opened message: the day it was sent, its cell, whole days (UTC dates) and seconds until opened."""

    day: Ints
    cell: Ints
    lag: Ints
    seconds: Floats

    @classmethod
    def none(cls) -> "Waits":
        """Nothing was opened."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing, nothing, nothing, np.zeros(0))


def estimate_waits(waits: Waits, delivered: Floats, channel: Ints) -> tuple[Floats, Floats]:
    """(cells, BANDS) shares of openings by how long they take, as known when day number `len(delivered)` begins, and
    (cells,) the openings each rests on.

    Late openings of recent messages are still to come: what is seen of each whole day of waiting counts in proportion
    to the messages that have been watched for so long. delivered: (days, cells); channel: (cells,) its number.
    """
    until, cells = delivered.shape
    channels = int(channel.max()) + 1
    known = waits.day + waits.lag < until
    day, cell, lag, seconds = (part[known] for part in (waits.day, waits.cell, waits.lag, waits.seconds))
    recency = 0.5 ** ((until - 1 - np.arange(until)) / _HALF_LIFE)
    onto = np.zeros((cells, channels))
    onto[np.arange(cells), channel] = 1.0
    watched = np.cumsum(recency[:, None] * (delivered @ onto), axis=0)  # [d]: sent on days up to d
    whole = watched[-1] if until else np.zeros(channels)
    since = watched[np.maximum(until - 1 - lag, 0), channel[cell]]
    weight = recency[day] * np.clip(whole[channel[cell]] / np.maximum(since, 1e-9), 1.0, 20.0)
    band = np.clip(np.searchsorted(_EDGES, seconds, side="right") - 1, 0, BANDS - 1)
    own = np.bincount(cell * BANDS + band, weights=weight, minlength=cells * BANDS).reshape(cells, BANDS)
    of_channel = onto.T @ own
    overall = own.sum(axis=0) + 1e-9
    of_channel = of_channel + 2 * overall / overall.sum()
    of_channel = of_channel / of_channel.sum(axis=1, keepdims=True)
    pooled = own + _CHANNEL_WEIGHT * of_channel[channel]
    return pooled / pooled.sum(axis=1, keepdims=True), own.sum(axis=1)


def middle(shares: Floats) -> Floats:
    """(...,) medians of (..., BANDS) distributions, which need not add up to 1; nan where there is nothing."""
    flat = shares.reshape(-1, shares.shape[-1])
    found = at_share(flat, np.full((1, len(flat)), 0.5))[0]
    return np.where(flat.sum(axis=1) > 0, found, np.nan).reshape(shares.shape[:-1])


def at_share(shares: Floats, share: Floats) -> Floats:
    """(R, G) seconds within which a `share` (R, G) of the openings of each group has come; shares: (G, BANDS)."""
    total = shares.sum(axis=1, keepdims=True)
    running = np.cumsum(shares / np.where(total > 0, total, 1.0), axis=1)
    running[:, -1] = 1.0
    groups = len(shares)
    # One sorted row for all groups, each group's shares lifted by its number.
    lifted = (running + np.arange(groups)[:, None]).ravel()
    place = np.searchsorted(lifted, np.clip(share, 1e-9, 1 - 1e-9) + np.arange(groups), side="left")
    band = np.clip(place - np.arange(groups) * BANDS, 0, BANDS - 1)
    column = np.broadcast_to(np.arange(groups), band.shape)
    upper = running[column, band]
    lower = np.where(band > 0, running[column, np.maximum(band - 1, 0)], 0.0)
    inside = np.clip((share - lower) / np.maximum(upper - lower, 1e-12), 0.0, 1.0)
    return np.asarray(_EDGES[band] + inside * (_EDGES[band + 1] - _EDGES[band]))


def draw_middles(rng: np.random.Generator, shares: Floats, opened: Floats) -> Floats:
    """(R, G) medians of `opened` (R, G) waits drawn from each group's (G, BANDS) distribution; nan for none.

    The k-th smallest of n uniform numbers is Beta(k, n − k + 1); here k = ⌈n / 2⌉, as kpis.md defines a percentile.
    """
    count = np.maximum(opened, 1.0)
    place = np.ceil(count / 2)
    share = rng.beta(place, count - place + 1)
    known = (opened > 0) & (shares.sum(axis=1) > 0)
    return np.where(known, at_share(shares, share), np.nan)


def medians_of(seconds: Floats, key: Ints, keys: int) -> Floats:
    """(keys,) the ⌈n / 2⌉-th smallest of the `seconds` of each key; nan for a key without any."""
    ordered = seconds[np.lexsort((seconds, key))]
    count = np.bincount(key, minlength=keys)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    place = first + (count + 1) // 2 - 1
    found = np.full(keys, np.nan)
    found[count > 0] = ordered[place[count > 0]]
    return found
