"""The pieces of a forecast against independent counts and known laws."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from ml.forecast.answers import Kpi
from ml.forecast.backtest import _Record
from ml.forecast.bands import Bands, Futures, Scores, Stretch, stretched
from ml.forecast.cohorts import Cohorts, Outcome, cohorts_of
from ml.forecast.rates import estimate_rates, phases
from ml.forecast.series import differences
from ml.forecast.tally import LONGEST_LAG, tally_of
from ml.forecast.volume import forecast_volume, observed_days
from ml.frames import History
from ml.simulator import simulate

END = date(2026, 5, 1)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
NOTHING = Outcome(*(np.zeros(0, dtype=np.int64) for _ in range(3)), np.zeros(0))


def _cohorts(sent: np.ndarray, outcomes: dict[str, Outcome], first_day: date = date(2026, 1, 5)) -> Cohorts:
    cells = sent.shape[1]
    return Cohorts(
        first_day=first_day,
        segments=tuple(f"S{cell}" for cell in range(cells)),
        channels=("EMAIL",) * cells,
        currencies=("EUR",),
        sent=sent,
        delivered=sent * 0.9,
        outcomes={"opened": NOTHING, "clicked": NOTHING, "converted": NOTHING} | outcomes,
        payments={"EUR": NOTHING},
        money={"EUR": NOTHING},
        variation=0.5,
    )


def _geometric(days: int, cell: int, delivered: float, rate: float, wait: float) -> Outcome:
    """Exact expectations: of each day's messages `rate` open, a share 1 − wait of those left on each further day."""
    day, lag = (
        axis.ravel() for axis in np.meshgrid(np.arange(days), np.arange(LONGEST_LAG + 1), indexing="ij")
    )
    share = (1 - wait) * wait**lag / (1 - wait ** (LONGEST_LAG + 1))
    return Outcome(day, np.full(len(day), cell), lag, delivered * rate * share)


def test_cohorts_count_what_the_history_holds() -> None:
    history = History.from_facts(simulate(300, seed=3, end=END).facts, as_of=NOW)
    cohorts = cohorts_of(tally_of(history))
    assert cohorts is not None
    sent = history.outbound
    assert cohorts.sent.sum() == len(sent)
    assert cohorts.delivered.sum() == sent["delivered"].sum()
    lag = (pl.col("opened_at").dt.date() - pl.col("sent_at").dt.date()).dt.total_days()
    opened = sent.filter(lag <= LONGEST_LAG)
    assert cohorts.outcomes["opened"].count.sum() == len(opened)
    one = sent.filter((pl.col("channel") == "SMS") & (pl.col("segment") == "EARLY-MIDDLE-CARD"))
    (cell,) = [
        index
        for index, pair in enumerate(zip(cohorts.segments, cohorts.channels, strict=True))
        if pair == ("EARLY-MIDDLE-CARD", "SMS")
    ]
    assert cohorts.sent[:, cell].sum() == len(one)
    paid = history.payments.filter(pl.col("communication").is_not_null() & pl.col("reversed_at").is_null())
    for currency, part in cohorts.money.items():
        known = paid.filter(pl.col("currency") == currency).join(
            sent.select("communication", "sent_at"), on="communication"
        )
        late = (pl.col("paid_at").dt.date() - pl.col("sent_at").dt.date()).dt.total_days() > LONGEST_LAG
        assert part.count.sum() == pytest.approx(known.filter(~late)["amount"].sum())


def test_outcomes_still_to_come_are_allowed_for() -> None:
    """With slow openings the naive rate of recent days is far too low; the estimate is exact when delays are stable."""
    opened = _geometric(80, 0, 90.0, 0.3, 0.7)
    cohorts = _cohorts(np.full((80, 1), 100.0), {"opened": opened})
    for until in (45, 60, 80):
        rates = estimate_rates(cohorts, until)
        assert rates.rate["opened"][0] == pytest.approx(0.3, abs=0.004)
        assert rates.rate["delivered"][0] == pytest.approx(0.9, abs=0.01)
    naive = opened.known_before(80).count.sum() / (90 * 80)
    assert naive < 0.295


def test_a_rate_never_sees_what_comes_later() -> None:
    cohorts = _cohorts(np.full((80, 2), 50.0), {"opened": _geometric(80, 0, 45.0, 0.2, 0.5)})
    later = Outcome(np.full(5, 30), np.zeros(5, dtype=np.int64), np.arange(26, 31), np.full(5, 1e6))
    opened = cohorts.outcomes["opened"]
    planted = Outcome(
        *(
            np.concatenate([getattr(opened, name), getattr(later, name)])
            for name in ("day", "cell", "lag", "count")
        )
    )
    spoiled = replace(cohorts, outcomes={**cohorts.outcomes, "opened": planted})
    assert np.array_equal(
        estimate_rates(cohorts, 50).rate["opened"], estimate_rates(spoiled, 50).rate["opened"]
    )
    assert estimate_rates(spoiled, 80).rate["opened"][0] > 0.5


