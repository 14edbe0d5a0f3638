"""On which days the people of a portfolio have a public holiday."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from domain.contact_rules.local_clock import is_holiday
from ml.forecast.waits import Floats


def share_on_holiday(debtors: pl.DataFrame, first: date, days: int) -> Floats:
    """(days,) share of the debtors in whose country a day from `first` on is a public holiday; countries whose holidays
    are not known have none.
    """
    share = np.zeros(days)
    counted = debtors.drop_nulls("country").group_by("country").len()
    for country, count in counted.iter_rows():
        share += count / len(debtors) * _of_country(country, first, days)
    return share


def _of_country(country: str, first: date, days: int) -> Floats:
    try:
        return np.array(
            [is_holiday(country, first + timedelta(days=day)) for day in range(days)], dtype=np.float64
        )
    except NotImplementedError:
        return np.zeros(days)
