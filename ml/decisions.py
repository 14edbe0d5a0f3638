"""The next best action, per segment and per debtor: lawful, worth its cost, and honest about what it
rests on.

Per segment the hour and channel of highest value, among them the one action best for everybody, which is
left only for a credible gain. Per debtor the segment's action, left only where the debtor's own history
makes a gain credible: choosing the best of hundreds of noisy values for each debtor pays less than it
promises. Leaving alone is always an option. Source: docs/decisions.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from ml.actions import DebtorRecommendation, Evidence, Recommendation, SegmentRecommendation, lawful_hours
from ml.arrays import Bools, Floats, Ints, sums_by
from ml.features import Casebook
from ml.frames import History
from ml.local_time import MICROSECONDS
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.own_reasons import own_reasons
from ml.quotes import hourly_nets, net_draws, quote
from ml.slot_effects import HOURS
from ml.standing import Panel, Standing
from ml.values import (
    PLANNED_AHEAD,
    SlotTables,
    panel_of,
    slot_tables,
    standing_of,
    supported_slots,
    without_channels,
    worth,
)
from ml.wording import Sheet, best_templates, recommend, segment_evidence

LEAST_SUPPORT = 20.0
SEGMENT_CAUTION = 0.1
DEBTOR_CAUTION = 2.0
DEBTOR_LEAST_GAIN = 0.25
"""How many standard errors, and for a debtor what share of the segment action's value, a gain must
exceed to be believed."""

_CHUNK = 2_000
_NEIGHBOUR_SHARE = 0.6
_FORBIDDEN = -np.inf


@dataclass(frozen=True)
class SegmentPlan:
    """Per segment code: best (channel · 168 + hour of week; −1 none), per_channel: (segments, channels)
    best hour of week or −1."""

    best: Ints
    per_channel: Ints


def segment_recommendations(
    model: TrainedModel,
    history: History | None = None,
    *,
    now: datetime,
    segments: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    masks: Mapping[str, Bools] | None = None,
) -> list[SegmentRecommendation]:
    """One recommendation per segment, in the order asked (default: every segment with debtors who owe
    something, by name).

    history: the portfolio as known now; without it the model's own panel, drawn when it was trained,
    stands for the segments.
    channels: restricts the choice. masks: segment → (168,) or (channels, 168) hours allowed, within
    08–21 local in any case.
    """
    panel = _panel(model, history, now)
    allowed = _allowed_channels(channels)
    asked = list(segments) if segments is not None else _present(model, panel)
    lawful = {name: _mask(model, allowed, (masks or {}).get(name)) for name in asked}
    plan, _ = plan_segments(
        model, panel, allowed, {_code(model, name): mask for name, mask in lawful.items()}
    )
    return _segment_answers(model, panel, plan, asked, lawful)


def debtor_recommendations(
    model: TrainedModel,
    history: History,
    debtors: Sequence[object],
    *,
    now: datetime,
    channels: Sequence[str] | None = None,
    masks: Bools | None = None,
    plan: SegmentPlan | None = None,
) -> list[DebtorRecommendation]:
    """One recommendation per debtor, in the order asked; keys as in history.debtors (the history may
    hold these debtors alone).

    masks: (n, 168) or (n, channels, 168) hours the contact rules allow each debtor; always within 08–21
    local. plan: `usual_plan` of the same model and channels, where the caller has kept it.

    Raises KeyError for a debtor that is not in the history.
    """
    book = Casebook(history)
    allowed = _allowed_channels(channels)
    plan = plan or usual_plan(model, channels=channels)
    position = _positions(history, debtors)
    answers: list[DebtorRecommendation] = []
    for start in range(0, len(position), _CHUNK):
        rows = position[start : start + _CHUNK]
        standing = standing_of(model, book, rows, _microseconds(now) + PLANNED_AHEAD)
        hours = _debtor_masks(
            model, allowed, None if masks is None else masks[start : start + _CHUNK], len(rows)
        )
        answers += _debtor_answers(
            model, without_channels(standing, allowed), plan, hours, book, rows, _microseconds(now)
        )
    return answers


# ---- segments ----


def usual_plan(model: TrainedModel, *, channels: Sequence[str] | None = None) -> SegmentPlan:
    """What each segment's debtors begin from: the plan of the model's own panel within the usual hours.

    The same whoever asks and whenever, so it is worth keeping per model and choice of channels.
    """
    plan, _ = plan_segments(model, _own_panel(model), _allowed_channels(channels), None)
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
    usual = _mask(model, allowed, None)
    mask = np.stack([(masks or {}).get(code, usual) for code in range(count)])
    value = _segment_values(model, standing, panel.weight, count)
    closed = np.where(mask, value, _FORBIDDEN)
    size = sums_by(standing.segment, panel.weight, count)
    common = _with_neighbours(np.where(usual, np.tensordot(size, value, axes=(0, 0)), _FORBIDDEN)).ravel()
    settled = _with_neighbours(closed)
    per_channel = np.where(mask.any(axis=2), settled.argmax(axis=2), -1)
    best = np.where(mask.any(axis=(1, 2)), settled.reshape(count, -1).argmax(axis=1), -1)
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


def _with_neighbours(value: Floats) -> Floats:
    """(…, 168) each hour's value averaged with those of the hours beside it that day, where they are allowed:
    the top of a noisy curve is more often an accident than a broad shoulder is."""
    hours = value.reshape(*value.shape[:-1], 7, 24)
    closed = np.full((*hours.shape[:-1], 1), _FORBIDDEN, dtype=value.dtype)
    own = np.where(np.isfinite(hours), hours, 0.0)
    total = own.copy()
    for side in (
        np.concatenate([closed, hours[..., :-1]], axis=-1),
        np.concatenate([hours[..., 1:], closed], axis=-1),
    ):
        total += _NEIGHBOUR_SHARE * np.where(np.isfinite(side), side, own)
    smooth = np.where(np.isfinite(hours), total / (1.0 + 2 * _NEIGHBOUR_SHARE), _FORBIDDEN)
    return np.asarray(smooth.reshape(value.shape))


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


def _segment_answers(
    model: TrainedModel, panel: Panel, plan: SegmentPlan, names: Sequence[str], masks: Mapping[str, Bools]
) -> list[SegmentRecommendation]:
    best = plan.best
    hours = np.maximum(plan.per_channel, 0)
    decided = np.flatnonzero(best >= 0)
    hours[decided, best[decided] // HOURS] = best[decided] % HOURS
    asked = np.isin(panel.standing.segment, [_code(model, name) for name in names])
    rows = np.flatnonzero(asked)
    standing, weight = panel.standing.take(rows), panel.weight[rows]
    quotes = quote(model, standing, hours[standing.segment])
    templates = best_templates(model)
    answers = []
    for name in names:
        known = name in model.segments
        code = _code(model, name)
        mine = np.flatnonzero((standing.segment == code) & known)
        sheet = Sheet(
            model,
            standing.take(mine),
            quotes.take(mine),
            weight[mine],
            hours[code],
            np.atleast_1d(masks[name].any(axis=1)),
            segment_evidence(model, code if known else -1),
            templates,
        )
        chosen = int(best[code]) // HOURS if best[code] >= 0 else None
        answers.append(
            SegmentRecommendation(name, round(float(weight[mine].sum())), recommend(sheet, chosen))
        )
    return answers


# ---- debtors ----


def _debtor_answers(
    model: TrainedModel,
    standing: Standing,
    plan: SegmentPlan,
    mask: Bools,
    book: Casebook,
    rows: Ints,
    known_at: int,
) -> list[DebtorRecommendation]:
    own = _own_best_hours(model, standing, mask)
    slots, chosen = _choose(model, standing, plan, mask, own)
    quotes = quote(model, standing, slots)
    names = book.debtors["segment"][rows].fill_null("NONE").to_list()
    keys = book.debtors["debtor"][rows].to_list()
    open_channels: Bools = np.logical_and(mask.any(axis=2), standing.reachable)
    evidence = {int(code): segment_evidence(model, int(code)) for code in (*np.unique(standing.segment), -1)}
    templates = best_templates(model)
    own_record = own_reasons(model, book, rows, chosen, known_at)
    answers = []
    for row, (key, name) in enumerate(zip(keys, names, strict=True)):
        one = np.array([row])
        known = int(standing.segment[row]) if name in model.segments else -1
        sheet = Sheet(
            model,
            standing.take(one),
            quotes.take(one),
            np.ones(1),
            slots[row],
            open_channels[row],
            evidence[known],
            templates,
            own_record[row],
        )
        best = int(chosen[row])
        answers.append(DebtorRecommendation(key, name, recommend(sheet, best if best >= 0 else None)))
    return answers


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
    return _choose(model, standing, plan, mask, _own_best_hours(model, standing, mask, tables))


def debtor_hours(
    model: TrainedModel, masks: Bools | None, count: int, *, channels: Sequence[str] | None = None
) -> Bools:
    """(n, channels, 168) hours the rules allow (`masks`, as in `debtor_recommendations`) that history knows."""
    return _debtor_masks(model, _allowed_channels(channels), masks, count)


def _own_best_hours(
    model: TrainedModel, standing: Standing, mask: Bools, tables: SlotTables | None = None
) -> Ints:
    """(n, channels) each debtor's best allowed hour by its own value; 0 where none is allowed."""
    hours = np.flatnonzero(lawful_hours())
    tables = tables or slot_tables(model.conversion, np.unique(standing.segment))
    net = np.full(mask.shape, _FORBIDDEN, dtype=np.float32)
    net[:, :, hours] = worth(model, standing, tables, hours).net
    return np.asarray(_with_neighbours(np.where(mask, net, _FORBIDDEN)).argmax(axis=2), dtype=np.int64)


