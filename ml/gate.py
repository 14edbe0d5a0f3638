"""Whether a new model may decide: a list of checks, each with its reason, and the verdict.

Three cases. First champion: better than the base rate out of time, and calibrated. Retrain of the same
recipe: not worse than the champion on contacts neither had seen. New recipe: better than it. Never over
a champion trained on newer data. Every comparison is a bootstrap over debtors. What cannot be known from
the data is said so (passed None); it stops a model only where that check is needed, and then the message says what
to do. Source: docs/decisions.md.
"""

from dataclasses import dataclass, replace

import numpy as np

from ml.arrays import Floats, Ints
from ml.calibration import calibration_noise, expected_calibration_error
from ml.evaluation import HoldOut, StepHoldOut, bootstrap_mean, log_loss
from ml.frames import History
from ml.gate_checks import GateCheck, unknown
from ml.gate_off_policy import value_checks
from ml.local_time import MICROSECONDS
from ml.model import TrainedModel
from ml.rescoring import score_again

LEAST_POSITIVES = 20
LEAST_CONTACTS = 200
NOISE_FLOORS = 2.0
"""Calibration error allowed, in multiples of what perfectly calibrated probabilities would show on as
many outcomes."""

TOLERATED_LOSS = 0.01
"""Log-loss by which a retrained model may trail its champion, as a share of the champion's."""

_ROUNDS = 400
_NAMES = {"engaged": "opening or answering", "converted": "paying"}
_NEVER = {
    "engaged": "None of {:,} later contacts is recorded as opened or answered, so it cannot be judged whether the "
    "model tells who does.",
    "converted": "No payment is attributed to any of {:,} later contacts, be it by the communication it names or by a "
    "click or an opening before it, so it cannot be judged whether the model tells who pays.",
}
_WAY_OUT = (
    "No model is promoted by itself without this check: promote it by hand, or train again when there is enough to "
    "judge by."
)


@dataclass(frozen=True)
class GateResult:
    """passed: every check that could be made held, and those that had to be made could."""

    passed: bool
    checks: tuple[GateCheck, ...]


def judge(
    challenger: TrainedModel, champion: TrainedModel | None, history: History, *, seed: int = 0
) -> GateResult:
    """The verdict on a freshly trained model (with its `holdout`), against the champion where there is one.

    history: what the challenger was trained on; the champion is asked to predict its later contacts.
    """
    holdout = challenger.holdout or HoldOut(0, {})
    checks = [check for name in ("engaged", "converted") for check in _against_base(name, holdout, seed)]
    needed = ["engaged_log_loss"]
    if champion is not None:
        checks.append(_newer(challenger, champion))
        needed.append("not_older_than_champion")
        checks += _against_champion(challenger, champion, holdout, history, seed)
        if champion.recipe != challenger.recipe:
            needed += ["converted_gain_over_champion", "off_policy_gain_over_champion"]
    checks += value_checks(challenger, champion, history, seed)
    checks = [
        _stopping(check) if check.name in needed and check.passed is None else check for check in checks
    ]
    known = {check.name: check.passed for check in checks}
    passed = all(check.passed is not False for check in checks) and all(
        known.get(name) is True for name in needed
    )
    return GateResult(passed, tuple(checks))


def _stopping(check: GateCheck) -> GateCheck:
    return replace(check, message=f"{check.message} {_WAY_OUT}")


def _against_base(name: str, holdout: HoldOut, seed: int) -> list[GateCheck]:
    step = holdout.steps.get(name)
    what = _NAMES[name]
    if step is None or _is_too_little(step):
        message = _why_untried(name, holdout.contacts) if step is None else _why_unjudged(name, step)
        return [unknown(f"{name}_log_loss", message), unknown(f"{name}_calibration", message)]
    gain = log_loss(step.base, step.label) - log_loss(step.chance, step.label)
    low = float(np.quantile(bootstrap_mean(gain, step.debtor, seed=seed, rounds=_ROUNDS), 0.05))
    return [
        GateCheck(
            f"{name}_log_loss",
            low > 0,
            low,
            0.0,
            f"On {len(step):,} later contacts the log-loss of {what} is {_than(gain)} the base rate's "
            f"(95 % sure of a gain of at least {low:+.5f}).",
        ),
        _calibration(name, step, seed),
    ]


def _is_too_little(step: StepHoldOut) -> bool:
    return len(step) < LEAST_CONTACTS or min(step.label.sum(), (1 - step.label).sum()) < LEAST_POSITIVES


def _why_untried(name: str, contacts: int) -> str:
    """Why nothing was held out to try the model on."""
    return (
        f"{_only(contacts, 'contact')} left to try it on, in the last fifth of the history; at least "
        f"{LEAST_CONTACTS} are needed to judge {_NAMES[name]}."
    )


