"""Judging out of time: what a model that had not seen the last fifth of the contacts says of them."""

from dataclasses import dataclass, replace

import numpy as np

from ml.arrays import Floats, Ints
from ml.boosting import Settings
from ml.calibration import Platt, fit_platt
from ml.casework import Casework, Knowledge, rhythm_codes
from ml.censoring import matured_labels
from ml.conversion import STEPS, Conversion, fit_conversion, step_lessons, truth_of_steps
from ml.evaluation import HoldOut, StepHoldOut, base_rates_by_channel, log_loss
from ml.features import DAY
from ml.funnel import Lesson, fit_staged
from ml.outcomes import HORIZON_SECONDS
from ml.slot_effects import Cells

HOLD_OUT_SHARE = 0.2
LEAST_HOLD_OUT = 200
LEAST_TO_LEARN_FROM = 100
_HALF_LIFE_SHARES = (None, 0.25)
_HALF_LIFE_SAMPLE = 60_000
_QUICK = Settings(objective="cross_entropy", rounds=40, learning_rate=0.15, leaves=15, least_in_leaf=100)


@dataclass(frozen=True)
class Earlier:
    """What was known before the contacts held out, and the funnel learned from it."""

    knowledge: Knowledge
    conversion: Conversion


@dataclass(frozen=True)
class Rehearsal:
    """What the held-out contacts (later: rows) taught about a funnel learned before them: the half-life in
    days, calibrations by step, predictions. earlier: None where the history is too short to hold contacts
    out."""

    half_life: float | None
    platts: dict[str, Platt]
    holdout: HoldOut
    later: Ints
    earlier: Earlier | None = None


def rehearse(casework: Casework, everything: Knowledge, *, seed: int, threads: int) -> Rehearsal:
    """Learns from the first four fifths of the contacts and looks at the last one."""
    sent = casework.outcomes.sent_at
    cut = int(sent[int(len(sent) * (1 - HOLD_OUT_SHARE))])
    later = np.flatnonzero(sent > cut)
    before = casework.known_at(cut)
    if len(later) < LEAST_HOLD_OUT or len(before.outcomes) < LEAST_TO_LEARN_FROM:
        return Rehearsal(None, {}, HoldOut(cut, {}), later)
    half_life = _half_life(casework, before, everything, later, seed=seed, threads=threads)
    conversion = fit_conversion(casework, before, half_life=half_life, draws=0, seed=seed, threads=threads)
    platts, steps = _calibrate(casework, conversion, before, everything, later, threads)
    return Rehearsal(half_life, platts, HoldOut(cut, steps), later, Earlier(before, conversion))


def _half_life(
    casework: Casework, before: Knowledge, everything: Knowledge, later: Ints, *, seed: int, threads: int
) -> float | None:
    """The half-life in days, of a few shares of the span, whose quick engagement model predicts the
    later contacts best."""
    outcomes = before.outcomes
    days = (outcomes.seen_until - int(outcomes.sent_at.min())) / DAY
    rhythmless = Cells(
        casework.segment,
        np.zeros(len(casework.segment), dtype=np.int64),
        casework.outcomes.channel,
        casework.outcomes.local.hour_of_week,
    )
    best, lowest = None, np.inf
    for share in _HALF_LIFE_SHARES:
        half_life = None if share is None else max(days * share, 7.0)
        cells = rhythmless.take(np.arange(len(outcomes)))
        lessons, horizons = step_lessons(casework, before, cells, before.recency(half_life))
        staged = fit_staged(
            _thinned(lessons["engaged"], seed), draws=0, seed=seed, threads=threads, settings=_QUICK
        )
        rows, label = _matured_engagement(everything, later, horizons["engaged"])
        margins = staged.margins(casework.matrix[rows], rhythmless.take(rows), threads)
        loss = float(log_loss(1 / (1 + np.exp(-margins)), label).mean()) if len(rows) else np.inf
        if loss < lowest * (1.0 if best is None and share is None else 0.9995):
            best, lowest = half_life, loss
    return best


def _thinned(lesson: Lesson, seed: int) -> Lesson:
    """A lesson small enough to be learned several times: rows beyond the sample weigh nothing."""
    count = len(lesson.label)
    if count <= _HALF_LIFE_SAMPLE:
        return lesson
    kept = np.random.default_rng(seed).permutation(count) < _HALF_LIFE_SAMPLE
    return replace(lesson, weight=lesson.weight * kept)