def test_small_cells_lean_on_their_channel() -> None:
    sent = np.tile([400.0, 400.0, 0.5], (70, 1))
    parts = [
        _geometric(70, cell, 0.9 * sent[0, cell], rate, 0.3) for cell, rate in enumerate((0.1, 0.3, 0.9))
    ]
    opened = Outcome(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("day", "cell", "lag", "count"))
    )
    rate = estimate_rates(_cohorts(sent, {"opened": opened}), 70).rate["opened"]
    assert rate[0] == pytest.approx(0.1, abs=0.01)
    assert rate[1] == pytest.approx(0.3, abs=0.01)
    assert 0.2 < rate[2] < 0.9


def test_conversions_follow_the_days_on_which_people_are_paid() -> None:
    days = 150
    cohorts = _cohorts(np.full((days, 1), 1000.0), {})
    phase = phases(cohorts, np.arange(days))
    rate = np.where(np.isin(phase, [0, 4]), 0.06, 0.03)
    converted = Outcome(
        np.arange(days), np.zeros(days, dtype=np.int64), np.zeros(days, dtype=np.int64), 900 * rate
    )
    found = estimate_rates(replace(cohorts, outcomes={**cohorts.outcomes, "converted": converted}), days)
    assert (found.rate["converted"][0] * found.phase)[[0, 4]] == pytest.approx(0.06, rel=0.03)
    assert (found.rate["converted"][0] * found.phase)[[1, 2, 3]] == pytest.approx(0.03, rel=0.05)


def test_a_steady_week_goes_on_as_it_is() -> None:
    week = np.array([120.0, 100.0, 90.0, 100.0, 80.0, 10.0, 0.0])
    sent = np.outer(np.tile(week, 12), [1.0, 0.25])
    volume = forecast_volume(_cohorts(sent, {}), 84, 21)
    assert volume.expected[:, 0] == pytest.approx(np.tile(week, 3), rel=0.02, abs=0.5)
    assert volume.expected[:, 1] == pytest.approx(np.tile(week, 3) / 4, rel=0.02, abs=0.5)
    assert volume.drift < 0.05
    assert volume.scatter < 0.05


def test_growth_goes_on_for_a_while_and_fades() -> None:
    sent = 100 * np.exp(0.02 * np.arange(84))[:, None]
    volume = forecast_volume(_cohorts(sent, {}), 84, 60).expected[:, 0]
    weeks = volume[:56].reshape(8, 7).mean(axis=1)
    assert (np.diff(weeks) > 0).all()
    assert weeks[1] / weeks[0] < np.exp(0.02 * 7)
    assert weeks[-1] / weeks[-2] < 1.01


def test_only_long_silences_are_gaps() -> None:
    sent = np.ones((40, 1))
    sent[5:7] = 0
    sent[20:27] = 0
    assert np.flatnonzero(observed_days(sent) == 0).tolist() == list(range(20, 27))


@pytest.mark.parametrize(("on", "off"), [(1, 13), (1, 20), (1, 29), (7, 7), (14, 14)])
def test_silences_that_are_the_rhythm_are_no_gaps(on: int, off: int) -> None:
    """What goes out every other week, or once a month, goes on so, whenever asked; a silence of months is a gap."""
    sent = np.where(np.arange(210) % (on + off) < on, 1000.0, 0.0)[:, None]
    usual = 42 * 1000 * on / (on + off)
    expected = [
        forecast_volume(_cohorts(sent[:until], {}), until, 42).expected.sum()
        for until in range(210 - on - off, 210)
    ]
    assert observed_days(sent).all()
    assert np.mean(expected) == pytest.approx(usual, rel=0.07)
    assert 0 < min(expected) < max(expected) < 2.5 * usual
    stopped = np.concatenate([sent, np.zeros((60, 1)), sent])
    gap = np.flatnonzero(observed_days(stopped) == 0)
    assert gap.tolist() == list(range(np.flatnonzero(sent)[-1] + 1, 270))


def test_outages_that_are_few_are_left_out_however_often_there_were_any() -> None:
    sent = np.ones((210, 1))
    for start in (30, 90, 150):
        sent[start : start + 9] = 0
    assert (observed_days(sent) == 0).sum() == 27


def test_a_stretch_brings_a_band_to_its_nominal_coverage() -> None:
    """Bands of ±1 around noise of standard deviation 2 hold 38 %; stretched by their scores they hold nine in ten."""
    rng = np.random.default_rng(4)
    past, future = 2 * rng.standard_normal((2, 4000))
    scores = Scores()
    scores.add(np.full(4000, 9.0), np.full(4000, 11.0), 10 + past)
    moves = scores.stretch()
    assert moves is not None
    nothing = np.zeros(1)
    bands = Bands(
        np.full((4000, 1), 9.0), np.full((4000, 1), 10.0), np.full((4000, 1), 11.0), nothing, nothing, nothing
    )
    wide = stretched(bands, Stretch(days=moves, total=(0.0, 0.0)), Kpi.SENT)
    inside = (wide.low[:, 0] <= 10 + future) & (10 + future <= wide.high[:, 0])
    assert inside.mean() == pytest.approx(0.9, abs=0.02)


