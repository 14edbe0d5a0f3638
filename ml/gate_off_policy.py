"""The gate's checks of money: what a model's plan would have brought on contacts with logged propensities."""

from collections.abc import Sequence

import numpy as np

from ml.arrays import Ints
from ml.frames import History
from ml.gate_checks import GateCheck, unknown
from ml.model import TrainedModel
from ml.off_policy import LEAST_EFFECTIVE, WIDTHS, LoggedTrial, PolicyValue, gain_over_log, policy_gain
from ml.outcomes import outcomes_of
from ml.segment_plans import usual_plan

LEAST_EFFECTIVE_OF_A_SEGMENT = 50.0


def value_checks(
    challenger: TrainedModel, champion: TrainedModel | None, history: History, seed: int
) -> list[GateCheck]:
    """A first champion's plan against what was done; else against the champion's plan, in all and per
    segment."""
    name = _name(challenger, champion)
    trial = challenger.holdout.trial if challenger.holdout else None
    if trial is None:
        return [unknown(name, _why_no_trial(history))]
    if champion is None:
        gains = [gain_over_log(trial, trial.plan, width=width, seed=seed) for width in WIDTHS]
        return [_verdict(name, gains, len(trial.log), "what was done", must_gain=False, alike=False)]
    theirs = _plan_of(champion, challenger.segments)
    gains = [policy_gain(trial, trial.plan, theirs, width=width, seed=seed) for width in WIDTHS]
    must_gain = champion.recipe != challenger.recipe
    alike = bool((trial.plan == theirs)[trial.log.segment].all())
    return [
        _verdict(name, gains, len(trial.log), "the champion's plan", must_gain=must_gain, alike=alike),
        _segments(trial, theirs, challenger.segments, seed),
    ]


def _name(challenger: TrainedModel, champion: TrainedModel | None) -> str:
    if champion is None:
        return "off_policy_value"
    same = champion.recipe == challenger.recipe
    return "off_policy_not_worse_than_champion" if same else "off_policy_gain_over_champion"


def _why_no_trial(history: History) -> str:
    known = int(np.isfinite(outcomes_of(history).propensity).sum())
    if not known:
        return (
            "No communication carries a propensity, so what another policy would have collected "
            "cannot be estimated from this history."
        )
    return (
        f"{known:,} communications carry a propensity, but none of the later ones whose outcome is known "
        "does, so what another policy would have collected cannot be estimated."
    )


def _plan_of(champion: TrainedModel, segments: Sequence[str]) -> Ints:
    """The champion's action per segment code of the challenger; what it does for any other segment where it
    does not know one."""
    best = usual_plan(champion).best
    code = {name: place for place, name in enumerate(champion.segments)}
    return best[[*(code.get(name, len(best) - 1) for name in segments), len(best) - 1]]


def _verdict(
    name: str, gains: Sequence[PolicyValue], contacts: int, rival: str, *, must_gain: bool, alike: bool
) -> GateCheck:
    """Held when surely not below 0 at every block width, failed when surely below; a gain that has to be
    shown fails unless it is. alike: both plans do the same with all of these contacts, so that none is worth
    less; where they do not, a gain of just 0 tells only that nobody paid."""
    first = gains[0]
    effective = min(gain.effective for gain in gains)
    told = (
        f"On {contacts:,} later contacts with propensities the plan would have brought {first.mean:+.3f} per "
        f"contact against {rival} (95 %: {first.low:+.3f} to {first.high:+.3f}; worth {effective:,.0f} contacts "
        "of evidence)"
    )
    if effective < LEAST_EFFECTIVE and not alike:
        return GateCheck(
            name, None, first.mean, 0.0, f"{told}: fewer than {LEAST_EFFECTIVE:,.0f} tell nothing."
        )
    surely = alike or all(gain.low > 0 for gain in gains)
    if must_gain:
        return GateCheck(name, all(gain.low > 0 for gain in gains), first.low, 0.0, f"{told}.")
    if surely:
        return GateCheck(name, True, first.low, 0.0, f"{told}.")
    if any(gain.high < 0 for gain in gains):
        return GateCheck(name, False, first.low, 0.0, f"{told}.")
    return GateCheck(name, None, first.mean, 0.0, f"{told}: the two cannot be told apart.")


def _segments(trial: LoggedTrial, theirs: Ints, segments: Sequence[str], seed: int) -> GateCheck:
    """Whether a segment's plan is surely worth less than the champion's, all segments looked at together."""
    name = "no_segment_worse_than_champion"
    differs = np.flatnonzero(trial.plan != theirs)
    codes = [code for code in np.unique(trial.log.segment) if code in differs]
    level = 1.0 - 0.05 / max(len(codes), 1)
    worse, looked_at = [], 0
    for code in codes:
        own = trial.narrowed(np.flatnonzero(trial.log.segment == code))
        gain = policy_gain(own, trial.plan, theirs, width=WIDTHS[0], seed=seed, level=level)
        if gain.effective < LEAST_EFFECTIVE_OF_A_SEGMENT:
            continue
        looked_at += 1
        if gain.high < 0:
            worse.append(segments[code] if code < len(segments) else "NONE")
    if codes and not looked_at:
        return unknown(
            name, f"The plans differ in {len(codes)} segments, none with evidence enough to compare."
        )
    found = f"surely worse in {', '.join(worse)}" if worse else "surely worse in none"
    message = (
        f"The plans differ in {len(codes)} segments, {looked_at} with evidence enough to compare: {found}."
    )
    return GateCheck(name, not worse, float(len(worse)), 0.0, message)
