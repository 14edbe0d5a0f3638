"""The next best action, per segment and per debtor, in words: lawful, worth its cost, and honest about what it
rests on.

What is chosen: `ml.segment_plans`, `ml.debtor_choices`. Leaving alone is always an option. Source: docs/decisions.md.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from ml.actions import DebtorRecommendation, SegmentRecommendation
from ml.arrays import Bools, Ints
from ml.debtor_choices import choose, own_best_hours
from ml.features import Casebook
from ml.frames import History
from ml.local_time import MICROSECONDS
from ml.model import TrainedModel
from ml.own_reasons import own_reasons
from ml.quotes import quote
from ml.segment_plans import SegmentPlan, own_panel, plan_segments, usual_plan
from ml.slot_effects import HOURS
from ml.standing import Panel, Standing
from ml.usable_hours import allowed_channels, debtor_hours, usable_hours
from ml.values import PLANNED_AHEAD, Ahead, panel_of, standing_ahead, without_channels
from ml.wording import Sheet, best_templates, evidence_of, recommend, segment_evidence

_CHUNK = 2_000


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
    allowed = allowed_channels(channels)
    asked = list(segments) if segments is not None else _present(model, panel)
    lawful = {name: usable_hours(model, allowed, (masks or {}).get(name)) for name in asked}
    plan, _ = plan_segments(
        model, panel, allowed, {_code(model, name): mask for name, mask in lawful.items()}
    )
    return _segment_answers(model, panel, plan, asked, lawful, allowed)


def debtor_recommendations(
    model: TrainedModel,
    history: History,
    debtors: Sequence[object],
    *,
    now: datetime,
    channels: Sequence[str] | None = None,
    masks: Bools | None = None,
    plan: SegmentPlan | None = None,
    ahead: Ahead | None = None,
) -> list[DebtorRecommendation]:
    """One recommendation per debtor, in the order asked; keys as in history.debtors (the history may
    hold these debtors alone).

    ahead: the time decided for; None: the week after `now`.

    masks: (n, 168) or (n, channels, 168) hours the contact rules allow each debtor; always within 08–21
    local. plan: `usual_plan` of the same model and channels, where the caller has kept it.

    Raises KeyError for a debtor that is not in the history.
    """
    book = model.casebook(history)
    allowed = allowed_channels(channels)
    plan = plan or usual_plan(model, channels=channels)
    position = _positions(history, debtors)
    answers: list[DebtorRecommendation] = []
    for start in range(0, len(position), _CHUNK):
        rows = position[start : start + _CHUNK]
        standing = standing_ahead(model, book, rows, ahead or Ahead.of(now))
        chunk = None if masks is None else masks[start : start + _CHUNK]
        hours = debtor_hours(model, chunk, len(rows), channels=channels)
        answers += _debtor_answers(
            model, without_channels(standing, allowed), plan, hours, book, rows, _microseconds(now), allowed
        )
    return answers


def _segment_answers(
    model: TrainedModel,
    panel: Panel,
    plan: SegmentPlan,
    names: Sequence[str],
    masks: Mapping[str, Bools],
    allowed: Bools,
) -> list[SegmentRecommendation]:
    best = plan.best
    hours = np.maximum(plan.per_channel, 0)
    decided = np.flatnonzero(best >= 0)
    hours[decided, best[decided] // HOURS] = best[decided] % HOURS
    asked = np.isin(panel.standing.segment, [_code(model, name) for name in names])
    rows = np.flatnonzero(asked)
    standing, weight = panel.on_a_mean_day().take(rows), panel.weight[rows]
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
            allowed,
        )
        chosen = int(best[code]) // HOURS if best[code] >= 0 else None
        answers.append(
            SegmentRecommendation(name, round(float(weight[mine].sum())), recommend(sheet, chosen))
        )
    return answers


def _debtor_answers(
    model: TrainedModel,
    standing: Standing,
    plan: SegmentPlan,
    mask: Bools,
    book: Casebook,
    rows: Ints,
    known_at: int,
    allowed: Bools,
) -> list[DebtorRecommendation]:
    own = own_best_hours(model, standing, mask)
    slots, chosen = choose(model, standing, plan, mask, own)
    quotes = quote(model, standing, slots)
    names = book.debtors["segment"][rows].fill_null("NONE").to_list()
    keys = book.debtors["debtor"][rows].to_list()
    open_channels: Bools = np.logical_and(mask.any(axis=2), standing.reachable)
    evidence = evidence_of(model, standing, names)
    templates = best_templates(model)
    own_record = own_reasons(model, book, rows, chosen, known_at)
    answers = []
    for row, (key, name) in enumerate(zip(keys, names, strict=True)):
        one = np.array([row])
        sheet = Sheet(
            model,
            standing.take(one),
            quotes.take(one),
            np.ones(1),
            slots[row],
            open_channels[row],
            evidence[row],
            templates,
            allowed,
            own_record[row],
        )
        best = int(chosen[row])
        answers.append(DebtorRecommendation(key, name, recommend(sheet, best if best >= 0 else None)))
    return answers


def _panel(model: TrainedModel, history: History | None, now: datetime) -> Panel:
    if history is None:
        return own_panel(model)
    return panel_of(model, model.casebook(history), _microseconds(now) + PLANNED_AHEAD)


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
