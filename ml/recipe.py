"""Training: from a history to a `TrainedModel`, the same for the same history and seed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from ml.amount import PaidShare, fit_paid_share
from ml.arrays import Floats, Ints, sums_by
from ml.boosting import Settings
from ml.calibration import Platt, fit_platt
from ml.casework import Casework, Knowledge, cells_of, gather, rhythm_codes
from ml.censoring import matured_labels
from ml.conversion import STEPS, Conversion, fit_conversion, step_lessons, truth_of_steps
from ml.evaluation import HoldOut, Metric, StepHoldOut, base_rates_by_channel, log_loss, step_metrics
from ml.features import DAY, Casebook
from ml.frames import History
from ml.funnel import Lesson, fit_staged
from ml.hazard import fit_reaction_time
from ml.model import ChannelFacts, SegmentFacts, TrainedModel
from ml.organic import fit_organic
from ml.outcomes import CHANNELS, HORIZON_SECONDS, Outcomes, outcomes_of, sent_costs
from ml.slot_effects import Cells
from ml.values import PLANNED_AHEAD, panel_of

RECIPE = "factorised-funnel-1"
LEAST_CONTACTS = 100
LEAST_ENGAGEMENTS = 10
HOLD_OUT_SHARE = 0.2
LEAST_HOLD_OUT = 200
DRAWS = 4
_HALF_LIFE_SHARES = (None, 0.25)
_HALF_LIFE_SAMPLE = 60_000
_QUICK = Settings(objective="cross_entropy", rounds=40, learning_rate=0.15, leaves=15, least_in_leaf=100)

Progress = Callable[[str, float], None]


class NotEnoughHistory(ValueError):
    """The history cannot teach a model. code: NO_CONTACTS, TOO_FEW_CONTACTS or NO_OUTCOMES; the message
    says what is missing."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def train(
    history: History,
    *,
    as_of: datetime,
    seed: int,
    progress: Progress | None = None,
    threads: int = 2,
    use_age: bool = False,
) -> TrainedModel:
    """Fits every model on what was known at `as_of`, with metrics from a later slice; the final fit sees
    everything.

    progress: told (stage, share done in 0–1). use_age: lets the debtor's age be a feature, where the
    tenant permits it.

    Raises NotEnoughHistory when there is nothing to learn from. Source: docs/decisions.md.
    """
    told = progress or _nobody
    told("features", 0.0)
    known = history if as_of >= history.as_of else history.known_at(as_of)
    book = Casebook(known, _enough(known))
    casework = gather(book, use_age=use_age)
    everything = casework.known_at(book.outcomes.seen_until)
    told("hold-out", 0.15)
    half_life, holdout, platts = _judge(casework, everything, seed=seed, threads=threads)
    told("funnel", 0.5)
    conversion = fit_conversion(
        casework, everything, half_life=half_life, draws=DRAWS, seed=seed, threads=threads
    )
    told("reaction times", 0.8)
    cells, prior = cells_of(everything, conversion.rhythms), everything.recency(half_life)
    outcomes = book.outcomes
    reaction = [
        fit_reaction_time(
            cells, outcomes.seconds_to(event), outcomes.followed_seconds, prior, seed=seed, threads=threads
        )
        for event in (outcomes.opened_at, outcomes.paid_at)
    ]
    told("amounts", 0.9)
    model = TrainedModel(
        recipe=RECIPE,
        trained_at=as_of,
        data_from=_instant(int(outcomes.sent_at.min())),
        data_to=_instant(int(outcomes.sent_at.max())),
        rows=len(outcomes),
        currency=history.currency,
        space=casework.space,
        segments=casework.segments,
        conversion=conversion.calibrated(platts),
        open_time=reaction[0],
        pay_time=reaction[1],
        paid_share=_paid_share(casework, everything, prior, seed, threads),
        organic=fit_organic(
            book,
            everything.receipts.debtor,
            everything.receipts.paid_at,
            everything.causes.organic,
            seed=seed,
            threads=threads,
        ),
        channels=_channel_facts(casework, known, prior),
        evidence=_segment_facts(casework, everything),
        half_life_days=half_life,
        metrics=_metrics(holdout, seed),
        threads=threads,
        holdout=holdout,
    )
    told("panel", 0.97)
    model = replace(model, panel=panel_of(model, book, outcomes.seen_until + PLANNED_AHEAD, seed=seed))
    told("done", 1.0)
    return model


def _nobody(stage: str, share: float) -> None:
    del stage, share


def _instant(microseconds: int) -> datetime:
    return datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(microseconds=microseconds)


