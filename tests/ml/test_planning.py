"""Plans under limits: as good as trying every plan, never beyond a limit, the same under a seed."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.planning import NOBODY, Limits, assign, hold_out, trim

INF = float("inf")
limits_of_two = st.tuples(
    st.sampled_from([INF, 0, 1, 2]), st.sampled_from([INF, 0, 1, 2, 3]), st.sampled_from([INF, 0.0, 1.0, 2.5])
)


def value(worth: np.ndarray, option: np.ndarray) -> float:
    flat = worth.reshape(len(worth), -1)
    return float(sum(flat[row, one] for row, one in enumerate(option) if one != NOBODY))


def used(option: np.ndarray, channels: int, days: int) -> np.ndarray:
    return np.bincount(option[option >= 0], minlength=channels * days).reshape(channels, days)


def holds(option: np.ndarray, cost: np.ndarray, limits: Limits, days: int) -> bool:
    count = used(option, len(cost), days)
    return (
        bool((count <= limits.per_day[:, None]).all())
        and bool((count.sum(axis=1) <= limits.total).all())
        and float(count.sum(axis=1) @ cost) <= limits.budget + 1e-6
    )


def best_by_trying(worth: np.ndarray, cost: np.ndarray, limits: Limits) -> float:
    count, channels, days = worth.shape
    best = 0.0
    for plan in itertools.product(range(-1, channels * days), repeat=count):
        option = np.array(plan)
        found = value(worth, option)
        if found > best and holds(option, cost, limits, days):
            best = found
    return best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), limits_of_two, limits_of_two)
def test_small_plans_are_as_good_as_trying_every_plan(seed: int, one: tuple, other: tuple) -> None:
    rng = np.random.default_rng(seed)
    worth = np.where(rng.random((4, 2, 2)) < 0.2, -np.inf, rng.normal(2, 2, (4, 2, 2)))
    cost = np.array([0.0, 1.0])
    limits = Limits(np.array([one[0], other[0]]), np.array([one[1], other[1]]), one[2])
    made = assign(worth, cost, limits, seed=seed)
    best = best_by_trying(worth, cost, limits)
    assert holds(made.option, cost, limits, 2)
    assert value(worth, made.option) <= best + 1e-9 <= made.bound + 1e-6
    # Only the budget can make the program's plan fractional: then one contact may be missed.
    slack = (
        0.0 if limits.budget in (INF, 0.0) else float(np.where(np.isfinite(worth), worth, 0).max(initial=0))
    )
    assert value(worth, made.option) >= best - slack - 1e-6


def random_plan(seed: int, count: int, days: int = 7) -> tuple[np.ndarray, np.ndarray, Limits]:
    rng = np.random.default_rng(seed)
    taste = rng.normal(0, 1, (1, 4, days)) + rng.normal(0, 1, (count, 4, 1))
    worth = rng.lognormal(1, 1, (count, 1, 1)) * (0.3 + 0.3 * taste + rng.normal(0, 0.2, (count, 4, days)))
    worth[rng.random(worth.shape) < 0.2] = -np.inf
    per_day = np.array([INF, count // 40, count // 60, count // 100])
    total = np.array([INF, count // 8, INF, count // 16])
    return worth, np.array([0.0, 0.05, 0.5, 1.0]), Limits(per_day, total, count * 0.08)


@pytest.mark.parametrize("seed", range(2))
def test_prices_plan_within_one_per_cent_of_the_linear_program(seed: int) -> None:
    worth, cost, limits = random_plan(seed, 1500)
    exact = assign(worth, cost, limits, seed=seed, exact=True)
    priced = assign(worth, cost, limits, seed=seed, exact=False)
    assert (exact.method, priced.method) == ("LINEAR_PROGRAM", "LAGRANGIAN")
    assert value(worth, priced.option) >= 0.99 * exact.bound
    assert value(worth, exact.option) >= 0.998 * exact.bound
    assert priced.bound >= exact.bound - 1e-6 * abs(exact.bound)
    for made in (exact, priced):
        assert holds(made.option, cost, limits, 7)
    again = assign(worth, cost, limits, seed=seed, exact=False)
    assert (again.option == priced.option).all()


def test_a_sample_of_very_many_debtors_prices_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.planning._SAMPLE", 1000)
    worth, cost, limits = random_plan(5, 3000)
    priced = assign(worth, cost, limits, seed=1, exact=False)
    assert holds(priced.option, cost, limits, 7)
    assert value(worth, priced.option) >= 0.98 * assign(worth, cost, limits, seed=1, exact=True).bound


def test_without_limits_everybody_gets_the_best_and_nobody_what_is_worth_nothing() -> None:
    worth = np.array([[[1.0, 3.0]], [[-1.0, -2.0]], [[-np.inf, 0.0]]])
    free = Limits(np.array([INF]), np.array([INF]), INF)
    made = assign(worth, np.array([1.0]), free, seed=0)
    assert made.option.tolist() == [1, NOBODY, NOBODY]
    assert made.method == "UNLIMITED"
    nothing = Limits(np.array([0.0]), np.array([INF]), INF)
    assert assign(worth, np.array([1.0]), nothing, seed=0).option.tolist() == [NOBODY] * 3
    assert assign(worth[:0], np.array([1.0]), nothing, seed=0).option.tolist() == []


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9), st.floats(0, 0.9), st.integers(0, 30), st.integers(0, 60))
def test_what_is_not_held_out_fits_the_limits(seed: int, share: float, per_day: int, total: int) -> None:
    rng = np.random.default_rng(seed)
    worth = rng.random((80, 2, 3))
    limits = Limits(np.array([per_day, INF]), np.array([total, 40.0]), INF)
    cost = np.zeros(2)
    made = assign(worth, cost, limits.widened(share), seed=seed, exact=False)
    held = hold_out(made.option, share, cost, 3, seed=seed)
    kept = np.where(held, NOBODY, made.option)
    assert not held[made.option == NOBODY].any()
    assert abs(held.sum() - share * (made.option >= 0).sum()) <= 1
    trimmed = trim(kept, worth, cost, limits)
    assert holds(trimmed, cost, limits, 3)
    assert (trimmed == kept).sum() >= len(kept) - 1  # a float's last digit at most


def test_everybody_is_held_out_with_the_same_probability() -> None:
    option = np.repeat(np.arange(6), 7)
    often = np.mean(
        [hold_out(option, 0.1, np.array([1.0, 0.5]), 3, seed=seed) for seed in range(4000)], axis=0
    )
    assert np.abs(often - 0.1).max() < 4.5 * np.sqrt(0.09 / 4000)


@pytest.mark.parametrize("seed", range(12))
def test_a_budget_beyond_by_one_call_gives_up_one_call_not_hundreds_of_messages(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = rng.lognormal(3, 1, (1500, 1, 1)) * np.array([0.5, 0.6, 1.0])[None, :, None]
    worth = worth * rng.uniform(0.8, 1.2, (1500, 3, 7))
    cost = np.array([0.0012, 0.08, 1.5])
    limits = Limits(np.full(3, INF), np.full(3, INF), 25.0)
    option = assign(worth, cost, limits.widened(0.1), seed=seed).option
    held = hold_out(option, 0.1, cost, 7, seed=seed)
    kept = np.where(held, NOBODY, option)
    trimmed = trim(kept, worth, cost, limits)
    assert holds(trimmed, cost, limits, 7)
    assert ((kept != NOBODY) & (trimmed == NOBODY)).sum() <= 2
    assert (trimmed[trimmed != NOBODY] == kept[trimmed != NOBODY]).all()
