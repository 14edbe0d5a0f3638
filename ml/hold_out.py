"""Judging out of time: what a model that had not seen the last fifth of the contacts says of them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ml.actions import lawful_hours
from ml.arrays import Bools, Floats, Ints
from ml.boosting import Settings
from ml.calibration import Platt, fit_platt
from ml.casework import Casework, Knowledge, rhythm_codes
from ml.censoring import matured_labels
from ml.conversion import Conversion, Fitting, fit_deciding
from ml.evaluation import HoldOut, StepHoldOut, base_rates_by_channel, log_loss
from ml.features import DAY
from ml.funnel import fit_staged
from ml.halves import halves
from ml.lessons import engagement_lesson, truth_of_steps
from ml.outcomes import CHANNELS, HORIZON_SECONDS
from ml.slot_effects import Cells

HOLD_OUT_SHARE = 0.2
LEAST_HOLD_OUT = 200
LEAST_TO_LEARN_FROM = 100
EVEN_DRAW = 1.0 / (len(CHANNELS) * int(lawful_hours().sum()))
"""The probability of each contact for somebody who draws among all channels and lawful hours."""
_HALF_LIFE_SHARES = (None, 0.25)
_HALF_LIFE_SAMPLE = 60_000
_QUICK = Settings(objective="cross_entropy", rounds=40, learning_rate=0.15, leaves=15, least_in_leaf=100)


@dataclass(frozen=True)
class Earlier:
    """What was known before the contacts held out, and the deciding steps of the funnel, learned from it."""

    knowledge: Knowledge
    conversion: Conversion


@dataclass(frozen=True)
class Rehearsal:
    """What the held-out contacts taught about a funnel learned before them: the half-life in days, calibrations by
    step, predictions. later: rows of a fair sample of them; earlier: None where the history is too short to hold
    contacts out."""

    half_life: float | None
    platts: dict[str, Platt]
    holdout: HoldOut
    later: Ints
    earlier: Earlier | None = None

    @property
    def rounds(self) -> dict[str, int]:
        """Step → the rounds of stage A that debtors left out have confirmed, of the steps whose trees were grown."""
        steps = {} if self.earlier is None else self.earlier.conversion.steps
        return {
            name: step.staged.stage_a.num_trees()
            for name, step in steps.items()
            if step.staged.stage_a is not None
        }


def rehearse(casework: Casework, everything: Knowledge, *, seed: int, threads: int) -> Rehearsal:
    """Learns from the first four fifths of the contacts and looks at the last one."""
    sent = everything.sent.sent_at
    cut = int(sent[int(len(sent) * (1 - HOLD_OUT_SHARE))])
    after = everything.outcomes.sent_at > cut
    later = np.flatnonzero(after & casework.draw.evenly)
    before = casework.known_at(cut)
    if len(later) < LEAST_HOLD_OUT or len(before.outcomes) < LEAST_TO_LEARN_FROM:
        return Rehearsal(None, {}, HoldOut(cut, {}, contacts=len(later)), later)
    foreseen = _foreseen(before, everything, np.flatnonzero(after))
    known = later[foreseen[everything.segment[later]]]
    half_life = _half_life(casework, before, everything, known, seed=seed, threads=threads)
    conversion = fit_deciding(casework, before, Fitting(half_life, 0, seed, threads))
    judged = _Judged(casework, conversion, everything, threads)
    platts, crossed = judged.calibrations(np.flatnonzero(after), foreseen)
    steps = judged.predictions(crossed, later, before)
    return Rehearsal(
        half_life, platts, HoldOut(cut, steps, contacts=len(later)), later, Earlier(before, conversion)
    )


def _foreseen(before: Knowledge, everything: Knowledge, later: Ints) -> Bools:
    """(codes of segments,) those of which at least as many contacts were learned from as came later; all where hardly
    any contact came to such a segment.

    The model that decides knows its new segments. That an earlier one could not foretell theirs says nothing of how far
    to believe what is known of the others.
    """
    came = everything.segment[later]
    size = int(everything.segment.max(initial=0)) + 1
    known = np.bincount(before.segment, minlength=size) >= np.bincount(came, minlength=size)
    return known if known[came].sum() >= LEAST_HOLD_OUT else np.ones(size, dtype=bool)


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
    best, lowest, count = None, np.inf, len(outcomes)
    cells = rhythmless.take(np.arange(count))
    some = np.flatnonzero(np.random.default_rng(seed).permutation(count) < _HALF_LIFE_SAMPLE)

    def loss_of(half_life: float | None) -> float:
        lesson, horizons = engagement_lesson(casework, before, cells, before.weights(half_life), some)
        staged = fit_staged(lesson, draws=0, seed=seed, threads=1, settings=_QUICK, effects_alone=True)
        rows, label = _matured_engagement(everything, later, horizons)
        margins = staged.margins(casework.matrix[rows], rhythmless.take(rows), 1)
        return float(log_loss(1 / (1 + np.exp(-margins)), label).mean()) if len(rows) else np.inf

    lives = [None if share is None else max(days * share, 7.0) for share in _HALF_LIFE_SHARES]
    with ThreadPoolExecutor(threads) as pool:
        for half_life, loss in zip(lives, pool.map(loss_of, lives), strict=True):
            if loss < lowest * (1.0 if half_life is None else 0.9995):
                best, lowest = half_life, loss
    return best


def _matured_engagement(everything: Knowledge, later: Ints, horizons: Floats) -> tuple[Ints, Floats]:
    outcomes = everything.outcomes
    seconds = outcomes.seconds_to(outcomes.engaged_at)[later]
    followed, horizon = outcomes.followed_seconds[later], horizons[outcomes.channel[later]]
    label, matured = matured_labels(seconds, followed, horizon)
    return later[matured], label[matured]


@dataclass(frozen=True)
class _Judged:
    """A funnel held against what became of contacts sent after it had learned."""

    casework: Casework
    conversion: Conversion
    everything: Knowledge
    threads: int

    def calibrations(self, later: Ints, foreseen: Bools) -> tuple[dict[str, Platt], list[Conversion]]:
        """Platt per step on the later contacts of segments that were foreseen; and the funnel calibrated by either half
        of the debtors without the other, on all of them."""
        outcomes, platts = self.everything.outcomes, {}
        by_half: list[dict[str, Platt]] = [{}, {}]
        for name, (rows, label) in truth_of_steps(self.conversion.horizons, self.everything, later).items():
            staged = self.conversion.steps[name].staged
            margins = staged.margins(self.casework.matrix[rows], self._cells(rows), self.threads)
            channel, counts = outcomes.channel[rows], self.everything.stands_for[rows]
            known = foreseen[self.everything.segment[rows]]
            drawn = as_if_drawn_evenly(outcomes.propensity[rows], counts * known)
            platts[name] = fit_platt(margins, label, drawn, channel)
            side = halves(outcomes.debtor[rows])
            for half in (0, 1):
                others = counts * (side != half)
                by_half[half][name] = fit_platt(margins, label, others, channel)
        return platts, [self.conversion.calibrated(each) for each in by_half]

    def predictions(
        self, crossed: list[Conversion], later: Ints, before: Knowledge
    ) -> dict[str, StepHoldOut]:
        """What the funnel says of the later contacts, calibrated on the other half of the debtors."""
        outcomes = self.everything.outcomes
        chances, side = np.zeros((2, len(later))), halves(outcomes.debtor[later])
        for half, conversion in enumerate(crossed):
            mine = np.flatnonzero(side == half)
            some = later[mine]
            chances[:, mine] = conversion.answers(self.casework.matrix[some], self._cells(some), self.threads)
        engaged, truth = truth_of_steps(self.conversion.horizons, self.everything, later)["engaged"]
        matured = matured_contacts(self.conversion, self.everything, later, "attributed")
        paid = (outcomes.paid_at[matured] <= outcomes.seen_until).astype(np.float64)
        known = before.outcomes
        return {
            name: StepHoldOut(
                outcomes.keys[rows],
                chance[np.searchsorted(later, rows)],
                label,
                _known_rates(before, happened_at)[outcomes.channel[rows]],
                outcomes.debtor[rows],
                outcomes.channel[rows],
                outcomes.sent_at[rows],
            )
            for name, chance, rows, label, happened_at in (
                ("engaged", chances[0], engaged, truth, known.engaged_at),
                ("converted", chances[1], matured, paid, known.paid_at),
            )
        }

    def _cells(self, rows: Ints) -> Cells:
        outcomes = self.everything.outcomes
        debtor, at = outcomes.debtor[rows], outcomes.sent_at[rows]
        rhythm = rhythm_codes(self.conversion.rhythms, self.everything.sent, debtor, at)
        segment, slot = self.everything.segment[rows], outcomes.local.hour_of_week[rows]
        return Cells(segment, rhythm, outcomes.channel[rows], slot)


def as_if_drawn_evenly(propensity: Floats, counts: Floats) -> Floats:
    """(n,) what contacts count where slopes are learned: those likelier than an even draw over all lawful hours and
    channels makes them, in proportion less; all together as many as would tell as much if they counted alike.

    What was recommended was chosen among hundreds for being the most that a model believed; there a model of the same
    facts believes too much, which is no sign of how it exaggerates elsewhere (docs/adr/0038). propensity: (n,) NaN
    where none was logged; counts: (n,) contacts each stands for. Source: truncated importance weights (Ionides 2008);
    Kish 1965.
    """
    share = np.minimum(1.0, EVEN_DRAW / np.maximum(np.nan_to_num(propensity, nan=EVEN_DRAW), 1e-12))
    worth = counts * share
    return np.asarray(worth * (worth.sum() / max(float(worth @ share), 1e-12)))


def _known_rates(before: Knowledge, happened_at: Ints) -> Floats:
    """(channels,) share of contacts to which it had happened, of those watched long enough."""
    outcomes = before.outcomes
    happened = (happened_at <= outcomes.seen_until).astype(np.float64)
    settled = (happened > 0) | (outcomes.followed_seconds > HORIZON_SECONDS / 3)
    return base_rates_by_channel(happened, settled * before.stands_for, outcomes.channel)


def matured_contacts(conversion: Conversion, everything: Knowledge, rows: Ints, payment: str) -> Ints:
    """Those of the contacts that have been watched until nearly all engagements and then payments
    (`attributed` or `moved`) have come."""
    outcomes = everything.outcomes
    channel = outcomes.channel[rows]
    wait = conversion.horizons["engaged"][channel] + conversion.horizons[payment][channel]
    return rows[outcomes.followed_seconds[rows] >= np.minimum(wait, HORIZON_SECONDS)]
