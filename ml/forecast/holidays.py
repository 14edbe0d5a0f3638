"""On which days the people of a portfolio have a public holiday."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from domain.contact_rules.local_clock import is_holiday
from ml.forecast.waits import Floats


def share_on_holiday(people: pl.DataFrame, first: date, days: int) -> Floats:
    """(days,) share of the debtors in whose country a day from `first` on is a public holiday; countries whose holidays
    are not known have none. people: country, count.
    """
    share, everybody = np.zeros(days), float(people["count"].sum())
    for country, count in people.drop_nulls("country").select("country", "count").iter_rows():
        share += count / everybody * _of_country(country, first, days)
    return share


def _of_country(country: str, first: date, days: int) -> Floats:
    try:
        return np.array(
            [is_holiday(country, first + timedelta(days=day)) for day in range(days)], dtype=np.float64
        )
    except NotImplementedError:
        return np.zeros(days)
