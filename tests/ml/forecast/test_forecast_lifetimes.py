"""What begins or ends lately: told from rhythms and breaks, and forecast as it stands now."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ml.forecast import Dimension, Forecast, Key, Kpi, Quantiles, forecast, tally_of
from ml.forecast.cohorts import Cohorts, Outcome
from ml.forecast.lifetimes import lifetimes
from ml.forecast.volume import forecast_volume
from ml.frames import History
from ml.simulator import simulate

END = date(2026, 5, 1)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAYS = 84
WEEK = np.array([20.0, 18.0, 20.0, 22.0, 16.0, 0.0, 0.0])
NOTHING = Outcome(*(np.zeros(0, dtype=np.int64) for _ in range(3)), np.zeros(0))


@pytest.fixture(scope="module")
def history() -> History:
    return History.from_facts(simulate(500, seed=5, end=END).facts, as_of=NOW)


def _ended(sent: Sequence[float] | np.ndarray) -> bool:
    """Of one channel beside another that goes on every day."""
    both = np.stack([np.asarray(sent, dtype=float), np.ones(len(sent))], axis=1)
    return bool(lifetimes(both, np.ones(len(sent)), ("S", "S"), ("SMS", "EMAIL")).ended[0])


def _expected(sent: np.ndarray, segments: Sequence[str], channels: Sequence[str]) -> np.ndarray:
    """(cells,) over the four weeks to come."""
    cohorts = Cohorts(
        first_day=date(2026, 1, 5),
        segments=tuple(segments),
        channels=tuple(channels),
        currencies=("EUR",),
        sent=sent,
        delivered=sent,
        outcomes={"opened": NOTHING, "clicked": NOTHING, "converted": NOTHING},
        payments={"EUR": NOTHING},
        money={"EUR": NOTHING},
        variation=0.5,
    )
    return np.asarray(forecast_volume(cohorts, len(sent), 28).expected.sum(axis=0))


@pytest.mark.parametrize(("silent", "ended"), [(3, False), (6, False), (7, True), (20, True)])
def test_what_was_daily_has_ended_after_a_week_of_silence(silent: int, ended: bool) -> None:
    assert _ended(np.repeat([5.0, 0.0], [DAYS - silent, silent])) is ended


def test_a_rhythm_is_no_end() -> None:
    """Neither campaigns on one day a month, nor one week in three, nor breaks like one there was."""
    monthly, rotating = np.zeros(400), np.zeros(DAYS)
    monthly[np.arange(5, 380, 30)] = 500.0
    rotating[np.arange(DAYS) // 7 % 3 == 0] = 30.0
    paused = np.ones(DAYS)
    paused[30:36] = paused[-12:] = 0.0
    for sent in (monthly, rotating, paused):
        assert not _ended(sent)
    paused[-14:] = 0.0
    assert _ended(paused)


def test_what_is_sent_each_week_may_leave_out_one() -> None:
    """On the day that the next one is due it has not ended; when that one has not come either, it has."""
    weekly = np.where((np.arange(DAYS) % 7 == 0) & (np.arange(DAYS) < 71), 50.0, 0.0)
    assert not _ended(weekly)
    assert _ended([*weekly, 0.0])


def test_a_few_days_do_not_tell_a_rhythm() -> None:
    assert not _ended(np.repeat([5.0, 0.0], [9, 40]))
    assert _ended(np.repeat([5.0, 0.0], [10, 40]))


def test_what_stops_with_everything_else_is_a_gap_or_the_end_of_sending() -> None:
    sent = np.repeat([[5.0, 5.0], [0.0, 0.0]], [60, 10], axis=0)
    assert not lifetimes(sent, np.ones(70), ("A", "B"), ("SMS", "SMS")).ended.any()
    in_a_gap = np.repeat([1.0, 0.0], [60, 10])
    sent[:, 1] = 5.0
    assert not lifetimes(sent, in_a_gap, ("A", "B"), ("SMS", "SMS")).ended.any()


def test_sparse_parts_end_with_their_channel() -> None:
    """Each is written to once in three weeks, so alone none of them could be told to have ended."""
    sent = np.zeros((DAYS, 22))
    for cell in range(21):
        sent[cell:74:21, cell] = 1.0
    sent[:, 21] = 5.0
    lived = lifetimes(sent, np.ones(DAYS), [f"S{n % 21}" for n in range(22)], ["SMS"] * 21 + ["EMAIL"])
    assert lived.ended.tolist() == [True] * 21 + [False]
    assert lived.channels == ("SMS",)


def test_a_channel_given_up_for_another_is_over_and_the_other_goes_on_as_it_began() -> None:
    """Ten days ago all that went by one channel went over to another: volume stays, and it is all the other's."""
    daily = np.tile(WEEK, DAYS // 7)
    moved = np.arange(DAYS) >= DAYS - 10
    sent = np.stack([daily * ~moved, daily * moved, daily], axis=1)
    old, new, other = _expected(sent, ["A", "A", "B"], ["SMS", "WHATSAPP", "EMAIL"])
    assert old == 0
    assert new == pytest.approx(4 * WEEK.sum(), rel=0.1)
    assert other == pytest.approx(4 * WEEK.sum(), rel=0.02)


def test_one_message_makes_no_level() -> None:
    sent = np.stack([np.zeros(DAYS), np.full(DAYS, 20.0)], axis=1)
    sent[-2, 0] = 1.0
    assert _expected(sent, ["A", "A"], ["LETTER", "EMAIL"])[0] < 3


def test_the_rest_does_not_shrink_with_what_ended() -> None:
    """What goes on steadily goes on: the end of another segment is no trend."""
    sent = np.full((DAYS, 2), 20.0)
    sent[-9:, 1] = 0.0
    assert _expected(sent, ["A", "B"], ["SMS", "SMS"]) == pytest.approx([28 * 20.0, 0.0], rel=0.02)


def _total(answer: Forecast, kpi: Kpi, key: Key) -> Quantiles:
    (found,) = [series.total for series in answer.series if series.kpi == kpi and series.key == key]
    return found


def test_a_segment_that_is_gone_is_forecast_no_messages_and_said_so(history: History) -> None:
    gone = "EARLY-MIDDLE-CARD"
    since = NOW - timedelta(days=9)
    sent = history.communications.filter((pl.col("segment") != gone) | (pl.col("sent_at") < since))
    answer = forecast(
        tally_of(replace(history, communications=sent)),
        horizon_days=14,
        by=[Dimension.SEGMENT],
        kpis=[Kpi.SENT, Kpi.OPEN_RATE, Kpi.COLLECTED],
    )
    (note,) = [note for note in answer.notes if note.code == "ENDED"]
    assert gone in note.message
    assert _total(answer, Kpi.SENT, Key(segment=gone)) == Quantiles(0.0, 0.0, 0.0)
    assert _total(answer, Kpi.OPEN_RATE, Key(segment=gone)) == Quantiles(None, None, None)
    assert "ENDED" not in [note.code for note in forecast(tally_of(history), horizon_days=7).notes]
