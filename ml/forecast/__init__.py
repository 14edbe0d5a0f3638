"""What the KPIs will be in the coming days, as sent lately and as recommended, and how sure that is.

outlook = forecast(tally_of(history), horizon_days=28, by=[Dimension.CHANNEL], kpis=[Kpi.OPEN_RATE])
outlook.series[0].points[0].quantiles  # p05, p50, p95 of the first day
outlook.backtest  # how such bands did on this history
"""

from ml.forecast.answers import (
    MESSAGE_KPIS,
    BacktestRow,
    Dimension,
    Forecast,
    ForecastError,
    Key,
    Kpi,
    Note,
    Point,
    Policy,
    Quantiles,
    Series,
    Unit,
)
from ml.forecast.cohorts import LONGEST_HORIZON
from ml.forecast.engine import backtest_rows, forecast
from ml.forecast.schedule import Move, Schedule, schedule_of
from ml.forecast.tally import Tally, tally_of

__all__ = [
    "LONGEST_HORIZON",
    "MESSAGE_KPIS",
    "BacktestRow",
    "Dimension",
    "Forecast",
    "ForecastError",
    "Key",
    "Kpi",
    "Move",
    "Note",
    "Point",
    "Policy",
    "Quantiles",
    "Schedule",
    "Series",
    "Tally",
    "Unit",
    "backtest_rows",
    "forecast",
    "schedule_of",
    "tally_of",
]
