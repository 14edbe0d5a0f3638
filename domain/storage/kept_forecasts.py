"""Forecasts as they were made, day by day, and what came: kept so that anybody can see how far to believe the next."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.tables import kept_forecast, model_version

_K = kept_forecast.c

KeptDay = tuple[str, str | None, date]
"""A KPI, its currency where it has one, and a day."""


@dataclass(frozen=True, slots=True)
class KeptForecast:
    """What was forecast on `made_on` (the first day ahead) of a KPI for `day`, in total, in the KPI's unit.

    currency: of a KPI that is per currency, else None. actual: what came, None until it is settled.
    """

    made_on: date
    kpi: str
    currency: str | None
    day: date
    p05: float
    p50: float
    p95: float
    actual: float | None = None


async def kept_on(connection: AsyncConnection, tenant_id: int, made_on: date) -> bool:
    """Whether that day's forecast is kept already."""
    found = select(_K.day).where(_K.tenant_id == tenant_id, _K.made_on == made_on).limit(1)
    return (await connection.execute(found)).first() is not None


async def keep_forecasts(
    connection: AsyncConnection, tenant_id: int, version_id: int, forecasts: Sequence[KeptForecast]
) -> None:
    """Keep forecasts of a model version; what is kept already stays as it was."""
    rows = [
        asdict(one) | {"currency": one.currency or "", "tenant_id": tenant_id, "model_version_id": version_id}
        for one in forecasts
    ]
    if rows:
        await connection.execute(insert(kept_forecast).on_conflict_do_nothing(), rows)


async def differing_days(
    connection: AsyncConnection, tenant_id: int, actuals: Mapping[KeptDay, float]
) -> list[KeptDay]:
    """Those of `actuals` beside whose kept forecasts there stands none yet, or another: facts may come late."""
    least, most, known = func.min(_K.actual), func.max(_K.actual), func.count(_K.actual)
    stored = (
        select(_K.kpi, _K.currency, _K.day, least.label("least"), most.label("most"))
        .add_columns((known == func.count()).label("is_known"))
        .where(_K.tenant_id == tenant_id)
        .group_by(_K.kpi, _K.currency, _K.day)
    )
    found = []
    for row in await connection.execute(stored):
        day = (row.kpi, row.currency or None, row.day)
        if day in actuals and not (row.is_known and row.least == row.most == actuals[day]):
            found.append(day)
    return found


async def record_actuals(
    connection: AsyncConnection, tenant_id: int, actuals: Mapping[KeptDay, float]
) -> None:
    """Write what came beside every forecast of it."""
    written = update(kept_forecast).where(
        _K.tenant_id == tenant_id,
        _K.kpi == bindparam("of_kpi"),
        _K.currency == bindparam("of_currency"),
        _K.day == bindparam("of_day"),
    )
    rows = [
        {"of_kpi": kpi, "of_currency": currency or "", "of_day": day, "actual": value}
        for (kpi, currency, day), value in actuals.items()
    ]
    if rows:
        await connection.execute(written.values(actual=bindparam("actual")), rows)


async def kept_forecasts(
    connection: AsyncConnection, tenant_id: int, version_id: int, *, lead_days: int | None = None
) -> list[KeptForecast]:
    """Those of a model version in the order of kpi, currency, day and age; lead_days: only those made so many days
    before their day.
    """
    found = select(_K.made_on, _K.kpi, _K.currency, _K.day, _K.p05, _K.p50, _K.p95, _K.actual).where(
        _K.tenant_id == tenant_id, _K.model_version_id == version_id
    )
    if lead_days is not None:
        found = found.where(_K.day - _K.made_on == lead_days)
    rows = await connection.execute(found.order_by(_K.kpi, _K.currency, _K.day, _K.made_on))
    return [KeptForecast(made_on, kpi, currency or None, *rest) for made_on, kpi, currency, *rest in rows]


async def settled_forecasts(
    connection: AsyncConnection, tenant_id: int, version_id: int
) -> list[KeptForecast]:
    """Those with an actual that a version is judged by, oldest first: its own and those of the versions before it, back
    to the last one that was flagged.

    How forecasts hold is the tenant's story: who trains every week would never have days enough of one version.
    """
    version = model_version.c
    told = (
        select(func.max(_K.made_on))
        .join(model_version, (version.tenant_id == _K.tenant_id) & (version.id == _K.model_version_id))
        .where(_K.tenant_id == tenant_id, version.id != version_id, version.drift["flagged"].as_boolean())
    )
    found = (
        select(_K.made_on, _K.kpi, _K.currency, _K.day, _K.p05, _K.p50, _K.p95, _K.actual)
        .where(
            _K.tenant_id == tenant_id,
            _K.actual.is_not(None),
            _K.made_on > func.coalesce(told.scalar_subquery(), date.min),
        )
        .order_by(_K.made_on)
    )
    return [
        KeptForecast(made_on, kpi, currency or None, *rest)
        for made_on, kpi, currency, *rest in await connection.execute(found)
    ]


async def record_drift(
    connection: AsyncConnection, tenant_id: int, version_id: int, drift: Mapping[str, Any]
) -> None:
    """Say on a model version how its kept forecasts have done."""
    version = model_version.c
    owner = update(model_version).where(version.tenant_id == tenant_id, version.id == version_id)
    await connection.execute(owner.values(drift=dict(drift)))


async def forget_forecasts(connection: AsyncConnection, tenant_id: int, *, before: date) -> None:
    """Delete forecasts of days before one."""
    await connection.execute(
        text("DELETE FROM kept_forecast WHERE tenant_id = :tenant_id AND day < :before"),
        {"tenant_id": tenant_id, "before": before},
    )
