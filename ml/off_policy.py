"""What another policy would have been worth, from contacts whose sender logged its propensities.

Block doubly robust: the model's value of the policy's actions, corrected by what the model got wrong on
contacts near them. Single hours are tried too seldom to correct by (840 actions), so the correction
weighs contacts that fell into the *block* of the policy's action: same channel, same part of the day,
weekend or not. Their importance weights are those of a policy that stays in the block and spreads over
its hours as contacts on that channel usually do; they are normalised within each segment, and a segment's
correction leans on everybody's as far as its own rests on little. What the model claims for an hour
beyond its block is believed as far as such claims came true (a slope fitted on all contacts, weighted as
if every action were as frequent): the best of many noisy hours promises too much. Intervals are those of
a bootstrap over debtors, a quarter wider for what it cannot see of that choice (measured on
tests/ml/bandits.py). Source: Dudík et al. 2014 (doubly robust); Saito & Joachims 2022
(importance weights on action embeddings).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml.actions import FIRST_HOUR, LAST_HOUR
from ml.arrays import Bools, Floats, Ints, sums_by
from ml.outcomes import CHANNELS
from ml.slot_effects import HOURS

WIDTHS = (4, 3)
"""Hours of the day a block spans, from 08; both have to agree before a gain is believed."""

LEAST_EFFECTIVE = 500.0
"""Effective number of contacts below which a value is not told."""

_ROUNDS = 400
_SMOOTHING = 1.0
_NOTHING = 1e-12
_WIDENED = 1.25
_LEANS_ON = 10.0
"""Effective contacts that everybody's correction weighs as much as in a segment's own."""


@dataclass(frozen=True)
class LoggedContacts:
    """n contacts with known propensity. action: channel · 168 + local hour of week; propensity: of that
    action, in (0, 1]; reward: net money each brought; debtor: unit of the bootstrap; segment: codes."""

    action: Ints
    propensity: Floats
    reward: Floats
    debtor: Ints
    segment: Ints

    def __len__(self) -> int:
        return len(self.action)


@dataclass(frozen=True)
class LoggedTrial:
    """Contacts that a model had not seen, and its value of any actions (n,; −1 leaving alone is worth 0) for
    these contacts' debtors as they stood then; plan: what it would have done, segment code → action."""

    log: LoggedContacts
    plan: Ints
    value: Callable[[Ints], Floats]

    def narrowed(self, rows: Ints) -> "LoggedTrial":
        """The same on the chosen contacts only."""
        nobody = np.full(len(self.log), -1)

        def value(action: Ints) -> Floats:
            asked = nobody.copy()
            asked[rows] = action
            return self.value(asked)[rows]

        log = LoggedContacts(**{name: column[rows] for name, column in vars(self.log).items()})
        return LoggedTrial(log, self.plan, value)


@dataclass(frozen=True)
class PolicyValue:
    """Mean net money per contact; low, high: 95 % interval over debtors; effective: contacts' worth of
    evidence behind the correction."""

    mean: float
    low: float
    high: float
    effective: float


def block_of(action: Ints, width: int) -> Ints:
    """The block of each action: channel × part of the day × weekend; −1 for an action outside 08–21."""
    channel, hour, weekend = action // HOURS, action % 24, (action % HOURS) // 24 >= 5
    part = (hour - FIRST_HOUR) // width
    parts = _parts(width)
    inside = (hour >= FIRST_HOUR) & (hour <= LAST_HOUR) & (action >= 0)
    return np.where(inside, (channel * parts + part) * 2 + weekend, -1)


def usual_shares(action: Ints, width: int) -> Floats:
    """(channels · 168,) how contacts on a channel spread over the hours of a block: shares that sum to 1 in
    each, those of a block nobody was contacted in being even; 0 outside 08–21."""
    everything = np.arange(len(CHANNELS) * HOURS)
    block = block_of(everything, width)
    count = np.where(
        block >= 0, np.bincount(action[action >= 0], minlength=len(everything)) + _SMOOTHING, 0.0
    )
    total = np.bincount(np.maximum(block, 0), count)
    return np.asarray(count / total[np.maximum(block, 0)])


