"""The action of each segment: the hour and channel of highest value, among them the one action best for everybody,
which is left only for a credible gain. Source: docs/decisions.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.actions import lawful_hours
from ml.arrays import Bools, Floats, Ints, sums_by
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.quotes import net_draws
from ml.slot_effects import HOURS
from ml.standing import Panel, Standing
from ml.usable_hours import allowed_channels, usable_hours
from ml.values import slot_tables, without_channels, worth

SEGMENT_CAUTION = 0.1
"""How many standard errors a gain over the common action must exceed to be believed."""

FORBIDDEN = -np.inf


@dataclass(frozen=True)
class SegmentPlan:
    """Per segment code: best (channel · 168 + hour of week; −1 none), per_channel: (segments, channels)
    best hour of week or −1."""

    best: Ints
    per_channel: Ints


def usual_plan(model: TrainedModel, *, channels: Sequence[str] | None = None) -> SegmentPlan:
    """What each segment's debtors begin from: the plan of the model's own panel within the usual hours.

    The same whoever asks and whenever, so it is worth keeping per model and choice of channels.
    """
    plan, _ = plan_segments(model, own_panel(model), allowed_channels(channels), None)
    return plan


def plan_segments(
    model: TrainedModel, panel: Panel, allowed: Bools, masks: Mapping[int, Bools] | None
) -> tuple[SegmentPlan, Floats]:
    """The plan for all segments of the panel, and (segments, channels, 168) mean net value (−inf where
    not allowed).

    masks: segment code → (channels, 168) allowed; segments not named get everything lawful and supported.
    """
    standing = without_channels(panel.standing, allowed)
    count = len(model.segments) + 1
    usual = usable_hours(model, allowed, None)
    mask = np.stack([(masks or {}).get(code, usual) for code in range(count)])
    value = _segment_values(model, standing, panel.weight, count)
    closed = np.where(mask, value, FORBIDDEN)
    size = sums_by(standing.segment, panel.weight, count)
    common = np.where(usual, np.tensordot(size, value, axes=(0, 0)), FORBIDDEN).ravel()
    per_channel = np.where(mask.any(axis=2), closed.argmax(axis=2), -1)
    best = np.where(mask.any(axis=(1, 2)), closed.reshape(count, -1).argmax(axis=1), -1)
    if np.isfinite(common).any():
        best = _prefer_common(model, standing, panel.weight, best, int(common.argmax()), closed)
    return SegmentPlan(best, per_channel), closed


def _segment_values(model: TrainedModel, standing: Standing, weight: Floats, count: int) -> Floats:
    """(segments, channels, 168) mean net value of a contact over the segment's debtors; 0 for a segment
    without any."""
    total = np.zeros((count, len(CHANNELS), HOURS))
    size = np.maximum(sums_by(standing.segment, weight, count), 1e-9)
    hours = np.flatnonzero(lawful_hours())
    present = np.unique(standing.segment)
    tables = slot_tables(model.conversion, present)
    for code in present:
        rows = np.flatnonzero(standing.segment == code)
        net = worth(model, standing.take(rows), tables, hours).net
        total[code][:, hours] = np.tensordot(weight[rows], net, axes=(0, 0)) / size[code]
    return total


def _prefer_common(
    model: TrainedModel, standing: Standing, weight: Floats, best: Ints, common: int, closed: Floats
) -> Ints:
    """Each segment's best action, or the common one where that is allowed and leaving it gains nothing
    credible."""
    count = len(best)
    usable = (best >= 0) & np.isfinite(closed.reshape(count, -1)[:, common])
    gain, error = _advantage(model, standing, weight, np.where(best >= 0, best, common), common, count)
    credible = gain > SEGMENT_CAUTION * error
    return np.where(usable & ~credible, common, best)


def _advantage(
    model: TrainedModel, standing: Standing, weight: Floats, action: Ints, common: int, count: int
) -> tuple[Floats, Floats]:
    """(segments,) mean gain of each segment's action over the common one, and its standard error over
    the bootstrap draws."""
    mine, my_draws = net_draws(model, standing, action[standing.segment])
    theirs, their_draws = net_draws(model, standing, np.full(len(standing), common))
    size = np.maximum(sums_by(standing.segment, weight, count), 1e-9)
    gain = sums_by(standing.segment, weight * (mine - theirs), count) / size
    ahead = (my_draws - their_draws) * weight[:, None]
    draws = [sums_by(standing.segment, ahead[:, draw], count) / size for draw in range(ahead.shape[1])]
    error = np.std(draws, axis=0) if draws else np.zeros(count)
    return gain, np.asarray(error)


def own_panel(model: TrainedModel) -> Panel:
    """The debtors drawn when the model was trained, who stand for their segments.

    Raises ValueError for a model without them.
    """
    if model.panel is None:
        raise ValueError("this model carries no panel of debtors: pass the history to recommend for")
    return model.panel
