import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.off_policy import (
    WIDTHS,
    LoggedContacts,
    PolicyValue,
    block_of,
    drawing_value,
    gain_over_log,
    policy_gain,
    policy_value,
    usual_shares,
    weights_for,
)
from tests.ml.bandits import FORMS, Bandit, make_bandit

RUNS = 16


@pytest.fixture(scope="module")
def bandits() -> list[Bandit]:
    return [make_bandit(seed, form=FORMS[seed % len(FORMS)], contacts=20_000) for seed in range(RUNS)]


@pytest.fixture(scope="module")
def found_values(bandits: list[Bandit]) -> list[PolicyValue]:
    """What each one's plan is said to be worth."""
    return [policy_value(made.trial, made.trial.plan, width=4, seed=1) for made in bandits]


def test_the_value_of_a_plan_is_found_within_its_interval(
    bandits: list[Bandit], found_values: list[PolicyValue]
) -> None:
    held, errors = 0, []
    for made, found in zip(bandits, found_values, strict=True):
        truth = float(made.truth.mean())
        held += found.low <= truth <= found.high
        errors.append(abs(found.mean - truth) / truth)
    assert held >= RUNS - 3  # 95 % each: four misses of sixteen have a chance below 1 %
    assert np.mean(errors) < 0.1


def test_a_policy_that_always_draws_the_same_is_worth_what_that_plan_is(
    bandits: list[Bandit], found_values: list[PolicyValue]
) -> None:
    trial = bandits[0].trial
    chance = np.zeros((len(trial.plan), 6 * 168))
    chance[np.arange(len(trial.plan)), trial.plan] = 1.0
    assert drawing_value(trial, chance, width=4, seed=1) == found_values[0]
    assert drawing_value(trial, 0 * chance, width=4, seed=1).mean == 0.0


def test_the_model_alone_promises_more_than_comes(
    bandits: list[Bandit], found_values: list[PolicyValue]
) -> None:
    def promised(made: Bandit) -> float:
        return float(made.trial.value(made.trial.plan[made.trial.log.segment]).mean() / made.truth.mean())

    came = [found.mean / made.truth.mean() for found, made in zip(found_values, bandits, strict=True)]
    excess = np.mean([promised(made) for made in bandits]) - 1
    assert excess > 0.05
    assert abs(np.mean(came) - 1) < 0.7 * excess


def test_a_gain_is_the_difference_of_two_values(bandits: list[Bandit]) -> None:
    made = bandits[0]
    trial = made.trial
    alone = policy_value(trial, trial.plan, width=4, seed=3)
    assert policy_gain(
        trial, trial.plan, np.full_like(trial.plan, -1), width=4, seed=3
    ).mean == pytest.approx(alone.mean)
    over_log = gain_over_log(trial, trial.plan, width=4, seed=3)
    assert over_log.mean == pytest.approx(alone.mean - trial.log.reward.mean())
    assert over_log.low < made.truth.mean() - made.done.mean() < over_log.high


def test_a_plan_gains_nothing_over_itself(bandits: list[Bandit]) -> None:
    trial = bandits[1].trial
    gain = policy_gain(trial, trial.plan, trial.plan, width=4, seed=3)
    assert (gain.mean, gain.low, gain.high) == (0.0, 0.0, 0.0)


def test_an_untried_channel_leaves_the_model_uncorrected_and_no_evidence(bandits: list[Bandit]) -> None:
    trial = bandits[0].trial
    kept = np.flatnonzero(trial.log.action // 168 != 2)
    found = policy_value(trial.narrowed(kept), np.full_like(trial.plan, 2 * 168 + 12), width=4, seed=1)
    assert found.effective == 0.0


@given(st.integers(0, 5), st.integers(0, 167), st.sampled_from(WIDTHS))
def test_an_action_lies_in_one_block_of_its_channel_and_kind_of_day(
    channel: int, slot: int, width: int
) -> None:
    action = np.array([channel * 168 + slot])
    block = int(block_of(action, width)[0])
    if not 8 <= slot % 24 < 21:
        assert block == -1
        return
    everything = np.arange(6 * 168)
    same = everything[block_of(everything, width) == block]
    assert action[0] in same
    assert set(same // 168) == {channel}
    assert {bool(other % 168 // 24 >= 5) for other in same} == {slot // 24 >= 5}
    assert np.ptp(same % 24) < width
    assert usual_shares(action, width)[same].sum() == pytest.approx(1.0)


def test_weights_average_to_one_under_full_exploration() -> None:
    rng = np.random.default_rng(4)
    lawful = [day * 24 + hour for day in range(7) for hour in range(8, 21)]
    count = 60_000
    slot, channel = rng.choice(lawful, count), rng.integers(0, 3, count)
    even, one = np.full(count, 1 / (3 * len(lawful))), np.ones(count)
    log = LoggedContacts(channel * 168 + slot, even, one, np.arange(count), np.zeros(count, np.int64))
    assert weights_for(log, np.full(count, 168 + 3 * 24 + 10), 4).mean() == pytest.approx(1.0, abs=0.05)
