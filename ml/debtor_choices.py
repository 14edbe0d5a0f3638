"""The channel and hours of each debtor: its segment's, left only where its own history makes a gain credible.

Choosing the best of hundreds of noisy values for each debtor pays less than it promises.
"""

import numpy as np

from ml.actions import lawful_hours
from ml.arrays import Bools, Floats, Ints
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.quotes import hourly_nets
from ml.segment_plans import FORBIDDEN, SegmentPlan
from ml.slot_effects import HOURS
from ml.standing import Standing
from ml.values import SlotTables, slot_tables, worth

DEBTOR_CAUTION = 1.0
DEBTOR_LEAST_GAIN = 0.1
"""How many standard errors, and what share of the segment action's value, a gain must exceed to be believed."""


def debtor_slots(
    model: TrainedModel,
    standing: Standing,
    plan: SegmentPlan,
    mask: Bools,
    tables: SlotTables | None = None,
) -> tuple[Ints, Ints]:
    """(n, channels) hour of week to recommend per channel and (n,) channel to recommend (−1: none usable).

    mask: (n, channels, 168) hours that may be used, as `debtor_hours` gives them. tables: `slot_tables` of all
    segments, where the caller has kept them.
    """
    return choose(model, standing, plan, mask, own_best_hours(model, standing, mask, tables))


def own_best_hours(
    model: TrainedModel, standing: Standing, mask: Bools, tables: SlotTables | None = None
) -> Ints:
    """(n, channels) each debtor's best allowed hour by its own value; 0 where none is allowed."""
    hours = np.flatnonzero(lawful_hours())
    tables = tables or slot_tables(model.conversion, np.unique(standing.segment))
    net = np.full(mask.shape, FORBIDDEN, dtype=np.float32)
    net[:, :, hours] = worth(model, standing, tables, hours).net
    return np.asarray(np.where(mask, net, FORBIDDEN).argmax(axis=2), dtype=np.int64)


def choose(
    model: TrainedModel, standing: Standing, plan: SegmentPlan, mask: Bools, own: Ints
) -> tuple[Ints, Ints]:
    """(n, channels) hour per channel and (n,) channel chosen (−1: none usable): the segment's unless the own one
    credibly gains, or alone pays for itself."""
    count = len(standing)
    rows, everyone = np.arange(count)[:, None], np.arange(len(CHANNELS))[None, :]
    theirs = plan.per_channel[standing.segment]
    usable = mask.any(axis=2) & standing.reachable
    follows = (theirs >= 0) & mask[rows, everyone, np.maximum(theirs, 0)]
    first = np.where(follows, theirs, own)
    segment_best = plan.best[standing.segment]
    named = np.where(segment_best >= 0, segment_best // HOURS, 0)
    first_ok = (segment_best >= 0) & usable[np.arange(count), named] & follows[np.arange(count), named]
    start, start_draws = hourly_nets(model, standing, first)
    mine, my_draws = hourly_nets(model, standing, own)
    gains = mine - start > np.maximum(
        DEBTOR_CAUTION * _spread(my_draws - start_draws), DEBTOR_LEAST_GAIN * np.abs(start)
    )
    slots = np.where(gains, own, first)
    best_net = np.where(gains, mine, start)
    best_draws = np.where(gains[:, :, None], my_draws, start_draws)
    ranked = np.where(usable, best_net, FORBIDDEN)
    top = ranked.argmax(axis=1)
    line = np.arange(count)
    incumbent = np.where(first_ok, named, top)
    most, kept = best_net[line, top], best_net[line, incumbent]
    error = _spread(best_draws[line, top] - best_draws[line, incumbent])
    leave = most - kept > np.maximum(DEBTOR_CAUTION * error, DEBTOR_LEAST_GAIN * np.abs(kept))
    leave |= (kept <= 0) & (most > 0)
    chosen = np.where(leave, top, incumbent)
    return slots, np.where(usable.any(axis=1), chosen, -1)


def _spread(draws: Floats) -> Floats:
    return np.asarray(np.std(draws, axis=-1)) if draws.shape[-1] else np.zeros(draws.shape[:-1])
