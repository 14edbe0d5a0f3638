"""Open Bandit logs in the shape of ours: an item is an action of a block of its own, a position is a segment."""

from dataclasses import dataclass
from typing import IO

import numpy as np
import polars as pl

from ml.arrays import Floats, Ints, sums_by
from ml.off_policy import LoggedContacts, LoggedTrial

COLUMNS = ("item_id", "position", "click", "propensity_score")
WIDTH = 1
"""Hours a block spans, for items to have one each: 6 channels × 13 hours × 2 kinds of day."""

_PER_CHANNEL = 26
_PRIOR_ROUNDS = 200.0


@dataclass(frozen=True)
class Clicks:
    """One policy's log; item, position: codes from 0; clicked: 0 or 1; propensity: of the item at that position."""

    item: Ints
    position: Ints
    clicked: Floats
    propensity: Floats


def clicks_of(source: IO[bytes] | str, kind: str) -> Clicks:
    """A log from CSV or Parquet."""
    frame = pl.read_csv(source) if kind == "csv" else pl.read_parquet(source)
    item, position, clicked, propensity = (frame[name].to_numpy() for name in COLUMNS)
    return Clicks(
        item.astype(np.int64),
        position.astype(np.int64) - 1,
        clicked.astype(np.float64),
        propensity.astype(np.float64),
    )


def action_of(item: Ints) -> Ints:
    """channel · 168 + local hour of week, between 08 and 21, Monday or Saturday."""
    channel, place = item // _PER_CHANNEL, item % _PER_CHANNEL
    return np.asarray(channel * 168 + place % 2 * 5 * 24 + 8 + place // 2)


def item_of(action: Ints) -> Ints:
    """The item of any action in an item's block."""
    channel, slot = action // 168, action % 168
    return np.asarray(channel * _PER_CHANNEL + (slot % 24 - 8) * 2 + (slot // 24 >= 5))


def trial_of(log: Clicks, *, seed: int) -> LoggedTrial:
    """The log with click rates of the items, drawn towards everybody's, each half's learned from the other half."""
    items = int(log.item.max()) + 1
    half = np.random.default_rng(seed).permutation(len(log.item)) % 2
    rates = np.stack([_rates(log, half != side, items) for side in (0, 1)])

    def value(action: Ints) -> Floats:
        item = np.minimum(item_of(np.maximum(action, 0)), items - 1)
        return np.where(action >= 0, rates[half, item], 0.0)

    rounds = np.arange(len(log.item))
    contacts = LoggedContacts(action_of(log.item), log.propensity, log.clicked, rounds, log.position)
    return LoggedTrial(contacts, np.zeros(3, dtype=np.int64), value)


def chances_of(log: Clicks, items: int) -> Floats:
    """(positions, channels · 168) how often a policy chose each item at each position."""
    shares = np.zeros((3, 6 * 168))
    counts = sums_by(log.position * items + log.item, np.ones(len(log.item)), 3 * items).reshape(3, items)
    shares[:, action_of(np.arange(items))] = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _rates(log: Clicks, learned: np.ndarray, items: int) -> Floats:
    clicks = sums_by(log.item, log.clicked * learned, items)
    shown = sums_by(log.item, learned.astype(np.float64), items)
    everybody = clicks.sum() / shown.sum()
    return np.asarray((clicks + _PRIOR_ROUNDS * everybody) / (shown + _PRIOR_ROUNDS))