def _only(count: int, what: str) -> str:
    """ "Only 33 contacts are", "Only 1 contact is", "No contacts are"."""
    if count == 1:
        return f"Only 1 {what} is"
    return f"{f'Only {count:,}' if count else 'No'} {what}s are"


def _why_unjudged(name: str, step: StepHoldOut) -> str:
    """What there is too little of."""
    contacts, what = len(step), _NAMES[name]
    if contacts < LEAST_CONTACTS:
        have = _only(contacts, "later contact")
        return f"{have} old enough to tell of {what}; at least {LEAST_CONTACTS} are needed to judge it."
    if not step.label.any():
        return _NEVER[name].format(contacts)
    shown = int(step.label.sum())
    if shown < LEAST_POSITIVES:
        have, needed = f"Only {shown}", f"{LEAST_POSITIVES}"
    else:
        have, needed = f"All but {contacts - shown}", f"{LEAST_POSITIVES} that do not"
    return f"{have} of {contacts:,} later contacts show {what}; at least {needed} are needed to judge it."


def _calibration(name: str, step: StepHoldOut, seed: int) -> GateCheck:
    ones = np.ones(len(step))
    error = expected_calibration_error(step.chance, step.label, ones)
    floor = NOISE_FLOORS * calibration_noise(step.chance, ones, seed=seed)
    return GateCheck(
        f"{name}_calibration",
        error <= floor,
        error,
        floor,
        f"Predicted and observed shares of {_NAMES[name]} differ by {100 * error:.2f} points on average; "
        f"twice what chance alone would show is {100 * floor:.2f}.",
    )


def _newer(challenger: TrainedModel, champion: TrainedModel) -> GateCheck:
    seconds = (challenger.data_to - champion.data_to).total_seconds()
    return GateCheck(
        "not_older_than_champion",
        seconds >= 0,
        seconds / 86_400,
        0.0,
        f"It has learned from contacts up to {challenger.data_to:%Y-%m-%d}, the champion from those up to "
        f"{champion.data_to:%Y-%m-%d}.",
    )


def _against_champion(
    challenger: TrainedModel, champion: TrainedModel, holdout: HoldOut, history: History, seed: int
) -> list[GateCheck]:
    """Paired log-loss on contacts sent after both had stopped learning."""
    same = champion.recipe == challenger.recipe
    kind = "not_worse_than_champion" if same else "gain_over_champion"
    after = int(champion.data_to.timestamp() * MICROSECONDS)
    checks = []
    for name, step in holdout.steps.items():
        rows = np.flatnonzero(step.sent_at > max(after, holdout.cut))
        if len(rows) < LEAST_CONTACTS or step.label[rows].sum() < LEAST_POSITIVES:
            checks.append(unknown(f"{name}_{kind}", _why_uncompared(name, step.label[rows])))
            continue
        theirs = log_loss(score_again(champion, history, step.keys[rows], name), step.label[rows])
        mine = log_loss(step.chance[rows], step.label[rows])
        checks.append(_paired(name, kind, mine, theirs, step, rows, seed))
    return checks


def _why_uncompared(name: str, label: Floats) -> str:
    """What there is too little of among the contacts new to both."""
    count, shown, new = len(label), int(label.sum()), "newer than what the champion learned from"
    have = f"{_only(count, 'contact')} {new}"
    if count >= LEAST_CONTACTS:
        some = f"Only {shown:,}" if shown else "None"
        have = f"{some} of {count:,} contacts {new} {'show' if shown > 1 else 'shows'} {_NAMES[name]}"
    return f"{have}; {LEAST_CONTACTS} with {LEAST_POSITIVES} showing {_NAMES[name]} are needed to compare."


def _paired(
    name: str, kind: str, mine: Floats, theirs: Floats, step: StepHoldOut, rows: Ints, seed: int
) -> GateCheck:
    """Held when the gain is surely above the threshold; not to be known where a model that must not be worse is above
    it on these contacts, only too few to be sure of it. Were those refused that look a little worse, then chance would
    refuse one in two of the retrains that are as good as their champion."""
    gain = theirs - mine
    low = float(np.quantile(bootstrap_mean(gain, step.debtor[rows], seed=seed, rounds=_ROUNDS), 0.05))
    retrain = kind == "not_worse_than_champion"
    threshold = -TOLERATED_LOSS * float(theirs.mean()) if retrain else 0.0
    sure = low > threshold
    open_question = retrain and not sure and float(gain.mean()) > threshold
    doubt = f"; too few of them show {_NAMES[name]} to be sure" if open_question else ""
    return GateCheck(
        f"{name}_{kind}",
        None if open_question else sure,
        low,
        threshold,
        f"On {len(rows):,} contacts new to both, the log-loss of {_NAMES[name]} is "
        f"{_than(gain)} the champion's (95 % sure of a gain of at least {low:+.5f}){doubt}.",
    )


def _than(gain: Floats) -> str:
    mean = float(gain.mean())
    return f"{abs(mean):.5f} {'better' if mean >= 0 else 'worse'} than"
