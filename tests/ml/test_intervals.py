"""Intervals of expected money hold what contacts are truly worth about as often as they say."""

from datetime import UTC, date, datetime, time
from functools import cache

import numpy as np
import pytest

from ml.actions import Action, SegmentRecommendation
from ml.arrays import Floats
from ml.boosting import sigmoid
from ml.decisions import segment_recommendations
from ml.frames import History
from ml.intervals import likely_range, ninety_per_cent
from ml.local_time import DAY_SECONDS, MICROSECONDS
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.recipe import train
from ml.simulator import CHANNELS as WORLD_CHANNELS
from ml.simulator import PRESETS, SimulatedWorld, simulate
from ml.slot_effects import Cells, Shape
from ml.slot_fit import SlotRows, fit_slot_effects, replicate_slot_effects
from ml.standing import Panel
from ml.values import month_of

END = date(2026, 5, 1)
NOW = datetime.combine(END, time(), UTC)
SEGMENTS = 30
ONE = np.ones(1)


@cache
def overseas() -> tuple[SimulatedWorld, History, TrainedModel]:
    """A world in which people pay more readily around the first of the month."""
    made = simulate(1_500, 3, END, PRESETS["overseas"])
    known = History.from_facts(made.facts, as_of=NOW, currency=made.world.home_currency)
    return made, known, train(known, as_of=NOW, seed=7)


def _panel(model: TrainedModel) -> Panel:
    assert model.panel is not None
    return model.panel


def _actions(answer: SegmentRecommendation) -> list[Action]:
    said = answer.recommendation
    return [*([said.best] if said.best else []), *said.alternatives]


def _worth(answer: SegmentRecommendation, action: Action) -> dict[str, float]:
    """By currency, the true mean over those whom the contact can reach, on a mean day of the month."""
    made, _, model = overseas()
    standing, channel = _panel(model).standing, np.array(WORLD_CHANNELS.index(action.channel))
    who, mine = (
        made.truth.rows(standing.keys.to_list()),
        standing.segment == model.segments.index(answer.segment),
    )
    mine &= made.truth.reachable[who, channel] & made.truth.active[who]
    mine &= standing.reachable[:, CHANNELS.index(action.channel)]
    worth = made.truth.value(who, channel, np.array(action.hour_of_week)) / standing.rate
    currency = standing.currency.to_numpy()
    return {name: float(worth[mine & (currency == name)].mean()) for name in set(currency[mine].tolist())}


def test_nine_in_ten_intervals_hold_the_truth_and_the_others_do_not_all_miss_it_on_one_side() -> None:
    below, above, told = 0, 0, 0
    for answer in segment_recommendations(overseas()[2], now=NOW):
        for action in _actions(answer):
            worth = _worth(answer, action)
            for estimate in action.expected.net:
                if estimate.currency in worth:
                    below += worth[estimate.currency] < float(estimate.low)
                    above += worth[estimate.currency] > float(estimate.high)
                    told += 1
    assert told > 250
    assert 0.87 <= 1 - (below + above) / told <= 0.97
    assert max(below, above) / told <= 0.09


def test_what_is_told_of_a_segment_is_of_a_mean_day_of_the_month() -> None:
    _, known, model = overseas()
    book, everyone = model.casebook(known), np.arange(200)
    first, tenth = (
        month_of(model, book, everyone, int((NOW.timestamp() + days * DAY_SECONDS) * MICROSECONDS))["moved"]
        for days in (1, 9)
    )
    voice = CHANNELS.index("VOICE")
    assert first[voice] < -0.1  # around paydays more is paid than on a mean day
    assert tenth[voice] > 0.05
    panel = _panel(model)
    shifted = panel.on_a_mean_day().margins["moved"] - panel.standing.margins["moved"]
    np.testing.assert_allclose(shifted, np.tile(panel.month["moved"], (len(shifted), 1)))


def _tastes(rng: np.random.Generator) -> tuple[SlotRows, Floats]:
    """Contacts of segments each with a liking of its own for every hour, half of which are seldom tried; and the true
    log-odds (segments, 168)."""
    day = np.exp(-0.5 * ((np.arange(13)[:, None] - np.arange(13)[None, :]) / 2.0) ** 2) + 1e-6 * np.eye(13)
    curve = 0.6 * rng.normal(size=(SEGMENTS, 13)) @ np.linalg.cholesky(day).T + 0.2 * rng.normal(
        size=(SEGMENTS, 1)
    )
    count = 30_000
    segment, hour = rng.integers(0, SEGMENTS, count), rng.integers(0, 13, count)
    kept = (hour % 4 < 2) | (rng.random(count) < 0.02)
    segment, hour = segment[kept], hour[kept]
    label = (rng.random(len(hour)) < sigmoid(-2.0 + curve[segment, hour])).astype(np.float64)
    nothing = np.zeros(len(hour), dtype=np.int64)
    cells = Cells(segment, nothing, nothing, rng.integers(0, 5, len(hour)) * 24 + 8 + hour)
    rows = SlotRows.of(cells, np.full(len(hour), -2.0), label, np.ones(len(hour)), Shape(SEGMENTS + 1, 1))
    return rows, curve


