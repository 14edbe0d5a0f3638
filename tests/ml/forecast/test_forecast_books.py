"""Days sales outstanding: the past exactly as kpis.md has it, the months to come from the books there are."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from domain.kpis.portfolio import MonthlyFinance, days_sales_outstanding
from ml.forecast import Forecast, Key, Kpi, Policy, Quantiles, Series, forecast, tally_of
from ml.forecast.books import books_of, forecast_dso, last_whole_month
from ml.frames import History
from ml.simulator import simulate

END = date(2026, 5, 1)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
MONTHS = [date(2025, 11, 1), date(2025, 12, 1), *(date(2026, month, 1) for month in range(1, 5))]


@pytest.fixture(scope="module")
def history() -> History:
    return History.from_facts(simulate(400, seed=5, end=END).facts, as_of=NOW, currency="EUR")


def _with_books(history: History, sales: list[float], owed: list[float]) -> History:
    rows = {"month": MONTHS[: len(sales)], "currency": "EUR", "credit_sales": sales, "receivables": owed}
    return replace(history, finance=pl.DataFrame(rows))


def _dso(answer: Forecast) -> Series:
    (found,) = [series for series in answer.series if series.key == Key(currency="EUR")]
    return found


def test_a_month_that_is_over_is_known(history: History) -> None:
    found = _dso(forecast(tally_of(history), horizon_days=40, kpis=[Kpi.DSO]))
    books = {
        row["month"]: MonthlyFinance(
            Decimal(str(row["credit_sales"])), Decimal(str(row["receivables"])), None, None
        )
        for row in history.finance.filter(pl.col("currency") == "EUR").iter_rows(named=True)
    }
    april = days_sales_outstanding([date(2026, 4, 1)], books)
    for point in found.points:
        known = point.day < date(2026, 5, 31)
        exact = (point.quantiles.p05, point.quantiles.p50, point.quantiles.p95)
        if known:
            assert exact == pytest.approx((april, april, april))
        else:
            assert exact[0] < exact[1] < exact[2]
    assert found.unit == "DAYS"
    assert found.total == found.points[-1].quantiles  # May, the one whole month inside


def test_without_a_whole_month_inside_the_last_one_counts(history: History) -> None:
    found = _dso(forecast(tally_of(history), horizon_days=7, kpis=[Kpi.DSO]))
    assert found.total == found.points[-1].quantiles
    assert found.total.p05 == found.total.p95


def test_two_whole_months_are_one_dso(history: History) -> None:
    """With steady books of 100 sold and 150 owed, May and June together have 150 × 61 / 200."""
    steady = _with_books(history, [100.0] * 6, [150.0] * 6)
    found = _dso(forecast(tally_of(steady), horizon_days=62, kpis=[Kpi.DSO]))
    assert found.total.p50 == pytest.approx(150 * 61 / 200, rel=0.02)
    by_day = {point.day: point.quantiles.p50 for point in found.points}
    assert by_day[date(2026, 6, 29)] == pytest.approx(1.5 * 31, rel=0.02)
    assert by_day[date(2026, 6, 30)] == pytest.approx(1.5 * 30, rel=0.02)


def test_few_months_say_less(history: History) -> None:
    def width(months: int) -> float:
        books = _with_books(history, [100.0] * 6, [150.0, 151.0, 149.0, 150.0, 151.0, 149.0])
        known = replace(books, finance=books.finance.tail(months))
        total = _dso(forecast(tally_of(known), horizon_days=40, kpis=[Kpi.DSO])).total
        assert total.p05 is not None
        assert total.p95 is not None
        return total.p95 - total.p05

    assert width(1) > 1.5 * width(6)


def test_no_books_no_dso(history: History) -> None:
    answer = forecast(
        tally_of(replace(history, finance=history.finance.clear())), horizon_days=5, kpis=[Kpi.DSO]
    )
    assert [note.code for note in answer.notes] == ["NO_BOOKS"]
    assert [series.total for series in answer.series] == [Quantiles(None, None, None)]


def test_a_month_that_is_missing_has_no_dso(history: History) -> None:
    """The books end in March: April is forecast, and a month missing between others is left undefined."""
    books = _with_books(history, [100.0] * 6, [150.0] * 6)
    behind = replace(books, finance=books.finance.filter(pl.col("month") != date(2026, 4, 1)))
    (first, *_) = _dso(forecast(tally_of(behind), horizon_days=5, kpis=[Kpi.DSO])).points
    assert first.quantiles.p05 is not None
    assert first.quantiles.p95 is not None
    assert first.quantiles.p05 < 45 < first.quantiles.p95
    gap = books_of(books.finance.filter(pl.col("month") != date(2026, 2, 1)))["EUR"]
    assert gap.months == tuple(MONTHS)
    assert np.isnan(gap.receivables[3])


def test_what_is_collected_beyond_now_is_no_longer_owed(history: History) -> None:
    books = _with_books(history, [1000.0] * 6, [1500.0] * 6)
    days = [END + timedelta(days=ahead) for ahead in range(31)]
    now = np.full((31, 500, 1), 10.0)
    cash = {Policy.CURRENT: now, Policy.RECOMMENDED: now + 5.0}
    (series,) = forecast_dso(books.finance, days, ["EUR"], cash, Policy.RECOMMENDED, 0).series[Kpi.DSO]
    gain = -31 * 5.0 / 1000 * 31
    assert series.difference is not None
    assert series.difference.p50 == pytest.approx(gain, rel=0.02)
    assert series.difference.p95 is not None
    assert series.difference.p95 < 0


@pytest.mark.parametrize(
    ("day", "month"),
    [("2026-04-30", "2026-04-01"), ("2026-05-01", "2026-04-01"), ("2026-01-30", "2025-12-01")],
)
def test_the_last_whole_month(day: str, month: str) -> None:
    assert last_whole_month(date.fromisoformat(day)) == date.fromisoformat(month)


def test_only_months_that_were_over_are_known(history: History) -> None:
    assert history.finance["month"].max() == date(2026, 4, 1)
    then = history.known_at(datetime(2026, 3, 31, 23, tzinfo=UTC))
    assert then.finance["month"].max() == date(2026, 2, 1)
    assert history.known_at(datetime(2026, 4, 1, tzinfo=UTC)).finance["month"].max() == date(2026, 3, 1)
