"""The whole funnel of a contact: delivered → engaged → clicked → paid, and what it moved against leaving
alone.

P(paid) = P(engaged) · P(paid | engaged) + P(silent) · P(paid | silent), each step staged (`ml.funnel`)
and calibrated per channel on a later slice. *attributed* payments (kpis.md) drive KPI forecasts, *moved*
ones (`ml.causes`) drive decisions. Silence is not proof of
absence: letters and texts are read unseen.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ml.arrays import Floats, Ints, sums_by
from ml.boosting import Settings, sigmoid
from ml.calibration import Platt
from ml.casework import Casework, Knowledge, cells_of, learn_rhythms, shape_of
from ml.censoring import matured_labels, maturity_horizon
from ml.feature_space import Matrix
from ml.funnel import STAGE_A, Lesson, StagedClassifier, channel_priors, fit_staged
from ml.outcomes import CHANNELS, HORIZON_SECONDS, Outcomes
from ml.rhythm import Rhythms
from ml.slot_effects import Cells, Shape, fit_slot_effects, parts_of

STEPS = ("engaged", "attributed", "moved", "moved_silent")
"""engaged: of those sent; attributed, moved: paid, of the engaged; moved_silent: paid, of those who gave
no sign."""

_TEMPLATE_PRIOR = 40.0


@dataclass(frozen=True)
class Step:
    """A staged classifier with its calibration."""

    staged: StagedClassifier
    platt: Platt

    def margins(self, matrix: Matrix, cells: Cells, threads: int) -> Floats:
        """(n,) calibrated log-odds."""
        return self.platt.apply(self.staged.margins(matrix, cells, threads), cells.channel)

    def probability(self, matrix: Matrix, cells: Cells, threads: int) -> Floats:
        """(n,) calibrated probabilities."""
        return sigmoid(self.margins(matrix, cells, threads))


@dataclass(frozen=True)
class Conversion:
    """steps by name in STEPS; delivered, clicked: random effects alone (clicked: of the opened);
    opened_share: (channels,) of the engaged;
    silent_attributed: (channels,) of the silent; templates: (channel, template) → factor on what a
    contact moves; horizons: seconds."""

    rhythms: Rhythms
    steps: dict[str, Step]
    delivered: StagedClassifier
    clicked: StagedClassifier
    opened_share: Floats
    silent_attributed: Floats
    templates: pl.DataFrame
    horizons: dict[str, Floats]

    def calibrated(self, platts: dict[str, Platt]) -> "Conversion":
        """The same with other calibrations."""
        steps = {name: replace(step, platt=platts.get(name, step.platt)) for name, step in self.steps.items()}
        return replace(self, steps=steps)

    def with_slopes(self, platts: dict[str, Platt]) -> "Conversion":
        """The same with the slopes of calibrations of another model that learned the same way, levels kept."""
        return self.calibrated(
            {name: platt.keeping(self.steps[name].staged.seen) for name, platt in platts.items()}
        )

    def rates(self, matrix: Matrix, cells: Cells, threads: int) -> dict[str, Floats]:
        """(n,) each: engaged, delivered, opened, clicked, converted (attributed within 30 days), moved;
        per contact sent."""
        chance = {name: step.probability(matrix, cells, threads) for name, step in self.steps.items()}
        engaged = chance["engaged"]
        delivered = np.maximum(sigmoid(self.delivered.margins(matrix, cells, threads)), engaged)
        opened = engaged * self.opened_share[cells.channel]
        clicked = opened * sigmoid(self.clicked.margins(matrix, cells, threads))
        silent = (1.0 - engaged) * self.silent_attributed[cells.channel]
        moved = engaged * chance["moved"] + (1.0 - engaged) * chance["moved_silent"]
        return {
            "engaged": engaged,
            "delivered": delivered,
            "opened": opened,
            "clicked": clicked,
            "converted": engaged * chance["attributed"] + silent,
            "moved": moved,
        }


def fit_conversion(
    casework: Casework,
    knowledge: Knowledge,
    *,
    half_life: float | None,
    draws: int,
    seed: int,
    threads: int,
    settings: Settings = STAGE_A,
) -> Conversion:
    """Fits every step on what was known; calibrations are the identity until it is told."""
    outcomes = knowledge.outcomes
    rhythms = learn_rhythms(knowledge, casework.book, seed=seed)
    cells, prior = cells_of(knowledge, rhythms), knowledge.recency(half_life)
    lessons, horizons = step_lessons(casework, knowledge, cells, prior)
    steps = {
        name: Step(
            fit_staged(
                lesson,
                draws=draws if name != "attributed" else 0,
                seed=seed + place,
                threads=threads,
                settings=settings,
            ),
            Platt.identity(),
        )
        for place, (name, lesson) in enumerate(lessons.items())
    }
    shape = shape_of(casework, rhythms)
    opened = np.flatnonzero(outcomes.opened_at <= outcomes.seen_until)
    model = Conversion(
        rhythms=rhythms,
        steps=steps,
        delivered=_rates_only(cells, outcomes.delivered.astype(np.float64), prior, shape),
        clicked=_rates_only(
            cells.take(opened),
            (outcomes.clicked_at <= outcomes.seen_until)[opened].astype(np.float64),
            prior[opened],
            shape,
        ),
        opened_share=_opened_share(outcomes, prior),
        silent_attributed=_silent_attributed(outcomes, prior),
        templates=no_templates(),
        horizons=horizons,
    )
    return replace(model, templates=_template_factors(model, knowledge, cells, prior, threads))


def step_lessons(
    casework: Casework, knowledge: Knowledge, cells: Cells, prior: Floats
) -> tuple[dict[str, Lesson], dict[str, Floats]]:
    """One lesson per step, of matured contacts weighted by `prior`; and each step's (channels,) horizons in
    seconds."""
    outcomes = knowledge.outcomes
    rhythms = int(cells.rhythm.max(initial=0)) + 1
    shape = Shape(len(casework.segments) + 1, rhythms, parts_of(casework.segments))
    lessons, horizons = {}, {}
    for name, watch in _watches(knowledge, np.arange(len(outcomes))).items():
        rows, channel = watch.rows, outcomes.channel[watch.rows]
        longest = _horizons(watch, channel)
        label, matured = matured_labels(watch.seconds, watch.followed, longest[channel])
        lessons[name] = Lesson(
            matrix=knowledge.matrix[rows],
            cells=cells.take(rows),
            label=label * watch.mass,
            weight=prior[rows] * matured,
            debtor=outcomes.debtor[rows],
            categorical=casework.space.categorical,
            shape=shape,
        )
        horizons[name] = longest
    return lessons, horizons


def truth_of_steps(
    conversion: Conversion, knowledge: Knowledge, rows: Ints
) -> dict[str, tuple[Ints, Floats]]:
    """For the given contacts: per step the rows whose outcome is known for good, and their labels."""
    truths = {}
    for name, watch in _watches(knowledge, rows).items():
        horizon = conversion.horizons[name][knowledge.outcomes.channel[watch.rows]]
        label, matured = matured_labels(watch.seconds, watch.followed, horizon)
        truths[name] = (watch.rows[matured], (label * watch.mass)[matured])
    return truths


@dataclass(frozen=True)
class _Watch:
    """One step's contacts (rows): seconds to the event (inf: not seen) and seconds watched, from the
    step's start; mass: how much of an event each one's is."""

    rows: Ints
    seconds: Floats
    followed: Floats
    mass: Floats


def _watches(knowledge: Knowledge, rows: Ints) -> dict[str, _Watch]:
    outcomes, causes = knowledge.outcomes, knowledge.causes
    has_engaged = (outcomes.engaged_at <= outcomes.seen_until)[rows]
    engaged, silent = rows[has_engaged], rows[~has_engaged]
    sure = np.ones(len(outcomes))
    plans = {
        "engaged": (rows, outcomes.sent_at, outcomes.engaged_at, sure),
        "attributed": (engaged, outcomes.engaged_at, outcomes.paid_at, sure),
        "moved": (engaged, outcomes.engaged_at, causes.moved_at, causes.moved),
        "moved_silent": (silent, outcomes.sent_at, causes.moved_at, causes.moved),
    }
    return {
        name: _Watch(chosen, *_spans(start[chosen], event[chosen], outcomes.seen_until), mass[chosen])
        for name, (chosen, start, event, mass) in plans.items()
    }


def no_templates() -> pl.DataFrame:
    """An empty table of template factors: channel code, template, factor, sure (posterior chance of
    being better than average)."""
    return pl.DataFrame(
        schema={"channel": pl.Int64, "template": pl.String, "factor": pl.Float64, "spread": pl.Float64}
    )


def _spans(start: Ints, event: Ints, seen_until: int) -> tuple[Floats, Floats]:
    """(seconds from start to event, inf when not seen; seconds watched)."""
    seen = event <= seen_until
    seconds = np.full(len(start), np.inf)
    seconds[seen] = np.maximum(event[seen] - start[seen], 0) / 1e6
    return seconds, np.maximum(seen_until - start, 0) / 1e6


def _horizons(watch: _Watch, channel: Ints) -> Floats:
    """(channels,) time by which 99 % of a step's events have come; everybody's where a channel tells too
    little. In a history younger than two conversion windows, at most half of the longest follow-up."""
    longest = min(HORIZON_SECONDS, float(watch.followed.max(initial=0.0)) / 2)
    everybody = maturity_horizon(watch.seconds, watch.followed, watch.mass, longest)
    horizons = np.full(len(CHANNELS), everybody)
    for code in np.unique(channel):
        mine = np.flatnonzero(channel == code)
        own = maturity_horizon(watch.seconds[mine], watch.followed[mine], watch.mass[mine], longest)
        horizons[code] = own if own < longest else everybody
    return horizons


def _rates_only(cells: Cells, label: Floats, weight: Floats, shape: Shape) -> StagedClassifier:
    prior = channel_priors(label, weight, cells.channel)
    effects = fit_slot_effects(cells, prior[cells.channel], label, weight, shape)
    return StagedClassifier(prior, None, effects, (), prior[:, None])


def _opened_share(outcomes: Outcomes, prior: Floats) -> Floats:
    engaged = outcomes.engaged_at <= outcomes.seen_until
    opened = (outcomes.opened_at <= outcomes.seen_until) * prior * engaged
    hits = sums_by(outcomes.channel, opened, len(CHANNELS))
    every = sums_by(outcomes.channel, engaged * prior, len(CHANNELS))
    return np.asarray(hits / np.maximum(every, 1e-9))


def _silent_attributed(outcomes: Outcomes, prior: Floats) -> Floats:
    silent = (outcomes.engaged_at > outcomes.seen_until) & (outcomes.followed_seconds >= HORIZON_SECONDS / 2)
    paid = (outcomes.paid_at <= outcomes.seen_until) * prior * silent
    hits = sums_by(outcomes.channel, paid, len(CHANNELS))
    return np.asarray(hits / (sums_by(outcomes.channel, silent * prior, len(CHANNELS)) + 50.0))


def _template_factors(
    model: Conversion, knowledge: Knowledge, cells: Cells, prior: Floats, threads: int
) -> pl.DataFrame:
    """Observed over expected payments moved, per channel and template, drawn hard towards 1 (40 expected
    payments count as much)."""
    outcomes = knowledge.outcomes
    if outcomes.template.null_count() == len(outcomes):
        return no_templates()
    expected = model.rates(knowledge.matrix, cells, threads)["moved"]
    table = pl.DataFrame(
        {
            "channel": outcomes.channel,
            "template": outcomes.template.cast(pl.String),
            "moved": knowledge.causes.moved * prior,
            "expected": expected * prior,
        }
    )
    per_channel = pl.col("moved").sum().over("channel") / pl.col("expected").sum().over("channel")
    sums = table.drop_nulls("template").with_columns(expected=pl.col("expected") * per_channel)
    sums = (
        sums.group_by("channel", "template")
        .agg(pl.col("moved", "expected").sum())
        .sort("channel", "template")
    )
    drawn = pl.col("expected") + _TEMPLATE_PRIOR
    return sums.select(
        "channel",
        "template",
        factor=(pl.col("moved") + _TEMPLATE_PRIOR) / drawn,
        spread=(pl.col("moved") + _TEMPLATE_PRIOR).sqrt() / drawn,
    )
