"""Trees beside the random effects of hours: they find what no effect names, and leave alone what nobody tells."""

import numpy as np

from ml.arrays import Floats, Ints, Singles
from ml.boosting import sigmoid
from ml.slot_effects import Cells, Shape, SlotEffects
from ml.slot_fit import SlotRows, fit_slot_effects, replicate_slot_effects
from ml.slot_trees import PARTS, parts_of_debtors, tree_departures

SEGMENTS, RHYTHMS, CHANNELS = 6, 3, 2
SHAPE = Shape(SEGMENTS + 1, RHYTHMS + 1)
HOURS = np.arange(8, 20)
LEVEL = -1.5


def _contacts(rng: np.random.Generator, count: int) -> tuple[Cells, Ints]:
    slot = rng.integers(0, 7, count) * 24 + rng.choice(HOURS, count)
    cells = Cells(
        rng.integers(0, SEGMENTS, count),
        rng.integers(0, RHYTHMS, count),
        rng.integers(0, CHANNELS, count),
        slot,
    )
    return cells, rng.integers(0, count // 10, count)


def _unnamed(cells: Cells) -> Floats:
    """What a rhythm likes at an hour, on one channel alone: no factor crosses these three."""
    morning = np.where(cells.slot % 24 < 14, 1.0, -1.0)
    return np.where(cells.channel == 1, 0.9 * morning * (cells.rhythm - 1), 0.0)


def _fitted(cells: Cells, debtor: Ints, label: Floats, seed: int) -> tuple[SlotEffects, Floats]:
    effects, departures = _both(cells, debtor, label, np.ones(len(label)), seed)
    return effects, departures[cells.segment, cells.rhythm, cells.channel, cells.slot].astype(np.float64)


def _both(
    cells: Cells, debtor: Ints, label: Floats, weight: Floats, seed: int, threads: int = 1
) -> tuple[SlotEffects, Singles]:
    rows = SlotRows.of(cells, np.full(len(label), LEVEL), label, weight, SHAPE)
    effects, part = fit_slot_effects(rows), parts_of_debtors(debtor, seed)
    without = replicate_slot_effects(
        rows, effects, [(part != each).astype(np.float64) for each in range(PARTS)]
    )
    found = tree_departures(rows, part, effects, without, seed=seed, threads=threads)
    return effects, found


def test_together_they_come_nearer_to_what_no_factor_crosses() -> None:
    before, after = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        cells, debtor = _contacts(rng, 60_000)
        truth = _unnamed(cells)
        label = (rng.random(len(truth)) < sigmoid(LEVEL + truth)).astype(np.float64)
        effects, departed = _fitted(cells, debtor, label, seed)
        before.append(np.mean((effects.shift(cells) - truth) ** 2))
        after.append(np.mean((effects.shift(cells) + departed - truth) ** 2))
    assert np.mean(after) < 0.5 * np.mean(before)


def test_where_effects_are_all_there_is_trees_hardly_count() -> None:
    before, after = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        cells, debtor = _contacts(rng, 30_000)
        curves = np.cumsum(rng.normal(0, 0.25, (SEGMENTS, 24)), axis=1)
        truth = (curves - curves[:, HOURS].mean())[cells.segment, cells.slot % 24]
        label = (rng.random(len(truth)) < sigmoid(LEVEL + truth)).astype(np.float64)
        effects, departed = _fitted(cells, debtor, label, seed)
        before.append(np.mean((effects.shift(cells) - truth) ** 2))
        after.append(np.mean((effects.shift(cells) + departed - truth) ** 2))
    assert np.mean(after) < 1.05 * np.mean(before)


def test_where_there_is_nothing_to_find_nothing_is_added() -> None:
    rng = np.random.default_rng(5)
    cells, debtor = _contacts(rng, 20_000)
    label = (rng.random(len(debtor)) < sigmoid(np.full(len(debtor), LEVEL))).astype(np.float64)
    effects, departed = _fitted(cells, debtor, label, 5)
    noise = effects.shift(cells)
    together = noise + departed
    assert np.std(together) <= np.std(noise) + 0.01
    assert abs(np.mean(together) - np.mean(noise)) < 0.02


def test_what_a_drift_has_changed_is_told_as_of_now() -> None:
    """Half the history ago everybody liked the other half of the day: trees are told of it what effects make of it."""
    rng = np.random.default_rng(6)
    cells, debtor = _contacts(rng, 60_000)
    past = rng.integers(0, 9, len(debtor))
    cells = Cells(cells.segment, cells.rhythm, cells.channel, cells.slot, past)
    now = np.where(cells.slot % 24 < 14, 0.8, -0.8)
    label = (rng.random(len(now)) < sigmoid(LEVEL + now * (1 - 2 * past / 8))).astype(np.float64)
    effects, departed = _fitted(cells, debtor, label, 6)
    before, after = (
        np.mean((shift - now) ** 2) for shift in (effects.shift(cells), effects.shift(cells) + departed)
    )
    assert after < 1.1 * before


def test_channels_and_hours_nobody_tells_of_stay_as_the_effects_have_them() -> None:
    rng = np.random.default_rng(7)
    cells, debtor = _contacts(rng, 5_000)
    label = (rng.random(len(debtor)) < 0.2).astype(np.float64)
    weight = (cells.channel == 0).astype(np.float64)
    _, found = _both(cells, debtor, label, weight, 7)
    assert found.shape == (SEGMENTS + 1, RHYTHMS + 1, 6, 168)
    assert not found[:, :, 1:].any()
    assert not found[..., np.setdiff1d(np.arange(168), np.unique(cells.slot))].any()
    assert found[:, :, 0].any()
    for nobody, told in ((debtor, 0.0 * weight), (0 * debtor, weight)):
        _, nothing = _both(cells, nobody, label, told, 7)
        assert not nothing.any()


def test_the_same_contacts_give_the_same_trees_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(8)
    cells, debtor = _contacts(rng, 20_000)
    label = (rng.random(len(debtor)) < 0.2).astype(np.float64)
    weight = np.ones(len(label))
    (_, one), (_, other) = (_both(cells, debtor, label, weight, 8, threads) for threads in (1, 2))
    np.testing.assert_array_equal(one, other)
