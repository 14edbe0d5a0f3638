"""One contract over every model, and each against a truth it should find."""

import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ml.amount import fit_paid_share
from ml.arrays import Floats, Ints
from ml.boosting import Growing, confirmed_rounds, grow, logit, margin, sigmoid
from ml.calibration import fit_platt
from ml.censoring import matured_labels, maturity_horizon
from ml.evaluation import log_loss
from ml.funnel import STAGE_A, Lesson, fit_staged
from ml.hazard import BINS, edges_where, fit_hazard, kaplan_meier
from ml.lessons import Watch, awaited_shares
from ml.outcomes import CHANNELS
from ml.reaction_time import EDGES, fit_reaction_time, seconds_at
from ml.rhythm import BLOCKS, Settled, fit_rhythms
from ml.slot_effects import HOURS, Cells, Shape, no_effects, parts_of, size_of, terms_of
from ml.slot_fit import SlotRows, fit_slot_effects
from tests.ml.factories import model

SHAPE = Shape(4, 1)
DAY = 86_400.0


def _cells(rng: np.random.Generator, count: int) -> Cells:
    slot = rng.integers(0, 7, count) * 24 + rng.integers(8, 21, count)
    return Cells(rng.integers(0, 3, count), np.zeros(count, dtype=np.int64), rng.integers(0, 3, count), slot)


def _staged(label: Floats, weight: Floats, rng: np.random.Generator) -> Callable[[], Floats]:
    count = len(label)
    cells = _cells(rng, count)
    matrix = rng.normal(size=(count, 3)).astype(np.float32)
    lesson = Lesson(matrix, cells, label, weight, rng.integers(0, 50, count), [], SHAPE)

    def run() -> Floats:
        return sigmoid(fit_staged(lesson, draws=2, seed=1, threads=1).margins(matrix, cells, 1))

    return run


def _reaction(label: Floats, weight: Floats, rng: np.random.Generator) -> Callable[[], Floats]:
    cells = _cells(rng, len(label))
    seconds = np.where(label > 0, rng.exponential(3_600, len(label)), np.inf)
    followed = np.full(len(label), 40 * DAY)
    debtor = rng.integers(0, 50, len(label))

    def run() -> Floats:
        fitted = fit_reaction_time(cells, seconds, followed, weight, debtor, seed=1, threads=1)
        return fitted.curve(cells, 1)

    return run


def _share(label: Floats, weight: Floats, rng: np.random.Generator) -> Callable[[], Floats]:
    matrix = rng.normal(size=(len(label), 2)).astype(np.float32)
    owed = rng.uniform(10, 100, len(label))

    def run() -> Floats:
        fitted = fit_paid_share(matrix, label * owed * 0.6, owed, weight, categorical=[], seed=1, threads=1)
        return fitted.share(matrix, 1)

    return run


def _platt(label: Floats, weight: Floats, rng: np.random.Generator) -> Callable[[], Floats]:
    margins, channel = rng.normal(-2, 1, len(label)), rng.integers(0, 6, len(label))

    def run() -> Floats:
        return sigmoid(fit_platt(margins, label, weight, channel).apply(margins, channel))

    return run


def _effects(label: Floats, weight: Floats, rng: np.random.Generator) -> Callable[[], Floats]:
    cells = _cells(rng, len(label))

    def run() -> Floats:
        return sigmoid(
            fit_slot_effects(SlotRows.of(cells, np.zeros(len(label)), label, weight, SHAPE)).shift(cells)
        )

    return run


