"""What the KPIs will be in the coming days, as sent lately and as recommended, and how sure that is.

outlook = forecast(history, horizon_days=28, by=[Dimension.CHANNEL], kpis=[Kpi.OPEN_RATE, Kpi.COLLECTED])
outlook.series[0].points[0].quantiles      # p05, p50, p95 of the first day outlook.backtest # how such bands
did on this history
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

__all__ = [
    "LONGEST_HORIZON",
    "MESSAGE_KPIS",
    "BacktestRow",
    "Dimension",
    "Forecast",
    "ForecastError",
    "Key",
    "Kpi",
    "Note",
    "Point",
    "Policy",
    "Quantiles",
    "Series",
    "Unit",
    "backtest_rows",
    "forecast",
]
