"""A forecast as a table."""

from collections.abc import Iterator, Sequence
from datetime import date

import polars as pl

from api.answers import ForecastDimension, ForecastPoint, ForecastSeries, KpiForecast, Quantiles

_KEYS = {ForecastDimension.SEGMENT: "segment", ForecastDimension.CHANNEL: "channel"}


def frame_of(forecast: KpiForecast, by: Sequence[ForecastDimension]) -> pl.DataFrame:
    """Columns kpi, unit, currency (of money), the keys asked for, day (null: the total), p05, p50, p95."""
    keys = [_KEYS[dimension] for dimension in dict.fromkeys(by)]
    schema = {
        "kpi": pl.String,
        "unit": pl.String,
        "currency": pl.String,
        **dict.fromkeys(keys, pl.String),
        "day": pl.Date,
        "p05": pl.Float64,
        "p50": pl.Float64,
        "p95": pl.Float64,
    }
    rows = [row for series in forecast.series for row in _rows(series, keys)]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _rows(series: ForecastSeries, keys: Sequence[str]) -> Iterator[tuple[object, ...]]:
    places = {"segment": series.key.segment, "channel": series.key.channel and series.key.channel.value}
    head = (series.kpi.value, series.unit.value, series.key.currency, *(places[key] for key in keys))

    def row(day: date | None, quantiles: Quantiles | ForecastPoint) -> tuple[object, ...]:
        return (*head, day, quantiles.p05, quantiles.p50, quantiles.p95)

    for point in series.points:
        yield row(point.day, point)
    if series.total is not None:
        yield row(None, series.total)