def weights_for(log: LoggedContacts, target: Ints, width: int) -> Floats:
    """(n,) importance weights of a policy that would have taken `target` (−1: leaves alone) instead."""
    done, wanted = block_of(log.action, width), block_of(target, width)
    meets: Bools = (done == wanted) & (done >= 0)
    return np.where(meets, usual_shares(log.action, width)[log.action] / log.propensity, 0.0)


def policy_value(trial: LoggedTrial, plan: Ints, *, width: int, seed: int) -> PolicyValue:
    """Value of a plan (segment code → action, −1 leaving alone)."""
    terms = _terms(trial, plan, width)
    return _interval(trial, _draws(trial.log, [terms], _claims(trial, width), seed), terms)


def drawing_value(trial: LoggedTrial, chance: Floats, *, width: int, seed: int) -> PolicyValue:
    """Value of a policy that draws its actions. chance: (segments, channels · 168) probability of each; what is left
    of 1 leaves alone."""
    everyone = np.zeros(len(trial.log))
    terms = _Terms(everyone, everyone, everyone, everyone)
    for action in np.flatnonzero(chance.any(axis=0)):
        always = _terms(trial, np.full(len(chance), action), width)
        share = chance[trial.log.segment, action]
        terms = _Terms(
            *(total + share * part for total, part in zip(_columns(terms), _columns(always), strict=True))
        )
    return _interval(trial, _draws(trial.log, [terms], _claims(trial, width), seed), terms)


def policy_gain(
    trial: LoggedTrial, mine: Ints, theirs: Ints, *, width: int, seed: int, level: float = 0.95
) -> PolicyValue:
    """How much more one plan is worth than another, paired on the same contacts. level: of the interval."""
    terms = [_terms(trial, plan, width) for plan in (mine, theirs)]
    fewest = min(terms, key=lambda term: _effective(trial.log, term.weight))
    return _interval(trial, _draws(trial.log, terms, _claims(trial, width), seed), fewest, level)


def gain_over_log(trial: LoggedTrial, plan: Ints, *, width: int, seed: int) -> PolicyValue:
    """How much more a plan is worth than what was really done."""
    terms, nothing = _terms(trial, plan, width), np.zeros(len(trial.log))
    done = _Terms(trial.log.reward, nothing, nothing, nothing)
    return _interval(trial, _draws(trial.log, [terms, done], _claims(trial, width), seed), terms)


@dataclass(frozen=True)
class _Terms:
    """(n,) columns that sum to a value: modelled value of the action's block, what the model claims for its
    hour beyond that, the model's weighted errors on blocks, weights."""

    block: Floats
    claim: Floats
    error: Floats
    weight: Floats


def _columns(terms: _Terms) -> tuple[Floats, Floats, Floats, Floats]:
    return terms.block, terms.claim, terms.error, terms.weight


def _terms(trial: LoggedTrial, plan: Ints, width: int) -> _Terms:
    log, target = trial.log, plan[trial.log.segment]
    block = _block_value(trial, target, width)
    weight = weights_for(log, target, width)
    meets = weight > 0
    error = np.where(meets, weight * (log.reward - block), 0.0)
    return _Terms(block, trial.value(target) - block, error, weight)


def _claims(trial: LoggedTrial, width: int) -> tuple[Floats, Floats]:
    """(n,) what the model claims for the hour of each contact made beyond its block, and what came beyond
    the block; rare actions count as much as usual ones."""
    log = trial.log
    block = _block_value(trial, log.action, width)
    inside = block_of(log.action, width) >= 0
    even = np.sqrt(1.0 / log.propensity)
    claim = np.where(inside, trial.value(log.action) - block, 0.0)
    return even * claim, even * np.where(inside, log.reward - block, 0.0)


