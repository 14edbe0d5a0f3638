"""Public holidays: seen in the past, expected in the future, and no part of the rhythm of the week."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from ml.forecast.cohorts import Cohorts, Outcome
from ml.forecast.holidays import share_on_holiday
from ml.forecast.volume import forecast_volume

FIRST = date(2026, 1, 5)
NOTHING = np.zeros(0, dtype=np.int64)
NONE = Outcome(NOTHING, NOTHING, NOTHING, np.zeros(0))
WEEK = np.array([100.0, 100.0, 100.0, 100.0, 100.0, 20.0, 0.0])


def _cohorts(days: int, on_holidays: float) -> Cohorts:
    debtors = pl.DataFrame({"country": ["ES"], "count": [10.0]})
    holidays = share_on_holiday(debtors, FIRST, days + 60)
    sent = np.tile(WEEK, days // 7 + 1)[:days] * np.where(holidays[:days] > 0, on_holidays, 1.0)
    return Cohorts(
        first_day=FIRST,
        segments=("S",),
        channels=("EMAIL",),
        currencies=("EUR",),
        sent=sent[:, None],
        delivered=sent[:, None],
        outcomes={"opened": NONE, "clicked": NONE, "converted": NONE},
        payments={"EUR": NONE},
        money={"EUR": NONE},
        variation=0.5,
        holidays=holidays,
    )


def test_a_share_of_the_portfolio_is_away() -> None:
    debtors = pl.DataFrame({"country": ["ES", "DK", None, "XX"], "count": [2.0, 1.0, 1.0, 1.0]})
    share = share_on_holiday(debtors, date(2026, 5, 1), 5)
    # 1 May in Spain alone; nobody knows of a country XX.
    assert share.tolist() == pytest.approx([0.4, 0.0, 0.0, 0.0, 0.0])
    assert share_on_holiday(debtors, date(2026, 12, 25), 1).tolist() == pytest.approx([0.6])


def test_holidays_to_come_are_as_those_that_were() -> None:
    """Epiphany, Maundy Thursday and Good Friday passed without a message; the first of May will."""
    cohorts = _cohorts(112, on_holidays=0.0)
    volume = forecast_volume(cohorts, 112, 14).expected[:, 0]
    by_day = {cohorts.day(112 + ahead): value for ahead, value in enumerate(volume)}
    assert by_day[date(2026, 5, 1)] < 35
    assert by_day[date(2026, 5, 8)] == pytest.approx(100, rel=0.03)
    assert by_day[date(2026, 4, 30)] == pytest.approx(100, rel=0.03)


def test_whoever_sends_on_holidays_goes_on_to() -> None:
    volume = forecast_volume(_cohorts(112, on_holidays=1.0), 112, 14).expected[:, 0]
    assert volume == pytest.approx(np.tile(WEEK, 2), rel=0.03, abs=0.5)


def test_days_beyond_what_is_known_have_none() -> None:
    cohorts = _cohorts(28, on_holidays=1.0)
    assert cohorts.on_holiday(80, 20).tolist() == [*cohorts.holidays[80:88], *[0.0] * 12]
    assert cohorts.day(0) + timedelta(days=1) == date(2026, 1, 6)
    assert cohorts.on_holiday(1, 1).tolist() == [1.0]
