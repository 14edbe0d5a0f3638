"""A forecast is coherent, honest about what it cannot know, and covers what came on days it had not seen."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ml.forecast import (
    MESSAGE_KPIS,
    Dimension,
    Forecast,
    ForecastError,
    Key,
    Kpi,
    Policy,
    Quantiles,
    Series,
    forecast,
    tally_of,
)
from ml.forecast.backtest import actual_values
from ml.forecast.cohorts import cohorts_of
from ml.forecast.outlook import grouping
from ml.frames import History
from ml.simulator import CHANNELS, PRESETS, SimulatedWorld, simulate

END = date(2026, 5, 1)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
CUT = NOW - timedelta(days=44)


@pytest.fixture(scope="module")
def world() -> SimulatedWorld:
    return simulate(900, seed=5, end=END)


@pytest.fixture(scope="module")
def history(world: SimulatedWorld) -> History:
    return History.from_facts(world.facts, as_of=NOW, currency="EUR")


@pytest.fixture(scope="module")
def whole(history: History) -> Forecast:
    return forecast(tally_of(history), horizon_days=21)


@pytest.fixture(scope="module")
def by_channel(history: History) -> Forecast:
    return forecast(tally_of(history), horizon_days=21, by=[Dimension.CHANNEL])


def _series(answer: Forecast, kpi: Kpi, key: Key | None = None) -> Series:
    (found,) = [series for series in answer.series if series.kpi == kpi and series.key == (key or Key())]
    return found


def _parts(answer: Forecast, kpi: Kpi, currency: str | None = None) -> list[Series]:
    return [series for series in answer.series if series.kpi == kpi and series.key.currency == currency]


def _mid(quantiles: Quantiles) -> float:
    assert quantiles.p50 is not None
    return quantiles.p50


def test_parts_and_days_add_up_to_the_whole(whole: Forecast, by_channel: Forecast) -> None:
    for kpi, currency in ((Kpi.SENT, None), (Kpi.COLLECTED, "EUR"), (Kpi.COLLECTED, "USD")):
        total = _series(whole, kpi, Key(currency=currency))
        parts = _parts(by_channel, kpi, currency)
        assert len(parts) == len(CHANNELS)
        assert sum(_mid(part.total) for part in parts) == pytest.approx(_mid(total.total))
        assert sum(_mid(point.quantiles) for point in total.points) == pytest.approx(_mid(total.total))
        for row, point in enumerate(total.points):
            assert sum(_mid(part.points[row].quantiles) for part in parts) == pytest.approx(
                _mid(point.quantiles)
            )


def test_rates_are_ratios_of_forecast_counts(whole: Forecast, by_channel: Forecast) -> None:
    sent = {part.key.channel: _mid(part.total) for part in _parts(by_channel, Kpi.SENT)}
    delivery = {part.key.channel: _mid(part.total) for part in _parts(by_channel, Kpi.DELIVERY_RATE)}
    delivered = {channel: sent[channel] * delivery[channel] for channel in sent}
    assert _mid(_series(whole, Kpi.DELIVERY_RATE).total) == pytest.approx(
        sum(delivered.values()) / sum(sent.values())
    )
    for kpi in (Kpi.OPEN_RATE, Kpi.CLICK_RATE, Kpi.CONVERSION_RATE):
        rates = {part.key.channel: _mid(part.total) for part in _parts(by_channel, kpi)}
        expected = sum(rates[channel] * delivered[channel] for channel in rates) / sum(delivered.values())
        assert _mid(_series(whole, kpi).total) == pytest.approx(expected)


def test_bands_are_ordered_and_within_what_is_possible(whole: Forecast, by_channel: Forecast) -> None:
    for series in (*whole.series, *by_channel.series):
        assert [point.day for point in series.points] == [END + timedelta(days=k) for k in range(21)]
        for quantiles in (series.total, *(point.quantiles for point in series.points)):
            if quantiles.p50 is None:
                assert quantiles == Quantiles(None, None, None)
                continue
            assert quantiles.p05 is not None
            assert quantiles.p95 is not None
            assert 0 <= quantiles.p05 <= quantiles.p50 <= quantiles.p95
            assert quantiles.p95 <= 1 or series.unit != "RATE"
        assert series.difference is None


def test_a_channel_that_shows_no_openings_is_forecast_none() -> None:
    """Calls are never opened; nor does a rate of other channels leak into theirs when few calls are answered."""
    few = simulate(150, seed=5, end=END)
    answer = forecast(
        tally_of(History.from_facts(few.facts, as_of=NOW)), horizon_days=7, by=[Dimension.CHANNEL]
    )
    assert _mid(_series(answer, Kpi.OPEN_RATE, Key(channel="VOICE")).total) < 0.02


def test_opens_are_where_channels_show_them(by_channel: Forecast) -> None:
    assert _mid(_series(by_channel, Kpi.OPEN_RATE, Key(channel="EMAIL")).total) > 0.03
    assert _mid(_series(by_channel, Kpi.OPEN_RATE, Key(channel="VOICE")).total) < 0.02


def test_nobody_pays_more_than_is_owed(history: History) -> None:
    owed = dict(tally_of(history).owed.group_by("currency").agg(pl.col("balance").sum()).iter_rows())
    poor = History.from_facts(
        {
            **_facts_of(history),
        },
        as_of=NOW,
        currency="EUR",
    )
    answer = forecast(tally_of(poor), horizon_days=90, kpis=[Kpi.COLLECTED])
    for series in answer.series:
        assert series.total.p95 is not None
        assert series.total.p95 <= owed[series.key.currency] * 0.01 + 1e-6
        assert _mid(series.total) > 0


def _facts_of(history: History) -> dict[str, pl.DataFrame]:
    """The facts behind a world whose accounts are nearly paid: one hundredth of each balance is left."""
    facts = dict(simulate(900, seed=5, end=END).facts)
    paid = (
        history.payments.filter(pl.col("reversed_at").is_null())
        .group_by("account")
        .agg(paid=pl.col("amount").sum())
    )
    accounts = facts["accounts"].join(paid, left_on="reference", right_on="account", how="left")
    gone = pl.col("paid").fill_null(0.0)
    left = (pl.col("principal").cast(pl.Float64) - gone).clip(lower_bound=0.0) * 0.01
    facts["accounts"] = accounts.with_columns(principal=gone + left).drop("paid")
    return facts


def test_the_same_seed_gives_the_same_forecast(history: History, whole: Forecast) -> None:
    assert forecast(tally_of(history), horizon_days=21) == whole
    other = forecast(tally_of(history), horizon_days=21, seed=9)
    assert other.series != whole.series
    assert [_mid(series.total) for series in other.series] == [_mid(series.total) for series in whole.series]


def test_only_what_was_known_counts(history: History) -> None:
    then = forecast(tally_of(history.known_at(CUT)), horizon_days=7)
    without_later = replace(
        history,
        communications=history.communications.filter(pl.col("sent_at") <= CUT),
        payments=history.payments.filter(pl.col("paid_at") <= CUT),
        promises=history.promises.filter(pl.col("promised_at") <= CUT),
    )
    assert then.series == forecast(tally_of(without_later.known_at(CUT)), horizon_days=7).series
    assert then.as_of == CUT
    assert then.series[0].points[0].day == CUT.date()


def test_kpis_and_dimensions_are_those_asked_for(history: History) -> None:
    answer = forecast(
        tally_of(history),
        horizon_days=3,
        kpis=[Kpi.OPEN_RATE, Kpi.OPEN_RATE],
        by=[Dimension.SEGMENT, Dimension.CHANNEL],
    )
    used = history.outbound.select(pl.col("segment").fill_null("NONE"), "channel").unique()
    assert {(series.key.segment, series.key.channel) for series in answer.series} == set(used.iter_rows())
    assert {series.kpi for series in answer.series} == {Kpi.OPEN_RATE}


@pytest.mark.parametrize("horizon", [0, -1, 91, 1000])
def test_a_horizon_that_cannot_be_forecast_is_named(history: History, horizon: int) -> None:
    with pytest.raises(
        ForecastError, match=f"of {horizon} days cannot be forecast; ask for 1 to 90"
    ) as caught:
        forecast(tally_of(history), horizon_days=horizon)
    assert (caught.value.code, caught.value.argument) == ("HORIZON_OUT_OF_RANGE", "horizonDays")


def test_without_a_message_there_is_no_forecast(history: History) -> None:
    with pytest.raises(ForecastError) as caught:
        forecast(tally_of(history.known_at(datetime(2020, 1, 1, tzinfo=UTC))), horizon_days=7)
    assert caught.value.code == "NO_HISTORY"
    with pytest.raises(ForecastError) as caught:
        forecast(tally_of(history), horizon_days=7, policy=Policy.RECOMMENDED)
    assert caught.value.code == "NO_RECOMMENDATIONS"


def test_a_short_history_widens_the_bands_and_says_so(history: History) -> None:
    fresh = forecast(tally_of(history.known_at(datetime(2025, 12, 22, tzinfo=UTC))), horizon_days=7)
    assert [note.code for note in fresh.notes] == ["SHORT_HISTORY", "NO_BOOKS"]
    assert fresh.backtest == []
    later = forecast(tally_of(history), horizon_days=7)
    assert later.notes == []

    def width(answer: Forecast) -> float:
        total = _series(answer, Kpi.OPEN_RATE).total
        assert total.p95 is not None
        assert total.p05 is not None
        return total.p95 - total.p05

    assert width(fresh) > 1.2 * width(later)


def test_a_sender_who_stopped_sends_nothing(world: SimulatedWorld) -> None:
    silent = History.from_facts(world.facts, as_of=NOW + timedelta(days=40), currency="EUR")
    answer = forecast(tally_of(silent), horizon_days=7)
    assert "STOPPED_SENDING" in [note.code for note in answer.notes]
    assert _series(answer, Kpi.SENT).total == Quantiles(0.0, 0.0, 0.0)
    assert _series(answer, Kpi.OPEN_RATE).total == Quantiles(None, None, None)
    nobody = forecast(tally_of(silent), horizon_days=7, policy=Policy.RECOMMENDED, schedule={})
    assert [note.code for note in nobody.notes] == [note.code for note in answer.notes]


def test_a_gap_is_left_out_of_the_rhythm(world: SimulatedWorld) -> None:
    gap = pl.col("sent_at").is_between(NOW - timedelta(days=35), NOW - timedelta(days=14))
    facts = dict(world.facts)
    facts["communications"] = facts["communications"].filter(~gap)
    with_gap = forecast(tally_of(History.from_facts(facts, as_of=NOW, currency="EUR")), horizon_days=7)
    without = forecast(tally_of(History.from_facts(world.facts, as_of=NOW, currency="EUR")), horizon_days=7)
    assert [note.code for note in with_gap.notes] == ["GAP_IN_HISTORY"]
    ratio = _mid(_series(with_gap, Kpi.SENT).total) / _mid(_series(without, Kpi.SENT).total)
    assert 0.85 < ratio < 1.15


@pytest.mark.parametrize("name", ["default", "shifting", "overseas", "tiny-segments"])
def test_bands_hold_what_came_on_days_not_seen(name: str) -> None:
    """Cut the history, forecast four weeks, look at what came: about nine in ten inside, and better than naive."""
    made = simulate(900, seed=2, end=END, world=PRESETS[name])
    cohorts = cohorts_of(tally_of(History.from_facts(made.facts, as_of=NOW)))
    assert cohorts is not None
    answer = forecast(
        tally_of(History.from_facts(made.facts, as_of=CUT)),
        horizon_days=28,
        by=[Dimension.CHANNEL],
        kpis=MESSAGE_KPIS,
    )
    groups = grouping(cohorts.segments, cohorts.channels, by_segment=False, by_channel=True)
    start = (CUT.date() - cohorts.first_day).days
    inside: list[bool] = []
    for series in answer.series:
        column = groups.keys.index((None, series.key.channel))
        if series.key.currency is not None:
            column = column * len(cohorts.currencies) + cohorts.currencies.index(series.key.currency)
        came = actual_values(cohorts, groups, series.kpi)[start : start + 28, column]
        for point, value in zip(series.points, came, strict=True):
            low, high = point.quantiles.p05, point.quantiles.p95
            if low is not None and high is not None and not np.isnan(value):
                inside.append(low <= value <= high)
    assert len(inside) > 500
    assert 0.85 <= np.mean(inside) <= 0.985
    for row in answer.backtest:
        assert 0.8 <= row.coverage <= 1.0, row
        assert row.pinball_loss < row.baseline_pinball_loss, row
        assert row.crps < row.baseline_crps, row
        assert row.days > 100