def test_too_few_scores_teach_nothing() -> None:
    scores = Scores()
    scores.add(np.zeros(5), np.ones(5), np.full(5, 0.5))
    assert scores.stretch() is None


def test_totals_of_spans_that_overlap_never_narrow_their_bands() -> None:
    record = _Record()
    for _ in range(10):
        record.totals.add(np.zeros(4), np.full(4, 2.0), np.ones(4))
    assert record.totals.stretch() is not None
    assert record.stretch().total == (0.0, 0.0)


def test_bands_of_few_totals_hold_all_that_came() -> None:
    record = _Record()
    for came in (1.0, 1.5, 4.0, 0.5, 1.0):
        record.totals.add(np.zeros(1), np.full(1, 2.0), np.full(1, came))
        record.days.add(np.zeros(28), np.full(28, 2.0), np.ones(28))
    assert record.stretch().total == pytest.approx((0.0, 2.0))


def test_a_difference_is_as_wide_as_what_befalls_each_policy_alone() -> None:
    """Both miss alike what their totals missed, so it tells nothing of what is between them."""
    futures = [
        Futures({Kpi.SENT: totals}, {Kpi.SENT: totals.mean(axis=0)}, np.zeros((1, 1, 1)), {})
        for totals in (np.linspace(10, 12, 101)[:, None], np.full((101, 1), 8.0))
    ]
    plain = differences(Kpi.SENT, *futures, Stretch(days=(0.0, 0.0), total=(0.0, 0.0)))
    assert differences(Kpi.SENT, *futures, Stretch(days=(0.0, 0.0), total=(9.0, 9.0))) == plain
    wider = differences(Kpi.SENT, *futures, Stretch(days=(1.0, 1.0), total=(0.0, 0.0)))
    assert wider[2] - wider[0] == pytest.approx(2 * (plain[2] - plain[0]))


def test_weekdays_that_have_not_been_yet_are_like_those_that_have() -> None:
    """Three days, from a Monday on: the Thursday to come is no day off."""
    volume = forecast_volume(_cohorts(np.full((3, 1), 20.0), {}), 3, 14)
    assert volume.expected[:, 0] == pytest.approx(np.full(14, 20.0))


def test_one_day_of_history_tells_what_was_delivered_on_it() -> None:
    """That it may be too early to tell makes the rate unsure, not 0."""
    rates = estimate_rates(_cohorts(np.full((1, 2), 50.0), {}), 1)
    assert rates.rate["delivered"] == pytest.approx([0.9, 0.9], abs=0.02)


def test_a_rate_that_shifted_is_that_since_and_rests_on_fewer() -> None:
    """Openings of one channel fall to a third three weeks ago; those of another go on."""
    rng = np.random.default_rng(11)
    days, cell = (axis.ravel() for axis in np.meshgrid(np.arange(120), np.arange(2), indexing="ij"))
    rate = np.where((cell == 0) & (days >= 99), 0.1, 0.3)
    opened = Outcome(days, cell, np.zeros_like(days), rng.binomial(180, rate).astype(np.float64))
    cohorts = _cohorts(np.full((120, 2), 200.0), {"opened": opened})
    found = estimate_rates(replace(cohorts, channels=("EMAIL", "PUSH")), 120)
    assert found.rate["opened"] == pytest.approx([0.1, 0.3], abs=0.02)
    assert found.weight["opened"][0] < 0.7 * found.weight["opened"][1]


def test_a_level_drifts_by_what_lasts_and_not_by_what_is_undone() -> None:
    """Weeks far apart that come back are no drift; a walk and a shift are, also one that is a week old."""
    rng = np.random.default_rng(12)

    def drift(weeks: np.ndarray) -> float:
        return forecast_volume(_cohorts(np.repeat(weeks, 7)[:, None], {}), 7 * len(weeks), 7).drift

    monthly = np.where(np.arange(24) % 4 == 1, 3000.0, 150.0)
    walks = [1e4 * np.exp(0.3 * rng.standard_normal(24).cumsum()) for _ in range(40)]
    assert drift(monthly) < 0.1
    assert np.mean([drift(walk) for walk in walks]) == pytest.approx(0.25, abs=0.06)
    for ago in (1, 3, 6):
        shifted = np.where(np.arange(24) < 24 - ago, 1e4, 2e4)
        assert drift(shifted) == pytest.approx(np.log(2) / np.sqrt(11), rel=0.05)