def _choose(
    model: TrainedModel, standing: Standing, plan: SegmentPlan, mask: Bools, own: Ints
) -> tuple[Ints, Ints]:
    """(n, channels) hour per channel and (n,) channel chosen (−1: none usable): the segment's unless the
    own one credibly gains."""
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
    ranked = np.where(usable, best_net, _FORBIDDEN)
    top = ranked.argmax(axis=1)
    line = np.arange(count)
    incumbent = np.where(first_ok, named, top)
    gain = best_net[line, top] - best_net[line, incumbent]
    error = _spread(best_draws[line, top] - best_draws[line, incumbent])
    leave = gain > np.maximum(DEBTOR_CAUTION * error, DEBTOR_LEAST_GAIN * np.abs(best_net[line, incumbent]))
    chosen = np.where(leave, top, incumbent)
    return slots, np.where(usable.any(axis=1), chosen, -1)


def _spread(draws: Floats) -> Floats:
    return np.asarray(np.std(draws, axis=-1)) if draws.shape[-1] else np.zeros(draws.shape[:-1])


# ---- what is allowed ----


def _allowed_channels(channels: Sequence[str] | None) -> Bools:
    return np.array([channels is None or name in channels for name in CHANNELS])


def _mask(model: TrainedModel, allowed: Bools, asked: Bools | None) -> Bools:
    """(channels, 168) hours that are lawful, asked for, and near enough to what history tried."""
    usual = supported_slots(model, LEAST_SUPPORT) & lawful_hours()[None, :] & allowed[:, None]
    return usual if asked is None else usual & asked


