"""Choosing by chance: only what is allowed, as often as is logged, and never far from the best."""

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from ml.candidates import LEAVE_ALONE, Candidates, candidates, explain, runs_of
from ml.decisions import debtor_recommendations
from ml.exploration import EXPLORING, RECOMMENDED, choose, distribution
from ml.features import Casebook
from ml.outcomes import CHANNELS
from ml.segment_plans import usual_plan
from ml.values import Ahead
from tests.ml.factories import history, model

worths = st.lists(st.floats(-5, 50, allow_nan=False), min_size=0, max_size=40)


@cache
def found(count: int = 60) -> Candidates:
    known = history()
    masks = np.random.default_rng(4).random((count, len(CHANNELS), 168)) < 0.7
    return candidates(
        model(),
        Casebook(known),
        np.arange(count),
        ahead=Ahead.of(known.as_of),
        plan=usual_plan(model()),
        masks=masks,
    )


@settings(max_examples=200, deadline=None)
@given(worths, st.data())
def test_probabilities_are_probabilities_with_a_floor(net: list[float], data: st.DataObject) -> None:
    recommended = data.draw(st.integers(0, len(net)))
    chance = distribution(np.array(net), recommended, EXPLORING)
    assert len(chance) == len(net) + 1
    assert abs(chance.sum() - 1) < 1e-9
    assert chance.min() >= EXPLORING.floor / len(chance) - 1e-12
    assert chance[recommended] == chance.max()
    ranked = np.argsort(np.append(net, 0.0))
    others = [one for one in ranked if one != recommended]
    assert (np.diff(chance[others]) >= -1e-12).all()
    sure = distribution(np.array(net), recommended, RECOMMENDED)
    assert (sure[recommended], sure.sum()) == (1, 1)


def test_each_choice_comes_as_often_as_its_propensity_says() -> None:
    """Chi-squared over all choices of all debtors and seeds, 99.9 %; and only what is open is ever chosen."""
    some = found(6)
    options = [np.append(np.flatnonzero(np.isfinite(some.net[row].ravel())), LEAVE_ALONE) for row in range(6)]
    seen = [np.zeros(len(each)) for each in options]
    logged = [np.full(len(each), np.nan) for each in options]
    seeds = 2000
    for seed in range(seeds):
        made = choose(some, EXPLORING, seed=seed, keys=range(6))
        for row in range(6):
            (place,) = np.flatnonzero(options[row] == made.chosen[row])
            seen[row][place] += 1
            logged[row][place] = made.propensity[row]
            assert made.explored[row] == (made.chosen[row] != some.recommended[row])
            assert made.eligible[row] == len(options[row])
    statistic, freedom = 0.0, 0
    for counts, propensity in zip(seen, logged, strict=True):
        often = np.nan_to_num(propensity) * seeds >= 5
        expected = propensity[often] * seeds
        rest = seeds - expected.sum()
        statistic += float(((counts[often] - expected) ** 2 / expected).sum())
        statistic += (seeds - counts[often].sum() - rest) ** 2 / rest if rest > 5 else 0.0
        freedom += int(often.sum())
    assert freedom > 20
    assert statistic < chi2.ppf(0.999, freedom)


def test_what_is_recommended_is_what_recommendations_say() -> None:
    known, some = history(), found()
    keys = known.debtors["debtor"][:60].to_list()
    advice = debtor_recommendations(model(), known, keys, now=known.as_of, masks=some.hours)
    told = explain(some, some.recommended)
    for row, answer in enumerate(advice):
        best = answer.recommendation.best
        expected = CHANNELS.index(best.channel) * 168 + best.hour_of_week if best else LEAVE_ALONE
        assert some.recommended[row] == expected
        assert told[row].best == best
        if best is None:
            assert told[row].reasons == answer.recommendation.reasons


def test_exploring_costs_little() -> None:
    some = found()
    best = np.array([max(0.0, net[np.isfinite(net)].max(initial=0.0)) for net in some.net])
    means = []
    for row in range(len(some)):
        net = some.net[row].ravel()
        open_ = np.flatnonzero(np.isfinite(net))
        options = np.append(open_, LEAVE_ALONE)
        recommended = int(np.flatnonzero(options == some.recommended[row])[0])
        means.append(float(distribution(net[open_], recommended, EXPLORING) @ np.append(net[open_], 0.0)))
    assert sum(means) > 0.85 * best.sum()


def test_any_choice_can_be_put_into_words() -> None:
    some = found()
    made = choose(some, EXPLORING, seed=1, keys=range(len(some)))
    for row, told in enumerate(explain(some, made.chosen)):
        if made.chosen[row] == LEAVE_ALONE:
            assert told.best is None
            assert told.reasons
        else:
            assert told.best is not None
            assert CHANNELS.index(told.best.channel) * 168 + told.best.hour_of_week == made.chosen[row]
            assert told.best.expected.net


@given(st.integers(0, 10**9))
@settings(max_examples=50, deadline=None)
def test_hours_are_written_as_runs(seed: int) -> None:
    is_open = np.random.default_rng(seed).random((len(CHANNELS), 168)) < 0.5
    read = np.zeros_like(is_open)
    for text in runs_of(is_open):
        channel, _, hours = text.partition(":")
        first, _, last = hours.partition("-")
        read[CHANNELS.index(channel), int(first) : int(last) + 1] = True
    assert (read == is_open).all()
