"""How long messages wait to be opened: exact where it is counted, unbiased where it is forecast."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.forecast import Dimension, Key, Kpi, forecast, tally_of
from ml.forecast.backtest import actual_values, total_values
from ml.forecast.cohorts import cohorts_of
from ml.forecast.outlook import grouping
from ml.forecast.waits import Waits, at_share, draw_middles, estimate_waits, medians_of, middle
from ml.frames import History
from ml.simulator import simulate

END = date(2026, 5, 1)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
KPI = Kpi.SENT_TO_OPEN_P50


@pytest.fixture(scope="module")
def history() -> History:
    return History.from_facts(simulate(900, seed=5, end=END).facts, as_of=NOW, currency="EUR")


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1e6)), max_size=40))
def test_a_median_is_the_middle_of_those_there_are(rows: list[tuple[int, float]]) -> None:
    key = np.array([row[0] for row in rows], dtype=np.int64)
    found = medians_of(np.array([row[1] for row in rows]), key, 4)
    for number in range(4):
        own = sorted(value for mine, value in rows if mine == number)
        if own:
            assert found[number] == own[(len(own) + 1) // 2 - 1]
        else:
            assert np.isnan(found[number])


def test_actual_medians_are_those_of_the_messages(history: History) -> None:
    cohorts = cohorts_of(tally_of(history))
    assert cohorts is not None
    groups = grouping(cohorts.segments, cohorts.channels, by_segment=False, by_channel=True)
    opened = history.outbound.filter(pl.col("delivered") & pl.col("opened_at").is_not_null()).with_columns(
        seconds=(pl.col("opened_at") - pl.col("sent_at")).dt.total_microseconds() / 1e6,
        number=(pl.col("sent_at").dt.date() - cohorts.first_day).dt.total_days(),
    )
    found = actual_values(cohorts, groups, KPI)
    totals = total_values(cohorts, groups, KPI, [30, 60], 28)
    for column, (_, channel) in enumerate(groups.keys):
        own = opened.filter(pl.col("channel") == channel)
        for number in (20, 33, 47):
            of_day = sorted(own.filter(pl.col("number") == number)["seconds"])
            expected = of_day[(len(of_day) + 1) // 2 - 1] if of_day else np.nan
            assert found[number, column] == pytest.approx(expected, nan_ok=True)
        for place, start in enumerate((30, 60)):
            of_span = sorted(own.filter(pl.col("number").is_between(start, start + 27))["seconds"])
            expected = of_span[(len(of_span) + 1) // 2 - 1] if of_span else np.nan
            assert totals[place, column] == pytest.approx(expected, nan_ok=True)


def _lognormal(rng: np.random.Generator, days: int, a_day: int, median: float, spread: float) -> Waits:
    """Messages sent at noon, as they will be known in the end."""
    day = np.repeat(np.arange(days), a_day)
    seconds = median * np.exp(spread * rng.standard_normal(len(day)))
    lag = ((seconds + 43_200) // 86_400).astype(np.int64)
    return Waits(day, np.zeros(len(day), dtype=np.int64), lag, seconds)


def test_late_openings_still_to_come_are_allowed_for() -> None:
    """Half of the openings come after more than two days: recent days have shown the quick ones alone."""
    waits = _lognormal(np.random.default_rng(1), 60, 200, 200_000.0, 0.8)
    delivered, channel = np.full((60, 1), 400.0), np.zeros(1, dtype=np.int64)
    shares, weight = estimate_waits(waits, delivered, channel)
    assert middle(shares)[0] == pytest.approx(200_000, rel=0.05)
    assert weight[0] > 1000
    seen = waits.day + waits.lag < 60
    assert np.median(waits.seconds[seen][waits.day[seen] >= 55]) < 150_000


def test_drawn_medians_vary_as_those_of_samples_do() -> None:
    rng = np.random.default_rng(2)
    waits = _lognormal(rng, 50, 2000, 3000.0, 1.2)
    shares, _ = estimate_waits(waits, np.full((50, 1), 2000.0), np.zeros(1, dtype=np.int64))
    for count in (3, 20):
        drawn = draw_middles(rng, shares, np.full((4000, 1), float(count)))[:, 0]
        samples = np.sort(3000 * np.exp(1.2 * rng.standard_normal((4000, count))), axis=1)
        exact = samples[:, (count + 1) // 2 - 1]
        for level in (0.05, 0.5, 0.95):
            assert np.quantile(drawn, level) == pytest.approx(np.quantile(exact, level), rel=0.1)
    assert np.isnan(draw_middles(rng, shares, np.zeros((1, 1)))).all()


@given(st.integers(0, 2**32 - 1))
def test_shares_are_read_in_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.random((3, 240)) * (rng.random((3, 240)) < 0.2) + 1e-9
    found = at_share(shares, np.sort(rng.random((5, 3)), axis=0))
    assert (np.diff(found, axis=0) >= 0).all()


def test_the_whole_is_mixed_from_its_parts(history: History) -> None:
    """Calls are answered within a minute, letters read after days: the median of all lies between, band by band."""
    whole = forecast(tally_of(history), horizon_days=21, kpis=[KPI])
    (total,) = [series.total for series in whole.series]
    parts = forecast(tally_of(history), horizon_days=21, kpis=[KPI], by=[Dimension.CHANNEL])
    middles = [series.total.p50 for series in parts.series if series.total.p50 is not None]
    assert total.p50 is not None
    assert min(middles) < total.p50 < max(middles)
    letter = next(series.total for series in parts.series if series.key == Key(channel="LETTER"))
    assert letter.p50 is not None
    assert letter.p50 > 86_400
    assert {series.unit for series in whole.series} == {"SECONDS"}