def _block_value(trial: LoggedTrial, action: Ints, width: int) -> Floats:
    """(n,) the model's value of each action's block, averaged over its hours as contacts usually spread."""
    shares, everything = usual_shares(trial.log.action, width), np.arange(len(CHANNELS) * HOURS)
    block_of_all, wanted = block_of(everything, width), block_of(action, width)
    members = [everything[block_of_all == block] for block in range(int(block_of_all.max()) + 1)]
    total = np.zeros(len(action))
    for place in range(max(len(hours) for hours in members)):
        nth = np.array([hours[place] if place < len(hours) else -1 for hours in members])
        other = np.where(wanted >= 0, nth[np.maximum(wanted, 0)], -1)
        total += np.where(other >= 0, shares[np.maximum(other, 0)] * trial.value(other), 0.0)
    return np.where(wanted >= 0, total, trial.value(action))


def _draws(log: LoggedContacts, terms: list[_Terms], claims: tuple[Floats, Floats], seed: int) -> Floats:
    """(1 + rounds,) the value (of the first less the second), then its bootstrap replicates over debtors."""
    debtors, place = np.unique(log.debtor, return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(
        len(debtors), np.full(len(debtors), 1 / max(len(debtors), 1)), _ROUNDS
    )
    multiplicity = np.vstack([np.ones(len(debtors)), drawn])
    strata, stratum = np.unique(log.segment, return_inverse=True)

    def totals(column: Floats) -> Floats:
        """(1 + rounds, strata) sums."""
        sums = sums_by(place * len(strata) + stratum, column, len(debtors) * len(strata))
        return np.asarray(multiplicity @ sums.reshape(len(debtors), len(strata)))

    claim, came = claims
    slope = totals(claim * came).sum(axis=1) / np.maximum(totals(claim**2).sum(axis=1), _NOTHING)
    slope = np.clip(slope, 0.0, 1.0)
    contacts = totals(np.ones(len(log)))
    values = []
    for term in terms:
        mass = np.maximum(totals(term.weight), _NOTHING)
        evidence = mass**2 / np.maximum(totals(term.weight**2), _NOTHING)
        own = totals(term.error) / mass
        everybody = (evidence * own).sum(axis=1) / np.maximum(evidence.sum(axis=1), _NOTHING)
        correction = (evidence * own + _LEANS_ON * everybody[:, None]) / (evidence + _LEANS_ON)
        modelled = totals(term.block) + slope[:, None] * totals(term.claim)
        total = (modelled + contacts * correction).sum(axis=1)
        values.append(total / np.maximum(contacts.sum(axis=1), _NOTHING))
    return np.asarray(values[0] - values[1] if len(values) > 1 else values[0])


def _interval(trial: LoggedTrial, draws: Floats, terms: _Terms, level: float = 0.95) -> PolicyValue:
    spread = draws[0] + _WIDENED * (draws[1:] - draws[0])
    low, high = np.quantile(spread, [(1 - level) / 2, (1 + level) / 2])
    return PolicyValue(float(draws[0]), float(low), float(high), _effective(trial.log, terms.weight))


def _effective(log: LoggedContacts, weight: Floats) -> float:
    """Effective number of contacts (Kish) behind the corrections as they are normalised and leant within
    segments."""
    _, stratum = np.unique(log.segment, return_inverse=True)
    mass, contacts = np.bincount(stratum, weight), np.bincount(stratum).astype(np.float64)
    evidence = mass**2 / np.maximum(np.bincount(stratum, weight**2), _NOTHING)
    part = contacts * evidence / (evidence + _LEANS_ON)
    spread = np.where(evidence > 0, part**2 / np.maximum(evidence, _NOTHING), 0.0).sum()
    return float(part.sum() ** 2 / spread) if spread > 0 else 0.0


def _parts(width: int) -> int:
    return -(-(LAST_HOUR + 1 - FIRST_HOUR) // width)
