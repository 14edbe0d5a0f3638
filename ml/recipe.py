"""Training: from a history to a `TrainedModel`, the same for the same history and seed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from ml.arrays import Floats, Ints
from ml.casework import Casework, Knowledge, cells_of, gather
from ml.circumstances import channel_facts_of, paid_share_of, segment_facts_of
from ml.conversion import Conversion, Fitting, fit_conversion
from ml.drawing import MOST_CONTACTS
from ml.evaluation import HoldOut, Metric, step_metrics
from ml.features import Casebook
from ml.frames import History
from ml.hold_out import LEAST_TO_LEARN_FROM, Rehearsal, rehearse
from ml.model import TrainedModel
from ml.organic import fit_organic
from ml.outcomes import Outcomes, outcomes_of
from ml.reaction_time import ReactionTime, fit_reaction_time
from ml.slot_effects import Cells
from ml.stand_in_rates import stand_in_rates
from ml.trial import trial_of
from ml.values import PLANNED_AHEAD, panel_of

RECIPE = "factorised-funnel-1"
LEAST_ENGAGEMENTS = 10
DRAWS = 4

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
    most: int = MOST_CONTACTS,
) -> TrainedModel:
    """Fits every model on what was known at `as_of`, with metrics from a later slice; the final fit sees
    everything.

    progress: told (stage, share done in 0–1). use_age: lets the debtor's age be a feature, where the
    tenant permits it. most: contacts beyond which about as many are drawn to learn from (`ml.drawing`).

    Raises NotEnoughHistory when there is nothing to learn from. Source: docs/decisions.md.
    """
    told = progress or _nobody
    told("features", 0.0)
    known = history if as_of >= history.as_of else history.known_at(as_of)
    stand_in = stand_in_rates(known)
    known = known.with_rates(stand_in)
    casework = gather(Casebook(known, _enough(known), threads=threads), use_age=use_age, most=most, seed=seed)
    _check_outcomes(casework)
    casework = casework.without_confounding(seed=seed, threads=threads)
    everything = casework.known_at(casework.book.outcomes.seen_until)
    told("hold-out", 0.15)
    rehearsal = rehearse(casework, everything, seed=seed, threads=threads)
    study = _Study(known, stand_in, casework, everything, rehearsal, seed, threads)
    told("funnel", 0.5)
    # Of so many contacts that they are drawn, the last fifth tells of no other number of rounds.
    rounds = rehearsal.rounds if len(casework.draw.rows) < len(casework.book.outcomes) else {}
    fitting = Fitting(rehearsal.half_life, DRAWS, seed, threads, rounds=rounds)
    conversion = fit_conversion(casework, everything, fitting)
    told("reaction times and amounts", 0.75)
    model = _fitted(study, conversion, as_of)
    told("panel and trial", 0.9)
    model = _judged(study, model)
    told("done", 1.0)
    return model


@dataclass(frozen=True)
class _Study:
    """What a model is fitted on. stand_in_rates: those that `known` had not. everything: the contacts with all that is
    known of them at the end."""

    known: History
    stand_in_rates: dict[str, float]
    casework: Casework
    everything: Knowledge
    rehearsal: Rehearsal
    seed: int
    threads: int


def _fitted(study: _Study, conversion: Conversion, as_of: datetime) -> TrainedModel:
    """The model that decides: its funnel, and when, how much and what uncontacted debtors pay. Not judged yet."""
    casework, everything, rehearsal, seed = study.casework, study.everything, study.rehearsal, study.seed
    outcomes, prior = casework.book.outcomes, everything.weights(rehearsal.half_life)
    cells = cells_of(everything, conversion.rhythms)
    with ThreadPoolExecutor(study.threads) as pool:
        to_open, to_pay = (
            pool.submit(_reaction_time, everything, cells, prior, event, seed)
            for event in (everything.outcomes.opened_at, everything.outcomes.paid_at)
        )
        share = pool.submit(paid_share_of, casework, everything, prior, seed, 1)
        organic = pool.submit(
            fit_organic, casework.book, everything.receipts, everything.causes.organic, seed=seed
        )
        channels = pool.submit(channel_facts_of, everything, study.known, prior)
    return TrainedModel(
        recipe=RECIPE,
        trained_at=as_of,
        data_from=_instant(int(outcomes.sent_at.min())),
        data_to=_instant(int(outcomes.sent_at.max())),
        rows=len(outcomes),
        currency=study.known.currency,
        space=casework.space,
        segments=casework.segments,
        conversion=conversion.with_slopes(rehearsal.platts),
        open_time=to_open.result(),
        pay_time=to_pay.result(),
        paid_share=share.result(),
        organic=organic.result(),
        channels=channels.result(),
        evidence=segment_facts_of(casework, everything),
        half_life_days=rehearsal.half_life,
        metrics=(),
        threads=study.threads,
        stand_in_rates=tuple(study.stand_in_rates.items()),
    )


def _judged(study: _Study, model: TrainedModel) -> TrainedModel:
    """The model with what tells how good it is: its panel, its metrics, and its trial on held-out contacts."""
    casework, holdout, seed = study.casework, study.rehearsal.holdout, study.seed
    with ThreadPoolExecutor(study.threads) as pool:
        trying = pool.submit(trial_of, model, casework, study.everything, study.rehearsal, seed=seed)
        panel = pool.submit(
            panel_of, model, casework.book, casework.book.outcomes.seen_until + PLANNED_AHEAD, seed=seed
        )
        metrics = pool.submit(_metrics, holdout, seed)
    holdout = replace(holdout, trial=trying.result())
    return replace(model, panel=panel.result(), metrics=metrics.result(), holdout=holdout)


def _reaction_time(
    everything: Knowledge, cells: Cells, prior: Floats, event_at: Ints, seed: int
) -> ReactionTime:
    outcomes = everything.outcomes
    return fit_reaction_time(
        cells,
        outcomes.seconds_to(event_at),
        outcomes.followed_seconds,
        prior,
        outcomes.debtor,
        watched=everything.sent.followed_seconds,
        seed=seed,
        threads=1,
    )


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
    if len(outcomes) < LEAST_TO_LEARN_FROM:
        raise NotEnoughHistory(
            "TOO_FEW_CONTACTS",
            f"{len(outcomes)} outbound communications are too few to learn from: at least {LEAST_TO_LEARN_FROM}",
        )
    return outcomes


def _check_outcomes(casework: Casework) -> None:
    """Payments tell what contacts move even where nobody records who opens them."""
    outcomes = casework.book.outcomes
    engaged, paid = outcomes.engaged_at <= outcomes.seen_until, outcomes.paid_at <= outcomes.seen_until
    shown = int(np.sum(engaged | paid))
    if max(shown, casework.traced.moved.sum()) < LEAST_ENGAGEMENTS:
        raise NotEnoughHistory(
            "NO_OUTCOMES",
            f"only {shown} of {len(outcomes)} communications were ever opened, answered or paid on; at least "
            f"{LEAST_ENGAGEMENTS} are needed: check that events and payments are imported",
        )


def _metrics(holdout: HoldOut, seed: int) -> tuple[Metric, ...]:
    return tuple(
        metric for name, step in holdout.steps.items() for metric in step_metrics(name, step, seed=seed)
    )