MODELS = {
    "staged": _staged,
    "reaction time": _reaction,
    "paid share": _share,
    "platt": _platt,
    "slot effects": _effects,
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("case", ["usual", "empty", "one row", "all zero", "all one", "nothing known"])
def test_every_model_fits_anything_and_gives_probabilities_the_same_each_time(name: str, case: str) -> None:
    rng = np.random.default_rng(5)
    count = {"empty": 0, "one row": 1}.get(case, 1200)
    label = (rng.random(count) < 0.3).astype(np.float64)
    label = {"all zero": label * 0, "all one": label * 0 + 1}.get(case, label)
    weight = np.zeros(count) if case == "nothing known" else np.ones(count)
    run = MODELS[name](label, weight, rng)
    first = run()
    assert first.shape[0] == count
    assert np.isfinite(first).all()
    assert ((first >= 0) & (first <= 1)).all()
    np.testing.assert_array_equal(first, run())


def test_training_twice_gives_the_same_bytes() -> None:
    from ml.recipe import train
    from tests.ml.factories import SEED, history

    first = model()
    again = train(history(), as_of=history().as_of, seed=SEED, threads=2)
    assert first.conversion.templates.equals(again.conversion.templates)
    for name, step in first.conversion.steps.items():
        other = again.conversion.steps[name]
        assert pickle.dumps(step.staged.effects) == pickle.dumps(other.staged.effects), name
        mine, theirs = step.staged.stage_a, other.staged.stage_a
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            assert _trees(mine.model_to_string()) == _trees(theirs.model_to_string()), name


def _trees(text: str) -> str:
    return text.partition("\nparameters:")[0]


def test_slot_effects_find_the_hours_of_a_world_and_leave_a_flat_one_flat() -> None:
    rng = np.random.default_rng(0)
    cells = _cells(rng, 60_000)
    hour = cells.slot % 24
    truth = -1.5 + 0.8 * np.cos((hour - 18) / 24 * 2 * np.pi) + 0.5 * ((cells.segment == 1) & (hour < 12))
    label = (rng.random(60_000) < sigmoid(truth)).astype(np.float64)
    fitted = fit_slot_effects(SlotRows.of(cells, np.zeros(60_000), label, np.ones(60_000), SHAPE))
    assert np.sqrt(np.mean((fitted.shift(cells) - truth) ** 2)) < 0.09
    flat = (rng.random(60_000) < 0.2).astype(np.float64)
    none = fit_slot_effects(SlotRows.of(cells, np.zeros(60_000), flat, np.ones(60_000), SHAPE))
    assert np.std(none.shift(cells)) < 0.08


def test_a_shift_of_tastes_is_followed_to_the_present() -> None:
    rng = np.random.default_rng(1)
    cells = _cells(rng, 40_000)
    past = rng.integers(0, 9, 40_000)
    evening = cells.slot % 24 >= 15
    truth = -1.5 + np.where(past < 4, 0.8, -0.8) * np.where(evening, 1, -1)
    label = (rng.random(40_000) < sigmoid(truth)).astype(np.float64)
    dated = Cells(cells.segment, cells.rhythm, cells.channel, cells.slot, past)
    ones, start = np.ones(40_000), np.zeros(40_000)
    followed = fit_slot_effects(SlotRows.of(dated, start, label, ones, SHAPE)).shift(cells)
    blurred = fit_slot_effects(SlotRows.of(cells, start, label, ones, SHAPE)).shift(cells)

    def edge(shift: Floats) -> float:
        return float(shift[evening].mean() - shift[~evening].mean())

    assert edge(followed) > 0.9
    assert edge(blurred) < 0.4


def test_hours_chosen_well_of_late_are_not_taken_for_what_debtors_are_like() -> None:
    """Half of the contacts were sent at any hour, the others, of older debts, nearly always at the best: older debts
    and younger answer alike, and 18:00 three times as much."""
    rng = np.random.default_rng(6)
    count = 40_000
    age = rng.random(count)
    cells = _cells(rng, count)
    well = (age > 0.5) & (rng.random(count) < 0.95)
    slot = np.where(well, cells.slot // 24 * 24 + 18, cells.slot)
    cells = Cells(cells.segment, cells.rhythm, cells.channel, slot)
    label = (rng.random(count) < sigmoid(-2.0 + np.log(3.0) * (slot % 24 == 18))).astype(np.float64)
    matrix = np.column_stack([age, rng.random(count)]).astype(np.float32)
    lesson = Lesson(matrix, cells, label, np.ones(count), np.arange(count), [], SHAPE)
    staged = fit_staged(lesson, draws=0, seed=1, threads=1)
    margins = staged.margin_a(matrix, cells.channel, 1)
    assert abs(margins[age > 0.5].mean() - margins[age <= 0.5].mean()) < 0.15
    hours = (
        staged.table(np.arange(3), np.arange(3), None)[:, 0, :, :120]
        .reshape(3, 3, 5, 24)
        .mean(axis=(0, 1, 2))
    )
    assert hours[18] - hours[9:17].mean() == pytest.approx(np.log(3.0), abs=0.2)


def test_a_small_segment_leans_on_what_all_share() -> None:
    rng = np.random.default_rng(2)
    cells = _cells(rng, 20_000)
    small = np.arange(20_000) < 12
    cells = Cells(np.where(small, 2, cells.segment % 2), cells.rhythm, cells.channel, cells.slot)
    label = (rng.random(20_000) < np.where(cells.slot % 24 >= 17, 0.4, 0.1)).astype(np.float64)
    label[small] = 1.0
    shift = fit_slot_effects(SlotRows.of(cells, np.zeros(20_000), label, np.ones(20_000), SHAPE)).table(
        np.arange(4), np.arange(3)
    )
    late, early = 18, 9
    assert shift[2, 0, 0, late] > shift[2, 0, 0, early] + 0.8
    assert abs(shift[3, 0, 0, late] - shift[:2, 0, 0, late].mean()) < 0.3


def test_replicates_spread_as_sampling_does() -> None:
    rng = np.random.default_rng(3)
    count = 6_000
    cells = _cells(rng, count)
    label = (rng.random(count) < 0.25).astype(np.float64)
    lesson = Lesson(
        np.zeros((count, 1), np.float32), cells, label, np.ones(count), np.arange(count), [], SHAPE
    )
    fitted = fit_staged(lesson, draws=8, seed=0, threads=1)
    mean_rates = [
        sigmoid(draw.shift(cells) + fitted.margin_a(lesson.matrix, cells.channel, 1)).mean()
        for draw in fitted.draws
    ]
    assert 0.3 < np.std(mean_rates) / np.sqrt(0.25 * 0.75 / count) < 3.0


def test_a_table_tells_each_cell_what_a_contact_there_is_told() -> None:
    rng = np.random.default_rng(4)
    names = ("EARLY-CARD", "EARLY-LOAN", "LATE-CARD", "LATE-LOAN", "MID-CARD", "MID-LOAN")
    shape = Shape(segments=7, rhythms=3, parts=parts_of(names))
    effects = replace(
        no_effects(shape),
        intercept=-1.5,
        effects=tuple(rng.normal(size=size_of(term, shape)) for term in terms_of(shape)),
    )
    segments, channels = np.array([6, 0, 3]), np.array([4, 1])
    table = effects.table(segments, channels)
    assert table.shape == (3, 3, 2, HOURS)
    at = [rng.integers(0, size, 500) for size in table.shape]
    cells = Cells(segments[at[0]], at[1], channels[at[2]], at[3])
    assert np.array_equal(table[tuple(at)], effects.shift(cells))


def test_effects_of_nothing_are_nothing() -> None:
    assert not no_effects(SHAPE).table(np.arange(4), np.arange(6)).any()
    assert no_effects(SHAPE).table(np.arange(4), np.arange(6)).shape == (4, 1, 6, HOURS)


def test_segment_names_are_taken_apart_only_where_they_share_parts() -> None:
    parts = parts_of(["EARLY-CARD", "EARLY-LOAN", "LATE-CARD", "LATE-LOAN"])
    assert parts == ((0, 0, 1, 1, 2), (0, 1, 0, 1, 2))
    assert parts_of(["A", "B", "C", "D"]) == ()
    assert parts_of(["A-1", "B-2", "C-3", "D-4"]) == ()


def test_kaplan_meier_by_hand() -> None:
    times, survival = kaplan_meier(
        np.array([1.0, 3.0, np.inf, 3.0, np.inf]), np.array([9.0, 9.0, 2.0, 9.0, 9.0])
    )
    assert times.tolist() == [1.0, 3.0]
    np.testing.assert_allclose(survival, [4 / 5, 4 / 5 * 1 / 3])


def test_reaction_times_agree_with_kaplan_meier_under_censoring() -> None:
    rng = np.random.default_rng(4)
    count = 30_000
    cells = Cells(
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        rng.integers(0, 2, count),
        rng.integers(0, 168, count),
    )
    true = np.exp(rng.normal(np.where(cells.channel == 0, 8.0, 10.5), 1.2))
    true = np.where(rng.random(count) < 0.4, true, np.inf)
    followed = rng.uniform(0, 60, count) * DAY
    seconds = np.where(true <= followed, true, np.inf)
    fitted = fit_reaction_time(cells, seconds, followed, np.ones(count), np.arange(count), seed=1, threads=1)
    curve = fitted.curve(cells, 1)
    assert curve.shape == (count, BINS)
    np.testing.assert_allclose(curve[:, -1], 1.0)
    for channel in (0, 1):
        mine = cells.channel == channel
        times, survival = kaplan_meier(seconds[mine], followed[mine])
        ever = 1 - survival[np.searchsorted(times, 30 * DAY) - 1]
        for edge in (10, 14, 17):
            place = np.searchsorted(times, EDGES[edge + 1], side="right") - 1
            observed = (1 - survival[place]) / ever if place >= 0 else 0.0
            assert curve[mine, edge].mean() == pytest.approx(observed, abs=0.02)
        median = np.median(seconds_at(curve[mine], 0.5))
        assert median == pytest.approx(np.median(true[mine & np.isfinite(true) & (true < 30 * DAY)]), rel=0.1)


def test_a_hazard_finds_who_waits_longer_whatever_is_censored() -> None:
    rng = np.random.default_rng(8)
    count = 8_000
    matrix = rng.normal(size=(count, 3)).astype(np.float32)
    pace = np.exp(0.8 * matrix[:, 0].astype(np.float64))
    true = rng.exponential(100.0 / pace)
    followed = rng.uniform(20.0, 300.0, count)
    seconds = np.where(true <= followed, true, np.inf)
    nobody = np.zeros(count, dtype=np.int64)
    fitted = fit_hazard(
        matrix, nobody, seconds, followed, np.ones(count), np.arange(count),
        edges=edges_where(seconds, followed), groups=1, **GROWING,
    )  # fmt: skip
    new = rng.normal(size=(2_000, 3)).astype(np.float32)
    at = np.array([15.0, 60.0, 150.0])
    truth = np.exp(-at[None, :] * np.exp(0.8 * new[:, :1].astype(np.float64)) / 100.0)
    waiting = fitted.waiting(new, nobody[:2_000], at, 1)
    assert np.abs(waiting - truth).mean() < 0.04
    assert np.abs(waiting.mean(0) - truth.mean(0)).max() < 0.02
    assert (np.diff(waiting, axis=1) <= 0).all()


def test_without_events_a_hazard_is_small_and_flat() -> None:
    nothing = np.zeros(30, dtype=np.int64)
    never, followed = np.full(30, np.inf), np.full(30, 9.0)
    edges = edges_where(never, followed)
    matrix = np.zeros((30, 1), dtype=np.float32)
    fitted = fit_hazard(
        matrix, nothing, never, followed, np.ones(30), np.arange(30), edges=edges, groups=1, **GROWING
    )
    assert (fitted.waiting(matrix, nothing, np.array([9.0]), 1) > 0.98).all()


def test_a_slow_channel_of_few_reactions_is_not_drawn_to_the_fast_ones() -> None:
    rng = np.random.default_rng(9)
    count = 6_000
    slow = np.arange(count) < 150
    cells = Cells(
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        slow.astype(np.int64),
        rng.integers(0, 168, count),
    )
    seconds = np.exp(rng.normal(np.where(slow, 12.5, 7.0), np.where(slow, 0.3, 1.0)))
    fitted = fit_reaction_time(
        cells, seconds, np.full(count, 60 * DAY), np.ones(count), np.arange(count), seed=1, threads=1
    )
    curve = fitted.curve(cells.take(np.flatnonzero(slow)), 1).mean(axis=0)
    early = np.searchsorted(EDGES, 0.5 * DAY) - 1
    assert curve[early] < 0.02
    assert fitted.spans(cells.take(np.array([0])))[0][0] == pytest.approx(np.exp(12.5), rel=0.25)


def test_labels_of_matured_contacts_are_free_of_the_bias_of_young_ones() -> None:
    rng = np.random.default_rng(5)
    count = 40_000
    true = np.where(rng.random(count) < 0.3, rng.exponential(6 * DAY, count), np.inf)
    followed = rng.uniform(0, 60, count) * DAY
    seen = np.where(true <= followed, true, np.inf)
    longest = maturity_horizon(seen, followed, np.ones(count), 30 * DAY)
    assert longest == pytest.approx(27 * DAY, rel=0.12)
    label, matured = matured_labels(seen, followed, np.full(count, longest))
    target = np.mean(true <= 30 * DAY)
    assert label[matured].mean() == pytest.approx(target, rel=0.03)
    assert np.mean(seen <= 30 * DAY) < 0.93 * target
    recent = followed < np.quantile(followed[matured], 0.2)
    assert label[matured & recent].mean() == pytest.approx(target, rel=0.06)


def test_a_horizon_counts_events_by_their_mass() -> None:
    seconds = np.concatenate([np.full(300, 3 * DAY), np.full(300, 20 * DAY)])
    followed = np.full(600, 60 * DAY)
    mass = np.concatenate([np.ones(300), np.full(300, 0.001)])
    assert maturity_horizon(seconds, followed, mass, 30 * DAY) == 3 * DAY
    assert maturity_horizon(seconds, followed, np.ones(600), 30 * DAY) == 20 * DAY
    assert maturity_horizon(seconds[:20], followed[:20], mass[:20], 30 * DAY) == 30 * DAY


def test_what_comes_after_the_horizon_is_known_per_channel_that_tells_enough() -> None:
    rng = np.random.default_rng(9)
    count = 60_000
    channel = rng.choice([0, 1, 2], count, p=[0.6, 0.3995, 0.0005])
    true = rng.exponential(np.array([2.0, 5.0, 5.0])[channel] * DAY)
    followed = rng.uniform(0, 80, count) * DAY
    watch = Watch(np.arange(count), np.where(true <= followed, true, np.inf), followed, np.ones(count))
    horizons = np.full(len(CHANNELS), 10.0 * DAY)
    shares = awaited_shares(watch, horizons, channel, np.ones(count))
    within = 1 - np.exp(-10 / np.array([2.0, 5.0]))
    assert shares[:2] == pytest.approx(within / (1 - np.exp(-30 / np.array([2.0, 5.0]))), abs=0.012)
    assert shares[2:].tolist() == [1.0] * 4


_EVEN = np.ones((len(CHANNELS), BLOCKS))


def _settled(chance: Floats, block: Ints, expected: Floats, rng: np.random.Generator) -> Settled:
    """Contacts answered at a chance, in blocks of the week, where everybody answers as expected: (debtors, sends) each;
    the k-th of a debtor is settled at instant k."""
    debtors, sends = chance.shape
    debtor, at = np.repeat(np.arange(debtors), sends), np.tile(np.arange(sends), debtors)
    answered = (rng.random(chance.shape) < chance).astype(np.float64)
    surprise, information = answered - expected, expected * (1.0 - expected)
    return Settled(debtor, block.ravel(), at, surprise.ravel(), information.ravel())


def test_rhythms_are_told_apart_by_when_people_answer_not_by_how_often() -> None:
    rng = np.random.default_rng(7)
    debtors, sends = 1500, 60
    early = np.arange(debtors) % 2 == 0
    eager = np.arange(debtors) % 3 == 0
    block = rng.integers(2, 8, (debtors, sends))
    likes = np.where(early[:, None], block < 5, block >= 5)
    chance = np.where(likes, 0.3, 0.06) * np.where(eager[:, None], 1.5, 0.7)
    settled = _settled(chance, block, np.full(chance.shape, chance.mean()), rng)
    rhythms = fit_rhythms(settled, _EVEN * chance.mean(), clusters=2, seed=1)
    code = rhythms.codes_of(settled, np.arange(debtors), np.full(debtors, sends))
    agreement = np.mean((code == 0) == early)
    assert max(agreement, 1 - agreement) > 0.85
    assert abs(np.corrcoef(code, eager)[0, 1]) < 0.15


def test_rhythms_show_in_few_contacts_of_which_most_were_in_office_hours() -> None:
    rng = np.random.default_rng(3)
    debtors, sends = 6_000, 10
    evening = np.arange(debtors) % 3 == 0
    block = rng.choice(8, (debtors, sends), p=[0, 0, 0.04, 0.4, 0.3, 0.16, 0.06, 0.04])
    own = np.where(evening[:, None], np.where(block >= 6, 1.4, -0.5), np.where(block >= 6, -0.9, 0.25))
    chance = sigmoid(-1.4 + own + rng.normal(0, 0.8, (debtors, 1)))
    base = np.array([chance[block == each].mean() if (block == each).any() else 0.2 for each in range(8)])
    settled = _settled(chance, block, base[block], rng)
    rhythms = fit_rhythms(settled, _EVEN * 0.2, clusters=4, seed=1)
    code = rhythms.codes_of(settled, np.arange(debtors), np.full(debtors, sends))
    shares = np.array([evening[code == each].mean() for each in np.unique(code)])
    sizes = np.bincount(code)[np.unique(code)] / debtors
    assert np.sqrt(np.sum(sizes * (shares - 1 / 3) ** 2)) > 0.1


def test_one_debtor_with_thousands_of_contacts_does_not_drown_the_others() -> None:
    rng = np.random.default_rng(3)
    block = rng.integers(2, 8, (2_000, 20))
    early = np.where(block < 5, 0.8, -0.8) * np.where(np.arange(2_000) % 2, 1.0, -1.0)[:, None]
    usual = _settled(sigmoid(-1.0 + early), block, np.full(block.shape, 0.27), rng)
    odd_block = rng.integers(2, 8, (1, 5_000))
    odd = _settled(np.where(odd_block % 2, 0.9, 0.05), odd_block, np.full(odd_block.shape, 0.27), rng)
    both = Settled(**{name: np.concatenate([each, getattr(odd, name)]) for name, each in vars(usual).items()})
    of_the_odd_one = np.concatenate([np.zeros(len(usual.debtor)), np.full(odd_block.size, 2_000)])
    alone, among = (
        fit_rhythms(settled, _EVEN * 0.27, clusters=2, seed=1)
        for settled in (usual, replace(both, debtor=(both.debtor + of_the_odd_one).astype(np.int64)))
    )
    main, still = alone.directions[1], among.directions[1]
    assert abs(main @ still) / np.sqrt((main @ main) * (still @ still)) > 0.99


def test_people_who_differ_in_how_often_alone_have_no_rhythms_to_speak_of() -> None:
    rng = np.random.default_rng(5)
    debtors, sends = 4_000, 20
    block = rng.integers(2, 8, (debtors, sends))
    chance = sigmoid(-1.5 + np.repeat(rng.normal(0, 1.0, (debtors, 1)), sends, axis=1))
    settled = _settled(chance, block, np.full(chance.shape, chance.mean()), rng)
    rhythms = fit_rhythms(settled, _EVEN * chance.mean(), clusters=4, seed=1)
    assert np.abs(rhythms.directions[0]).max() > 0.7
    if len(rhythms.centres):
        assert np.abs(rhythms.centres @ rhythms.directions[1:]).max() < 0.15


@pytest.mark.parametrize("kinds", [1, 2])
def test_debtors_with_the_same_record_have_the_same_rhythm_however_few_records_there_are(kinds: int) -> None:
    kind = np.arange(300) % kinds
    block = np.tile([3, 3, 6, 6], (300, 1))
    chance = ((block == 3) == (kind[:, None] == 0)).astype(np.float64)
    settled = _settled(chance, block, np.full(chance.shape, 0.2), np.random.default_rng(1))
    rhythms = fit_rhythms(settled, _EVEN * 0.2, clusters=4, seed=1)
    code = rhythms.codes_of(settled, np.arange(300), np.full(300, 4))
    assert len(rhythms.centres) == kinds
    assert len(np.unique(np.column_stack([kind, code]), axis=0)) == kinds
    assert len(np.unique(code)) == kinds


GROWING: Growing = {"categorical": [], "seed": 1, "threads": 1}


def test_trees_stop_before_they_learn_few_payments_by_heart() -> None:
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(12_000, 12)).astype(np.float32)
    debtor = rng.integers(0, 3_000, 12_000)
    truth = sigmoid(-2.5 + 0.5 * matrix[:, 0].astype(np.float64))
    label = (rng.random(12_000) < truth).astype(np.float64)
    learned, later = np.arange(8_000), np.arange(8_000, 12_000)
    ones = np.ones(8_000)
    even = np.full(8_000, logit(label[learned].mean()))
    rounds = confirmed_rounds(
        matrix[learned], label[learned], ones, debtor[learned], settings=STAGE_A, init_score=even, **GROWING
    )

    def loss(count: int) -> float:
        trees = grow(
            matrix[learned], label[learned], ones, settings=replace(STAGE_A, rounds=count), **GROWING
        )
        return float(log_loss(sigmoid(margin(trees, matrix[later], 1)), label[later]).mean())

    assert 1 <= rounds < STAGE_A.rounds / 2
    assert loss(rounds) < loss(STAGE_A.rounds)


def test_rounds_are_all_used_where_there_is_much_to_learn() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(20_000, 4)).astype(np.float32)
    odds = np.sin(2.0 * matrix[:, 0]) * matrix[:, 1] + np.sin(2.0 * matrix[:, 2]) * matrix[:, 3]
    truth = sigmoid(3.0 * odds)
    label = (rng.random(20_000) < truth).astype(np.float64)
    ones, nobody_twice = np.ones(20_000), np.arange(20_000)
    rounds = confirmed_rounds(
        matrix, label, ones, nobody_twice, settings=STAGE_A, init_score=np.zeros(20_000), **GROWING
    )
    assert rounds == STAGE_A.rounds