def _enough(history: History) -> Outcomes:
    outcomes = outcomes_of(history)
    if not len(outcomes):
        raise NotEnoughHistory(
            "NO_CONTACTS", "no outbound communication has been recorded yet: import some, then train"
        )
    if len(outcomes) < LEAST_CONTACTS:
        raise NotEnoughHistory(
            "TOO_FEW_CONTACTS",
            f"{len(outcomes)} outbound communications are too few to learn from: at least {LEAST_CONTACTS}",
        )
    engaged, paid = outcomes.engaged_at <= outcomes.seen_until, outcomes.paid_at <= outcomes.seen_until
    shown = int(np.sum(engaged | paid))
    if shown < LEAST_ENGAGEMENTS:
        raise NotEnoughHistory(
            "NO_OUTCOMES",
            f"only {shown} of {len(outcomes)} communications were ever opened, answered or paid on; at least "
            f"{LEAST_ENGAGEMENTS} are needed: check that events and payments are imported",
        )
    return outcomes


# ---- hold-out
# -------------------------------------------------------------------------------------------------------


def _judge(
    casework: Casework, everything: Knowledge, *, seed: int, threads: int
) -> tuple[float | None, HoldOut, dict[str, Platt]]:
    """Half-life, out-of-time predictions and calibrations, from a model that had not seen the last fifth
    of the contacts."""
    sent = casework.outcomes.sent_at
    cut = int(sent[int(len(sent) * (1 - HOLD_OUT_SHARE))])
    later = np.flatnonzero(sent > cut)
    before = casework.known_at(cut)
    if len(later) < LEAST_HOLD_OUT or len(before.outcomes) < LEAST_CONTACTS:
        return None, HoldOut(cut, {}), {}
    half_life = _half_life(casework, before, everything, later, seed=seed, threads=threads)
    conversion = fit_conversion(casework, before, half_life=half_life, draws=0, seed=seed, threads=threads)
    platts, steps = _calibrate(casework, conversion, before, everything, later, threads)
    return half_life, HoldOut(cut, steps), platts


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
    channel = outcomes.channel[later]
    wait = np.minimum(
        conversion.horizons["engaged"][channel] + conversion.horizons["attributed"][channel], HORIZON_SECONDS
    )
    matured = later[outcomes.followed_seconds[later] >= wait]
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


def _metrics(holdout: HoldOut, seed: int) -> tuple[Metric, ...]:
    return tuple(
        metric for name, step in holdout.steps.items() for metric in step_metrics(name, step, seed=seed)
    )


# ---- what goes with the funnel ----


def _paid_share(
    casework: Casework, everything: Knowledge, prior: Floats, seed: int, threads: int
) -> PaidShare:
    """From contacts that moved a payment: the money against what was owed when it was sent."""
    outcomes, causes = everything.outcomes, everything.causes
    rows = np.flatnonzero(causes.moved > 0.2)
    owed = casework.book.balances(outcomes.debtor[rows], outcomes.sent_at[rows])
    paid = causes.collected[rows] / causes.moved[rows]
    return fit_paid_share(
        casework.matrix[rows],
        paid,
        owed,
        prior[rows] * causes.moved[rows],
        categorical=casework.space.categorical,
        seed=seed,
        threads=threads,
    )


def _channel_facts(casework: Casework, history: History, prior: Floats) -> ChannelFacts:
    outcomes = casework.outcomes
    cost = sent_costs(history, outcomes)
    known = np.isfinite(cost)
    weight = prior * known
    size = len(CHANNELS)
    spent = sums_by(outcomes.channel, np.where(known, cost, 0.0) * weight, size)
    priced = sums_by(outcomes.channel, weight, size)
    left = sums_by(outcomes.channel, outcomes.opted_out * prior, size)
    sends = sums_by(outcomes.channel * 168 + outcomes.local.hour_of_week, np.ones(len(outcomes)), size * 168)
    return ChannelFacts(
        cost=np.where(priced > 0, spent / np.maximum(priced, 1e-12), np.nan),
        opt_out=left / (sums_by(outcomes.channel, prior, size) + 200.0),
        sends=sends.reshape(size, 168),
    )


def _segment_facts(casework: Casework, everything: Knowledge) -> SegmentFacts:
    outcomes = everything.outcomes
    shape = (len(casework.segments) + 1, len(CHANNELS))
    place = everything.segment * len(CHANNELS) + outcomes.channel
    size = shape[0] * shape[1]
    engaged = (outcomes.engaged_at <= outcomes.seen_until).astype(np.float64)
    return SegmentFacts(
        sent=sums_by(place, np.ones(len(outcomes)), size).reshape(shape),
        engaged=sums_by(place, engaged, size).reshape(shape),
        moved=sums_by(place, everything.causes.moved, size).reshape(shape),
    )
