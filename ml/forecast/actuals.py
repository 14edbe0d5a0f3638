"""What came of the days that were forecast, once nothing more is to be expected of them."""

from collections.abc import Mapping
from datetime import UTC, date, timedelta

import numpy as np

from ml.forecast.answers import MESSAGE_KPIS, Kpi
from ml.forecast.backtest import SETTLED_AFTER, actual_values
from ml.forecast.books import books_of, dso_of, last_whole_month
from ml.forecast.cohorts import Cohorts, cohorts_of
from ml.forecast.outlook import grouping
from ml.forecast.promises import promise_cohorts, settled_after
from ml.forecast.tally import Tally

Measured = tuple[Kpi, str | None]
"""A KPI and, where it is per currency, which."""


def settled_values(tally: Tally) -> Mapping[Measured, Mapping[date, float]]:
    """The KPIs in total, of every day by which they are settled at `tally.as_of`; days without a value left out.

    Messages settle after two weeks (how many were sent, too: they may be imported late), promises when 95 % of them are
    over, and a month's books when it is.
    """
    found: dict[Measured, dict[date, float]] = {}
    messages = cohorts_of(tally)
    if messages is not None:
        for kpi in MESSAGE_KPIS:
            _add(found, messages, kpi, SETTLED_AFTER)
    promises = promise_cohorts(tally)
    if promises is not None:
        _add(found, promises, Kpi.PROMISES_KEPT_RATE, settled_after(tally))
    today = tally.as_of.astimezone(UTC).date()
    for currency, books in books_of(tally.finance).items():
        of_month = dso_of(books)
        days = ((books.months[0] + timedelta(days=n)) for n in range((today - books.months[0]).days))
        found[Kpi.DSO, currency] = {
            day: of_month[last_whole_month(day)] for day in days if last_whole_month(day) in of_month
        }
    return found


def _add(found: dict[Measured, dict[date, float]], cohorts: Cohorts, kpi: Kpi, after: int) -> None:
    groups = grouping(cohorts.segments, cohorts.channels, by_segment=False, by_channel=False)
    values = actual_values(cohorts, groups, kpi)[: max(cohorts.days - after, 0)]
    currencies = cohorts.currencies if kpi == Kpi.COLLECTED else (None,)
    for column, currency in enumerate(currencies):
        found[kpi, currency] = {
            cohorts.day(int(day)): float(values[day, column])
            for day in np.flatnonzero(~np.isnan(values[:, column]))
        }
