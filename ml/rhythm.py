"""Daily rhythms: which hours of the week a debtor answers at, read off what came back so far.

How a debtor differs from everybody is taken as a level and a curve over blocks of the local week, in log-odds, drawn
from a normal law. Its covariance is told by how surprises at two contacts with the same debtor go together, over all
debtors; its main directions are kept, so that what a debtor's own contacts say is a few numbers: the posterior mean,
in one step from everybody's rates. Silence tells as answers do. Those numbers fall into a few groups: the rhythms. How
responsive a debtor is as a whole has a direction of its own and no say in the rhythm. Measured: docs/adr/0034.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from ml.arrays import Floats, Ints, sums_by
from ml.as_of import AsOfSums
from ml.outcomes import CHANNELS, Outcomes

BLOCK_HOURS = 3
DAY_BLOCKS = 24 // BLOCK_HOURS
BLOCKS = 2 * DAY_BLOCKS

_DIRECTIONS = 2
_LEAST_DEBTORS = 300
_LEAST_LEVEL = 1e-3
_NOTHING = 1e-9
_MOST_GROUPED = 30_000
_TOLD_APART = 3
"""Digits after the point of a standard deviation to which tastes are told apart."""
_CONTACTS_AT_ONCE = 500_000


def block_of(hour_of_week: Ints) -> Ints:
    """Block of the local week: the three-hour blocks of a working day, then those of a weekend day."""
    weekend = hour_of_week >= 5 * 24
    return np.asarray((hour_of_week % 24) // BLOCK_HOURS + weekend * DAY_BLOCKS, dtype=np.int64)


@dataclass(frozen=True)
class Settled:
    """Contacts by when what came of them was settled. surprise: 1 for an answer, 0 for none, less everybody's rate
    there; information: the variance of an answer at that rate."""

    debtor: Ints
    block: Ints
    at: Ints
    surprise: Floats
    information: Floats

    def take(self, rows: Ints) -> "Settled":
        """The chosen contacts."""
        return Settled(**{name: each[rows] for name, each in vars(self).items()})


@dataclass(frozen=True)
class Rhythms:
    """directions: (1 + r, BLOCKS) log-odds for one standard deviation of the level and of each direction that debtors
    differ in; centres: (k, r) of the rhythms, in standard deviations; base: (channels, BLOCKS) everybody's answer
    rate. No rhythms: k = 0."""

    directions: Floats
    centres: Floats
    base: Floats

    @property
    def unknown(self) -> int:
        """The code of a debtor of whom nothing is settled; codes run from 0 to this."""
        return len(self.centres)

    def codes_at(self, outcomes: Outcomes, debtor: Ints, at: Ints, settled_after: int) -> Ints:
        """(n,) each debtor's rhythm as of its own instant, by the contacts settled before; settled_after: as in
        `settled_contacts`. Debtors are taken some at a time, so that memory stays bounded."""
        codes = np.full(len(debtor), self.unknown, dtype=np.int64)
        if not len(self.centres) or not len(debtor):
            return codes
        people = max(int(outcomes.debtor.max(initial=0)), int(debtor.max())) + 1
        asked = np.zeros(people, dtype=bool)
        asked[debtor] = True
        theirs = np.flatnonzero(asked[outcomes.debtor])
        written_to = np.cumsum(np.bincount(outcomes.debtor[theirs], minlength=people))
        turn = written_to // _CONTACTS_AT_ONCE
        contacts, questions = _in_turns(turn[outcomes.debtor[theirs]]), _in_turns(turn[debtor])
        for place, rows in questions.items():
            some = outcomes.debtor[:0] if place not in contacts else theirs[contacts[place]]
            settled = settled_contacts(outcomes, some, self.base, settled_after)
            codes[rows] = self.codes_of(settled, debtor[rows], at[rows])
        return codes

    def codes_of(self, settled: Settled, debtor: Ints, at: Ints) -> Ints:
        """(n,) each debtor's rhythm as of its own instant, by those of these contacts that were settled before."""
        told = self.directions.T[settled.block]
        pairs = np.triu_indices(len(self.directions))
        tells = np.column_stack(
            [
                settled.information,
                told * settled.surprise[:, None],
                told[:, pairs[0]] * told[:, pairs[1]] * settled.information[:, None],
            ]
        )
        sums = AsOfSums(settled.debtor, settled.at, tells).before(debtor, at)
        width = 1 + len(self.directions)
        means = _posterior_means(sums[:, 1:width], sums[:, width:])
        return np.where(sums[:, 0] > 0, self.nearest(means[:, 1:]), self.unknown)

    def nearest(self, tastes: Floats) -> Ints:
        """(n,) codes of the rhythms nearest to (n, r) tastes, in standard deviations."""
        apart = tastes @ self.centres.T - 0.5 * np.sum(self.centres**2, axis=1)
        return np.asarray(apart.argmax(axis=1), dtype=np.int64)


def settled_contacts(outcomes: Outcomes, rows: Ints, base: Floats, settled_after: int) -> Settled:
    """base: (channels, BLOCKS) everybody's answer rate; settled_after: microseconds without an answer after which there
    will be none."""
    due, engaged_at = outcomes.sent_at[rows] + settled_after, outcomes.engaged_at[rows]
    in_time = engaged_at <= np.minimum(due, outcomes.seen_until)
    block = block_of(outcomes.local.hour_of_week[rows])
    expected = base[outcomes.channel[rows], block]
    return Settled(
        debtor=outcomes.debtor[rows],
        block=block,
        at=np.where(in_time, engaged_at, due),
        surprise=in_time - expected,
        information=expected * (1.0 - expected),
    )


