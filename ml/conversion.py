"""The whole funnel of a contact: delivered → engaged → clicked → paid, and what it moved against leaving
alone.

P(paid) = P(engaged) · P(paid | engaged) + P(silent) · P(paid | silent), each step staged (`ml.funnel`)
and calibrated per channel on a later slice. *attributed* payments (kpis.md) drive KPI forecasts, *moved*
ones (`ml.causes`) drive decisions. Silence is not proof of
absence: letters and texts are read unseen.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from ml.arrays import Floats, Ints, sums_by
from ml.boosting import Settings, sigmoid
from ml.calibration import Platt, common_factor
from ml.casework import Casework, Knowledge, cells_of, learn_rhythms, shape_of
from ml.censoring import matured_labels
from ml.drawing import draw_evenly
from ml.feature_space import Matrix
from ml.funnel import STAGE_A, StagedClassifier, channel_priors, fit_staged
from ml.lessons import Watch, awaited_shares, horizons_of, lesson_of, watches_of
from ml.outcomes import CHANNELS, HORIZON_SECONDS, Outcomes
from ml.rhythm import Rhythms
from ml.slot_effects import Cells, Shape, no_effects
from ml.slot_fit import SlotRows, fit_slot_effects
from ml.sums import sums_in_order

STEPS = ("engaged", "attributed", "moved", "moved_silent")
"""engaged: of those sent; attributed, moved: paid, of the engaged; moved_silent: paid, of those who gave
no sign."""

CONVERTING = ("engaged", "attributed")
"""Steps on the way to an attributed payment."""

AS_SENT = ("attributed",)
"""Steps that say what comes of contacts sent as they are, to those they are sent to; the others weigh them
(`ml.deconfounding`) to say what would come of them with anybody."""

UNDRAWN = ("attributed",)
"""Steps that no interval is told of, so that they need no draws."""

AT_ONE_LEVEL = ("attributed",)
"""Steps that all contacts tell alike, however long ago. Payments are few, and the latest contacts have not matured:
what seems a turn in their level is mostly the day of the month and who has paid already (docs/adr/0030)."""

_TEMPLATE_PRIOR = 40.0
_MOST_EXPECTED = 200_000
"""Contacts from which it is told what a template's would have moved, and what steps have in common."""


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
    opened_share: (channels,) of the engaged; together: (channels,) how much more are paid on than
    the steps, each for itself, say (`_together`, and events later than their horizons);
    silent_attributed: (channels,) of the silent; templates: (channel, template) → factor on what a
    contact moves; horizons: seconds."""

    rhythms: Rhythms
    steps: dict[str, Step]
    delivered: StagedClassifier
    clicked: StagedClassifier
    opened_share: Floats
    silent_attributed: Floats
    together: Floats
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
        engaged, converted = self.answers(matrix, cells, threads)
        delivered = np.maximum(sigmoid(self.delivered.margins(matrix, cells, threads)), engaged)
        opened = engaged * self.opened_share[cells.channel]
        clicked = opened * sigmoid(self.clicked.margins(matrix, cells, threads))
        return {
            "engaged": engaged,
            "delivered": delivered,
            "opened": opened,
            "clicked": clicked,
            "converted": converted,
            "moved": self._moved(engaged, matrix, cells, threads),
        }

    def answers(self, matrix: Matrix, cells: Cells, threads: int) -> tuple[Floats, Floats]:
        """(n,) each: engaged and converted, as in `rates`."""
        engaged = self.steps["engaged"].probability(matrix, cells, threads)
        attributed = self.steps["attributed"].probability(matrix, cells, threads)
        return engaged, self.converted(engaged, attributed, cells.channel)

    def converted(self, engaged: Floats, attributed: Floats, channel: Ints) -> Floats:
        """(n,) P(a payment is attributed within 30 days), of the probabilities of these steps."""
        answering = engaged * np.minimum(attributed * self.together[channel], 1.0)
        return np.asarray(answering + (1.0 - engaged) * self.silent_attributed[channel])

    def moves(self, matrix: Matrix, cells: Cells, threads: int) -> Floats:
        """(n,) moved, as in `rates`."""
        return self._moved(self.steps["engaged"].probability(matrix, cells, threads), matrix, cells, threads)

    def _moved(self, engaged: Floats, matrix: Matrix, cells: Cells, threads: int) -> Floats:
        moved = self.steps["moved"].probability(matrix, cells, threads)
        silent = self.steps["moved_silent"].probability(matrix, cells, threads)
        return engaged * moved + (1.0 - engaged) * silent


@dataclass(frozen=True)
class Fitting:
    """How a funnel is fitted. half_life: of the weights, days; draws: bootstrap replicates of stage B; settings: of
    stage A; rounds: step → how many of them, where a fit of nearly the same contacts has confirmed that."""

    half_life: float | None
    draws: int
    seed: int
    threads: int
    settings: Settings = STAGE_A
    rounds: Mapping[str, int] = field(default_factory=dict)


def fit_conversion(casework: Casework, knowledge: Knowledge, fitting: Fitting) -> Conversion:
    """Fits every step on what was known; calibrations are the identity until it is told."""
    rhythms = learn_rhythms(knowledge, seed=fitting.seed)
    cells, prior = cells_of(knowledge, rhythms), knowledge.weights(fitting.half_life)
    deciding = _fit_deciding(casework, knowledge, rhythms, cells, fitting)
    outcomes, shape = knowledge.outcomes, shape_of(casework, rhythms)
    opened = np.flatnonzero(outcomes.opened_at <= outcomes.seen_until)
    clicked = (outcomes.clicked_at <= outcomes.seen_until)[opened].astype(np.float64)
    return replace(
        deciding,
        delivered=_rates_only(cells, outcomes.delivered.astype(np.float64), prior, shape),
        clicked=_rates_only(cells.take(opened), clicked, prior[opened], shape),
        templates=_template_factors(deciding, knowledge, cells, prior, fitting),
    )


def fit_deciding(casework: Casework, knowledge: Knowledge, fitting: Fitting) -> Conversion:
    """`fit_conversion` of the steps that decide alone: of deliveries, clicks and templates it knows nothing."""
    rhythms = learn_rhythms(knowledge, seed=fitting.seed)
    return _fit_deciding(casework, knowledge, rhythms, cells_of(knowledge, rhythms), fitting)


def _fit_deciding(
    casework: Casework, knowledge: Knowledge, rhythms: Rhythms, cells: Cells, fitting: Fitting
) -> Conversion:
    prior = knowledge.weights(fitting.half_life)
    watches = watches_of(knowledge, np.arange(len(knowledge.outcomes)))
    horizons = {name: horizons_of(watch, knowledge) for name, watch in watches.items()}
    at_once = max(1, min(fitting.threads, len(STEPS)))

    def one(name: str) -> Step:
        counts = prior if name in AS_SENT else prior * knowledge.unconfounded
        dated = replace(cells, past=None) if name in AT_ONE_LEVEL else cells
        staged = fit_staged(
            lesson_of(casework, knowledge, watches[name], horizons[name], dated, counts),
            draws=0 if name in UNDRAWN else fitting.draws,
            seed=fitting.seed + STEPS.index(name),
            threads=max(1, fitting.threads // at_once),
            settings=fitting.settings,
            rounds=fitting.rounds.get(name),
        )
        return Step(staged, Platt.identity())

    longest_first = sorted(STEPS, key=lambda name: -len(watches[name].rows))
    with ThreadPoolExecutor(at_once) as pool:
        steps = dict(zip(longest_first, pool.map(one, longest_first), strict=True))
    channel, counts = knowledge.outcomes.channel, knowledge.stands_for
    awaited = [awaited_shares(watches[name], horizons[name], channel, counts) for name in CONVERTING]
    nothing = _nothing(shape_of(casework, rhythms))
    return Conversion(
        rhythms=rhythms,
        steps={name: steps[name] for name in STEPS},
        delivered=nothing,
        clicked=nothing,
        opened_share=_opened_share(knowledge.outcomes, prior),
        silent_attributed=_silent_attributed(knowledge.outcomes, prior),
        together=_together(steps, watches["engaged"], horizons["engaged"], knowledge, cells, fitting)
        / np.prod(awaited, axis=0),
        templates=no_templates(),
        horizons=horizons,
    )


def no_templates() -> pl.DataFrame:
    """An empty table of template factors: channel code, template, factor, sure (posterior chance of
    being better than average)."""
    return pl.DataFrame(
        schema={"channel": pl.Int64, "template": pl.String, "factor": pl.Float64, "spread": pl.Float64}
    )


def _rates_only(cells: Cells, label: Floats, weight: Floats, shape: Shape) -> StagedClassifier:
    prior = channel_priors(label, weight, cells.channel)
    effects = fit_slot_effects(SlotRows.of(cells, prior[cells.channel], label, weight, shape))
    return StagedClassifier(prior, None, effects, (), prior[:, None])


def _nothing(shape: Shape) -> StagedClassifier:
    """Stands in for what has not been learned."""
    even = np.zeros(len(CHANNELS))
    return StagedClassifier(even, None, no_effects(shape), (), even[:, None])


def _opened_share(outcomes: Outcomes, prior: Floats) -> Floats:
    engaged = outcomes.engaged_at <= outcomes.seen_until
    opened = (outcomes.opened_at <= outcomes.seen_until) * prior * engaged
    hits = sums_by(outcomes.channel, opened, len(CHANNELS))
    every = sums_by(outcomes.channel, engaged * prior, len(CHANNELS))
    return np.asarray(hits / np.maximum(every, 1e-9))


def _together(
    steps: dict[str, Step],
    engaging: Watch,
    longest: Floats,
    knowledge: Knowledge,
    cells: Cells,
    fitting: Fitting,
) -> float:
    """How much likelier those who engage are to pay, once engaged, than those expected to engage."""
    label, matured = matured_labels(
        engaging.seconds, engaging.followed, longest[knowledge.outcomes.channel[engaging.rows]]
    )
    known = draw_evenly(np.flatnonzero(matured), most=_MOST_EXPECTED, seed=fitting.seed)
    rows = engaging.rows[known]
    expected, paying = (
        steps[name].probability(knowledge.matrix[rows], cells.take(rows), fitting.threads)
        for name in CONVERTING
    )
    return common_factor(expected, label[known], paying, knowledge.weights(fitting.half_life)[rows])


def _silent_attributed(outcomes: Outcomes, prior: Floats) -> Floats:
    silent = (outcomes.engaged_at > outcomes.seen_until) & (outcomes.followed_seconds >= HORIZON_SECONDS / 2)
    paid = (outcomes.paid_at <= outcomes.seen_until) * prior * silent
    hits = sums_by(outcomes.channel, paid, len(CHANNELS))
    return np.asarray(hits / (sums_by(outcomes.channel, silent * prior, len(CHANNELS)) + 50.0))


def _template_factors(
    model: Conversion, knowledge: Knowledge, cells: Cells, prior: Floats, fitting: Fitting
) -> pl.DataFrame:
    """Observed over expected payments moved, per channel and template, drawn hard towards 1 (40 expected
    payments count as much)."""
    outcomes = knowledge.outcomes
    if outcomes.template.null_count() == len(outcomes):
        return no_templates()
    fair = draw_evenly(np.flatnonzero(knowledge.evenly), most=_MOST_EXPECTED, seed=fitting.seed)
    expected = np.zeros(len(outcomes))
    expected[fair] = model.moves(knowledge.matrix[fair], cells.take(fair), fitting.threads)
    expected[fair] *= (prior / knowledge.stands_for)[fair]
    table = pl.DataFrame(
        {
            "channel": outcomes.channel,
            "template": outcomes.template.cast(pl.String),
            "moved": knowledge.causes.moved * prior,
            "expected": expected,
        }
    )
    everything = pl.col("expected").sum().over("channel").clip(lower_bound=1e-9)
    per_channel = pl.col("moved").sum().over("channel") / everything
    sums = table.drop_nulls("template").with_columns(expected=pl.col("expected") * per_channel)
    sums = sums_in_order(
        sums, ["channel", "template"], {name: pl.col(name) for name in ("moved", "expected")}
    )
    drawn = pl.col("expected") + _TEMPLATE_PRIOR
    return sums.select(
        "channel",
        "template",
        factor=(pl.col("moved") + _TEMPLATE_PRIOR) / drawn,
        spread=(pl.col("moved") + _TEMPLATE_PRIOR).sqrt() / drawn,
    )