def _debtor_masks(model: TrainedModel, allowed: Bools, asked: Bools | None, count: int) -> Bools:
    usual = np.broadcast_to(_mask(model, allowed, None), (count, len(CHANNELS), HOURS))
    if asked is None:
        return usual
    return usual & (asked[:, None, :] if asked.ndim == 2 else asked)


def _panel(model: TrainedModel, history: History | None, now: datetime) -> Panel:
    if history is None:
        return _own_panel(model)
    return panel_of(model, Casebook(history), _microseconds(now) + PLANNED_AHEAD)


def _own_panel(model: TrainedModel) -> Panel:
    if model.panel is None:
        raise ValueError("this model carries no panel of debtors: pass the history to recommend for")
    return model.panel


def _present(model: TrainedModel, panel: Panel) -> list[str]:
    codes = np.unique(panel.standing.segment)
    return [model.segments[code] for code in codes if code < len(model.segments)]


def _code(model: TrainedModel, name: str) -> int:
    return model.segments.index(name) if name in model.segments else len(model.segments)


def _positions(history: History, debtors: Sequence[object]) -> Ints:
    keys = pl.DataFrame({"debtor": pl.Series(debtors, dtype=history.debtors.schema["debtor"])})
    found = keys.join(
        history.debtors.select("debtor").with_row_index("position"),
        on="debtor",
        how="left",
        maintain_order="left",
    )
    if found["position"].null_count():
        raise KeyError("a debtor asked for is not in the history")
    return found["position"].cast(pl.Int64).to_numpy()


def _microseconds(instant: datetime) -> int:
    return int(instant.timestamp() * MICROSECONDS)


__all__ = [
    "Evidence",
    "Recommendation",
    "SegmentPlan",
    "debtor_recommendations",
    "plan_segments",
    "segment_recommendations",
]