def _in_turns(turn: Ints) -> dict[int, Ints]:
    """Rows by the turn they are taken in."""
    order = np.argsort(turn, kind="stable")
    turns, first = np.unique(turn[order], return_index=True)
    return dict(zip(turns.tolist(), np.split(order, first[1:]), strict=True)) if len(turn) else {}


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


def fit_rhythms(settled: Settled, base: Floats, *, clusters: int, seed: int) -> Rhythms:
    """Of the contacts settled by the end; no rhythms at all with fewer than 300 debtors, or where their hours do not
    differ by more than chance."""
    debtor, place = np.unique(settled.debtor, return_inverse=True)
    cell, size = place * BLOCKS + settled.block, len(debtor) * BLOCKS
    surprise = sums_by(cell, settled.surprise, size).reshape(-1, BLOCKS)
    information = sums_by(cell, settled.information, size).reshape(-1, BLOCKS)
    directions = _directions(settled, place, surprise, information)
    if len(debtor) < _LEAST_DEBTORS or len(directions) < 2:
        return Rhythms(directions, np.zeros((0, len(directions) - 1)), base)
    pairs = np.triu_indices(len(directions))
    products = directions[pairs[0]] * directions[pairs[1]]
    tastes = _posterior_means(surprise @ directions.T, information @ products.T)[:, 1:]
    return Rhythms(directions, _centres(tastes, clusters, seed), base)


def _directions(settled: Settled, place: Ints, surprise: Floats, information: Floats) -> Floats:
    """(1 + r, BLOCKS) level and main directions of the covariance of what debtors like, each as long as its standard
    deviation. place: each contact's debtor, a row of surprise and information: (debtors, BLOCKS) sums.

    A product of surprises at two contacts with one debtor is expected to be the covariance times both variances; each
    entry is drawn towards 0 by how much is told of it. Pairs grow with the square of a debtor's contacts: a debtor
    counts the less, the more there are, so that one with thousands, a company's own address say, does not drown others.
    """
    share = 1.0 / (1.0 + information.sum(axis=1))
    together = _over_pairs(settled.block, share[place] * settled.surprise, share[:, None] * surprise)
    told, noise = (
        np.maximum(
            _over_pairs(settled.block, each[place] * settled.information, each[:, None] * information), 0.0
        )
        for each in (share, share**2)
    )
    level = together.sum() / max(told.sum(), _NOTHING)
    apart = np.where(told > _NOTHING, together / np.maximum(told, _NOTHING) - level, 0.0)
    precision = np.where(told > _NOTHING, told**2 / np.maximum(noise, _NOTHING), 0.0)
    spread = (np.sum(apart**2 * precision) - np.count_nonzero(precision)) / max(precision.sum(), _NOTHING)
    constant = np.full((1, BLOCKS), np.sqrt(max(level, _LEAST_LEVEL)))
    if spread <= 0:
        return constant
    lengths, vectors = np.linalg.eigh(apart * (precision * spread / (precision * spread + 1.0)))
    main = np.argsort(-lengths)[:_DIRECTIONS]
    main = main[lengths[main] > 0]
    return np.vstack([constant, (vectors[:, main] * np.sqrt(lengths[main])).T])


def _over_pairs(block: Ints, value: Floats, sums: Floats) -> Floats:
    """(BLOCKS, BLOCKS) sums over all pairs of two contacts with one debtor of the products of their values, by their
    blocks. value: per contact; sums: (debtors, BLOCKS) of it."""
    return np.asarray(sums.T @ sums - np.diag(sums_by(block, value**2, BLOCKS)))


def _posterior_means(score: Floats, products: Floats) -> Floats:
    """(n, m) posterior means under a standard normal law. score: (n, m); products: (n, m (m + 1) / 2) upper triangles
    of the information.

    Elimination by hand, all rows at once: a solver called for each of millions of small systems takes six times as
    long.
    """
    width = score.shape[1]
    pairs = [(row, column) for row in range(width) for column in range(row, width)]
    system = {pair: products[:, place] + (pair[0] == pair[1]) for place, pair in enumerate(pairs)}
    aims = [score[:, row].copy() for row in range(width)]
    for row in range(width):
        for later in range(row + 1, width):
            share = system[row, later] / system[row, row]
            aims[later] -= share * aims[row]
            for column in range(later, width):
                system[later, column] = system[later, column] - share * system[row, column]
    for row in reversed(range(width)):
        for later in range(row + 1, width):
            aims[row] -= system[row, later] * aims[later]
        aims[row] /= system[row, row]
    return np.column_stack(aims)


def _centres(tastes: Floats, clusters: int, seed: int) -> Floats:
    """(k, r) of k-means, on one thread: sums of several differ from run to run. k: clusters, or how many tastes there
    are where these are fewer, as two centres in one place would share debtors alike between them by chance."""
    some = tastes[np.random.default_rng(seed).permutation(len(tastes))[:_MOST_GROUPED]]
    apart = len(np.unique(some.round(_TOLD_APART), axis=0))
    with threadpool_limits(1):
        groups = KMeans(min(clusters, apart), n_init=4, random_state=seed).fit(some)
    return np.asarray(groups.cluster_centers_)
