"""Daily rhythms: which hours of the week a debtor answers at, read off what came back so far.

A mixture of k rhythms over blocks of the local week. Given how many of a debtor's contacts were
answered, where in the week they fell is multinomial with probabilities proportional to exposure (chance
of an answer to what was sent, everybody's rate) times the rhythm; how responsive the debtor is as a
whole cancels out. A debtor's rhythm at an instant is the most probable one given what was known then;
too few answers leave it unknown.
"""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Floats, Ints, sums_by
from ml.as_of import AsOfSums
from ml.outcomes import CHANNELS, Outcomes

BLOCK_HOURS = 3
DAY_BLOCKS = 24 // BLOCK_HOURS
BLOCKS = 2 * DAY_BLOCKS
LEAST_ANSWERS = 2
"""Answers below which a rhythm stays unknown."""

_LEAST_DEBTORS = 300
_ITERATIONS = 30
_SMOOTH = 15.0
_CONTACTS_AT_ONCE = 500_000


def block_of(hour_of_week: Ints) -> Ints:
    """Block of the local week: the three-hour blocks of a working day, then those of a weekend day."""
    weekend = hour_of_week >= 5 * 24
    return np.asarray((hour_of_week % 24) // BLOCK_HOURS + weekend * DAY_BLOCKS, dtype=np.int64)


@dataclass(frozen=True)
class Rhythms:
    """tilt: (k, BLOCKS) multipliers of everybody's answer rate; share: (k,); base: (channels, BLOCKS)
    everybody's answer rate."""

    tilt: Floats
    share: Floats
    base: Floats

    @property
    def unknown(self) -> int:
        """The code of a debtor whose rhythm is not known; codes run from 0 to this."""
        return len(self.share)

    def codes_at(self, outcomes: Outcomes, debtor: Ints, at: Ints, settled_after: int) -> Ints:
        """(n,) each debtor's rhythm as of its own instant, by the contacts settled before; settled_after: as in
        `answers_settled`. Debtors are taken some at a time, so that memory stays bounded."""
        codes = np.full(len(debtor), self.unknown, dtype=np.int64)
        if not len(self.share) or not len(debtor):
            return np.zeros(len(debtor), dtype=np.int64)
        people = max(int(outcomes.debtor.max(initial=0)), int(debtor.max())) + 1
        asked = np.zeros(people, dtype=bool)
        asked[debtor] = True
        theirs = np.flatnonzero(asked[outcomes.debtor])
        written_to = np.cumsum(np.bincount(outcomes.debtor[theirs], minlength=people))
        turn = written_to // _CONTACTS_AT_ONCE
        contacts, questions = _in_turns(turn[outcomes.debtor[theirs]]), _in_turns(turn[debtor])
        for place, rows in questions.items():
            some = outcomes.debtor[:0] if place not in contacts else theirs[contacts[place]]
            codes[rows] = self._codes(_settled(outcomes, some, settled_after), debtor[rows], at[rows])
        return codes

    def _codes(self, settled: "_Settled", debtor: Ints, at: Ints) -> Ints:
        count = len(self.share)
        tells = np.empty((len(settled.debtor), 1 + 2 * count))
        tells[:, 0] = settled.answered
        tells[:, 1 : 1 + count] = np.log(self.tilt).T[settled.block] * settled.answered[:, None]
        tells[:, 1 + count :] = (
            self.tilt.T[settled.block] * self.base[settled.channel, settled.block][:, None]
        )
        sums = AsOfSums(settled.debtor, settled.at, tells).before(debtor, at)
        return self.likeliest(sums[:, 0], sums[:, 1 : 1 + count], sums[:, 1 + count :])

    def likeliest(self, answers: Floats, hits: Floats, expected: Floats) -> Ints:
        """(n,) codes. answers: (n,); hits: (n, k) sums of log tilts where they fell; expected: (n, k) tilted
        exposure."""
        best = _log_posterior(answers, hits, expected, self.share).argmax(axis=1)
        return np.where(answers >= LEAST_ANSWERS, best, self.unknown)


@dataclass(frozen=True)
class _Settled:
    """Contacts by when what came of them was settled: answered 1 or 0."""

    debtor: Ints
    channel: Ints
    block: Ints
    at: Ints
    answered: Floats


def _settled(outcomes: Outcomes, rows: Ints, settled_after: int) -> _Settled:
    due, engaged_at = outcomes.sent_at[rows] + settled_after, outcomes.engaged_at[rows]
    in_time = engaged_at <= np.minimum(due, outcomes.seen_until)
    return _Settled(
        outcomes.debtor[rows],
        outcomes.channel[rows],
        block_of(outcomes.local.hour_of_week[rows]),
        np.where(in_time, engaged_at, due),
        in_time.astype(np.float64),
    )


def _in_turns(turn: Ints) -> dict[int, Ints]:
    """Rows by the turn they are taken in."""
    order = np.argsort(turn, kind="stable")
    turns, first = np.unique(turn[order], return_index=True)
    return dict(zip(turns.tolist(), np.split(order, first[1:]), strict=True)) if len(turn) else {}


def answers_settled(
    outcomes: Outcomes, base: Floats, debtors: int, settled_after: int
) -> tuple[Floats, Floats]:
    """(answered, exposure): (debtors, BLOCKS) over the contacts settled by the end.

    base: (channels, BLOCKS) everybody's answer rate; settled_after: microseconds without an answer after which there
    will be none.
    """
    settled = _settled(outcomes, np.arange(len(outcomes)), settled_after)
    known = np.flatnonzero(settled.at <= outcomes.seen_until)
    cell = settled.debtor[known] * BLOCKS + settled.block[known]
    exposure = base[settled.channel[known], settled.block[known]]
    return (
        sums_by(cell, settled.answered[known], debtors * BLOCKS).reshape(debtors, BLOCKS),
        sums_by(cell, exposure, debtors * BLOCKS).reshape(debtors, BLOCKS),
    )


def base_rates(outcomes: Outcomes) -> Floats:
    """(channels, BLOCKS) share of contacts answered, drawn towards the channel's and everybody's share."""
    answered = (outcomes.engaged_at <= outcomes.seen_until).astype(np.float64)
    cell = outcomes.channel * BLOCKS + block_of(outcomes.local.hour_of_week)
    size = len(CHANNELS) * BLOCKS
    hits = np.bincount(cell, answered, size).reshape(len(CHANNELS), BLOCKS)
    sends = np.bincount(cell, minlength=size).reshape(len(CHANNELS), BLOCKS).astype(np.float64)
    overall = (hits.sum() + 1.0) / (sends.sum() + 5.0)
    channel = (hits.sum(1, keepdims=True) + 20.0 * overall) / (sends.sum(1, keepdims=True) + 20.0)
    return np.asarray((hits + 20.0 * channel) / (sends + 20.0))


def fit_rhythms(answered: Floats, exposure: Floats, base: Floats, *, clusters: int, seed: int) -> Rhythms:
    """Expectation–maximisation over (debtors, BLOCKS); no rhythms at all when fewer than 300 debtors
    tell enough."""
    telling = answered.sum(axis=1) >= LEAST_ANSWERS
    answered, exposure = answered[telling], exposure[telling]
    if len(answered) < _LEAST_DEBTORS:
        return Rhythms(np.zeros((0, BLOCKS)), np.zeros(0), base)
    generator = np.random.default_rng(seed)
    tilt = np.exp(generator.normal(0, 0.5, (clusters, BLOCKS)))
    share = np.full(clusters, 1.0 / clusters)
    total = answered.sum(axis=1, keepdims=True)
    for _ in range(_ITERATIONS):
        tilted = exposure @ tilt.T
        posterior = _softmax(_log_posterior(total[:, 0], answered @ np.log(tilt).T, tilted, share))
        share = (posterior.sum(0) + 1.0) / (len(posterior) + clusters)
        scale = total / np.maximum(tilted, 1e-9)
        hits, expected = posterior.T @ answered, (posterior * scale).T @ exposure
        tilt = np.clip((hits + _SMOOTH) / (expected + _SMOOTH), 0.05, 20.0)
    return Rhythms(tilt, share, base)


def _log_posterior(answers: Floats, hits: Floats, expected: Floats, share: Floats) -> Floats:
    return np.asarray(hits - answers[:, None] * np.log(np.maximum(expected, 1e-9)) + np.log(share))


def _softmax(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
