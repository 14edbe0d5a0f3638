"""Training: from a history to a `TrainedModel`, the same for the same history and seed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from ml.arrays import Floats
from ml.casework import Knowledge, cells_of, gather
from ml.circumstances import channel_facts_of, paid_share_of, segment_facts_of
from ml.conversion import fit_conversion
from ml.evaluation import HoldOut, Metric, step_metrics
from ml.features import Casebook
from ml.frames import History
from ml.hold_out import LEAST_TO_LEARN_FROM, rehearse
from ml.model import TrainedModel
from ml.organic import fit_organic
from ml.outcomes import Outcomes, outcomes_of
from ml.reaction_time import ReactionTime, fit_reaction_time
from ml.rhythm import Rhythms
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
    rehearsal = rehearse(casework, everything, seed=seed, threads=threads)
    told("funnel", 0.5)
    conversion = fit_conversion(
        casework, everything, half_life=rehearsal.half_life, draws=DRAWS, seed=seed, threads=threads
    )
    told("reaction times", 0.75)
    outcomes, prior = book.outcomes, everything.recency(rehearsal.half_life)
    open_time, pay_time = _reaction_times(everything, conversion.rhythms, prior, seed=seed, threads=threads)
    told("amounts", 0.85)
    receipts = everything.receipts
    organic = fit_organic(
        book, receipts.debtor, receipts.paid_at, everything.causes.organic, seed=seed, threads=threads
    )
    model = TrainedModel(
        recipe=RECIPE,
        trained_at=as_of,
        data_from=_instant(int(outcomes.sent_at.min())),
        data_to=_instant(int(outcomes.sent_at.max())),
        rows=len(outcomes),
        currency=history.currency,
        space=casework.space,
        segments=casework.segments,
        conversion=conversion.with_slopes(rehearsal.platts),
        open_time=open_time,
        pay_time=pay_time,
        paid_share=paid_share_of(casework, everything, prior, seed, threads),
        organic=organic,
        channels=channel_facts_of(everything, known, prior),
        evidence=segment_facts_of(casework, everything),
        half_life_days=rehearsal.half_life,
        metrics=_metrics(rehearsal.holdout, seed),
        threads=threads,
    )
    told("panel", 0.9)
    model = replace(model, panel=panel_of(model, book, outcomes.seen_until + PLANNED_AHEAD, seed=seed))
    told("trial", 0.95)
    trial = trial_of(model, casework, everything, rehearsal, seed=seed)
    told("done", 1.0)
    return replace(model, holdout=replace(rehearsal.holdout, trial=trial))


def _reaction_times(
    everything: Knowledge, rhythms: Rhythms, prior: Floats, *, seed: int, threads: int
) -> tuple[ReactionTime, ReactionTime]:
    """To opening, and to paying."""
    outcomes, cells = everything.outcomes, cells_of(everything, rhythms)
    to_open, to_pay = (
        fit_reaction_time(
            cells,
            outcomes.seconds_to(event),
            outcomes.followed_seconds,
            prior,
            outcomes.debtor,
            seed=seed,
            threads=threads,
        )
        for event in (outcomes.opened_at, outcomes.paid_at)
    )
    return to_open, to_pay


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
    engaged, paid = outcomes.engaged_at <= outcomes.seen_until, outcomes.paid_at <= outcomes.seen_until
    shown = int(np.sum(engaged | paid))
    if shown < LEAST_ENGAGEMENTS:
        raise NotEnoughHistory(
            "NO_OUTCOMES",
            f"only {shown} of {len(outcomes)} communications were ever opened, answered or paid on; at least "
            f"{LEAST_ENGAGEMENTS} are needed: check that events and payments are imported",
        )
    return outcomes


def _metrics(holdout: HoldOut, seed: int) -> tuple[Metric, ...]:
    return tuple(
        metric for name, step in holdout.steps.items() for metric in step_metrics(name, step, seed=seed)
    )