def test_errors_of_hours_hold_at_the_hours_that_look_best_too() -> None:
    everywhere, best = [], []
    for seed in range(3):
        rows, curve = _tastes(np.random.default_rng(seed))
        fit = fit_slot_effects(rows)
        segment, hour = (axis.ravel() for axis in np.indices(curve.shape))
        nothing = np.zeros(len(hour), dtype=np.int64)
        asked = Cells(segment, nothing, nothing, 24 + 8 + hour)
        shift = fit.shift(asked).reshape(curve.shape)
        held = np.abs(shift - curve) <= 1.645 * fit.error(asked).reshape(curve.shape)
        everywhere.append(held.mean())
        best.append(held[np.arange(SEGMENTS), shift.argmax(axis=1)].mean())
    assert 0.86 <= np.mean(everywhere) <= 0.98
    assert 0.83 <= np.mean(best) <= 0.99


def test_hours_that_nobody_tried_are_known_least() -> None:
    rows, _ = _tastes(np.random.default_rng(1))
    fit = fit_slot_effects(rows)
    nothing = np.zeros(3, dtype=np.int64)
    tried, seldom, never = fit.error(Cells(nothing, nothing, nothing, np.array([32, 34, 24])))
    assert tried < seldom < never
    (again,) = replicate_slot_effects(rows, fit, [np.ones(len(rows.kept))])
    assert not again.error(Cells(nothing, nothing, nothing, np.array([32, 34, 24]))).any()


def _width(gains: Floats, doubt: Floats, moved: float, weight: Floats | None = None) -> float:
    """How many times the least is in the most."""
    least, most = likely_range(gains, np.ones(len(gains)) if weight is None else weight, doubt, moved)
    assert 0 < least < 1 < most
    return most / least


def test_an_interval_is_wider_the_less_it_rests_on() -> None:
    gains, sure = np.full(50, 10.0), np.zeros((50, 3))
    by_payments = [_width(gains, sure, moved) for moved in (0.0, 2.0, 20.0, 2_000.0)]
    assert by_payments == sorted(by_payments, reverse=True)
    assert by_payments[0] > 4
    assert 1.5 < by_payments[-1] < 2
    apart, together = np.full((50, 3), 1.0), np.full((50, 1), 3.0)
    by_doubt = [_width(gains, doubt, 20.0) for doubt in (sure, apart, together)]
    assert by_doubt == sorted(by_doubt)
    assert by_doubt[-1] > 1.3 * by_doubt[0]


def test_what_no_record_shows_of_debtors_levels_out_over_many() -> None:
    many, one = _width(np.full(400, 10.0), np.zeros((400, 3)), 20.0), np.zeros((1, 3))
    assert _width(10.0 * ONE, one, 20.0) > 2 * many
    assert _width(10.0 * ONE, one, 20.0, weight=400 * ONE) == pytest.approx(many)
    one_who_owes_all = np.where(np.arange(400) == 0, 1e6, 1.0)
    assert _width(one_who_owes_all, np.zeros((400, 3)), 20.0) > 2 * many


def test_what_is_expected_is_the_mean_of_what_may_be_true() -> None:
    least, most = likely_range(np.full(9, 5.0), np.ones(9), np.full((9, 2), 1.5), 3.0)
    middle, error = np.log(least * most) / 2, np.log(most / least) / 2 / 1.645
    drawn = np.exp(np.random.default_rng(1).normal(middle, error, 1_000_000))
    assert drawn.mean() == pytest.approx(1.0, abs=0.005)
    assert ((drawn > least) & (drawn < most)).mean() == pytest.approx(0.9, abs=0.002)


@pytest.mark.parametrize("gain", [0.0, 1e-300])
def test_nothing_gained_has_an_interval_too(gain: float) -> None:
    assert np.isfinite(likely_range(gain * ONE, ONE, np.zeros((1, 3)), 0.0)).all()


def test_a_plan_of_hours_that_nothing_tells_apart_has_an_interval_too() -> None:
    """Where too little came back to learn hours from, there are no replicates of them."""
    gains, moved = np.array([40.0, 60.0]), np.array([8.0, 12.0])
    untold = ninety_per_cent(np.zeros(0), gains, moved)
    assert untold == ninety_per_cent(np.full(4, 90.0), gains, moved)
    assert 0 < untold < ninety_per_cent(np.array([60.0, 90.0, 120.0]), gains, moved)
