"""Forecasts of KPIs. The values of `api.answers` carry the same names and stand for these types."""

from datetime import date, datetime
from typing import Annotated, cast

import strawberry
from strawberry import Parent

from api import answers
from api.answers import ForecastKpi, Unit
from api.graphql.context import Info
from api.graphql.fields import resolved
from api.graphql.types.forecast_record import BacktestRow, KeptForecast
from api.graphql.types.models import ModelVersion
from api.graphql.types.nodes import linked_node
from api.services import InvalidArgument
from domain.storage.kept_forecasts import kept_forecasts
from domain.vocabulary import Channel

_field = strawberry.field
#: `HORIZON_DAYS` of `api.forecasting.keeping` are kept, from the day that a forecast is made on.
LONGEST_LEAD = 27


@strawberry.type(description="Which part of the portfolio a series is about.")
class ForecastKey:
    """Which part of the portfolio."""

    segment: str | None = _field(description="The segment's key; null: all segments.")
    channel: Channel | None = _field(description="The channel; null: all channels.")
    currency: str | None = _field(
        description="ISO 4217 code of a MONEY series, and of DSO, which is per currency; null of any other."
    )


@strawberry.type(description="The 5 %, 50 % and 95 % quantiles of what is forecast, in the series' unit.")
class Quantiles:
    """Quantiles of what is forecast."""

    p05: float | None = _field(
        description="5 % quantile, in the series' unit; null: undefined, such as a rate of nothing sent."
    )
    p50: float | None = _field(description="Median, in the series' unit; null: undefined.")
    p95: float | None = _field(description="95 % quantile, in the series' unit; null: undefined.")


@strawberry.type(description="The forecast of one day, in the series' unit.")
class ForecastPoint:
    """The forecast of one day."""

    day: date = _field(description="The UTC day.")

    p05: float | None = _field(
        description="5 % quantile, in the series' unit; null: undefined, such as a rate of nothing sent."
    )
    p50: float | None = _field(description="Median, in the series' unit; null: undefined.")
    p95: float | None = _field(description="95 % quantile, in the series' unit; null: undefined.")


@strawberry.type(description="One KPI over the horizon, for one part of the portfolio.")
class ForecastSeries:
    """One KPI over the horizon."""

    kpi: ForecastKpi = _field(description="Which KPI (docs/contract/kpis.md).")
    unit: Unit = _field(description="The unit of all its numbers.")
    key: ForecastKey = _field(description="Which part of the portfolio.")
    points: list[ForecastPoint] = _field(description="Day by day.")
    total: Quantiles | None = _field(description="Over the whole horizon; null for a KPI that has no total.")
    difference: Quantiles | None = _field(
        description="RECOMMENDED minus CURRENT over the whole horizon, paired; null when the policy is CURRENT."
    )


@strawberry.type(description="Something a reader of a forecast should know.")
class ForecastNote:
    """Something a reader should know."""

    code: str = _field(
        description="Stable, such as SHORT_HISTORY, STOPPED_SENDING or REGIME_CHANGE; docs/forecasts.md lists them."
    )
    message: str = _field(description="What it means for this forecast, for people.")


@strawberry.type(description="A forecast of KPIs.")
class KpiForecast:
    """A forecast of KPIs."""

    as_of: datetime = _field(description="The instant of knowledge: the forecast sees nothing later.")
    series: list[ForecastSeries] = _field(description="One per KPI and key.")
    backtest: list[BacktestRow] = _field(description="How such forecasts did before.")
    notes: list[ForecastNote] = _field(description="What a reader should know; empty: nothing in particular.")

    @resolved("What was forecast since this model decides, in total and as sent lately, and what came of it.")
    async def kept(
        self,
        info: Info,
        parent: Parent[answers.KpiForecast],
        lead_days: Annotated[
            int, strawberry.argument(description="Only those made so many days before their day, 0 to 27.")
        ] = 7,
    ) -> list[KeptForecast]:
        """Kept forecasts of the model version."""
        if not 0 <= lead_days <= LONGEST_LEAD:
            raise InvalidArgument(
                f"leadDays: {lead_days} days ahead are never kept; ask for 0 to {LONGEST_LEAD}.",
                path=("leadDays",),
            )
        context = info.context
        async with context.services.database.transaction(context.tenant_id) as connection:
            rows = await kept_forecasts(
                connection, context.tenant_id, parent.model_version_id, lead_days=lead_days
            )
        return [KeptForecast.of(row) for row in rows]

    @resolved("The model behind it.")
    async def model_version(self, info: Info, parent: Parent[answers.KpiForecast]) -> ModelVersion:
        """The model behind it."""
        found: ModelVersion = await linked_node(info, "ModelVersion", parent.model_version_id)
        return found


def shown_forecast(forecast: answers.KpiForecast) -> KpiForecast:
    """A forecast as GraphQL reads it: the fields have the same names, so the value stands for the type."""
    return cast(KpiForecast, forecast)
