"""The steps of the funnel: how high they stand."""

from dataclasses import replace

import numpy as np
from scipy.stats import chi2

from ml.arrays import Floats
from ml.casework import Casework, cells_of, gather
from ml.conversion import Fitting, fit_deciding
from ml.features import DAY, Casebook
from ml.local_time import NEVER
from tests.ml.factories import history

HOUR = 3_600_000_000
GOOD_FORTNIGHT, POOR_FORTNIGHT = 0.42, 0.18


def _paying_by_fortnights(casework: Casework, rng: np.random.Generator) -> tuple[Casework, Floats]:
    """The same contacts, each with its chance of a payment an hour after an answer: every other fortnight is a poor
    one, the last one among them."""
    outcomes = casework.outcomes
    fortnight = (outcomes.seen_until - outcomes.sent_at) // (14 * DAY)
    chance = np.where(fortnight % 2, GOOD_FORTNIGHT, POOR_FORTNIGHT)
    pays = (outcomes.engaged_at <= outcomes.seen_until) & (rng.random(len(chance)) < chance)
    paid = replace(outcomes, paid_at=np.where(pays, outcomes.engaged_at + HOUR, NEVER))
    return replace(casework, book=Casebook(casework.book.history, paid), outcomes=paid), chance


def test_a_poor_fortnight_at_the_end_is_not_taken_for_the_new_level_of_payments() -> None:
    casework, squares, draws = gather(Casebook(history()), use_age=False), [], 8
    answered = np.flatnonzero(casework.outcomes.engaged_at <= casework.outcomes.seen_until)
    for seed in range(draws):
        drawn, chance = _paying_by_fortnights(casework, np.random.default_rng(seed))
        knowledge = drawn.known_at(drawn.outcomes.seen_until)
        model = fit_deciding(drawn, knowledge, Fitting(None, 0, seed, 1))
        cells = cells_of(knowledge, model.rhythms).take(answered)
        told = model.steps["attributed"].probability(drawn.matrix[answered], cells, 1)
        variance = np.mean(chance[answered] * (1 - chance[answered])) / len(answered)
        squares.append((told.mean() - chance[answered].mean()) ** 2 / variance)
    low, high = chi2.ppf((0.005, 0.995), draws)
    assert low <= sum(squares) <= high
