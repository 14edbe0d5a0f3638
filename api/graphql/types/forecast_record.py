"""How forecasts have done: on history, and day by day since."""

from datetime import date, datetime
from typing import Any

import strawberry

from api.answers import ForecastKpi
from domain.storage.kept_forecasts import KeptForecast as KeptForecastRow

_field = strawberry.field


@strawberry.type(description="How forecasts of a KPI did on days they had not seen.")
class BacktestRow:
    """How forecasts of a KPI did."""

    kpi: ForecastKpi = _field(description="Which KPI.")
    nominal_coverage: float = _field(description="The share of days the interval promises to hold, 0–1.")
    coverage: float = _field(description="The share it held, 0–1.")
    pinball_loss: float = _field(description="Mean pinball loss over the three quantiles, in the KPI's unit.")
    baseline_pinball_loss: float = _field(
        description="The same of repeating the same weekday of the week before, in the KPI's unit."
    )
    crps: float | None = _field(
        description="Mean continuous ranked probability score of the whole distribution, in the KPI's unit (COLLECTED: "
        "as a share of an average day's); null: the version was trained before it was kept."
    )
    baseline_crps: float | None = _field(
        description="The same of repeating the same weekday of the week before, in the same unit."
    )
    days: int = _field(description="How many days were tried.")

    @classmethod
    def stored(cls, row: dict[str, Any]) -> "BacktestRow":
        """A row as a model version keeps it."""
        return cls(**{"crps": None, "baseline_crps": None, **row, "kpi": ForecastKpi(row["kpi"])})


@strawberry.type(description="How the 90 % intervals of a KPI have held.")
class DriftRow:
    """How the intervals of a KPI have held."""

    kpi: ForecastKpi = _field(description="Which KPI.")
    currency: str | None = _field(description="ISO 4217 code where the KPI is per currency, else null.")
    days: int = _field(
        description="How many settled days, at most the last 56, each as forecast up to two weeks before."
    )
    coverage: float = _field(description="The share of them inside the interval, 0–1.")
    drifted: bool = _field(
        description="Whether, at some time since judging began, so few were inside that chance ever explains it less "
        "than once in a thousand times; it stays so. Judging begins anew when a flagged model is replaced."
    )


@strawberry.type(description="Whether forecasts have stopped holding, as told when a model last decided.")
class ForecastDrift:
    """Whether forecasts have stopped holding."""

    flagged: bool = _field(description="Whether any KPI has drifted: time to look, and to train.")
    judged_at: datetime = _field(description="The instant of knowledge of this judgement.")
    rows: list[DriftRow] = _field(description="Per KPI and currency, those with two weeks of settled days.")

    @classmethod
    def stored(cls, drift: dict[str, Any]) -> "ForecastDrift":
        """As a model version keeps it."""
        return cls(
            flagged=drift["flagged"],
            judged_at=datetime.fromisoformat(drift["judged_at"]),
            rows=[DriftRow(**{**row, "kpi": ForecastKpi(row["kpi"])}) for row in drift["rows"]],
        )


@strawberry.type(description="A forecast as it was made, in total and as sent lately, and what came.")
class KeptForecast:
    """A forecast as it was made."""

    kpi: ForecastKpi = _field(description="Which KPI.")
    currency: str | None = _field(description="ISO 4217 code where the KPI is per currency, else null.")
    made_on: date = _field(description="The UTC day as of whose first instant it was made.")
    day: date = _field(description="The UTC day it is about.")
    p05: float = _field(description="5 % quantile, in the KPI's unit.")
    p50: float = _field(description="Median, in the KPI's unit.")
    p95: float = _field(description="95 % quantile, in the KPI's unit.")
    actual: float | None = _field(description="What came, in the KPI's unit; null: not settled yet.")
    error: float | None = _field(description="actual − p50, in the KPI's unit; null: not settled yet.")

    @classmethod
    def of(cls, row: KeptForecastRow) -> "KeptForecast":
        """A row as it is kept."""
        return cls(
            kpi=ForecastKpi(row.kpi),
            currency=row.currency,
            made_on=row.made_on,
            day=row.day,
            p05=row.p05,
            p50=row.p50,
            p95=row.p95,
            actual=row.actual,
            error=None if row.actual is None else row.actual - row.p50,
        )