def _matured_engagement(everything: Knowledge, later: Ints, horizons: Floats) -> tuple[Ints, Floats]:
    outcomes = everything.outcomes
    seconds = outcomes.seconds_to(outcomes.engaged_at)[later]
    followed, horizon = outcomes.followed_seconds[later], horizons[outcomes.channel[later]]
    label, matured = matured_labels(seconds, followed, horizon)
    return later[matured], label[matured]


def _calibrate(
    casework: Casework,
    conversion: Conversion,
    before: Knowledge,
    everything: Knowledge,
    later: Ints,
    threads: int,
) -> tuple[dict[str, Platt], dict[str, StepHoldOut]]:
    """Platt per step on the later slice; hold-out predictions calibrated on the other half of the
    debtors."""
    outcomes = everything.outcomes
    rhythm = rhythm_codes(conversion.rhythms, outcomes, outcomes.debtor, outcomes.sent_at)
    cells = Cells(everything.segment, rhythm, outcomes.channel, outcomes.local.hour_of_week)
    truths = truth_of_steps(conversion, everything, later)
    platts: dict[str, Platt] = {}
    halves: list[dict[str, Platt]] = [{}, {}]
    for name in STEPS:
        rows, label = truths[name]
        margins = conversion.steps[name].staged.margins(casework.matrix[rows], cells.take(rows), threads)
        channel, side = outcomes.channel[rows], outcomes.debtor[rows] % 2
        platts[name] = fit_platt(margins, label, np.ones(len(rows)), channel)
        for half in (0, 1):
            halves[half][name] = fit_platt(margins, label, (side != half).astype(np.float64), channel)
    crossed = [conversion.calibrated(each) for each in halves]
    steps = {
        name: _step_holdout(
            casework,
            crossed,
            before,
            everything,
            cells,
            name,
            *_truth(conversion, everything, truths, later, name),
            threads,
        )
        for name in ("engaged", "converted")
    }
    return platts, steps


def matured_contacts(conversion: Conversion, everything: Knowledge, rows: Ints, payment: str) -> Ints:
    """Those of the contacts that have been watched until nearly all engagements and then payments
    (`attributed` or `moved`) have come."""
    outcomes = everything.outcomes
    channel = outcomes.channel[rows]
    wait = conversion.horizons["engaged"][channel] + conversion.horizons[payment][channel]
    return rows[outcomes.followed_seconds[rows] >= np.minimum(wait, HORIZON_SECONDS)]


def _truth(
    conversion: Conversion,
    everything: Knowledge,
    truths: dict[str, tuple[Ints, Floats]],
    later: Ints,
    name: str,
) -> tuple[Ints, Floats]:
    if name in truths:
        return truths[name]
    outcomes = everything.outcomes
    matured = matured_contacts(conversion, everything, later, "attributed")
    return matured, (outcomes.paid_at[matured] <= outcomes.seen_until).astype(np.float64)


def _step_holdout(
    casework: Casework,
    crossed: list[Conversion],
    before: Knowledge,
    everything: Knowledge,
    cells: Cells,
    name: str,
    rows: Ints,
    label: Floats,
    threads: int,
) -> StepHoldOut:
    outcomes = everything.outcomes
    chance = np.zeros(len(rows))
    for half, conversion in enumerate(crossed):
        mine = np.flatnonzero(outcomes.debtor[rows] % 2 == half)
        rates = conversion.rates(casework.matrix[rows[mine]], cells.take(rows[mine]), threads)
        chance[mine] = rates[name]
    event = before.outcomes.engaged_at if name == "engaged" else before.outcomes.paid_at
    happened = (event <= before.outcomes.seen_until).astype(np.float64)
    settled = (happened > 0) | (before.outcomes.followed_seconds > HORIZON_SECONDS / 3)
    base = base_rates_by_channel(happened, settled.astype(np.float64), before.outcomes.channel)
    return StepHoldOut(
        outcomes.keys[rows],
        chance,
        label,
        base[outcomes.channel[rows]],
        outcomes.debtor[rows],
        outcomes.channel[rows],
        outcomes.sent_at[rows],
    )
