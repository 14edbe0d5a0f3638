from dataclasses import replace

import numpy as np
import pytest

from ml.arrays import Floats, Ints
from ml.casework import gather
from ml.deconfounding import LEAST_LOGGED, deconfounding_weights
from ml.features import Casebook
from ml.local_time import NEVER
from ml.outcomes import CHANNELS, Outcomes, outcomes_of
from tests.ml.factories import history, tiny

SMS, EMAIL = CHANNELS.index("SMS"), CHANNELS.index("EMAIL")


def _chosen(rng: np.random.Generator, *, answers: float = 0.4) -> tuple[Outcomes, Floats, Ints]:
    """Contacts, more often texts to those with a trait that only their sender saw; a trait seen by all; that trait.

    answers: how much more often those with the trait answer texts.
    """
    outcomes = outcomes_of(tiny(contacts=20, debtors=1_000, engaged=False))
    hidden, seen = rng.random(1_000) < 0.5, rng.random(1_000) < 0.5
    text = (0.2 + 0.5 * hidden + 0.1 * seen)[outcomes.debtor]
    channel = np.where(rng.random(len(outcomes)) < text, SMS, EMAIL)
    propensity = np.where(channel == SMS, text, 1 - text)
    chance = 0.1 + answers * (hidden[outcomes.debtor] & (channel == SMS))
    answered = np.where(rng.random(len(outcomes)) < chance, outcomes.sent_at + 1, NEVER)
    return (
        replace(outcomes, channel=channel, propensity=propensity, engaged_at=answered),
        seen[outcomes.debtor].astype(np.float64),
        hidden[outcomes.debtor].astype(np.int64),
    )


def _weights(outcomes: Outcomes, seen: Floats) -> Floats:
    matrix = np.column_stack([outcomes.channel, seen]).astype(np.float32)
    nobody, once = np.zeros(len(outcomes), dtype=np.int64), np.ones(len(outcomes))
    return deconfounding_weights(matrix, outcomes, nobody, once, categorical=[0], seed=1, threads=1)


def test_a_trait_its_sender_alone_saw_no_longer_tells_who_got_a_text() -> None:
    """Half of the debtors have the trait; among those texted, seven in ten, but for the weights."""
    outcomes, seen, hidden = _chosen(np.random.default_rng(3))
    weights = _weights(outcomes, seen)
    texted = outcomes.channel == SMS
    overall = hidden.mean()
    assert hidden[texted].mean() > overall + 0.2
    for on_channel in (texted, ~texted):
        share = np.average(hidden[on_channel], weights=weights[on_channel])
        assert share == pytest.approx(overall, abs=0.02)
        assert weights[on_channel].mean() == pytest.approx(1.0)


def test_the_odds_of_an_action_weigh_nothing_where_outcomes_do_not_go_with_them() -> None:
    outcomes, seen, _ = _chosen(np.random.default_rng(3), answers=0.0)
    assert (_weights(outcomes, seen) == 1.0).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_trial_on_every_second_debtor_weighs_nothing(seed: int) -> None:
    """One arm gets texts half of the time, the other nearly always; all answer texts alike."""
    rng = np.random.default_rng(seed)
    outcomes, seen, _ = _chosen(rng)
    text = np.where(outcomes.debtor % 2 == 0, 0.5, 0.95)
    channel = np.where(rng.random(len(outcomes)) < text, SMS, EMAIL)
    answered = rng.random(len(outcomes)) < np.where(channel == SMS, 0.3, 0.1)
    tried = replace(
        outcomes,
        channel=channel,
        propensity=np.where(channel == SMS, text, 1 - text),
        engaged_at=np.where(answered, outcomes.sent_at + 1, NEVER),
    )
    assert _weights(tried, seen).std() < 0.02


def test_what_the_model_sees_itself_is_left_as_it_was() -> None:
    outcomes, seen, _ = _chosen(np.random.default_rng(4))
    texted = outcomes.channel == SMS
    weights = _weights(outcomes, seen)
    assert np.average(seen[texted], weights=weights[texted]) == pytest.approx(seen[texted].mean(), abs=0.02)


@pytest.mark.parametrize("propensity", [1.0, 0.5, 1e-12])
def test_propensities_that_tell_nothing_weigh_nothing(propensity: float) -> None:
    outcomes, seen, _ = _chosen(np.random.default_rng(5))
    same = replace(outcomes, propensity=np.full(len(outcomes), propensity))
    np.testing.assert_allclose(_weights(same, seen), 1.0, rtol=1e-6)


def test_contacts_without_a_propensity_count_once() -> None:
    rng = np.random.default_rng(6)
    outcomes, seen, _ = _chosen(rng)
    logged = rng.random(len(outcomes)) < 0.5
    weights = _weights(replace(outcomes, propensity=np.where(logged, outcomes.propensity, np.nan)), seen)
    assert (weights[~logged] == 1.0).all()
    assert weights[logged].std() > 0.1
    few = np.where(np.arange(len(outcomes)) < LEAST_LOGGED - 1, outcomes.propensity, np.nan)
    assert (_weights(replace(outcomes, propensity=few), seen) == 1.0).all()


def test_what_was_known_earlier_weighs_its_contacts_alike() -> None:
    book = Casebook(history())
    casework = gather(book, use_age=False)
    told = np.random.default_rng(7).uniform(0.5, 1.5, len(casework.outcomes))
    weighed = replace(casework, unconfounded=told)
    everything = weighed.known_at(book.outcomes.seen_until).unconfounded
    before = weighed.known_at(int(book.outcomes.sent_at[len(everything) // 2])).unconfounded
    assert 0 < len(before) < len(everything)
    np.testing.assert_array_equal(before, everything[: len(before)])
