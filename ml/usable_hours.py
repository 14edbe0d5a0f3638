"""Which hours of the week may be chosen at all: lawful, asked for, and near enough to what history tried."""

from collections.abc import Sequence

import numpy as np

from ml.actions import lawful_hours
from ml.arrays import Bools
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.slot_effects import HOURS
from ml.values import supported_slots

LEAST_SUPPORT = 20.0
"""Contacts around an hour below which history says too little of it."""


def allowed_channels(channels: Sequence[str] | None) -> Bools:
    """(channels,) which of them are asked for; None: all."""
    return np.array([channels is None or name in channels for name in CHANNELS])


def usable_hours(model: TrainedModel, allowed: Bools, asked: Bools | None) -> Bools:
    """(channels, 168) hours that are lawful, asked for, and near enough to what history tried."""
    usual = supported_slots(model, LEAST_SUPPORT) & lawful_hours()[None, :] & allowed[:, None]
    return usual if asked is None else usual & asked


def debtor_hours(
    model: TrainedModel, masks: Bools | None, count: int, *, channels: Sequence[str] | None = None
) -> Bools:
    """(n, channels, 168) hours the rules allow (`masks`, as in `debtor_recommendations`) that history knows."""
    usual = np.broadcast_to(
        usable_hours(model, allowed_channels(channels), None), (count, len(CHANNELS), HOURS)
    )
    if masks is None:
        return usual
    return usual & (masks[:, None, :] if masks.ndim == 2 else masks)
