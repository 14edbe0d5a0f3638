"""Histories that a forecast cannot simply carry on: each has an outcome with a name."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ml.forecast import Dimension, Forecast, Key, Kpi, Quantiles, forecast, tally_of
from ml.forecast.backtest import backtest, bands_from
from ml.forecast.bands import stretched
from ml.forecast.cohorts import Cohorts, Outcome, cohorts_of
from ml.forecast.outlook import grouping
from ml.frames import History
from ml.simulator import simulate

END = date(2026, 5, 1)
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def history() -> History:
    return History.from_facts(simulate(500, seed=5, end=END).facts, as_of=NOW, currency="EUR")


def _codes(answer: Forecast) -> list[str]:
    return [note.code for note in answer.notes]


def _total(answer: Forecast, kpi: Kpi, key: Key | None = None) -> Quantiles:
    (found,) = [series for series in answer.series if series.kpi == kpi and series.key == (key or Key())]
    return found.total


def test_a_segment_born_last_week_goes_on_as_it_began(history: History) -> None:
    """A third of the debtors are given a new segment a week ago: it gets a third of the volume, not a trickle."""
    moved = pl.col("debtor").hash(1) % 3 == 0
    born = NOW - timedelta(days=7)
    sent = history.communications.with_columns(
        segment=pl.when(moved & (pl.col("sent_at") >= born)).then(pl.lit("NEW")).otherwise(pl.col("segment"))
    )
    young = replace(history, communications=sent)
    answer = forecast(
        tally_of(young), horizon_days=14, by=[Dimension.SEGMENT], kpis=[Kpi.SENT, Kpi.OPEN_RATE]
    )
    assert "NEW_SEGMENT" in _codes(answer)
    assert "NEW" in next(note.message for note in answer.notes if note.code == "NEW_SEGMENT")
    lately = young.outbound.filter(pl.col("segment") == "NEW").height
    expected = _total(answer, Kpi.SENT, Key(segment="NEW"))
    assert expected.p50 == pytest.approx(2 * lately, rel=0.3)
    rate = _total(answer, Kpi.OPEN_RATE, Key(segment="NEW"))
    assert rate.p05 is not None
    assert rate.p95 is not None
    assert 0 < rate.p05 < rate.p95 < 1
    assert "NEW_SEGMENT" not in _codes(forecast(tally_of(history), horizon_days=7, kpis=[Kpi.SENT]))


def _counts(days: int, rate: np.ndarray) -> Cohorts:
    """400 messages a day, of which a `rate` (days,) is opened at once."""
    rng = np.random.default_rng(6)
    sent = np.full((days, 1), 400.0)
    none = Outcome(*(np.zeros(0, dtype=np.int64) for _ in range(3)), np.zeros(0))
    opened = Outcome(
        np.arange(days),
        np.zeros(days, dtype=np.int64),
        np.zeros(days, dtype=np.int64),
        rng.binomial(400, rate).astype(np.float64),
    )
    return Cohorts(
        first_day=date(2026, 1, 5),
        segments=("S",),
        channels=("EMAIL",),
        currencies=("EUR",),
        sent=sent,
        delivered=sent,
        outcomes={"opened": opened, "clicked": none, "converted": none},
        payments={"EUR": none},
        money={"EUR": none},
        variation=0.5,
    )


def test_after_a_regime_change_the_latest_errors_count_alone() -> None:
    """The open rate falls to a third for good: bands break, and are then as wide as the latest errors ask for."""
    groups = grouping(["S"], ["EMAIL"], by_segment=False, by_channel=False)
    steady = backtest(_counts(140, np.full(140, 0.3)), groups, [Kpi.OPEN_RATE], 28, 0)
    fallen = backtest(_counts(140, np.where(np.arange(140) < 98, 0.3, 0.1)), groups, [Kpi.OPEN_RATE], 28, 0)
    assert steady.broken == ()
    assert fallen.broken == (Kpi.OPEN_RATE,)
    assert fallen.stretch[Kpi.OPEN_RATE].days[0] > steady.stretch[Kpi.OPEN_RATE].days[0] + 2


def test_a_regime_change_is_said(history: History) -> None:
    """Seven weeks ago the sender began to send a third of what it had sent."""
    fewer = (pl.col("sent_at") < NOW - timedelta(days=49)) | (pl.col("communication").hash(1) % 3 == 0)
    changed = replace(history, communications=history.communications.filter(fewer))
    answer = forecast(tally_of(changed), horizon_days=28, kpis=[Kpi.SENT, Kpi.OPEN_RATE])
    (said,) = [note.message for note in answer.notes if note.code == "REGIME_CHANGE"]
    assert said.startswith("SENT: ")
    lately = changed.outbound.filter(pl.col("sent_at") >= NOW - timedelta(days=28)).height
    total = _total(answer, Kpi.SENT)
    assert total.p05 is not None
    assert total.p95 is not None
    assert total.p05 < lately < total.p95


def test_a_kpi_without_data_is_undefined_and_the_others_are_not(history: History) -> None:
    """Nobody ever pays: nothing converts and nothing is collected, which is known, not missing."""
    poor = replace(history, payments=history.payments.clear())
    answer = forecast(tally_of(poor), horizon_days=7)
    rate, money = _total(answer, Kpi.CONVERSION_RATE), _total(answer, Kpi.COLLECTED, Key(currency="EUR"))
    assert rate.p50 == pytest.approx(0.0, abs=1e-3)
    assert money.p50 == pytest.approx(0.0, abs=1e-3)
    assert money.p05 == 0.0
    unopened = replace(
        history,
        communications=history.communications.with_columns(
            **{
                name: pl.lit(None, dtype=pl.Datetime("us", "UTC"))
                for name in ("opened_at", "clicked_at", "landed_at", "replied_at", "right_party_contacted_at")
            }
        ),
    )
    answer = forecast(tally_of(unopened), horizon_days=7)
    assert _total(answer, Kpi.SENT_TO_OPEN_P50) == Quantiles(None, None, None)
    assert _total(answer, Kpi.SENT).p50 is not None
    cohorts = cohorts_of(tally_of(unopened))
    assert cohorts is not None
    assert len(cohorts.waits.seconds) == 0


def test_debtors_without_accounts_have_messages_and_no_money(history: History) -> None:
    """Where no account is known there is no currency to tell of money in; messages are forecast all the same."""
    bare = replace(
        history,
        accounts=history.accounts.clear(),
        payments=history.payments.clear(),
        promises=history.promises.clear(),
    )
    parts = forecast(tally_of(bare), horizon_days=14, by=[Dimension.SEGMENT]).series
    assert len({series.key.segment for series in parts if series.kpi == Kpi.SENT}) > 1
    answer = forecast(tally_of(bare), horizon_days=14)
    assert not [series for series in (*parts, *answer.series) if series.kpi == Kpi.COLLECTED]
    sent = _total(answer, Kpi.SENT).p50
    assert sent is not None
    assert sent > 0
    assert {row.kpi for row in answer.backtest} >= {Kpi.SENT, Kpi.OPEN_RATE, Kpi.CONVERSION_RATE}


def test_a_level_that_doubled_lately_makes_no_band_of_ten_times_as_much() -> None:
    """Bands after it are wide by themselves. Stretched by what lay far outside narrow ones, they reached to eight times
    what is sent; and that wide ones hold much is no reason to narrow them.
    """
    rng = np.random.default_rng(3)
    sent = rng.poisson(400 * np.where(np.arange(196) < 168, 1.0, 2.0)).astype(np.float64)[:, None]
    doubled = replace(_counts(196, np.full(196, 0.3)), sent=sent, delivered=sent)
    groups = grouping(["S"], ["EMAIL"], by_segment=False, by_channel=False)
    past = backtest(doubled, groups, [Kpi.SENT, Kpi.OPEN_RATE], 28, 0)
    for moves in (past.stretch[Kpi.SENT].days, past.stretch[Kpi.SENT].total):
        assert 0 <= min(moves) <= max(moves) < 1
    bands, _ = bands_from(doubled, groups, [Kpi.SENT], 196, 28, 0)
    total = stretched(bands[Kpi.SENT], past.stretch[Kpi.SENT], Kpi.SENT)
    assert 2 * 400 * 28 < total.total_high[0] < 3 * 800 * 28


def test_campaigns_once_a_month_are_forecast_as_many_as_there_are() -> None:
    """Weeks of a campaign and weeks without are no wandering level, which in four weeks could be at a thousandfold."""
    rng = np.random.default_rng(4)
    sent = rng.poisson(np.where(np.arange(196) % 30 == 15, 3000.0, 20.0)).astype(np.float64)[:, None]
    rare = replace(_counts(196, np.full(196, 0.3)), sent=sent, delivered=sent)
    groups = grouping(["S"], ["EMAIL"], by_segment=False, by_channel=False)
    past = backtest(rare, groups, [Kpi.SENT], 28, 0)
    bands, _ = bands_from(rare, groups, [Kpi.SENT], 196, 28, 0)
    total = stretched(bands[Kpi.SENT], past.stretch[Kpi.SENT], Kpi.SENT)
    assert 28 * 20 + 3000 < total.total_high[0] < 5 * 3560
